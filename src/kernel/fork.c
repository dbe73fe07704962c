// fork, vfork and clone are one function with flags, as in Linux (clone(2)).
//
// Everything that can fail happens first; the child is found by nobody until it is whole (law L11).

#include <errno.h>
#include <string.h>

#include "base/alloc.h"
#include "base/panic.h"
#include "base/stats.h"
#include "kernel/access.h"
#include "kernel/machine.h"
#include "kernel/sys_file.h"
#include "kernel/sys_pidfd.h"
#include "kernel/syscall.h"
#include "kernel/trace.h"
#include "mm/map.h"
#include "mm/tlb.h"
#include "mm/uaccess.h"

// The combinations that clone(2) calls invalid; only then what tine does not have.
static int check_flags(const struct group *caller, const struct clone_args *a)
{
    u64 f = a->flags;
    if (f & G_CLONE_FS && f & (G_CLONE_NEWNS | G_CLONE_NEWUSER))
        return -EINVAL;
    if (f & G_CLONE_THREAD && f & (G_CLONE_NEWUSER | G_CLONE_NEWPID))
        return -EINVAL;
    if (f & G_CLONE_SYSVSEM && f & G_CLONE_NEWIPC)
        return -EINVAL;
    if (f & G_CLONE_PIDFD && f & G_CLONE_DETACHED)
        return -EINVAL;
    if (f & G_CLONE_PARENT && caller->pid == 1)
        return -EINVAL;
    if (f & G_CLONE_THREAD && !(f & G_CLONE_SIGHAND))
        return -EINVAL;
    if (f & G_CLONE_SIGHAND && !(f & G_CLONE_VM))
        return -EINVAL;
    if (f & G_CLONE_SIGHAND && f & G_CLONE_CLEAR_SIGHAND)
        return -EINVAL;
    if (f & G_CLONE_THREAD && f & G_CLONE_PIDFD)
        return -EINVAL;
    if (f & G_CLONE_NAMESPACES && (f & G_CLONE_NAMESPACES & ~(u64)G_CLONE_NEWNS || !capable(caller, G_CAP_SYS_ADMIN)))
        return -EPERM;
    if (a->exit_signal > G_NSIG)
        return -EINVAL;
    return 0;
}

// What the child of this call is to its parent's memory.
enum memory { MEMORY_FORKED, MEMORY_SHARED, MEMORY_COPIED };

static bool on_parents_stack(const struct task *t, const struct clone_args *a)
{
    return !(a->flags & G_CLONE_THREAD) && (!a->stack || a->stack == t->regs.x[2]);
}

// --vfork gives another meaning to a vfork whose child runs on its parent's stack. A child with a stack
// of its own is left alone: posix_spawn's reports the failure of its exec through the shared memory.
static enum memory memory_of(struct machine *m, const struct task *t, struct clone_args *a)
{
    if (!(a->flags & G_CLONE_VM))
        return MEMORY_FORKED;
    if (!(a->flags & G_CLONE_VFORK) || !on_parents_stack(t, a))
        return MEMORY_SHARED;
    if (m->options.vfork == VFORK_FORK) {
        a->flags &= ~(u64)(G_CLONE_VFORK | G_CLONE_VM | G_CLONE_SIGHAND);
        return MEMORY_FORKED;
    }
    return m->options.vfork == VFORK_COPY ? MEMORY_COPIED : MEMORY_SHARED;
}

// The four identities of a task: held together, or forked (content shared, law L2).
static int take_resources(struct machine *m, struct task *t, struct task *child, u64 flags,
                          enum memory memory)
{
    int r = 0;
    if (memory == MEMORY_SHARED)
        mm_get(child->mm = t->mm);
    else if (memory == MEMORY_COPIED)
        r = mm_copy(t->mm, &child->mm);
    else
        r = mm_fork(t->mm, &child->mm);
    if (r == 0 && flags & G_CLONE_FILES)
        fdtable_get(child->files = t->files);
    else if (r == 0)
        r = fdtable_fork(m->fs, t->files, &child->files);
    if (r == 0 && flags & G_CLONE_FS)
        fsctx_get(child->fs = t->fs);
    else if (r == 0)
        r = fsctx_fork(m->fs, t->fs, &child->fs);
    if (r == 0 && flags & G_CLONE_NEWNS)
        r = fsctx_unshare_mounts(m->fs, child->fs);
    if (r == 0 && flags & G_CLONE_SIGHAND)
        (child->sighand = t->sighand)->holders++;
    else if (r == 0)
        r = sighand_fork(t->sighand, &child->sighand);
    if (r == 0 && flags & G_CLONE_SYSVSEM)
        r = sem_list_share(m, t, child);
    m->stats.tables_shared += !(flags & G_CLONE_FILES) + !(flags & G_CLONE_FS) +
                              !(flags & G_CLONE_SIGHAND);
    return r;
}

