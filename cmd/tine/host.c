#include "host.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

// ---- Terminal -------------------------------------------------------------------------------

static struct {
    int fd; // -1 = there is none
    struct termios settings;
} terminal = {.fd = -1};

// Async-signal-safe. A terminal that now belongs to another process group is left alone.
static void terminal_restore(void)
{
    struct termios now;

    if (terminal.fd < 0 || tcgetattr(terminal.fd, &now) < 0)
        return;
    if (memcmp(&now, &terminal.settings, sizeof(now)) == 0)
        return;
    if (tcgetpgrp(terminal.fd) == getpgrp())
        tcsetattr(terminal.fd, TCSANOW, &terminal.settings);
}

static void crashed(int signal)
{
    int saved = errno;

    terminal_restore();
    errno = saved;
    raise(signal); // the action is the default again; it takes effect on return
}

// Only where the default action stands: a sanitizer's own handlers say more.
static void catch_crash(int signal)
{
    struct sigaction action = {.sa_handler = crashed, .sa_flags = (int)SA_RESETHAND};
    struct sigaction old;

    if (sigaction(signal, NULL, &old) == 0 && old.sa_handler == SIG_DFL)
        sigaction(signal, &action, NULL);
}

void terminal_keep(void)
{
    static const int crashes[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGTRAP, SIGSYS};

    // A descriptor of our own: 0, 1 and 2 become the program's, which may close them.
    for (int fd = 0; fd <= 2 && terminal.fd < 0; fd++)
        if (tcgetattr(fd, &terminal.settings) == 0)
            terminal.fd = fcntl(fd, F_DUPFD_CLOEXEC, 100);
    if (terminal.fd < 0)
        return;
    atexit(terminal_restore);
    for (size_t i = 0; i < sizeof(crashes) / sizeof(crashes[0]); i++)
        catch_crash(crashes[i]);
}

// ---- Signals --------------------------------------------------------------------------------

static const int forwarded[] = {SIGINT,  SIGTERM,  SIGHUP,  SIGQUIT, SIGUSR1,
                                SIGUSR2, SIGWINCH, SIGCONT, SIGTSTP};
static struct sigaction before[sizeof(forwarded) / sizeof(forwarded[0])];
static struct tine_machine *target; // a handler has no argument

static void forward(int signal)
{
    int saved = errno;

    if (signal == SIGUSR1)
        tine_machine_dump_soon(target, STDERR_FILENO); // what is everybody doing?
    else
        tine_machine_signal(target, signal);
    errno = saved;
}

uint64_t signals_ignored(void)
{
    struct sigaction now;
    uint64_t set = 0;

    for (int i = 1; i < 65; i++)
        if (sigaction(i, NULL, &now) == 0 && now.sa_handler == SIG_IGN)
            set |= UINT64_C(1) << (i - 1);
    return set;
}

void signals_forward(struct tine_machine *machine)
{
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    struct sigaction action = {.sa_handler = forward, .sa_flags = SA_RESTART};

    target = machine;
    sigfillset(&action.sa_mask);
    for (size_t i = 0; i < sizeof(forwarded) / sizeof(forwarded[0]); i++)
        sigaction(forwarded[i], &action, &before[i]);
    sigaction(SIGPIPE, &ignore, NULL);
    sigaction(SIGXFSZ, &ignore, NULL); // a file size limit of the host's is the program's EFBIG
}

void stop_with_program(struct tine_machine *machine, double seconds)
{
    struct termios program;
    bool saved = terminal.fd >= 0 && tcgetattr(terminal.fd, &program) == 0;
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGCONT};
    struct itimerspec end = {.it_value = {(time_t)seconds, (long)((seconds - (double)(time_t)seconds) * 1e9)}};
    timer_t timer;
    bool limited = seconds > 0 && timer_create(CLOCK_MONOTONIC, &event, &timer) == 0;

    terminal_restore();
    if (!limited || timer_settime(timer, 0, &end, NULL) == 0)
        raise(SIGSTOP);
    if (limited)
        timer_delete(timer);
    if (saved && tcgetpgrp(terminal.fd) == getpgrp())
        tcsetattr(terminal.fd, TCSADRAIN, &program);
    tine_machine_signal(machine, SIGCONT); // also where the handler is not ours
}

void signals_stop(void)
{
    for (size_t i = 0; i < sizeof(forwarded) / sizeof(forwarded[0]); i++)
        sigaction(forwarded[i], &before[i], NULL);
}

void die_of_signal(int signal)
{
    struct sigaction standard = {.sa_handler = SIG_DFL};
    struct rlimit none = {0, 0};
    sigset_t set;

    terminal_restore();
    (void)setrlimit(RLIMIT_CORE, &none); // a core file of the program's is there, one of ours says nothing
    sigemptyset(&set);
    sigaddset(&set, signal);
    sigaction(signal, &standard, NULL);
    sigprocmask(SIG_UNBLOCK, &set, NULL);
    raise(signal);
}

// ---- Files ----------------------------------------------------------------------------------

// Out of the way of the program's descriptors.
static int move_up(int fd)
{
    int high = fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, 100);

    if (fd >= 0)
        close(fd);
    return high;
}

int file_create(const char *path)
{
    return move_up(open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666));
}

int file_keep(const char *directory, const char *name)
{
    char path[4096];
    struct stat is;
    int fd;

    if (snprintf(path, sizeof(path), "%s/%s.code", directory, name) >= (int)sizeof(path)) {
        errno = ENAMETOOLONG;
        return -1;
    }
    fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
    if (fd >= 0 && (fstat(fd, &is) < 0 || !S_ISREG(is.st_mode) || is.st_uid != geteuid() || is.st_mode & 022)) {
        close(fd);
        errno = EPERM;
        return -1;
    }
    return move_up(fd);
}

// ---- Limits ---------------------------------------------------------------------------------

void limits_raise(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return;
    limit.rlim_cur = limit.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &limit);
}
