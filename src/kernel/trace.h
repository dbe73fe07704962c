// ptrace's side of a thread: who traces it, why it stands still, and what is due when it goes on.
// trace.c has the stops, sys_ptrace.c the requests, wait.c tells the tracer.
//
// (TR1) task.trace is the thread's row, 0 = nobody traces it; group.tracees is the tracer's list. The
//       tracer is a process here: any of its threads may wait and make requests.
// (TR2) `stopped` is true exactly while the task's state is TASK_TRACED. A task stops only as the running
//       one, at a place where it can go on from data (law L3): before or after a call, before a signal,
//       or inside a call that is entered again.
// (TR3) A thread that ends and is not its group's leader leaves its row behind, `ended`, until the
//       tracer has waited for it. A leader's row stays until its process is reaped.
#ifndef KERNEL_TRACE_H
#define KERNEL_TRACE_H

#include "kernel/machine.h"

enum { // ptrace(2): PTRACE_O_*, and the events, whose option is 1 << event
    TRACE_O_SYSGOOD = 1, TRACE_O_EXITKILL = 1 << 20, TRACE_O_SUSPEND_SECCOMP = 1 << 21,
    TRACE_O_KNOWN = 0x3000ff,
    EVENT_FORK = 1, EVENT_VFORK, EVENT_CLONE, EVENT_EXEC, EVENT_VFORK_DONE, EVENT_EXIT, EVENT_SECCOMP,
    EVENT_STOP = 128,
};

enum trace_mode { TRACE_CONT, TRACE_CALLS, TRACE_STEP };
enum trace_place { AT_SIGNAL, AT_CALL, AT_RESULT, AT_EVENT, AT_GROUP_STOP };
enum { DUE_EXEC = 1, DUE_RESULT = 2, DUE_STEP = 4, DUE_INTERRUPT = 8, DUE_GROUP_STOP = 16,
       DUE_SIGNAL = 32, DUE_DEATH = 64 };

struct trace { // pool `traces`; owns nothing
    task_t task;        // 0: it has ended
    group_t tracer;
    u32 next, prev;     // in the tracer's list
    u32 tid, pid, uid;
    u32 options;
    u8 mode, place, due;
    bool seized, stopped, reported, listening, ended;
    i32 code;           // of the stop, as in a wait status above its low byte
    i32 status;         // ended: as wait4 reports it
    i32 inject;         // the signal that the tracer lets through (DUE_SIGNAL), or that kills (DUE_DEATH)
    u64 message;
    gva_t rewound;      // where the task goes on if the interrupted call is not made again; 0 = no call
    struct g_siginfo info;
};

static inline struct trace *trace_of(struct machine *m, const struct task *t)
{
    return t->trace ? pool_at(&m->traces, t->trace) : NULL;
}
// The row of a process's leader.
struct trace *trace_of_group(struct machine *m, const struct group *g);

MUST_CHECK int trace_new(struct machine *m, struct group *tracer, struct task *t, bool seized, u32 options);
void trace_drop(struct machine *m, u32 id);        // nobody traces it any more; a stopped one stays stopped
void trace_resume(struct machine *m, struct task *t, enum trace_mode mode, i32 signal);
void trace_detach(struct machine *m, u32 id, i32 signal);
void trace_wake(struct machine *m, struct task *t); // an interrupt or SIGKILL: out of whatever it waits in

// ---- for the rest of the kernel; the first argument is a traced task
bool trace_call_begins(struct machine *m, struct task *t); // true: it stopped, or the call is not made
void trace_call_ends(struct machine *m, struct task *t);
bool trace_before_user(struct machine *m, struct task *t); // what is due; true: it stopped, or ended
bool trace_signal(struct machine *m, struct task *t, u32 n, const struct g_siginfo *info); // it stopped
bool trace_let_through(struct machine *m, struct task *t, u32 *n, struct g_siginfo *info);
bool trace_event(struct machine *m, struct task *t, u32 event, u64 message); // true: it stopped
void trace_group_stops(struct machine *m, struct group *g);      // every traced thread of it shall
void trace_group_continues(struct machine *m, struct group *g);
void trace_executed(struct machine *m, struct task *t, u32 old_tid);
bool trace_call_restarts(struct machine *m, struct task *t); // false: the tracer sent it elsewhere
// ---- and for threads and processes that may or may not have to do with it
MUST_CHECK int trace_child(struct machine *m, struct task *t, struct task *child, u64 flags, u32 signal,
                           u32 *event);
void trace_task_ends(struct machine *m, struct task *t, i32 status);
void trace_tracer_ends(struct machine *m, struct group *g);
void notify_exit(struct machine *m, struct group *g);
bool trace_keeps_zombie(struct machine *m, struct group *g); // told the tracer, which is not the parent

// As debuggers and core files have them: pc, x1..x31; f0..f31, fcsr.
void task_registers(const struct task *of, u64 to[32]);
void task_fp_registers(const struct task *of, u64 to[33]);

#endif
