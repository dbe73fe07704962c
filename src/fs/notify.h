// inotify(7) of the machine's own file systems (fs/tmpfs.h). Of its own files the host tells.
//
//     file (FILE_INOTIFY, object) --> struct notifier --head--> notice - notice (oldest first)
//                                        |   ^
//                                      marks |  struct mark --inode--> struct inode
//                                        +---+---- next           <--marks--
//
// (N1) A description has the host's queue, and a notifier from its first watch here on. A read gives what both
//      have; what happened in different file systems comes in no order.
// (N2) Numbers of watches from NOTIFY_WD on are ours, below it the host's.
// (N3) A mark keeps no inode: it ends with it, by IN_DELETE_SELF and IN_IGNORED.
// (N4) The notice of an overflow is made with its notifier, so that it can always be told.
#ifndef FS_NOTIFY_H
#define FS_NOTIFY_H

#include "fs/fs.h"

#define IN_ACCESS 0x1u
#define IN_MODIFY 0x2u
#define IN_ATTRIB 0x4u
#define IN_CLOSE_WRITE 0x8u
#define IN_CLOSE_NOWRITE 0x10u
#define IN_OPEN 0x20u
#define IN_MOVED_FROM 0x40u
#define IN_MOVED_TO 0x80u
#define IN_CREATE 0x100u
#define IN_DELETE 0x200u
#define IN_DELETE_SELF 0x400u
#define IN_MOVE_SELF 0x800u
#define IN_ALL_EVENTS 0xfffu
#define IN_Q_OVERFLOW 0x4000u
#define IN_IGNORED 0x8000u
#define IN_ONLYDIR 0x01000000u
#define IN_DONT_FOLLOW 0x02000000u
#define IN_MASK_CREATE 0x10000000u
#define IN_MASK_ADD 0x20000000u
#define IN_ISDIR 0x40000000u
#define IN_ONESHOT 0x80000000u
#define IN_KNOWN 0xf7000fffu // all events and flags

#define NOTIFY_WD (1 << 30)

struct notifier {
    file_t file;
    u32 marks, head, tail, count;
    u32 spare; // the notice of an overflow, 0 = it is in the queue
    i32 last_wd;
};

struct mark {
    u32 notifier, inode;
    u32 prev, next; // of its notifier
    u32 other;      // the inode's next
    i32 wd;
    u32 mask;
};

struct notice {
    u32 next;
    i32 wd;
    u32 mask, cookie, len; // len: of the name
    char *name;            // NULL = none
};

// A watch's number; -EACCES, -EEXIST, -ENOSPC, -ENOMEM
MUST_CHECK int notify_add(struct fs *fs, file_t inotify, u32 inode, u32 mask);
MUST_CHECK int notify_remove(struct fs *fs, file_t inotify, i32 wd); // -EINVAL

// What happened: to an inode, told to who watches it; ... and to who watches the directory it is in
// (by that name; 0 = the newest); to a name in a directory (mask with IN_ISDIR).
void notify_self(struct fs *fs, u32 inode, u32 mask);
void notify_file(struct fs *fs, u32 inode, u32 name, u32 mask);
void notify_name(struct fs *fs, u32 dir, u32 mask, u32 cookie, const char *name, size_t len);
void notify_moved(struct fs *fs, u32 inode, u32 dir1, const char *name1, size_t len1, u32 dir2,
                  const char *name2, size_t len2, u32 over); // over 0 = nothing was there
void notify_gone(struct fs *fs, u32 inode); // it is about to be

#endif
