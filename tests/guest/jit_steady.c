// What translated loops remember of a page (tlb.h, T5) has to go when the page changes: loads and stores off a register
// that stays in one page, hot, then fork, mprotect, munmap, remapping, then hot again.
#include "check.h"
#include <setjmp.h>

enum { HOT = 300 };

static sigjmp_buf back;

static void fault(int signo)
{
    siglongjmp(back, signo);
}

// Loops around one page's words: base register and offsets stay.
__attribute__((noinline)) static long sum(volatile long *at, int times)
{
    long s = 0;
    for (int i = 0; i < times; i++)
        s += at[1] + at[2] * 2 + at[3] * 4;
    return s;
}

__attribute__((noinline)) static void fill(volatile long *at, long v, int times)
{
    for (int i = 0; i < times; i++) {
        at[1] = v;
        at[2] = v + i;
        at[3] = at[2];
    }
}

__attribute__((noinline)) static long walk(volatile char *at, long n)
{
    long s = 0;
    for (long i = 0; i < n; i++)
        s += *at++;
    return s;
}

static long *page(void)
{
    void *at = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(at != MAP_FAILED);
    return at;
}

static int faults(void (*f)(long *), long *at)
{
    signal(SIGSEGV, fault);
    int signo = sigsetjmp(back, 1);
    if (!signo)
        f(at);
    return signo;
}

static void load_hot(long *at)
{
    sum(at, HOT);
}

static void store_hot(long *at)
{
    fill(at, 5, HOT);
}

// A page that was read before its first store is another one behind it.
static void first_store(void)
{
    for (int i = 0; i < 50; i++) {
        long *at = page();
        CHECK(sum(at, HOT) == 0);
        at[1] = 7;
        CHECK(sum(at, 1) == 7);
        CHECK(sum(at, HOT) == 7 * HOT);
        munmap(at, PAGE);
    }
}

static void across_fork(void)
{
    long *at = page();
    fill(at, 1, HOT);
    for (int round = 0; round < 20; round++) {
        fill(at, round, 3);
        long before = sum(at, HOT);
        pid_t child = fork();
        CHECK(child >= 0);
        if (child == 0) {
            fill(at, 1000, HOT); // must not be seen by the parent
            _exit(sum(at, 1) == 1000 + 6 * (1000 + HOT - 1) ? 0 : 1);
        }
        CHECK(sum(at, HOT) == before);
        fill(at, -round, 2); // nor this by the child
        int status;
        CHECK(waitpid(child, &status, 0) == child && status == 0);
        CHECK(sum(at, 1) == -round + 6 * (-round + 1));
    }
}

static void across_mprotect(void)
{
    long *at = page();
    for (int i = 0; i < 10; i++) {
        fill(at, 2, HOT);
        CHECK(mprotect(at, PAGE, PROT_READ) == 0);
        CHECK(faults(store_hot, at) == SIGSEGV);
        CHECK(sum(at, 1) == 2 + 6 * (2 + HOT - 1));
        CHECK(mprotect(at, PAGE, PROT_NONE) == 0);
        CHECK(faults(load_hot, at) == SIGSEGV);
        CHECK(mprotect(at, PAGE, PROT_READ | PROT_WRITE) == 0);
        CHECK(faults(store_hot, at) == 0);
    }
}

