// timerfd_create(2): a timer that is read. `object` is its id in pool `timers`, shared by all who have
// the description; how often it expired is worked out when somebody reads (T1).
#include <errno.h>

#include "base/alloc.h"
#include "kernel/access.h"
#include "kernel/sys_file.h"
#include "kernel/timer.h"
#include "mm/uaccess.h"

#define TFD_TIMER_ABSTIME 1u
#define TFD_TIMER_CANCEL_ON_SET 2u // the clock is never set: accepted, and never cancels

static bool is_due(struct machine *m, const struct timer *timer)
{
    return timer->when && timer->when <= machine_time(m);
}

static struct timer *timer_behind(struct fs *fs, file_t id)
{
    return timer_at(fs->wake_arg, file_at(fs, id)->object);
}

static i64 timerfd_read(struct fs *fs, file_t id, struct uio *to, i64 offset)
{
    struct machine *m = fs->wake_arg;
    struct timer *timer = timer_behind(fs, id);
    u64 times = 1, next = 0;
    if (offset >= 0)
        return -ESPIPE;
    if (to->left < sizeof times)
        return -EINVAL;
    if (!is_due(m, timer))
        return -EAGAIN;
    int r = uio_check(to, sizeof times, MM_WRITE);
    if (r)
        return r;
    if (timer->interval) {
        times += (machine_time(m) - timer->when) / timer->interval;
        next = timer->when + times * timer->interval;
    }
    r = timer_arm(m, file_at(fs, id)->object, next, timer->interval);
    if (r == 0)
        r = uio_to(to, &times, sizeof times);
    return r ? r : (i64)sizeof times;
}

static int timerfd_poll(struct fs *fs, file_t id)
{
    return is_due(fs->wake_arg, timer_behind(fs, id)) ? ABI_POLLIN | ABI_POLLRDNORM : 0;
}

static void timerfd_wait(struct fs *fs, file_t id, int events, struct wait_spec *out)
{
    (void)events;
    out->chan[out->nchan++] = CHAN(CHAN_TIMER, file_at(fs, id)->object);
}

static void timerfd_release(struct fs *fs, file_t id)
{
    struct machine *m = fs->wake_arg;
    u32 timer = file_at(fs, id)->object;
    if (!timer)
        return; // timerfd_create could not finish
    deadline_drop(m, DEADLINE_TIMER, timer);
    pool_free(&m->timers, timer);
}

void timerfd_attach(struct machine *m)
{
    static const struct file_ops ops = {.read = timerfd_read, .poll = timerfd_poll,
                                        .wait = timerfd_wait, .release = timerfd_release};
    m->fs->ops[FILE_TIMER] = &ops;
}

i64 sys_timerfd_create(struct machine *m, struct task *t, const u64 *a)
{
    i32 clock = (i32)a[0];
    u32 flags = (u32)a[1], id;
    file_t file;
    bool alarm = clock == 8 || clock == 9;
    if (flags & ~(ABI_O_NONBLOCK | ABI_O_CLOEXEC) || !(clock == 0 || clock == 1 || clock == 7 || alarm))
        return -EINVAL;
    if (alarm && !capable(group_of(m, t), G_CAP_WAKE_ALARM))
        return -EPERM;
    int r = anon_file(m, FILE_TIMER, ABI_O_RDWR | (flags & ABI_O_NONBLOCK), "anon_inode:[timerfd]", &file);
    if (r)
        return r;
    r = pool_new(&m->timers, &id);
    if (r) {
        file_put(m->fs, file);
        return r;
    }
    *timer_at(m, id) = (struct timer){.kind = TIMER_FILE, .realtime = clock == 0 || clock == 8};
    file_at(m->fs, file)->object = id;
    return fd_install(m, t, file, flags & ABI_O_CLOEXEC);
}

static int timerfd_arg(struct machine *m, struct task *t, u64 fd, file_t *file)
{
    *file = fd_arg(t, fd);
    if (!*file || file_at(m->fs, *file)->kind == FILE_PATH)
        return -EBADF;
    return file_at(m->fs, *file)->kind == FILE_TIMER ? 0 : -EINVAL;
}

i64 sys_timerfd_settime(struct machine *m, struct task *t, const u64 *a)
{
    file_t file;
    u64 when, interval;
    struct timer *timer = NULL;
    int found = timerfd_arg(m, t, a[0], &file);
    if (found == 0)
        timer = timer_behind(m->fs, file);
    int r = timer_spec(m, t, a[2], timer && timer->realtime, a[1] & TFD_TIMER_ABSTIME, &when, &interval);
    if (r)
        return r;
    if ((u32)a[1] & ~(TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET))
        return -EINVAL;
    if (found)
        return found;
    u64 left = timer_left(m, timer), old = timer->interval;
    r = timer_arm(m, file_at(m->fs, file)->object, when, interval);
    return r ? r : timer_tell(t, a[3], left, old);
}

i64 sys_timerfd_gettime(struct machine *m, struct task *t, const u64 *a)
{
    file_t file;
    int r = timerfd_arg(m, t, a[0], &file);
    if (r)
        return r;
    const struct timer *timer = timer_behind(m->fs, file);
    u64 left = is_due(m, timer) && !timer->interval ? 0 : timer_left(m, timer);
    return a[1] ? timer_tell(t, a[1], left, timer->interval) : -EFAULT;
}
