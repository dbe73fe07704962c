// riscv64 Linux numbers and layouts for files. Each is what the guest sees; src/host asserts where
// the host's are the same, and converts where they are not.
// Sources: include/uapi/asm-generic/{fcntl,stat,statfs,ioctls,termbits,poll}.h,
// include/uapi/linux/{stat,fcntl,eventfd,fs,memfd}.h; riscv64 uses the generic ones.
#ifndef ABI_FS_ABI_H
#define ABI_FS_ABI_H

#include "base/types.h"

// open(2)
#define ABI_O_ACCMODE 00000003u
#define ABI_O_RDONLY 00000000u
#define ABI_O_WRONLY 00000001u
#define ABI_O_RDWR 00000002u
#define ABI_O_CREAT 00000100u
#define ABI_O_EXCL 00000200u
#define ABI_O_NOCTTY 00000400u
#define ABI_O_TRUNC 00001000u
#define ABI_O_APPEND 00002000u
#define ABI_O_NONBLOCK 00004000u
#define ABI_O_DSYNC 00010000u
#define ABI_O_ASYNC 00020000u
#define ABI_O_DIRECT 00040000u
#define ABI_O_LARGEFILE 00100000u
#define ABI_O_DIRECTORY 00200000u
#define ABI_O_NOFOLLOW 00400000u
#define ABI_O_NOATIME 01000000u
#define ABI_O_CLOEXEC 02000000u
#define ABI_O_SYNC 04010000u
#define ABI_O_PATH 010000000u
#define ABI_O_TMPFILE (020000000u | ABI_O_DIRECTORY)
// what F_SETFL may change
#define ABI_O_SETFL (ABI_O_APPEND | ABI_O_ASYNC | ABI_O_DIRECT | ABI_O_NOATIME | ABI_O_NONBLOCK)

// *at(2)
#define ABI_AT_FDCWD (-100)
#define ABI_AT_SYMLINK_NOFOLLOW 0x100u
#define ABI_AT_EACCESS 0x200u
#define ABI_AT_REMOVEDIR 0x200u
#define ABI_AT_SYMLINK_FOLLOW 0x400u
#define ABI_AT_NO_AUTOMOUNT 0x800u
#define ABI_AT_EMPTY_PATH 0x1000u
#define ABI_RENAME_NOREPLACE 1u
#define ABI_RENAME_EXCHANGE 2u
#define ABI_RENAME_WHITEOUT 4u
#define ABI_F_OK 0u
#define ABI_X_OK 1u
#define ABI_W_OK 2u
#define ABI_R_OK 4u
#define ABI_UTIME_NOW ((1l << 30) - 1l)
#define ABI_UTIME_OMIT ((1l << 30) - 2l)

// fcntl(2)
#define ABI_F_DUPFD 0
#define ABI_F_GETFD 1
#define ABI_F_SETFD 2
#define ABI_F_GETFL 3
#define ABI_F_SETFL 4
#define ABI_F_GETLK 5
#define ABI_F_SETLK 6
#define ABI_F_SETLKW 7
#define ABI_F_SETOWN 8
#define ABI_F_GETOWN 9
#define ABI_F_SETSIG 10
#define ABI_F_GETSIG 11
#define ABI_F_SETOWN_EX 15
#define ABI_F_GETOWN_EX 16
#define ABI_F_OFD_GETLK 36
#define ABI_F_OFD_SETLK 37
#define ABI_F_OFD_SETLKW 38
#define ABI_F_SETLEASE 1024
#define ABI_F_GETLEASE 1025
#define ABI_F_NOTIFY 1026
#define ABI_F_DUPFD_CLOEXEC 1030
#define ABI_F_SETPIPE_SZ 1031
#define ABI_F_GETPIPE_SZ 1032
#define ABI_F_ADD_SEALS 1033
#define ABI_F_GET_SEALS 1034
#define ABI_FALLOC_FL_KEEP_SIZE 1u
#define ABI_FALLOC_FL_PUNCH_HOLE 2u
#define ABI_F_SEAL_SEAL 1u
#define ABI_F_SEAL_SHRINK 2u
#define ABI_F_SEAL_GROW 4u
#define ABI_F_SEAL_WRITE 8u
#define ABI_F_SEAL_FUTURE_WRITE 16u
#define ABI_F_SEAL_EXEC 32u
#define ABI_F_SEALS 63u
#define ABI_FD_CLOEXEC 1u
#define ABI_F_RDLCK 0
#define ABI_F_WRLCK 1
#define ABI_F_UNLCK 2
#define ABI_LOCK_SH 1
#define ABI_LOCK_EX 2
#define ABI_LOCK_NB 4
#define ABI_LOCK_UN 8

