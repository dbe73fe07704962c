// Extended attributes by descriptor. One that was opened with O_PATH is good for none of these calls, so that
// it is named by its link in /proc.
#include "host/file.h"

#include <errno.h>
#include <stdio.h>
#include <sys/xattr.h>

static i64 result(i64 r)
{
    return r < 0 ? -errno : r;
}

static const char *fd_name(int fd, char name[32])
{
    (void)snprintf(name, 32, "/proc/self/fd/%d", fd);
    return name;
}

i64 host_getxattr(int fd, const char *name, void *value, size_t n)
{
    char path[32];
    i64 r = result(fgetxattr(fd, name, value, n));
    return r == -EBADF ? result(getxattr(fd_name(fd, path), name, value, n)) : r;
}

i64 host_setxattr(int fd, const char *name, const void *value, size_t n, u32 flags)
{
    char path[32];
    i64 r = result(fsetxattr(fd, name, value, n, (int)flags));
    return r == -EBADF ? result(setxattr(fd_name(fd, path), name, value, n, (int)flags)) : r;
}

i64 host_listxattr(int fd, char *list, size_t n)
{
    char path[32];
    i64 r = result(flistxattr(fd, list, n));
    return r == -EBADF ? result(listxattr(fd_name(fd, path), list, n)) : r;
}

i64 host_removexattr(int fd, const char *name)
{
    char path[32];
    i64 r = result(fremovexattr(fd, name));
    return r == -EBADF ? result(removexattr(fd_name(fd, path), name)) : r;
}
