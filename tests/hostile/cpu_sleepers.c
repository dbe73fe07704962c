/*
 * cpu_sleepers.c - sleeps on the clock of its own process, of such lengths that the time is over when the call begins, while a
 * timer is set on that clock; and others want to run, whom the run queue must not lose. Ends with their number, 3.
 */
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
static volatile int end;
static void *other(void *arg)
{
    while (!end)
        sched_yield();
    return arg;
}
int main(void)
{
    struct timespec none = {0, 1000};
    struct itimerval timer = {{0, 100}, {0, 100}};
    pthread_t thread;
    int status, sum = 0;
    for (int i = 0; i < 3; i++)
        if (fork() == 0) {
            for (int k = 0; k < 300; k++)
                sched_yield();
            _exit(1);
        }
    signal(SIGPROF, SIG_IGN);
    setitimer(ITIMER_PROF, &timer, 0);
    pthread_create(&thread, 0, other, 0);
    for (int i = 0; i < 300; i++) {
        none.tv_nsec = 1 + i * 10;
        clock_nanosleep(CLOCK_PROCESS_CPUTIME_ID, 0, &none, 0);
    }
    end = 1;
    pthread_join(thread, 0);
    while (wait(&status) > 0)
        sum += status >> 8;
    return sum;
}
