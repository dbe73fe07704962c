// Pseudo-terminals: a pair of ends with a line discipline between them.
//
//     master write -> tty_input -> in[] -> slave read        (keys: editing, signals, lines)
//     slave write  -> tty_output -> out[] -> master read     (screen: what OPOST makes of it)
//     echo of the keys ------------^
//
// (TT1) in[] holds the bytes tail..head (counters that only grow, taken modulo TTY_IN). Up to `line`
//       they are whole lines; behind it stands the line that is still edited. A mark ends a line; a
//       marked 0 is an end-of-file character, and is never delivered.
// (TT2) The pair lives until the last descriptor of either end is closed. Once the master is closed
//       it is hung up for good: reads of a slave end, writes fail with EIO.
// (TT3) A slave's write stops at TTY_OUT_SOFT bytes, so that an echo finds room behind it. An echo
//       that finds none is dropped.
// (TT4) Owned memory: `bytes`, one allocation of fixed size and no pointers in it. All the rest of a
//       row is plain data.
#ifndef FS_TTY_H
#define FS_TTY_H

#include "abi/tty.h"
#include "fs/fs.h"

#define TTY_IN 4096u
#define TTY_OUT 16384u
#define TTY_OUT_SOFT 8192u

struct tty_bytes {
    u8 in[TTY_IN], mark[TTY_IN / 8];
    u8 out[TTY_OUT];
};

struct tty {
    u32 number;          // N of /dev/pts/N
    u32 masters, slaves; // open descriptions
    bool locked, packet, exclusive;
    bool hung;           // the master is gone
    bool left;           // the slave was open and is not any more
    bool stopped;        // output, by the STOP character or TCOOFF
    bool literal;        // the next key is no special one (LNEXT)
    bool erasing;        // inside \.../ of ECHOPRT
    bool throttled;      // IXOFF: the STOP character was sent
    u8 packet_status;
    struct abi_termios termios;
    struct abi_winsize size;
    i32 pgrp, sid;       // foreground process group and session, 0 = none
    u32 uid, gid, mode;
    u32 tail, line, head;    // of in[] (TT1)
    u32 column, line_column; // of the cursor; where the edited line began
    u32 out_head, out_len;
    struct tty_bytes *bytes;
};

#define TTY_HOST (~0u) // instead of a row's id: the terminal of the host

struct tty *tty_at(struct fs *fs, u32 id); // NULL for TTY_HOST
u32 tty_of_file(struct fs *fs, file_t id); // of either end; TTY_HOST for FILE_TTY; 0 = no terminal
// Where a terminal's foreground process group and its session are kept.
i32 *tty_pgrp(struct fs *fs, u32 id);
i32 *tty_sid(struct fs *fs, u32 id);
u64 tty_rdev(struct fs *fs, u32 id); // device number

MUST_CHECK int pty_open_master(struct fs *fs, u32 oflags, u32 mount, file_t *out);
// -ENOENT, -EIO (locked, hung up), -EBUSY (TIOCEXCL), -ENOMEM, -ENFILE
MUST_CHECK int pty_open_slave(struct fs *fs, u32 id, u32 oflags, u32 mount, const char *name, file_t *out);
// TIOCGPTPEER: the slave of a master, by no name
MUST_CHECK int pty_open_peer(struct fs *fs, file_t master, u32 oflags, file_t *out);
u32 pty_find(struct fs *fs, u32 number); // id of the pair that /dev/pts shows as `number`, or 0
u32 pty_next(struct fs *fs, u32 id);     // the next pair that it shows, 0 = no more

// ---- the line discipline (tty_line.c)
void tty_input(struct fs *fs, u32 id, u8 c); // a key
bool tty_input_room(const struct tty *t);
void tty_output(struct tty *t, u8 c); // a byte for the screen, through OPOST; room is the caller's affair
void tty_put(struct tty *t, u8 c);    // as it is
i64 tty_take(struct tty *t, struct uio *to); // what a slave's read gets of what is there
u32 tty_available(const struct tty *t); // bytes that it could get now; 0 also while a line is edited
bool tty_has_line(const struct tty *t); // in canonical mode: a line, or an end of file, is there
void tty_set_termios(struct fs *fs, u32 id, const struct abi_termios *to);
void tty_stop(struct fs *fs, u32 id, bool stop);
void tty_flush(struct fs *fs, u32 id, bool in, bool out);
void tty_wake(struct fs *fs, u32 id);
void tty_packet(struct tty *t, u32 bits);
// A slave's read that wants n bytes: 0 = do it; else -EAGAIN, and if the wait has an end of its own
// (VTIME), *deciseconds of it. `mark` changes when a byte arrives.
MUST_CHECK int tty_read_waits(struct fs *fs, file_t id, u64 n, u32 *deciseconds, u64 *mark);

int pty_ioctl(struct fs *fs, file_t id, u32 cmd, struct mm *mm, u64 arg);

#endif
