// SysV shared memory: shmget(2), shmat(2), shmdt(2), shmctl(2). A segment is an anonymous backing.
#include <errno.h>
#include <stdio.h>

#include "base/alloc.h"
#include "kernel/access.h"
#include "kernel/ipc.h"
#include "kernel/syscall.h"
#include "mm/map.h"
#include "mm/pagecache.h"
#include "mm/uaccess.h"

static u64 pages_of(const struct shm *s)
{
    return (s->size + PAGE_MASK) >> PAGE_SHIFT;
}

// ---- how many regions show it

static u64 regions_of(const struct mm *mm, const struct backing *b)
{
    u64 n = 0;
    for (u32 i = 0; i < mm->regions->count; i++)
        n += mm->regions->at[i].backing == b;
    return n;
}

// Each address space is looked at once, through the first task that holds it.
static bool is_first_holder(struct machine *m, struct task *t)
{
    const struct group *g = group_of(m, t);
    if (g->tasks != t->id)
        return false;
    if (t->mm->holders == g->ntasks)
        return true;
    for (u32 id = pool_next(&m->tasks, 0); id && id != t->id; id = pool_next(&m->tasks, id)) {
        const struct task *other = task_at(m, id);
        if (other->mm == t->mm && group_at(m, other->group)->tasks == id)
            return false;
    }
    return true;
}

u64 shm_attached(struct machine *m, const struct shm *s)
{
    u64 n = 0;
    for (u32 id = s->backing->refs > 1 ? pool_next(&m->tasks, 0) : 0; id; id = pool_next(&m->tasks, id)) {
        struct task *t = task_at(m, id);
        if (t->mm && t->group && t->state != TASK_DEAD && is_first_holder(m, t))
            n += regions_of(t->mm, s->backing);
    }
    return n;
}

u64 shm_resident(const struct shm *s)
{
    return backing_resident(s->backing);
}

// ---- machine fork: each machine has its own memory

static void copy_shm(struct forking *f, void *object)
{
    struct shm *s = object;
    s->backing = backing_copy(f, s->backing);
}

static void drop_shm(void *owner, void *object)
{
    struct shm *s = object;
    if (s->backing)
        backing_put(((struct machine *)owner)->store, s->backing);
}

const struct pool_kind shm_pool = {sizeof(struct shm), copy_shm, drop_shm};

// ---- the end of a segment

void shm_free(struct machine *m, struct shm *s)
{
    m->ipc.shm_doomed -= (s->perm.mode & G_SHM_DEST) != 0;
    m->ipc.shm_pages -= pages_of(s);
    s->backing->segment = 0;
    backing_put(m->store, s->backing);
    ipc_row_free(&m->ipc.shm, &s->perm);
}

void shm_reap(struct machine *m)
{
    struct pool *pool = &m->ipc.shm.pool;
    for (u32 id = m->ipc.shm_doomed ? pool_next(pool, 0) : 0; id; id = pool_next(pool, id)) {
        struct shm *s = pool_at(pool, id);
        if (s->perm.mode & G_SHM_DEST && s->backing->refs == 1)
            shm_free(m, s);
    }
}

static struct shm *segment_behind(struct machine *m, const struct region *g)
{
    return g->backing && g->backing->segment ? pool_find(&m->ipc.shm.pool, g->backing->segment) : NULL;
}

static void detached(struct machine *m, struct task *t, struct shm *s)
{
    s->lpid = group_of(m, t)->pid;
    s->dtime = ipc_now(m);
}

void shm_mm_put(struct machine *m, struct task *t)
{
    bool last = t->mm->holders == 1 && m->ipc.shm.pool.live;
    for (u32 i = 0; last && i < t->mm->regions->count; i++) {
        struct shm *s = segment_behind(m, &t->mm->regions->at[i]);
        if (s)
            detached(m, t, s);
    }
    mm_put(t->mm);
    t->mm = NULL;
    shm_reap(m);
}

// ---- shmget

