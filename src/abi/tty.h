// Terminals: termios(3), ioctl_tty(2), ioctl_console's neighbours that pseudo-terminals know.
#ifndef ABI_TTY_H
#define ABI_TTY_H

#include "base/types.h"

enum abi_cc { ABI_VINTR, ABI_VQUIT, ABI_VERASE, ABI_VKILL, ABI_VEOF, ABI_VTIME, ABI_VMIN, ABI_VSWTC,
              ABI_VSTART, ABI_VSTOP, ABI_VSUSP, ABI_VEOL, ABI_VREPRINT, ABI_VDISCARD, ABI_VWERASE,
              ABI_VLNEXT, ABI_VEOL2, ABI_NCCS = 19 };

struct abi_termios { // struct termios2 of the kernel; the older one lacks the speeds
    u32 c_iflag, c_oflag, c_cflag, c_lflag;
    u8 c_line;
    u8 c_cc[ABI_NCCS];
    u32 c_ispeed, c_ospeed;
};
_Static_assert(sizeof(struct abi_termios) == 44, "TCGETS2 copies it as it is");

// c_iflag
#define ABI_IGNBRK 0001u
#define ABI_PARMRK 0010u
#define ABI_ISTRIP 0040u
#define ABI_INLCR 0100u
#define ABI_IGNCR 0200u
#define ABI_ICRNL 0400u
#define ABI_IUCLC 01000u
#define ABI_IXON 02000u
#define ABI_IXANY 04000u
#define ABI_IXOFF 010000u
#define ABI_IMAXBEL 020000u
#define ABI_IUTF8 040000u
// c_oflag
#define ABI_OPOST 01u
#define ABI_OLCUC 02u
#define ABI_ONLCR 04u
#define ABI_OCRNL 010u
#define ABI_ONOCR 020u
#define ABI_ONLRET 040u
#define ABI_TABDLY 014000u // all of it: XTABS
// c_cflag
#define ABI_CREAD 0200u
#define ABI_CSIZE 060u
#define ABI_CS8 060u
#define ABI_PARENB 0400u
// c_lflag
#define ABI_ISIG 01u
#define ABI_ICANON 02u
#define ABI_ECHO 010u
#define ABI_ECHOE 020u
#define ABI_ECHOK 040u
#define ABI_ECHONL 0100u
#define ABI_NOFLSH 0200u
#define ABI_TOSTOP 0400u
#define ABI_ECHOCTL 01000u
#define ABI_ECHOPRT 02000u
#define ABI_ECHOKE 04000u
#define ABI_IEXTEN 0100000u
#define ABI_EXTPROC 0200000u

// Packet mode: the first byte of what the master reads.
#define ABI_TIOCPKT_FLUSHREAD 1u
#define ABI_TIOCPKT_FLUSHWRITE 2u
#define ABI_TIOCPKT_STOP 4u
#define ABI_TIOCPKT_START 8u
#define ABI_TIOCPKT_NOSTOP 16u
#define ABI_TIOCPKT_DOSTOP 32u
#define ABI_TIOCPKT_IOCTL 64u

#define ABI_TIOCSTI 0x5412u
#define ABI_TIOCPKT 0x5420u
#define ABI_TIOCSETD 0x5423u
#define ABI_TIOCGETD 0x5424u
#define ABI_TIOCSBRK 0x5427u
#define ABI_TIOCCBRK 0x5428u
#define ABI_TIOCSIG 0x40045436u
#define ABI_TIOCGPKT 0x80045438u
#define ABI_TIOCGEXCL 0x80045440u

#define ABI_DEVPTS_SUPER_MAGIC 0x1cd1
#define ABI_PTS_MAJOR 136u

#endif
