// The line discipline: what becomes of a key on its way in, and of a byte on its way out
// (termios(3)). Characters that are echoed go through the output's processing like all others.
#include <errno.h>
#include <string.h>

#include "fs/internal.h"
#include "fs/tty.h"

static bool is(const struct tty *t, enum abi_cc which, u8 c)
{
    return t->termios.c_cc[which] && t->termios.c_cc[which] == c; // 0 = _POSIX_VDISABLE
}

static bool is_control(u8 c)
{
    return c < 32 || c == 127;
}

static bool continues(const struct tty *t, u8 c)
{
    return (t->termios.c_iflag & ABI_IUTF8) && (c & 0xc0) == 0x80;
}

void tty_wake(struct fs *fs, u32 id)
{
    fs_wake(fs, CHAN(CHAN_TTY_MASTER, id));
    fs_wake(fs, CHAN(CHAN_TTY_SLAVE, id));
}

void tty_packet(struct tty *t, u32 bits)
{
    if (t->packet)
        t->packet_status |= (u8)bits;
}

// ---- the way out

void tty_put(struct tty *t, u8 c)
{
    if (t->out_len < TTY_OUT && t->masters)
        t->bytes->out[(t->out_head + t->out_len++) % TTY_OUT] = c;
}

static void put_tab(struct tty *t)
{
    u32 width = 8 - t->column % 8;
    t->column += width;
    if ((t->termios.c_oflag & ABI_TABDLY) != ABI_TABDLY) {
        tty_put(t, '\t');
        return;
    }
    while (width--)
        tty_put(t, ' ');
}

void tty_output(struct tty *t, u8 c)
{
    u32 flags = t->termios.c_oflag;
    if (!(flags & ABI_OPOST)) {
        tty_put(t, c);
        return;
    }
    if (c == '\t') {
        put_tab(t);
        return;
    }
    if (c == '\r') {
        if ((flags & ABI_ONOCR) && !t->column)
            return;
        if (flags & ABI_OCRNL)
            c = '\n';
        if (!(flags & ABI_OCRNL) || (flags & ABI_ONLRET))
            t->column = 0;
    } else if (c == '\n') {
        if (flags & ABI_ONLCR)
            tty_put(t, '\r');
        if (flags & (ABI_ONLCR | ABI_ONLRET))
            t->column = 0;
    } else if (c == '\b') {
        t->column -= t->column > 0;
    } else if (!is_control(c)) {
        if ((flags & ABI_OLCUC) && c >= 'a' && c <= 'z')
            c = (u8)(c - 32);
        t->column += !continues(t, c);
    }
    tty_put(t, c);
}

// ---- echo

static void echo(struct tty *t, u8 c)
{
    if ((t->termios.c_lflag & ABI_ECHOCTL) && is_control(c) && c != '\t' && c != '\n') {
        tty_output(t, '^');
        tty_output(t, c ^ 0100);
    } else {
        tty_output(t, c);
    }
}

static void end_erasing(struct tty *t)
{
    if (t->erasing)
        tty_output(t, '/');
    t->erasing = false;
}

// The echo of a key that becomes part of the line.
static void echo_key(struct tty *t, u8 c)
{
    if (!(t->termios.c_lflag & ABI_ECHO))
        return;
    end_erasing(t);
    if (t->line == t->head)
        t->line_column = t->column;
    echo(t, c);
}

// ---- the buffer

static u8 in_at(const struct tty *t, u32 at)
{
    return t->bytes->in[at % TTY_IN];
}

static bool marked(const struct tty *t, u32 at)
{
    return t->bytes->mark[at % TTY_IN / 8] >> at % 8 & 1;
}

static void set_mark(struct tty *t, u32 at, bool on)
{
    u8 *byte = &t->bytes->mark[at % TTY_IN / 8], bit = (u8)(1u << at % 8);
    *byte = on ? *byte | bit : *byte & (u8)~bit;
}

static void store(struct tty *t, u8 c, bool mark)
{
    if (t->head - t->tail >= TTY_IN - !mark) // the last place is for what ends the line
        return;
    t->bytes->in[t->head % TTY_IN] = c;
    set_mark(t, t->head, mark);
    t->head++;
    if (mark)
        t->line = t->head;
}

