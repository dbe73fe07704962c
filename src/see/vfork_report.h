// What a vfork child must not do, in words: which function did it, to which variable (--vfork=lint, deny).
//
// (R1) A store is reported when the child is gone and what it changed is still changed: a lock that was
//      taken and given back, or a value stored over itself, is not.
// (R2) Each place of a program, a function and a variable, is reported once.
// (R3) A program without a symbol table can be told neither function nor variable. Its stores are
//      reported under --verbose only: who strips a program has tested it. Returning from the function
//      that called vfork, and exit, are always reported.
// (R4) After a return or an exit nothing more is said about that child: all that follows is their fault.
#ifndef SEE_VFORK_REPORT_H
#define SEE_VFORK_REPORT_H

#include "base/types.h"

struct machine;

// Makes m->vfork_hooks report on stderr, until the machine is freed. -ENOMEM
MUST_CHECK int vfork_report_attach(struct machine *m);

#endif
