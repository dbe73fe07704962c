/* Pseudo-terminals: the line discipline, job control, hang-up, packet mode (pty(7), termios(3)). */
#include "check.h"

#include <poll.h>
#include <pthread.h>
#include <pty.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <termios.h>

#ifndef TIOCGPTPEER
#define TIOCGPTPEER 0x5441
#endif

static int master, slave;

static void set_flags(tcflag_t iflag, tcflag_t oflag, tcflag_t lflag)
{
    struct termios t;
    CHECK_EQ(tcgetattr(slave, &t), 0);
    t.c_iflag = iflag;
    t.c_oflag = oflag;
    t.c_lflag = lflag;
    CHECK_EQ(tcsetattr(slave, TCSANOW, &t), 0);
}

static void open_pair(void)
{
    char name[64];
    master = posix_openpt(O_RDWR | O_NOCTTY);
    CHECK(master >= 0);
    CHECK_EQ(grantpt(master), 0);
    CHECK_EQ(unlockpt(master), 0);
    CHECK_EQ(ptsname_r(master, name, sizeof name), 0);
    slave = open(name, O_RDWR | O_NOCTTY);
    CHECK(slave >= 0);
}

static void type_(const char *keys, size_t n) { CHECK_EQ(write(master, keys, n), n); }
#define type(keys) type_(keys, sizeof(keys) - 1)

static void wait_readable(int fd)
{
    struct pollfd p = { fd, POLLIN, 0 };
    CHECK_EQ(poll(&p, 1, 2000), 1);
}

static void get_(int fd, const char *want, size_t n, int line)
{
    char got[512];
    size_t have = 0;
    while (have < n) {
        wait_readable(fd);
        ssize_t r = read(fd, got + have, n - have);
        if (r <= 0)
            check_fail(__FILE__, line, "read", r, (long)have);
        have += (size_t)r;
    }
    if (memcmp(got, want, n))
        check_fail(__FILE__, line, "bytes as wanted", got[0], want[0]);
}
#define gets_line(want) get_(slave, want, sizeof(want) - 1, __LINE__)
#define shows(want) get_(master, want, sizeof(want) - 1, __LINE__)

static void nothing(int fd)
{
    struct pollfd p = { fd, POLLIN, 0 };
    CHECK_EQ(poll(&p, 1, 30), 0);
}

#define COOKED (ICANON | ECHO | ECHOE | ECHOK | ECHOCTL | ECHOKE | IEXTEN)

static void names(void)
{
    char name[64], expect[64];
    unsigned number;
    struct stat a, b;
    struct termios t;
    open_pair();
    CHECK_EQ(ioctl(master, TIOCGPTN, &number), 0);
    snprintf(expect, sizeof expect, "/dev/pts/%u", number);
    CHECK_EQ(ptsname_r(master, name, sizeof name), 0);
    CHECK(!strcmp(name, expect));
    CHECK_EQ(ttyname_r(slave, name, sizeof name), 0);
    CHECK(!strcmp(name, expect));
    CHECK_EQ(stat(name, &a), 0);
    CHECK_EQ(fstat(slave, &b), 0);
    CHECK(S_ISCHR(a.st_mode) && a.st_rdev == b.st_rdev && a.st_ino == b.st_ino);
    CHECK(isatty(master) && isatty(slave));
    CHECK_EQ(tcgetattr(slave, &t), 0);
    CHECK(t.c_lflag & ICANON && t.c_cc[VINTR] == 3 && t.c_cc[VERASE] == 127 && t.c_oflag & ONLCR);
}

static void locked(void)
{
    char name[64];
    int on = 1, fd = posix_openpt(O_RDWR | O_NOCTTY);
    CHECK(fd >= 0);
    CHECK_EQ(ptsname_r(fd, name, sizeof name), 0);
    CHECK_ERR(open(name, O_RDWR | O_NOCTTY), EIO);
    CHECK_ERR(ioctl(fd, TIOCGPTPEER, O_RDWR | O_NOCTTY), EIO);
    CHECK_EQ(unlockpt(fd), 0);
    int peer = ioctl(fd, TIOCGPTPEER, O_RDWR | O_NOCTTY);
    CHECK(peer >= 0 && isatty(peer));
    CHECK_EQ(close(open(name, O_RDWR | O_NOCTTY)), 0);
    CHECK_EQ(ioctl(fd, TIOCSPTLCK, &on), 0);
    CHECK_ERR(open(name, O_RDWR | O_NOCTTY), EIO);
    CHECK_EQ(close(peer), 0);
    CHECK_EQ(close(fd), 0);
    CHECK_ERR(open(name, O_RDWR | O_NOCTTY), ENOENT);
}

