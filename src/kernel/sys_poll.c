// Waiting for files: park_on_file, ppoll, pselect6; and the arguments of calls that wait.
//
// A call that waits is entered again whenever something that it waited for happened. It looks at
// everything afresh each time, and registers with everything before it parks again.
//   t->call.state[0]  the deadline in machine time, 0 = none
//   t->call.state[1]  1 once the arguments of the first entry are taken (mask, time-out)
#include "kernel/sys_file.h"

#include <errno.h>
#include <string.h>

#include "base/alloc.h"
#include "kernel/socket.h"
#include "mm/uaccess.h"

file_t fd_arg(struct task *t, u64 fd)
{
    return (i32)fd < 0 ? 0 : fd_get(t->files, (u32)fd);
}

// ---- parking

static int wait_on_spec(struct machine *m, struct task *t, const struct wait_spec *w)
{
    for (int i = 0; i < w->nchan; i++) {
        int r = wait_on(m, t, w->chan[i]);
        if (r && r != -EPARK)
            return r;
    }
    if (w->host_fd < 0)
        return 0;
    int r = wait_on_host(m, t, w->host_fd, w->host_events);
    return r == -EPARK ? 0 : r;
}

int park_on_spec(struct machine *m, struct task *t, const struct wait_spec *w)
{
    if (w->nchan == 0 && w->host_fd < 0)
        return -EAGAIN; // nothing would ever wake it
    int r = wait_on_spec(m, t, w);
    return r ? r : park(m, t);
}

int park_on_file(struct machine *m, struct task *t, file_t file, int events)
{
    struct wait_spec w;
    if (file_at(m->fs, file)->kind == FILE_SOCKET)
        return socket_park(m, t, file, events); // it has time-outs of its own
    file_wait(m->fs, file, events, &w);
    return park_on_spec(m, t, &w);
}

// ---- arguments of waiting calls

#define NS 1000000000ULL

int timeout_arg(struct machine *m, struct task *t, gva_t from, u64 *when)
{
    struct g_timespec ts;
    int r = uaccess_read(t->mm, &ts, from, sizeof ts);
    if (r)
        return r;
    if (ts.sec < 0 || ts.nsec < 0 || ts.nsec >= (i64)NS)
        return -EINVAL;
    u64 now = machine_time(m), most = INT64_MAX;
    u64 ns = (u64)ts.sec >= most / NS ? most : (u64)ts.sec * NS + (u64)ts.nsec;
    *when = MAX(ns > most - MIN(now, most) ? most : now + ns, 1u);
    return 0;
}

int mask_arg(struct machine *m, struct task *t, gva_t from, u64 size)
{
    u64 mask;
    (void)m;
    if (!from || t->restore_mask)
        return 0;
    if (size != sizeof mask)
        return -EINVAL;
    int r = uaccess_read_u64(t->mm, &mask, from);
    if (r)
        return r;
    t->saved_mask = t->mask;
    t->mask = mask & ~(SIGBIT(G_SIGKILL) | SIGBIT(G_SIGSTOP));
    t->restore_mask = true;
    return 0;
}

// Time-out and signal mask. The time-out is the first entry's; the mask is installed anew if a
// signal without a handler came between.
static int wait_begins(struct machine *m, struct task *t, gva_t timeout, gva_t mask, u64 size)
{
    int r = timeout && !t->call.state[1] ? timeout_arg(m, t, timeout, &t->call.state[0]) : 0;
    if (r == 0)
        r = mask_arg(m, t, mask, size);
    if (r == 0)
        t->call.state[1] = 1;
    return r;
}

static bool wait_is_over(struct machine *m, struct task *t)
{
    return t->timed_out || (t->call.state[0] && machine_time(m) >= t->call.state[0]);
}

// Every result but a new wait: the time that is left goes back to the caller, as Linux does it, and
// the mask returns unless a signal is to be delivered first.
static i64 wait_ends(struct machine *m, struct task *t, gva_t timeout, i64 r)
{
    if (r == -EPARK)
        return r;
    if (r == -ERESTARTSYS)
        r = -ERESTARTNOHAND;
    else if (t->restore_mask) {
        t->mask = t->saved_mask;
        t->restore_mask = false;
    }
    bool sticky = group_of(m, t)->personality & G_STICKY_TIMEOUTS;
    if (sticky && r == -ERESTARTNOHAND)
        r = -EINTR; // begun again it would wait as long once more
    if (timeout && t->call.state[1] && !sticky) {
        u64 now = machine_time(m), left = t->call.state[0] > now ? t->call.state[0] - now : 0;
        struct g_timespec ts = {(i64)(left / NS), (i64)(left % NS)};
        if (t->timed_out)
            ts = (struct g_timespec){0, 0};
        int e = uaccess_write(t->mm, timeout, &ts, sizeof ts);
        (void)e; // read-only memory is no error here
    }
    return r;
}

