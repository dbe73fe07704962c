#include "host/inotify.h"

#include <errno.h>
#include <stdio.h>
#include <sys/inotify.h>

int host_inotify_new(void)
{
    int fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

int host_inotify_add(int inotify, int fd, u32 mask)
{
    char path[40];
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    int wd = inotify_add_watch(inotify, path, mask & ~(u32)IN_DONT_FOLLOW); // the link is ours to follow
    return wd < 0 ? -errno : wd;
}

int host_inotify_remove(int inotify, int wd)
{
    return inotify_rm_watch(inotify, wd) ? -errno : 0;
}