// What a task holds of the four goes; a half-made one may lack some.
void task_drop_resources(struct machine *m, struct task *t)
{
    if (t->sighand)
        sighand_put(m, t->sighand);
    if (t->fs)
        fsctx_put(m->fs, t->fs);
    if (t->files)
        fdtable_put(m->fs, t->files);
    if (t->mm)
        shm_mm_put(m, t);
    t->sighand = NULL;
    t->fs = NULL;
    t->files = NULL;
}

static void init_child(struct task *t, struct task *child, const struct clone_args *a)
{
    u64 flags = a->flags;
    child->regs = t->regs;
    child->regs.x[10] = 0;
    child->regs.reservation = ~0ULL; // an LR reservation does not survive fork
    if (a->stack)
        child->regs.x[2] = a->stack;
    if (flags & G_CLONE_SETTLS)
        child->regs.x[4] = a->tls;
    child->mask = t->restore_mask ? t->saved_mask : t->mask;
    if (!(flags & G_CLONE_VM) || flags & G_CLONE_VFORK)
        child->altstack = t->altstack;
    child->clear_child_tid = flags & G_CLONE_CHILD_CLEARTID ? a->child_tid : 0;
    if (!t->policy_reset) {
        child->policy = t->policy;
        child->rt_priority = t->rt_priority;
    }
    child->ioprio = t->ioprio;
    child->slack = child->slack_default = t->slack;
    memcpy(child->comm, t->comm, sizeof child->comm);
}

static int clear_handlers(struct machine *m, struct sighand *h)
{
    int r = sighand_own(m, h);
    for (u32 i = 0; r == 0 && i < G_NSIG; i++)
        if (h->actions->at[i].handler > 1)
            h->actions->at[i] = (struct g_sigaction){0};
    return r;
}

static int new_group(struct machine *m, struct task *t, const struct clone_args *a, u32 pid,
                     struct group **out)
{
    struct group *parent = group_of(m, t), *g;
    if (m->groups.live >= m->options.max_procs)
        return -EAGAIN;
    int r = group_new(m, parent, pid, &g);
    if (r)
        return r;
    g->parent = a->flags & G_CLONE_PARENT ? parent->parent : parent->id;
    g->forker = a->flags & G_CLONE_PARENT ? parent->forker : t->tid;
    g->exit_signal = a->flags & G_CLONE_PARENT ? parent->exit_signal : (u8)a->exit_signal;
    *out = g;
    return 0;
}

// The writes into the new task's and the caller's memory that clone promises.
static int write_tids(struct task *t, struct task *child, const struct clone_args *a)
{
    int r = 0;
    if (a->flags & G_CLONE_PARENT_SETTID)
        r = uaccess_write_u32(t->mm, a->parent_tid, child->tid);
    if (r == 0 && a->flags & G_CLONE_CHILD_SETTID)
        (void)!uaccess_write_u32(child->mm, a->child_tid, child->tid); // as Linux: failure is silent
    return r;
}

// CLONE_PIDFD: a descriptor for the child, in the caller's table.
static int make_pidfd(struct machine *m, struct task *t, struct group *child,
                      const struct clone_args *a)
{
    file_t file;
    int r = uaccess_check(t->mm, a->pidfd, sizeof(i32), MM_WRITE);
    if (r == 0)
        r = pidfd_new(m, child, 0, &file);
    if (r)
        return r;
    i64 fd = fd_install(m, t, file, true);
    return fd < 0 ? (int)fd : uaccess_write_u32(t->mm, a->pidfd, (u32)fd);
}

