/*
 * memory_locks.c - mlock and its limits, mincore, msync on locked pages, what madvise and mmap refuse,
 * remap_file_pages, the number of mappings, and calls that look into another process's memory.
 */
#include "check.h"
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/uio.h>

static long status_kb(const char *name)
{
    char line[256];
    long value = -1;
    FILE *status = fopen("/proc/self/status", "r");
    CHECK(status != NULL);
    while (fgets(line, sizeof line, status))
        if (strncmp(line, name, strlen(name)) == 0)
            value = atol(line + strlen(name) + 1);
    fclose(status);
    return value;
}

static unsigned resident(void *at, size_t pages)
{
    unsigned char there[64];
    unsigned n = 0;
    CHECK_EQ(mincore(at, pages * PAGE, there), 0);
    for (size_t i = 0; i < pages; i++)
        n += there[i] & 1;
    return n;
}

static void locks_are_counted_and_fill_pages(void)
{
    char *p = check_private(8), *shared = check_shared(4);
    CHECK_EQ(resident(p, 8), 0);
    CHECK_EQ(mlock(p + 100, 3 * PAGE - 200), 0);
    CHECK_EQ(status_kb("VmLck:"), 12);
    CHECK_EQ(resident(p, 8), 3);
    CHECK_EQ(mlock(shared, 4 * PAGE), 0);
    CHECK_EQ(resident(shared, 4), 4);
    CHECK_ERR(msync(shared, PAGE, MS_INVALIDATE | MS_ASYNC), EBUSY);
    CHECK_EQ(munlock(p + PAGE, PAGE), 0);
    CHECK_EQ(status_kb("VmLck:"), 24);
    CHECK_ERR(madvise(p, PAGE, MADV_DONTNEED), EINVAL);
    pid_t pid = check_fork(); /* not inherited */
    if (pid == 0) {
        CHECK_EQ(status_kb("VmLck:"), 0);
        CHECK_EQ(madvise(p, PAGE, MADV_DONTNEED), 0);
        CHECK_EQ(mlock(p + PAGE, PAGE), 0);
        CHECK_EQ(status_kb("VmLck:"), 4);
        _exit(0);
    }
    CHECK_EXIT(pid, 0);
    CHECK_EQ(munmap(p, 8 * PAGE), 0);
    CHECK_EQ(munlockall(), 0);
    CHECK_EQ(status_kb("VmLck:"), 0);
    CHECK_ERR(mlock(p, PAGE), ENOMEM);
}

static void lock_everything_to_come(void)
{
    pid_t pid = check_fork();
    if (pid == 0) {
        struct rlimit none = { RLIM_INFINITY, RLIM_INFINITY };
        (void)!setrlimit(RLIMIT_MEMLOCK, &none);
        if (mlockall(MCL_FUTURE) != 0)
            _exit(0);
        char *p = check_private(4);
        CHECK_EQ(resident(p, 4), 4);
        CHECK(status_kb("VmLck:") >= 16);
        CHECK_EQ(munlockall(), 0);
        CHECK_ERR(mlockall(0), EINVAL);
        CHECK_ERR(mlockall(MCL_ONFAULT), EINVAL);
        _exit(0);
    }
    CHECK_EXIT(pid, 0);
}

static void lock_limits(void)
{
    struct rlimit limit = { 4 * PAGE, 4 * PAGE };
    char *p = check_private(8);
    CHECK_EQ(setrlimit(RLIMIT_MEMLOCK, &limit), 0);
    if (getuid() == 0)
        CHECK_EQ(setresuid(65534, 65534, 65534), 0);
    CHECK_ERR(mlock(p, 5 * PAGE), ENOMEM);
    CHECK_EQ(mlock(p, 4 * PAGE), 0);
    CHECK_EQ(mlock(p, 4 * PAGE), 0); /* the same again costs nothing */
    CHECK_ERR(mlock(p + 4 * PAGE, PAGE), ENOMEM);
    CHECK(mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_LOCKED, -1, 0) == MAP_FAILED);
    CHECK_EQ(errno, EAGAIN);
    CHECK_EQ(munlock(p, 4 * PAGE), 0);
    limit.rlim_cur = 0;
    CHECK_EQ(setrlimit(RLIMIT_MEMLOCK, &limit), 0);
    CHECK_ERR(mlock(p, PAGE), EPERM);
}

