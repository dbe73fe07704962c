// Code that changes under the processor: every way it can has to take effect at once or after the
// fence that the manual asks for. On other machines than riscv there is nothing to test.
#include "check.h"

#ifdef __riscv
enum { HOT = 200 };

#define LI_A0(n) (0x00000513u | (unsigned)(n) << 20) // addi a0, x0, n
#define RET      0x00008067u

static void flush(void *at)
{
    __builtin___clear_cache((char *)at, (char *)at + PAGE);
}

static void put(unsigned *at, int n)
{
    at[0] = LI_A0(n);
    at[1] = RET;
    flush(at);
}

static int call(void *at)
{
    int (*f)(void), r = 0;
    memcpy(&f, &at, sizeof f);
    for (int i = 0; i < HOT; i++) // so that it is translated
        r = f();
    return r;
}

static unsigned *pages(int n, int flags)
{
    void *at = mmap(NULL, (size_t)n * PAGE, PROT_READ | PROT_WRITE | PROT_EXEC,
                    flags | MAP_ANONYMOUS, -1, 0);
    CHECK(at != MAP_FAILED);
    return at;
}
#endif

static void code_that_changes(void)
{
#ifdef __riscv

    unsigned *at = pages(1, MAP_PRIVATE);
    for (int i = 0; i < 40; i++) { // again and again
        put(at, i);
        CHECK(call(at) == i);
    }
    // mprotect to and from executable
    put(at, 7);
    CHECK(call(at) == 7);
    CHECK(mprotect(at, PAGE, PROT_READ | PROT_WRITE) == 0);
    at[0] = LI_A0(8);
    CHECK(mprotect(at, PAGE, PROT_READ | PROT_EXEC) == 0);
    flush(at);
    CHECK(call(at) == 8);
    // unmapped, and another page mapped at the same address
    CHECK(munmap(at, PAGE) == 0);
    CHECK(mmap(at, PAGE, PROT_READ | PROT_WRITE | PROT_EXEC,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == at);
    put(at, 9);
    CHECK(call(at) == 9);
    // a fork: each its own code, the parent's last
    pid_t pid = fork();
    if (pid == 0) {
        put(at, 10);
        _exit(call(at) == 10 ? 0 : 1);
    }
    int status;
    CHECK(waitpid(pid, &status, 0) == pid && status == 0);
    CHECK(call(at) == 9);
    pid = fork();
    if (pid == 0)
        _exit(call(at) == 9 ? 0 : 1);
    put(at, 11); // the copy that the parent gets
    CHECK(call(at) == 11);
    CHECK(waitpid(pid, &status, 0) == pid && status == 0);
    // a shared page: written under one address by the child, run under another
    unsigned *shared = pages(1, MAP_SHARED);
    put(shared, 12);
    CHECK(call(shared) == 12);
    pid = fork();
    if (pid == 0) {
        put(shared, 13);
        _exit(0);
    }
    CHECK(waitpid(pid, &status, 0) == pid && status == 0);
    flush(shared);
    CHECK(call(shared) == 13);
    // an instruction that straddles two pages, its second half changed
    unsigned *two = pages(2, MAP_PRIVATE);
    char *odd = (char *)two + PAGE - 2;
    for (int i = 0; i < 8; i++) {
        unsigned code[2] = {LI_A0(100 + i), RET};
        memcpy(odd, code, sizeof code);
        flush(two);
        CHECK(call(odd) == 100 + i);
    }
    // the same bytes under two addresses
    void *again = mremap(shared, 0, PAGE, MREMAP_MAYMOVE);
    CHECK(again != MAP_FAILED && call(again) == 13);
#endif
}

int main(int argc, char **argv)
{
    static const struct check_case cases[] = {CASE(code_that_changes)};
    return check_main(argc, argv, cases, COUNT(cases));
}
