/*
 * smoke.c - a little of everything that makes processes, so that tests/unit/machine_test can run it
 * with one of tine's allocations failing. It checks nothing that then could not be had.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

static void handler(int number)
{
    (void)number;
}

static void *thread(void *argument)
{
    return argument;
}

static void child(int out, int number)
{
    if (write(out, "x", 1) == 1)
        raise(SIGUSR1);
    char *p = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p != MAP_FAILED) {
        p[5] = 1;
        munmap(p, 1 << 19);
    }
    _exit(number);
}

int main(int argc, char **argv)
{
    int ends[2], status;
    pthread_t id;

    (void)argv;
    if (argc > 1)
        return 3;
    signal(SIGUSR1, handler);
    if (pipe(ends) < 0)
        return 2;
    for (int i = 0; i < 3; i++) {
        pid_t pid = fork();
        if (pid == 0)
            child(ends[1], i);
        if (pid > 0)
            waitpid(pid, &status, 0);
    }
    pid_t pid = vfork();
    if (pid == 0) {
        execl("/proc/self/exe", "smoke", "again", (char *)NULL);
        _exit(1);
    }
    if (pid > 0)
        waitpid(pid, &status, 0);
    if (pthread_create(&id, NULL, thread, NULL) == 0)
        pthread_join(id, NULL);
    puts("ok smoke");
    return 0;
}
