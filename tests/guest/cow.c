/*
 * cow.c - sharing over generations, and every kind of writer (design rows M4-M7).
 *
 * The pattern of the writer cases: a page is filled, shared by a fork, then changed by one kind of
 * writer in the child; the child must see its change and the parent must not, then the other way
 * round. `separate` holds that pattern once.
 */
#include "check.h"
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/utsname.h>

/* A page-sized arena of two pages, written by `writer`, which returns nonzero if the change is
 * visible to the one who wrote. Everything outside what the writer says it changed must stay. */
struct arena {
    char byte[2 * PAGE];
};

static void fill(struct arena *arena)
{
    for (size_t i = 0; i < sizeof arena->byte; i++)
        arena->byte[i] = (char)('A' + i % 23);
}

static int untouched(const struct arena *arena)
{
    for (size_t i = 0; i < sizeof arena->byte; i++)
        if (arena->byte[i] != (char)('A' + i % 23))
            return 0;
    return 1;
}

static void separate(void (*writer)(struct arena *))
{
    struct arena *arena = check_private(2);
    struct gate to_child = gate_new(), to_parent = gate_new();

    fill(arena);
    pid_t pid = check_fork();
    if (pid == 0) {
        writer(arena);
        CHECK(!untouched(arena));
        gate_open(to_parent);
        gate_wait(to_child);
        _exit(0);
    }
    gate_wait(to_parent);
    CHECK(untouched(arena));
    gate_open(to_child);
    CHECK_EXIT(pid, 0);
    CHECK(untouched(arena));

    pid = check_fork();                           /* and now the parent writes */
    if (pid == 0) {
        gate_wait(to_child);
        CHECK(untouched(arena));
        _exit(0);
    }
    writer(arena);
    CHECK(!untouched(arena));
    gate_open(to_child);
    CHECK_EXIT(pid, 0);
    CHECK(!untouched(arena));
}

/* ---- the writers ---- */

static void write_byte(struct arena *a) { *(volatile char *)&a->byte[100] = '1'; }
static void write_half(struct arena *a) { *(volatile uint16_t *)&a->byte[100] = 0x3131; }
static void write_word(struct arena *a) { *(volatile uint32_t *)&a->byte[100] = 0x31313131; }
static void write_double(struct arena *a) { *(volatile uint64_t *)&a->byte[104] = 1; }
static void write_fp32(struct arena *a) { *(volatile float *)&a->byte[104] = 1.5f; }
static void write_fp64(struct arena *a) { *(volatile double *)&a->byte[104] = 2.5; }

static void write_amo_add(struct arena *a)
{
    uint64_t *p = (uint64_t *)&a->byte[64], before = *p;
    CHECK_EQ(__atomic_fetch_add(p, 5, __ATOMIC_SEQ_CST), before);
    CHECK_EQ(*p, before + 5);
}

static void write_amo_swap_word(struct arena *a)
{
    uint32_t *p = (uint32_t *)&a->byte[PAGE - 4], before = *p;
    CHECK_EQ(__atomic_exchange_n(p, 77, __ATOMIC_SEQ_CST), before);
    CHECK_EQ(*p, 77);
}

static void write_lr_sc(struct arena *a)
{
    uint64_t *p = (uint64_t *)&a->byte[128], before = *p;
    CHECK(__atomic_compare_exchange_n(p, &before, 9, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST));
    CHECK_EQ(*p, 9);
}

static void write_unaligned(struct arena *a)
{
    uint64_t value = 0x3132333435363738;
    memcpy(&a->byte[101], &value, 8);
#ifdef __riscv
    __asm__ volatile("sd %0, 0(%1)" : : "r"(value), "r"(&a->byte[203]) : "memory");
#endif
}

/* One store, two pages: both must be made private, none may be half done. */
static void write_straddling(struct arena *a)
{
    uint64_t value = 0x3132333435363738, back;
    char *p = &a->byte[PAGE - 3];
#ifdef __riscv
    __asm__ volatile("sd %0, 0(%1)" : : "r"(value), "r"(p) : "memory");
#else
    __asm__ volatile("movq %0, (%1)" : : "r"(value), "r"(p) : "memory");
#endif
    memcpy(&back, p, 8);
    CHECK_EQ(back, value);
    CHECK_EQ(a->byte[PAGE - 4], 'A' + (PAGE - 4) % 23);
    CHECK_EQ(a->byte[PAGE + 5], 'A' + (PAGE + 5) % 23);
}

