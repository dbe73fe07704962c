/*
 * proc_mem.c - /proc/PID/mem and /proc/PID/pagemap: offsets are addresses.
 */
#include "check.h"
#include <sys/prctl.h>
#include <sys/ptrace.h>

static int open_mem(pid_t pid, const char *name, int flags)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/%s", pid, name);
    int fd = open(path, flags);
    CHECK(fd >= 0);
    return fd;
}

static void one_s_own(void)
{
    char text[32], *p = check_private(3);
    int fd = open_mem(getpid(), "mem", O_RDWR);
    strcpy(p + PAGE - 3, "across a page");
    CHECK_EQ(pread(fd, text, 14, (off_t)(uintptr_t)(p + PAGE - 3)), 14);
    CHECK_EQ(strcmp(text, "across a page"), 0);
    CHECK_EQ(pwrite(fd, "ACROSS", 6, (off_t)(uintptr_t)(p + PAGE - 3)), 6);
    CHECK_EQ(memcmp(p + PAGE - 3, "ACROSS a page", 14), 0);
    CHECK_EQ(lseek(fd, (off_t)(uintptr_t)p + PAGE, SEEK_SET), (long)(uintptr_t)p + PAGE);
    CHECK_EQ(read(fd, text, 3), 3);
    CHECK_EQ(memcmp(text, "OSS", 3), 0);
    CHECK_EQ(read(fd, text, 2), 2);
    CHECK_EQ(memcmp(text, " a", 2), 0);
    CHECK_EQ(munmap(p + 2 * PAGE, PAGE), 0);
    CHECK_ERR(pread(fd, text, 1, (off_t)(uintptr_t)(p + 2 * PAGE)), EIO);
    CHECK_EQ(pread(fd, text, 16, (off_t)(uintptr_t)(p + 2 * PAGE - 8)), 8); /* up to the hole */
    CHECK_ERR(pread(fd, text, 1, 0), EIO);
}

/* What is written is the process's own copy, whatever the mapping permits. */
static void forces_and_copies(void)
{
    char *p = check_private(2), byte;
    memset(p, 'a', 2 * PAGE);
    CHECK_EQ(mprotect(p, PAGE, PROT_READ), 0);
    CHECK_EQ(mprotect(p + PAGE, PAGE, PROT_NONE), 0);
    struct gate go = gate_new();
    pid_t pid = check_fork();
    if (pid == 0) {
        gate_wait(go);
        _exit(p[0] == 'b' && p[1] == 'a' ? 0 : 1);
    }
    int fd = open_mem(pid, "mem", O_RDWR);
    CHECK_EQ(pwrite(fd, "b", 1, (off_t)(uintptr_t)p), 1);
    CHECK_EQ(pread(fd, &byte, 1, (off_t)(uintptr_t)p), 1);
    CHECK_EQ(byte, 'b');
    CHECK_EQ(pread(fd, &byte, 1, (off_t)(uintptr_t)(p + PAGE)), 1);
    CHECK_EQ(byte, 'a');
    CHECK_EQ(p[0], 'a');
    gate_open(go);
    CHECK_EXIT(pid, 0);
    CHECK_EQ(pread(fd, &byte, 1, (off_t)(uintptr_t)p), 0); /* its memory is gone */
}

static uint64_t entry(int fd, const void *address)
{
    uint64_t e = 0;
    CHECK_EQ(pread(fd, &e, 8, (off_t)((uintptr_t)address / PAGE * 8)), 8);
    return e;
}

static void which_pages_are_there(void)
{
    char *p = check_private(4);
    int fd = open_mem(getpid(), "pagemap", O_RDONLY), file = check_file(PAGE);
    p[PAGE] = 1;
    CHECK(!(entry(fd, p) >> 63));
    CHECK(entry(fd, p + PAGE) >> 63);
    CHECK(!(entry(fd, p + PAGE) >> 62 & 1)); /* not swapped out */
    CHECK(!(entry(fd, p + PAGE) >> 61 & 1));
    CHECK(!(entry(fd, p + 2 * PAGE) >> 63));
    char *q = mmap(NULL, PAGE, PROT_READ, MAP_SHARED | MAP_POPULATE, file, 0);
    CHECK(q != MAP_FAILED);
    CHECK(entry(fd, q) >> 63);
    CHECK(entry(fd, q) >> 61 & 1);
    uint64_t some[3];
    CHECK_EQ(pread(fd, some, sizeof some, (off_t)((uintptr_t)p / PAGE * 8)), sizeof some);
    CHECK(some[1] >> 63 && !(some[2] >> 63));
    CHECK_ERR(pread(fd, some, 8, 3), EINVAL);
    CHECK_ERR(pread(fd, some, 5, 0), EINVAL);
    CHECK_EQ(entry(fd, NULL) >> 63, 0);
}

static const struct check_case cases[] = {
    CASE(one_s_own), CASE(forces_and_copies), CASE(which_pages_are_there),
};
CHECK_MAIN(cases)
