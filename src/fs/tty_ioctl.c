// ioctl_tty(2) on a pseudo-terminal. What needs the rules of sessions is in kernel/sys_tty.c, which
// looks at each command first.
#include <errno.h>
#include <string.h>

#include "fs/internal.h"
#include "fs/tty.h"
#include "mm/uaccess.h"

static int get_termios(const struct tty *t, struct mm *mm, u64 arg, size_t size)
{
    return uaccess_write(mm, arg, &t->termios, size);
}

// TCSADRAIN has nothing to wait for: what is written is with the master.
static int set_termios(struct fs *fs, u32 id, struct mm *mm, u64 arg, size_t size, bool flush)
{
    struct abi_termios to = tty_at(fs, id)->termios;
    int r = uaccess_read(mm, &to, arg, size);
    if (r)
        return r;
    if (flush)
        tty_flush(fs, id, true, false);
    tty_set_termios(fs, id, &to);
    return 0;
}

struct termio { // the older form: half of each flag word, and eight characters
    u16 iflag, oflag, cflag, lflag;
    u8 line, cc[8];
};
_Static_assert(sizeof(struct termio) == ABI_TERMIO_SIZE, "TCGETA copies it as it is");

static int get_termio(const struct tty *t, struct mm *mm, u64 arg)
{
    const struct abi_termios *from = &t->termios;
    struct termio to;
    memset(&to, 0, sizeof to);
    to.iflag = (u16)from->c_iflag;
    to.oflag = (u16)from->c_oflag;
    to.cflag = (u16)from->c_cflag;
    to.lflag = (u16)from->c_lflag;
    to.line = from->c_line;
    memcpy(to.cc, from->c_cc, sizeof to.cc);
    return uaccess_write(mm, arg, &to, sizeof to);
}

static int set_termio(struct fs *fs, u32 id, struct mm *mm, u64 arg, bool flush)
{
    struct abi_termios to = tty_at(fs, id)->termios;
    struct termio from;
    int r = uaccess_read(mm, &from, arg, sizeof from);
    if (r)
        return r;
    if (flush)
        tty_flush(fs, id, true, false);
    to.c_iflag = (to.c_iflag & ~0xffffu) | from.iflag;
    to.c_oflag = (to.c_oflag & ~0xffffu) | from.oflag;
    to.c_cflag = (to.c_cflag & ~0xffffu) | from.cflag;
    to.c_lflag = (to.c_lflag & ~0xffffu) | from.lflag;
    memcpy(to.c_cc, from.cc, sizeof from.cc);
    tty_set_termios(fs, id, &to);
    return 0;
}

static int set_size(struct fs *fs, u32 id, struct mm *mm, u64 arg)
{
    struct tty *t = tty_at(fs, id);
    struct abi_winsize size;
    int r = uaccess_read(mm, &size, arg, sizeof size);
    if (r || !memcmp(&size, &t->size, sizeof size))
        return r;
    t->size = size;
    if (fs->tty_signal)
        fs->tty_signal(fs->tty_arg, t->pgrp, 28); // SIGWINCH
    return 0;
}

static int flow(struct fs *fs, u32 id, u64 arg)
{
    struct tty *t = tty_at(fs, id);
    u8 c;
    switch (arg) {
    case 0: // TCOOFF
    case 1: // TCOON
        tty_stop(fs, id, arg == 0);
        return 0;
    case 2: // TCIOFF
    case 3: // TCION
        c = t->termios.c_cc[arg == 2 ? ABI_VSTOP : ABI_VSTART];
        if (c)
            tty_put(t, c);
        fs_wake(fs, CHAN(CHAN_TTY_MASTER, id));
        return 0;
    default:
        return -EINVAL;
    }
}