struct abi_flock { // 32 bytes
    i16 l_type, l_whence;
    i64 l_start, l_len;
    i32 l_pid;
};

// st_mode
#define ABI_S_IFMT 0170000u
#define ABI_S_IFSOCK 0140000u
#define ABI_S_IFLNK 0120000u
#define ABI_S_IFREG 0100000u
#define ABI_S_IFBLK 0060000u
#define ABI_S_IFDIR 0040000u
#define ABI_S_IFCHR 0020000u
#define ABI_S_IFIFO 0010000u
#define ABI_S_ISUID 04000u
#define ABI_S_ISGID 02000u
#define ABI_S_ISVTX 01000u

struct abi_stat { // asm-generic/stat.h; not the x86-64 one
    u64 st_dev, st_ino;
    u32 st_mode, st_nlink, st_uid, st_gid;
    u64 st_rdev, pad1;
    i64 st_size;
    i32 st_blksize, pad2;
    i64 st_blocks;
    i64 st_atime_sec;
    u64 st_atime_nsec;
    i64 st_mtime_sec;
    u64 st_mtime_nsec;
    i64 st_ctime_sec;
    u64 st_ctime_nsec;
    u32 unused4, unused5;
};
_Static_assert(sizeof(struct abi_stat) == 128, "struct stat of riscv64");
#define ABI_MAKEDEV(maj, min)                                                                       \
    (((u64)(min)&0xff) | (((u64)(maj)&0xfff) << 8) | (((u64)(min) & ~(u64)0xff) << 12))
#define ABI_MAJOR(dev) ((u32)(((dev) >> 8) & 0xfff))
#define ABI_MINOR(dev) ((u32)(((dev)&0xff) | (((dev) >> 12) & ~(u64)0xff)))

struct abi_timespec {
    i64 tv_sec, tv_nsec;
};

struct abi_statx_timestamp {
    i64 tv_sec;
    u32 tv_nsec;
    i32 pad;
};
struct abi_statx {
    u32 stx_mask, stx_blksize;
    u64 stx_attributes;
    u32 stx_nlink, stx_uid, stx_gid;
    u16 stx_mode, pad0;
    u64 stx_ino, stx_size, stx_blocks, stx_attributes_mask;
    struct abi_statx_timestamp stx_atime, stx_btime, stx_ctime, stx_mtime;
    u32 stx_rdev_major, stx_rdev_minor, stx_dev_major, stx_dev_minor;
    u64 stx_mnt_id;
    u32 stx_dio_mem_align, stx_dio_offset_align;
    u64 spare3[12];
};
_Static_assert(sizeof(struct abi_statx) == 256, "struct statx");
#define ABI_STATX_BASIC_STATS 0x7ffu
#define ABI_STATX_MNT_ID 0x1000u
#define ABI_STATX_MNT_ID_UNIQUE 0x4000u
#define ABI_STATX_ATTR_MOUNT_ROOT 0x2000u

struct abi_statfs {
    i64 f_type, f_bsize;
    u64 f_blocks, f_bfree, f_bavail, f_files, f_ffree;
    i32 f_fsid[2];
    i64 f_namelen, f_frsize, f_flags, f_spare[4];
};
#define ABI_ST_RDONLY 0x1
#define ABI_ST_VALID 0x20
_Static_assert(sizeof(struct abi_statfs) == 120, "struct statfs");
#define ABI_SYSFS_MAGIC 0x62656572
#define ABI_PROC_SUPER_MAGIC 0x9fa0
#define ABI_TMPFS_MAGIC 0x01021994
#define ABI_PIPEFS_MAGIC 0x50495045
#define ABI_NSFS_MAGIC 0x6e736673

struct abi_dirent64 { // d_name is NUL-terminated; a record is padded to 8 bytes
    u64 d_ino;
    i64 d_off;
    u16 d_reclen;
    u8 d_type;
    char d_name[];
};
#define ABI_DT_UNKNOWN 0
#define ABI_DT_FIFO 1
#define ABI_DT_CHR 2
#define ABI_DT_DIR 4
#define ABI_DT_BLK 6
#define ABI_DT_REG 8
#define ABI_DT_LNK 10
#define ABI_DT_SOCK 12

