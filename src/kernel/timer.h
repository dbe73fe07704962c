// Timers that programs make: timer_create(2) and timerfd_create(2). Pool `timers`; each is a deadline.
//
// (T1) `when` is the first expiry that nobody was told of, in machine time; 0 = disarmed. It may lie
//      in the past: then it is in the heap no longer, and what passed since is counted when asked.
// (T2) A timer whose signal is queued sends no other; it goes on when that one is taken, so that a
//      blocked signal costs nothing and the periods meanwhile are its overrun.
#ifndef KERNEL_TIMER_H
#define KERNEL_TIMER_H

#include "kernel/machine.h"

enum timer_cpu { TIMER_CPU_NONE, TIMER_CPU_PROCESS, TIMER_CPU_THREAD };
enum timer_kind { TIMER_FILE, TIMER_NONE, TIMER_PROCESS, TIMER_THREAD }; // whom it tells

struct timer {
    u32 slot;       // in the deadline heap, 0 = not in it
    u8 kind;
    bool realtime;  // its clock is the wall clock's
    u8 cpu;         // its clock is that of the thread or process cpu_of: `when` is of that clock
    u32 cpu_of;     // a tid
    bool queued;    // its signal is in a queue
    bool goes_on;   // with the next period when that signal is taken
    u64 when, interval;
    // of timer_create:
    group_t group;
    u32 next;       // of the group's
    i32 number;     // the program's name for it
    i32 overrun;    // of the last signal taken
    i32 signo;
    u32 tid;        // TIMER_THREAD
    u64 value;
};

struct timer *timer_at(struct machine *m, u32 id);
MUST_CHECK int timer_arm(struct machine *m, u32 id, u64 when, u64 interval); // 0 = disarm
// What settime is given at `from`: when = machine time, 0 = disarm. -EFAULT, -EINVAL
MUST_CHECK int timer_spec(struct machine *m, struct task *t, gva_t from, bool realtime, bool absolute,
                          u64 *when, u64 *interval);
// What gettime answers: written to `to` unless that is 0.
MUST_CHECK int timer_tell(struct task *t, gva_t to, u64 left, u64 interval);
u64 timer_left(struct machine *m, const struct timer *timer); // ns to the next expiry, 0 = none
void timer_fire(struct machine *m, u32 id);                   // its deadline is due
// The signal queue's part (siginfo.pad names the timer while it is queued).
void timer_queued(struct machine *m, const struct g_siginfo *info);
void timer_taken(struct machine *m, struct g_siginfo *info);
void timers_drop(struct machine *m, struct group *g); // the process ends, or executes

void timerfd_attach(struct machine *m); // fills fs's row for them
void signalfd_attach(struct machine *m);

#endif