// ---- what is ready

int ready_bits(struct machine *m, file_t file)
{
    int bits = file_poll(m->fs, file);
    if (bits & ABI_POLLIN)
        bits |= ABI_POLLRDNORM;
    if (bits & ABI_POLLOUT)
        bits |= ABI_POLLWRNORM;
    return bits;
}

#define WANTS_IN (ABI_POLLIN | ABI_POLLRDNORM | ABI_POLLRDBAND | ABI_POLLPRI | ABI_POLLRDHUP)
#define WANTS_OUT (ABI_POLLOUT | ABI_POLLWRNORM | ABI_POLLWRBAND)

// Registers for the events, and for errors and hang-ups, which always count.
static int wait_for_file(struct machine *m, struct task *t, file_t file, int events)
{
    struct wait_spec w;
    int want = (events & WANTS_IN ? ABI_POLLIN : 0) | (events & WANTS_OUT ? ABI_POLLOUT : 0);
    file_wait(m->fs, file, want ? want : ABI_POLLIN, &w);
    if (!want)
        w.host_events = 0;
    if (!(events & (ABI_POLLIN | ABI_POLLRDNORM | ABI_POLLRDBAND))) // what is there to be read wakes nobody then
        w.host_events &= ~ABI_POLLIN;
    w.host_events |= (short)(events & (ABI_POLLPRI | ABI_POLLRDHUP));
    return wait_on_spec(m, t, &w);
}

static int park_for_poll(struct machine *m, struct task *t)
{
    if (t->call.state[0])
        park_until(m, t, t->call.state[0]);
    return park(m, t);
}

// ---- ppoll

// How many are ready, or -ERESTARTSYS.
static i64 poll_check(struct machine *m, struct task *t, struct abi_pollfd *fds, u64 n)
{
    i64 ready = 0;
    for (u64 i = 0; i < n; i++) {
        if (i % 1024 == 1023 && call_must_end(m, t))
            return -ERESTARTSYS;
        fds[i].revents = 0;
        if (fds[i].fd < 0)
            continue;
        file_t file = fd_get(t->files, (u32)fds[i].fd);
        int want = (u16)fds[i].events | ABI_POLLERR | ABI_POLLHUP;
        fds[i].revents = (i16)(file ? ready_bits(m, file) & want : ABI_POLLNVAL);
        ready += fds[i].revents != 0;
    }
    return ready;
}

static int poll_park(struct machine *m, struct task *t, const struct abi_pollfd *fds, u64 n)
{
    for (u64 i = 0; i < n; i++) {
        if (fds[i].fd < 0)
            continue;
        int r = wait_for_file(m, t, fd_get(t->files, (u32)fds[i].fd), (u16)fds[i].events);
        if (r)
            return r;
    }
    return park_for_poll(m, t);
}

static i64 do_poll(struct machine *m, struct task *t, gva_t from, u64 n, struct abi_pollfd *fds)
{
    int e = n ? uaccess_read(t->mm, fds, from, n * sizeof *fds) : 0;
    if (e)
        return e;
    i64 ready = poll_check(m, t, fds, n);
    if (!ready && !wait_is_over(m, t))
        return poll_park(m, t, fds, n);
    for (u64 i = 0; i < n && e == 0; i++)
        e = uaccess_write(t->mm, from + i * sizeof *fds + offsetof(struct abi_pollfd, revents),
                          &fds[i].revents, sizeof fds[i].revents);
    return e ? e : ready;
}

i64 sys_ppoll(struct machine *m, struct task *t, const u64 *a)
{
    struct abi_pollfd few[32], *fds = few;
    u64 n = (u32)a[1];
    if (n > fd_limit(m, t))
        return -EINVAL;
    int e = wait_begins(m, t, a[2], a[3], a[4]);
    if (e)
        return e;
    if (n > ARRAY_LEN(few)) {
        fds = mem_alloc(n * sizeof *fds);
        if (!fds)
            return wait_ends(m, t, a[2], -ENOMEM);
    }
    i64 r = do_poll(m, t, a[0], n, fds);
    if (fds != few)
        mem_free(fds);
    return wait_ends(m, t, a[2], r);
}

