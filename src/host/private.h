// A directory of the host that is one tine's alone, in memory where the host has /dev/shm.
#ifndef HOST_PRIVATE_H
#define HOST_PRIVATE_H

#include "base/types.h"

// Makes it (mode 1777), holds it by a lock, and removes those of tines that did not live to do so
// themselves. Its path is in buf, NUL-terminated. A descriptor, or -E...
MUST_CHECK int host_private_new(char *buf, size_t cap);
void host_private_remove(int fd, const char *path); // with all that is in it; closes fd

#endif
