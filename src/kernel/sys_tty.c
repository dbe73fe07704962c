// Job control: who may use a terminal, and whose it is. A terminal is named by its id (fs/tty.h), the
// host's by TTY_HOST.
//
// (J1) tty_sid is the session that has the terminal, tty_pgrp its foreground process group.
// (J2) group.tty is the terminal that the process's session has, 0 = none; a terminal has one session
//      at most.
#include "kernel/access.h"
#include "kernel/sys_file.h"

#include <errno.h>
#include <string.h>

#include "fs/tty.h"
#include "host/file.h"
#include "mm/uaccess.h"

static bool is_controlling(struct machine *m, struct task *t, file_t file)
{
    const struct group *g = group_of(m, t);
    u32 tty = tty_of_file(m->fs, file);
    struct abi_stat st;
    if (!tty || g->tty != tty || (i32)g->sid != *tty_sid(m->fs, tty))
        return false;
    if (tty != TTY_HOST)
        return true;
    if (!m->fs->tty_dev || file_stat(m->fs, file, &st))
        return true;
    return st.st_rdev == m->fs->tty_dev || st.st_rdev == ABI_MAKEDEV(5, 0);
}

static bool signal_is_lost(struct task *t, int signo)
{
    return t->mask & SIGBIT(signo) || t->sighand->actions->at[signo - 1].handler == 1; // SIG_IGN
}

static int signal_pgrp(struct machine *m, u32 pgid, int signo)
{
    struct g_siginfo info;
    int found = -ESRCH;
    memset(&info, 0, sizeof info);
    info.signo = signo;
    info.code = G_SI_KERNEL;
    for (group_t id = 0; (id = pool_next(&m->groups, id));) {
        struct group *g = group_at(m, id);
        if (g->pgid == pgid && !g->kernel && !g->zombie) {
            (void)signal_send_group(m, g, &info);
            found = 0;
        }
    }
    return found;
}

// No member has a parent in the same session but another process group: nobody could continue it.
static bool pgrp_is_orphaned(struct machine *m, u32 pgid)
{
    for (group_t id = 0; (id = pool_next(&m->groups, id));) {
        const struct group *g = group_at(m, id);
        if (g->pgid != pgid || g->zombie || !g->parent)
            continue;
        const struct group *up = group_at(m, g->parent);
        if (up->pgid != pgid && up->sid == g->sid && up->pid != 1)
            return false;
    }
    return true;
}

static bool stops_writers(struct machine *m, file_t file)
{
    u8 termios[64];
    u32 lflag;
    const struct file *f = file_at(m->fs, file);
    const struct tty *pty = tty_at(m->fs, tty_of_file(m->fs, file));
    if (pty)
        return pty->termios.c_lflag & ABI_TOSTOP;
    if (f->host_fd < 0 || host_ioctl(f->host_fd, ABI_TCGETS, termios) < 0)
        return false;
    memcpy(&lflag, termios + ABI_TERMIOS_LFLAG, sizeof lflag);
    return lflag & ABI_LFLAG_TOSTOP;
}

static bool is_master(struct machine *m, file_t file)
{
    return file_at(m->fs, file)->kind == FILE_PTM;
}

// `change`: the terminal's own state is changed, so TOSTOP does not matter.
static int check(struct machine *m, struct task *t, file_t file, int signo, bool change)
{
    const struct group *g = group_of(m, t);
    u32 tty = tty_of_file(m->fs, file);
    if (!tty || is_master(m, file))
        return 0;
    i32 foreground = *tty_pgrp(m->fs, tty);
    if (foreground <= 0 || (i32)g->pgid == foreground || !is_controlling(m, t, file))
        return 0;
    if (signo == G_SIGTTOU) {
        if (signal_is_lost(t, signo) || (!change && !stops_writers(m, file)))
            return 0;
    } else if (signal_is_lost(t, signo)) {
        return -EIO;
    }
    if (pgrp_is_orphaned(m, g->pgid))
        return -EIO;
    (void)signal_pgrp(m, g->pgid, signo);
    return -ERESTARTSYS;
}

int tty_check(struct machine *m, struct task *t, file_t file, int signo)
{
    return check(m, t, file, signo, false);
}

// A read of a pseudo-terminal that has to wait. Without canonical mode VTIME may end the wait
// (termios(3)): counted from the first byte on, or, when VMIN is 0, from the call.
//   t->call.state[0]  deadline, 0 = none       t->call.state[1]  the mark it was set at, + 1
i64 tty_read_parks(struct machine *m, struct task *t, file_t file, struct uio *to)
{
    u32 deciseconds;
    u64 mark;
    struct tty *tty = tty_at(m->fs, tty_of_file(m->fs, file));
    int r = tty_read_waits(m->fs, file, to->left, &deciseconds, &mark);
    if (r == 0)
        return -EAGAIN; // it came to pass; not to happen
    u64 now = machine_time(m);
    if (t->call.state[0] && t->call.state[1] == mark + 1 && now >= t->call.state[0]) {
        i64 n = tty_take(tty, to);
        tty_wake(m->fs, tty_of_file(m->fs, file));
        return n;
    }
    if (!deciseconds)
        t->call.state[0] = 0;
    else if (t->call.state[1] != mark + 1 || !t->call.state[0])
        t->call.state[0] = now + deciseconds * 100000000ULL;
    t->call.state[1] = mark + 1;
    if (t->call.state[0])
        park_until(m, t, t->call.state[0]);
    return park_on_file(m, t, file, ABI_POLLIN);
}