static void lines(void)
{
    open_pair();
    set_flags(ICRNL, OPOST | ONLCR, COOKED);
    type("one\rtw");
    shows("one\r\ntw");
    gets_line("one\n");
    nothing(slave);
    type("o\n\n");
    shows("o\r\n\r\n");
    gets_line("two\n");
    gets_line("\n");
    type("abc\004");
    char buf[16];
    wait_readable(slave);
    CHECK_EQ(read(slave, buf, sizeof buf), 3);
    type("abc\004");
    wait_readable(slave);
    CHECK_EQ(read(slave, buf, 2), 2);
    CHECK_EQ(read(slave, buf, 2), 1);
    type("\004");
    wait_readable(slave);
    CHECK_EQ(read(slave, buf, sizeof buf), 0);
    nothing(slave);
}

static void editing(void)
{
    open_pair();
    set_flags(ICRNL, OPOST | ONLCR, COOKED);
    type("ax\177b\n");
    shows("ax\b \bb\r\n");
    gets_line("ab\n");
    type("foo bar\027x\n");
    shows("foo bar\b \b\b \b\b \bx\r\n");
    gets_line("foo x\n");
    type("gone\025k\n");
    shows("gone\b \b\b \b\b \b\b \bk\r\n");
    gets_line("k\n");
    type("\026\003q\n");
    shows("^\b^Cq\r\n");
    gets_line("\003q\n");
    type("re\022\n");
    shows("re^R\r\nre\r\n");
    gets_line("re\n");
    type("\001\177\177z\n");
    shows("^A\b \b\b \bz\r\n");
    gets_line("z\n");
    type("a\t\177b\n");
    shows("a\t\b\b\b\b\b\b\bb\r\n");
    gets_line("ab\n");
}

static void echoes(void)
{
    open_pair();
    set_flags(ICRNL, OPOST | ONLCR, ICANON | ECHONL);
    type("silent\n");
    shows("\r\n");
    gets_line("silent\n");
    set_flags(ICRNL, OPOST | ONLCR, ICANON);
    type("more\n");
    gets_line("more\n");
    nothing(master);
    set_flags(ICRNL, OPOST | ONLCR, ICANON | ECHO | ECHOK);
    type("xy\025\n");
    shows("xy\025\r\n\r\n");
    gets_line("\n");
    set_flags(ICRNL, OPOST | ONLCR, ICANON | ECHO | ECHOPRT | ECHOE | IEXTEN);
    type("ab\177\177c\n");
    shows("ab\\ba/c\r\n");
    gets_line("c\n");
}

static void mappings(void)
{
    open_pair();
    set_flags(INLCR, 0, 0);
    type("a\nb");
    gets_line("a\rb");
    set_flags(IGNCR, 0, 0);
    type("a\rb");
    gets_line("ab");
    set_flags(ISTRIP, 0, 0);
    type("\301");
    gets_line("A");
    set_flags(IUCLC, 0, IEXTEN);
    type("ABc");
    gets_line("abc");
    set_flags(PARMRK, 0, 0);
    type("\377");
    gets_line("\377\377");
    set_flags(0, OPOST | OCRNL, 0);
    CHECK_EQ(write(slave, "a\rb", 3), 3);
    shows("a\nb");
    set_flags(0, OPOST | ONLCR | XTABS, 0);
    CHECK_EQ(write(slave, "\nab\tc", 5), 5);
    shows("\r\nab      c");
    set_flags(0, OPOST | OLCUC, 0);
    CHECK_EQ(write(slave, "up", 2), 2);
    shows("UP");
    set_flags(0, ONLCR, 0);
    CHECK_EQ(write(slave, "\n", 1), 1);
    shows("\n");
}

