// Job control: who may use the machine's terminal, and whose it is.
//
// (J1) fs->tty_sid is the session that has the terminal, fs->tty_pgrp its foreground process group.
// (J2) group.tty says that the process's session has it; only one session can.
#include "kernel/sys_file.h"

#include <errno.h>
#include <string.h>

#include "host/file.h"
#include "mm/uaccess.h"

static bool is_controlling(struct machine *m, struct task *t, file_t file)
{
    const struct group *g = group_of(m, t);
    const struct file *f = file_at(m->fs, file);
    struct abi_stat st;
    if (f->kind != FILE_TTY || !g->tty || (i32)g->sid != m->fs->tty_sid)
        return false;
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
    if (f->host_fd < 0 || host_ioctl(f->host_fd, ABI_TCGETS, termios) < 0)
        return false;
    memcpy(&lflag, termios + ABI_TERMIOS_LFLAG, sizeof lflag);
    return lflag & ABI_LFLAG_TOSTOP;
}

// `change`: the terminal's own state is changed, so TOSTOP does not matter.
static int check(struct machine *m, struct task *t, file_t file, int signo, bool change)
{
    const struct group *g = group_of(m, t);
    if (file_at(m->fs, file)->kind != FILE_TTY || m->fs->tty_pgrp <= 0 ||
        (i32)g->pgid == m->fs->tty_pgrp || !is_controlling(m, t, file))
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

// ---- ioctls

static i64 take_terminal(struct machine *m, struct task *t, file_t file, u64 force)
{
    struct group *g = group_of(m, t);
    struct abi_stat st;
    if (file_at(m->fs, file)->kind != FILE_TTY)
        return -ENOTTY;
    if (is_controlling(m, t, file))
        return 0;
    if (g->pid != g->sid || g->tty)
        return -EPERM;
    if (m->fs->tty_sid > 0 && !(force == 1 && g->euid == 0)) {
        for (group_t id = 0; (id = pool_next(&m->groups, id));)
            if ((i32)group_at(m, id)->sid == m->fs->tty_sid && group_at(m, id)->tty)
                return -EPERM; // another session's
    }
    for (group_t id = 0; (id = pool_next(&m->groups, id));)
        group_at(m, id)->tty = group_at(m, id)->sid == g->sid;
    m->fs->tty_sid = (i32)g->sid;
    m->fs->tty_pgrp = (i32)g->pgid;
    if (file_stat(m->fs, file, &st) == 0)
        m->fs->tty_dev = st.st_rdev;
    return 0;
}

static i64 drop_terminal(struct machine *m, struct task *t, file_t file)
{
    struct group *g = group_of(m, t);
    if (!is_controlling(m, t, file))
        return -ENOTTY;
    if (g->pid != g->sid) {
        g->tty = 0;
        return 0;
    }
    if (m->fs->tty_pgrp > 0) {
        (void)signal_pgrp(m, (u32)m->fs->tty_pgrp, G_SIGHUP);
        (void)signal_pgrp(m, (u32)m->fs->tty_pgrp, G_SIGCONT);
    }
    for (group_t id = 0; (id = pool_next(&m->groups, id));)
        if (group_at(m, id)->sid == g->sid)
            group_at(m, id)->tty = 0;
    m->fs->tty_sid = m->fs->tty_pgrp = 0;
    m->fs->tty_dev = 0;
    return 0;
}

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
        m->fs->tty_pgrp = (i32)pgid;
    return r;
}

i64 tty_ioctl(struct machine *m, struct task *t, file_t file, u32 cmd, u64 arg)
{
    bool tty = file_at(m->fs, file)->kind == FILE_TTY;
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
        if (!is_controlling(m, t, file))
            return -ENOTTY;
        return uaccess_write_u32(t->mm, arg, (u32)(cmd == ABI_TIOCGPGRP ? m->fs->tty_pgrp
                                                                        : m->fs->tty_sid));
    case ABI_TCSETS:
    case ABI_TCSETSW:
    case ABI_TCSETSF:
    case ABI_TCSETS2:
    case ABI_TCSETSW2:
    case ABI_TCSETSF2:
    case ABI_TCSBRK:
    case ABI_TCSBRKP:
    case ABI_TCFLSH:
        r = tty ? check(m, t, file, G_SIGTTOU, true) : 0;
        return r ? r : -ENOIOCTLCMD;
    default:
        return -ENOIOCTLCMD;
    }
}
