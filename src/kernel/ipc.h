// SysV IPC: shared memory, semaphore sets and message queues, all of them the machine's own.
//
//     key --> row (struct ipc_perm first) --+-- shm: a backing, mapped by regions
//     id = sequence * 32768 + index         +-- sem: values, waiters in order, undo lists
//                                           +-- msg: a list of messages
//
// (IP1) An id names a row as long as both its index (pool id - 1) and its sequence agree.
// (IP2) A segment to be destroyed stays until the last region of it is gone: its backing then has
//       our own reference alone (shm_reap).
// (IP3) Who waits for semaphores is a row with a copy of the operations; they are made on its behalf,
//       oldest first, by whoever makes them possible (Linux does so too: a value that is right for
//       an instant only is not missed).
//
// What rows own beyond themselves: shm.backing (a reference), semset.sems, sem_waiter.ops, sem_undo.adjust,
// message.data (heap blocks).
#ifndef KERNEL_IPC_H
#define KERNEL_IPC_H

#include "abi/ipc.h"
#include "kernel/task.h"

struct machine;
struct strbuf;

#define IPC_INDEXES 32768u
#define IPC_BUCKETS 64u

struct ipc_perm {
    u32 id;         // what the program calls it
    i32 key;        // 0 = private
    u32 next;       // row with a key of the same bucket
    u32 uid, gid, cuid, cgid, mode;
};

struct ipc_kind { // all rows of a kind
    struct pool pool;
    u32 sequence;
    u32 bucket[IPC_BUCKETS];
};

struct shm {
    struct ipc_perm perm;
    u64 size;
    struct backing *backing;
    i64 atime, dtime, ctime;
    u32 cpid, lpid;
};

struct sem {
    i32 value;
    u32 pid; // of the last operation
};

struct semset {
    struct ipc_perm perm;
    u32 nsems;
    u32 waiters, waiters_last; // oldest first
    u32 undos;                 // of every list
    i64 otime, ctime;
    struct sem *sems;
};

struct sem_waiter {
    u32 next, set;
    task_t task;
    u32 nops;
    u32 undo;      // row to record SEM_UNDO in, 0 = none
    u32 blocked;   // index of the first operation that is not possible
    i32 result;    // 1 = waits still
    struct g_sembuf *ops;
};

struct sem_undo { // what one list takes back in one set
    u32 set, list;
    u32 next, next_of_set;
    i16 *adjust; // nsems of them
};

struct sem_list { // identity: CLONE_SYSVSEM shares it
    u32 holders, undos;
};

struct message {
    u32 next, size;
    i64 type;
    u8 *data;
};

struct msgqueue {
    struct ipc_perm perm;
    u32 head, tail, count;
    u32 lspid, lrpid;
    u64 bytes, limit;
    i64 stime, rtime, ctime;
};

enum { SEM_MSL, SEM_MNS, SEM_OPM, SEM_MNI }; // semaphores in a set, in all, operations, sets

struct ipc {
    struct ipc_kind shm, sem, msg;
    struct pool sem_waiters, sem_undos, sem_lists, messages;
    u32 shm_doomed;                    // segments that go with their last region
    u64 shm_pages, sems, message_bytes; // totals
    // /proc/sys/kernel
    u64 shmmax, shmmni, shmall, msgmax, msgmnb, msgmni;
    u64 sem_limit[4]; // SEM_...
};

void ipc_init(struct machine *m); // the limits

// What a ...get call finds: 0 with *out; 1 = to be made; -ENOENT, -EEXIST, -EACCES
MUST_CHECK int ipc_find_key(struct machine *m, struct task *t, struct ipc_kind *k, i32 key, u32 flags,
                            struct ipc_perm **out);
MUST_CHECK int ipc_new(struct machine *m, struct task *t, struct ipc_kind *k, i32 key, u32 flags,
                       struct ipc_perm **out); // -ENOMEM
void ipc_forget_key(struct ipc_kind *k, struct ipc_perm *p);
void ipc_row_free(struct ipc_kind *k, struct ipc_perm *p);
MUST_CHECK int ipc_find(struct ipc_kind *k, u64 id, struct ipc_perm **out); // -EINVAL, -EIDRM
struct ipc_perm *ipc_at(struct ipc_kind *k, u64 index);                 // NULL: nothing there
i32 ipc_highest(struct ipc_kind *k);                                    // index, -1 = none
MUST_CHECK int ipc_may(struct machine *m, struct task *t, const struct ipc_perm *p, u32 want); // -EACCES
MUST_CHECK int ipc_owner(struct machine *m, struct task *t, const struct ipc_perm *p);        // -EPERM
// The row that IPC_STAT, ..STAT and ..STAT_ANY mean, allowed to be read.
MUST_CHECK int ipc_find_stat(struct machine *m, struct task *t, struct ipc_kind *k, u64 id, bool by_index,
                             bool any, struct ipc_perm **out);
struct g_ipc_perm ipc_perm_out(const struct ipc_perm *p);
void ipc_perm_set(struct ipc_perm *p, const struct g_ipc_perm *from);
i64 ipc_now(struct machine *m); // seconds since 1970

// ---- sys_shm.c
void shm_reap(struct machine *m);                  // some region may have gone
void shm_mm_put(struct machine *m, struct task *t); // mm_put of the task's, which detaches
u64 shm_attached(struct machine *m, const struct shm *s);
u64 shm_resident(const struct shm *s);
void shm_free(struct machine *m, struct shm *s);

// ---- sys_sem.c
MUST_CHECK int sem_list_share(struct machine *m, struct task *t, struct task *child);
void sem_task_gone(struct machine *m, struct task *t); // it ends: its wait, its undo list
void sem_set_free(struct machine *m, struct semset *s);

// ---- sys_msg.c
void msg_queue_free(struct machine *m, struct msgqueue *q);

// ---- ipc_proc.c: /proc/sysvipc
int ipc_show_msg(struct machine *m, struct strbuf *out);
int ipc_show_sem(struct machine *m, struct strbuf *out);
int ipc_show_shm(struct machine *m, struct strbuf *out);

#endif
