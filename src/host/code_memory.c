#include "host/code_memory.h"

#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22
#define MADV_POPULATE_WRITE 23
#endif

int host_code_new(size_t size, u8 **write, u8 **execute)
{
    int fd = memfd_create("tine-code", MFD_CLOEXEC), r = 0;
    if (fd < 0)
        return -errno;
    void *w = MAP_FAILED, *x = MAP_FAILED;
    if (ftruncate(fd, (off_t)size) == 0) {
        w = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd, 0);
        x = mmap(NULL, size, PROT_READ | PROT_EXEC, MAP_SHARED | MAP_NORESERVE, fd, 0);
    }
    if (w == MAP_FAILED || x == MAP_FAILED) {
        r = -errno;
        if (w != MAP_FAILED)
            munmap(w, size);
        if (x != MAP_FAILED)
            munmap(x, size);
    }
    close(fd);
    *write = w;
    *execute = x;
    return r;
}

int host_code_commit(u8 *write, u8 *execute, size_t offset, size_t n)
{
    // Hosts that can't give pages one by one, when touched.
    if (madvise(write + offset, n, MADV_POPULATE_WRITE) && errno == ENOMEM)
        return -ENOMEM;
    if (madvise(execute + offset, n, MADV_POPULATE_READ) && errno == ENOMEM)
        return -ENOMEM;
    return 0;
}

void host_code_free(size_t size, u8 *write, u8 *execute)
{
    munmap(write, size);
    munmap(execute, size);
}