struct abi_iovec {
    u64 iov_base, iov_len;
};
#define ABI_IOV_MAX 1024
#define ABI_RW_MAX 0x7ffff000u // most bytes one read or write moves
#define ABI_PATH_MAX 4096
#define ABI_NAME_MAX 255
#define ABI_PIPE_BUF 4096u
#define ABI_SEEK_SET 0
#define ABI_SEEK_CUR 1
#define ABI_SEEK_END 2
#define ABI_SEEK_DATA 3
#define ABI_SEEK_HOLE 4

// poll(2)
struct abi_pollfd {
    i32 fd;
    i16 events, revents;
};
#define ABI_POLLIN 0x0001
#define ABI_POLLPRI 0x0002
#define ABI_POLLOUT 0x0004
#define ABI_POLLERR 0x0008
#define ABI_POLLHUP 0x0010
#define ABI_POLLNVAL 0x0020
#define ABI_POLLRDNORM 0x0040
#define ABI_POLLRDBAND 0x0080
#define ABI_POLLWRNORM 0x0100
#define ABI_POLLWRBAND 0x0200
#define ABI_POLLRDHUP 0x2000

// ioctl(2), terminals
#define ABI_TCGETS 0x5401u
#define ABI_TCSETS 0x5402u
#define ABI_TCSETSW 0x5403u
#define ABI_TCSETSF 0x5404u
#define ABI_TCGETA 0x5405u
#define ABI_TCSETA 0x5406u
#define ABI_TCSETAW 0x5407u
#define ABI_TCSETAF 0x5408u
#define ABI_TERMIO_SIZE 18
#define ABI_TCSBRK 0x5409u
#define ABI_TCXONC 0x540Au
#define ABI_TCFLSH 0x540Bu
#define ABI_TIOCEXCL 0x540Cu
#define ABI_TIOCNXCL 0x540Du
#define ABI_TIOCSCTTY 0x540Eu
#define ABI_TIOCGPGRP 0x540Fu
#define ABI_TIOCSPGRP 0x5410u
#define ABI_TIOCOUTQ 0x5411u
#define ABI_TIOCGWINSZ 0x5413u
#define ABI_TIOCSWINSZ 0x5414u
#define ABI_FIONREAD 0x541Bu
#define ABI_FIONBIO 0x5421u
#define ABI_TIOCNOTTY 0x5422u
#define ABI_TIOCGSID 0x5429u
#define ABI_TCSBRKP 0x5425u
#define ABI_TCGETS2 0x802C542Au
#define ABI_TCSETS2 0x402C542Bu
#define ABI_TCSETSW2 0x402C542Cu
#define ABI_TCSETSF2 0x402C542Du
#define ABI_TIOCGPTN 0x80045430u
#define ABI_TIOCSPTLCK 0x40045431u
#define ABI_TIOCGPTLCK 0x80045439u
#define ABI_TIOCGPTPEER 0x5441u
#define ABI_FIONCLEX 0x5450u
#define ABI_FIOCLEX 0x5451u
#define ABI_FIOASYNC 0x5452u
#define ABI_FICLONE 0x40049409u
#define ABI_FS_IOC_GETFLAGS 0x80086601u
#define ABI_TERMIOS_SIZE 36 // struct termios of the kernel: 4 flags, line, 19 control characters
#define ABI_TERMIOS2_SIZE 44
#define ABI_LFLAG_TOSTOP 0000400u
#define ABI_TERMIOS_LFLAG 12 // offset of c_lflag

struct abi_winsize {
    u16 ws_row, ws_col, ws_xpixel, ws_ypixel;
};

#define ABI_EFD_SEMAPHORE 1u
#define ABI_EFD_CLOEXEC ABI_O_CLOEXEC
#define ABI_EFD_NONBLOCK ABI_O_NONBLOCK
#define ABI_MFD_CLOEXEC 1u
#define ABI_MFD_ALLOW_SEALING 2u
#define ABI_MFD_NOEXEC_SEAL 8u

// Extended attributes: bytes of a name, and of a value or a list of names.
#define ABI_XATTR_NAME_MAX 255
#define ABI_XATTR_SIZE_MAX 65536u
#define ABI_XATTR_CREATE 1u
#define ABI_XATTR_REPLACE 2u

#endif
