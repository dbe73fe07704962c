/*
 * 07-every-writer.c - there are many ways to write to memory.
 *
 * Copy-on-write must hold for every one of them, not only for the plain store: atomic
 * instructions, floating-point stores, and above all the kernel, which writes into the program's
 * memory when it delivers a read(), the time, or a signal. Each line below is one writer, let
 * loose in a child on a page that its parent shares; the parent then looks at the page.
 */
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { SIZE = 8 * 4096 };

static void plain_store(char *page) { *(volatile char *)page = 1; }
static void fp_store(char *page) { *(volatile double *)page = 3.14; }
static void atomic_add(char *page) { atomic_fetch_add((atomic_long *)page, 1); }

static void compare_and_swap(char *page)        /* lr/sc on riscv */
{
    long expected = *(long *)page;
    atomic_compare_exchange_strong((atomic_long *)page, &expected, 1);
}

static void store_over_two_pages(char *page)
{
    volatile long value = 1;
    memcpy(page + 4096 - 3, (const void *)&value, sizeof value);
}

static void read_from_a_pipe(char *page)
{
    int end[2];
    if (pipe(end) == 0 && write(end[1], "hello", 5) == 5)
        if (read(end[0], page, 5) != 5)
            _exit(1);
}

static void readv_from_a_pipe(char *page)
{
    struct iovec parts[] = { { page + 10, 2 }, { page + 5000, 3 } };
    int end[2];
    if (pipe(end) == 0 && write(end[1], "hello", 5) == 5)
        if (readv(end[0], parts, 2) != 5)
            _exit(1);
}

static void ask_for_the_time(char *page) { clock_gettime(CLOCK_REALTIME, (void *)page); }
static void ask_for_the_name(char *page) { uname((void *)page); }
static void ask_for_the_directory(char *page) { if (getcwd(page, 4096) == NULL) _exit(1); }

static void nothing(int number) { (void)number; }

static void signal_on_this_stack(char *page)    /* the kernel saves all registers there */
{
    stack_t stack = { .ss_sp = page, .ss_size = SIZE };
    struct sigaction action = { .sa_handler = nothing, .sa_flags = SA_ONSTACK };
    sigaltstack(&stack, NULL);
    sigaction(SIGUSR1, &action, NULL);
    raise(SIGUSR1);
}

int main(void)
{
    static const struct { const char *name; void (*write)(char *); } writers[] = {
        { "a plain store", plain_store },
        { "a floating-point store", fp_store },
        { "an atomic add", atomic_add },
        { "a compare-and-swap", compare_and_swap },
        { "a store over two pages", store_over_two_pages },
        { "read() from a pipe", read_from_a_pipe },
        { "readv() from a pipe", readv_from_a_pipe },
        { "clock_gettime()", ask_for_the_time },
        { "uname()", ask_for_the_name },
        { "getcwd()", ask_for_the_directory },
        { "a signal's stack frame", signal_on_this_stack },
    };
    static char before[SIZE];
    int leaks = 0;

    memset(before, '.', SIZE);
    for (size_t i = 0; i < sizeof writers / sizeof writers[0]; i++) {
        char *page = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (page == MAP_FAILED)
            return 1;
        memset(page, '.', SIZE);
        fflush(stdout);
        if (fork() == 0) {
            writers[i].write(page);
            _exit(memcmp(page, before, SIZE) == 0);     /* 0: the child sees its own write */
        }
        int status;
        wait(&status);
        int intact = memcmp(page, before, SIZE) == 0;
        leaks += !intact || status != 0;
        printf("%-24s child %s, parent %s\n", writers[i].name,
               status == 0 ? "sees it" : "DOES NOT SEE IT",
               intact ? "does not" : "SEES IT TOO: a leak!");
        munmap(page, SIZE);
    }
    return leaks != 0;
}
