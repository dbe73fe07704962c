// The files of /proc that are about the whole machine. Directories are what the paths imply.
#include "base/mix.h"
#include "fs/mount_call.h"
#include "kernel/proc.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fs/tmpfs.h"
#include "host/clock.h"

#define NS 1000000000u

void proc_hostname(struct machine *m, char *buf, size_t cap)
{
    (void)m;
    int n = host_name(buf, cap);
    if (n <= 0)
        (void)snprintf(buf, cap, "tine");
}

// ---- contents

static int show_cpuinfo(struct machine *m, struct strbuf *s)
{
    (void)m;
    return strbuf_puts(s, "processor\t: 0\n"
                          "hart\t\t: 0\n"
                          "isa\t\t: rv64imafdc_zicsr_zifencei\n"
                          "mmu\t\t: sv39\n"
                          "uarch\t\t: tine\n\n");
}

static void kb(struct strbuf *s, const char *name, u64 pages)
{
    (void)strbuf_printf(s, "%-15s %8llu kB\n", name, (unsigned long long)(pages * 4));
}

static int show_meminfo(struct machine *m, struct strbuf *s)
{
    u64 total = m->store->limit, rest = store_room(m->store), used = total - rest;
    static const char *const none[] = {"Buffers:", "Cached:", "SwapCached:", "Active:", "Inactive:",
                                       "SwapTotal:", "SwapFree:", "Dirty:", "Writeback:"};
    kb(s, "MemTotal:", total);
    kb(s, "MemFree:", rest);
    kb(s, "MemAvailable:", rest);
    for (u32 i = 0; i < ARRAY_LEN(none); i++)
        kb(s, none[i], 0);
    kb(s, "AnonPages:", used);
    kb(s, "Mapped:", 0);
    kb(s, "Shmem:", 0);
    kb(s, "PageTables:", m->store->nodes_used / 8u); // a node is about half a KiB
    kb(s, "CommitLimit:", total);
    kb(s, "Committed_AS:", used);
    kb(s, "VmallocTotal:", 0);
    return strbuf_puts(s, "HugePages_Total:       0\nHugePages_Free:        0\n"
                          "Hugepagesize:       2048 kB\n");
}

static void count_tasks(struct machine *m, u32 *running, u32 *blocked)
{
    *running = *blocked = 0;
    for (task_t id = 0; (id = pool_next(&m->tasks, id));) {
        const struct task *t = task_at(m, id);
        *running += t->state == TASK_RUNNABLE;
        *blocked += t->state == TASK_BLOCKED && t->call.active && !t->call.interruptible;
    }
}

static int show_stat(struct machine *m, struct strbuf *s)
{
    u32 running, blocked;
    u64 busy = machine_retired(m) / 10000000u, up = machine_time(m) / 10000000u;
    u64 idle = up > busy ? up - busy : 0;
    count_tasks(m, &running, &blocked);
    for (int i = 0; i < 2; i++)
        (void)strbuf_printf(s, "%s %llu 0 0 %llu 0 0 0 0 0 0\n", i ? "cpu0" : "cpu ",
                            (unsigned long long)busy, (unsigned long long)idle);
    (void)strbuf_printf(s, "intr 0\nctxt %llu\nbtime %llu\nprocesses %llu\n",
                        (unsigned long long)m->stats.switches,
                        (unsigned long long)((machine_realtime(m) - machine_time(m)) / NS),
                        (unsigned long long)(m->stats.forks + m->stats.vforks + m->stats.clones + 1));
    return strbuf_printf(s, "procs_running %u\nprocs_blocked %u\nsoftirq 0 0 0 0 0 0 0 0 0 0 0\n",
                         running, blocked);
}

static int show_uptime(struct machine *m, struct strbuf *s)
{
    u64 up = machine_time(m), busy = machine_retired(m), idle = up > busy ? up - busy : 0;
    return strbuf_printf(s, "%llu.%02llu %llu.%02llu\n", (unsigned long long)(up / NS),
                         (unsigned long long)(up % NS / 10000000u), (unsigned long long)(idle / NS),
                         (unsigned long long)(idle % NS / 10000000u));
}

static int show_loadavg(struct machine *m, struct strbuf *s)
{
    u32 running, blocked;
    count_tasks(m, &running, &blocked);
    return strbuf_printf(s, "0.00 0.00 0.00 %u/%u %u\n", running, m->tasks.live, m->pid_last);
}