static void raw_modes(void)
{
    struct termios t;
    char buf[16];
    open_pair();
    CHECK_EQ(tcgetattr(slave, &t), 0);
    cfmakeraw(&t);
    t.c_cc[VMIN] = 3;
    t.c_cc[VTIME] = 0;
    CHECK_EQ(tcsetattr(slave, TCSAFLUSH, &t), 0);
    pid_t child = check_fork();
    if (!child) {
        for (int i = 0; i < 3; i++) {
            check_sleep_ms(20);
            type("x");
        }
        _exit(0);
    }
    CHECK_EQ(read(slave, buf, sizeof buf), 3);
    CHECK_EXIT(child, 0);
    t.c_cc[VMIN] = 0;
    CHECK_EQ(tcsetattr(slave, TCSANOW, &t), 0);
    CHECK_EQ(read(slave, buf, sizeof buf), 0);
    t.c_cc[VTIME] = 2;
    CHECK_EQ(tcsetattr(slave, TCSANOW, &t), 0);
    long begin = check_now_ms();
    CHECK_EQ(read(slave, buf, sizeof buf), 0);
    long took = check_now_ms() - begin;
    CHECK(took >= 150 && took < 1500);
    t.c_cc[VMIN] = 5;
    CHECK_EQ(tcsetattr(slave, TCSANOW, &t), 0);
    type("ab");
    CHECK_EQ(read(slave, buf, sizeof buf), 2);
    t.c_cc[VMIN] = 1;
    t.c_cc[VTIME] = 0;
    CHECK_EQ(tcsetattr(slave, TCSANOW, &t), 0);
    CHECK_EQ(fcntl(slave, F_SETFL, O_NONBLOCK), 0);
    CHECK_ERR(read(slave, buf, sizeof buf), EAGAIN);
}

static void canonical_to_raw(void)
{
    int n = -1;
    open_pair();
    set_flags(ICRNL, 0, ICANON);
    type("half");
    check_sleep_ms(20);
    nothing(slave);
    CHECK_EQ(ioctl(slave, FIONREAD, &n), 0);
    CHECK_EQ(n, 0);
    set_flags(ICRNL, 0, 0);
    gets_line("half");
    type("word");
    wait_readable(slave);
    CHECK_EQ(ioctl(slave, FIONREAD, &n), 0);
    CHECK(n >= 1 && n <= 4);
}

static void flow(void)
{
    open_pair();
    set_flags(IXON, 0, 0);
    type("\023");
    check_sleep_ms(20);
    CHECK_EQ(fcntl(slave, F_SETFL, O_NONBLOCK), 0);
    CHECK_ERR(write(slave, "x", 1), EAGAIN);
    type("\021");
    check_sleep_ms(20);
    CHECK_EQ(write(slave, "x", 1), 1);
    shows("x");
    CHECK_EQ(tcflow(slave, TCOOFF), 0);
    CHECK_ERR(write(slave, "x", 1), EAGAIN);
    CHECK_EQ(tcflow(slave, TCOON), 0);
    CHECK_EQ(write(slave, "y", 1), 1);
    shows("y");
    CHECK_EQ(tcflow(slave, TCIOFF), 0);
    shows("\023");
    CHECK_EQ(tcflow(slave, TCION), 0);
    shows("\021");
    CHECK_EQ(tcsendbreak(slave, 0), 0);
    CHECK_EQ(tcdrain(slave), 0);
}

static void flushes(void)
{
    open_pair();
    set_flags(0, 0, 0);
    type("input");
    wait_readable(slave);
    CHECK_EQ(tcflush(slave, TCIFLUSH), 0);
    nothing(slave);
    CHECK_EQ(write(slave, "z", 1), 1);
    shows("z");
}

static void full(void)
{
    char block[1024];
    size_t n = 0, back = 0;
    memset(block, 'f', sizeof block);
    open_pair();
    set_flags(0, 0, 0);
    CHECK_EQ(fcntl(slave, F_SETFL, O_NONBLOCK), 0);
    for (ssize_t r; (r = write(slave, block, sizeof block)) > 0;) {
        n += (size_t)r;
        CHECK(n < 1 << 22);
    }
    CHECK_EQ(errno, EAGAIN);
    struct pollfd p = { slave, POLLOUT, 0 };
    CHECK_EQ(poll(&p, 1, 0), 0);
    while (back < n) {
        wait_readable(master);
        ssize_t r = read(master, block, sizeof block);
        CHECK(r > 0);
        back += (size_t)r;
    }
    CHECK_EQ(back, n);
    CHECK_EQ(poll(&p, 1, 1000), 1);
}