static void advice_that_is_refused(void)
{
    char *p = check_private(4), *shared = check_shared(4);
    CHECK_ERR(madvise(p + 1, PAGE, MADV_NORMAL), EINVAL);
    CHECK_ERR(madvise(p, PAGE, 1212), EINVAL);
    CHECK_ERR(madvise(p, PAGE, MADV_REMOVE), EINVAL);
    CHECK_ERR(madvise(shared, PAGE, MADV_FREE), EINVAL);
    CHECK_ERR(madvise(shared, PAGE, MADV_WIPEONFORK), EINVAL);
    memset(shared, 7, 4 * PAGE);
    CHECK_EQ(madvise(shared + PAGE, PAGE, MADV_REMOVE), 0);
    CHECK_EQ(shared[0], 7);
    CHECK_EQ(shared[PAGE], 0);
    memset(p, 7, 4 * PAGE);
    CHECK_EQ(munmap(p + PAGE, PAGE), 0);
    CHECK_ERR(madvise(p, 4 * PAGE, MADV_DONTNEED), ENOMEM); /* what is there is done all the same */
    CHECK_EQ(p[0], 0);
    CHECK_EQ(p[3 * PAGE], 0);
}

static void mappings_that_are_refused(void)
{
    int fd = check_file(PAGE);
    CHECK(mmap(NULL, 0, PROT_READ, MAP_SHARED, 999, 0) == MAP_FAILED);
    CHECK_EQ(errno, EBADF);
    CHECK(mmap(NULL, 0, PROT_READ, MAP_SHARED, fd, 0) == MAP_FAILED);
    CHECK_EQ(errno, EINVAL);
    CHECK(mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 100) == MAP_FAILED);
    CHECK_EQ(errno, EINVAL);
    CHECK(mmap(NULL, PAGE, PROT_READ, MAP_SHARED_VALIDATE | 0x80000, fd, 0) == MAP_FAILED);
    CHECK_EQ(errno, EOPNOTSUPP); /* MAP_SYNC, of files that are no memory */
    CHECK(mmap(NULL, ~0UL - PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED);
    CHECK_EQ(errno, ENOMEM);
    CHECK(mmap(NULL, PAGE, PROT_READ, MAP_SHARED_VALIDATE, fd, 0) != MAP_FAILED);
}

static void pages_of_a_window_in_another_order(void)
{
    int fd = check_file(4 * PAGE);
    for (int i = 0; i < 4; i++)
        CHECK_EQ(pwrite(fd, &(char){ (char)('a' + i) }, 1, i * (off_t)PAGE), 1);
    char *p = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    CHECK(p != MAP_FAILED);
    CHECK_EQ(remap_file_pages(p, PAGE, 0, 3, 0), 0);
    CHECK_EQ(remap_file_pages(p + 3 * PAGE, PAGE, 0, 0, 0), 0);
    CHECK_EQ(p[0], 'd');
    CHECK_EQ(p[PAGE], 'b');
    CHECK_EQ(p[3 * PAGE], 'a');
    CHECK_ERR(remap_file_pages(p, PAGE, PROT_READ, 1, 0), EINVAL);
    CHECK_ERR(remap_file_pages(check_private(1), PAGE, 0, 0, 0), EINVAL);
}