static int show_version(struct machine *m, struct strbuf *s)
{
    (void)m;
    return strbuf_puts(s, "Linux version " TINE_RELEASE " (tine@tine) (gcc) " TINE_VERSION "\n");
}

static int show_cmdline(struct machine *m, struct strbuf *s)
{
    (void)m;
    return strbuf_puts(s, "tine\n");
}

static int show_filesystems(struct machine *m, struct strbuf *s)
{
    (void)m;
    return strbuf_puts(s, filesystems_text);
}

static int show_devices(struct machine *m, struct strbuf *s)
{
    (void)m;
    return strbuf_puts(s, "Character devices:\n  1 mem\n  5 /dev/tty\n136 pts\n\nBlock devices:\n");
}

static int show_vmstat(struct machine *m, struct strbuf *s)
{
    return strbuf_printf(s, "nr_free_pages %u\npgfault %llu\npgmajfault 0\n",
                         store_room(m->store),
                         (unsigned long long)m->stats.faults);
}

static int show_hostname(struct machine *m, struct strbuf *s)
{
    char name[65];
    proc_hostname(m, name, sizeof name);
    return strbuf_printf(s, "%s\n", name);
}

// A version-4 UUID of 128 random bits.
static int show_uuid_of(u64 a, u64 b, struct strbuf *s)
{
    return strbuf_printf(s, "%08x-%04x-4%03x-%04x-%012llx\n", (u32)(a >> 32), (u32)(a >> 16) & 0xffff,
                         (u32)a & 0xfff, 0x8000 | (u32)(b >> 48 & 0x3fff),
                         (unsigned long long)(b & 0xffffffffffffULL));
}

static int show_uuid(struct machine *m, struct strbuf *s)
{
    u64 a = machine_random(m), b = machine_random(m);
    return show_uuid_of(a, b, s);
}

// The same for as long as the machine lives: a hash of its seed.
static int show_boot_id(struct machine *m, struct strbuf *s)
{
    u64 x = m->options.seed, first = mix_next(&x);
    return show_uuid_of(first, mix_next(&x), s);
}

static int show_threads_max(struct machine *m, struct strbuf *s)
{
    return strbuf_printf(s, "%u\n", m->options.max_procs ? m->options.max_procs : 1000000u);
}

static int show_pty_nr(struct machine *m, struct strbuf *s)
{
    return strbuf_printf(s, "%u\n", m->fs->ttys.live);
}

// ---- the tree

struct row {
    const char *path;
    int (*show)(struct machine *m, struct strbuf *s); // NULL: `text` is all, or it is a link
    const char *text;                                 // NULL without show: a link
};

// Numbers that root may write: u64s in struct machine. Each has a row too.
struct setting {
    const char *path;
    size_t offset;
    u32 count;
};
#define SETTING(path, member, n) {path, offsetof(struct machine, member), n}

static const struct setting settings[] = {
    SETTING("sys/kernel/core_uses_pid", core_uses_pid, 1),
    SETTING("sys/kernel/msgmax", ipc.msgmax, 1), SETTING("sys/kernel/msgmnb", ipc.msgmnb, 1),
    SETTING("sys/kernel/msgmni", ipc.msgmni, 1), SETTING("sys/kernel/sem", ipc.sem_limit, 4),
    SETTING("sys/kernel/shmall", ipc.shmall, 1), SETTING("sys/kernel/shmmax", ipc.shmmax, 1),
    SETTING("sys/kernel/shmmni", ipc.shmmni, 1),
    SETTING("sys/fs/lease-break-time", lease_break_time, 1),
    SETTING("sys/fs/mqueue/msg_default", mqueues.msg_default, 1),
    SETTING("sys/fs/mqueue/msg_max", mqueues.msg_max, 1),
    SETTING("sys/fs/mqueue/msgsize_default", mqueues.msgsize_default, 1),
    SETTING("sys/fs/mqueue/msgsize_max", mqueues.msgsize_max, 1),
    SETTING("sys/fs/mqueue/queues_max", mqueues.queues_max, 1),
};

static const struct setting *setting_find(const char *rel)
{
    for (u32 i = 0; i < ARRAY_LEN(settings); i++)
        if (strcmp(settings[i].path, rel) == 0)
            return &settings[i];
    return NULL;
}

