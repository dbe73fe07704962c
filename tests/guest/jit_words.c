// Translated code leaves the upper halves of words unextended where nobody reads them (jit/halves.c). A fault between an
// operation and the next that overwrites its result shows all registers to the handler: there they must be right.
#include "check.h"

#ifdef __riscv
#include <setjmp.h>
#include <ucontext.h>

enum { HOT = 200, A3 = 13, A4 = 14, A5 = 15 };

static sigjmp_buf back;
static unsigned long seen[32];

static void fault(int signo, siginfo_t *info, void *context)
{
    ucontext_t *u = context;
    (void)info;
    for (int i = 1; i < 32; i++)
        seen[i] = u->uc_mcontext.__gregs[i];
    siglongjmp(back, signo);
}

// Three words, made in several ways, that are overwritten behind a load; what they add up to after that.
__attribute__((noinline)) static long words(long x, long y, const volatile int *at)
{
    long result;
    __asm__ volatile("addw a3, %1, %2\n"
                     "slliw a4, a3, 3\n"
                     "xor a5, a3, a4\n"
                     "mulw a4, a4, %2\n"
                     "lw t0, 0(%3)\n"
                     "addw a3, a3, t0\n"
                     "subw a4, a4, a3\n"
                     "xor a5, a5, a4\n"
                     "addw %0, a5, a3\n"
                     : "=&r"(result)
                     : "r"(x), "r"(y), "r"(at)
                     : "a3", "a4", "a5", "t0");
    return result;
}

static long word(unsigned long v)
{
    return (int)(unsigned)v;
}

static long expected(unsigned long x, unsigned long y, long loaded)
{
    long a = word(x + y), b = word((unsigned long)a << 3), c = a ^ b;
    b = word((unsigned long)b * y);
    a = word((unsigned long)(a + loaded));
    b = word((unsigned long)(b - a));
    return word((unsigned long)((c ^ b) + a));
}

static void at_a_fault(void)
{
    static const unsigned long values[] = {1, 0x7fffffff, 0x80000000, 0xffffffff, 0x123456789abcdef0, ~0UL, 1UL << 63};
    int *page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(page != MAP_FAILED);
    struct sigaction act = {.sa_sigaction = fault, .sa_flags = SA_SIGINFO};
    CHECK(sigaction(SIGSEGV, &act, NULL) == 0);
    for (unsigned i = 0; i < COUNT(values); i++)
        for (unsigned k = 0; k < COUNT(values); k++) {
            unsigned long x = values[i], y = values[k];
            page[0] = (int)(i * 1000 - k);
            for (int n = 0; n < HOT; n++)
                CHECK(words((long)x, (long)y, page) == expected(x, y, page[0]));
            CHECK(mprotect(page, PAGE, PROT_NONE) == 0);
            if (sigsetjmp(back, 1) == 0) {
                words((long)x, (long)y, page);
                CHECK(!"it faults");
            }
            long a = word(x + y), b = word((unsigned long)a << 3);
            CHECK((long)seen[A3] == a);
            CHECK((long)seen[A5] == (a ^ b));
            CHECK((long)seen[A4] == word((unsigned long)b * y));
            CHECK(mprotect(page, PAGE, PROT_READ | PROT_WRITE) == 0);
        }
}

static const struct check_case cases[] = {CASE(at_a_fault)};
#else
static void nothing(void)
{
}

static const struct check_case cases[] = {CASE(nothing)};
#endif

int main(int argc, char **argv)
{
    return check_main(argc, argv, cases, COUNT(cases));
}