// ---- what the terminal does to processes

static void on_tty_signal(void *arg, i32 pgrp, int signo)
{
    if (pgrp > 0)
        (void)signal_pgrp(arg, (u32)pgrp, signo);
}

static u32 on_tty_controlling(void *arg)
{
    struct machine *m = arg;
    return m->current ? group_of(m, task_at(m, m->current))->tty : TTY_HOST;
}

static void forget_session(struct machine *m, u32 tty)
{
    for (group_t id = 0; (id = pool_next(&m->groups, id));)
        if (group_at(m, id)->tty == tty)
            group_at(m, id)->tty = 0;
    *tty_sid(m->fs, tty) = *tty_pgrp(m->fs, tty) = 0;
}

// The other side has gone: the session's leader and the foreground hear of it.
static void on_tty_hangup(void *arg, u32 tty)
{
    struct machine *m = arg;
    i32 sid = *tty_sid(m->fs, tty), pgrp = *tty_pgrp(m->fs, tty);
    if (sid <= 0)
        return;
    forget_session(m, tty);
    task_t leader = pid_find(m, (u32)sid);
    struct group *g = leader ? group_of(m, task_at(m, leader)) : NULL;
    if (g && !g->zombie && !g->dead) {
        struct g_siginfo hup = {.signo = G_SIGHUP, .code = G_SI_KERNEL};
        struct g_siginfo cont = {.signo = G_SIGCONT, .code = G_SI_KERNEL};
        (void)!signal_send_group(m, g, &hup);
        (void)!signal_send_group(m, g, &cont);
    }
    if (pgrp > 0 && (!g || pgrp != (i32)g->pgid))
        (void)signal_pgrp(m, (u32)pgrp, G_SIGHUP);
}

void tty_session_ends(struct machine *m, struct group *leader)
{
    u32 tty = leader->tty;
    if (!tty || leader->pid != leader->sid)
        return;
    i32 pgrp = *tty_pgrp(m->fs, tty);
    forget_session(m, tty);
    if (pgrp > 0 && tty != TTY_HOST) { // what the host's terminal runs outlives it with --wait-all
        (void)signal_pgrp(m, (u32)pgrp, G_SIGHUP);
        (void)signal_pgrp(m, (u32)pgrp, G_SIGCONT);
    }
    if (tty != TTY_HOST)
        tty_wake(m->fs, tty);
}

void tty_attach(struct machine *m)
{
    m->fs->tty_arg = m;
    m->fs->tty_signal = on_tty_signal;
    m->fs->tty_hangup = on_tty_hangup;
    m->fs->tty_controlling = on_tty_controlling;
}

// ---- whose it is

static void give_terminal(struct machine *m, struct group *g, u32 tty)
{
    for (group_t id = 0; (id = pool_next(&m->groups, id));) {
        struct group *other = group_at(m, id);
        if (other->tty == tty)
            other->tty = 0;
        if (other->sid == g->sid)
            other->tty = tty;
    }
    *tty_sid(m->fs, tty) = (i32)g->sid;
    *tty_pgrp(m->fs, tty) = (i32)g->pgid;
}

void tty_opened(struct machine *m, struct task *t, file_t file, u32 oflags)
{
    struct group *g = group_of(m, t);
    if (file_at(m->fs, file)->kind != FILE_PTS || (oflags & ABI_O_NOCTTY) || g->tty || g->pid != g->sid)
        return;
    u32 tty = tty_of_file(m->fs, file);
    if (*tty_sid(m->fs, tty) == 0)
        give_terminal(m, g, tty);
}

static bool is_taken(struct machine *m, u32 tty)
{
    i32 sid = *tty_sid(m->fs, tty);
    if (sid <= 0)
        return false;
    for (group_t id = 0; (id = pool_next(&m->groups, id));)
        if ((i32)group_at(m, id)->sid == sid && group_at(m, id)->tty == tty)
            return true;
    return false;
}

static i64 take_terminal(struct machine *m, struct task *t, file_t file, u64 force)
{
    struct group *g = group_of(m, t);
    u32 tty = tty_of_file(m->fs, file);
    struct abi_stat st;
    if (!tty)
        return -ENOTTY;
    if (is_controlling(m, t, file))
        return 0;
    if (g->pid != g->sid || g->tty)
        return -EPERM;
    if (is_taken(m, tty) && !(force == 1 && capable(g, G_CAP_SYS_ADMIN)))
        return -EPERM; // another session's
    give_terminal(m, g, tty);
    if (tty == TTY_HOST && file_stat(m->fs, file, &st) == 0)
        m->fs->tty_dev = st.st_rdev;
    return 0;
}

