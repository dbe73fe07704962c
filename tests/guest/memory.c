/*
 * memory.c - mmap, munmap, mremap, mprotect, brk, madvise on anonymous memory; the stack.
 * File mappings are in memory_file.c.
 */
#include "check.h"
#include <setjmp.h>
#include <sys/resource.h>
#include <sys/syscall.h>

static sigjmp_buf home;
static volatile int fault_signal;

static void on_fault(int number)
{
    fault_signal = number;
    siglongjmp(home, 1);
}

/* 1 if a load (or a store) at p faults. */
static int faults(const volatile char *p, int store)
{
    check_handler(SIGSEGV, on_fault, 0);
    check_handler(SIGBUS, on_fault, 0);
    fault_signal = 0;
    if (sigsetjmp(home, 1) == 0) {
        if (store)
            *(volatile char *)p = 'w';
        else
            (void)*p;
    }
    return fault_signal != 0;
}
#define reads(p) (!faults(p, 0))
#define writes(p) (!faults(p, 1))

static int is_zero(const char *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (p[i] != 0)
            return 0;
    return 1;
}

static void fresh_pages_are_zero(void)
{
    char *p = check_private(10);
    CHECK_EQ((uintptr_t)p % PAGE, 0);
    CHECK(is_zero(p, 10 * PAGE));
    memset(p, 1, 10 * PAGE);
    CHECK_EQ(munmap(p, 10 * PAGE), 0);
    char *q = mmap(p, 10 * PAGE, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    CHECK(q == p);
    CHECK(is_zero(q, 10 * PAGE));                 /* nothing of the old contents */
}

static void mmap_errors(void)
{
    CHECK_ERR((long)mmap(NULL, 0, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), EINVAL);
    CHECK_ERR((long)mmap(NULL, PAGE, PROT_READ, MAP_ANONYMOUS, -1, 0), EINVAL);
    CHECK_ERR((long)mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, -1, 0), EBADF);
    CHECK_ERR((long)mmap((void *)(1000 * PAGE + 1), PAGE, PROT_READ,
                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0), EINVAL);
    CHECK_ERR((long)mmap(NULL, (size_t)1 << 62, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0),
              ENOMEM);
    CHECK_ERR(munmap((void *)1, PAGE), EINVAL);
    CHECK_ERR(munmap((void *)(1000 * PAGE), 0), EINVAL);
    CHECK_ERR(mprotect((void *)1, PAGE, PROT_READ), EINVAL);
    char *p = check_private(3);
    CHECK_EQ(munmap(p + PAGE, PAGE), 0);
    CHECK_EQ(munmap(p + PAGE, PAGE), 0);          /* a hole: no error */
    CHECK_ERR(mprotect(p, 3 * PAGE, PROT_READ), ENOMEM);
    CHECK_ERR(madvise(p, 3 * PAGE, MADV_DONTNEED), ENOMEM);
    CHECK_ERR(madvise(p, PAGE, 12345), EINVAL);
}

