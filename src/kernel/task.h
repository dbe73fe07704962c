// Tasks (threads) and thread groups (processes). A blocked task is data, not a stack (law L3).
//
//   group (pid, parent, children, zombie)          task (tid, registers, mask)
//     tasks --> task --> task                         mm, files, fs, sighand: identities, maybe shared
//
// (K1) Groups and tasks name each other by pool id (law L4). 0 = none.
// (K2) A task is in the run queue exactly when its state is TASK_RUNNABLE and it is not running.
// (K3) A blocked task's waiters name what wakes it; they are gone once it is runnable again.
// (K4) A group lives until it is reaped; a task other than the leader ends with its thread.
#ifndef KERNEL_TASK_H
#define KERNEL_TASK_H

#include "abi/linux.h"
#include "cpu/cpu.h"
#include "fs/fdtable.h"
#include "fs/path.h"
#include "mm/mm.h"

typedef u32 task_t;
typedef u32 group_t;

enum task_state { TASK_RUNNABLE, TASK_BLOCKED, TASK_STOPPED, TASK_TRACED, TASK_DEAD };
enum call_stage { CALL_FRESH, CALL_ANNOUNCED, CALL_RUNS }; // for a tracer: trace.h

struct sigactions { // content, immutable while shared (law L2)
    u32 refs;
    struct g_sigaction at[G_NSIG];
};

struct sighand { // identity: CLONE_SIGHAND shares it
    u32 holders;
    struct sigactions *actions;
};

struct sigqueue { // pending signals
    u64 set;
    u32 head, tail; // of queued siginfos, pool `signals`
};

// A system call in progress. It stays while the task is blocked; the call is entered again.
struct call {
    bool active;    // to be entered (again) when the task runs
    bool interruptible;
    u8 stage;       // enum call_stage
    bool disk_done; // disk_result is there
    u32 number;
    u64 arg[6];
    u64 deadline;   // machine time in ns when the wait times out; 0 = none
    i32 restart;    // it was interrupted: ERESTARTSYS or ERESTARTNOHAND; 0 = no
    u32 disk_serial; // of its job for a helper thread (disk.h); 0 = none
    i64 disk_result;
    u64 progress;   // what the call keeps between entries
    u64 state[3];
};

// Capability sets (capabilities(7)), and what else limits what an execve may give.
struct caps {
    u64 effective, permitted, inheritable, bounding, ambient;
    u8 securebits;
    bool no_new_privs;
};

struct gids { // supplementary groups; immutable, shared by reference
    u32 refs, count;
    u64 serial; // no two lists of a machine have the same
    u32 gid[];
};

struct task {
    task_t id;
    u32 tid;
    group_t group;
    u8 state;
    u8 policy, rt_priority; // sys_sched.c
    bool policy_reset;      // its children have the usual one
    u16 ioprio;             // sys_ioprio.c
    u8 exit_signal;     // to the parent, for a group's leader
    bool restore_mask;  // saved_mask is to be restored after the next signal
    bool timed_out;     // the wait ended by its deadline
    task_t vfork_parent;
    u32 vfork_watch;    // pool `vfork_watches`, 0 = not watched
    task_t next, prev;  // in the run queue
    bool spent;         // put there at the end of a slice
    task_t gnext, gprev; // in the group
    u32 waiters;        // first waiter, pool `waiters`
    u32 timer_slot;     // in the deadline heap, 0 = not in it
    u32 trace;          // who traces it, pool `traces`; 0 = nobody
    u32 futex;          // its first waiter, pool `futex`
    u32 futex_lockers;  // waiters for locks that it owns (futex.h, U3)
    u32 sem_list;       // what SEM_UNDO takes back, pool `ipc.sem_lists`; 0 = nothing yet
    struct mm *mm;
    struct fdtable *files;
    struct fsctx *fs;
    struct sighand *sighand;
    u64 mask, saved_mask;
    u64 sigwait;        // blocked signals that rt_sigtimedwait sleeps for
    struct sigqueue pending;
    struct g_stack altstack;
    gva_t clear_child_tid, robust_list;
    struct call call;
    struct regs regs;
    u64 instructions, calls; // made so far
    u64 cpu_told;            // their sum when sleepers on processor clocks were last woken
    u64 slack, slack_default; // PR_SET_TIMERSLACK, ns: kept for who asks; timers here are on time
    char comm[16];
};

struct group {
    group_t id;
    u32 pid, pgid, sid;
    group_t parent;
    group_t children;   // first child
    group_t snext, sprev; // siblings
    task_t leader;      // stays until the group is reaped
    task_t tasks;       // list of live threads
    u32 ntasks;         // live threads
    bool zombie, stopped, stop_reported, continued, subreaper, execed, kernel;
    bool dumpable, dead;    // dead: its last thread has ended
    i32 exit_status;    // as wait4 reports it
    u8 exit_signal;
    u8 stop_signal;
    u8 pdeath_signal;
    struct sigqueue pending;
    u32 uid, euid, suid, fsuid, gid, egid, sgid, fsgid;
    struct caps caps;
    struct gids *gids;  // NULL = none
    u32 forker;         // tid of the parent's thread that made it (PR_SET_PDEATHSIG)
    u32 tty;            // id of the controlling terminal (fs/tty.h), 0 = none
    u64 limit[G_RLIM_COUNT][2];
    u64 itimer_value[3], itimer_interval[3]; // ns; [0] real (absolute machine time), others instructions
    u32 timer_slot;
    u32 timers, ntimers; // of timer_create: first in pool `timers`
    i32 next_timer;     // number of the next one
    u32 tracees;        // first of those that it traces, pool `traces`
    u32 core;           // that it is writing, pool `cores`; 0 = none
    u32 pidfds;         // open descriptions that name it
    u64 instructions, child_instructions, calls, child_calls; // of ended threads; of reaped children
    u64 start_time;
    u64 peak_pages, child_peak_pages; // ru_maxrss, of itself and of reaped children
    i16 oom_score_adj;  // kept for who asks; no process is chosen by it
    i32 nice;
    u32 personality;    // kept; STICKY_TIMEOUTS is gone by
    char *exe;          // guest path, for /proc/self/exe
};

#endif
