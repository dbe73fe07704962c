#include "host/clock.h"

#include <stdio.h>
#include <sys/utsname.h>
#include <errno.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

static u64 read_clock(clockid_t clock)
{
    struct timespec ts;
    clock_gettime(clock, &ts);
    return (u64)ts.tv_sec * 1000000000u + (u64)ts.tv_nsec;
}

u64 host_monotonic(void)
{
    return read_clock(CLOCK_MONOTONIC);
}

u64 host_realtime(void)
{
    return read_clock(CLOCK_REALTIME);
}

_Static_assert(sizeof(struct host_pollfd) == sizeof(struct pollfd), "poll's layout");

#define PIECES_WAIT 5000000 // ns

// More entries than RLIMIT_NOFILE, which poll(2) refuses: all are looked at, then the first ones waited
// for, some milliseconds at most.
static int wait_in_pieces(struct pollfd *fds, u32 n, i64 timeout_ns)
{
    int any = 0, r = 0;
    u32 piece = n / 2;
    while (piece > 1 && poll(fds, piece, 0) < 0 && errno == EINVAL)
        piece /= 2;
    for (u32 i = 0; i < n; i += piece) {
        r = poll(fds + i, MIN(piece, n - i), 0);
        for (u32 k = i; r < 0 && k < MIN(i + piece, n); k++)
            fds[k].revents = 0;
        any += MAX(r, 0);
    }
    if (any || timeout_ns == 0)
        return any;
    struct timespec ts = {.tv_nsec = timeout_ns < 0 ? PIECES_WAIT : MIN(timeout_ns, PIECES_WAIT)};
    r = ppoll(fds, piece, &ts, NULL);
    return MAX(r, 0);
}

int host_wait(struct host_pollfd *fds, u32 n, i64 timeout_ns)
{
    struct timespec ts = {timeout_ns / 1000000000, timeout_ns % 1000000000};
    int r = ppoll((struct pollfd *)fds, n, timeout_ns < 0 ? NULL : &ts, NULL);
    if (r < 0 && errno == EINVAL && n > 1)
        return wait_in_pieces((struct pollfd *)fds, n, timeout_ns);
    return r < 0 ? 0 : r;
}

int host_name(char *buf, size_t cap)
{
    struct utsname u;
    if (uname(&u))
        return 0;
    int n = snprintf(buf, cap, "%s", u.nodename);
    return (size_t)n < cap ? n : (int)cap - 1;
}

u32 host_uid(void)
{
    return getuid();
}

u32 host_gid(void)
{
    return getgid();
}

int host_event_new(void)
{
    int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    return fd < 0 ? -errno : fd;
}

void host_event_set(int fd)
{
    u64 one = 1;
    int saved = errno;
    if (write(fd, &one, sizeof one) < 0) {
        // full: it is set already
    }
    errno = saved;
}

void host_event_clear(int fd)
{
    u64 value;
    if (read(fd, &value, sizeof value) < 0) {
        // empty: nothing to clear
    }
}

void host_event_free(int fd)
{
    close(fd);
}
