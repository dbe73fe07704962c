// mount(2), umount2(2), openat2(2), fsopen(2) and its kind: numbers and layouts of riscv64 Linux.
#ifndef ABI_MOUNT_ABI_H
#define ABI_MOUNT_ABI_H

#include "base/types.h"

#define ABI_MS_RDONLY 1u
#define ABI_MS_NOSUID 2u
#define ABI_MS_NODEV 4u
#define ABI_MS_NOEXEC 8u
#define ABI_MS_SYNCHRONOUS 16u
#define ABI_MS_REMOUNT 32u
#define ABI_MS_MANDLOCK 64u
#define ABI_MS_DIRSYNC 128u
#define ABI_MS_NOSYMFOLLOW 256u
#define ABI_MS_NOATIME 1024u
#define ABI_MS_NODIRATIME 2048u
#define ABI_MS_BIND 4096u
#define ABI_MS_MOVE 8192u
#define ABI_MS_REC 16384u
#define ABI_MS_SILENT 32768u
#define ABI_MS_UNBINDABLE (1u << 17)
#define ABI_MS_PRIVATE (1u << 18)
#define ABI_MS_SLAVE (1u << 19)
#define ABI_MS_SHARED (1u << 20)
#define ABI_MS_RELATIME (1u << 21)
#define ABI_MS_STRICTATIME (1u << 24)
#define ABI_MS_LAZYTIME (1u << 25)
#define ABI_MS_NOUSER (1u << 31)
#define ABI_MS_MGC_VAL 0xc0ed0000u
#define ABI_MS_MGC_MSK 0xffff0000u

#define ABI_MNT_FORCE 1u
#define ABI_MNT_DETACH 2u
#define ABI_MNT_EXPIRE 4u
#define ABI_UMOUNT_NOFOLLOW 8u

// open_tree(2), move_mount(2)
#define ABI_OPEN_TREE_CLONE 1u
#define ABI_OPEN_TREE_CLOEXEC 02000000u
#define ABI_AT_RECURSIVE 0x8000u
#define ABI_MOVE_MOUNT_F_SYMLINKS 1u
#define ABI_MOVE_MOUNT_F_AUTOMOUNTS 2u
#define ABI_MOVE_MOUNT_F_EMPTY_PATH 4u
#define ABI_MOVE_MOUNT_T_SYMLINKS 16u
#define ABI_MOVE_MOUNT_T_AUTOMOUNTS 32u
#define ABI_MOVE_MOUNT_T_EMPTY_PATH 64u
#define ABI_MOVE_MOUNT_SET_GROUP 256u
#define ABI_MOVE_MOUNT_BENEATH 512u

// fsopen(2), fspick(2), fsmount(2)
#define ABI_FSOPEN_CLOEXEC 1u
#define ABI_FSMOUNT_CLOEXEC 1u
#define ABI_FSPICK_CLOEXEC 1u
#define ABI_FSPICK_SYMLINK_NOFOLLOW 2u
#define ABI_FSPICK_NO_AUTOMOUNT 4u
#define ABI_FSPICK_EMPTY_PATH 8u

// fsconfig(2)
enum abi_fsconfig { ABI_FSCONFIG_SET_FLAG, ABI_FSCONFIG_SET_STRING, ABI_FSCONFIG_SET_BINARY, ABI_FSCONFIG_SET_PATH,
                    ABI_FSCONFIG_SET_PATH_EMPTY, ABI_FSCONFIG_SET_FD, ABI_FSCONFIG_CMD_CREATE,
                    ABI_FSCONFIG_CMD_RECONFIGURE, ABI_FSCONFIG_CMD_CREATE_EXCL };

// mount_setattr(2), fsmount(2)
#define ABI_MOUNT_ATTR_RDONLY 1u
#define ABI_MOUNT_ATTR_NOSUID 2u
#define ABI_MOUNT_ATTR_NODEV 4u
#define ABI_MOUNT_ATTR_NOEXEC 8u
#define ABI_MOUNT_ATTR_ATIME 0x70u // of which one of:
#define ABI_MOUNT_ATTR_NOATIME 0x10u
#define ABI_MOUNT_ATTR_STRICTATIME 0x20u
#define ABI_MOUNT_ATTR_NODIRATIME 0x80u
#define ABI_MOUNT_ATTR_IDMAP 0x100000u
#define ABI_MOUNT_ATTR_NOSYMFOLLOW 0x200000u
struct abi_mount_attr {
    u64 attr_set, attr_clr, propagation, userns_fd;
};

// statfs.f_flags
#define ABI_ST_NOSUID 0x2
#define ABI_ST_NODEV 0x4
#define ABI_ST_NOEXEC 0x8
#define ABI_ST_NOATIME 0x400
#define ABI_ST_NODIRATIME 0x800
#define ABI_ST_RELATIME 0x1000
#define ABI_ST_NOSYMFOLLOW 0x2000

// A block device's
#define ABI_BLKGETSIZE 0x1260u
#define ABI_BLKFLSBUF 0x1261u
#define ABI_BLKSSZGET 0x1268u
#define ABI_BLKGETSIZE64 0x80081272u

struct abi_open_how {
    u64 flags, mode, resolve;
};
#define ABI_RESOLVE_NO_XDEV 1u
#define ABI_RESOLVE_NO_MAGICLINKS 2u
#define ABI_RESOLVE_NO_SYMLINKS 4u
#define ABI_RESOLVE_BENEATH 8u
#define ABI_RESOLVE_IN_ROOT 16u
#define ABI_RESOLVE_CACHED 32u

#endif
