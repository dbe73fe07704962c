/*
 * 01-fork.c - one process becomes two.
 *
 * fork() is called once and returns twice: in the parent it returns the child's process id, in
 * the child it returns 0. Both go on behind the same line of code, each with a memory of its own:
 * the child's begins as the image of its parent's.
 *
 *     riscv64-linux-gnu-gcc -static -o 01-fork 01-fork.c && tine run 01-fork
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static int apples = 3;

int main(void)
{
    printf("Before fork: one process, with %d apples.\n", apples);
    fflush(stdout);     /* or the text, still in the buffer, would be forked as well */

    pid_t pid = fork();

    if (pid < 0) {      /* no more processes allowed (EAGAIN), or no memory (ENOMEM) */
        printf("fork failed: %s\n", strerror(errno));
        return 1;
    }
    if (pid == 0) {
        printf("  child:  fork returned 0, and I see %d apples. I eat one.\n", apples);
        apples--;
        printf("  child:  now I have %d, at address %p.\n", apples, (void *)&apples);
        fflush(stdout);
        _exit(apples);  /* 8 bits of it reach the parent */
    }

    int status;
    waitpid(pid, &status, 0);
    printf("  parent: fork returned the child's id (%s).\n", pid > 0 ? "a positive number" : "?");
    printf("  parent: I still have %d apples, at address %p.\n", apples, (void *)&apples);
    printf("  parent: the child ended, saying %d.\n", WEXITSTATUS(status));
    printf("The same address, two values: they are two memories.\n");
    return 0;
}
