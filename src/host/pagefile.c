#include "host/pagefile.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

int pagefile_dup(int fd)
{
    int copy = fcntl(fd, F_DUPFD_CLOEXEC, 3);
    return copy < 0 ? -errno : copy;
}

i64 pagefile_size(int fd)
{
    struct stat st;
    return fstat(fd, &st) ? -errno : st.st_size;
}

void pagefile_close(int fd)
{
    close(fd);
}

i64 pagefile_read(int fd, void *to, size_t n, u64 offset)
{
    size_t done = 0;
    while (done < n) {
        ssize_t r = pread(fd, (char *)to + done, n - done, (off_t)(offset + done));
        if (r < 0 && errno == EINTR)
            continue;
        if (r < 0)
            return -errno;
        if (r == 0)
            break;
        done += (size_t)r;
    }
    return (i64)done;
}

i64 pagefile_write(int fd, const void *from, size_t n, u64 offset)
{
    size_t done = 0;
    while (done < n) {
        ssize_t r = pwrite(fd, (const char *)from + done, n - done, (off_t)(offset + done));
        if (r < 0 && errno == EINTR)
            continue;
        if (r < 0)
            return -errno;
        done += (size_t)r;
    }
    return (i64)done;
}