// Between the master's program and the slave: which end calls does matter.
static int master_only(struct fs *fs, u32 id, u32 cmd, struct mm *mm, u64 arg)
{
    struct tty *t = tty_at(fs, id);
    u32 on;
    int r;
    switch (cmd) {
    case ABI_TIOCGPTN:
        return uaccess_write_u32(mm, arg, t->number);
    case ABI_TIOCGPTLCK:
        return uaccess_write_u32(mm, arg, t->locked);
    case ABI_TIOCGPKT:
        return uaccess_write_u32(mm, arg, t->packet);
    case ABI_TIOCSPTLCK:
    case ABI_TIOCPKT:
        r = uaccess_read_u32(mm, &on, arg);
        if (r)
            return r;
        if (cmd == ABI_TIOCSPTLCK) {
            t->locked = on;
            return 0;
        }
        if (!t->packet)
            t->packet_status = 0;
        t->packet = on;
        return 0;
    case ABI_TIOCSIG:
        if (arg < 1 || arg > 64)
            return -EINVAL;
        if (fs->tty_signal)
            fs->tty_signal(fs->tty_arg, t->pgrp, (int)arg);
        return 0;
    default:
        return -ENOTTY;
    }
}

static int both(struct fs *fs, file_t file, u32 id, u32 cmd, struct mm *mm, u64 arg)
{
    struct tty *t = tty_at(fs, id);
    bool master = file_at(fs, file)->kind == FILE_PTM;
    u32 line;
    int r;
    switch (cmd) {
    case ABI_TIOCGWINSZ:
        return uaccess_write(mm, arg, &t->size, sizeof t->size);
    case ABI_TIOCSWINSZ:
        return set_size(fs, id, mm, arg);
    case ABI_FIONREAD:
        return uaccess_write_u32(mm, arg, master ? t->out_len : tty_available(t));
    case ABI_TIOCOUTQ:
        return uaccess_write_u32(mm, arg, master ? 0 : t->out_len);
    case ABI_TCFLSH: // TCIFLUSH, TCOFLUSH, TCIOFLUSH; one end's input is the other's output
        if (arg > 2)
            return -EINVAL;
        tty_flush(fs, id, arg == 2 || arg == (master ? 1 : 0), arg == 2 || arg == (master ? 0 : 1));
        return 0;
    case ABI_TCXONC:
        return flow(fs, id, arg);
    case ABI_TCSBRK: // a pty knows no break, and has nothing to drain
    case ABI_TCSBRKP:
    case ABI_TIOCSBRK:
    case ABI_TIOCCBRK:
        return 0;
    case ABI_TIOCEXCL:
    case ABI_TIOCNXCL:
        t->exclusive = cmd == ABI_TIOCEXCL;
        return 0;
    case ABI_TIOCGEXCL:
        return uaccess_write_u32(mm, arg, t->exclusive);
    case ABI_TIOCGETD:
        return uaccess_write_u32(mm, arg, 0);
    case ABI_TIOCSETD:
        r = uaccess_read_u32(mm, &line, arg);
        return r ? r : line ? -EINVAL : 0; // N_TTY is all there is
    default:
        return master ? master_only(fs, id, cmd, mm, arg) : -ENOTTY;
    }
}

int pty_ioctl(struct fs *fs, file_t file, u32 cmd, struct mm *mm, u64 arg)
{
    u32 id = file_at(fs, file)->object;
    const struct tty *t = tty_at(fs, id);
    if (t->hung)
        return -EIO;
    switch (cmd) {
    case ABI_TCGETS:
        return get_termios(t, mm, arg, ABI_TERMIOS_SIZE);
    case ABI_TCGETS2:
        return get_termios(t, mm, arg, ABI_TERMIOS2_SIZE);
    case ABI_TCGETA:
        return get_termio(t, mm, arg);
    case ABI_TCSETA:
    case ABI_TCSETAW:
    case ABI_TCSETAF:
        return set_termio(fs, id, mm, arg, cmd == ABI_TCSETAF);
    case ABI_TCSETS:
    case ABI_TCSETSW:
    case ABI_TCSETSF:
        return set_termios(fs, id, mm, arg, ABI_TERMIOS_SIZE, cmd == ABI_TCSETSF);
    case ABI_TCSETS2:
    case ABI_TCSETSW2:
    case ABI_TCSETSF2:
        return set_termios(fs, id, mm, arg, ABI_TERMIOS2_SIZE, cmd == ABI_TCSETSF2);
    default:
        return both(fs, file, id, cmd, mm, arg);
    }
}
