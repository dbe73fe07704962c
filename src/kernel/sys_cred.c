// Who a process is: user and group ids, capabilities.
//
// The host decides what files may be touched, as the user who started tine; these ids are what the
// guest sees and what its own calls (kill, setpriority, ..) go by. User 0 has every capability.
#include "host/identity.h"
#include "kernel/syscall.h"

#include <errno.h>
#include <string.h>

#include "mm/uaccess.h"

#define KEEP (~0u) // -1: leave it as it is

static bool is_root(const struct group *g)
{
    return g->euid == 0;
}

// ---- reading

i64 sys_getuid(struct machine *m, struct task *t, const u64 *a)
{
    (void)a;
    return group_of(m, t)->uid;
}

i64 sys_geteuid(struct machine *m, struct task *t, const u64 *a)
{
    (void)a;
    return group_of(m, t)->euid;
}

i64 sys_getgid(struct machine *m, struct task *t, const u64 *a)
{
    (void)a;
    return group_of(m, t)->gid;
}

i64 sys_getegid(struct machine *m, struct task *t, const u64 *a)
{
    (void)a;
    return group_of(m, t)->egid;
}

static i64 put_ids(struct task *t, const u64 *a, u32 r, u32 e, u32 s)
{
    int x = uaccess_write_u32(t->mm, a[0], r);
    if (x == 0)
        x = uaccess_write_u32(t->mm, a[1], e);
    return x ? x : uaccess_write_u32(t->mm, a[2], s);
}

i64 sys_getresuid(struct machine *m, struct task *t, const u64 *a)
{
    const struct group *g = group_of(m, t);
    return put_ids(t, a, g->uid, g->euid, g->suid);
}

i64 sys_getresgid(struct machine *m, struct task *t, const u64 *a)
{
    const struct group *g = group_of(m, t);
    return put_ids(t, a, g->gid, g->egid, g->sgid);
}

// ---- changing users

i64 sys_setuid(struct machine *m, struct task *t, const u64 *a)
{
    struct group *g = group_of(m, t);
    u32 id = (u32)a[0];
    if (id == KEEP)
        return -EINVAL;
    if (is_root(g))
        g->uid = g->suid = id;
    else if (id != g->uid && id != g->suid)
        return -EPERM;
    g->euid = g->fsuid = id;
    return 0;
}

i64 sys_setreuid(struct machine *m, struct task *t, const u64 *a)
{
    struct group *g = group_of(m, t);
    u32 r = (u32)a[0], e = (u32)a[1], old = g->uid;
    if (!is_root(g)) {
        if (r != KEEP && r != g->uid && r != g->euid)
            return -EPERM;
        if (e != KEEP && e != g->uid && e != g->euid && e != g->suid)
            return -EPERM;
    }
    if (r != KEEP)
        g->uid = r;
    if (e != KEEP)
        g->euid = e;
    if (r != KEEP || (e != KEEP && e != old))
        g->suid = g->euid;
    g->fsuid = g->euid;
    return 0;
}

i64 sys_setresuid(struct machine *m, struct task *t, const u64 *a)
{
    struct group *g = group_of(m, t);
    for (int i = 0; i < 3 && !is_root(g); i++) {
        u32 id = (u32)a[i];
        if (id != KEEP && id != g->uid && id != g->euid && id != g->suid)
            return -EPERM;
    }
    if ((u32)a[0] != KEEP)
        g->uid = (u32)a[0];
    if ((u32)a[1] != KEEP)
        g->euid = (u32)a[1];
    if ((u32)a[2] != KEEP)
        g->suid = (u32)a[2];
    g->fsuid = g->euid;
    return 0;
}

// Answers the old id, whether or not it was changed (setfsuid(2)).
i64 sys_setfsuid(struct machine *m, struct task *t, const u64 *a)
{
    struct group *g = group_of(m, t);
    u32 id = (u32)a[0], old = g->fsuid;
    if (id != KEEP &&
        (is_root(g) || id == g->uid || id == g->euid || id == g->suid || id == g->fsuid))
        g->fsuid = id;
    return old;
}

// ---- what the host makes of it

void identity_assume(struct machine *m, u32 uid, u32 gid)
{
    if (!m->changes_identity || (uid == m->host_fsuid && gid == m->host_fsgid))
        return;
    host_assume(uid, gid);
    m->host_fsuid = uid;
    m->host_fsgid = gid;
}

// ---- changing groups

i64 sys_setgid(struct machine *m, struct task *t, const u64 *a)
{
    struct group *g = group_of(m, t);
    u32 id = (u32)a[0];
    if (id == KEEP)
        return -EINVAL;
    if (is_root(g))
        g->gid = g->sgid = id;
    else if (id != g->gid && id != g->sgid)
        return -EPERM;
    g->egid = g->fsgid = id;
    return 0;
}

