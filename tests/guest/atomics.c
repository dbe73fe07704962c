// Atomic instructions in code that runs often enough to be translated: values, ordinary and extreme; a
// contended lock in shared memory; copy-on-write; misaligned and forbidden addresses.
#include <setjmp.h>
#include <signal.h>
#include <stdbool.h>

#include "check.h"

enum { HOT = 64 };

static long edge(int i)
{
    static const long edges[] = {0, 1, -1, 0x7fffffff, -0x7fffffffL - 1, 0x80000000L, 0x123456789abcdefL,
                                 (long)(~0UL >> 1), (long)(~(~0UL >> 1)), 0xffffffff};
    return edges[(unsigned)i % 10];
}

static long smaller(long a, long b) { return a < b ? a : b; }
static long larger(long a, long b) { return a > b ? a : b; }
static long usmaller(long a, long b) { return (unsigned long)a < (unsigned long)b ? a : b; }
static long ularger(long a, long b) { return (unsigned long)a > (unsigned long)b ? a : b; }

#ifdef __riscv
#define SELECT(name, type, suffix, at, v)                                                          \
    ({                                                                                             \
        type old_;                                                                                 \
        __asm__ volatile(name "." suffix ".aqrl %0, %2, (%1)" : "=&r"(old_) : "r"(at), "r"(v) : "memory"); \
        old_;                                                                                      \
    })
#else
#define SELECT(name, type, suffix, at, v)                                                          \
    ({                                                                                             \
        type old_ = *(at), v_ = (v);                                                               \
        bool min_ = name[5] == 'i', u_ = name[6] == 'u', less_ = u_ ? (unsigned type)v_ < (unsigned type)old_ : v_ < old_; \
        bool more_ = v_ != old_ && !less_;                                                         \
        if (min_ ? less_ : more_)                                                                  \
            *(at) = v_;                                                                            \
        old_;                                                                                      \
    })
#endif

static void values(void)
{
    long m[2] = {0, 0x5555};
    int w[2] = {0, 0x5555};
    for (int i = 0; i < 100 * HOT; i++) {
        long a = edge(i / 10), b = edge(i), want;
        int c = (int)a, d = (int)b;
        m[0] = a;
        w[0] = c;
#define ALL(builtin, expression, expression_w)                                                     \
    m[0] = a;                                                                                      \
    w[0] = c;                                                                                      \
    CHECK(builtin(&m[0], b, __ATOMIC_SEQ_CST) == a && m[0] == (long)(expression));                 \
    CHECK(builtin(&w[0], d, __ATOMIC_SEQ_CST) == c && w[0] == (int)(expression_w));
        ALL(__atomic_exchange_n, b, d)
        ALL(__atomic_fetch_add, (unsigned long)a + (unsigned long)b, (unsigned)c + (unsigned)d)
        ALL(__atomic_fetch_xor, a ^ b, c ^ d)
        ALL(__atomic_fetch_and, a & b, c & d)
        ALL(__atomic_fetch_or, a | b, c | d)
#define CHOICE(name, f, cast)                                                                      \
    m[0] = a;                                                                                      \
    w[0] = c;                                                                                      \
    CHECK(SELECT(name, long, "d", &m[0], b) == a && m[0] == f(a, b));                              \
    CHECK(SELECT(name, int, "w", &w[0], d) == c && w[0] == (int)f((long)(cast)c, (long)(cast)d));
        CHOICE("amomin", smaller, int)
        CHOICE("amomax", larger, int)
        CHOICE("amominu", usmaller, unsigned)
        CHOICE("amomaxu", ularger, unsigned)
        // without a result
        m[0] = a;
        __atomic_fetch_or(&m[0], b, __ATOMIC_RELAXED);
        __atomic_fetch_and(&m[0], ~b, __ATOMIC_RELAXED);
        CHECK(m[0] == (a & ~b));
        // compare and swap: LR and SC
        m[0] = a;
        w[0] = c;
        want = b;
        CHECK(__atomic_compare_exchange_n(&m[0], &want, 7, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST) == (a == b));
        CHECK(m[0] == (a == b ? 7 : a) && want == a);
        CHECK(__atomic_compare_exchange_n(&w[0], &d, 7, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST) == (c == (int)b));
        CHECK(w[0] == (c == (int)b ? 7 : c));
        CHECK(m[1] == 0x5555 && w[1] == 0x5555);
    }
}

