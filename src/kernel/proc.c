// /proc: which file of which process a path names. fs walks and reads; here is the tree.
//
//     12/maps          -> target {group 12, its leader},   name "maps"      proc_task.c
//     12/task/13/stat  -> target {group 12, thread 13},    name "stat"      proc_task.c
//     sys/kernel/pid_max, cpuinfo, ...                                      proc_system.c
//
// (X1) A path is looked up afresh each time: an open file of a process that has ended reads -ESRCH.
#include "kernel/proc.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

// ---- paths

// A number at *p, which moves behind it: > 0, or 0 if there is none.
static u32 number_at(const char **p)
{
    u64 n = 0;
    const char *q = *p;
    if (*q < '1' || *q > '9')
        return 0;
    while (*q >= '0' && *q <= '9' && n < 100000000u)
        n = n * 10 + (u64)(*q++ - '0');
    if (*q && *q != '/')
        return 0;
    *p = *q == '/' ? q + 1 : q;
    return (u32)n;
}

static int process_find(struct machine *m, u32 pid, struct proc_target *p)
{
    task_t id = pid_find(m, pid);
    *p = (struct proc_target){NULL, NULL, false};
    if (id) {
        p->t = task_at(m, id);
        p->g = group_of(m, p->t);
        return 0;
    }
    if (m->init_group && group_at(m, m->init_group)->pid == pid) {
        p->g = group_at(m, m->init_group);
        return 0;
    }
    return -ENOENT;
}

// Takes "12/..." or "12/task/13/..." apart. -ENOENT: no such process.
static int target_of(struct machine *m, const char *rel, struct proc_target *p, const char **name)
{
    u32 pid = number_at(&rel);
    int r = pid ? process_find(m, pid, p) : -ENOENT;
    *name = rel;
    if (r || strncmp(rel, "task/", 5) != 0)
        return r;
    const char *rest = rel + 5;
    u32 tid = number_at(&rest);
    struct proc_target thread;
    if (!tid || process_find(m, tid, &thread) || thread.g != p->g)
        return -ENOENT;
    *p = thread;
    p->thread = true;
    *name = rest;
    return 0;
}

static bool is_process(const char *rel)
{
    return *rel >= '0' && *rel <= '9';
}

// ---- the callbacks

static int proc_kind_op(void *arg, const char *rel, u32 *mode)
{
    struct machine *m = arg;
    struct proc_target p;
    const char *name;
    if (!*rel)
        return PROC_DIR;
    if (!is_process(rel))
        return proc_system_kind(m, rel, mode);
    int r = target_of(m, rel, &p, &name);
    return r ? r : proc_task_kind(m, &p, name, mode);
}

// The links at the top: they name whoever asks.
static i64 self_link(struct machine *m, const char *rel, char *buf, size_t cap)
{
    char text[64];
    int n;
    bool thread = strcmp(rel, "thread-self") == 0;
    if (!strcmp(rel, "mounts") || !strcmp(rel, "net")) {
        n = snprintf(text, sizeof text, "self/%s", rel);
    } else if (thread || !strcmp(rel, "self")) {
        if (!m->current)
            return -ENOENT;
        const struct task *t = task_at(m, m->current);
        u32 pid = group_at(m, t->group)->pid;
        n = thread ? snprintf(text, sizeof text, "%u/task/%u", pid, t->tid)
                   : snprintf(text, sizeof text, "%u", pid);
    } else {
        return -EINVAL;
    }
    size_t len = MIN((size_t)n, cap);
    memcpy(buf, text, len);
    return (i64)len;
}

static i64 proc_readlink_op(void *arg, const char *rel, char *buf, size_t cap)
{
    struct machine *m = arg;
    struct proc_target p;
    const char *name;
    if (!is_process(rel))
        return self_link(m, rel, buf, cap);
    int r = target_of(m, rel, &p, &name);
    return r ? r : proc_task_link(m, &p, name, buf, cap);
}

static i64 proc_file_op(void *arg, const char *rel)
{
    struct machine *m = arg;
    struct proc_target p;
    const char *name;
    if (!is_process(rel))
        return 0;
    int r = target_of(m, rel, &p, &name);
    return r ? r : proc_task_file(m, &p, name);
}

static int proc_ns_op(void *arg, const char *rel, u32 *type, u32 *mounts, char *name)
{
    struct machine *m = arg;
    struct proc_target p;
    const char *file;
    if (!is_process(rel))
        return 0;
    int r = target_of(m, rel, &p, &file);
    return r ? r : proc_task_ns(&p, file, type, mounts, name);
}

static int proc_read_op(void *arg, const char *rel, struct strbuf *out)
{
    struct machine *m = arg;
    struct proc_target p;
    const char *name;
    if (!is_process(rel))
        return proc_system_read(m, rel, out);
    int r = target_of(m, rel, &p, &name);
    if (r)
        return -ESRCH; // X1
    r = proc_task_read(m, &p, name, out);
    return r ? r : out->failed ? -ENOMEM : 0;
}

static i64 proc_write_op(void *arg, const char *rel, const char *text, size_t n)
{
    struct machine *m = arg;
    struct proc_target p;
    const char *name;
    if (!is_process(rel))
        return proc_system_write(m, rel, text, n);
    int r = target_of(m, rel, &p, &name);
    return r ? -ESRCH : proc_task_write(m, &p, name, text, n);
}

static i64 proc_read_at_op(void *arg, const char *rel, u64 offset, void *to, size_t n)
{
    struct proc_target p;
    const char *name;
    if (!is_process(rel))
        return -ENOSYS;
    int r = target_of(arg, rel, &p, &name);
    if (r && (!strcmp(name, "mem") || !strcmp(name, "pagemap")))
        return 0; // its memory is gone
    return r ? -ENOSYS : proc_task_read_at(arg, &p, name, offset, to, n); // X1 is the text's
}

static i64 proc_write_at_op(void *arg, const char *rel, u64 offset, const void *from, size_t n)
{
    struct proc_target p;
    const char *name;
    if (!is_process(rel))
        return -ENOSYS;
    int r = target_of(arg, rel, &p, &name);
    if (r && !strcmp(name, "mem"))
        return 0;
    return r ? -ENOSYS : proc_task_write_at(arg, &p, name, offset, from, n);
}

static int list_processes(struct machine *m, struct strbuf *out)
{
    for (group_t id = 0; (id = pool_next(&m->groups, id));) {
        (void)strbuf_printf(out, "d%u", group_at(m, id)->pid);
        (void)strbuf_add(out, "", 1);
    }
    return out->failed ? -ENOMEM : 0;
}

static int proc_list_op(void *arg, const char *rel, struct strbuf *out)
{
    struct machine *m = arg;
    struct proc_target p;
    const char *name;
    if (!is_process(rel)) {
        int r = proc_system_list(m, rel, out);
        return r || *rel ? r : list_processes(m, out);
    }
    int r = target_of(m, rel, &p, &name);
    return r ? r : proc_task_list(m, &p, name, out);
}

void proc_attach(struct machine *m)
{
    static const struct proc_ops ops = {
        .kind = proc_kind_op,
        .readlink = proc_readlink_op,
        .file = proc_file_op,
        .ns = proc_ns_op,
        .read = proc_read_op,
        .write = proc_write_op,
        .read_at = proc_read_at_op,
        .write_at = proc_write_at_op,
        .list = proc_list_op,
    };
    m->fs->proc = &ops;
    m->fs->proc_arg = m;
}
