/*
 * 13-vfork-traps.c - what a vfork child must not do, one trap at a time.
 *
 *     tine 13-vfork-traps                        Linux's meaning: the parent suffers
 *     tine --vfork=lint 13-vfork-traps           the same, and each trap is named
 *     tine --vfork=copy 13-vfork-traps           the parent stays as it was
 *     tine --vfork=deny 13-vfork-traps           the store is a fault
 *     tine compare 13-vfork-traps                all of them in one table
 *
 * The child runs in its parent's memory, on its parent's stack. It may exec, it may _exit, and it may use
 * the stack below the frame of the function that called vfork. Everything else that it stores, it stores
 * for its parent. exit() is such a store, in many places: it runs the parent's exit handlers and empties
 * the parent's buffers. (To return from the function that called vfork is the third trap. It destroys a
 * frame that the parent will return to, so it cannot be shown without breaking the program: see
 * tests/vfork/bugs.c.)
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static volatile int counter;
static volatile int handlers_run;

static __attribute__((noinline)) void set_up(void)
{
    counter++;
}

static void at_exit(void)
{
    handlers_run++;
}

static const char *how(pid_t pid)
{
    int status;

    waitpid(pid, &status, 0);
    return WIFSIGNALED(status) ? "was killed" : "ended";
}

int main(int argc, char **argv)
{
    if (argc > 1) /* the program that the child execs */
        return 0;
    setvbuf(stdout, NULL, _IONBF, 0);
    atexit(at_exit);

    pid_t pid = vfork();
    if (pid == 0) {
        set_up(); /* trap: a global variable of the parent */
        _exit(0);
    }
    printf("A child that stores to counter %s; the parent's counter is %d.\n", how(pid), counter);

    pid = vfork();
    if (pid == 0)
        exit(0); /* trap: the parent's exit handlers */
    printf("A child that calls exit %s; the parent's handlers have run %d times.\n", how(pid),
           handlers_run);

    pid = vfork();
    if (pid == 0) { /* as it should be */
        execl(argv[0], argv[0], "nothing", (char *)NULL);
        _exit(127);
    }
    printf("A child that calls exec %s.\n", how(pid));
    _exit(0);
}