static void packet(void)
{
    int on = 1;
    open_pair();
    CHECK_EQ(ioctl(master, TIOCPKT, &on), 0);
    on = 0;
    CHECK_EQ(ioctl(master, TIOCGPKT, &on), 0);
    CHECK_EQ(on, 1);
    set_flags(IXON, 0, 0);
    CHECK_EQ(write(slave, "ab", 2), 2);
    shows("\0ab");
    CHECK_EQ(tcflow(slave, TCOOFF), 0);
    struct pollfd p = { master, POLLIN | POLLPRI, 0 };
    CHECK_EQ(poll(&p, 1, 1000), 1);
    CHECK(p.revents & POLLPRI);
    char byte[8];
    CHECK_EQ(read(master, byte, sizeof byte), 1);
    CHECK_EQ(byte[0], TIOCPKT_STOP);
    CHECK_EQ(tcflow(slave, TCOON), 0);
    CHECK_EQ(read(master, byte, sizeof byte), 1);
    CHECK_EQ(byte[0], TIOCPKT_START);
    set_flags(0, 0, 0);
    CHECK_EQ(read(master, byte, sizeof byte), 1);
    CHECK_EQ(byte[0], TIOCPKT_NOSTOP);
}

static void master_closes(void)
{
    char byte;
    open_pair();
    CHECK_EQ(close(master), 0);
    struct pollfd p = { slave, POLLIN | POLLOUT, 0 };
    CHECK_EQ(poll(&p, 1, 1000), 1);
    CHECK(p.revents & POLLHUP && p.revents & POLLIN);
    CHECK_EQ(read(slave, &byte, 1), 0);
    CHECK_ERR(write(slave, "x", 1), EIO);
    struct termios t;
    CHECK_ERR(tcgetattr(slave, &t), EIO);
}

static void slave_closes(void)
{
    char buf[8];
    open_pair();
    set_flags(0, 0, 0);
    CHECK_EQ(write(slave, "end", 3), 3);
    CHECK_EQ(close(slave), 0);
    shows("end");
    struct pollfd p = { master, POLLIN, 0 };
    CHECK_EQ(poll(&p, 1, 1000), 1);
    CHECK(p.revents & POLLHUP);
    CHECK_ERR(read(master, buf, sizeof buf), EIO);
    slave = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY);
    CHECK(slave >= 0);
    CHECK_EQ(write(slave, "again", 5), 5);
    shows("again");
}

static void epolls(void)
{
    struct epoll_event e = { .events = EPOLLIN | EPOLLET };
    open_pair();
    set_flags(0, 0, 0);
    int set = epoll_create1(0);
    CHECK_EQ(epoll_ctl(set, EPOLL_CTL_ADD, slave, &e), 0);
    CHECK_EQ(epoll_wait(set, &e, 1, 0), 0);
    type("k");
    CHECK_EQ(epoll_wait(set, &e, 1, 1000), 1);
    CHECK_EQ(epoll_wait(set, &e, 1, 20), 0);
    type("l");
    CHECK_EQ(epoll_wait(set, &e, 1, 1000), 1);
    gets_line("kl");
}

/* ---- sessions */

static volatile sig_atomic_t seen;
static void on_signal(int signo) { seen = signo; }

/* Runs f in a session of its own that has the slave as its terminal. */
static pid_t in_session(void (*f)(void))
{
    pid_t child = check_fork();
    if (child)
        return child;
    CHECK_EQ(setsid(), getpid());
    CHECK_EQ(ioctl(slave, TIOCSCTTY, 0), 0);
    f();
    _exit(0);
}

static void ready(void) { CHECK_EQ(write(slave, "!", 1), 1); }

static void wait_signal(int signo)
{
    for (int i = 0; i < 200 && seen != signo; i++)
        check_sleep_ms(10);
    CHECK_EQ(seen, signo);
}

static void catch_keys(void)
{
    int signals[] = { SIGINT, SIGQUIT, SIGTSTP, SIGWINCH };
    for (size_t i = 0; i < COUNT(signals); i++)
        signal(signals[i], on_signal);
    for (size_t i = 0; i < COUNT(signals); i++) {
        seen = 0;
        ready();
        wait_signal(signals[i]);
    }
}

static void signal_keys(void)
{
    struct winsize size = { 30, 100, 0, 0 };
    open_pair();
    set_flags(ICRNL, OPOST, ICANON | ISIG);
    pid_t child = in_session(catch_keys);
    shows("!");
    type("lost\003");
    shows("!");
    type("\034");
    shows("!");
    type("\032");
    shows("!");
    CHECK_EQ(ioctl(master, TIOCSWINSZ, &size), 0);
    CHECK_EXIT(child, 0);
    CHECK_EQ(ioctl(slave, TIOCGWINSZ, &size), 0);
    CHECK_EQ(size.ws_col, 100);
    nothing(slave);
}