static void store_key(struct tty *t, u8 c)
{
    if ((t->termios.c_iflag & ABI_PARMRK) && c == 0xff)
        store(t, c, false);
    store(t, c, false);
}

bool tty_input_room(const struct tty *t)
{
    // A full line that is still edited takes keys (and loses them): else nothing could end it.
    return t->head - t->tail < TTY_IN - 1 ||
           ((t->termios.c_lflag & ABI_ICANON) && t->line == t->tail);
}

bool tty_has_line(const struct tty *t)
{
    return t->line != t->tail;
}

u32 tty_available(const struct tty *t)
{
    return t->termios.c_lflag & ABI_ICANON ? t->line - t->tail : t->head - t->tail;
}

// ---- editing

// The column where the cursor is after the edited line up to `end`.
static u32 column_at(const struct tty *t, u32 end)
{
    u32 column = t->line_column;
    for (u32 at = t->line; at != end; at++) {
        u8 c = in_at(t, at);
        if (c == '\t')
            column = (column | 7) + 1;
        else if (is_control(c))
            column += t->termios.c_lflag & ABI_ECHOCTL ? 2 : 0;
        else
            column += !continues(t, c);
    }
    return column;
}

static void rub_out(struct tty *t, u32 columns)
{
    while (columns--) {
        tty_output(t, '\b');
        tty_output(t, ' ');
        tty_output(t, '\b');
    }
}

// Takes the last character off the line, and off the screen.
static void erase_one(struct tty *t, bool only_one)
{
    u32 lflag = t->termios.c_lflag, at = t->head;
    do
        at--;
    while (at != t->line && continues(t, in_at(t, at)));
    u8 c = in_at(t, at);
    u32 before = t->head;
    t->head = at;
    if (!(lflag & ABI_ECHO))
        return;
    if (lflag & ABI_ECHOPRT) {
        if (!t->erasing)
            tty_output(t, '\\');
        t->erasing = true;
        echo(t, c);
        while (++at != before)
            tty_output(t, in_at(t, at));
    } else if (only_one && !(lflag & ABI_ECHOE)) {
        echo(t, t->termios.c_cc[ABI_VERASE]);
    } else if (c == '\t') {
        for (u32 to = column_at(t, t->head); t->column > to;) {
            u32 was = t->column;
            tty_output(t, '\b');
            if (t->column == was)
                break; // OPOST is off: the cursor is not followed
        }
    } else {
        rub_out(t, !is_control(c) ? 1 : lflag & ABI_ECHOCTL ? 2 : 0);
    }
}

static bool is_word(u8 c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
           c >= 0x80;
}

static void erase_word(struct tty *t)
{
    bool seen = false;
    while (t->head != t->line) {
        u8 c = in_at(t, t->head - 1);
        if (!is_word(c) && seen)
            break;
        seen = seen || is_word(c);
        erase_one(t, false);
    }
}

static void kill_line(struct tty *t)
{
    u32 lflag = t->termios.c_lflag, visible = ABI_ECHOK | ABI_ECHOKE | ABI_ECHOE;
    if ((lflag & ABI_ECHO) && (lflag & visible) == visible) {
        while (t->head != t->line)
            erase_one(t, false);
        return;
    }
    t->head = t->line;
    if (!(lflag & ABI_ECHO))
        return;
    end_erasing(t);
    echo(t, t->termios.c_cc[ABI_VKILL]);
    if (lflag & ABI_ECHOK)
        tty_output(t, '\n');
}

static void reprint(struct tty *t, u8 c)
{
    end_erasing(t);
    echo(t, c);
    tty_output(t, '\n');
    t->line_column = t->column;
    for (u32 at = t->line; at != t->head; at++)
        echo(t, in_at(t, at));
}