static void the_number_of_mappings(void)
{
    size_t pages = 140000;
    char *p = mmap(NULL, pages * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    size_t i;
    CHECK(p != MAP_FAILED);
    for (i = 1; i < pages; i += 2)
        if (mprotect(p + i * PAGE, PAGE, PROT_READ) != 0)
            break;
    CHECK_EQ(errno, ENOMEM);
    CHECK(i < 66000);
    CHECK_ERR(munmap(p + (i + 4) * PAGE, PAGE), ENOMEM);
    CHECK_EQ(munmap(p, pages * PAGE), 0);
}

static void memory_of_another_process(void)
{
    char *p = check_private(3), mine[32] = "";
    struct gate ready = gate_new(), go = gate_new();
    memset(p, 'p', 3 * PAGE);
    pid_t pid = check_fork();
    if (pid == 0) {
        memcpy(p + PAGE - 4, "12345678", 8);
        gate_open(ready);
        gate_wait(go);
        CHECK_EQ(memcmp(p + PAGE - 4, "abcd5678", 8), 0);
        _exit(0);
    }
    gate_wait(ready);
    struct iovec local[2] = { { mine, 3 }, { mine + 10, 5 } };
    struct iovec remote = { p + PAGE - 4, 8 }, gone = { (void *)16, 8 };
    CHECK_EQ(process_vm_readv(pid, local, 2, &remote, 1, 0), 8);
    CHECK_EQ(memcmp(mine, "123", 3), 0);
    CHECK_EQ(memcmp(mine + 10, "45678", 5), 0);
    CHECK_EQ(p[PAGE], 'p');
    CHECK_ERR(process_vm_readv(pid, local, 2, &gone, 1, 0), EFAULT);
    CHECK_ERR(process_vm_readv(pid, local, 2, &remote, 1, 1), EINVAL);
    CHECK_ERR(process_vm_readv(0x3ffffff, local, 2, &remote, 1, 0), ESRCH);
    local[0] = (struct iovec){ (char[]){ "abcd" }, 4 };
    CHECK_EQ(process_vm_writev(pid, local, 1, &remote, 1, 0), 4);
    CHECK_EQ(p[PAGE - 1], 'p');
    gate_open(go);
    CHECK_EXIT(pid, 0);
}

enum { SAME_FILE, SAME_VM, SAME_FILES, SAME_FS, SAME_SIGHAND };

static long kcmp(pid_t a, pid_t b, int type, long x, long y)
{
    return syscall(SYS_kcmp, a, b, type, x, y);
}

static void what_is_the_same(void)
{
    pid_t me = getpid();
    int copy = dup(1);
    if (kcmp(me, me, SAME_VM, 0, 0) < 0)
        check_skip("no kcmp");
    pid_t pid = check_fork();
    if (pid == 0) {
        pause();
        _exit(0);
    }
    CHECK_EQ(kcmp(me, me, SAME_FILE, 1, copy), 0);
    CHECK_EQ(kcmp(me, pid, SAME_FILE, 1, copy), 0);
    CHECK(kcmp(me, pid, SAME_VM, 0, 0) > 0);
    CHECK_EQ(kcmp(me, pid, SAME_VM, 0, 0) + kcmp(pid, me, SAME_VM, 0, 0), 3); /* an order */
    CHECK(kcmp(me, pid, SAME_FILES, 0, 0) > 0);
    CHECK(kcmp(me, pid, SAME_FS, 0, 0) > 0);
    CHECK(kcmp(me, pid, SAME_SIGHAND, 0, 0) > 0);
    CHECK_ERR(kcmp(me, pid, SAME_FILE, 1, 999), EBADF);
    CHECK_ERR(kcmp(me, pid, 99, 0, 0), EINVAL);
    int set = epoll_create1(0), end[2];
    struct epoll_event event = { .events = EPOLLIN };
    CHECK_EQ(pipe(end), 0);
    CHECK_EQ(epoll_ctl(set, EPOLL_CTL_ADD, end[0], &event), 0);
    unsigned slot[3] = { (unsigned)set, (unsigned)end[0], 0 };
    CHECK_EQ(kcmp(me, me, 7 /* KCMP_EPOLL_TFD */, end[0], (long)slot), 0);
    CHECK(kcmp(me, me, 7, end[1], (long)slot) > 0);
    slot[2] = 1;
    CHECK_ERR(kcmp(me, me, 7, end[0], (long)slot), ENOENT);
    CHECK_ERR(kcmp(me, 0x3ffffff, SAME_VM, 0, 0), ESRCH);
    kill(pid, SIGKILL);
    CHECK_KILLED(pid, SIGKILL);
}

static void barriers(void)
{
    enum { QUERY = 0, GLOBAL = 1, PRIVATE = 8, REGISTER_PRIVATE = 16 };
    if (syscall(SYS_membarrier, QUERY, 0, 0) < 0)
        check_skip("no membarrier");
    CHECK_EQ(syscall(SYS_membarrier, GLOBAL, 0, 0), 0);
    CHECK_ERR(syscall(SYS_membarrier, QUERY, 1, 0), EINVAL);
    CHECK_ERR(syscall(SYS_membarrier, PRIVATE, 0, 0), EPERM);
    CHECK_EQ(syscall(SYS_membarrier, REGISTER_PRIVATE, 0, 0), 0);
    CHECK_EQ(syscall(SYS_membarrier, PRIVATE, 0, 0), 0);
}

static const struct check_case cases[] = {
    CASE(locks_are_counted_and_fill_pages), CASE(lock_everything_to_come), CASE(lock_limits),
    CASE(advice_that_is_refused), CASE(mappings_that_are_refused),
    CASE(pages_of_a_window_in_another_order), CASE(the_number_of_mappings),
    CASE(memory_of_another_process), CASE(what_is_the_same), CASE(barriers),
};
CHECK_MAIN(cases)