static void write_memset(struct arena *a) { memset(a->byte, '-', sizeof a->byte); }
static void write_memmove(struct arena *a) { memmove(a->byte + 1, a->byte, 2 * PAGE - 1); }

static void write_pipe_read(struct arena *a)
{
    int end[2];
    CHECK_EQ(pipe(end), 0);
    CHECK_EQ(write(end[1], "pipe", 4), 4);
    CHECK_EQ(read(end[0], &a->byte[PAGE - 2], 4), 4);  /* over the page boundary */
    CHECK_EQ(memcmp(&a->byte[PAGE - 2], "pipe", 4), 0);
    close(end[0]);
    close(end[1]);
}

static void write_file_read(struct arena *a)
{
    int fd = check_file(0);
    CHECK_EQ(write(fd, "file", 4), 4);
    CHECK_EQ(pread(fd, &a->byte[50], 4, 0), 4);
    CHECK_EQ(memcmp(&a->byte[50], "file", 4), 0);
    close(fd);
}

static void write_readv(struct arena *a)
{
    int end[2];
    struct iovec parts[2] = { { &a->byte[10], 3 }, { &a->byte[PAGE + 10], 3 } };
    CHECK_EQ(pipe(end), 0);
    CHECK_EQ(write(end[1], "onetwo", 6), 6);
    CHECK_EQ(readv(end[0], parts, 2), 6);
    CHECK_EQ(memcmp(&a->byte[10], "one", 3), 0);
    CHECK_EQ(memcmp(&a->byte[PAGE + 10], "two", 3), 0);
    close(end[0]);
    close(end[1]);
}

static void write_recv(struct arena *a)
{
    int end[2];
    CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, end), 0);
    CHECK_EQ(send(end[1], "sock", 4, 0), 4);
    CHECK_EQ(recv(end[0], &a->byte[PAGE - 2], 4, 0), 4);
    CHECK_EQ(memcmp(&a->byte[PAGE - 2], "sock", 4), 0);
    close(end[0]);
    close(end[1]);
}

static void write_getcwd(struct arena *a)
{
    CHECK_EQ(chdir("/tmp"), 0);
    CHECK(syscall(SYS_getcwd, &a->byte[PAGE - 2], 100) > 0);
    CHECK_EQ(strcmp(&a->byte[PAGE - 2], "/tmp"), 0);
}

static void write_clock_gettime(struct arena *a)
{
    CHECK_EQ(syscall(SYS_clock_gettime, CLOCK_REALTIME, &a->byte[PAGE - 8]), 0);
    CHECK(((struct timespec *)&a->byte[PAGE - 8])->tv_sec > 1000000000);
}

static void write_vdso_time(struct arena *a)
{
    CHECK_EQ(clock_gettime(CLOCK_REALTIME, (struct timespec *)&a->byte[PAGE]), 0);
}

static void write_uname(struct arena *a)
{
    CHECK_EQ(uname((struct utsname *)&a->byte[PAGE - 100]), 0);
    CHECK_EQ(strcmp(&a->byte[PAGE - 100], "Linux"), 0);
}

static void write_stat(struct arena *a)
{
    CHECK_EQ(stat("/", (struct stat *)&a->byte[PAGE - 64]), 0);
}

static void write_pipe_call(struct arena *a)
{
    int *end = (int *)&a->byte[PAGE - 4];
    CHECK_EQ(pipe(end), 0);
    CHECK(end[0] > 2 && end[1] > 2);
    close(end[0]);
    close(end[1]);
}

static void write_wait_status(struct arena *a)
{
    pid_t pid = check_fork();
    if (pid == 0)
        _exit(7);
    CHECK_EQ(waitpid(pid, (int *)&a->byte[PAGE], 0), pid);
    CHECK_EQ(*(int *)&a->byte[PAGE], 7 << 8);
}

static volatile sig_atomic_t frames;
static void frame_handler(int number)
{
    char deep[512];
    memset(deep, number, sizeof deep);
    frames += deep[100] == number;
}

