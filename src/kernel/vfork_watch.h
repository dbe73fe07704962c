// A vfork child that runs on its parent's stack is watched under --vfork=lint and deny: every store to
// memory that is its parent's is seen before it happens (struct mm_watch).
//
//   parent's data   | heap, globals | .. | frames of callers | frame that called vfork | child's frames |
//   a store there   | judged                                 | the child's, as long as | the child's    |
//                                                            | it has not returned     |    sp v
//
// (V1) A task has a watch from its vfork to its exec or end. Only while it runs is that watch its address
//      space's: others who run in the same memory are not watched, and nothing is left of it between
//      two turns.
// (V2) What the child may write: its part of the stack, the frame of the function that called vfork
//      (where the result goes), its signal stack, shared mappings; errno; the thread's own block of
//      the C library; what the dynamic loader stores to bind a function.
// (V3) Names are not the kernel's business: src/see judges and reports, through struct vfork_hooks.
#ifndef KERNEL_VFORK_WATCH_H
#define KERNEL_VFORK_WATCH_H

#include "kernel/task.h"

struct forking;
struct machine;
struct trap;

struct vfork_watch { // pool `vfork_watches`; owns nothing beyond its row
    struct mm_watch mm;
    task_t parent;
    u32 parent_tid;
    gva_t sp;             // at the vfork: the child's own frames lie below
    gva_t frame_end;      // of the function that called vfork; its start and size:
    gva_t caller, caller_end; // 0 = not known
    gva_t call;           // where vfork returns to in it
    gva_t errno_at;       // where the C library keeps it, once that is known
    i32 failed;           // errno of the last call, until it is stored
    i32 exec_failed;      // errno of an exec that failed
    bool done_for;        // it has returned or called exit: what follows is not told any more
};

// A store to the parent's data by the instruction at t->regs.pc; it has not happened yet.
struct vfork_store {
    gva_t va;
    u64 len;
    bool by_call;  // by the system call that the task is in
    bool by_sp;    // an instruction's, addressed from the stack pointer
    bool frame;    // into the frame that called vfork: only wrong when that function has returned
};

struct vfork_hooks { // all NULL: nobody is watched
    void *state;
    // Fills frame_end, caller, caller_end and call.
    void (*begin)(struct machine *m, struct task *caller, struct vfork_watch *w);
    // True: it is wrong; --vfork=deny refuses it then.
    bool (*store)(struct machine *m, struct task *t, struct vfork_watch *w, const struct vfork_store *s);
    // The task is about to make a system call.
    void (*call)(struct machine *m, struct task *t, struct vfork_watch *w);
    // It execs or ends; its memory is still there.
    void (*end)(struct machine *m, struct task *t, struct vfork_watch *w);
    void *(*copy)(struct forking *f, void *state); // for a machine fork's copy; NULL: f->error
    void (*free)(void *state); // the machine is gone; NULL is fine
};

// A watch for the child that `t` is about to make. *out = 0: none is needed. -ENOMEM
MUST_CHECK int vfork_watch_new(struct machine *m, struct task *t, u32 *out);
void vfork_watch_end(struct machine *m, struct task *t); // a task without one is fine
void vfork_watch_arm(struct machine *m, struct task *t);
void vfork_watch_disarm(struct machine *m);
// After FAULT_WATCHED: looks at the store and performs it, or not. True: that trapped, *trap says how.
bool vfork_watch_store(struct machine *m, struct task *t, gva_t va, struct trap *trap);
void vfork_watch_calls(struct machine *m, struct task *t);           // before a system call
void vfork_watch_called(struct machine *m, struct task *t);          // and after it

#endif