static void count(struct machine *m, struct task *t, u64 flags)
{
    if (flags & G_CLONE_VFORK && flags & G_CLONE_VM)
        m->stats.vforks++;
    else if (flags & G_CLONE_VM)
        m->stats.clones++;
    else
        m->stats.forks++;
    if (m->options.stats && !(flags & G_CLONE_VM))
        m->stats.frames_would_copy += mm_resident(t->mm);
}

static bool child_goes_first(struct machine *m)
{
    return m->options.order == ORDER_CHILD ||
           (m->options.order == ORDER_RANDOM && machine_random(m) >> 63);
}

// The steps that cannot fail.
static void publish(struct machine *m, struct task *t, struct task *child, struct group *g,
                    const struct clone_args *a)
{
    if (g->leader == 0) {
        struct group *parent = group_at(m, g->parent);
        g->leader = child->id;
        g->snext = parent->children;
        if (parent->children)
            group_at(m, parent->children)->sprev = g->id;
        parent->children = g->id;
    }
    count(m, t, a->flags);
    if (m->observer && m->observer->starts)
        m->observer->starts(m->observer->arg, child);
    if (child_goes_first(m) || a->flags & G_CLONE_VFORK) {
        sched_enqueue(m, child, true);
        m->need_resched = m->need_resched || !(a->flags & G_CLONE_VFORK);
    } else {
        sched_enqueue(m, child, false);
    }
}

static void undo(struct machine *m, struct task *child, struct group *fresh)
{
    if (child->trace)
        trace_drop(m, child->trace);
    sem_task_gone(m, child);
    if (child->vfork_watch)
        pool_free(&m->vfork_watches, child->vfork_watch);
    child->vfork_watch = 0;
    task_drop_resources(m, child);
    struct group *g = group_of(m, child);
    g->tasks = child->gnext;
    if (child->gnext)
        task_at(m, child->gnext)->gprev = 0;
    g->ntasks--;
    task_free(m, child);
    if (fresh) {
        group_free(m, fresh);
    }
}

enum { AFTER_VFORK = 1, AFTER_VFORK_DONE }; // call.state[1]; call.state[0]: the child let go

// What the caller still has to do once its child is there. Entered again.
static i64 after_clone(struct machine *m, struct task *t)
{
    struct call *c = &t->call;
    if (c->state[1] == AFTER_VFORK && !c->state[0]) {
        int r = wait_on(m, t, CHAN(CHAN_VFORK, t->id));
        return r ? (i64)c->progress : park_killable(m, t);
    }
    if (c->state[1] == AFTER_VFORK) {
        c->state[1] = AFTER_VFORK_DONE;
        if (trace_event(m, t, EVENT_VFORK_DONE, c->progress))
            return -EPARK;
    }
    return (i64)c->progress;
}

// clone3's set_tid.
static int wanted_pid(struct machine *m, const struct group *g, u32 pid)
{
    if (!capable(g, G_CAP_CHECKPOINT_RESTORE) && !capable(g, G_CAP_SYS_ADMIN))
        return -EPERM;
    return group_find(m, pid) ? -EEXIST : 0;
}