static u64 *setting_values(struct machine *m, const struct setting *v)
{
    return (u64 *)((char *)m + v->offset);
}

static int show_core_pattern(struct machine *m, struct strbuf *s)
{
    return strbuf_printf(s, "%s\n", m->core_pattern);
}

// A program to pipe the core file to (core(5), "|") is nothing that a machine has.
static i64 write_core_pattern(struct machine *m, const char *text, size_t n)
{
    const char *end = memchr(text, '\n', n);
    size_t len = end ? (size_t)(end - text) : n;
    if (len >= sizeof m->core_pattern || (len && *text == '|'))
        return -EINVAL;
    memset(m->core_pattern, 0, sizeof m->core_pattern);
    memcpy(m->core_pattern, text, len);
    return (i64)n;
}

// Stands for show_setting in a row: that one wants to know which.
static int a_setting(struct machine *m, struct strbuf *s)
{
    (void)m, (void)s;
    return -ENOENT;
}

static const struct row rows[] = {
    {"self", NULL, NULL},
    {"thread-self", NULL, NULL},
    {"mounts", NULL, NULL},
    {"net", NULL, NULL},
    {"cmdline", show_cmdline, NULL},
    {"cpuinfo", show_cpuinfo, NULL},
    {"devices", show_devices, NULL},
    {"diskstats", NULL, ""},
    {"filesystems", show_filesystems, NULL},
    {"interrupts", NULL, "           CPU0       \n"},
    {"loadavg", show_loadavg, NULL},
    {"meminfo", show_meminfo, NULL},
    {"modules", NULL, ""},
    {"partitions", NULL, "major minor  #blocks  name\n\n"},
    {"stat", show_stat, NULL},
    {"swaps", NULL, "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n"},
    {"uptime", show_uptime, NULL},
    {"version", show_version, NULL},
    {"vmstat", show_vmstat, NULL},
    {"tty/drivers", NULL, "/dev/tty             /dev/tty        5       0 system:/dev/tty\n"
                          "/dev/ptmx            /dev/ptmx       5       2 system\n"
                          "pty_slave            /dev/pts      136 0-1048575 pty:slave\n"},
    {"sys/fs/aio-max-nr", NULL, "65536\n"},
    {"sys/fs/aio-nr", NULL, "0\n"},
    {"sys/fs/epoll/max_user_watches", NULL, "1048576\n"},
    {"sys/fs/file-max", NULL, "9223372036854775807\n"},
    {"sys/fs/file-nr", NULL, "0\t0\t9223372036854775807\n"},
    {"sys/fs/inotify/max_queued_events", NULL, "16384\n"},
    {"sys/fs/inotify/max_user_instances", NULL, "128\n"},
    {"sys/fs/inotify/max_user_watches", NULL, "1048576\n"},
    {"sys/fs/lease-break-time", a_setting, NULL},
    {"sys/fs/leases-enable", NULL, "1\n"},
    {"sys/fs/mqueue/msg_default", a_setting, NULL},
    {"sys/fs/mqueue/msg_max", a_setting, NULL},
    {"sys/fs/mqueue/msgsize_default", a_setting, NULL},
    {"sys/fs/mqueue/msgsize_max", a_setting, NULL},
    {"sys/fs/mqueue/queues_max", a_setting, NULL},
    {"sys/fs/nr_open", NULL, "1048576\n"},
    {"sys/fs/pipe-max-size", NULL, "1048576\n"},
    {"sys/fs/pipe-user-pages-hard", NULL, "0\n"},
    {"sys/fs/pipe-user-pages-soft", NULL, "16384\n"},
    {"sys/fs/protected_fifos", NULL, "0\n"},
    {"sys/fs/protected_hardlinks", NULL, "1\n"},
    {"sys/fs/protected_regular", NULL, "0\n"},
    {"sys/fs/protected_symlinks", NULL, "1\n"},
    {"sys/fs/suid_dumpable", NULL, "0\n"},
    {"sys/kernel/cap_last_cap", NULL, "40\n"},
    {"sys/kernel/core_pattern", show_core_pattern, NULL},
    {"sys/kernel/core_uses_pid", a_setting, NULL},
    {"sys/kernel/domainname", NULL, "(none)\n"},
    {"sys/kernel/hostname", show_hostname, NULL},
    {"sys/kernel/msgmax", a_setting, NULL},
    {"sys/kernel/msgmnb", a_setting, NULL},
    {"sys/kernel/msgmni", a_setting, NULL},
    {"sys/kernel/ngroups_max", NULL, "65536\n"},
    {"sys/kernel/osrelease", NULL, TINE_RELEASE "\n"},
    {"sys/kernel/ostype", NULL, "Linux\n"},
    {"sys/kernel/overflowgid", NULL, "65534\n"},
    {"sys/kernel/overflowuid", NULL, "65534\n"},
    {"sys/kernel/panic", NULL, "0\n"},
    {"sys/kernel/perf_event_paranoid", NULL, "3\n"},
    {"sys/kernel/pid_max", NULL, "4194304\n"},
    {"sys/kernel/printk", NULL, "4\t4\t1\t7\n"},
    {"sys/kernel/pty/max", NULL, "4096\n"},
    {"sys/kernel/pty/nr", show_pty_nr, NULL},
    {"sys/kernel/random/boot_id", show_boot_id, NULL},
    {"sys/kernel/random/entropy_avail", NULL, "256\n"},
    {"sys/kernel/random/poolsize", NULL, "256\n"},
    {"sys/kernel/random/uuid", show_uuid, NULL},
    {"sys/kernel/randomize_va_space", NULL, "0\n"},
    {"sys/kernel/sched_child_runs_first", NULL, "0\n"},
    {"sys/kernel/sched_rr_timeslice_ms", NULL, "100\n"},
    {"sys/kernel/sem", a_setting, NULL},
    {"sys/kernel/shmall", a_setting, NULL},
    {"sys/kernel/shmmax", a_setting, NULL},
    {"sys/kernel/shmmni", a_setting, NULL},
    {"sys/kernel/sysrq", NULL, "0\n"},
    {"sys/kernel/tainted", NULL, "0\n"},
    {"sys/kernel/threads-max", show_threads_max, NULL},
    {"sys/kernel/version", NULL, TINE_VERSION "\n"},
    {"sys/net/core/somaxconn", NULL, "4096\n"},
    {"sys/net/unix/max_dgram_qlen", NULL, "10\n"},
    {"sys/vm/drop_caches", NULL, "0\n"},
    {"sys/vm/max_map_count", NULL, "65530\n"},
    {"sys/vm/mmap_min_addr", NULL, "65536\n"},
    {"sys/vm/nr_hugepages", NULL, "0\n"},
    {"sys/vm/overcommit_kbytes", NULL, "0\n"},
    {"sys/vm/overcommit_memory", NULL, "0\n"},
    {"sys/vm/overcommit_ratio", NULL, "50\n"},
    {"sys/vm/swappiness", NULL, "60\n"},
    {"sysvipc/msg", ipc_show_msg, NULL},
    {"sysvipc/sem", ipc_show_sem, NULL},
    {"sysvipc/shm", ipc_show_shm, NULL},
    // What /sys shows (fs mounts ".sys" there): one processor, one node.
#define CPU ".sys/devices/system/cpu/"
#define NODE ".sys/devices/system/node/"
    {CPU "cpu0/topology/cluster_id", NULL, "0\n"},
    {CPU "cpu0/topology/core_cpus", NULL, "1\n"},
    {CPU "cpu0/topology/core_cpus_list", NULL, "0\n"},
    {CPU "cpu0/topology/core_id", NULL, "0\n"},
    {CPU "cpu0/topology/core_siblings", NULL, "1\n"},
    {CPU "cpu0/topology/core_siblings_list", NULL, "0\n"},
    {CPU "cpu0/topology/package_cpus", NULL, "1\n"},
    {CPU "cpu0/topology/package_cpus_list", NULL, "0\n"},
    {CPU "cpu0/topology/physical_package_id", NULL, "0\n"},
    {CPU "cpu0/topology/thread_siblings", NULL, "1\n"},
    {CPU "cpu0/topology/thread_siblings_list", NULL, "0\n"},
    {CPU "isolated", NULL, "\n"},
    {CPU "kernel_max", NULL, "0\n"},
    {CPU "offline", NULL, "\n"},
    {CPU "online", NULL, "0\n"},
    {CPU "possible", NULL, "0\n"},
    {CPU "present", NULL, "0\n"},
    {NODE "has_cpu", NULL, "0\n"},
    {NODE "node0/cpulist", NULL, "0\n"},
    {NODE "node0/cpumap", NULL, "1\n"},
    {NODE "node0/distance", NULL, "10\n"},
    {NODE "online", NULL, "0\n"},
    {NODE "possible", NULL, "0\n"},
    {".sys/kernel/mm/transparent_hugepage/enabled", NULL, "always madvise [never]\n"},
    {".sys/kernel/mm/transparent_hugepage/hpage_pmd_size", NULL, "2097152\n"},
};