// A key in canonical mode that edits the line.
static bool edit(struct tty *t, u8 c)
{
    bool extended = t->termios.c_lflag & ABI_IEXTEN, echoes = t->termios.c_lflag & ABI_ECHO;
    bool erases = is(t, ABI_VERASE, c), kills = is(t, ABI_VKILL, c);
    if (erases || kills || (extended && is(t, ABI_VWERASE, c))) {
        if (t->head == t->line)
            return true;
        if (erases)
            erase_one(t, true);
        else if (kills)
            kill_line(t);
        else
            erase_word(t);
        if (t->head == t->line && echoes)
            end_erasing(t);
        return true;
    }
    if (extended && is(t, ABI_VLNEXT, c)) {
        t->literal = true;
        if (echoes) {
            end_erasing(t);
            if (t->termios.c_lflag & ABI_ECHOCTL) {
                tty_output(t, '^');
                tty_output(t, '\b');
            }
        }
        return true;
    }
    if (extended && echoes && is(t, ABI_VREPRINT, c)) {
        reprint(t, c);
        return true;
    }
    return false;
}

// A key in canonical mode that ends the line.
static bool end_line(struct tty *t, u8 c)
{
    u32 lflag = t->termios.c_lflag;
    if (c == '\n') {
        if (lflag & (ABI_ECHO | ABI_ECHONL)) {
            end_erasing(t);
            tty_output(t, '\n');
        }
        store(t, c, true);
    } else if (is(t, ABI_VEOF, c)) {
        store(t, 0, true);
    } else if (is(t, ABI_VEOL, c) || ((lflag & ABI_IEXTEN) && is(t, ABI_VEOL2, c))) {
        echo_key(t, c);
        store(t, c, true);
    } else {
        return false;
    }
    return true;
}

// ---- keys that act at once

void tty_stop(struct fs *fs, u32 id, bool stop)
{
    struct tty *t = tty_at(fs, id);
    if (t->stopped == stop)
        return;
    t->stopped = stop;
    if (t->packet) {
        t->packet_status &= (u8)~(ABI_TIOCPKT_STOP | ABI_TIOCPKT_START);
        tty_packet(t, stop ? ABI_TIOCPKT_STOP : ABI_TIOCPKT_START);
    }
    tty_wake(fs, id);
}

void tty_flush(struct fs *fs, u32 id, bool in, bool out)
{
    struct tty *t = tty_at(fs, id);
    if (in) {
        t->tail = t->line = t->head = 0;
        t->literal = t->erasing = false;
        tty_packet(t, ABI_TIOCPKT_FLUSHREAD);
    }
    if (out) {
        t->out_len = 0;
        tty_packet(t, ABI_TIOCPKT_FLUSHWRITE);
    }
    tty_wake(fs, id);
}

static bool flow_key(struct fs *fs, u32 id, u8 c)
{
    struct tty *t = tty_at(fs, id);
    if (!(t->termios.c_iflag & ABI_IXON))
        return false;
    bool starts = is(t, ABI_VSTART, c);
    if (starts)
        tty_stop(fs, id, false);
    else if (is(t, ABI_VSTOP, c))
        tty_stop(fs, id, true);
    else
        return false;
    return true;
}

static bool signal_key(struct fs *fs, u32 id, u8 c)
{
    struct tty *t = tty_at(fs, id);
    int signo = 0;
    if (!(t->termios.c_lflag & ABI_ISIG))
        return false;
    if (is(t, ABI_VINTR, c))
        signo = 2;
    else if (is(t, ABI_VQUIT, c))
        signo = 3;
    else if (is(t, ABI_VSUSP, c))
        signo = 20;
    else
        return false;
    if (!(t->termios.c_lflag & ABI_NOFLSH))
        tty_flush(fs, id, true, true);
    if (t->termios.c_iflag & ABI_IXON)
        tty_stop(fs, id, false);
    if (t->termios.c_lflag & ABI_ECHO)
        echo(t, c);
    if (fs->tty_signal)
        fs->tty_signal(fs->tty_arg, t->pgrp, signo);
    return true;
}

