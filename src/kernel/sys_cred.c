// Who a process is: user and group ids, capabilities.
//
// The host decides what files may be touched, as the user who started tine; these ids are what the
// guest sees and what its own calls (kill, setpriority, ..) go by. They are the process's here: Linux
// has them for each thread, and every libc changes them for all threads at once. Capabilities:
// sys_cap.c.
#include "host/identity.h"
#include "kernel/syscall.h"

#include <errno.h>
#include <string.h>

#include "base/alloc.h"
#include "base/forking.h"
#include "kernel/access.h"
#include "mm/uaccess.h"

#define KEEP (~0u) // -1: leave it as it is

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

static i64 do_setuid(struct machine *m, struct task *t, const u64 *a)
{
    struct group *g = group_of(m, t);
    u32 id = (u32)a[0];
    if (id == KEEP)
        return -EINVAL;
    if (capable(g, G_CAP_SETUID))
        g->uid = g->suid = id;
    else if (id != g->uid && id != g->suid)
        return -EPERM;
    g->euid = g->fsuid = id;
    return 0;
}

static i64 do_setreuid(struct machine *m, struct task *t, const u64 *a)
{
    struct group *g = group_of(m, t);
    u32 r = (u32)a[0], e = (u32)a[1], old = g->uid;
    if (!capable(g, G_CAP_SETUID)) {
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

static i64 do_setresuid(struct machine *m, struct task *t, const u64 *a)
{
    struct group *g = group_of(m, t);
    for (int i = 0; i < 3 && !capable(g, G_CAP_SETUID); i++) {
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
static i64 do_setfsuid(struct machine *m, struct task *t, const u64 *a)
{
    struct group *g = group_of(m, t);
    u32 id = (u32)a[0], old = g->fsuid;
    if (id != KEEP &&
        (capable(g, G_CAP_SETUID) || id == g->uid || id == g->euid || id == g->suid || id == g->fsuid))
        g->fsuid = id;
    return old;
}

// ---- changing groups

static i64 do_setgid(struct machine *m, struct task *t, const u64 *a)
{
    struct group *g = group_of(m, t);
    u32 id = (u32)a[0];
    if (id == KEEP)
        return -EINVAL;
    if (capable(g, G_CAP_SETGID))
        g->gid = g->sgid = id;
    else if (id != g->gid && id != g->sgid)
        return -EPERM;
    g->egid = g->fsgid = id;
    return 0;
}

static i64 do_setregid(struct machine *m, struct task *t, const u64 *a)
{
    struct group *g = group_of(m, t);
    u32 r = (u32)a[0], e = (u32)a[1], old = g->gid;
    if (!capable(g, G_CAP_SETGID)) {
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

static i64 do_setresgid(struct machine *m, struct task *t, const u64 *a)
{
    struct group *g = group_of(m, t);
    for (int i = 0; i < 3 && !capable(g, G_CAP_SETGID); i++) {
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

static i64 do_setfsgid(struct machine *m, struct task *t, const u64 *a)
{
    struct group *g = group_of(m, t);
    u32 id = (u32)a[0], old = g->fsgid;
    if (id != KEEP &&
        (capable(g, G_CAP_SETGID) || id == g->gid || id == g->egid || id == g->sgid || id == g->fsgid))
        g->fsgid = id;
    return old;
}

// ---- supplementary groups

#define NGROUPS_MAX 65536u

int gids_new(struct machine *m, u32 count, struct gids **out)
{
    struct gids *list = mem_zalloc(sizeof *list + count * sizeof list->gid[0]);
    if (!list)
        return -ENOMEM;
    list->refs = 1;
    list->count = count;
    list->serial = ++m->gids_serial;
    *out = list;
    return 0;
}

void gids_put(struct gids *list)
{
    if (list && --list->refs == 0)
        mem_free(list);
}

bool in_group(const struct group *g, u32 gid)
{
    for (u32 i = 0; g->gids && i < g->gids->count; i++)
        if (g->gids->gid[i] == gid)
            return true;
    return g->egid == gid;
}

i64 sys_getgroups(struct machine *m, struct task *t, const u64 *a)
{
    const struct gids *list = group_of(m, t)->gids;
    i32 room = (i32)a[0], n = list ? (i32)list->count : 0;
    if (room < 0 || (room && room < n))
        return -EINVAL;
    int r = room && n ? uaccess_write(t->mm, a[1], list->gid, (u32)n * sizeof list->gid[0]) : 0;
    return r ? r : n;
}

i64 sys_setgroups(struct machine *m, struct task *t, const u64 *a)
{
    struct group *g = group_of(m, t);
    struct gids *list;
    u32 n = (u32)a[0];
    if (!capable(g, G_CAP_SETGID))
        return -EPERM;
    if (n > NGROUPS_MAX)
        return -EINVAL;
    int r = gids_new(m, n, &list);
    if (r)
        return r;
    r = uaccess_read(t->mm, list->gid, a[1], n * sizeof list->gid[0]);
    if (r) {
        gids_put(list);
        return r;
    }
    gids_put(g->gids);
    g->gids = list;
    return 0;
}

// ---- what a change entails

struct before {
    u32 uid, euid, suid, fsuid, egid, fsgid;
};

static struct before before(const struct group *g)
{
    return (struct before){g->uid, g->euid, g->suid, g->fsuid, g->egid, g->fsgid};
}

#define CAPS_OF_FILES                                                                              \
    (G_CAP_BIT(G_CAP_CHOWN) | G_CAP_BIT(G_CAP_DAC_OVERRIDE) | G_CAP_BIT(G_CAP_DAC_READ_SEARCH) |   \
     G_CAP_BIT(G_CAP_FOWNER) | G_CAP_BIT(G_CAP_FSETID) | G_CAP_BIT(G_CAP_LINUX_IMMUTABLE) |        \
     G_CAP_BIT(G_CAP_MKNOD) | G_CAP_BIT(G_CAP_MAC_OVERRIDE))

// capabilities(7), "Effect of user ID changes on capabilities"; prctl(2), PR_SET_DUMPABLE and
// PR_SET_PDEATHSIG, for the rest.
static void after(struct group *g, const struct before *b, bool fs_alone)
{
    struct caps *c = &g->caps;
    if (!(c->securebits & SECURE_NO_FIXUP) && fs_alone) {
        if (b->fsuid == 0 && g->fsuid != 0)
            c->effective &= ~CAPS_OF_FILES;
        if (b->fsuid != 0 && g->fsuid == 0)
            c->effective |= c->permitted & CAPS_OF_FILES;
    } else if (!(c->securebits & SECURE_NO_FIXUP)) {
        bool was = !b->uid || !b->euid || !b->suid, is = !g->uid || !g->euid || !g->suid;
        if (was && !is && !(c->securebits & SECURE_KEEP_CAPS))
            c->permitted = c->effective = 0;
        if (was && !is)
            c->ambient = 0;
        if (b->euid == 0 && g->euid != 0)
            c->effective = 0;
        if (b->euid != 0 && g->euid == 0)
            c->effective = c->permitted;
    }
    if (b->euid != g->euid || b->egid != g->egid || b->fsuid != g->fsuid || b->fsgid != g->fsgid) {
        g->dumpable = false;
        g->pdeath_signal = 0;
    }
}

#define CHANGES(name, fs_alone)                                                                     \
    i64 sys_##name(struct machine *m, struct task *t, const u64 *a)                                 \
    {                                                                                               \
        const struct before b = before(group_of(m, t));                                             \
        i64 r = do_##name(m, t, a);                                                                 \
        after(group_of(m, t), &b, fs_alone);                                                        \
        return r;                                                                                   \
    }
CHANGES(setuid, false)
CHANGES(setreuid, false)
CHANGES(setresuid, false)
CHANGES(setfsuid, true)
CHANGES(setgid, false)
CHANGES(setregid, false)
CHANGES(setresgid, false)
CHANGES(setfsgid, true)

// ---- what the host makes of it

void identity_assume(struct machine *m, u32 uid, u32 gid, const struct gids *list)
{
    u64 serial = list ? list->serial : 0;
    if (!m->changes_identity || (uid == m->host_fsuid && gid == m->host_fsgid && serial == m->host_gids))
        return;
    host_assume(uid, gid, list ? list->gid : NULL, list ? list->count : 0);
    m->host_fsuid = uid;
    m->host_fsgid = gid;
    m->host_gids = serial;
}
