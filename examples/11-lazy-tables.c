/*
 * 11-lazy-tables.c - a process is more than memory.
 *
 * fork also duplicates the table of open files, the signal handlers, the list of mapped regions,
 * and the current directory. A lazy kernel shares those too until one side changes them, by the
 * same rule as with pages. The program cannot tell, except by the time: here it opens many files
 * and forks children that change nothing, one thing, or everything.
 *
 *     tine run --stats 11-lazy-tables     counts tables shared and tables copied
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

enum { FILES = 200 };

static void change_nothing(void) { }
static void close_one_file(void) { close(10); }
static void go_elsewhere(void) { if (chdir("/") < 0) _exit(1); }
static void ignore_a_signal(void) { signal(SIGINT, SIG_IGN); }

static void change_everything(void)
{
    for (int fd = 3; fd < FILES; fd++)
        close(fd);
    go_elsewhere();
    ignore_a_signal();
}

int main(void)
{
    static const struct { const char *name; void (*change)(void); } kinds[] = {
        { "changes nothing", change_nothing },
        { "closes one file", close_one_file },
        { "changes its directory", go_elsewhere },
        { "ignores a signal", ignore_a_signal },
        { "changes everything", change_everything },
    };
    int fd, open_files = 0;

    while ((fd = open("/dev/null", O_RDONLY)) >= 0 && fd < FILES - 1)
        continue;

    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        fflush(stdout);
        if (fork() == 0) {
            kinds[i].change();
            _exit(0);
        }
        wait(NULL);

        /* Whatever the child did, our own tables are as they were. */
        open_files = 0;
        for (fd = 0; fd < FILES; fd++)
            open_files += fcntl(fd, F_GETFD) >= 0;
        struct sigaction action;
        sigaction(SIGINT, NULL, &action);
        printf("A child that %-22s parent: %d files open, SIGINT %s\n", kinds[i].name, open_files,
               action.sa_handler == SIG_IGN ? "IGNORED?!" : "as before");
    }
    return open_files == FILES ? 0 : 1;
}
