/*
 * cow_mappings.c - the second half of cow_regress.c: copy-on-write against mprotect, MAP_SHARED and
 * mappings of files.
 */
#include "check.h"

/* Read-only at the time of the fork, writable later: the write must still separate. */
static void readonly_at_fork_writable_later(void)
{
    volatile char *p = check_private(2);
    struct gate gate = gate_new();

    p[0] = p[PAGE] = 'a';
    CHECK_EQ(mprotect((void *)p, 2 * PAGE, PROT_READ), 0);
    pid_t pid = check_fork();
    if (pid == 0) {
        CHECK_EQ(mprotect((void *)p, 2 * PAGE, PROT_READ | PROT_WRITE), 0);
        p[0] = 'c';
        gate_wait(gate);
        CHECK_EQ(p[PAGE], 'a');
        _exit(0);
    }
    CHECK_EQ(mprotect((void *)p, 2 * PAGE, PROT_READ | PROT_WRITE), 0);
    p[PAGE] = 'p';
    gate_open(gate);
    CHECK_EXIT(pid, 0);
    CHECK_EQ(p[0], 'a');
}

/* mprotect to read-only and back after the fork must not forget that the page is shared. */
static void mprotect_after_fork(void)
{
    volatile char *p = check_private(2);
    struct gate gate = gate_new();

    p[0] = p[PAGE] = 'a';
    pid_t pid = check_fork();
    if (pid == 0) {
        for (int i = 0; i < 2; i++) {
            CHECK_EQ(mprotect((void *)p, PAGE, PROT_NONE), 0);
            CHECK_EQ(mprotect((void *)p, PAGE, PROT_READ), 0);
            CHECK_EQ(mprotect((void *)p, PAGE, PROT_READ | PROT_WRITE), 0);
        }
        p[0] = 'c';
        gate_wait(gate);
        CHECK_EQ(p[PAGE], 'a');
        _exit(0);
    }
    CHECK_EQ(mprotect((void *)p, 2 * PAGE, PROT_READ | PROT_WRITE), 0);
    p[PAGE] = 'p';
    gate_open(gate);
    CHECK_EXIT(pid, 0);
    CHECK_EQ(p[0], 'a');
}

/* A write in the parent after a read-only page was shared must fault in both, not copy. */
static void readonly_stays_readonly(void)
{
    volatile char *p = check_private(1);
    p[0] = 'a';
    CHECK_EQ(mprotect((void *)p, PAGE, PROT_READ), 0);
    pid_t pid = check_fork();
    if (pid == 0) {
        p[0] = 'c';
        _exit(0);
    }
    CHECK_KILLED(pid, SIGSEGV);
    pid = check_fork();
    if (pid == 0) {
        int end[2];
        CHECK_EQ(pipe(end), 0);
        CHECK_EQ(write(end[1], "x", 1), 1);
        CHECK_ERR(read(end[0], (void *)p, 1), EFAULT);
        CHECK_EQ(p[0], 'a');
        _exit(0);
    }
    CHECK_EXIT(pid, 0);
}

static void shared_anonymous_is_coherent(void)
{
    volatile int *p = check_shared(2);
    struct gate to_child = gate_new(), to_parent = gate_new();

    p[0] = 1;                                     /* touched before the fork */
    pid_t pid = check_fork();
    if (pid == 0) {
        CHECK_EQ(p[0], 1);
        p[0] = 2;
        p[1024] = 3;                              /* first touched after the fork */
        gate_open(to_parent);
        gate_wait(to_child);
        CHECK_EQ(p[0], 4);
        CHECK_EQ(p[1024], 5);
        pid_t grandchild = check_fork();
        if (grandchild == 0) {
            p[0] = 6;
            _exit(0);
        }
        CHECK_EXIT(grandchild, 0);
        CHECK_EQ(p[0], 6);
        _exit(0);
    }
    gate_wait(to_parent);
    CHECK_EQ(p[0], 2);
    CHECK_EQ(p[1024], 3);
    p[0] = 4;
    p[1024] = 5;
    gate_open(to_child);
    CHECK_EXIT(pid, 0);
    CHECK_EQ(p[0], 6);
}

