// Processes that come from outside: the program, and what the machine's owner starts beside it.
//
// (ST1) A start that fails leaves the machine as it was: it may be tried again.
#include <errno.h>
#include <string.h>

#include "base/alloc.h"
#include "fs/tty.h"
#include "host/clock.h"
#include "host/file.h"
#include "host/identity.h"
#include "kernel/access.h"
#include "kernel/elf.h"
#include "kernel/machine.h"
#include "kernel/stream.h"

static void default_limits(struct group *g)
{
    for (int i = 0; i < G_RLIM_COUNT; i++)
        g->limit[i][0] = g->limit[i][1] = G_RLIM_INFINITY;
    g->limit[G_RLIMIT_STACK][0] = 8UL << 20;
    host_core_limit(&g->limit[G_RLIMIT_CORE][0], &g->limit[G_RLIMIT_CORE][1]);
    g->limit[G_RLIMIT_NOFILE][0] = 1024;
    g->limit[G_RLIMIT_NOFILE][1] = 1048576;
    g->limit[G_RLIMIT_NPROC][0] = g->limit[G_RLIMIT_NPROC][1] = 127000;
    g->limit[G_RLIMIT_SIGPENDING][0] = g->limit[G_RLIMIT_SIGPENDING][1] = 127000;
    g->limit[G_RLIMIT_MEMLOCK][0] = g->limit[G_RLIMIT_MEMLOCK][1] = 8UL << 20;
    g->limit[G_RLIMIT_MSGQUEUE][0] = g->limit[G_RLIMIT_MSGQUEUE][1] = 819200;
    g->limit[G_RLIMIT_NICE][0] = g->limit[G_RLIMIT_NICE][1] = 0;
    g->limit[G_RLIMIT_RTPRIO][0] = g->limit[G_RLIMIT_RTPRIO][1] = 0;
}

// tine's own pid 1: it reaps, and runs nothing.
static int make_reaper(struct machine *m)
{
    struct group *g;
    if (m->options.init || m->init_group)
        return 0;
    int r = group_new(m, NULL, 1, &g);
    if (r)
        return r;
    g->kernel = true;
    g->pgid = g->sid = 1;
    m->init_group = g->id;
    m->pid_last = 1;
    return 0;
}

// A process without memory, files and program, on no list.
static int make_process(struct machine *m, struct task **out)
{
    struct group *g;
    u32 pid;
    int r = pid_new(m, &pid);
    if (r == 0)
        r = group_new(m, NULL, pid, &g);
    if (r)
        return r;
    default_limits(g);
    g->uid = g->euid = g->suid = g->fsuid = host_uid();
    g->gid = g->egid = g->sgid = g->fsgid = host_gid();
    g->pgid = g->sid = pid;
    g->exit_signal = G_SIGCHLD;
    g->dumpable = true;
    g->caps.bounding = G_CAP_ALL;
    if (g->uid == 0)
        g->caps.effective = g->caps.permitted = G_CAP_ALL;
    u32 room[256], n = host_groups(room, ARRAY_LEN(room));
    if (n && gids_new(m, n, &g->gids) == 0)
        memcpy(g->gids->gid, room, n * sizeof *room);
    g->parent = m->init_group;
    r = task_new(m, g, pid, out);
    if (r) {
        group_free(m, g);
        return r;
    }
    g->leader = (*out)->id;
    (*out)->slack = (*out)->slack_default = 50000;
    (*out)->regs.reservation = ~0ULL;
    (*out)->altstack.flags = G_SS_DISABLE;
    return 0;
}

static void unmake(struct machine *m, struct task *t)
{
    struct group *g = group_of(m, t);
    u32 pid = t->tid;
    task_drop_resources(m, t);
    task_free(m, t);
    group_free(m, g);
    if (m->pid_last == pid) // the next one gets the number
        m->pid_last--;
}

