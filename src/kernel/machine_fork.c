// A second machine, exactly like the first at this instant.
//
// Between two instructions a machine is plain data (law L3) whose objects name each other by id (law
// L4): so a copy of it is a copy of its pools. What they own besides, each type copies itself
// (kernel/pools.def, base/forking.h). Memory is not copied at all: address spaces share their page
// tables as after a fork of a process (law L2).
//
// (MF1) What can fail comes before the copy is anybody's: a copy that fails is dropped as a whole, and
//       the original is what it was, but for mappings of shared memory that are filled in anew.
#include <errno.h>
#include <string.h>

#include "base/alloc.h"
#include "base/forking.h"
#include "host/clock.h"
#include "kernel/disk.h"
#include "kernel/epoll.h"
#include "kernel/machine.h"
#include "mm/pagecache.h"

static int forget_shared(struct machine *m)
{
    int r = 0;
    for (u32 id = pool_next(&m->tasks, 0); id && r == 0; id = pool_next(&m->tasks, id))
        if (task_at(m, id)->mm)
            r = mm_forget_shared(task_at(m, id)->mm);
    return r;
}

// Everything but the pools and fs.
static void copy_rest(struct forking *f, struct machine *m, const struct machine *from)
{
    memcpy(m, from, offsetof(struct machine, cancelled));
#define POOL_IN(name, member) m->member = (struct pool){.size = from->member.size};
#include "kernel/pools.def"
    m->fs = NULL;
    m->hart = NULL;
    m->observer = NULL;
    m->on_ask = NULL;
    m->helpers = NULL;
    m->disk_jobs = 0;
    m->cancelled = m->asked = false; // meant the original's handle
    m->wake_fd = -1;
    m->host_signals = __atomic_load_n((const u64 *)&from->host_signals, __ATOMIC_SEQ_CST);
    m->store->machines++;
    if (m->vdso)
        backing_get(m->vdso);
    m->vfork_hooks.state = NULL;
    if (from->vfork_hooks.copy)
        m->vfork_hooks.state = from->vfork_hooks.copy(f, from->vfork_hooks.state);
    pids_copy(f, &m->pids, &from->pids);
    m->heap = forking_dup(f, from->heap, (from->heap_count + 1) * sizeof *from->heap);
    m->heap_room = m->heap ? from->heap_count + 1 : 0;
    m->heap_count = m->heap ? from->heap_count : 0;
}

static void reseed_random(struct machine *m)
{
    u64 x = host_monotonic();
    m->rng[0] ^= x * 0x9e3779b97f4a7c15ULL;
    m->rng[1] ^= ((x ^ (u64)(uintptr_t)m) + 1) * 0xbf58476d1ce4e5b9ULL;
}

int machine_fork(struct machine *from, bool reseed, struct machine **out)
{
    struct forking f;
    struct machine *m = mem_alloc(sizeof *m);
    if (!m)
        return -ENOMEM;
    int r = store_share(from->store);
    if (r) {
        mem_free(m);
        return r;
    }
    store_lock(from->store);
    disk_drain(from);
    r = forget_shared(from);
    if (r) {
        store_unlock(from->store);
        mem_free(m);
        return r;
    }
    forking_begin(&f);
    f.machine = m;
    f.source = from;
    f.store = from->store;
    copy_rest(&f, m, from);
    m->fs = fs_copy(&f, from->fs);
    if (m->fs)
        machine_wire(m);
#define POOL_IN(name, member) pool_copy(&f, &m->member, &from->member, &name##_pool);
#include "kernel/pools.def"
    if (f.error == 0 && m->epolls.live)
        f.error = epolls_copied(m, from);
    forking_end(&f);
    store_unlock(from->store);
    if (f.error) {
        machine_free(m);
        return f.error;
    }
    if (reseed)
        reseed_random(m);
    *out = m;
    return 0;
}
