// Calls about another process's insides: process_vm_readv(2) and process_vm_writev(2), kcmp(2).
#include <errno.h>

#include "kernel/access.h"
#include "kernel/sys_file.h"
#include "mm/uaccess.h"

bool may_trace(struct machine *m, const struct task *t, const struct task *of)
{
    const struct group *me = group_at(m, t->group), *it = group_at(m, of->group);
    if (me == it)
        return true;
    if (it->kernel)
        return false;
    if (capable(me, G_CAP_SYS_PTRACE))
        return true;
    return me->uid == it->uid && me->uid == it->euid && me->uid == it->suid && me->gid == it->gid &&
           me->gid == it->egid && me->gid == it->sgid && it->dumpable;
}

struct group *group_find(struct machine *m, u32 pid)
{
    task_t id = pid_find(m, pid);
    if (id)
        return group_of(m, task_at(m, id));
    return pid == 1 && m->init_group ? group_at(m, m->init_group) : NULL;
}

// ---- process_vm_readv, process_vm_writev

#define IOV_MOST 1024u

struct walk { // through an iovec array in t's memory
    gva_t list;
    u64 count, next;
    gva_t at;
    u64 left;
};

// The next piece that is not empty: 1; 0 = no more.
static int walk_on(struct task *t, struct walk *w)
{
    u64 iov[2];
    while (w->left == 0) {
        if (w->next == w->count)
            return 0;
        int r = uaccess_read(t->mm, iov, w->list + w->next++ * sizeof iov, sizeof iov);
        if (r)
            return r;
        w->at = iov[0];
        w->left = iov[1];
    }
    return 1;
}

static int check_list(struct task *t, gva_t list, u64 count)
{
    u64 iov[2], sum = 0;
    if (count > IOV_MOST)
        return -EINVAL;
    for (u64 i = 0; i < count; i++) {
        int r = uaccess_read(t->mm, iov, list + i * sizeof iov, sizeof iov);
        if (r)
            return r;
        if ((i64)iov[1] < 0 || (i64)(sum += iov[1]) < 0)
            return -EINVAL;
    }
    return 0;
}

static i64 copy_between(struct machine *m, struct task *t, struct task *of, struct walk *mine, struct walk *its, bool write)
{
    u8 bytes[PAGE_SIZE];
    i64 done = 0;
    for (u32 pieces = 1;; pieces++) {
        int r = pieces % 256 || !call_must_end(m, t) ? walk_on(t, its) : -ERESTARTSYS;
        if (r == 1)
            r = walk_on(t, mine);
        if (r <= 0)
            return r && !done ? r : done;
        u64 n = MIN(MIN(mine->left, its->left), MIN(PAGE_SIZE - (its->at & PAGE_MASK),
                                                    PAGE_SIZE - (mine->at & PAGE_MASK)));
        if (write) {
            r = uaccess_read(t->mm, bytes, mine->at, n);
            r = r ? r : uaccess_write(of->mm, its->at, bytes, n);
        } else {
            r = uaccess_read(of->mm, bytes, its->at, n);
            r = r ? r : uaccess_write(t->mm, mine->at, bytes, n);
        }
        if (r)
            return done ? done : r;
        done += (i64)n;
        mine->at += n;
        mine->left -= n;
        its->at += n;
        its->left -= n;
    }
}

static i64 process_vm(struct machine *m, struct task *t, const u64 *a, bool write)
{
    struct walk mine = {.list = a[1], .count = a[2]}, its = {.list = a[3], .count = a[4]};
    if (a[5])
        return -EINVAL;
    int r = check_list(t, a[1], a[2]);
    if (r == 0)
        r = check_list(t, a[3], a[4]);
    if (r)
        return r;
    task_t id = (i32)a[0] > 0 ? pid_find(m, (u32)a[0]) : 0;
    if (!id || !task_at(m, id)->mm)
        return -ESRCH;
    if (!may_trace(m, t, task_at(m, id)))
        return -EPERM;
    return copy_between(m, t, task_at(m, id), &mine, &its, write);
}

i64 sys_process_vm_readv(struct machine *m, struct task *t, const u64 *a)
{
    return process_vm(m, t, a, false);
}

i64 sys_process_vm_writev(struct machine *m, struct task *t, const u64 *a)
{
    return process_vm(m, t, a, true);
}

// ---- kcmp

enum { KCMP_FILE, KCMP_VM, KCMP_FILES, KCMP_FS, KCMP_SIGHAND, KCMP_IO, KCMP_SYSVSEM, KCMP_EPOLL_TFD };

static const void *identity(const struct task *t, u32 type)
{
    switch (type) {
    case KCMP_VM:
        return t->mm;
    case KCMP_FILES:
        return t->files;
    case KCMP_FS:
        return t->fs;
    default:
        return t->sighand;
    }
}

// An order that does not depend on where things lie in the host's memory: by the first task that
// holds the same.
static u32 first_holder(struct machine *m, const void *what, u32 type)
{
    for (u32 id = pool_next(&m->tasks, 0); id; id = pool_next(&m->tasks, id))
        if (identity(task_at(m, id), type) == what)
            return id;
    return 0;
}

// The file that an epoll set of `of` watches: the set's descriptor, the watched one, which of that name.
static int epoll_slot(struct machine *m, struct task *t, struct task *of, gva_t at, u64 *out)
{
    u32 slot[3];
    int r = uaccess_read(t->mm, slot, at, sizeof slot);
    file_t set = r ? 0 : fd_arg(of, slot[0]);
    if (r || !set)
        return r ? r : -EBADF;
    if (file_at(m->fs, set)->kind != FILE_EPOLL)
        return -EINVAL;
    *out = epoll_target(m, set, slot[1], slot[2]);
    return *out ? 0 : -ENOENT;
}

i64 sys_kcmp(struct machine *m, struct task *t, const u64 *a)
{
    task_t id1 = pid_find(m, (u32)a[0]), id2 = pid_find(m, (u32)a[1]);
    u64 x, y;
    int r;
    u32 type = (u32)a[2];
    if (!id1 || !id2)
        return -ESRCH;
    struct task *t1 = task_at(m, id1), *t2 = task_at(m, id2);
    if (!may_trace(m, t, t1) || !may_trace(m, t, t2))
        return -EPERM;
    if (!t1->mm || !t2->mm)
        return -ESRCH;
    switch (type) {
    case KCMP_FILE:
        x = fd_arg(t1, a[3]);
        y = fd_arg(t2, a[4]);
        if (!x || !y)
            return -EBADF;
        break;
    case KCMP_VM: case KCMP_FILES: case KCMP_FS: case KCMP_SIGHAND:
        x = first_holder(m, identity(t1, type), type);
        y = first_holder(m, identity(t2, type), type);
        break;
    case KCMP_IO: // nobody has an I/O context
        return 0;
    case KCMP_SYSVSEM:
        x = t1->sem_list;
        y = t2->sem_list;
        break;
    case KCMP_EPOLL_TFD:
        x = fd_arg(t1, a[3]);
        r = x ? epoll_slot(m, t, t2, a[4], &y) : -EBADF;
        if (r)
            return r;
        break;
    default:
        return -EINVAL;
    }
    return x == y ? 0 : x < y ? 1 : 2;
}
