// Harts: what a host thread needs to run a machine, and no machine needs while it does not run. A store
// keeps them, so that a machine at rest is small (a TLB is larger than the rest of it).
//
// (HA1) A hart's TLB may go on caching the machine that ran on it last, which then finds it warm.
#ifndef KERNEL_HART_H
#define KERNEL_HART_H

#include "cpu/cpu.h"

struct store;

struct hart {
    struct cpu cpu;
    struct hart *next;
    const void *user; // the machine that runs on it, or ran last; never followed
    bool taken;
    int event;        // an eventfd to end a wait in the host, -1 = not needed yet
};

// A hart for `user`, if it can be the one it had last. NULL: no memory.
MUST_CHECK struct hart *hart_take(struct store *s, const void *user);
void hart_give(struct hart *h);
int hart_event(struct hart *h); // its eventfd, or -errno
void harts_free(struct store *s); // none is taken

#endif
