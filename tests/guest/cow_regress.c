/*
 * cow_regress.c - bugs that other implementations of copy-on-write had, one case each (the last
 * paragraph of section 4 of the design, and some of their cousins). Those that have to do with
 * protections, shared and file mappings are in cow_mappings.c.
 */
#include "check.h"
#include <pthread.h>
#include <sys/resource.h>

/* A page that is already shared with one child is shared with a second: neither the second fork
 * nor the end of the first may lose the protection. */
static void refork_of_a_shared_page(void)
{
    volatile char *p = check_private(1);
    struct gate gate = gate_new();
    pid_t child[3];

    p[0] = 'a';
    for (int i = 0; i < 3; i++) {
        child[i] = check_fork();
        if (child[i] == 0) {
            gate_wait(gate);
            CHECK_EQ(p[0], 'a');
            p[0] = (char)('0' + i);
            CHECK_EQ(p[0], '0' + i);
            _exit(0);
        }
    }
    p[0] = 'b';
    for (int i = 0; i < 3; i++)
        gate_open(gate);
    for (int i = 0; i < 3; i++)
        CHECK_EXIT(child[i], 0);
    CHECK_EQ(p[0], 'b');
}

/* The child forks again before anybody wrote; then all three write. */
static void refork_by_the_child(void)
{
    volatile char *p = check_private(1);
    p[0] = 'a';
    pid_t pid = check_fork();
    if (pid == 0) {
        pid_t grandchild = check_fork();
        if (grandchild == 0) {
            p[0] = 'g';
            _exit(p[0] != 'g');
        }
        CHECK_EXIT(grandchild, 0);
        CHECK_EQ(p[0], 'a');
        p[0] = 'c';
        _exit(0);
    }
    CHECK_EXIT(pid, 0);
    CHECK_EQ(p[0], 'a');
}

/* A read() that started before the fork of another thread lands in the caller's memory only. */
static struct gate inflight_gate;
static char *inflight_page;
static int inflight_pipe[2];

static void *inflight_reader(void *unused)
{
    (void)unused;
    gate_open(inflight_gate);
    CHECK_EQ(read(inflight_pipe[0], inflight_page, 4), 4);
    return NULL;
}

static void syscall_write_in_flight_over_a_fork(void)
{
    pthread_t thread;
    struct gate go = gate_new();

    inflight_page = check_private(1);
    strcpy(inflight_page, "old!");
    inflight_gate = gate_new();
    CHECK_EQ(pipe(inflight_pipe), 0);
    CHECK_EQ(pthread_create(&thread, NULL, inflight_reader, NULL), 0);
    gate_wait(inflight_gate);
    check_sleep_ms(5);                            /* the reader is in its read by now */
    pid_t pid = check_fork();
    if (pid == 0) {
        gate_wait(go);
        CHECK_EQ(memcmp(inflight_page, "old!", 4), 0);
        _exit(0);
    }
    CHECK_EQ(write(inflight_pipe[1], "new!", 4), 4);
    CHECK_EQ(pthread_join(thread, NULL), 0);
    CHECK_EQ(memcmp(inflight_page, "new!", 4), 0);
    gate_open(go);
    CHECK_EXIT(pid, 0);
}

/* A large read() into shared pages: the bulk copy must not bypass the gate. */
static void bulk_read_into_shared_pages(void)
{
    enum { PAGES = 40 };
    char *p = check_private(PAGES);
    int fd = check_file(0);

    memset(p, 'n', PAGES * PAGE);
    CHECK_EQ(write(fd, p, PAGES * PAGE), PAGES * PAGE);
    memset(p, 'o', PAGES * PAGE);
    pid_t pid = check_fork();
    if (pid == 0) {
        CHECK_EQ(pread(fd, p + 1, PAGES * PAGE - 2, 0), PAGES * PAGE - 2);
        CHECK_EQ(p[0], 'o');
        for (size_t i = 1; i < PAGES * PAGE - 1; i++)
            CHECK_EQ(p[i], 'n');
        CHECK_EQ(p[PAGES * PAGE - 1], 'o');
        _exit(0);
    }
    CHECK_EXIT(pid, 0);
    for (size_t i = 0; i < PAGES * PAGE; i++)
        CHECK_EQ(p[i], 'o');
}

/* After the kernel copied a page for a system call, loads must see the new page (stale TLB): the
 * load before primes whatever caches translations. */