i64 task_clone(struct machine *m, struct task *t, const struct clone_args *args)
{
    struct clone_args copy = *args, *a = &copy;
    struct task *child;
    struct group *g = group_of(m, t), *fresh = NULL;
    u32 tid, event = 0;
    if (t->call.progress)
        return after_clone(m, t);
    int r = check_flags(g, a);
    if (r == 0 && m->tasks.live + !m->options.init >= m->options.max_procs) // the reaper has no task
        r = -EAGAIN;
    enum memory memory = memory_of(m, t, a);
    if (r == 0)
        r = a->wanted_tid ? wanted_pid(m, g, tid = a->wanted_tid) : pid_new(m, &tid);
    if (r == 0 && !(a->flags & G_CLONE_THREAD)) {
        r = new_group(m, t, a, tid, &fresh);
        g = fresh;
    }
    if (r)
        return r;
    r = task_new(m, g, tid, &child);
    if (r) {
        if (fresh) {
            group_free(m, fresh);
        }
        return r;
    }
    if (memory == MEMORY_SHARED && a->flags & G_CLONE_VFORK && on_parents_stack(t, a))
        r = vfork_watch_new(m, t, &child->vfork_watch);
    if (r == 0)
        r = take_resources(m, t, child, a->flags, memory);
    if (r == 0 && a->flags & G_CLONE_CLEAR_SIGHAND)
        r = clear_handlers(m, child->sighand);
    if (r == 0) {
        init_child(t, child, a);
        r = write_tids(t, child, a);
    }
    if (r == 0)
        r = trace_child(m, t, child, a->flags, a->exit_signal, &event);
    if (r == 0 && a->flags & G_CLONE_PIDFD)
        r = make_pidfd(m, t, g, a);
    if (r) {
        undo(m, child, fresh);
        return r;
    }
    publish(m, t, child, g, a);
    t->call.progress = tid;
    if (a->flags & G_CLONE_VFORK) {
        child->vfork_parent = t->id;
        m->vforks++;
        t->call.state[1] = AFTER_VFORK;
    }
    if (event && trace_event(m, t, event, tid))
        return -EPARK;
    return after_clone(m, t);
}

// The child has execed or ended: its parent's calling thread goes on.
void vfork_release(struct machine *m, struct task *child)
{
    if (!child->vfork_parent)
        return;
    task_t parent = child->vfork_parent;
    child->vfork_parent = 0;
    m->vforks--;
    if (!pool_live(&m->tasks, parent))
        return;
    struct task *t = task_at(m, parent);
    if (t->call.progress == child->tid) {
        t->call.state[0] = 1;
        wake_channel(m, CHAN(CHAN_VFORK, parent));
    }
}

i64 sys_clone(struct machine *m, struct task *t, const u64 *a)
{
    struct clone_args c = {.flags = a[0] & ~(u64)G_CSIGNAL & 0xffffffffu,
                           .exit_signal = a[0] & G_CSIGNAL, .stack = a[1], .parent_tid = a[2],
                           .tls = a[3], .child_tid = a[4], .pidfd = a[2]};
    if (c.flags & G_CLONE_PIDFD && c.flags & G_CLONE_PARENT_SETTID)
        return -EINVAL; // one address for two results
    return task_clone(m, t, &c);
}

#define PID_NAMESPACES 32u // that may be nested
#define PID_LIMIT 4194304u

i64 sys_clone3(struct machine *m, struct task *t, const u64 *a)
{
    u64 v[11] = {0}; // flags pidfd child_tid parent_tid exit_signal stack stack_size tls set_tid size cgroup
    if (a[1] < 64)
        return -EINVAL;
    if (a[1] > PAGE_SIZE)
        return -E2BIG;
    int r = uaccess_struct(t->mm, v, sizeof v, a[0], a[1]);
    if (r)
        return r;
    if (v[0] & (G_CSIGNAL | G_CLONE_DETACHED) || v[4] & ~(u64)G_CSIGNAL || v[4] > G_NSIG)
        return -EINVAL;
    if (v[0] & ~(0xffffffffULL | G_CLONE_CLEAR_SIGHAND | G_CLONE_INTO_CGROUP))
        return -EINVAL;
    if (v[0] & (G_CLONE_THREAD | G_CLONE_PARENT) && v[4])
        return -EINVAL;
    if (!v[5] != !v[6])
        return -EINVAL;
    if (!v[8] != !v[9] || v[9] > PID_NAMESPACES)
        return -EINVAL;
    if (v[0] & G_CLONE_INTO_CGROUP) // there is no descriptor of a control group
        return v[10] > INT32_MAX || a[1] < sizeof v ? -EINVAL : -EBADF;
    u32 wanted = 0;
    if (v[9]) {
        r = uaccess_read_u32(t->mm, &wanted, v[8]);
        if (r == 0 && (v[9] > 1 || !wanted || wanted >= PID_LIMIT)) // one name space has one number
            r = -EINVAL;
        if (r)
            return r;
    }
    struct clone_args c = {.flags = v[0], .pidfd = v[1], .child_tid = v[2], .parent_tid = v[3],
                           .exit_signal = (u32)v[4], .stack = v[5] ? v[5] + v[6] : 0, .tls = v[7],
                           .wanted_tid = wanted};
    return task_clone(m, t, &c);
}