static void a_hint_is_taken_if_free(void)
{
    char *p = check_private(4);
    CHECK_EQ(munmap(p, 4 * PAGE), 0);
    CHECK(mmap(p + PAGE, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == p + PAGE);
    char *q = mmap(p + PAGE, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(q != MAP_FAILED && q != p + PAGE);      /* taken: somewhere else */
}

static void holes_splits_and_merges(void)
{
    char *p = check_private(8);
    for (unsigned i = 0; i < 8; i++)
        p[i * PAGE] = (char)('0' + i);
    CHECK_EQ(munmap(p + 2 * PAGE, PAGE), 0);
    CHECK_EQ(munmap(p + 5 * PAGE, 2 * PAGE), 0);
    for (unsigned i = 0; i < 8; i++)
        CHECK_EQ(reads(p + i * PAGE), i != 2 && i != 5 && i != 6);
    CHECK_EQ(p[PAGE], '1');
    CHECK_EQ(p[3 * PAGE], '3');
    CHECK_EQ(p[7 * PAGE], '7');
    CHECK(mmap(p + 2 * PAGE, PAGE, PROT_READ | PROT_WRITE,
               MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == p + 2 * PAGE);
    CHECK_EQ(p[2 * PAGE], 0);
    CHECK_EQ(mprotect(p, 5 * PAGE, PROT_READ), 0); /* over the pieces */
    CHECK_EQ(p[PAGE], '1');
    CHECK(!writes(p + 3 * PAGE));
    CHECK_EQ(munmap(p, 8 * PAGE), 0);             /* pieces and holes at once */
    for (unsigned i = 0; i < 8; i++)
        CHECK(!reads(p + i * PAGE));
}

static void many_small_regions(void)
{
    enum { N = 300 };
    char *p = check_private(2 * N);
    for (unsigned i = 0; i < N; i++)
        CHECK_EQ(mprotect(p + 2 * i * PAGE, PAGE, PROT_READ), 0);
    for (unsigned i = 0; i < N; i += 37) {
        CHECK(!writes(p + 2 * i * PAGE));
        CHECK(writes(p + (2 * i + 1) * PAGE));
    }
    CHECK_EQ(mprotect(p, 2 * N * PAGE, PROT_READ | PROT_WRITE), 0);
    for (unsigned i = 0; i < 2 * N; i++)
        p[i * PAGE] = 1;
    CHECK_EQ(munmap(p, 2 * N * PAGE), 0);
}

static void protections(void)
{
    char *p = check_private(1);
    p[0] = 'a';
    CHECK_EQ(mprotect(p, PAGE, PROT_NONE), 0);
    CHECK(!reads(p) && !writes(p));
    CHECK_EQ(mprotect(p, PAGE, PROT_READ), 0);
    CHECK(reads(p) && !writes(p));
    CHECK_EQ(p[0], 'a');
    CHECK_EQ(mprotect(p, PAGE, PROT_WRITE), 0);   /* writable means readable here */
    CHECK(writes(p) && reads(p));
    CHECK_EQ(p[0], 'w');
}

static void guard_page(void)
{
    char *p = check_private(3);
    CHECK_EQ(mprotect(p + PAGE, PAGE, PROT_NONE), 0);
    CHECK(writes(p + PAGE - 1) && !writes(p + PAGE) && !reads(p + 2 * PAGE - 1));
    CHECK(writes(p + 2 * PAGE));
    int end[2];
    CHECK_EQ(pipe(end), 0);
    CHECK_ERR(write(end[1], p + PAGE, 1), EFAULT);
    CHECK_EQ(write(end[1], "abc", 3), 3);
    CHECK_ERR(read(end[0], p + PAGE, 3), EFAULT); /* and the bytes are still there */
    char back[4];
    CHECK_EQ(read(end[0], back, 4), 3);
}

/* From the begin of a mapping that grows downwards on: how glibc makes stacks executable. */
static void a_stack_as_a_whole(void)
{
    char *p = mmap(NULL, 8 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_GROWSDOWN, -1, 0);
    char *plain = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(p != MAP_FAILED && plain != MAP_FAILED);
    CHECK_EQ(mprotect(p + 6 * PAGE, PAGE, PROT_READ | PROT_GROWSDOWN), 0);
    CHECK(reads(p) && !writes(p) && !writes(p + 6 * PAGE) && writes(p + 7 * PAGE));
    CHECK_ERR(mprotect(plain, PAGE, PROT_READ | PROT_GROWSDOWN), EINVAL);
    CHECK_ERR(mprotect(p, PAGE, PROT_READ | PROT_GROWSDOWN | PROT_GROWSUP), EINVAL);
    CHECK_ERR(mprotect(p + 1, PAGE, PROT_READ | PROT_GROWSDOWN), EINVAL);
    CHECK_EQ(mprotect(plain, 0, PROT_READ | PROT_GROWSDOWN), 0);
    CHECK(writes(plain));
}

static void map_fixed_replaces(void)
{
    char *p = check_private(3);
    memset(p, 'a', 3 * PAGE);
    CHECK(mmap(p + PAGE, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED,
               -1, 0) == p + PAGE);
    CHECK_EQ(p[PAGE - 1], 'a');
    CHECK_EQ(p[PAGE], 0);
    CHECK_EQ(p[2 * PAGE], 'a');
    CHECK_ERR((long)mmap(p + PAGE, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS |
                         MAP_FIXED_NOREPLACE, -1, 0), EEXIST);
    CHECK_EQ(munmap(p + PAGE, PAGE), 0);
    CHECK(mmap(p + PAGE, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE,
               -1, 0) == p + PAGE);
}

static void dontneed_and_free(void)
{
    char *p = check_private(4);
    memset(p, 'a', 4 * PAGE);
    CHECK_EQ(madvise(p + PAGE, 2 * PAGE, MADV_DONTNEED), 0);
    CHECK_EQ(p[0], 'a');
    CHECK(is_zero(p + PAGE, 2 * PAGE));
    CHECK_EQ(p[3 * PAGE], 'a');
    p[PAGE] = 'b';
    CHECK_EQ(p[PAGE], 'b');
    CHECK_EQ(madvise(p, PAGE, MADV_FREE), 0);
    CHECK(p[0] == 'a' || p[0] == 0);              /* whenever the kernel likes */
    p[0] = 'c';
    CHECK_EQ(p[0], 'c');
    CHECK_EQ(madvise(p, 4 * PAGE, MADV_WILLNEED), 0);
    CHECK_EQ(madvise(p, 4 * PAGE, MADV_NORMAL), 0);
    char *s = check_shared(1);                    /* shared: the object keeps the data */
    s[0] = 's';
    CHECK_EQ(madvise(s, PAGE, MADV_DONTNEED), 0);
    CHECK_EQ(s[0], 's');
}

/* ---- mremap ---- */

static void mremap_shrinks_and_grows(void)
{
    char *p = check_private(8);
    memset(p, 'a', 8 * PAGE);
    CHECK(mremap(p, 8 * PAGE, 4 * PAGE, 0) == p);
    CHECK(reads(p + 3 * PAGE) && !reads(p + 4 * PAGE));
    CHECK(mremap(p, 4 * PAGE, 6 * PAGE, 0) == p); /* the room behind is free again */
    CHECK_EQ(p[4 * PAGE - 1], 'a');
    CHECK_EQ(p[4 * PAGE], 0);
}

static void mremap_moves_when_it_must(void)
{
    char *p = check_private(4);
    memset(p, 'a', 2 * PAGE);
    CHECK_ERR((long)mremap(p, PAGE, 3 * PAGE, 0), ENOMEM); /* the neighbour is in the way */
    char *q = mremap(p, PAGE, 300 * PAGE, MREMAP_MAYMOVE);
    CHECK(q != MAP_FAILED && q != p);
    CHECK_EQ(q[PAGE - 1], 'a');
    CHECK_EQ(q[PAGE], 0);
    q[299 * PAGE] = 'z';
    CHECK(!reads(p));
    CHECK_EQ(p[PAGE], 'a');
}

static void mremap_fixed(void)
{
    char *p = check_private(2), *q = check_private(4);
    strcpy(p, "moved");
    memset(q, 'q', 4 * PAGE);
    CHECK(mremap(p, 2 * PAGE, 2 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, q + PAGE) == q + PAGE);
    CHECK_EQ(strcmp(q + PAGE, "moved"), 0);
    CHECK_EQ(q[0], 'q');
    CHECK_EQ(q[2 * PAGE], 0);
    CHECK_EQ(q[3 * PAGE], 'q');
    CHECK(!reads(p));
    CHECK_ERR((long)mremap(q, PAGE, PAGE, MREMAP_FIXED, p), EINVAL);
    CHECK_ERR((long)mremap(q, 2 * PAGE, 2 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, q + PAGE),
              EINVAL);                            /* overlap */
    CHECK_ERR((long)mremap(p, PAGE, PAGE, MREMAP_MAYMOVE), EFAULT);
    CHECK_ERR((long)mremap(q, PAGE, 0, MREMAP_MAYMOVE), EINVAL);
    /* glibc's own function drops the address without FIXED */
    CHECK_EQ(syscall(SYS_mremap, q, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_DONTUNMAP, p), (long)p); /* a hint */
    CHECK(reads(q) && p[0] == 'q' && q[0] == 0);
    CHECK_ERR(syscall(SYS_mremap, q, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_DONTUNMAP, p + 1), EINVAL);
}

/* mremap of pages that a fork shares: the move carries the sharing. */
static void mremap_of_shared_pages(void)
{
    char *p = check_private(2);
    memset(p, 'a', 2 * PAGE);
    pid_t pid = check_fork();
    if (pid == 0) {
        char *q = mremap(p, 2 * PAGE, 500 * PAGE, MREMAP_MAYMOVE);
        CHECK(q != MAP_FAILED);
        CHECK_EQ(q[PAGE], 'a');
        q[PAGE] = 'c';
        CHECK_EQ(q[PAGE], 'c');
        _exit(0);
    }
    CHECK_EXIT(pid, 0);
    CHECK_EQ(p[PAGE], 'a');
}

/* ---- brk ---- */

static void brk_grows_and_shrinks(void)
{
    char *top = sbrk(0);
    CHECK(sbrk(5 * PAGE) == top);
    CHECK(is_zero(top, 5 * PAGE));
    memset(top, 'b', 5 * PAGE);
    CHECK_EQ(brk(top), 0);
    CHECK(sbrk(0) == top);
    CHECK(sbrk(5 * PAGE) == top);
    char *page = (char *)(((uintptr_t)top + PAGE - 1) & ~(PAGE - 1));
    CHECK(is_zero(page, 4 * PAGE));               /* what came back is fresh */
    CHECK_EQ(syscall(SYS_brk, 0), (long)(top + 5 * PAGE));
    CHECK_EQ(syscall(SYS_brk, 1), (long)(top + 5 * PAGE)); /* refused: the old end */
    CHECK_ERR(brk((void *)-PAGE), ENOMEM);
}

/* ---- the stack ---- */

static int dig(int depth)
{
    volatile char here[4000];
    here[0] = (char)depth;
    return depth == 0 ? here[0] : dig(depth - 1) + (here[0] != (char)depth);
}

static void the_stack_grows_by_itself(void)
{
    CHECK_EQ(dig(1000), 0);                       /* 4 MB, of the usual 8 */
}

static void the_stack_has_a_limit(void)
{
    pid_t pid = check_fork();
    if (pid == 0) {
        struct rlimit none = { 0, 0 }, limit = { 1 << 20, 8 << 20 };
        setrlimit(RLIMIT_CORE, &none);
        CHECK_EQ(setrlimit(RLIMIT_STACK, &limit), 0);
        CHECK_EQ(dig(100), 0);
        dig(2000);
        _exit(0);
    }
    CHECK_KILLED(pid, SIGSEGV);
}

static void a_buffer_below_the_stack_pointer(void)
{
    int end[2];                                   /* the kernel, too, may grow the stack */
    char *volatile here = (char *)end;
    char *below = here - 64 * PAGE;
    CHECK_EQ(pipe(end), 0);
    CHECK_EQ(write(end[1], "x", 1), 1);
    CHECK_EQ(read(end[0], below, 1), 1);
    CHECK_EQ(*below, 'x');
}

static void limit_of_the_address_space(void)
{
    pid_t pid = check_fork();
    if (pid == 0) {
        struct rlimit limit = { 64 << 20, 64 << 20 };
        CHECK_EQ(setrlimit(RLIMIT_AS, &limit), 0);
        CHECK_ERR((long)mmap(NULL, 128 << 20, PROT_READ | PROT_WRITE,
                             MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), ENOMEM);
        CHECK(mmap(NULL, 8 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
                   -1, 0) != MAP_FAILED);
        _exit(0);
    }
    CHECK_EXIT(pid, 0);
}

static void huge_reservation_is_free(void)
{
    size_t size = (size_t)16 << 30;
    char *p = mmap(NULL, size, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    CHECK(p != MAP_FAILED);
    p[0] = p[size / 2] = p[size - 1] = 'x';
    pid_t pid = check_fork();
    if (pid == 0) {
        CHECK_EQ(p[size / 2], 'x');
        p[size / 2] = 'c';
        _exit(0);
    }
    CHECK_EXIT(pid, 0);
    CHECK_EQ(p[size / 2], 'x');
    CHECK_EQ(munmap(p, size), 0);
}

static void mincore_knows_mapped_from_unmapped(void)
{
    unsigned char here[3];
    char *p = check_private(3);
    p[0] = 1;
    CHECK_EQ(mincore(p, 3 * PAGE, here), 0);
    CHECK_EQ(here[0] & 1, 1);
    CHECK_EQ(munmap(p + PAGE, PAGE), 0);
    CHECK_ERR(mincore(p, 3 * PAGE, here), ENOMEM);
    CHECK_ERR(mincore(p + 1, PAGE, here), EINVAL);
}

static const struct check_case cases[] = {
    CASE(fresh_pages_are_zero),
    CASE(mmap_errors),
    CASE(a_hint_is_taken_if_free),
    CASE(holes_splits_and_merges),
    CASE(many_small_regions),
    CASE(protections),
    CASE(guard_page),
    CASE(a_stack_as_a_whole),
    CASE(map_fixed_replaces),
    CASE(dontneed_and_free),
    CASE(mremap_shrinks_and_grows),
    CASE(mremap_moves_when_it_must),
    CASE(mremap_fixed),
    CASE(mremap_of_shared_pages),
    CASE(brk_grows_and_shrinks),
    CASE(the_stack_grows_by_itself),
    CASE(the_stack_has_a_limit),
    CASE(a_buffer_below_the_stack_pointer),
    CASE(limit_of_the_address_space),
    CASE(huge_reservation_is_free),
    CASE(mincore_knows_mapped_from_unmapped),
};
CHECK_MAIN(cases)