static i64 drop_terminal(struct machine *m, struct task *t, file_t file)
{
    struct group *g = group_of(m, t);
    u32 tty = g->tty;
    if (!is_controlling(m, t, file))
        return -ENOTTY;
    if (g->pid != g->sid) {
        g->tty = 0;
        return 0;
    }
    i32 pgrp = *tty_pgrp(m->fs, tty);
    forget_session(m, tty);
    if (tty == TTY_HOST)
        m->fs->tty_dev = 0;
    if (pgrp > 0) {
        (void)signal_pgrp(m, (u32)pgrp, G_SIGHUP);
        (void)signal_pgrp(m, (u32)pgrp, G_SIGCONT);
    }
    return 0;
}

// ---- ioctls

static i64 set_foreground(struct machine *m, struct task *t, file_t file, u64 arg)
{
    u32 pgid;
    const struct group *me = group_of(m, t);
    if (!is_controlling(m, t, file))
        return -ENOTTY;
    int r = check(m, t, file, G_SIGTTOU, true);
    if (r == 0)
        r = uaccess_read_u32(t->mm, &pgid, arg);
    if (r)
        return r;
    if ((i32)pgid < 0)
        return -EINVAL;
    r = -ESRCH;
    for (group_t id = 0; r && (id = pool_next(&m->groups, id));) {
        const struct group *g = group_at(m, id);
        if (g->pgid != pgid)
            continue;
        if (g->sid != me->sid)
            return -EPERM;
        r = 0;
    }
    if (r == 0)
        *tty_pgrp(m->fs, me->tty) = (i32)pgid;
    return r;
}

// A byte as if it had been typed.
static i64 type_byte(struct machine *m, struct task *t, file_t file, u64 arg)
{
    u8 c;
    u32 id = tty_of_file(m->fs, file);
    const struct tty *tty = tty_at(m->fs, id);
    if (!tty)
        return -ENOTTY;
    if (!is_controlling(m, t, file) && !capable(group_of(m, t), G_CAP_SYS_ADMIN))
        return -EPERM;
    int r = uaccess_read(t->mm, &c, arg, 1);
    if (r)
        return r;
    if (tty->hung)
        return -EIO;
    if (tty_input_room(tty))
        tty_input(m->fs, id, c);
    tty_wake(m->fs, id);
    return 0;
}

static i64 open_peer(struct machine *m, struct task *t, file_t file, u64 oflags)
{
    file_t peer;
    if (!is_master(m, file))
        return -ENOTTY;
    int r = pty_open_peer(m->fs, file, (u32)oflags, &peer);
    if (r)
        return r;
    tty_opened(m, t, peer, (u32)oflags);
    return fd_install(m, t, peer, oflags & ABI_O_CLOEXEC);
}

// TIOCGPGRP and TIOCGSID: of a slave only to its own session, of a master to whoever has it.
static i64 get_owner(struct machine *m, struct task *t, file_t file, bool session, u64 arg)
{
    if (!is_master(m, file) && !is_controlling(m, t, file))
        return -ENOTTY;
    u32 tty = tty_of_file(m->fs, file);
    return uaccess_write_u32(t->mm, arg, (u32) * (session ? tty_sid(m->fs, tty) : tty_pgrp(m->fs, tty)));
}

i64 tty_ioctl(struct machine *m, struct task *t, file_t file, u32 cmd, u64 arg)
{
    u32 tty = tty_of_file(m->fs, file);
    int r;
    switch (cmd) {
    case ABI_TIOCSCTTY:
        return take_terminal(m, t, file, arg);
    case ABI_TIOCNOTTY:
        return drop_terminal(m, t, file);
    case ABI_TIOCSPGRP:
        return set_foreground(m, t, file, arg);
    case ABI_TIOCGPGRP:
    case ABI_TIOCGSID:
        return get_owner(m, t, file, cmd == ABI_TIOCGSID, arg);
    case ABI_TIOCSTI:
        return type_byte(m, t, file, arg);
    case ABI_TIOCGPTPEER:
        return open_peer(m, t, file, arg);
    case ABI_TCSETS:
    case ABI_TCSETSW:
    case ABI_TCSETSF:
    case ABI_TCSETA:
    case ABI_TCSETAW:
    case ABI_TCSETAF:
    case ABI_TCSETS2:
    case ABI_TCSETSW2:
    case ABI_TCSETSF2:
    case ABI_TCSBRK:
    case ABI_TCSBRKP:
    case ABI_TCFLSH:
    case ABI_TCXONC:
        r = tty ? check(m, t, file, G_SIGTTOU, true) : 0;
        return r ? r : -ENOIOCTLCMD;
    default:
        return -ENOIOCTLCMD;
    }
}
