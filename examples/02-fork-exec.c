/*
 * 02-fork-exec.c - how Unix starts a program: fork, then exec.
 *
 * fork makes a second process of the same program; execve then replaces the program of one of
 * them. Between the two calls the child can prepare the place where the new program will find
 * itself: here, its standard output becomes a pipe that the parent reads.
 *
 * This program runs itself again, so it needs nothing else to be installed.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* What the new program does: it has arguments and an environment, but no memory of its past. */
static int greet(int argc, char **argv)
{
    printf("argument %s, environment COLOUR=%s", argv[argc - 1], getenv("COLOUR"));
    return 7;
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "--greet") == 0)
        return greet(argc, argv);

    int from_child[2];                          /* [0] is read, [1] is written */
    if (pipe(from_child) < 0)
        return 1;

    pid_t pid = fork();
    if (pid == 0) {
        dup2(from_child[1], STDOUT_FILENO);     /* whoever writes to 1 writes to the pipe */
        close(from_child[0]);
        close(from_child[1]);

        char *new_argv[] = { argv[0], "--greet", "'hello'", NULL };
        char *new_environment[] = { "COLOUR=green", NULL };
        execve("/proc/self/exe", new_argv, new_environment);
        perror("execve");                       /* only reached if it failed */
        _exit(127);
    }

    close(from_child[1]);                       /* or we would wait for ourselves to close it */
    char text[200];
    size_t length = 0;
    ssize_t n;
    while ((n = read(from_child[0], text + length, sizeof text - 1 - length)) > 0)
        length += (size_t)n;
    text[length] = '\0';

    int status;
    waitpid(pid, &status, 0);
    printf("The new program wrote: %s\n", text);
    printf("It ended with status %d, under the process id that fork had given it.\n",
           WEXITSTATUS(status));
    return WEXITSTATUS(status) == 7 ? 0 : 1;
}