static void load_after_syscall_write(void)
{
    volatile char *p = check_private(1);
    int end[2];

    CHECK_EQ(pipe(end), 0);
    p[0] = 'a';
    pid_t pid = check_fork();
    if (pid == 0) {
        for (int i = 0; i < 100; i++)
            CHECK_EQ(p[0], 'a');
        CHECK_EQ(write(end[1], "b", 1), 1);
        CHECK_EQ(read(end[0], (void *)p, 1), 1);
        CHECK_EQ(p[0], 'b');
        p[1] = 'c';
        CHECK_EQ(write(end[1], (void *)p, 2), 2);
        char back[2];
        CHECK_EQ(read(end[0], back, 2), 2);
        CHECK_EQ(back[0], 'b');
        CHECK_EQ(back[1], 'c');
        _exit(0);
    }
    CHECK_EXIT(pid, 0);
    CHECK_EQ(p[0], 'a');
}

/* A store just before the fork has primed the write permission: it must be revoked. */
static void cached_write_permission_is_revoked(void)
{
    volatile long *p = check_private(1);
    struct gate gate = gate_new();

    for (int i = 0; i < 1000; i++)
        p[0]++;
    pid_t pid = check_fork();
    if (pid == 0) {
        gate_wait(gate);
        CHECK_EQ(p[0], 1000);
        _exit(0);
    }
    for (int i = 0; i < 1000; i++)
        p[0]++;
    gate_open(gate);
    CHECK_EXIT(pid, 0);
    CHECK_EQ(p[0], 2000);
}

/* The other thread of the forking process has cached permissions too. */
static volatile long *hot;
static volatile int hot_stop;

static void *hot_writer(void *unused)
{
    (void)unused;
    while (!hot_stop)
        __atomic_fetch_add(hot, 1, __ATOMIC_SEQ_CST);
    return NULL;
}

static void other_threads_permission_is_revoked(void)
{
    pthread_t thread;

    hot = check_private(1);
    CHECK_EQ(pthread_create(&thread, NULL, hot_writer, NULL), 0);
    for (int round = 0; round < 5; round++) {
        check_sleep_ms(1);
        pid_t pid = check_fork();
        if (pid == 0) {
            long first = *hot;                    /* only the one thread lives here */
            check_sleep_ms(4);
            CHECK_EQ(*hot, first);
            _exit(0);
        }
        CHECK_EXIT(pid, 0);
    }
    long before = *hot;
    CHECK_SOON(*hot > before);
    hot_stop = 1;
    CHECK_EQ(pthread_join(thread, NULL), 0);
}

/* An AMO whose page is shared triggers the copy even if its value does not change. */
static void amo_of_zero_separates(void)
{
    uint64_t *p = check_private(1);
    struct gate gate = gate_new();

    *p = 5;
    pid_t pid = check_fork();
    if (pid == 0) {
        CHECK_EQ(__atomic_fetch_or(p, 0, __ATOMIC_SEQ_CST), 5);
        gate_wait(gate);
        CHECK_EQ(*(volatile uint64_t *)p, 5);
        _exit(0);
    }
    CHECK_EQ(__atomic_fetch_add(p, 1, __ATOMIC_SEQ_CST), 5);
    gate_open(gate);
    CHECK_EXIT(pid, 0);
    CHECK_EQ(*p, 6);
}

/* Many sharers of one page end at the same moment; the last one standing uses it. */
static void sharers_exit_together(void)
{
    enum { N = 40 };
    volatile char *p = check_private(8);
    struct gate gate = gate_new();
    pid_t pid[N];

    for (unsigned i = 0; i < 8; i++)
        p[i * PAGE] = 'a';
    for (int i = 0; i < N; i++) {
        pid[i] = check_fork();
        if (pid[i] == 0) {
            gate_wait(gate);
            if (i % 2)
                p[(unsigned)i % 8 * PAGE] = 'c';
            _exit(0);
        }
    }
    char many[N];
    memset(many, 'x', N);
    CHECK_EQ(write(gate.end[1], many, N), N);     /* everybody at once */
    for (int i = 0; i < N; i++)
        CHECK_EXIT(pid[i], 0);
    for (unsigned i = 0; i < 8; i++) {
        CHECK_EQ(p[i * PAGE], 'a');
        p[i * PAGE] = 'b';
        CHECK_EQ(p[i * PAGE], 'b');
    }
}

