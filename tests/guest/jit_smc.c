// Code that changes under the processor: every way it can has to take effect at once or after the
// fence that the manual asks for. On other machines than riscv there is nothing to test.
#include "check.h"

#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/uio.h>

#ifdef __riscv
enum { HOT = 200, RWX = PROT_READ | PROT_WRITE | PROT_EXEC };

#define LI_A0(n) (0x00000513u | (unsigned)(n) << 20) // addi a0, x0, n
#define RET      0x00008067u

typedef int code_fn(long a0, long a1);

// __riscv_flush_icache, which ends in the system call of that name.
static void flush(void *at)
{
    __builtin___clear_cache((char *)at, (char *)at + PAGE);
}

static void fence_i(void)
{
    __asm__ volatile("fence.i" ::: "memory");
}

static void put(unsigned *at, int n)
{
    at[0] = LI_A0(n);
    at[1] = RET;
    flush(at);
}

static code_fn *function(void *at)
{
    code_fn *f;
    memcpy(&f, &at, sizeof f);
    return f;
}

static int call(void *at)
{
    int r = 0;
    for (int i = 0; i < HOT; i++) // so that it is translated
        r = function(at)(0, 0);
    return r;
}

static unsigned *pages(int n, int flags)
{
    void *at = mmap(NULL, (size_t)n * PAGE, RWX, flags | MAP_ANONYMOUS, -1, 0);
    CHECK(at != MAP_FAILED);
    return at;
}

// ---- Stores ---------------------------------------------------------------------------------

static void stores_and_fences(void)
{
    unsigned *at = pages(1, MAP_PRIVATE);
    for (int i = 0; i < 40; i++) { // again and again
        at[0] = LI_A0(i);
        at[1] = RET;
        if (i % 3 == 0)
            fence_i();
        else if (i % 3 == 1)
            CHECK_EQ(syscall(259, at, at + 2, 0), 0); // riscv_flush_icache, all threads
        else
            CHECK_EQ(syscall(259, at, at + 2, 1), 0); // this thread
        CHECK_EQ(call(at), i);
    }
}

// Code that stores over its own next instruction. The manual wants a fence.i in between; tine promises
// the store at once, or results would depend on where time slices end.
static void stores_over_itself(void)
{
    static const unsigned body[] = {
        0x00050313, // mv t1, a0
        LI_A0(0),
        0x00b32023, // sw a1, 0(t1)
        LI_A0(1),   // which may be stored here
        RET,
    };
    unsigned *at = pages(1, MAP_PRIVATE), old = body[3];
    memcpy(at, body, sizeof body);
    flush(at);
    for (int i = 0; i < HOT; i++)
        CHECK_EQ(function(at)((long)(at + 3), (long)old), 1);
    CHECK_EQ(function(at)((long)(at + 3), LI_A0(2)), 2);
    CHECK_EQ(function(at)((long)(at + 3), LI_A0(3)), 3);
    at = pages(1, MAP_PRIVATE); // and where the page is shared with a forked child, and copied by the store
    memcpy(at, body, sizeof body);
    flush(at);
    for (int i = 0; i < HOT; i++) // stores elsewhere, so that the code is there when it forks
        CHECK_EQ(function(at)((long)&old, LI_A0(9)), 1);
    pid_t pid = check_fork();
    CHECK_EQ(function(at)((long)(at + 3), LI_A0(pid ? 4 : 5)), pid ? 4 : 5);
    if (pid == 0)
        _exit(call(at + 3) == 5 ? 0 : 1);
    CHECK_EXIT(pid, 0);
    CHECK_EQ(call(at + 3), 4);
}

static void straddling_instruction(void)
{
    unsigned *two = pages(2, MAP_PRIVATE);
    char *odd = (char *)two + PAGE - 2;
    for (int i = 0; i < 8; i++) {
        unsigned code[2] = {LI_A0(100 + i), RET};
        memcpy(odd, code, sizeof code);
        flush(two);
        CHECK_EQ(call(odd), 100 + i);
    }
    for (int i = 0; i < 8; i++) { // the second half alone, in a page of its own
        unsigned code = LI_A0(200 + i);
        memcpy(odd + 2, (char *)&code + 2, 2);
        fence_i();
        CHECK_EQ(call(odd), 200 + i);
    }
}

// ---- Mappings -------------------------------------------------------------------------------

static volatile long faults, fault_address;
static void *fault_page;

// Makes the page executable again.
static void on_fault(int number, siginfo_t *info, void *context)
{
    (void)number;
    (void)context;
    faults++;
    fault_address = (long)info->si_addr;
    mprotect(fault_page, PAGE, PROT_READ | PROT_EXEC);
}