/* Shared pages that nobody touched before the fork: parent first, child first, both ways. */
static void shared_anonymous_untouched_before(void)
{
    volatile int *p = check_shared(64);
    struct gate gate = gate_new();
    pid_t pid = check_fork();
    if (pid == 0) {
        gate_wait(gate);
        for (unsigned i = 0; i < 64; i++)
            CHECK_EQ(p[i * 1024], i + 1);
        for (unsigned i = 0; i < 64; i++)
            __atomic_fetch_add(&p[i * 1024], 100, __ATOMIC_SEQ_CST);
        _exit(0);
    }
    for (unsigned i = 0; i < 64; i++)
        p[i * 1024] = (int)i + 1;
    gate_open(gate);
    CHECK_EXIT(pid, 0);
    for (unsigned i = 0; i < 64; i++)
        CHECK_EQ(p[i * 1024], i + 101);
}

/* MAP_SHARED made read-only and writable again, before and after the fork: still shared, and
 * still writable. */
static void shared_mapping_and_mprotect(void)
{
    volatile char *p = check_shared(1);
    struct gate to_child = gate_new(), to_parent = gate_new();

    p[0] = 'a';
    CHECK_EQ(mprotect((void *)p, PAGE, PROT_READ), 0);
    pid_t pid = check_fork();
    if (pid == 0) {
        CHECK_EQ(mprotect((void *)p, PAGE, PROT_READ | PROT_WRITE), 0);
        p[0] = 'c';
        gate_open(to_parent);
        gate_wait(to_child);
        CHECK_EQ(p[0], 'p');
        CHECK_EQ(mprotect((void *)p, PAGE, PROT_READ), 0);
        CHECK_EQ(mprotect((void *)p, PAGE, PROT_READ | PROT_WRITE), 0);
        p[0] = 'd';
        _exit(0);
    }
    gate_wait(to_parent);
    CHECK_EQ(p[0], 'c');                          /* visible through the read-only page */
    CHECK_EQ(mprotect((void *)p, PAGE, PROT_READ | PROT_WRITE), 0);
    p[0] = 'p';
    gate_open(to_child);
    CHECK_EXIT(pid, 0);
    CHECK_EQ(p[0], 'd');
}

static void shared_file_mapping_is_coherent(void)
{
    int fd = check_file(2 * PAGE);
    char byte;
    volatile char *p = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    CHECK(p != MAP_FAILED);
    p[0] = 'a';
    pid_t pid = check_fork();
    if (pid == 0) {
        p[0] = 'c';
        p[PAGE] = 'd';
        _exit(0);
    }
    CHECK_EXIT(pid, 0);
    CHECK_EQ(p[0], 'c');
    CHECK_EQ(p[PAGE], 'd');
    CHECK_EQ(pread(fd, &byte, 1, PAGE), 1);
    CHECK_EQ(byte, 'd');
}

/* A private file mapping stays file-backed in the child: pages not touched before the fork come
 * from the file, and the child's writes go neither to the file nor to the parent. */
static void private_file_mapping_stays_file_backed(void)
{
    int fd = check_file(4 * PAGE);
    char byte;

    for (int i = 0; i < 4; i++)
        CHECK_EQ(pwrite(fd, &"wxyz"[i], 1, i * (off_t)PAGE), 1);
    volatile char *p = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
    CHECK(p != MAP_FAILED);
    close(fd);                                    /* the mapping holds the file */
    CHECK_EQ(p[0], 'w');
    p[PAGE] = 'X';
    pid_t pid = check_fork();
    if (pid == 0) {
        CHECK_EQ(p[0], 'w');
        CHECK_EQ(p[PAGE], 'X');
        CHECK_EQ(p[2 * PAGE], 'y');               /* never touched before */
        p[3 * PAGE] = 'Z';
        p[0] = 'W';
        CHECK_EQ(madvise((void *)p, 2 * PAGE, MADV_DONTNEED), 0);
        CHECK_EQ(p[0], 'w');                      /* dropped: the file's contents again */
        CHECK_EQ(p[PAGE], 'x');
        _exit(0);
    }
    CHECK_EXIT(pid, 0);
    byte = p[3 * PAGE];
    CHECK_EQ(byte, 'z');
    CHECK_EQ(p[0], 'w');
    CHECK_EQ(p[PAGE], 'X');
}

static const struct check_case cases[] = {
    CASE(readonly_at_fork_writable_later),
    CASE(mprotect_after_fork),
    CASE(readonly_stays_readonly),
    CASE(shared_anonymous_is_coherent),
    CASE(shared_anonymous_untouched_before),
    CASE(shared_mapping_and_mprotect),
    CASE(shared_file_mapping_is_coherent),
    CASE(private_file_mapping_stays_file_backed),
};
CHECK_MAIN(cases)