static bool is_link(const struct row *r)
{
    return !r->show && !r->text;
}

// What follows `dir` in the row's path ("" = the root); NULL if the row is not below it.
static const char *below(const struct row *r, const char *dir, size_t n)
{
    if (n == 0)
        return r->path;
    return strncmp(r->path, dir, n) == 0 && r->path[n] == '/' ? r->path + n + 1 : NULL;
}

int proc_system_kind(struct machine *m, const char *rel, u32 *mode)
{
    (void)m;
    size_t n = strlen(rel);
    for (u32 i = 0; i < ARRAY_LEN(rows); i++) {
        if (below(&rows[i], rel, n))
            return PROC_DIR;
        if (strcmp(rows[i].path, rel) != 0)
            continue;
        if (is_link(&rows[i]))
            return PROC_LINK;
        *mode = setting_find(rel) || rows[i].show == show_core_pattern ? 0644 : 0444;
        return PROC_FILE;
    }
    return -ENOENT;
}

static void show_setting(struct machine *m, const struct setting *v, struct strbuf *out)
{
    for (u32 i = 0; i < v->count; i++)
        (void)strbuf_printf(out, "%s%lld", i ? "\t" : "", (long long)setting_values(m, v)[i]);
    (void)strbuf_puts(out, "\n");
}