static void mprotect_to_and_from(void)
{
    unsigned *at = pages(1, MAP_PRIVATE);
    for (int i = 0; i < 20; i++) {
        CHECK_EQ(mprotect(at, PAGE, PROT_READ | PROT_WRITE), 0);
        at[0] = LI_A0(i);
        at[1] = RET;
        CHECK_EQ(mprotect(at, PAGE, PROT_READ | PROT_EXEC), 0);
        flush(at);
        CHECK_EQ(call(at), i);
    }
    check_action(SIGSEGV, on_fault, 0);
    fault_page = at;
    CHECK_EQ(mprotect(at, PAGE, PROT_READ), 0); // nothing stored, but it may not run
    CHECK_EQ(call(at), 19);
    CHECK_EQ(faults, 1);
    CHECK_EQ(fault_address, (long)at);
}

// The second half of an instruction may be in a page that must not run, or is another one now.
static void straddling_into_another_page(void)
{
    unsigned *two = pages(2, MAP_PRIVATE);
    char *odd = (char *)two + PAGE - 2, *second = (char *)two + PAGE;
    unsigned code[2] = {LI_A0(300), RET};
    memcpy(odd, code, sizeof code);
    flush(two);
    CHECK_EQ(call(odd), 300);
    check_action(SIGSEGV, on_fault, 0);
    fault_page = second;
    CHECK_EQ(mprotect(second, PAGE, PROT_READ), 0);
    CHECK_EQ(call(odd), 300);
    CHECK_EQ(faults, 1);
    CHECK_EQ(fault_address, (long)second);
    CHECK(mmap(second, PAGE, RWX, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == second);
    code[0] = LI_A0(301);
    memcpy(second, (char *)code + 2, sizeof code - 2);
    fence_i();
    CHECK_EQ(call(odd), 301);
}

// A jump from one page to the next, whose target changes.
static void jump_to_another_page(void)
{
    unsigned *two = pages(2, MAP_PRIVATE), *second = two + PAGE / 4;
    two[0] = 0x0000106f; // jal x0, 4096
    flush(two);
    for (int i = 0; i < 8; i++) {
        put(second, i);
        CHECK_EQ(call(two), i);
        CHECK(mmap(second, PAGE, RWX, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == second);
        put(second, 100 + i);
        CHECK_EQ(call(two), 100 + i);
        pid_t child = fork();
        CHECK(child >= 0);
        if (child == 0) {
            put(second, 200 + i);
            _exit(call(two) == 200 + i ? 0 : 1);
        }
        int status;
        CHECK(waitpid(child, &status, 0) == child && status == 0);
        CHECK_EQ(call(two), 100 + i);
    }
    check_action(SIGSEGV, on_fault, 0);
    fault_page = second;
    CHECK_EQ(mprotect(second, PAGE, PROT_READ), 0);
    CHECK_EQ(call(two), 107);
    CHECK_EQ(faults, 1);
}

static void another_page_at_the_address(void)
{
    unsigned *at = pages(1, MAP_PRIVATE), *other = pages(1, MAP_PRIVATE);
    put(at, 1);
    CHECK_EQ(call(at), 1);
    CHECK_EQ(munmap(at, PAGE), 0);
    CHECK(mmap(at, PAGE, RWX, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == at);
    put(at, 2);
    CHECK_EQ(call(at), 2);
    CHECK(mmap(at, PAGE, RWX, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == at); // over it
    put(at, 3);
    CHECK_EQ(call(at), 3);
    put(other, 4);
    CHECK_EQ(call(other), 4);
    CHECK(mremap(other, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, at) == at); // moved over it
    CHECK_EQ(call(at), 4);
    CHECK_EQ(madvise(at, PAGE, MADV_DONTNEED), 0);
    CHECK_EQ(at[0], 0);
    put(at, 5);
    CHECK_EQ(call(at), 5);
}

static void mapped_files(void)
{
    int a = check_file(PAGE), b = check_file(PAGE);
    unsigned code_a[2] = {LI_A0(1), RET}, code_b[2] = {LI_A0(2), RET};
    CHECK_EQ(pwrite(a, code_a, sizeof code_a, 0), sizeof code_a);
    CHECK_EQ(pwrite(b, code_b, sizeof code_b, 0), sizeof code_b);
    void *at = mmap(NULL, PAGE, PROT_READ | PROT_EXEC, MAP_PRIVATE, a, 0);
    CHECK(at != MAP_FAILED);
    CHECK_EQ(call(at), 1);
    CHECK(mmap(at, PAGE, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_FIXED, b, 0) == at);
    CHECK_EQ(call(at), 2);
    CHECK(mmap(at, PAGE, PROT_READ | PROT_EXEC, MAP_SHARED | MAP_FIXED, a, 0) == at);
    CHECK_EQ(call(at), 1);
    CHECK_EQ(pwrite(a, code_b, sizeof code_b, 0), sizeof code_b); // the file, by write
    fence_i();
    CHECK_EQ(call(at), 2);
    unsigned *w = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, a, 0); // and by another mapping of it
    CHECK(w != MAP_FAILED);
    for (int i = 3; i < 20; i++) {
        put(w, i);
        fence_i();
        CHECK_EQ(call(at), i);
    }
}

// ---- Copies ---------------------------------------------------------------------------------

static void forked(void)
{
    unsigned *at = pages(1, MAP_PRIVATE);
    put(at, 9);
    CHECK_EQ(call(at), 9);
    pid_t pid = check_fork(); // each its own code, the parent's last
    if (pid == 0) {
        put(at, 10);
        _exit(call(at) == 10 ? 0 : 1);
    }
    CHECK_EXIT(pid, 0);
    CHECK_EQ(call(at), 9);
    pid = check_fork();
    if (pid == 0)
        _exit(call(at) == 9 ? 0 : 1);
    put(at, 11); // the copy that the parent gets
    CHECK_EQ(call(at), 11);
    CHECK_EXIT(pid, 0);
}

// A store to data in a page of code copies the page; whose code it was runs on.
static void copied_by_data(void)
{
    unsigned *at = pages(1, MAP_PRIVATE);
    put(at, 20);
    CHECK_EQ(call(at), 20);
    pid_t pid = check_fork();
    at[100] = pid ? 1 : 2;
    CHECK_EQ(call(at), 20);
    if (pid == 0) {
        at[0] = LI_A0(21);
        fence_i();
        _exit(call(at) == 21 && at[100] == 2 ? 0 : 1);
    }
    CHECK_EXIT(pid, 0);
    CHECK_EQ(call(at), 20);
    at[0] = LI_A0(22);
    fence_i();
    CHECK_EQ(call(at), 22);
}

// ---- Others write it ------------------------------------------------------------------------

static void shared_with_a_writer(void)
{
    unsigned *at = pages(1, MAP_SHARED);
    put(at, 12);
    CHECK_EQ(call(at), 12);
    pid_t pid = check_fork();
    if (pid == 0) {
        put(at, 13);
        _exit(0);
    }
    CHECK_EXIT(pid, 0);
    fence_i();
    CHECK_EQ(call(at), 13);
    void *again = mremap(at, 0, PAGE, MREMAP_MAYMOVE); // the same page under two addresses
    CHECK(again != MAP_FAILED);
    CHECK_EQ(call(again), 13);
    put(again, 14);
    CHECK_EQ(call(at), 14);
    pid = check_fork(); // while it is run, again and again
    if (pid == 0) {
        for (int i = 15; i < 30; i++) {
            put(again, i);
            check_sleep_ms(1);
        }
        _exit(0);
    }
    int last = 14;
    while (last != 29) {
        fence_i();
        int now = call(at);
        CHECK(now >= last && now < 30);
        last = now;
    }
    CHECK_EXIT(pid, 0);
}

static void written_by_calls(void)
{
    unsigned *at = pages(1, MAP_PRIVATE), code[2] = {LI_A0(1), RET};
    int file = check_file(PAGE), end[2];
    put(at, 0);
    CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, end), 0);
    for (int i = 1; i < 40; i++) {
        struct iovec from = {code, sizeof code}, to = {at, sizeof code};
        code[0] = LI_A0(i);
        if (i % 4 == 0) {
            CHECK_EQ(pwrite(file, code, sizeof code, 0), sizeof code);
            CHECK_EQ(pread(file, at, sizeof code, 0), sizeof code);
        } else if (i % 4 == 1) {
            CHECK_EQ(write(end[0], code, sizeof code), sizeof code);
            CHECK_EQ(read(end[1], at, sizeof code), sizeof code);
        } else if (i % 4 == 2) {
            CHECK_EQ(send(end[0], code, sizeof code, 0), sizeof code);
            CHECK_EQ(recv(end[1], at, sizeof code, 0), sizeof code);
        } else {
            CHECK_EQ(process_vm_writev(getpid(), &from, 1, &to, 1, 0), sizeof code);
        }
        fence_i();
        CHECK_EQ(call(at), i);
    }
}

// A child that runs the code whenever it is told to, and answers with what it returned.
static void answer(unsigned *at, int in, int out)
{
    char byte;
    while (read(in, &byte, 1) == 1) {
        fence_i();
        byte = (char)call(at);
        if (write(out, &byte, 1) != 1)
            break;
    }
    _exit(0);
}

static int ask(int out, int in)
{
    char byte = 0;
    CHECK_EQ(write(out, &byte, 1), 1);
    CHECK_EQ(read(in, &byte, 1), 1);
    return byte;
}

static void written_by_another_process(void)
{
    unsigned *at = pages(1, MAP_PRIVATE);
    int there[2], back[2];
    char name[40];
    put(at, 1);
    CHECK(pipe(there) == 0 && pipe(back) == 0);
    pid_t pid = check_fork();
    if (pid == 0) {
        close(there[1]);
        answer(at, there[0], back[1]);
    }
    CHECK_EQ(ask(there[1], back[0]), 1);
    for (int i = 2; i < 20; i++) {
        unsigned code = LI_A0(i);
        struct iovec from = {&code, sizeof code}, to = {at, sizeof code};
        CHECK_EQ(process_vm_writev(pid, &from, 1, &to, 1, 0), sizeof code);
        CHECK_EQ(ask(there[1], back[0]), i);
    }
    CHECK_EQ(ptrace(PTRACE_SEIZE, pid, 0, 0), 0);
    for (int i = 20; i < 40; i++) {
        CHECK_EQ(ptrace(PTRACE_INTERRUPT, pid, 0, 0), 0);
        CHECK(WIFSTOPPED(check_status(pid)));
        CHECK_EQ(ptrace(PTRACE_POKETEXT, pid, at, LI_A0(i) | (unsigned long)RET << 32), 0);
        CHECK_EQ(ptrace(PTRACE_CONT, pid, 0, 0), 0);
        CHECK_EQ(ask(there[1], back[0]), i);
    }
    snprintf(name, sizeof name, "/proc/%d/mem", (int)pid);
    int mem = open(name, O_RDWR);
    CHECK(mem >= 0);
    for (int i = 40; i < 60; i++) {
        unsigned code = LI_A0(i);
        CHECK_EQ(pwrite(mem, &code, sizeof code, (off_t)at), sizeof code);
        CHECK_EQ(ask(there[1], back[0]), i);
    }
    CHECK_EQ(call(at), 1); // the parent's own is what it was
    close(there[1]);
    CHECK_EXIT(pid, 0);
}

// Makes the function at `at` another one, each time in another way.
static void change(unsigned *at, int how, int to)
{
    if (how == 1)
        CHECK(mmap(at, PAGE, RWX, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == at);
    else if (how == 2)
        CHECK_EQ(mprotect(at, PAGE, PROT_NONE) || mprotect(at, PAGE, RWX), 0);
    else if (how == 3)
        CHECK_EQ(madvise(at, PAGE, MADV_DONTNEED), 0);
    put(at, to);
    CHECK_EQ(call(at), to);
}

// What parent and child have found out about their code before the fork holds for both; from there on each
// has its own, also where neither had a page yet.
static void forked_and_apart(void)
{
    enum { PLACES = 4 };
    unsigned *place[PLACES];
    int there[2], back[2];
    char turn = 0;
    for (int i = 0; i < PLACES; i++)
        place[i] = pages(1, MAP_PRIVATE);
    for (int i = 0; i < PLACES / 2; i++) // the others stay empty
        put(place[i], i);
    CHECK_EQ(call(place[1]), 1);
    CHECK(pipe(there) == 0 && pipe(back) == 0);
    pid_t pid = check_fork();
    int in = pid ? back[0] : there[0], out = pid ? there[1] : back[1];
    for (int i = 0; i < 10 * PLACES; i++) {
        unsigned *at = place[i % PLACES];
        int mine = 2 * i + (pid != 0);
        if (!pid)
            CHECK_EQ(read(in, &turn, 1), 1);
        change(at, i / PLACES % 4, mine);
        CHECK_EQ(write(out, &turn, 1), 1);
        if (pid)
            CHECK_EQ(read(in, &turn, 1), 1); // the child has changed its own
        CHECK_EQ(call(at), mine);
        CHECK_EQ(call(at), mine);
    }
    if (!pid)
        _exit(0);
    CHECK_EXIT(pid, 0);
}

#define CASES                                                                                      \
    CASE(stores_and_fences), CASE(stores_over_itself), CASE(straddling_instruction),               \
        CASE(straddling_into_another_page), CASE(jump_to_another_page),                               \
        CASE(mprotect_to_and_from), CASE(another_page_at_the_address), CASE(mapped_files),         \
        CASE(forked), CASE(copied_by_data), CASE(shared_with_a_writer), CASE(written_by_calls),    \
        CASE(written_by_another_process), CASE(forked_and_apart)
#else
static void nothing(void)
{
}
#define CASES CASE(nothing)
#endif

int main(int argc, char **argv)
{
    static const struct check_case cases[] = {CASES};
    return check_main(argc, argv, cases, COUNT(cases));
}