/* LR before fork, SC after it: the reservation must not survive in either process. */
static void reservation_does_not_survive_fork(void)
{
#ifdef __riscv
    volatile uint64_t *p = check_private(1);
    *p = 1;
    register long a7 __asm__("a7") = SYS_clone;
    register long a0 __asm__("a0") = SIGCHLD;
    register long a1 __asm__("a1") = 0;
    register long a2 __asm__("a2") = 0;
    register long a3 __asm__("a3") = 0;
    register long a4 __asm__("a4") = 0;
    long failed;
    __asm__ volatile("lr.d t0, (%[p])\n"
                     "ecall\n"
                     "li t1, 99\n"
                     "sc.d %[failed], t1, (%[p])\n"
                     : "+r"(a0), [failed] "=&r"(failed)
                     : [p] "r"(p), "r"(a1), "r"(a2), "r"(a3), "r"(a4), "r"(a7)
                     : "memory", "t0", "t1");
    long pid = a0;
    CHECK(pid >= 0);
    CHECK(failed != 0);
    CHECK_EQ(*p, 1);
    if (pid == 0)
        _exit(0);
    CHECK_EXIT((pid_t)pid, 0);
#else
    check_skip("riscv only");
#endif
}

/* A child that lives long and allocates and frees must not keep what it freed (its memory tracks
 * its live heap): MADV_DONTNEED and munmap in the child, checked by content. */
static void churn_in_a_long_lived_child(void)
{
    char *p = check_private(64);
    memset(p, 'a', 64 * PAGE);
    pid_t pid = check_fork();
    if (pid == 0) {
        for (int round = 0; round < 20; round++) {
            memset(p, 'c', 64 * PAGE);
            CHECK_EQ(madvise(p, 64 * PAGE, MADV_DONTNEED), 0);
            for (unsigned i = 0; i < 64; i++)
                CHECK_EQ(p[i * PAGE + 7], 0);
            char *q = check_private(64);
            memset(q, 'q', 64 * PAGE);
            CHECK_EQ(munmap(q, 64 * PAGE), 0);
        }
        _exit(0);
    }
    CHECK_EXIT(pid, 0);
    for (size_t i = 0; i < 64 * PAGE; i += 61)
        CHECK_EQ(p[i], 'a');
}

/* munmap, mremap and brk in the child leave the parent's regions alone, and the other way. */
static void region_lists_are_separate(void)
{
    char *p = check_private(4);
    struct gate gate = gate_new();

    memset(p, 'a', 4 * PAGE);
    pid_t pid = check_fork();
    if (pid == 0) {
        CHECK_EQ(munmap(p + PAGE, PAGE), 0);
        CHECK(mremap(p + 2 * PAGE, PAGE, 4 * PAGE, MREMAP_MAYMOVE) != MAP_FAILED);
        gate_wait(gate);
        CHECK_EQ(p[3 * PAGE], 'a');
        _exit(0);
    }
    CHECK_EQ(munmap(p + 3 * PAGE, PAGE), 0);
    gate_open(gate);
    CHECK_EXIT(pid, 0);
    for (size_t i = 0; i < 3 * PAGE; i++)
        CHECK_EQ(p[i], 'a');
}

/* Code that was rewritten before the fork, then rewritten in the child: each runs its own. */
static void rewritten_code_is_separate(void)
{
#ifdef __riscv
    static const uint32_t ret = 0x00008067;       /* ret */
#define LI_A0(n) (0x00000513u | (uint32_t)(n) << 20)
    uint32_t *code = mmap(NULL, PAGE, PROT_READ | PROT_WRITE | PROT_EXEC,
                          MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(code != MAP_FAILED);
    int (*call)(void) = (int (*)(void))code;
    code[0] = LI_A0(11);
    code[1] = ret;
    __builtin___clear_cache((char *)code, (char *)(code + 2));
    for (int i = 0; i < 50; i++)
        CHECK_EQ(call(), 11);
    pid_t pid = check_fork();
    if (pid == 0) {
        CHECK_EQ(call(), 11);
        code[0] = LI_A0(22);
        __builtin___clear_cache((char *)code, (char *)(code + 2));
        for (int i = 0; i < 50; i++)
            CHECK_EQ(call(), 22);
        _exit(0);
    }
    CHECK_EXIT(pid, 0);
    CHECK_EQ(call(), 11);
    code[0] = LI_A0(33);
    __builtin___clear_cache((char *)code, (char *)(code + 2));
    CHECK_EQ(call(), 33);
#else
    check_skip("riscv only");
#endif
}

static const struct check_case cases[] = {
    CASE(refork_of_a_shared_page),
    CASE(refork_by_the_child),
    CASE(syscall_write_in_flight_over_a_fork),
    CASE(bulk_read_into_shared_pages),
    CASE(load_after_syscall_write),
    CASE(cached_write_permission_is_revoked),
    CASE(other_threads_permission_is_revoked),
    CASE(amo_of_zero_separates),
    CASE(sharers_exit_together),
    CASE(reservation_does_not_survive_fork),
    CASE(churn_in_a_long_lived_child),
    CASE(region_lists_are_separate),
    CASE(rewritten_code_is_separate),
};
CHECK_MAIN(cases)