// The numbers of a setting; fewer than it has set the first ones. -EINVAL: no number.
static i64 write_setting(struct machine *m, const struct setting *v, const char *text, size_t n)
{
    char copy[128];
    const char *p = copy;
    if (n >= sizeof copy)
        return -EINVAL;
    memcpy(copy, text, n);
    copy[n] = 0;
    for (u32 i = 0; i < v->count; i++) {
        char *end;
        u64 value = strtoull(p, &end, 0);
        if (end == p)
            return i ? (i64)n : -EINVAL;
        setting_values(m, v)[i] = value;
        p = end;
    }
    return (i64)n;
}

i64 proc_system_write(struct machine *m, const char *rel, const char *text, size_t n)
{
    const struct setting *v = setting_find(rel);
    bool pattern = strcmp(rel, "sys/kernel/core_pattern") == 0;
    if (!v && !pattern)
        return -EACCES;
    bool root = !m->current || group_of(m, task_at(m, m->current))->euid == 0;
    if (root && pattern)
        return write_core_pattern(m, text, n);
    return root ? write_setting(m, v, text, n) : -EPERM;
}

int proc_system_read(struct machine *m, const char *rel, struct strbuf *out)
{
    for (u32 i = 0; i < ARRAY_LEN(rows); i++) {
        if (strcmp(rows[i].path, rel) != 0 || is_link(&rows[i]))
            continue;
        const struct setting *v = setting_find(rel);
        if (v)
            show_setting(m, v, out);
        else
            (void)(rows[i].show ? rows[i].show(m, out) : strbuf_puts(out, rows[i].text));
        return out->failed ? -ENOMEM : 0;
    }
    return -ENOENT;
}

int proc_system_list(struct machine *m, const char *rel, struct strbuf *out)
{
    (void)m;
    size_t n = strlen(rel), last_len = 0;
    const char *last = NULL;
    for (u32 i = 0; i < ARRAY_LEN(rows); i++) {
        const char *name = below(&rows[i], rel, n);
        if (!name || *name == '.') // ".sys" is not /proc's
            continue;
        size_t len = strcspn(name, "/");
        if (last && len == last_len && !memcmp(name, last, len))
            continue; // rows of one directory stand together
        last = name;
        last_len = len;
        (void)strbuf_puts(out, name[len] ? "d" : is_link(&rows[i]) ? "l" : "-");
        (void)strbuf_add(out, name, len);
        (void)strbuf_add(out, "", 1);
    }
    return out->failed ? -ENOMEM : last ? 0 : -ENOENT;
}
