// /proc/net: what the machine's own sockets are, and tables of a network without devices but lo.
#include <errno.h>
#include <string.h>

#include "kernel/proc.h"
#include "kernel/socket.h"

// unix(7)'s table: Num RefCount Protocol Flags Type St Inode Path
int proc_net_unix(struct machine *m, struct strbuf *s)
{
    (void)strbuf_puts(s, "Num       RefCount Protocol Flags    Type St Inode Path\n");
    for (u32 id = 0; (id = pool_next(&m->sockets, id));) {
        const struct socket *k = pool_at(&m->sockets, id);
        if (k->family != G_AF_UNIX)
            continue;
        u32 len = MIN(k->name.len, G_SUN_PATH);
        (void)strbuf_printf(s, "%016x: %08X 00000000 %08X %04X %02X %5llu", id, 2,
                            k->listening ? 0x10000u : 0u, k->type, k->connected ? 3 : 1,
                            (unsigned long long)k->serial);
        if (len) // an abstract name begins with NUL, which is shown as @
            (void)strbuf_printf(s, " %s%.*s", k->name.path[0] ? "" : "@",
                                (int)(k->name.path[0] ? len : len - 1),
                                k->name.path + !k->name.path[0]);
        (void)strbuf_puts(s, "\n");
    }
    return s->failed ? -ENOMEM : 0;
}

int proc_net_sockstat(struct machine *m, struct strbuf *s)
{
    return strbuf_printf(s, "sockets: used %u\nTCP: inuse 0 orphan 0 tw 0 alloc 0 mem 0\n"
                            "UDP: inuse 0 mem 0\nUDPLITE: inuse 0\nRAW: inuse 0\n"
                            "FRAG: inuse 0 memory 0\n", m->sockets.live);
}
