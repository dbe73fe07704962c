// SysV IPC and POSIX message queues: numbers and layouts of riscv64 Linux.
// Sources: include/uapi/linux/{ipc,shm,sem,msg,mqueue}.h, include/uapi/asm-generic/{ipc,shm,sem,msg}buf.h
#ifndef ABI_IPC_H
#define ABI_IPC_H

#include "base/types.h"

enum { // svipc(7)
    G_IPC_PRIVATE = 0,
    G_IPC_CREAT = 01000, G_IPC_EXCL = 02000, G_IPC_NOWAIT = 04000,
    G_IPC_RMID = 0, G_IPC_SET = 1, G_IPC_STAT = 2, G_IPC_INFO = 3,
};

struct g_ipc_perm {
    i32 key;
    u32 uid, gid, cuid, cgid, mode;
    u16 seq, pad;
    u64 unused[2];
};
_Static_assert(sizeof(struct g_ipc_perm) == 48, "ipc64_perm");

enum { // shmget(2), shmat(2), shmctl(2)
    G_SHM_HUGETLB = 04000,
    G_SHM_RDONLY = 010000, G_SHM_RND = 020000, G_SHM_REMAP = 040000, G_SHM_EXEC = 0100000,
    G_SHM_DEST = 01000, G_SHM_LOCKED = 02000,
    G_SHM_LOCK = 11, G_SHM_UNLOCK, G_SHM_STAT, G_SHM_INFO, G_SHM_STAT_ANY,
};

struct g_shmid_ds {
    struct g_ipc_perm perm;
    u64 segsz;
    i64 atime, dtime, ctime;
    i32 cpid, lpid;
    u64 nattch, unused[2];
};
_Static_assert(sizeof(struct g_shmid_ds) == 112, "shmid64_ds");

struct g_shminfo {
    u64 shmmax, shmmin, shmmni, shmseg, shmall, unused[4];
};

struct g_shm_info {
    i32 used_ids, pad;
    u64 shm_tot, shm_rss, shm_swp, swap_attempts, swap_successes;
};

enum { // semop(2), semctl(2)
    G_SEM_UNDO = 0x1000,
    G_SEM_GETPID = 11, G_SEM_GETVAL, G_SEM_GETALL, G_SEM_GETNCNT, G_SEM_GETZCNT, G_SEM_SETVAL,
    G_SEM_SETALL, G_SEM_STAT, G_SEM_INFO, G_SEM_STAT_ANY,
    G_SEMVMX = 32767,
};

struct g_sembuf {
    u16 num;
    i16 op, flags;
};

struct g_semid_ds {
    struct g_ipc_perm perm;
    i64 otime, ctime;
    u64 nsems, unused[2];
};
_Static_assert(sizeof(struct g_semid_ds) == 88, "semid64_ds");

struct g_seminfo {
    i32 semmap, semmni, semmns, semmnu, semmsl, semopm, semume, semusz, semvmx, semaem;
};

enum { // msgop(2), msgctl(2)
    G_MSG_NOERROR = 010000, G_MSG_EXCEPT = 020000, G_MSG_COPY = 040000,
    G_MSG_STAT = 11, G_MSG_INFO, G_MSG_STAT_ANY,
};

struct g_msqid_ds {
    struct g_ipc_perm perm;
    i64 stime, rtime, ctime;
    u64 cbytes, qnum, qbytes;
    i32 lspid, lrpid;
    u64 unused[2];
};
_Static_assert(sizeof(struct g_msqid_ds) == 120, "msqid64_ds");

struct g_msginfo {
    i32 msgpool, msgmap, msgmax, msgmnb, msgmni, msgssz, msgtql;
    u16 msgseg, pad;
};

// POSIX message queues: mq_overview(7)
struct g_mq_attr {
    i64 flags, maxmsg, msgsize, curmsgs, unused[4];
};
_Static_assert(sizeof(struct g_mq_attr) == 64, "struct mq_attr");

enum { G_SIGEV_SIGNAL, G_SIGEV_NONE, G_SIGEV_THREAD, G_SIGEV_THREAD_ID = 4 };
enum { G_MQ_PRIO_MAX = 32768, G_MQ_NAME_MAX = 255, G_SI_MESGQ = -3 };
enum { G_NOTIFY_WOKENUP = 1, G_NOTIFY_REMOVED, G_NOTIFY_COOKIE = 32 }; // the last byte of a cookie

#endif
