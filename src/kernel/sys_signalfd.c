// signalfd4(2): pending signals that are read. What is read are the reader's own, whoever made the
// descriptor; `pos` is the set of signals, the only thing to remember.
#include <errno.h>

#include "base/alloc.h"
#include "kernel/sys_file.h"
#include "kernel/timer.h"
#include "mm/uaccess.h"

struct abi_signalfd_siginfo {
    u32 signo;
    i32 error, code;
    u32 pid, uid;
    i32 fd;
    u32 tid, band, overrun, trapno;
    i32 status, value;
    u64 pointer, utime, stime, address;
    u16 address_lsb, pad;
    i32 syscall;
    u64 call_address;
    u32 arch;
    u8 unused[28];
};
_Static_assert(sizeof(struct abi_signalfd_siginfo) == 128, "signalfd(2)");

static struct abi_signalfd_siginfo convert(const struct g_siginfo *info)
{
    struct abi_signalfd_siginfo out = {.signo = (u32)info->signo, .error = info->error, .code = info->code};
    if (info->code == G_SI_TIMER) {
        out.tid = (u32)info->timer.timer;
        out.overrun = (u32)info->timer.overrun;
        out.pointer = info->timer.value;
        out.value = (i32)info->timer.value;
        return out;
    }
    bool fault = info->code > 0 && info->code != G_SI_KERNEL && info->signo != G_SIGCHLD;
    if (fault) {
        out.address = info->fault.address;
        return out;
    }
    out.pid = (u32)info->user.pid;
    out.uid = info->user.uid;
    if (info->code > 0 && info->code != G_SI_KERNEL) {
        out.status = info->child.status;
        out.utime = info->child.utime;
        out.stime = info->child.stime;
    } else if (info->code < 0 && info->code != G_SI_TKILL) {
        out.pointer = info->user.value;
        out.value = (i32)info->user.value;
    }
    return out;
}

static struct task *reader(struct machine *m)
{
    return m->current ? task_at(m, m->current) : NULL;
}

static bool any_pending(struct machine *m, struct task *t, u64 set)
{
    return (t->pending.set | group_of(m, t)->pending.set) & set;
}

static i64 signalfd_read(struct fs *fs, file_t id, struct uio *to, i64 offset)
{
    struct machine *m = fs->wake_arg;
    struct task *t = reader(m);
    u64 set = file_at(fs, id)->pos;
    struct g_siginfo info;
    i64 done = 0;
    if (offset >= 0)
        return -ESPIPE;
    if (to->left < sizeof(struct abi_signalfd_siginfo))
        return -EINVAL;
    while (to->left >= sizeof(struct abi_signalfd_siginfo) && any_pending(m, t, set)) {
        int r = uio_check(to, sizeof(struct abi_signalfd_siginfo), MM_WRITE); // none is lost (law L11)
        if (r)
            return done ? done : r;
        if (!signal_take(m, t, set, &info))
            break;
        struct abi_signalfd_siginfo out = convert(&info);
        r = uio_to(to, &out, sizeof out);
        if (r)
            return done ? done : r;
        done += (i64)sizeof out;
    }
    return done ? done : -EAGAIN;
}

static int signalfd_poll(struct fs *fs, file_t id)
{
    struct machine *m = fs->wake_arg;
    struct task *t = reader(m);
    return t && any_pending(m, t, file_at(fs, id)->pos) ? ABI_POLLIN | ABI_POLLRDNORM : 0;
}

static void signalfd_wait(struct fs *fs, file_t id, int events, struct wait_spec *out)
{
    struct task *t = reader(fs->wake_arg);
    (void)id;
    (void)events;
    if (t)
        out->chan[out->nchan++] = CHAN(CHAN_SIGNAL, t->group);
}

void signalfd_attach(struct machine *m)
{
    static const struct file_ops ops = {.read = signalfd_read, .poll = signalfd_poll, .wait = signalfd_wait};
    m->fs->ops[FILE_SIGNAL] = &ops;
}

i64 sys_signalfd4(struct machine *m, struct task *t, const u64 *a)
{
    u64 set;
    file_t file;
    u32 flags = (u32)a[3];
    if (a[2] != sizeof set || flags & ~(ABI_O_NONBLOCK | ABI_O_CLOEXEC))
        return -EINVAL;
    int r = uaccess_read_u64(t->mm, &set, a[1]);
    if (r)
        return r;
    set &= ~(SIGBIT(G_SIGKILL) | SIGBIT(G_SIGSTOP));
    if ((i32)a[0] == -1) {
        r = anon_file(m, FILE_SIGNAL, ABI_O_RDWR | (flags & ABI_O_NONBLOCK), "anon_inode:[signalfd]", &file);
        if (r)
            return r;
        file_at(m->fs, file)->pos = set;
        return fd_install(m, t, file, flags & ABI_O_CLOEXEC);
    }
    file = fd_arg(t, a[0]);
    if (!file)
        return -EBADF;
    if (file_at(m->fs, file)->kind != FILE_SIGNAL)
        return -EINVAL;
    file_at(m->fs, file)->pos = set;
    wake_channel(m, CHAN(CHAN_SIGNAL, t->group)); // what it waits for has changed
    return (i64)(i32)a[0];
}