i64 sys_setregid(struct machine *m, struct task *t, const u64 *a)
{
    struct group *g = group_of(m, t);
    u32 r = (u32)a[0], e = (u32)a[1], old = g->gid;
    if (!is_root(g)) {
        if (r != KEEP && r != g->gid && r != g->egid)
            return -EPERM;
        if (e != KEEP && e != g->gid && e != g->egid && e != g->sgid)
            return -EPERM;
    }
    if (r != KEEP)
        g->gid = r;
    if (e != KEEP)
        g->egid = e;
    if (r != KEEP || (e != KEEP && e != old))
        g->sgid = g->egid;
    g->fsgid = g->egid;
    return 0;
}

i64 sys_setresgid(struct machine *m, struct task *t, const u64 *a)
{
    struct group *g = group_of(m, t);
    for (int i = 0; i < 3 && !is_root(g); i++) {
        u32 id = (u32)a[i];
        if (id != KEEP && id != g->gid && id != g->egid && id != g->sgid)
            return -EPERM;
    }
    if ((u32)a[0] != KEEP)
        g->gid = (u32)a[0];
    if ((u32)a[1] != KEEP)
        g->egid = (u32)a[1];
    if ((u32)a[2] != KEEP)
        g->sgid = (u32)a[2];
    g->fsgid = g->egid;
    return 0;
}

i64 sys_setfsgid(struct machine *m, struct task *t, const u64 *a)
{
    struct group *g = group_of(m, t);
    u32 id = (u32)a[0], old = g->fsgid;
    if (id != KEEP &&
        (is_root(g) || id == g->gid || id == g->egid || id == g->sgid || id == g->fsgid))
        g->fsgid = id;
    return old;
}

// The one supplementary group is the effective one: struct group keeps no list.
i64 sys_getgroups(struct machine *m, struct task *t, const u64 *a)
{
    i32 room = (i32)a[0];
    if (room < 0)
        return -EINVAL;
    if (room == 0)
        return 1;
    int r = uaccess_write_u32(t->mm, a[1], group_of(m, t)->egid);
    return r ? r : 1;
}

#define NGROUPS_MAX 65536u

i64 sys_setgroups(struct machine *m, struct task *t, const u64 *a)
{
    if (!is_root(group_of(m, t)))
        return -EPERM;
    u32 n = (u32)a[0];
    if (n > NGROUPS_MAX)
        return -EINVAL;
    return n ? uaccess_check(t->mm, a[1], n * sizeof(u32), MM_READ) : 0;
}

// ---- capabilities (capget(2)); versions 2 and 3 have two words for each set

#define CAP_VERSION_1 0x19980330u
#define CAP_VERSION_2 0x20071026u
#define CAP_VERSION_3 0x20080522u
#define CAP_ALL 0x1ffffffffffULL // 41 of them in Linux 6.1

struct cap_header {
    u32 version;
    i32 pid;
};
struct cap_data {
    u32 effective, permitted, inheritable;
};

// The number of words; -EINVAL for a version that is not known, and the header then names ours.
static int cap_words(struct task *t, gva_t header, struct cap_header *h)
{
    int r = uaccess_read(t->mm, h, header, sizeof *h);
    if (r)
        return r;
    if (h->version == CAP_VERSION_1)
        return 1;
    if (h->version == CAP_VERSION_2 || h->version == CAP_VERSION_3)
        return 2;
    r = uaccess_write_u32(t->mm, header, CAP_VERSION_3);
    return r ? r : -EINVAL;
}

i64 sys_capget(struct machine *m, struct task *t, const u64 *a)
{
    struct cap_header h;
    struct cap_data data[2] = {{0, 0, 0}, {0, 0, 0}};
    int n = cap_words(t, a[0], &h);
    if (n < 0)
        return n == -EINVAL && !a[1] ? 0 : n;
    if (h.pid < 0)
        return -EINVAL;
    task_t of = h.pid ? pid_find(m, (u32)h.pid) : t->id;
    if (!of)
        return -ESRCH;
    if (!a[1])
        return -EFAULT;
    u64 caps = is_root(group_of(m, task_at(m, of))) ? CAP_ALL : 0;
    for (int i = 0; i < n; i++)
        data[i].effective = data[i].permitted = (u32)(caps >> (32 * i));
    return uaccess_write(t->mm, a[1], data, (size_t)n * sizeof *data);
}

i64 sys_capset(struct machine *m, struct task *t, const u64 *a)
{
    struct cap_header h;
    struct cap_data data[2] = {{0, 0, 0}, {0, 0, 0}};
    struct group *g = group_of(m, t);
    int n = cap_words(t, a[0], &h);
    if (n < 0)
        return n;
    if (h.pid && (u32)h.pid != t->tid)
        return -EPERM;
    int r = uaccess_read(t->mm, data, a[1], (size_t)n * sizeof *data);
    if (r)
        return r;
    u64 caps = is_root(g) ? CAP_ALL : 0;
    for (int i = 0; i < n; i++) {
        u32 have = (u32)(caps >> (32 * i));
        if (data[i].permitted & ~have || data[i].effective & ~data[i].permitted)
            return -EPERM;
    }
    return 0; // giving some up is accepted, and not remembered
}