// What is ignored is inherited through an exec, as from the shell that nohup is run by.
static void ignore_signals(struct sighand *h, u64 set)
{
    set &= ~(SIGBIT(G_SIGKILL) | SIGBIT(G_SIGSTOP));
    for (u32 i = 0; i < G_NSIG; i++)
        if (set >> i & 1)
            h->actions->at[i].handler = 1; // SIG_IGN
}

static int give_resources(struct machine *m, struct task *t, const char *cwd)
{
    int r = mm_new(m->store, &m->stats, &t->mm);
    if (r == 0)
        r = fdtable_new(m->fs, &t->files);
    if (r == 0)
        r = fsctx_new(m->fs, cwd, &t->fs);
    if (r == 0)
        r = sighand_new(&t->sighand);
    if (r == 0)
        ignore_signals(t->sighand, m->options.ignored);
    return r;
}

// All of them or, without memory, none: a stream that is taken can be taken but once (ST1).
static int give_streams(struct machine *m, struct task *t)
{
    file_t file[3];
    int r = 0;
    for (u32 fd = 0; fd < 3; fd++) {
        int opened = stream_open(m, fd, &file[fd]);
        if (opened)
            file[fd] = 0; // closed at start: stays closed
        if (opened == -ENOMEM)
            r = opened;
    }
    for (u32 fd = 0; r == 0 && fd < 3; fd++) {
        if (!file[fd])
            continue;
        r = fd_replace(m->fs, t->files, fd, file[fd], false, 1024); // the first makes room for all
        if (r == 0)
            file[fd] = 0;
    }
    for (u32 fd = 0; fd < 3; fd++)
        stream_undo(m, fd, file[fd]);
    return r;
}

// The steps that cannot fail.
static void publish(struct machine *m, struct task *t)
{
    struct group *g = group_of(m, t);
    if (m->init_group) {
        struct group *parent = group_at(m, m->init_group);
        g->snext = parent->children;
        if (parent->children)
            group_at(m, parent->children)->sprev = g->id;
        parent->children = g->id;
    } else {
        m->init_group = g->id;
    }
    if (!m->main_group) {
        m->main_group = g->id;
        m->fs->tty_pgrp = (i32)g->pgid;
        m->fs->tty_sid = (i32)g->sid;
        g->tty = TTY_HOST;
    }
    sched_enqueue(m, t, false);
}

static int load(struct machine *m, struct task *t, const char *path, char *const argv[],
                char *const envp[])
{
    struct program p;
    int r = program_open(m, t->fs, 0, path, 0, &p);
    if (r)
        return r;
    i64 e = task_exec(m, t, &p, path, (char **)argv, (char **)envp);
    program_close(m, &p);
    return e == -ENORESULT ? 0 : (int)e;
}

static int spawn(struct machine *m, const char *path, char *const argv[], char *const envp[],
                 const char *cwd, u32 *pid)
{
    struct task *t;
    u64 execs = m->stats.execs;
    m->error[0] = 0;
    if (m->finished)
        return -ESRCH;
    int r = make_reaper(m);
    if (r == 0)
        r = make_process(m, &t);
    if (r)
        return r;
    r = give_resources(m, t, cwd);
    if (r == 0)
        r = load(m, t, path, argv, envp);
    if (r == 0)
        r = give_streams(m, t);
    if (r) {
        unmake(m, t);
        return r;
    }
    publish(m, t);
    m->stats.execs = execs; // that was none of the guest's
    *pid = t->tid;
    return 0;
}

int machine_spawn(struct machine *m, const char *path, char *const argv[], char *const envp[],
                  const char *cwd, u32 *pid)
{
    store_lock(m->store);
    int r = spawn(m, path, argv, envp, cwd, pid);
    store_unlock(m->store);
    return r;
}

int machine_start(struct machine *m, const char *path, char *const argv[], char *const envp[],
                  const char *cwd)
{
    u32 pid;
    return m->main_group ? -EBUSY : machine_spawn(m, path, argv, envp, cwd, &pid);
}
