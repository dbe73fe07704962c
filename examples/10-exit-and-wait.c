/*
 * 10-exit-and-wait.c - how a process ends, and who hears of it.
 *
 * A process that ends leaves its status behind and becomes a zombie: dead, but with its number
 * kept until its parent has asked (wait). A process whose parent ends first is an orphan and gets
 * another one: process 1, or a "subreaper", if one of its ancestors has declared itself that.
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

static volatile sig_atomic_t bell;
static void on_child(int number) { (void)number; bell++; }

static void explain(const char *who, int status)
{
    if (WIFEXITED(status))
        printf("%s ended by itself, with status %d.\n", who, WEXITSTATUS(status));
    else if (WIFSIGNALED(status))
        printf("%s was killed by signal %d (%s).\n", who, WTERMSIG(status),
               strsignal(WTERMSIG(status)));
    else if (WIFSTOPPED(status))
        printf("%s is stopped by signal %d.\n", who, WSTOPSIG(status));
    fflush(stdout);
}

int main(void)
{
    int status;
    siginfo_t info;

    /* 1. The usual end. */
    pid_t pid = fork();
    if (pid == 0)
        _exit(3);
    waitpid(pid, &status, 0);
    explain("Child 1", status);

    /* 2. Stopped, continued, killed: wait can hear of all three. */
    pid = fork();
    if (pid == 0)
        for (;;)
            pause();
    kill(pid, SIGSTOP);
    waitpid(pid, &status, WUNTRACED);
    explain("Child 2", status);
    kill(pid, SIGCONT);
    kill(pid, SIGTERM);
    waitpid(pid, &status, 0);
    explain("Child 2", status);

    /* 3. A zombie: we look at it (WNOWAIT), and it is still there; we take it, and it is gone. */
    pid = fork();
    if (pid == 0)
        _exit(9);
    waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT);
    printf("Child 3 is a zombie (status %d); its number is %s.\n", info.si_status,
           kill(pid, 0) == 0 ? "still taken" : "free");
    waitpid(pid, &status, 0);
    printf("After wait its number is %s.\n", kill(pid, 0) == 0 ? "still taken" : "free");

    /* 4. The kernel rings when a child ends. */
    struct sigaction action = { .sa_handler = on_child, .sa_flags = SA_RESTART };
    sigaction(SIGCHLD, &action, NULL);
    fflush(stdout);
    pid = fork();
    if (pid == 0)
        _exit(0);
    waitpid(pid, &status, 0);
    printf("SIGCHLD came %d time.\n", bell);

    /* 5. An orphan comes to us, because we declare ourselves its reaper. */
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    fflush(stdout);
    pid_t middle = fork();
    if (middle == 0) {
        pid_t parent = getpid();
        if (fork() == 0) {
            while (getppid() == parent)         /* until the one in the middle is gone */
                usleep(1000);
            _exit(5);
        }
        _exit(0);
    }
    waitpid(middle, NULL, 0);
    wait(&status);                              /* the grandchild: now a child of ours */
    explain("The orphan", status);
    return 0;
}
