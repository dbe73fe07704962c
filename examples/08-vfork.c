/*
 * 08-vfork.c - a child in its parent's own memory.
 *
 * vfork() copies nothing, not even a page table: the child runs IN the memory of its parent, on
 * its parent's very stack, while the calling thread of the parent stands still. That is over
 * when the child ends or calls exec. It is meant for exactly two things, and the manual allows no
 * more: to exec, or to _exit.
 *
 * The child below breaks the rule to show that the memory is one. (Try also
 * `tine run --vfork=lint 08-vfork`: tine sees it and names the variable.)
 */
#include <errno.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;
static volatile int written_by_the_child;

int main(void)
{
    printf("Before vfork the variable is %d.\n", written_by_the_child);
    fflush(stdout);

    pid_t pid = vfork();
    if (pid == 0) {
        written_by_the_child = 42;              /* forbidden, and instructive */
        _exit(0);                               /* never return or call exit() from here */
    }
    printf("After it the parent sees %d: there was only one memory.\n", written_by_the_child);
    waitpid(pid, NULL, 0);

    /* Why that is more than fast: the child can tell its parent, through the shared memory, that
     * exec failed. posix_spawn is built on it; where vfork is only a fork in disguise, the next
     * call claims success. */
    char *argv[] = { "nothing", NULL };
    int error = posix_spawn(&pid, "/no/such/program", NULL, NULL, argv, environ);
    printf("posix_spawn of a missing program says: %s.\n", error ? strerror(error) : "success?!");

    return written_by_the_child == 42 && error == ENOENT ? 0 : 1;
}
