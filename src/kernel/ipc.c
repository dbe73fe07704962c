// What the three kinds of SysV IPC have in common: keys, ids, permissions. See ipc.h.
#include "kernel/access.h"
#include "kernel/ipc.h"

#include <errno.h>

#include "kernel/machine.h"

#define SEQUENCES 65536u

void ipc_init(struct machine *m)
{
    struct ipc *ipc = &m->ipc;
    ipc->shmmax = ipc->shmall = ~0ULL - (1ULL << 24);
    ipc->shmmni = 4096;
    ipc->msgmax = 8192;
    ipc->msgmnb = 16384;
    ipc->msgmni = 32000;
    ipc->sem_limit[SEM_MSL] = ipc->sem_limit[SEM_MNI] = 32000;
    ipc->sem_limit[SEM_MNS] = 1024000000;
    ipc->sem_limit[SEM_OPM] = 500;
}

i64 ipc_now(struct machine *m)
{
    return (i64)(machine_realtime(m) / 1000000000u);
}

// ---- permissions

int ipc_may(struct machine *m, struct task *t, const struct ipc_perm *p, u32 want)
{
    const struct group *g = group_of(m, t);
    u32 wanted = (want >> 6 | want >> 3 | want) & 7, granted = p->mode;
    if (g->euid == p->cuid || g->euid == p->uid)
        granted >>= 6;
    else if (in_group(g, p->cgid) || in_group(g, p->gid))
        granted >>= 3;
    return wanted & ~granted && !capable(g, G_CAP_IPC_OWNER) ? -EACCES : 0;
}

int ipc_owner(struct machine *m, struct task *t, const struct ipc_perm *p)
{
    const struct group *g = group_of(m, t);
    return g->euid == p->uid || g->euid == p->cuid || capable(g, G_CAP_SYS_ADMIN) ? 0 : -EPERM;
}

// ---- keys

static u32 bucket_of(i32 key)
{
    return ((u32)key * 0x9e3779b1u) >> 26;
}

static u32 row_of(const struct ipc_perm *p)
{
    return p->id % IPC_INDEXES + 1;
}

int ipc_find_key(struct machine *m, struct task *t, struct ipc_kind *k, i32 key, u32 flags,
                 struct ipc_perm **out)
{
    if (key == G_IPC_PRIVATE)
        return 1;
    for (u32 id = k->bucket[bucket_of(key)]; id;) {
        struct ipc_perm *p = pool_at(&k->pool, id);
        if (p->key == key) {
            if ((flags & G_IPC_CREAT) && (flags & G_IPC_EXCL))
                return -EEXIST;
            *out = p;
            return ipc_may(m, t, p, flags);
        }
        id = p->next;
    }
    return flags & G_IPC_CREAT ? 1 : -ENOENT;
}

void ipc_forget_key(struct ipc_kind *k, struct ipc_perm *p)
{
    if (p->key == G_IPC_PRIVATE)
        return;
    u32 *link = &k->bucket[bucket_of(p->key)];
    while (*link != row_of(p))
        link = &((struct ipc_perm *)pool_at(&k->pool, *link))->next;
    *link = p->next;
    p->key = G_IPC_PRIVATE;
}

int ipc_new(struct machine *m, struct task *t, struct ipc_kind *k, i32 key, u32 flags,
            struct ipc_perm **out)
{
    const struct group *g = group_of(m, t);
    u32 row;
    int r = pool_new(&k->pool, &row);
    if (r)
        return r;
    struct ipc_perm *p = pool_at(&k->pool, row);
    *p = (struct ipc_perm){.id = k->sequence * IPC_INDEXES + row - 1, .key = key, .mode = flags & 0777,
                           .uid = g->euid, .cuid = g->euid, .gid = g->egid, .cgid = g->egid};
    k->sequence = (k->sequence + 1) % SEQUENCES;
    if (key != G_IPC_PRIVATE) {
        p->next = k->bucket[bucket_of(key)];
        k->bucket[bucket_of(key)] = row;
    }
    *out = p;
    return 0;
}

void ipc_row_free(struct ipc_kind *k, struct ipc_perm *p)
{
    ipc_forget_key(k, p);
    pool_free(&k->pool, row_of(p));
}

// ---- ids

int ipc_find(struct ipc_kind *k, u64 id, struct ipc_perm **out)
{
    if ((i32)id < 0)
        return -EINVAL;
    *out = pool_find(&k->pool, (u32)id % IPC_INDEXES + 1);
    return !*out ? -EINVAL : (*out)->id != (u32)id ? -EIDRM : 0;
}

struct ipc_perm *ipc_at(struct ipc_kind *k, u64 index)
{
    return (i32)index < 0 ? NULL : pool_find(&k->pool, (u32)index % IPC_INDEXES + 1);
}

i32 ipc_highest(struct ipc_kind *k)
{
    u32 last = 0;
    for (u32 id = pool_next(&k->pool, 0); id; id = pool_next(&k->pool, id))
        last = id;
    return (i32)last - 1;
}

int ipc_find_stat(struct machine *m, struct task *t, struct ipc_kind *k, u64 id, bool by_index, bool any,
                  struct ipc_perm **out)
{
    int r = 0;
    if (by_index) {
        *out = ipc_at(k, id);
        r = *out ? 0 : -EINVAL;
    } else {
        r = ipc_find(k, id, out);
    }
    return r || any ? r : ipc_may(m, t, *out, 0444);
}

struct g_ipc_perm ipc_perm_out(const struct ipc_perm *p)
{
    return (struct g_ipc_perm){.key = p->key, .uid = p->uid, .gid = p->gid, .cuid = p->cuid,
                               .cgid = p->cgid, .mode = p->mode, .seq = (u16)(p->id / IPC_INDEXES)};
}

void ipc_perm_set(struct ipc_perm *p, const struct g_ipc_perm *from)
{
    p->uid = from->uid;
    p->gid = from->gid;
    p->mode = (p->mode & ~0777u) | (from->mode & 0777);
}