static int segment_new(struct machine *m, struct task *t, i32 key, u64 size, u32 flags, struct shm **out)
{
    struct ipc *ipc = &m->ipc;
    struct backing *b;
    struct ipc_perm *p;
    char name[32];
    u64 pages = (size + PAGE_MASK) >> PAGE_SHIFT;
    if (size < 1 || size > ipc->shmmax || flags & G_SHM_HUGETLB)
        return -EINVAL;
    if (pages << PAGE_SHIFT < size || pages > ipc->shmall - MIN(ipc->shmall, ipc->shm_pages) ||
        ipc->shm.pool.live >= MIN(ipc->shmmni, IPC_INDEXES))
        return -ENOSPC;
    if (pages > m->store->limit)
        return -ENOMEM;
    int r = backing_anonymous(m->store, &b);
    if (r)
        return r;
    snprintf(name, sizeof name, "/SYSV%08x (deleted)", (u32)key);
    b->name = mem_strdup(name);
    r = b->name ? ipc_new(m, t, &ipc->shm, key, flags, &p) : -ENOMEM;
    if (r) {
        backing_put(m->store, b);
        return r;
    }
    b->pages = pages;
    b->key.ino = p->id;
    b->segment = p->id % IPC_INDEXES + 1;
    *out = (struct shm *)p;
    (*out)->size = size;
    (*out)->backing = b;
    (*out)->ctime = ipc_now(m);
    (*out)->cpid = group_of(m, t)->pid;
    ipc->shm_pages += pages;
    return 0;
}

i64 sys_shmget(struct machine *m, struct task *t, const u64 *a)
{
    struct ipc_perm *p;
    struct shm *s = NULL;
    i32 key = (i32)a[0];
    u32 flags = (u32)a[2];
    shm_reap(m);
    int r = ipc_find_key(m, t, &m->ipc.shm, key, flags, &p);
    if (r == 1) {
        r = segment_new(m, t, key, a[1], flags, &s);
        return r ? r : (i64)s->perm.id;
    }
    if (r == 0 && a[1] > ((struct shm *)p)->size)
        r = -EINVAL;
    return r ? r : (i64)p->id;
}

// ---- shmat, shmdt

// Where it shall go: *addr 0 = anywhere.
static int place_arg(u64 *addr, u32 flags)
{
    if (!*addr)
        return flags & G_SHM_REMAP ? -EINVAL : 0;
    if (*addr & PAGE_MASK) {
        if (!(flags & G_SHM_RND))
            return -EINVAL;
        *addr &= ~PAGE_MASK;
        if (!*addr && flags & G_SHM_REMAP)
            return -EINVAL;
    }
    return 0;
}

i64 sys_shmat(struct machine *m, struct task *t, const u64 *a)
{
    struct ipc_perm *p;
    u64 addr = a[1];
    u32 flags = (u32)a[2];
    bool read_only = flags & G_SHM_RDONLY;
    gva_t at;
    shm_reap(m);
    int r = place_arg(&addr, flags);
    if (r == 0)
        r = ipc_find(&m->ipc.shm, a[0], &p);
    if (r == 0)
        r = ipc_may(m, t, p, (read_only ? 0444 : 0666) | (flags & G_SHM_EXEC ? 0111 : 0));
    if (r)
        return r;
    struct shm *s = (struct shm *)p;
    struct map_request q = {.addr = addr, .length = pages_of(s) << PAGE_SHIFT, .fixed = addr != 0,
                            .noreplace = addr && !(flags & G_SHM_REMAP), .backing = s->backing,
                            .prot = MM_READ | (read_only ? 0 : MM_WRITE) | (flags & G_SHM_EXEC ? MM_EXEC : 0),
                            .flags = REGION_SHARED | (read_only ? REGION_NOWRITE : 0)};
    backing_get(s->backing);
    r = mm_map(t->mm, &q, &at);
    if (r) {
        backing_put(m->store, s->backing);
        return r == -EEXIST ? -EINVAL : r;
    }
    s->lpid = group_of(m, t)->pid;
    s->atime = ipc_now(m);
    return (i64)at;
}

// The next region from `from` on that is a piece of the attachment at addr.
static const struct region *piece(const struct mm *mm, gva_t addr, gva_t from, gva_t end,
                                  const struct backing *of)
{
    for (u32 i = regions_after(mm->regions, from); i < mm->regions->count; i++) {
        const struct region *g = &mm->regions->at[i];
        if (g->start >= end)
            break;
        if (g->start >= addr && g->backing && (of ? g->backing == of : g->backing->segment != 0) &&
            (g->start - addr) >> PAGE_SHIFT == g->page)
            return g;
    }
    return NULL;
}

i64 sys_shmdt(struct machine *m, struct task *t, const u64 *a)
{
    gva_t addr = a[0];
    const struct region *g = addr & PAGE_MASK || addr >= MM_TOP ? NULL : piece(t->mm, addr, addr, MM_TOP, NULL);
    if (!g)
        return -EINVAL;
    struct backing *b = g->backing;
    u32 segment = b->segment;
    gva_t end = addr + (b->pages << PAGE_SHIFT);
    backing_get(b);
    int r = 0;
    while (g && r == 0) {
        gva_t next = g->end;
        r = mm_unmap(t->mm, g->start, g->end - g->start);
        g = piece(t->mm, addr, next, end, b);
    }
    backing_put(m->store, b);
    struct shm *s = pool_find(&m->ipc.shm.pool, segment);
    if (s)
        detached(m, t, s);
    shm_reap(m);
    return r;
}