static void across_munmap(void)
{
    for (int i = 1; i < 20; i++) {
        long *at = page();
        fill(at, 3, HOT);
        CHECK(munmap(at, PAGE) == 0);
        CHECK(faults(load_hot, at) == SIGSEGV);
        CHECK(faults(store_hot, at) == SIGSEGV);
        CHECK(mmap(at, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == at);
        CHECK(sum(at, HOT) == 0);
        fill(at, i, 1);
        CHECK(sum(at, 1) == 7 * i);
        CHECK(madvise(at, PAGE, MADV_DONTNEED) == 0);
        CHECK(sum(at, HOT) == 0);
        CHECK(munmap(at, PAGE) == 0);
    }
}

// The kernel stores, too.
static void across_read(void)
{
    int ends[2];
    CHECK(pipe(ends) == 0);
    long *at = page();
    for (long i = 1; i < 20; i++) {
        pid_t child = fork(); // shares the page
        if (child == 0)
            _exit(0);
        long before = sum(at, HOT);
        CHECK(before == (i == 1 ? 0 : (i - 1) * HOT));
        CHECK(write(ends[1], &i, sizeof i) == sizeof i);
        CHECK(read(ends[0], &at[1], sizeof i) == sizeof i);
        CHECK(sum(at, HOT) == i * HOT);
        waitpid(child, NULL, 0);
    }
}

// A loop that walks off the end of what is mapped, and one over many pages.
static void over_pages(void)
{
    char *at = mmap(NULL, 9 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(at != MAP_FAILED && munmap(at + 8 * PAGE, PAGE) == 0);
    for (unsigned i = 0; i < 8 * PAGE; i++)
        at[i] = (char)(i >> 12);
    CHECK(walk(at, 8 * (long)PAGE) == 28 * (long)PAGE);
    signal(SIGSEGV, fault);
    volatile int signo = sigsetjmp(back, 1);
    if (!signo)
        walk(at, 8 * (long)PAGE + 1);
    CHECK(signo == SIGSEGV);
    for (unsigned i = 0; i < 7; i++) // words across the border
        CHECK(sum((long *)(void *)(at + PAGE - 29 + i), HOT) ==
              sum((long *)(void *)(at + PAGE - 29 + i), 1) * HOT);
}

// Values that have no register of the host's are used behind what made them: loads that miss the TLB, cross
// pages or find a page for the first time in between.
#ifdef __riscv
__attribute__((noinline)) static long chained(const char *p, const char *end, long far)
{
    long s = 0;
    __asm__ volatile("1: lw t1, 0(%1)\n"
                     "add t3, t1, t1\n"
                     "addi t3, t3, 5\n"
                     "xor t3, t1, t3\n"
                     "ld t4, 8(%1)\n"
                     "sub t3, t3, t4\n"
                     "mul t3, t3, t4\n"
                     "add t6, %1, %3\n"
                     "lw t5, 4(t6)\n"
                     "bltz t5, 2f\n"
                     "lwu t5, 0(t6)\n"
                     "ld t1, 16(%1)\n"
                     "bge t1, t5, 2f\n"
                     "addi t3, t3, 77\n"
                     "2: slt t6, t5, t3\n"
                     "add %0, %0, t6\n"
                     "add t3, t3, t5\n"
                     "add %0, %0, t3\n"
                     "addi %1, %1, 12\n"
                     "bltu %1, %2, 1b\n"
                     : "+r"(s), "+r"(p)
                     : "r"(end), "r"(far)
                     : "t1", "t3", "t4", "t5", "t6", "memory");
    return s;
}
#else
static long chained(const char *p, const char *end, long far)
{
    unsigned long s = 0;
    for (; p < end; p += 12) {
        int t1, t5;
        unsigned u;
        long t4, next;
        memcpy(&t1, p, 4);
        memcpy(&t4, p + 8, 8);
        memcpy(&t5, p + far + 4, 4);
        unsigned long t3 = (((unsigned long)t1 * 2 + 5) ^ (unsigned long)t1) - (unsigned long)t4;
        t3 *= (unsigned long)t4;
        long value = t5;
        if (t5 >= 0) {
            memcpy(&u, p + far, 4);
            memcpy(&next, p + 16, 8);
            value = u;
            if (next < value)
                t3 += 77;
        }
        s += value < (long)t3;
        s += t3 + (unsigned long)value;
    }
    return (long)s;
}
#endif

static void results_behind_misses(void)
{
    enum { BYTES = 16 * 4096 };
    unsigned *at = mmap(NULL, 2 * BYTES + PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(at != MAP_FAILED);
    unsigned x = 12345;
    for (unsigned i = 0; i < 2 * BYTES / 4; i++)
        at[i] = i / 1024 % 3 ? x = x * 1664525 + 1013904223 : 0;
    const char *p = (const char *)at;
    long expected[] = {9013220532645584954L, 8190186133262742816L, 3667333544993340944L, 2861539946730301150L};
    for (int i = 0; i < 4; i++) {
        long got = chained(p + i, p + BYTES, BYTES - 3 * i);
        CHECK(got == expected[i]);
        CHECK(mprotect(at, 2 * BYTES, PROT_READ) == 0); // all that is cached goes
        CHECK(chained(p + i, p + BYTES, BYTES - 3 * i) == got);
        CHECK(mprotect(at, 2 * BYTES, PROT_READ | PROT_WRITE) == 0);
    }
}

enum { TABLE_PAGES = 16, WORDS = TABLE_PAGES * PAGE / sizeof(unsigned), LOOK_UPS = 40000 };

static unsigned next(unsigned x)
{
    return x * 1664525 + 1013904223;
}

// Loads and stores off a register that goes anywhere in `words` words, a power of 2.
__attribute__((noinline)) static unsigned look_up(const volatile unsigned *table, unsigned words, unsigned x, int times)
{
    unsigned s = 0;
    for (int i = 0; i < times; i++) {
        x = next(x);
        s += table[(x >> 8) % words];
    }
    return s;
}

__attribute__((noinline)) static void scatter(volatile unsigned *table, unsigned words, unsigned x, int times)
{
    for (int i = 0; i < times; i++) {
        x = next(x);
        table[(x >> 8) % words] = x;
    }
}

// A table's words are 3 * index + more, but for those in page `zero`.
static unsigned expected(unsigned words, unsigned x, int times, unsigned more, unsigned zero)
{
    unsigned s = 0;
    for (int i = 0; i < times; i++) {
        x = next(x);
        unsigned at = (x >> 8) % words;
        s += at / (PAGE / sizeof(unsigned)) == zero ? 0 : 3 * at + more;
    }
    return s;
}

static void set_table(unsigned *table, unsigned more)
{
    for (unsigned i = 0; i < WORDS; i++)
        table[i] = 3 * i + more;
}

// Tables of one page first: accesses are then in one page, as long as the table is no other.
static void by_table(void)
{
    unsigned *table = mmap(NULL, TABLE_PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(table != MAP_FAILED);
    for (unsigned words = PAGE / sizeof(unsigned), round = 1; round < 8; round++, words = round < 3 ? words : WORDS) {
        unsigned zero = round % TABLE_PAGES, begin = words == WORDS ? 0 : zero;
        unsigned *at = (unsigned *)((char *)table + begin * PAGE);
        set_table(table, round);
        unsigned more = round + 3 * begin * (PAGE / sizeof(unsigned));
        CHECK(look_up(at, words, round, LOOK_UPS) == expected(words, round, LOOK_UPS, more, ~0u));
        pid_t child = fork();
        if (child == 0) {
            scatter(at, words, round, LOOK_UPS);
            unsigned changed = look_up(at, words, round, LOOK_UPS);
            _exit(changed != expected(words, round, LOOK_UPS, more, ~0u) ? 0 : 1);
        }
        CHECK(look_up(at, words, round, LOOK_UPS) == expected(words, round, LOOK_UPS, more, ~0u));
        set_table(table, round + 1); // other frames, under the same addresses
        CHECK(look_up(at, words, round, LOOK_UPS) == expected(words, round, LOOK_UPS, more + 1, ~0u));
        int status;
        CHECK(waitpid(child, &status, 0) == child && status == 0);
        CHECK(madvise((char *)table + zero * PAGE, PAGE, MADV_DONTNEED) == 0);
        CHECK(look_up(at, words, round, LOOK_UPS) == expected(words, round, LOOK_UPS, more + 1, words == WORDS ? zero : 0));
        scatter(at, words, round, LOOK_UPS);
        unsigned x = round, last = 0, where = 0;
        for (int i = 0; i < LOOK_UPS; i++)
            last = x = next(x), where = (x >> 8) % words;
        CHECK(at[where] == last);
    }
}

static const struct check_case cases[] = {
    CASE(by_table),
    CASE(first_store), CASE(across_fork), CASE(across_mprotect), CASE(across_munmap), CASE(across_read),
    CASE(over_pages), CASE(results_behind_misses),
};

int main(int argc, char **argv)
{
    return check_main(argc, argv, cases, COUNT(cases));
}