static void who(void)
{
    char name[64];
    struct stat open_one, named;
    int fd = open("/dev/tty", O_RDWR);
    CHECK(fd >= 0);
    CHECK_EQ(fstat(fd, &open_one) | stat("/dev/tty", &named), 0);
    CHECK_EQ(open_one.st_rdev, named.st_rdev);
    CHECK_EQ(open_one.st_ino, named.st_ino);
    CHECK_EQ(ttyname_r(fd, name, sizeof name), 0);
    CHECK_EQ(strcmp(name, "/dev/tty"), 0);
    CHECK_EQ(tcgetpgrp(fd), getpgrp());
    CHECK_EQ(tcgetsid(slave), getpid());
    CHECK_EQ(ptsname_r(master, name, sizeof name), 0);
    CHECK_EQ(ioctl(fd, TIOCNOTTY), 0);
    CHECK_ERR(open("/dev/tty", O_RDWR), ENXIO);
    CHECK_ERR(tcgetpgrp(slave), ENOTTY);
    int again = open(name, O_RDWR); /* a leader without a terminal takes it */
    CHECK(again >= 0);
    CHECK_EQ(tcgetpgrp(again), getpgrp());
    CHECK_EQ(close(open("/dev/tty", O_RDWR)), 0);
}

static void controlling(void)
{
    pid_t pgrp;
    open_pair();
    signal(SIGHUP, SIG_IGN);
    pid_t child = in_session(who);
    CHECK_EXIT(child, 0);
    CHECK_EQ(ioctl(master, TIOCGPGRP, &pgrp), 0);
    CHECK_EQ(pgrp, 0);
}

/* Asked of the master, it is the slave that becomes the terminal. */
static void by_master(void)
{
    open_pair();
    pid_t child = check_fork();
    if (child == 0) {
        CHECK_EQ(setsid(), getpid());
        CHECK_EQ(ioctl(master, TIOCSCTTY, 0), 0);
        CHECK_EQ(tcgetpgrp(slave), getpid());
        _exit(0);
    }
    CHECK_EXIT(child, 0);
}

static void *sleeps(void *arg)
{
    pause();
    return arg;
}

/* Who closes the last master of its own terminal by ending is sent SIGHUP by that: too late to matter. */
static void ends_with_master(void)
{
    int go[2];
    open_pair();
    CHECK_EQ(pipe(go), 0);
    pid_t child = check_fork();
    if (child == 0) {
        pthread_t thread;
        char c;
        CHECK_EQ(setsid(), getpid());
        CHECK_EQ(ioctl(slave, TIOCSCTTY, 0), 0);
        for (int i = 0; i < 3; i++)
            CHECK_EQ(pthread_create(&thread, NULL, sleeps, NULL), 0);
        CHECK_EQ(read(go[0], &c, 1), 1);
        _exit(7);
    }
    CHECK_EQ(close(master), 0);
    CHECK_EQ(close(slave), 0);
    CHECK_EQ(write(go[1], "g", 1), 1);
    CHECK_EXIT(child, 7);
}

static void background(void)
{
    int status;
    signal(SIGTTOU, SIG_DFL);
    pid_t child = check_fork();
    if (!child) {
        char byte;
        setpgid(0, 0);
        (void)!read(slave, &byte, 1); /* stops */
        CHECK_EQ(byte, 'g');
        struct termios t;
        CHECK_EQ(tcgetattr(slave, &t), 0);
        CHECK_EQ(tcsetattr(slave, TCSANOW, &t), 0); /* stops again */
        _exit(7);
    }
    setpgid(child, child);
    CHECK_EQ(waitpid(child, &status, WUNTRACED), child);
    CHECK(WIFSTOPPED(status) && WSTOPSIG(status) == SIGTTIN);
    CHECK_EQ(tcsetpgrp(slave, child), 0);
    CHECK_EQ(kill(-child, SIGCONT), 0);
    ready();
    check_sleep_ms(100);
    signal(SIGTTOU, SIG_IGN);
    CHECK_EQ(tcsetpgrp(slave, getpgrp()), 0);
    ready();
    CHECK_EQ(waitpid(child, &status, WUNTRACED), child);
    CHECK(WIFSTOPPED(status) && WSTOPSIG(status) == SIGTTOU);
    CHECK_EQ(tcsetpgrp(slave, child), 0);
    CHECK_EQ(kill(-child, SIGCONT), 0);
    CHECK_EXIT(child, 7);
}

