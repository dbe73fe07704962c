#include "host/memory.h"

#include <errno.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

#define HUGE_SIZE (2UL << 20)

void *host_reserve(size_t size)
{
    size_t whole = size + HUGE_SIZE;
    u8 *at = mmap(NULL, whole, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
                  -1, 0);
    if (at == MAP_FAILED)
        return NULL;
    size_t skip = (HUGE_SIZE - (uintptr_t)at % HUGE_SIZE) % HUGE_SIZE;
    if (skip)
        munmap(at, skip);
    if (skip < HUGE_SIZE)
        munmap(at + skip + size, HUGE_SIZE - skip);
    return at + skip;
}

int host_commit(void *at, size_t size)
{
    if (size >= HUGE_SIZE)
        madvise(at, size, MADV_HUGEPAGE);
    if (madvise(at, size, MADV_POPULATE_WRITE) == 0 || errno == EINVAL || errno == ENOSYS || errno == EPERM)
        return 0; // an older host without it: pages come one by one, when touched
    return -ENOMEM;
}

void host_release(void *at, size_t size)
{
    munmap(at, size);
}

u64 host_memory_total(void)
{
    return (u64)sysconf(_SC_PHYS_PAGES) * (u64)sysconf(_SC_PAGESIZE);
}

u64 host_resident(void)
{
    FILE *f = fopen("/proc/self/statm", "re");
    unsigned long size = 0, resident = 0;
    if (!f)
        return 0;
    if (fscanf(f, "%lu %lu", &size, &resident) != 2)
        resident = 0;
    fclose(f);
    return resident * (u64)sysconf(_SC_PAGESIZE);
}
