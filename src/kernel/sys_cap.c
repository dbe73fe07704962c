// Capabilities (capabilities(7)): the sets of a process, and how they change. Files have none here, and a
// set-user-ID bit counts for nothing, as on a file system that is mounted nosuid.
#include <errno.h>

#include "kernel/access.h"
#include "kernel/syscall.h"
#include "mm/uaccess.h"

// ---- capabilities (capget(2)); versions 2 and 3 have two words for each set

#define CAP_VERSION_1 0x19980330u
#define CAP_VERSION_2 0x20071026u
#define CAP_VERSION_3 0x20080522u

struct cap_header {
    u32 version;
    i32 pid;
};
struct cap_data {
    u32 effective, permitted, inheritable;
};

// The number of words; -EINVAL for a version that is not known, and the header then names ours.
static int cap_words(struct task *t, gva_t header, struct cap_header *h)
{
    int r = uaccess_read(t->mm, h, header, sizeof *h);
    if (r)
        return r;
    if (h->version == CAP_VERSION_1)
        return 1;
    if (h->version == CAP_VERSION_2 || h->version == CAP_VERSION_3)
        return 2;
    r = uaccess_write_u32(t->mm, header, CAP_VERSION_3);
    return r ? r : -EINVAL;
}

i64 sys_capget(struct machine *m, struct task *t, const u64 *a)
{
    struct cap_header h;
    struct cap_data data[2] = {{0, 0, 0}, {0, 0, 0}};
    int n = cap_words(t, a[0], &h);
    if (n < 0)
        return n == -EINVAL && !a[1] ? 0 : n;
    if (h.pid < 0)
        return -EINVAL;
    task_t of = h.pid ? pid_find(m, (u32)h.pid) : t->id;
    const struct group *g = of ? group_of(m, task_at(m, of)) : group_find(m, (u32)h.pid);
    if (!g)
        return -ESRCH;
    if (!a[1])
        return -EFAULT;
    const struct caps *c = &g->caps;
    for (int i = 0; i < n; i++) {
        data[i].effective = (u32)(c->effective >> (32 * i));
        data[i].permitted = (u32)(c->permitted >> (32 * i));
        data[i].inheritable = (u32)(c->inheritable >> (32 * i));
    }
    return uaccess_write(t->mm, a[1], data, (size_t)n * sizeof *data);
}

i64 sys_capset(struct machine *m, struct task *t, const u64 *a)
{
    struct cap_header h;
    struct cap_data data[2] = {{0, 0, 0}, {0, 0, 0}};
    struct group *g = group_of(m, t);
    int n = cap_words(t, a[0], &h);
    if (n < 0)
        return n;
    if (h.pid && (u32)h.pid != t->tid)
        return -EPERM;
    int r = uaccess_read(t->mm, data, a[1], (size_t)n * sizeof *data);
    if (r)
        return r;
    struct caps *c = &g->caps;
    u64 effective = (data[0].effective | (u64)data[1].effective << 32) & G_CAP_ALL;
    u64 permitted = (data[0].permitted | (u64)data[1].permitted << 32) & G_CAP_ALL;
    u64 inheritable = (data[0].inheritable | (u64)data[1].inheritable << 32) & G_CAP_ALL;
    if (!capable(g, G_CAP_SETPCAP) && inheritable & ~(c->inheritable | c->permitted))
        return -EPERM;
    if (inheritable & ~(c->inheritable | c->bounding))
        return -EPERM;
    if (permitted & ~c->permitted || effective & ~permitted)
        return -EPERM;
    c->effective = effective;
    c->permitted = permitted;
    c->inheritable = inheritable;
    c->ambient &= permitted & inheritable;
    return 0;
}

// ---- execve

// "Transformation of capabilities during execve": root's programs count as having all of them.
void cred_executed(struct group *g)
{
    struct caps *c = &g->caps;
    bool root = !(c->securebits & SECURE_NO_ROOT) && (!g->uid || !g->euid);
    if (root) {
        c->permitted = c->inheritable | c->bounding;
        c->effective = g->euid == 0 ? c->permitted : c->ambient;
    } else {
        c->permitted = c->effective = c->ambient;
    }
    c->securebits &= (u8)~SECURE_KEEP_CAPS;
    g->dumpable = g->uid == g->euid && g->gid == g->egid;
}

