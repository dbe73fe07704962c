/*
 * 03-eager.c - what fork cost in the early days.
 *
 * The first Unix copied all of the parent at every fork; and the usual child threw all of it away
 * a moment later, in exec. This program makes itself large, forks a few times, and prints how
 * long a fork took. Run it both ways:
 *
 *     tine run --fork=eager 03-eager      every page is copied at once, as it was then
 *     tine run 03-eager                   nothing is copied until somebody writes
 *
 * The first grows with the number of megabytes (the argument, 16 if there is none), the second
 * does not.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static double now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

int main(int argc, char **argv)
{
    enum { ROUNDS = 5 };
    size_t megabytes = argc > 1 ? (size_t)atoi(argv[1]) : 16;
    char *memory = malloc(megabytes << 20);
    double best = 1e18;

    if (memory == NULL)
        return 1;
    memset(memory, 1, megabytes << 20);         /* really there, not only promised */

    for (int i = 0; i < ROUNDS; i++) {
        double begin = now_us();
        pid_t pid = fork();
        if (pid == 0)
            _exit(0);                           /* the copy, if one was made, was for nothing */
        double took = now_us() - begin;         /* what the parent had to wait for */
        if (pid < 0) {
            perror("fork");
            return 1;
        }
        if (took < best)
            best = took;
        waitpid(pid, NULL, 0);
    }
    printf("%zu MiB in use, fork took %.1f microseconds (the best of %d).\n",
           megabytes, best, ROUNDS);
    printf("To copy all of it means %zu pages of 4 KiB; the child used none of them.\n",
           megabytes << 8);
    return 0;
}