/* The kernel itself writes the signal frame, here onto an alternate stack in shared pages. */
static void signal_frame_on_shared_pages(void)
{
    enum { STACK = 16 };
    stack_t stack = { .ss_size = STACK * PAGE };
    char *p = check_private(STACK);

    memset(p, 'z', STACK * PAGE);
    stack.ss_sp = p;
    CHECK_EQ(sigaltstack(&stack, NULL), 0);
    check_handler(SIGUSR1, frame_handler, SA_ONSTACK);
    pid_t pid = check_fork();
    if (pid == 0) {
        raise(SIGUSR1);
        CHECK_EQ(frames, 1);
        size_t changed = 0;
        for (size_t i = 0; i < STACK * PAGE; i++)
            changed += p[i] != 'z';
        CHECK(changed > 500);
        _exit(0);
    }
    CHECK_EXIT(pid, 0);
    for (size_t i = 0; i < STACK * PAGE; i++)
        CHECK_EQ(p[i], 'z');
    pid = check_fork();
    if (pid == 0)
        _exit(0);
    raise(SIGUSR1);
    CHECK_EQ(frames, 1);
    CHECK_EXIT(pid, 0);
}

/* CLONE_CHILD_SETTID stores into the child's memory only, CLONE_PARENT_SETTID into the parent's
 * (before the copy or not, the parent must see it); both into pages that are shared by then. */
static void settid_in_shared_pages(void)
{
    int *word = check_private(2), *ptid = word, *ctid = word + PAGE / sizeof(int);

    *ptid = *ctid = -1;
    pid_t first = check_fork();                   /* the pages are already shared */
    if (first == 0)
        _exit(*ptid != -1 || *ctid != -1);
    pid_t pid = raw_clone(CLONE_PARENT_SETTID | CLONE_CHILD_SETTID | SIGCHLD, ptid, ctid);
    CHECK(pid >= 0);
    if (pid == 0) {
        CHECK_EQ(*ctid, syscall(SYS_getpid));
        _exit(0);
    }
    CHECK_EQ(*ptid, pid);
    CHECK_EQ(*ctid, -1);
    CHECK_EXIT(pid, 0);
    CHECK_EXIT(first, 0);
}

/* set_tid_address's clearing at exit of a process must not reach the parent's copy. */
static void cleartid_stays_in_the_child(void)
{
    int *word = check_private(1);

    *word = 42;
    pid_t pid = raw_clone(CLONE_CHILD_CLEARTID | SIGCHLD, NULL, word);
    CHECK(pid >= 0);
    if (pid == 0) {
        CHECK_EQ(*word, 42);
        _exit(0);
    }
    CHECK_EXIT(pid, 0);
    CHECK_EQ(*word, 42);
}

/* ---- generations ---- */

/* Grandparent, parent, child and two siblings share; each writes one page of its own and checks
 * that it sees its own change and, elsewhere, its ancestors' changes made before its birth. */
static void generations(void)
{
    enum { PAGES = 8 };
    char *p = check_private(PAGES);

    for (int i = 0; i < PAGES; i++)
        p[(unsigned)i * PAGE] = '0';
    pid_t parent = check_fork();
    if (parent == 0) {
        p[0] = 'P';
        pid_t sibling[3];
        for (int k = 0; k < 3; k++) {
            sibling[k] = check_fork();
            if (sibling[k] == 0) {
                CHECK_EQ(p[0], 'P');
                CHECK_EQ(p[4 * PAGE], k == 0 ? '0' : 'p');
                p[(unsigned)(k + 1) * PAGE] = (char)('a' + k);
                pid_t child = check_fork();
                if (child == 0) {
                    CHECK_EQ(p[(unsigned)(k + 1) * PAGE], 'a' + k);
                    p[0] = 'C';
                    p[5 * PAGE] = 'C';
                    for (int i = 1; i <= 3; i++)
                        CHECK_EQ(p[(unsigned)i * PAGE], i == k + 1 ? 'a' + k : '0');
                    _exit(0);
                }
                CHECK_EXIT(child, 0);
                CHECK_EQ(p[0], 'P');
                CHECK_EQ(p[5 * PAGE], '0');
                _exit(0);
            }
            p[4 * PAGE] = 'p';
        }
        for (int k = 0; k < 3; k++)
            CHECK_EXIT(sibling[k], 0);
        for (int i = 1; i <= 3; i++)
            CHECK_EQ(p[(unsigned)i * PAGE], '0');
        CHECK_EQ(p[5 * PAGE], '0');
        _exit(0);
    }
    p[6 * PAGE] = 'G';
    CHECK_EXIT(parent, 0);
    for (int i = 0; i < PAGES; i++)
        CHECK_EQ(p[(unsigned)i * PAGE], i == 6 ? 'G' : '0');
}