// ---- unshare -------------------------------------------------------------------------------------

#define UNSHARE_KNOWN                                                                              \
    (G_CLONE_THREAD | G_CLONE_FS | G_CLONE_SIGHAND | G_CLONE_VM | G_CLONE_FILES | G_CLONE_SYSVSEM | \
     G_CLONE_NEWTIME | G_CLONE_NAMESPACES)

i64 sys_unshare(struct machine *m, struct task *t, const u64 *a)
{
    u64 flags = a[0];
    struct fsctx *fs = NULL;
    struct fdtable *files = NULL;
    if (flags & ~(u64)UNSHARE_KNOWN)
        return -EINVAL;
    if (flags & (G_CLONE_THREAD | G_CLONE_SIGHAND | G_CLONE_VM) &&
        (group_of(m, t)->ntasks > 1 || (!(flags & G_CLONE_THREAD) && t->sighand->holders > 1) ||
         (flags & G_CLONE_VM && t->mm->holders > 1)))
        return -EINVAL;
    if (flags & ((G_CLONE_NAMESPACES & ~(u64)G_CLONE_NEWNS) | G_CLONE_NEWTIME) ||
        (flags & G_CLONE_NEWNS && !capable(group_of(m, t), G_CAP_SYS_ADMIN)))
        return -EPERM;
    int r = 0;
    if (flags & (G_CLONE_FS | G_CLONE_NEWNS) && t->fs->holders > 1) {
        r = fsctx_fork(m->fs, t->fs, &fs);
        if (r)
            return r;
    }
    if (flags & G_CLONE_FILES && t->files->holders > 1)
        r = fdtable_fork(m->fs, t->files, &files);
    if (r == 0 && flags & G_CLONE_NEWNS)
        r = fsctx_unshare_mounts(m->fs, fs ? fs : t->fs);
    if (r) {
        if (files)
            fdtable_put(m->fs, files);
        if (fs)
            fsctx_put(m->fs, fs);
        return r;
    }
    if (files) {
        fdtable_put(m->fs, t->files);
        t->files = files;
    }
    if (flags & G_CLONE_SYSVSEM)
        sem_task_gone(m, t);
    if (fs) {
        fsctx_put(m->fs, t->fs);
        t->fs = fs;
    }
    return 0;
}

// Of all kinds but mounts there is one, which everybody is in already.
static i64 enter(struct machine *m, struct task *t, u32 flags, u32 mounts)
{
    const struct group *own = group_of(m, t);
    if (!capable(own, G_CAP_SYS_ADMIN) || (flags & G_CLONE_NEWNS && !capable(own, G_CAP_SYS_CHROOT)))
        return -EPERM;
    if (!(flags & G_CLONE_NEWNS))
        return 0;
    return t->fs->holders > 1 ? -EINVAL : fsctx_enter_mounts(m->fs, t->fs, mounts);
}

// By a file of /proc/PID/ns, or by a pidfd.
i64 sys_setns(struct machine *m, struct task *t, const u64 *a)
{
    file_t file = fd_arg(t, a[0]);
    u32 flags = (u32)a[1], type, mounts;
    if (!file || file_at(m->fs, file)->flags & ABI_O_PATH)
        return -EBADF;
    if (file_ns(m->fs, file, &type, &mounts)) {
        if ((flags && flags != type) || type == G_CLONE_NEWUSER) // its own is not entered again
            return -EINVAL;
        return enter(m, t, type, mounts);
    }
    if (flags & ~(u32)(G_CLONE_NAMESPACES | G_CLONE_NEWTIME))
        return -EINVAL;
    const struct file *f = file_at(m->fs, file);
    if (f->kind != FILE_PID || !flags)
        return -EINVAL;
    const struct group *g = pool_find(&m->groups, f->object);
    const struct task *of = g && g->tasks ? task_at(m, g->tasks) : NULL;
    if (!of || !of->fs)
        return -ESRCH;
    if (!may_trace(m, t, of))
        return -EPERM;
    return flags & G_CLONE_NEWUSER ? -EINVAL : enter(m, t, flags, of->fs->c->ns);
}
