// The host's inotify: its events have one layout on every Linux.
#ifndef HOST_INOTIFY_H
#define HOST_INOTIFY_H

#include "base/types.h"

MUST_CHECK int host_inotify_new(void);                       // non-blocking, close-on-exec
MUST_CHECK int host_inotify_add(int inotify, int fd, u32 mask); // what fd (O_PATH will do) names: wd
MUST_CHECK int host_inotify_remove(int inotify, int wd);

#endif
