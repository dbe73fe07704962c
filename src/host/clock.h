// Time, waiting and identity from the host.
#ifndef HOST_CLOCK_H
#define HOST_CLOCK_H

#include "base/types.h"

u64 host_monotonic(void); // ns
// The processor's own count, which costs next to nothing: some 1 to 5 to a nanosecond. For telling whether
// it is worth asking for the time.
static inline u64 host_ticks(void)
{
    return __builtin_ia32_rdtsc();
}
u64 host_realtime(void);  // ns since 1970
struct host_pollfd { int fd; short events, revents; }; // poll(2)'s struct
// poll(2), to the nanosecond; -1 = no limit. Descriptors ready, 0 for a time-out or a signal.
int host_wait(struct host_pollfd *fds, u32 n, i64 timeout_ns);
int host_name(char *buf, size_t cap); // the host's name, NUL-terminated: its length, 0 = none
u32 host_uid(void);
u32 host_gid(void);
int host_event_new(void);           // an eventfd, nonblocking; -errno
void host_event_set(int fd);        // async-signal-safe
void host_event_clear(int fd);
void host_event_free(int fd);
#endif