void tty_input(struct fs *fs, u32 id, u8 c)
{
    struct tty *t = tty_at(fs, id);
    u32 iflag = t->termios.c_iflag, lflag = t->termios.c_lflag;
    if (iflag & ABI_ISTRIP)
        c &= 0x7f;
    if ((iflag & ABI_IUCLC) && (lflag & ABI_IEXTEN) && c >= 'A' && c <= 'Z')
        c = (u8)(c + 32);
    if (t->literal) {
        t->literal = false;
        echo_key(t, c);
        store_key(t, c);
        return;
    }
    if (flow_key(fs, id, c))
        return;
    if (t->stopped && (iflag & ABI_IXON) && (iflag & ABI_IXANY))
        tty_stop(fs, id, false);
    if (signal_key(fs, id, c))
        return;
    if (c == '\r') {
        if (iflag & ABI_IGNCR)
            return;
        if (iflag & ABI_ICRNL)
            c = '\n';
    } else if (c == '\n' && (iflag & ABI_INLCR)) {
        c = '\r';
    }
    if ((lflag & ABI_ICANON) && (edit(t, c) || end_line(t, c)))
        return;
    echo_key(t, c);
    store_key(t, c);
}

// ---- a slave's read

// Bytes of the first line that a read of `want` gets; *eat = those that it uses up.
static u32 line_length(const struct tty *t, u64 want, u32 *eat)
{
    u32 n = 0;
    while (n < want && t->tail + n != t->line) {
        if (marked(t, t->tail + n)) {
            bool eof = !in_at(t, t->tail + n);
            *eat = n + 1;
            return eof ? n : n + 1;
        }
        n++;
    }
    // What the end-of-file character pushed is read to its end: the character goes with it.
    bool eof = n && t->tail + n != t->line && marked(t, t->tail + n) && !in_at(t, t->tail + n);
    *eat = n + eof;
    return n;
}

i64 tty_take(struct tty *t, struct uio *to)
{
    u32 eat, n;
    if (t->termios.c_lflag & ABI_ICANON)
        n = line_length(t, to->left, &eat);
    else
        eat = n = (u32)MIN((u64)(t->head - t->tail), to->left);
    u32 at = t->tail % TTY_IN, part = MIN(n, TTY_IN - at);
    int r = uio_check(to, n, MM_WRITE);
    if (r == 0)
        r = uio_to(to, t->bytes->in + at, part);
    if (r == 0)
        r = uio_to(to, t->bytes->in, n - part);
    if (r)
        return r;
    t->tail += eat;
    if ((i32)(t->line - t->tail) < 0)
        t->line = t->tail;
    return n;
}

// ---- modes

static bool wants_flow(const struct abi_termios *m)
{
    return (m->c_iflag & ABI_IXON) && m->c_cc[ABI_VSTART] == 17 && m->c_cc[ABI_VSTOP] == 19;
}

void tty_set_termios(struct fs *fs, u32 id, const struct abi_termios *to)
{
    struct tty *t = tty_at(fs, id);
    struct abi_termios was = t->termios;
    t->termios = *to;
    t->termios.c_cflag = (to->c_cflag & ~(ABI_CSIZE | ABI_PARENB)) | ABI_CS8 | ABI_CREAD;
    if ((was.c_lflag ^ to->c_lflag) & ABI_ICANON) { // what is there is one line, or none
        memset(t->bytes->mark, 0, sizeof t->bytes->mark);
        t->line = t->tail;
        if ((to->c_lflag & ABI_ICANON) && t->head != t->tail) {
            set_mark(t, t->head - 1, true);
            t->line = t->head;
        }
        t->erasing = t->literal = false;
    }
    if ((was.c_iflag & ABI_IXON) && !(to->c_iflag & ABI_IXON))
        tty_stop(fs, id, false);
    if (wants_flow(&was) != wants_flow(to)) {
        t->packet_status &= (u8)~(ABI_TIOCPKT_DOSTOP | ABI_TIOCPKT_NOSTOP);
        tty_packet(t, wants_flow(to) ? ABI_TIOCPKT_DOSTOP : ABI_TIOCPKT_NOSTOP);
    }
    if ((was.c_lflag ^ to->c_lflag) & ABI_EXTPROC)
        tty_packet(t, ABI_TIOCPKT_IOCTL);
    tty_wake(fs, id);
}