static void jobs(void)
{
    open_pair();
    set_flags(ICRNL, 0, ISIG);
    pid_t child = in_session(background);
    shows("!");
    check_sleep_ms(50);
    /* the reader blocks until the leader has taken the terminal back */
    shows("!");
    type("g");
    CHECK_EXIT(child, 0);
}

static void tostop(void)
{
    int status;
    set_flags(0, 0, TOSTOP);
    pid_t child = check_fork();
    if (!child) {
        setpgid(0, 0);
        _exit(write(slave, "w", 1) == 1 ? 3 : 4);
    }
    setpgid(child, child);
    CHECK_EQ(waitpid(child, &status, WUNTRACED), child);
    CHECK(WIFSTOPPED(status) && WSTOPSIG(status) == SIGTTOU);
    set_flags(0, 0, 0);
    CHECK_EQ(kill(child, SIGCONT), 0);
    CHECK_EXIT(child, 3);
}

static void tostop_stops(void)
{
    open_pair();
    pid_t child = in_session(tostop);
    shows("w");
    CHECK_EXIT(child, 0);
}

static void wait_hup(void)
{
    signal(SIGHUP, on_signal);
    close(master);
    ready();
    wait_signal(SIGHUP);
    char byte;
    CHECK_EQ(read(slave, &byte, 1), 0);
    CHECK_ERR(open("/dev/tty", O_RDWR), ENXIO);
}

static void hang_up(void)
{
    open_pair();
    pid_t child = in_session(wait_hup);
    shows("!");
    CHECK_EQ(close(master), 0);
    CHECK_EXIT(child, 0);
}

static void leave_member(void)
{
    if (check_fork() == 0) {
        signal(SIGHUP, on_signal);
        ready();
        wait_signal(SIGHUP);
        ready();
        check_sleep_ms(1000);
        _exit(0);
    }
    check_sleep_ms(100);
}

static void leader_ends(void)
{
    open_pair();
    set_flags(0, 0, 0);
    pid_t child = in_session(leave_member);
    shows("!");
    CHECK_EXIT(child, 0);
}

static void type_by_ioctl(void)
{
    char byte = 'q';
    set_flags(0, 0, 0);
    if (ioctl(slave, TIOCSTI, &byte) < 0)
        _exit(errno == EIO ? 0 : 1); /* newer kernels have it switched off */
    CHECK_EQ(read(slave, &byte, 1), 1);
    CHECK_EQ(byte, 'q');
}

static void simulated_input(void)
{
    open_pair();
    CHECK_EXIT(in_session(type_by_ioctl), 0);
}

static void through_forkpty(void)
{
    char text[64];
    size_t n = 0;
    pid_t child = forkpty(&master, NULL, NULL, NULL);
    CHECK(child >= 0);
    if (!child) {
        char line[32];
        if (!fgets(line, sizeof line, stdin))
            _exit(1);
        printf("<%s", line);
        fflush(stdout);
        _exit(5);
    }
    type("hello\n");
    for (ssize_t r; n < sizeof text && (r = read(master, text + n, sizeof text - n)) > 0;)
        n += (size_t)r;
    CHECK_EQ(errno, EIO);
    CHECK_EQ(n, 15);
    CHECK(!memcmp(text, "hello\r\n<hello\r\n", 15));
    CHECK_EXIT(child, 5);
}

static const struct check_case cases[] = {
    CASE(names),       CASE(locked),          CASE(lines),         CASE(editing),
    CASE(echoes),      CASE(mappings),        CASE(raw_modes),     CASE(canonical_to_raw),
    CASE(flow),        CASE(flushes),         CASE(full),          CASE(packet),
    CASE(master_closes), CASE(slave_closes),  CASE(epolls),        CASE(signal_keys),
    CASE(controlling), CASE(by_master),       CASE(ends_with_master), CASE(jobs),          CASE(tostop_stops),  CASE(hang_up),
    CASE(leader_ends), CASE(simulated_input), CASE(through_forkpty),
};

int main(int argc, char **argv) { return check_main(argc, argv, cases, COUNT(cases)); }