/* The middle generation dies first; the outer two still share what it shared. */
static void middle_generation_dies_first(void)
{
    char *p = check_private(2);
    struct gate go = gate_new(), done = gate_new();
    int *verdict = check_shared(1);

    memset(p, 'm', 2 * PAGE);
    pid_t middle = check_fork();
    if (middle == 0) {
        p[PAGE] = 'M';
        pid_t last = check_fork();
        if (last == 0) {
            gate_wait(go);                        /* the middle is gone by now */
            *verdict = p[0] == 'm' && p[PAGE] == 'M';
            p[0] = 'L';
            *verdict += p[0] == 'L';
            gate_open(done);
            _exit(0);
        }
        _exit(0);
    }
    CHECK_EXIT(middle, 0);
    gate_open(go);
    gate_wait(done);
    CHECK_EQ(*verdict, 2);
    CHECK_EQ(p[0], 'm');
    CHECK_EQ(p[PAGE], 'm');
}

/* A zero page never written is shared by all; the first write of each must be its own. */
static void untouched_zero_pages(void)
{
    volatile char *p = check_private(3);
    CHECK_EQ(p[PAGE], 0);                         /* read, never written */
    pid_t pid = check_fork();
    if (pid == 0) {
        CHECK_EQ(p[0], 0);
        p[0] = p[PAGE] = p[2 * PAGE] = 1;
        _exit(0);
    }
    CHECK_EXIT(pid, 0);
    CHECK_EQ(p[0], 0);
    CHECK_EQ(p[PAGE], 0);
    CHECK_EQ(p[2 * PAGE], 0);
    p[0] = 2;
    CHECK_EQ(p[PAGE], 0);
}

/* The one who stays takes the page over; its next child must be protected from it again. */
static void taken_over_then_shared_again(void)
{
    volatile char *p = check_private(1);
    p[0] = 'a';
    for (int round = 0; round < 20; round++) {
        struct gate gate = gate_new();
        pid_t pid = check_fork();
        if (pid == 0) {
            gate_wait(gate);
            CHECK_EQ(p[0], 'a' + round);
            _exit(0);
        }
        p[0]++;
        gate_open(gate);
        CHECK_EXIT(pid, 0);
        close(gate.end[0]);
        close(gate.end[1]);
    }
}

#define WRITER(name)                                                                               \
    static void name##_separates(void) { separate(name); }
WRITER(write_byte) WRITER(write_half) WRITER(write_word) WRITER(write_double)
WRITER(write_fp32) WRITER(write_fp64) WRITER(write_amo_add) WRITER(write_amo_swap_word)
WRITER(write_lr_sc) WRITER(write_unaligned) WRITER(write_straddling) WRITER(write_memset)
WRITER(write_memmove) WRITER(write_pipe_read) WRITER(write_file_read) WRITER(write_readv)
WRITER(write_recv) WRITER(write_getcwd) WRITER(write_clock_gettime) WRITER(write_vdso_time)
WRITER(write_uname) WRITER(write_stat) WRITER(write_pipe_call) WRITER(write_wait_status)

static const struct check_case cases[] = {
    CASE(write_byte_separates),
    CASE(write_half_separates),
    CASE(write_word_separates),
    CASE(write_double_separates),
    CASE(write_fp32_separates),
    CASE(write_fp64_separates),
    CASE(write_amo_add_separates),
    CASE(write_amo_swap_word_separates),
    CASE(write_lr_sc_separates),
    CASE(write_unaligned_separates),
    CASE(write_straddling_separates),
    CASE(write_memset_separates),
    CASE(write_memmove_separates),
    CASE(write_pipe_read_separates),
    CASE(write_file_read_separates),
    CASE(write_readv_separates),
    CASE(write_recv_separates),
    CASE(write_getcwd_separates),
    CASE(write_clock_gettime_separates),
    CASE(write_vdso_time_separates),
    CASE(write_uname_separates),
    CASE(write_stat_separates),
    CASE(write_pipe_call_separates),
    CASE(write_wait_status_separates),
    CASE(signal_frame_on_shared_pages),
    CASE(settid_in_shared_pages),
    CASE(cleartid_stays_in_the_child),
    CASE(generations),
    CASE(middle_generation_dies_first),
    CASE(untouched_zero_pages),
    CASE(taken_over_then_shared_again),
};
CHECK_MAIN(cases)
