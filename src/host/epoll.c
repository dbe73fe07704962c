#include "host/epoll.h"

#include <errno.h>
#include <sys/epoll.h>

#include "host/retry.h"

int host_epoll_new(void)
{
    int fd = epoll_create1(EPOLL_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

int host_epoll_set(int epoll, int fd, u32 events, u64 data)
{
    struct epoll_event e = {.events = events | EPOLLET, .data.u64 = data};
    if (epoll_ctl(epoll, EPOLL_CTL_MOD, fd, &e) == 0)
        return 0;
    if (errno == ENOENT && epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &e) == 0)
        return 0;
    return -errno;
}

void host_epoll_drop(int epoll, int fd)
{
    epoll_ctl(epoll, EPOLL_CTL_DEL, fd, NULL);
}

u32 host_epoll_take(int epoll, u64 *data, u32 room)
{
    struct epoll_event e[32];
    int n = (int)RETRY(epoll_wait(epoll, e, (int)MIN(room, 32u), 0));
    for (int i = 0; i < n; i++)
        data[i] = e[i].data.u64;
    return n < 0 ? 0 : (u32)n;
}