// ---- prctl

enum { P_GET_KEEPCAPS = 7, P_SET_KEEPCAPS = 8, P_CAPBSET_READ = 23, P_CAPBSET_DROP = 24,
       P_GET_SECUREBITS = 27, P_SET_SECUREBITS = 28, P_SET_NO_NEW_PRIVS = 38, P_GET_NO_NEW_PRIVS = 39,
       P_CAP_AMBIENT = 47 };
enum { AMBIENT_IS_SET = 1, AMBIENT_RAISE, AMBIENT_LOWER, AMBIENT_CLEAR_ALL };

static i64 ambient(struct caps *c, const u64 *a)
{
    if (a[1] == AMBIENT_CLEAR_ALL) {
        if (a[2] || a[3] || a[4])
            return -EINVAL;
        c->ambient = 0;
        return 0;
    }
    if (a[3] || a[4] || a[2] > G_CAP_LAST || !a[1] || a[1] > AMBIENT_LOWER)
        return -EINVAL;
    u64 bit = G_CAP_BIT(a[2]);
    if (a[1] == AMBIENT_IS_SET)
        return (c->ambient & bit) != 0;
    if (a[1] == AMBIENT_LOWER) {
        c->ambient &= ~bit;
        return 0;
    }
    if (!(c->permitted & c->inheritable & bit) || c->securebits & SECURE_NO_AMBIENT_RAISE)
        return -EPERM;
    c->ambient |= bit;
    return 0;
}

// A set bit's lock bit stands left of it, and what is locked stays.
static i64 set_securebits(struct group *g, u64 bits)
{
    struct caps *c = &g->caps;
    u8 locked = c->securebits >> 1 & SECURE_BITS;
    if (bits & ~0xffULL || (c->securebits ^ bits) & locked || (c->securebits & SECURE_LOCKS & ~bits) ||
        !capable(g, G_CAP_SETPCAP))
        return -EPERM;
    c->securebits = (u8)bits;
    return 0;
}

static i64 keep(struct caps *c, u64 on)
{
    if (on > 1)
        return -EINVAL;
    if (c->securebits & SECURE_KEEP_CAPS << 1)
        return -EPERM;
    c->securebits = (u8)(on ? c->securebits | SECURE_KEEP_CAPS : c->securebits & ~SECURE_KEEP_CAPS);
    return 0;
}

i64 prctl_caps(struct group *g, const u64 *a)
{
    struct caps *c = &g->caps;
    switch ((i32)a[0]) {
    case P_GET_KEEPCAPS:
        return (c->securebits & SECURE_KEEP_CAPS) != 0;
    case P_SET_KEEPCAPS:
        return keep(c, a[1]);
    case P_CAPBSET_READ:
        return a[1] > G_CAP_LAST ? -EINVAL : (i64)(c->bounding >> a[1] & 1);
    case P_CAPBSET_DROP:
        if (!capable(g, G_CAP_SETPCAP))
            return -EPERM;
        if (a[1] > G_CAP_LAST)
            return -EINVAL;
        c->bounding &= ~G_CAP_BIT(a[1]);
        return 0;
    case P_GET_SECUREBITS:
        return c->securebits;
    case P_SET_SECUREBITS:
        return set_securebits(g, a[1]);
    case P_SET_NO_NEW_PRIVS:
        if (a[1] != 1 || a[2] || a[3] || a[4])
            return -EINVAL;
        c->no_new_privs = true;
        return 0;
    case P_GET_NO_NEW_PRIVS:
        return a[1] || a[2] || a[3] || a[4] ? -EINVAL : c->no_new_privs;
    case P_CAP_AMBIENT:
        return ambient(c, a);
    default:
        return -ENOSYS;
    }
}