// ---- shmctl

static i64 info(struct machine *m, struct task *t, bool system, gva_t to)
{
    struct ipc *ipc = &m->ipc;
    struct g_shminfo limits = {.shmmax = ipc->shmmax, .shmmin = 1, .shmmni = ipc->shmmni,
                               .shmseg = ipc->shmmni, .shmall = ipc->shmall};
    struct g_shm_info use = {.used_ids = (i32)ipc->shm.pool.live, .shm_tot = ipc->shm_pages};
    for (u32 id = pool_next(&ipc->shm.pool, 0); id; id = pool_next(&ipc->shm.pool, id))
        use.shm_rss += shm_resident(pool_at(&ipc->shm.pool, id));
    int r = system ? uaccess_write(t->mm, to, &limits, sizeof limits)
                   : uaccess_write(t->mm, to, &use, sizeof use);
    return r ? r : MAX(ipc_highest(&ipc->shm), 0);
}

static i64 stat_segment(struct machine *m, struct task *t, u64 id, u32 cmd, gva_t to)
{
    struct ipc_perm *p;
    int r = ipc_find_stat(m, t, &m->ipc.shm, id, cmd != G_IPC_STAT, cmd == G_SHM_STAT_ANY, &p);
    if (r)
        return r;
    const struct shm *s = (struct shm *)p;
    struct g_shmid_ds out = {.perm = ipc_perm_out(p), .segsz = s->size, .atime = s->atime,
                             .dtime = s->dtime, .ctime = s->ctime, .cpid = (i32)s->cpid,
                             .lpid = (i32)s->lpid, .nattch = shm_attached(m, s)};
    r = uaccess_write(t->mm, to, &out, sizeof out);
    return r ? r : cmd == G_IPC_STAT ? 0 : (i64)p->id;
}

static i64 lock_segment(struct machine *m, struct task *t, struct ipc_perm *p, bool on)
{
    const struct group *g = group_of(m, t);
    if (!capable(g, G_CAP_IPC_LOCK) && g->euid != p->uid && g->euid != p->cuid)
        return -EPERM;
    if (!capable(g, G_CAP_IPC_LOCK) && on && !g->limit[G_RLIMIT_MEMLOCK][0])
        return -EPERM;
    p->mode = on ? p->mode | G_SHM_LOCKED : p->mode & ~(u32)G_SHM_LOCKED;
    return 0;
}

static void remove_segment(struct machine *m, struct shm *s)
{
    if (!(s->perm.mode & G_SHM_DEST)) {
        s->perm.mode |= G_SHM_DEST;
        m->ipc.shm_doomed++;
        ipc_forget_key(&m->ipc.shm, &s->perm);
    }
    shm_reap(m);
}

i64 sys_shmctl(struct machine *m, struct task *t, const u64 *a)
{
    struct ipc_perm *p;
    struct g_shmid_ds in;
    u32 cmd = (u32)a[1];
    shm_reap(m);
    if ((i32)a[0] < 0)
        return -EINVAL;
    switch (cmd) {
    case G_IPC_INFO:
    case G_SHM_INFO:
        return info(m, t, cmd == G_IPC_INFO, a[2]);
    case G_IPC_STAT:
    case G_SHM_STAT:
    case G_SHM_STAT_ANY:
        return stat_segment(m, t, a[0], cmd, a[2]);
    case G_IPC_SET:
    case G_IPC_RMID:
    case G_SHM_LOCK:
    case G_SHM_UNLOCK:
        break;
    default:
        return -EINVAL;
    }
    int r = cmd == G_IPC_SET ? uaccess_read(t->mm, &in, a[2], sizeof in) : 0;
    if (r == 0)
        r = ipc_find(&m->ipc.shm, a[0], &p);
    if (r)
        return r;
    if (cmd == G_SHM_LOCK || cmd == G_SHM_UNLOCK)
        return lock_segment(m, t, p, cmd == G_SHM_LOCK);
    r = ipc_owner(m, t, p);
    if (r)
        return r;
    if (cmd == G_IPC_SET) {
        ipc_perm_set(p, &in.perm);
        ((struct shm *)p)->ctime = ipc_now(m);
    } else {
        remove_segment(m, (struct shm *)p);
    }
    return 0;
}