// ---- pselect6

#define SELECT_MAX 65536u // descriptors; more are not looked at
#define SELECT_WORDS (SELECT_MAX / 64)

static const int select_ready[3] = {
    ABI_POLLRDNORM | ABI_POLLRDBAND | ABI_POLLIN | ABI_POLLHUP | ABI_POLLERR,
    ABI_POLLWRNORM | ABI_POLLWRBAND | ABI_POLLOUT | ABI_POLLERR,
    ABI_POLLPRI,
};
static const int select_wanted[3] = {ABI_POLLIN, ABI_POLLOUT, ABI_POLLPRI};

struct select {
    u32 n, words;
    gva_t at[3];                    // 0 = not given
    u64 in[3][SELECT_WORDS];
    u64 out[3][SELECT_WORDS];
};

static int select_arg(struct task *t, struct select *s, const u64 *a)
{
    s->words = (s->n + 63) / 64;
    for (int k = 0; k < 3; k++) {
        s->at[k] = a[1 + k];
        memset(s->in[k], 0, s->words * sizeof(u64));
        memset(s->out[k], 0, s->words * sizeof(u64));
        int r = s->at[k] ? uaccess_read(t->mm, s->in[k], s->at[k], s->words * sizeof(u64)) : 0;
        if (r)
            return r;
        if (s->n % 64)
            s->in[k][s->words - 1] &= (1ULL << s->n % 64) - 1;
    }
    return 0;
}

// Calls `visit` state for each descriptor in any set: -EBADF for one that is not open.
static i64 select_check(struct machine *m, struct task *t, struct select *s)
{
    i64 ready = 0;
    for (u32 w = 0; w < s->words; w++) {
        u64 any = s->in[0][w] | s->in[1][w] | s->in[2][w];
        for (; any; any &= any - 1) {
            u32 bit = (u32)__builtin_ctzll(any);
            file_t file = fd_get(t->files, w * 64 + bit);
            if (!file)
                return -EBADF;
            int bits = ready_bits(m, file);
            for (int k = 0; k < 3; k++)
                if (s->in[k][w] >> bit & 1 && bits & select_ready[k]) {
                    s->out[k][w] |= 1ULL << bit;
                    ready++;
                }
        }
    }
    return ready;
}

static int select_park(struct machine *m, struct task *t, const struct select *s)
{
    for (u32 w = 0; w < s->words; w++) {
        u64 any = s->in[0][w] | s->in[1][w] | s->in[2][w];
        for (; any; any &= any - 1) {
            u32 bit = (u32)__builtin_ctzll(any);
            int want = 0;
            for (int k = 0; k < 3; k++)
                want |= s->in[k][w] >> bit & 1 ? select_wanted[k] : 0;
            file_t file = fd_get(t->files, w * 64 + bit);
            // The host tells of errors and hang-ups unasked; whom they do not concern waits for nothing more.
            if (!(s->in[0][w] >> bit & 1) && ready_bits(m, file) & (ABI_POLLERR | ABI_POLLHUP))
                continue;
            int r = wait_for_file(m, t, file, want);
            if (r)
                return r;
        }
    }
    return park_for_poll(m, t);
}

static i64 do_select(struct machine *m, struct task *t, struct select *s, const u64 *a)
{
    int e = select_arg(t, s, a);
    i64 ready = e ? e : select_check(m, t, s);
    if (ready < 0)
        return ready;
    if (ready == 0 && !wait_is_over(m, t))
        return select_park(m, t, s);
    for (int k = 0; k < 3 && e == 0; k++)
        if (s->at[k])
            e = uaccess_write(t->mm, s->at[k], s->out[k], s->words * sizeof(u64));
    return e ? e : ready;
}

i64 sys_pselect6(struct machine *m, struct task *t, const u64 *a)
{
    u64 mask[2] = {0, 0}; // address and size
    if ((i32)a[0] < 0)
        return -EINVAL;
    int e = a[5] ? uaccess_read(t->mm, mask, a[5], sizeof mask) : 0;
    if (e == 0)
        e = wait_begins(m, t, a[4], mask[0], mask[1]);
    if (e)
        return e;
    struct select *s = mem_alloc(sizeof *s);
    if (!s)
        return wait_ends(m, t, a[4], -ENOMEM);
    s->n = (u32)MIN(MIN((u64)(u32)a[0], fd_limit(m, t)), SELECT_MAX);
    i64 r = do_select(m, t, s, a);
    mem_free(s);
    return wait_ends(m, t, a[4], r);
}