// Four processes, a spin lock, and a counter that only the lock guards.
static void contended_lock(void)
{
    struct shared {
        int lock;
        long count, atomic;
    } *s = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(s != MAP_FAILED);
    for (int p = 0; p < 4; p++) {
        pid_t pid = fork();
        CHECK(pid >= 0);
        for (int i = 0; pid == 0 && i < 20000; i++) {
            while (__atomic_exchange_n(&s->lock, 1, __ATOMIC_ACQUIRE))
                if (i % 16 == 0)
                    sched_yield();
            s->count++;
            __atomic_store_n(&s->lock, 0, __ATOMIC_RELEASE);
            __atomic_fetch_add(&s->atomic, 1, __ATOMIC_RELAXED);
        }
        if (pid == 0)
            _exit(0);
    }
    for (int p = 0, status; p < 4; p++)
        CHECK(wait(&status) > 0 && status == 0);
    CHECK_EQ(s->count, 80000);
    CHECK_EQ(s->atomic, 80000);
}

// The page is the parent's too, until the atomic instruction takes a copy.
static void copy_on_write(void)
{
    static long value;
    for (int round = 0; round < 3 * HOT; round++) {
        long before = value;
        pid_t pid = fork();
        if (pid == 0)
            _exit(__atomic_fetch_add(&value, 1, __ATOMIC_SEQ_CST) == before && value == before + 1 ? 0 : 1);
        int status;
        CHECK(waitpid(pid, &status, 0) == pid && status == 0);
        CHECK(value == before);
        __atomic_fetch_add(&value, 2, __ATOMIC_SEQ_CST);
    }
    CHECK_EQ(value, 6 * HOT);
}

static sigjmp_buf back;
static int caught_code;
static void *caught_at;

static void caught(int sig, siginfo_t *info, void *context)
{
    (void)context;
    caught_code = info->si_code;
    caught_at = info->si_addr;
    siglongjmp(back, sig);
}

static void faults(void)
{
    struct sigaction action = {.sa_sigaction = caught, .sa_flags = SA_SIGINFO}, old[2];
    CHECK(sigaction(SIGSEGV, &action, &old[0]) == 0 && sigaction(SIGBUS, &action, &old[1]) == 0);
    char *at = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(at != MAP_FAILED);
    volatile long sum = 0;
    volatile int round = 0;
    for (; round < 3 * HOT; round++) {
        bool readable = round & 1;
        CHECK(mprotect(at, PAGE, readable ? PROT_READ : PROT_READ | PROT_WRITE) == 0);
        int sig = sigsetjmp(back, 1);
        if (sig == 0)
            sum += __atomic_fetch_add((long *)(void *)at, 1, __ATOMIC_SEQ_CST);
        CHECK(sig == (readable ? SIGSEGV : 0));
        CHECK(sig == 0 || (caught_code == SEGV_ACCERR && caught_at == at));
#ifdef __riscv
        sig = sigsetjmp(back, 1);
        if (sig == 0) {
            long got;
            __asm__ volatile("amoadd.d %0, %1, (%1)" : "=&r"(got) : "r"(at + 4) : "memory");
        }
        CHECK(sig == SIGBUS && caught_code == BUS_ADRALN);
#endif
    }
    CHECK_EQ(*(long *)(void *)at, 3 * HOT / 2);
    CHECK(sigaction(SIGSEGV, &old[0], NULL) == 0 && sigaction(SIGBUS, &old[1], NULL) == 0);
}

int main(int argc, char **argv)
{
    static const struct check_case cases[] = {CASE(values), CASE(contended_lock), CASE(copy_on_write),
                                              CASE(faults)};
    return check_main(argc, argv, cases, COUNT(cases));
}
