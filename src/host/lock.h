// A lock between host threads, and giving way.
#ifndef HOST_LOCK_H
#define HOST_LOCK_H

#include "base/types.h"

struct host_lock;

MUST_CHECK struct host_lock *host_lock_new(void); // NULL: no memory
void host_lock_free(struct host_lock *l);          // nobody has it
void host_lock_take(struct host_lock *l);
void host_lock_give(struct host_lock *l);
// Gives it up for an instant if somebody waits for it, who gets it then.
void host_lock_yield(struct host_lock *l);

#endif
