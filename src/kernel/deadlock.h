// The vfork deadlock: a vfork child, or what it waits for, waits for its own suspended parent.
//
// Every blocked task has wakers: those whose doing could end its wait (who has the pipe's other end
// open, holds the lock, shares the futex's memory, ...). A task is alive if it can run, is stopped,
// waits for a time or for something outside the machine, or if one of its wakers is alive.
//
// (DL1) The verdict: a blocked vfork child is not alive, and its suspended parent is among those it
//       waits for, directly or through others. Nothing but a signal from outside could end that wait.
// (DL2) Whoever could end a wait counts, whether or not he will: so there is no false verdict. What is
//       not known (a kind of wait that has no row here) counts as alive.
// (DL3) Signals count as wakers of calls that wait for signals; else everybody would be everybody's
//       waker. Not counted either: opening somebody's pipe through /proc/PID/fd.
//
// The search costs nothing while no vfork child is blocked.
#ifndef KERNEL_DEADLOCK_H
#define KERNEL_DEADLOCK_H

#include "kernel/task.h"

struct machine;

enum deadlock_why {
    WHY_NONE,
    WHY_PIPE_DATA,  // the waker has the pipe's write end open
    WHY_PIPE_SPACE, // ... its read end
    WHY_FIFO,       // anybody could open it
    WHY_EVENT,      // ... the eventfd, timerfd
    WHY_LOCK,       // ... owns a lock in the way
    WHY_CHILD,      // ... belongs to the awaited process
    WHY_VFORK,      // ... is the vfork child
    WHY_FUTEX,      // ... has the futex's memory
    WHY_SIGNAL,     // anybody could send one
    WHY_SOCKET,     // ... has the other end, or could
    WHY_IPC,        // anybody could: System V and POSIX queues and semaphores
    WHY_TTY,
};

#define DEADLOCK_STEPS 16u

struct deadlock { // a circle: each one waits for the next, the last (the parent) for the first (the child)
    u32 count; // 0 = there is none
    struct {
        task_t task;
        u8 why;   // it waits for the next one
        i32 fd;   // of the next one, through which it could end the wait; -1 = none
    } at[DEADLOCK_STEPS];
};

// True: there is one, and *out says which. The longest circles are cut in the middle.
bool deadlock_find(struct machine *m, struct deadlock *out);

#endif
