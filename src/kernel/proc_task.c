// The files below /proc/PID and /proc/PID/task/TID (proc(5) has the formats).
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fs/fdtable.h"
#include "fs/tty.h"
#include "fs/mount_call.h"
#include "kernel/cpu_time.h"
#include "kernel/proc.h"
#include "kernel/syscall.h"
#include "kernel/trace.h"
#include "mm/map.h"
#include "mm/pagecache.h"
#include "mm/region.h"
#include "mm/uaccess.h"

typedef unsigned long long ull;

#define TICK_NS 10000000u // the unit of times: 1/100 s; an instruction is a nanosecond

// ---- facts

static struct mm *mm_of(const struct proc_target *p)
{
    return p->t ? p->t->mm : NULL;
}

u64 proc_instructions(struct machine *m, const struct proc_target *p)
{
    if (p->thread)
        return p->t->instructions;
    u64 n = p->g->instructions;
    for (task_t id = p->g->tasks; id; id = task_at(m, id)->gnext)
        n += task_at(m, id)->instructions;
    return n;
}

static char state_of(struct machine *m, const struct proc_target *p)
{
    if (p->g->zombie || (p->t && p->t->state == TASK_DEAD))
        return 'Z';
    if (!p->t)
        return 'S';
    if (p->t->id == m->current || p->t->state == TASK_RUNNABLE)
        return 'R';
    if (p->t->state == TASK_TRACED)
        return 't';
    if (p->t->state == TASK_STOPPED)
        return 'T';
    return p->t->call.active && !p->t->call.interruptible ? 'D' : 'S';
}

static const char *state_name(char state)
{
    return state == 'R'   ? "running"
           : state == 'Z' ? "zombie"
           : state == 'T' ? "stopped"
           : state == 't' ? "tracing stop"
           : state == 'D' ? "disk sleep"
                          : "sleeping";
}

static const char *comm_of(const struct proc_target *p)
{
    return p->t ? p->t->comm : "tine";
}

static u32 ppid_of(struct machine *m, const struct group *g)
{
    return g->parent ? group_at(m, g->parent)->pid : 0;
}

struct masks {
    u64 pending, shared, blocked, ignored, caught;
};

static struct masks masks_of(const struct proc_target *p)
{
    struct masks k = {0, p->g->pending.set, 0, 0, 0};
    if (!p->t)
        return k;
    k.pending = p->t->pending.set;
    k.blocked = p->t->mask;
    for (u32 i = 0; p->t->sighand && i < G_NSIG; i++) {
        u64 handler = p->t->sighand->actions->at[i].handler;
        k.ignored |= handler == 1 ? 1ULL << i : 0;
        k.caught |= handler > 1 ? 1ULL << i : 0;
    }
    return k;
}

struct sizes { // pages
    u64 total, resident, data, stack, text, lib, locked, shared;
};

static struct sizes sizes_of(const struct mm *mm)
{
    struct sizes z;
    memset(&z, 0, sizeof z);
    if (!mm)
        return z;
    z.resident = mm_resident(mm);
    for (u32 i = 0; i < mm->regions->count; i++) {
        const struct region *g = &mm->regions->at[i];
        u64 n = (g->end - g->start) >> PAGE_SHIFT;
        bool own = g->start >= ALIGN_DOWN(mm->start_code, PAGE_SIZE) && g->start < mm->end_code;
        z.total += n;
        if (region_locked(mm, g))
            z.locked += n;
        if (g->flags & REGION_GROWSDOWN)
            z.stack += n;
        else if (g->prot & MM_EXEC)
            *(own ? &z.text : &z.lib) += n;
        else if (g->prot & MM_WRITE && !(g->flags & REGION_SHARED))
            z.data += n;
    }
    return z;
}

// ---- stat, status, statm

static int show_stat(struct machine *m, const struct proc_target *p, struct strbuf *s)
{
    const struct group *g = p->g;
    const struct mm *mm = mm_of(p);
    struct masks k = masks_of(p);
    struct sizes z = sizes_of(mm);
    u32 tty = g->tty ? (u32)tty_rdev(m->fs, g->tty) : 0;
    i32 tpgid = g->tty ? *tty_pgrp(m->fs, g->tty) : -1;
    struct cpu_usage own = p->thread ? cpu_of_task(m, p->t) : cpu_of_group(m, g);
    struct cpu_usage children = cpu_of_children(m, g);
    (void)strbuf_printf(s, "%u (%s) %c %u %u %u %u %d 0 ", p->thread ? p->t->tid : g->pid, comm_of(p),
                        state_of(m, p), ppid_of(m, g), g->pgid, g->sid, tty, tpgid);
    (void)strbuf_printf(s, "%llu 0 0 0 %llu %llu %llu %llu %d %d %u 0 %llu ", (ull)g->peak_pages,
                        (ull)(own.user / TICK_NS), (ull)(own.system / TICK_NS),
                        (ull)(children.user / TICK_NS), (ull)(children.system / TICK_NS), 20 + g->nice, g->nice, g->ntasks,
                        (ull)(g->start_time / TICK_NS));
    (void)strbuf_printf(s, "%llu %llu %llu ", (ull)(z.total << PAGE_SHIFT), (ull)z.resident,
                        (ull)g->limit[G_RLIMIT_RSS][0]);
    (void)strbuf_printf(s, "%llu %llu %llu 0 0 ", mm ? (ull)mm->start_code : 0,
                        mm ? (ull)mm->end_code : 0, mm ? (ull)mm->start_stack : 0);
    (void)strbuf_printf(s, "%llu %llu %llu %llu 0 0 0 %u 0 0 0 0 0 0 ", (ull)(k.pending & INT32_MAX),
                        (ull)(k.blocked & INT32_MAX), (ull)(k.ignored & INT32_MAX),
                        (ull)(k.caught & INT32_MAX), g->exit_signal);
    (void)strbuf_printf(s, "%llu %llu %llu ", mm ? (ull)mm->end_code : 0,
                        mm ? (ull)mm->brk_start : 0, mm ? (ull)mm->brk_start : 0);
    return strbuf_printf(s, "%llu %llu %llu %llu %d\n", mm ? (ull)mm->arg_start : 0,
                         mm ? (ull)mm->arg_end : 0, mm ? (ull)mm->env_start : 0,
                         mm ? (ull)mm->env_end : 0, g->zombie ? g->exit_status : 0);
}

static int show_statm(struct machine *m, const struct proc_target *p, struct strbuf *s)
{
    (void)m;
    struct sizes z = sizes_of(mm_of(p));
    return strbuf_printf(s, "%llu %llu %llu %llu 0 %llu 0\n", (ull)z.total, (ull)z.resident,
                         (ull)z.shared, (ull)z.text, (ull)(z.data + z.stack));
}

static void status_memory(const struct mm *mm, bool dumping, struct strbuf *s)
{
    struct sizes z = sizes_of(mm);
    const struct {
        const char *name;
        u64 pages;
    } rows[] = {
        {"VmPeak", z.total}, {"VmSize", z.total},     {"VmLck", z.locked},  {"VmPin", 0},
        {"VmHWM", z.resident}, {"VmRSS", z.resident}, {"RssAnon", z.resident}, {"RssFile", 0},
        {"RssShmem", 0},     {"VmData", z.data},      {"VmStk", z.stack},   {"VmExe", z.text},
        {"VmLib", z.lib},    {"VmPTE", 1},            {"VmSwap", 0},        {"HugetlbPages", 0},
    };
    for (u32 i = 0; mm && i < ARRAY_LEN(rows); i++)
        (void)strbuf_printf(s, "%s:\t%8llu kB\n", rows[i].name, (ull)(rows[i].pages * 4));
    if (mm)
        (void)strbuf_printf(s, "CoreDumping:\t%d\nTHP_enabled:\t0\n", dumping);
}

static void status_signals(struct machine *m, const struct proc_target *p, struct strbuf *s)
{
    struct masks k = masks_of(p);
    const struct caps *c = &p->g->caps;
    (void)strbuf_printf(s, "Threads:\t%u\nSigQ:\t%u/%llu\n", p->g->ntasks, m->signals.live,
                        (ull)p->g->limit[G_RLIMIT_SIGPENDING][0]);
    (void)strbuf_printf(s, "SigPnd:\t%016llx\nShdPnd:\t%016llx\nSigBlk:\t%016llx\n", (ull)k.pending,
                        (ull)k.shared, (ull)k.blocked);
    (void)strbuf_printf(s, "SigIgn:\t%016llx\nSigCgt:\t%016llx\n", (ull)k.ignored, (ull)k.caught);
    (void)strbuf_printf(s, "CapInh:\t%016llx\nCapPrm:\t%016llx\nCapEff:\t%016llx\n", (ull)c->inheritable,
                        (ull)c->permitted, (ull)c->effective);
    (void)strbuf_printf(s, "CapBnd:\t%016llx\nCapAmb:\t%016llx\nNoNewPrivs:\t%d\n", (ull)c->bounding,
                        (ull)c->ambient, c->no_new_privs);
}

static int show_status(struct machine *m, const struct proc_target *p, struct strbuf *s)
{
    const struct group *g = p->g;
    u32 pid = p->thread ? p->t->tid : g->pid;
    char state = state_of(m, p);
    (void)strbuf_printf(s, "Name:\t%s\n", comm_of(p));
    if (p->t && p->t->fs)
        (void)strbuf_printf(s, "Umask:\t%04o\n", p->t->fs->c->umask);
    (void)strbuf_printf(s, "State:\t%c (%s)\nTgid:\t%u\nNgid:\t0\nPid:\t%u\nPPid:\t%u\nTracerPid:\t%u\n",
                        state, state_name(state), g->pid, pid, ppid_of(m, g),
                        p->t && p->t->trace ? group_at(m, trace_of(m, p->t)->tracer)->pid : 0);
    (void)strbuf_printf(s, "Uid:\t%u\t%u\t%u\t%u\nGid:\t%u\t%u\t%u\t%u\n", g->uid, g->euid, g->suid,
                        g->fsuid, g->gid, g->egid, g->sgid, g->fsgid);
    (void)strbuf_printf(s, "FDSize:\t%u\nGroups:\t",
                        p->t && p->t->files ? ALIGN_UP(p->t->files->open, 64u) : 0);
    for (u32 i = 0; g->gids && i < g->gids->count; i++)
        (void)strbuf_printf(s, "%u ", g->gids->gid[i]);
    (void)strbuf_puts(s, "\n");
    (void)strbuf_printf(s, "NStgid:\t%u\nNSpid:\t%u\nNSpgid:\t%u\nNSsid:\t%u\n", g->pid, pid, g->pgid,
                        g->sid);
    status_memory(mm_of(p), g->core != 0, s);
    status_signals(m, p, s);
    return strbuf_puts(s, "Seccomp:\t0\nSeccomp_filters:\t0\n"
                          "Speculation_Store_Bypass:\tunknown\n"
                          "Cpus_allowed:\t1\nCpus_allowed_list:\t0\n"
                          "Mems_allowed:\t1\nMems_allowed_list:\t0\n"
                          "voluntary_ctxt_switches:\t0\nnonvoluntary_ctxt_switches:\t0\n");
}

// ---- what stands in the process's own memory

static int show_memory(struct mm *mm, gva_t from, gva_t to, struct strbuf *s)
{
    char part[512];
    while (mm && from < to) {
        size_t n = MIN(sizeof part, to - from);
        if (uaccess_read(mm, part, from, n))
            break; // unmapped since: what there is
        (void)strbuf_add(s, part, n);
        from += n;
    }
    return 0;
}

// Who has written over the NUL of its last argument says a title, which may reach into the environment (setproctitle).
static bool show_title(struct mm *mm, struct strbuf *s)
{
    char text[PAGE_SIZE];
    if (mm->arg_end <= mm->arg_start || mm->env_start != mm->arg_end ||
        uaccess_read(mm, text, mm->arg_end - 1, 1) || !*text)
        return false;
    size_t n = MIN(sizeof text, mm->env_end - mm->arg_start);
    if (uaccess_read(mm, text, mm->arg_start, n))
        return false;
    size_t len = strnlen(text, n);
    (void)strbuf_add(s, text, MIN(len + 1, n));
    return true;
}

static int show_cmdline(struct machine *m, const struct proc_target *p, struct strbuf *s)
{
    (void)m;
    struct mm *mm = mm_of(p);
    if (mm && show_title(mm, s))
        return 0;
    return mm ? show_memory(mm, mm->arg_start, mm->arg_end, s) : 0;
}

static int show_environ(struct machine *m, const struct proc_target *p, struct strbuf *s)
{
    (void)m;
    struct mm *mm = mm_of(p);
    return mm ? show_memory(mm, mm->env_start, mm->env_end, s) : 0;
}

// The first address after the zero word that ends a vector; 0 if memory ends first.
static gva_t vector_end(struct mm *mm, gva_t at)
{
    u64 word;
    do {
        if (uaccess_read_u64(mm, &word, at))
            return 0;
        at += 8;
    } while (word);
    return at;
}

// The start of the stack holds argc, argv, 0, envp, 0, auxv.
int proc_auxv(struct machine *m, const struct proc_target *p, struct strbuf *s)
{
    (void)m;
    struct mm *mm = mm_of(p);
    gva_t at = mm && mm->start_stack ? vector_end(mm, mm->start_stack + 8) : 0;
    at = at ? vector_end(mm, at) : 0;
    u64 pair[2] = {1, 0};
    for (int i = 0; at && pair[0] != G_AT_NULL && i < 64; i++, at += sizeof pair) {
        if (uaccess_read(mm, pair, at, sizeof pair))
            break;
        (void)strbuf_add(s, pair, sizeof pair);
    }
    return 0;
}

// ---- the small ones

static int show_oom_score_adj(struct machine *m, const struct proc_target *p, struct strbuf *s)
{
    (void)m;
    return strbuf_printf(s, "%d\n", p->g->oom_score_adj);
}

static int show_comm(struct machine *m, const struct proc_target *p, struct strbuf *s)
{
    (void)m;
    return strbuf_printf(s, "%s\n", comm_of(p));
}

static void limit_value(struct strbuf *s, u64 v)
{
    if (v == G_RLIM_INFINITY)
        (void)strbuf_printf(s, "%-20s ", "unlimited");
    else
        (void)strbuf_printf(s, "%-20llu ", (ull)v);
}

static int show_limits(struct machine *m, const struct proc_target *p, struct strbuf *s)
{
    static const char *const rows[G_RLIM_COUNT][2] = {
        {"Max cpu time", "seconds"},      {"Max file size", "bytes"},
        {"Max data size", "bytes"},       {"Max stack size", "bytes"},
        {"Max core file size", "bytes"},  {"Max resident set", "bytes"},
        {"Max processes", "processes"},   {"Max open files", "files"},
        {"Max locked memory", "bytes"},   {"Max address space", "bytes"},
        {"Max file locks", "locks"},      {"Max pending signals", "signals"},
        {"Max msgqueue size", "bytes"},   {"Max nice priority", NULL},
        {"Max realtime priority", NULL},  {"Max realtime timeout", "us"},
    };
    (void)m;
    (void)strbuf_printf(s, "%-25s %-20s %-20s %-10s\n", "Limit", "Soft Limit", "Hard Limit", "Units");
    for (u32 i = 0; i < G_RLIM_COUNT; i++) {
        (void)strbuf_printf(s, "%-25s ", rows[i][0]);
        limit_value(s, p->g->limit[i][0]);
        limit_value(s, p->g->limit[i][1]);
        (void)(rows[i][1] ? strbuf_printf(s, "%-10s\n", rows[i][1]) : strbuf_puts(s, "\n"));
    }
    return 0;
}

static int show_mounts(struct machine *m, const struct proc_target *p, struct strbuf *s)
{
    return p->t && p->t->fs ? mounts_text(m->fs, p->t->fs, s) : -EINVAL;
}

static int show_mountinfo(struct machine *m, const struct proc_target *p, struct strbuf *s)
{
    return p->t && p->t->fs ? mountinfo_text(m->fs, p->t->fs, s) : -EINVAL;
}

#define FIXED(name, text)                                                                           \
    static int show_##name(struct machine *m, const struct proc_target *p, struct strbuf *s)        \
    {                                                                                               \
        (void)m;                                                                                    \
        (void)p;                                                                                    \
        return strbuf_puts(s, text);                                                                \
    }
FIXED(cgroup, "0::/\n")
FIXED(zero, "0\n")
FIXED(empty, "")
FIXED(coredump_filter, "00000033\n")
FIXED(setgroups, "allow\n")
FIXED(autogroup, "/autogroup-1 nice 0\n")
FIXED(net_dev, "Inter-|   Receive                                                |  Transmit\n"
               " face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs "
               "drop fifo colls carrier compressed\n"
               "    lo:       0       0    0    0    0     0          0         0        0       0    0 "
               "   0    0     0       0          0\n")
FIXED(net_tcp, "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout "
               "inode\n")
FIXED(net_tcp6, "  sl  local_address                         remote_address                        st "
                "tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n")
FIXED(net_route, "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n")
FIXED(net_arp, "IP address       HW type     Flags       HW address            Mask     Device\n")
FIXED(net_packet, "sk               RefCnt Type Proto  Iface R Rmem   User   Inode\n")
FIXED(net_netlink, "sk               Eth Pid        Groups   Rmem     Wmem     Dump  Locks    Drops    Inode\n")

static int show_net_unix(struct machine *m, const struct proc_target *p, struct strbuf *s)
{
    (void)p;
    return proc_net_unix(m, s);
}

static int show_net_sockstat(struct machine *m, const struct proc_target *p, struct strbuf *s)
{
    (void)p;
    return proc_net_sockstat(m, s);
}

static int show_timerslack(struct machine *m, const struct proc_target *p, struct strbuf *s)
{
    (void)m;
    return strbuf_printf(s, "%llu\n", p->t ? (ull)p->t->slack : 0);
}

// Linux names the function of its own that sleeps; here it is the call that waits.
static int show_wchan(struct machine *m, const struct proc_target *p, struct strbuf *s)
{
    bool waits = p->t && p->t->id != m->current && p->t->state == TASK_BLOCKED && p->t->call.active;
    return strbuf_puts(s, waits ? syscall_name(p->t->call.number) : "0");
}

static int show_children(struct machine *m, const struct proc_target *p, struct strbuf *s)
{
    for (group_t id = p->g->children; id; id = group_at(m, id)->snext)
        (void)strbuf_printf(s, "%u ", group_at(m, id)->pid);
    return 0;
}
FIXED(idmap, "         0          0 4294967295\n")
FIXED(io, "rchar: 0\nwchar: 0\nsyscr: 0\nsyscw: 0\nread_bytes: 0\nwrite_bytes: 0\n"
          "cancelled_write_bytes: 0\n")

static int show_personality(struct machine *m, const struct proc_target *p, struct strbuf *s)
{
    (void)m;
    return strbuf_printf(s, "%08x\n", p->g->personality);
}

static int show_schedstat(struct machine *m, const struct proc_target *p, struct strbuf *s)
{
    return strbuf_printf(s, "%llu 0 0\n", (ull)proc_instructions(m, p));
}

static int show_syscall(struct machine *m, const struct proc_target *p, struct strbuf *s)
{
    if (!p->t || (p->t->id != m->current && !p->t->call.active))
        return strbuf_puts(s, "running\n");
    const struct call *c = &p->t->call;
    return strbuf_printf(s, "%u 0x%llx 0x%llx 0x%llx 0x%llx 0x%llx 0x%llx 0x%llx 0x%llx\n", c->number,
                         (ull)c->arg[0], (ull)c->arg[1], (ull)c->arg[2], (ull)c->arg[3],
                         (ull)c->arg[4], (ull)c->arg[5], (ull)p->t->regs.x[2], (ull)p->t->regs.pc);
}

// ---- the tree

struct row {
    const char *name;
    u8 kind;
    u16 mode;
    int (*show)(struct machine *m, const struct proc_target *p, struct strbuf *s);
};

static const struct row rows[] = {
    {"fd", PROC_DIR, 0500, NULL},
    {"fdinfo", PROC_DIR, 0500, NULL},
    {"net", PROC_DIR, 0555, NULL},
    {"ns", PROC_DIR, 0511, NULL},
    {"task", PROC_DIR, 0555, NULL}, // not below a task
    {"cwd", PROC_LINK, 0777, NULL},
    {"exe", PROC_LINK, 0777, NULL},
    {"root", PROC_LINK, 0777, NULL},
    {"auxv", PROC_FILE, 0400, proc_auxv},
    {"autogroup", PROC_FILE, 0644, show_autogroup},
    {"cgroup", PROC_FILE, 0444, show_cgroup},
    {"children", PROC_FILE, 0444, show_children}, // only below a task
    {"clear_refs", PROC_FILE, 0200, show_empty},
    {"cmdline", PROC_FILE, 0444, show_cmdline},
    {"comm", PROC_FILE, 0644, show_comm},
    {"coredump_filter", PROC_FILE, 0644, show_coredump_filter},
    {"environ", PROC_FILE, 0400, show_environ},
    {"gid_map", PROC_FILE, 0644, show_idmap},
    {"io", PROC_FILE, 0400, show_io},
    {"limits", PROC_FILE, 0444, show_limits},
    {"loginuid", PROC_FILE, 0644, show_zero},
    {"maps", PROC_FILE, 0444, proc_maps},
    {"mem", PROC_FILE, 0600, show_empty}, // and pagemap: proc_mem.c
    {"mountinfo", PROC_FILE, 0444, show_mountinfo},
    {"mounts", PROC_FILE, 0444, show_mounts},
    {"net/arp", PROC_FILE, 0444, show_net_arp},
    {"net/dev", PROC_FILE, 0444, show_net_dev},
    {"net/if_inet6", PROC_FILE, 0444, show_empty},
    {"net/netlink", PROC_FILE, 0444, show_net_netlink},
    {"net/packet", PROC_FILE, 0444, show_net_packet},
    {"net/raw", PROC_FILE, 0444, show_net_tcp},
    {"net/raw6", PROC_FILE, 0444, show_net_tcp6},
    {"net/route", PROC_FILE, 0444, show_net_route},
    {"net/sockstat", PROC_FILE, 0444, show_net_sockstat},
    {"net/tcp", PROC_FILE, 0444, show_net_tcp},
    {"net/tcp6", PROC_FILE, 0444, show_net_tcp6},
    {"net/udp", PROC_FILE, 0444, show_net_tcp},
    {"net/udp6", PROC_FILE, 0444, show_net_tcp6},
    {"net/unix", PROC_FILE, 0444, show_net_unix},
    {"oom_adj", PROC_FILE, 0644, show_zero},
    {"oom_score", PROC_FILE, 0444, show_zero},
    {"oom_score_adj", PROC_FILE, 0644, show_oom_score_adj},
    {"pagemap", PROC_FILE, 0400, show_empty},
    {"personality", PROC_FILE, 0400, show_personality},
    {"schedstat", PROC_FILE, 0444, show_schedstat},
    {"sessionid", PROC_FILE, 0444, show_zero},
    {"setgroups", PROC_FILE, 0644, show_setgroups},
    {"smaps", PROC_FILE, 0444, proc_smaps},
    {"smaps_rollup", PROC_FILE, 0444, proc_smaps_rollup},
    {"stack", PROC_FILE, 0400, show_empty},
    {"stat", PROC_FILE, 0444, show_stat},
    {"statm", PROC_FILE, 0444, show_statm},
    {"status", PROC_FILE, 0444, show_status},
    {"syscall", PROC_FILE, 0400, show_syscall},
    {"timerslack_ns", PROC_FILE, 0666, show_timerslack},
    {"uid_map", PROC_FILE, 0644, show_idmap},
    {"wchan", PROC_FILE, 0444, show_wchan},
};

static const struct row *row_find(const struct proc_target *p, const char *name)
{
    for (u32 i = 0; i < ARRAY_LEN(rows); i++) {
        bool elsewhere = p->thread ? rows[i].kind == PROC_DIR && name[0] == 't'
                                   : rows[i].show == show_children;
        if (strcmp(rows[i].name, name) == 0 && !elsewhere)
            return &rows[i];
    }
    return NULL;
}

// Namespaces: one of each, and all processes are in it; but there may be more of mounts.
static const struct {
    const char *name;
    u32 type;
} namespaces[] = {{"cgroup", G_CLONE_NEWCGROUP}, {"ipc", G_CLONE_NEWIPC}, {"mnt", G_CLONE_NEWNS}, {"net", G_CLONE_NEWNET},
                  {"pid", G_CLONE_NEWPID}, {"pid_for_children", G_CLONE_NEWPID}, {"time", G_CLONE_NEWTIME},
                  {"time_for_children", G_CLONE_NEWTIME}, {"user", G_CLONE_NEWUSER}, {"uts", G_CLONE_NEWUTS}};

// The text of the link "ns/NAME"; 0 = there is none.
static size_t namespace_text(const struct proc_target *p, const char *name, char *buf, size_t cap)
{
    if (strncmp(name, "ns/", 3) != 0)
        return 0;
    if (strcmp(name + 3, "mnt") == 0 && p->t && p->t->fs && p->t->fs->c->ns > 1)
        return (size_t)snprintf(buf, cap, "mnt:[%u]", 4026532000u + p->t->fs->c->ns);
    for (u32 i = 0; i < ARRAY_LEN(namespaces); i++)
        if (strcmp(namespaces[i].name, name + 3) == 0)
            return (size_t)snprintf(buf, cap, "%.*s:[%u]", (int)strcspn(name + 3, "_"), name + 3,
                                    4026531834u + i - (i == 5 || i == 7));
    return 0;
}

// The file behind "fd/3" or "fdinfo/3"; 0 = none.
static file_t fd_of(const struct proc_target *p, const char *name, const char *dir, u32 *fd)
{
    size_t n = strlen(dir);
    if (!p->t || !p->t->files || strncmp(name, dir, n) != 0 || name[n] < '0' || name[n] > '9')
        return 0;
    char *end;
    unsigned long v = strtoul(name + n, &end, 10);
    if (*end || v > INT32_MAX || (name[n] == '0' && name[n + 1]))
        return 0;
    *fd = (u32)v;
    return fd_get(p->t->files, *fd);
}

int proc_task_kind(struct machine *m, const struct proc_target *p, const char *name, u32 *mode)
{
    u32 fd;
    if (!*name)
        return PROC_DIR;
    const struct row *r = row_find(p, name);
    if (r) {
        *mode = r->mode;
        return r->kind;
    }
    char text[64];
    if (namespace_text(p, name, text, sizeof text))
        return PROC_LINK;
    file_t file = fd_of(p, name, "fd/", &fd);
    if (file) {
        u32 access = file_at(m->fs, file)->flags & ABI_O_ACCMODE;
        *mode = access == ABI_O_RDONLY ? 0500 : access == ABI_O_WRONLY ? 0300 : 0700;
        return PROC_LINK;
    }
    if (fd_of(p, name, "fdinfo/", &fd)) {
        *mode = 0400;
        return PROC_FILE;
    }
    return -ENOENT;
}

// ---- links

i64 proc_task_file(struct machine *m, const struct proc_target *p, const char *name)
{
    u32 fd;
    (void)m;
    if (strcmp(name, "exe") == 0) {
        return mm_of(p) ? 0 : -ENOENT; // its name is walked
    }
    if (p->t && p->t->fs && strcmp(name, "cwd") == 0)
        return (i64)p->t->fs->c->cwd;
    if (p->t && p->t->fs && strcmp(name, "root") == 0)
        return (i64)p->t->fs->c->root;
    if (strncmp(name, "fd/", 3) != 0)
        return 0;
    file_t file = fd_of(p, name, "fd/", &fd);
    return file ? (i64)file : -ENOENT;
}

int proc_task_ns(const struct proc_target *p, const char *name, u32 *type, u32 *mounts, char *text)
{
    if (!namespace_text(p, name, text, PROC_NS_ROOM))
        return 0;
    if (!p->t || !p->t->fs)
        return -ENOENT; // it has ended
    for (u32 i = 0; i < ARRAY_LEN(namespaces); i++)
        if (strcmp(namespaces[i].name, name + 3) == 0)
            *type = namespaces[i].type;
    *mounts = *type == G_CLONE_NEWNS ? p->t->fs->c->ns : 0;
    return 1;
}

static i64 link_text(const char *text, char *buf, size_t cap)
{
    size_t n = MIN(strlen(text), cap);
    memcpy(buf, text, n);
    return (i64)n;
}

// file_path ends its text with NUL; a link's has none.
static i64 link_file(struct machine *m, file_t file, char *buf, size_t cap)
{
    char path[ABI_PATH_MAX];
    i64 n = file_path(m->fs, file, path, sizeof path);
    return n < 0 ? n : link_text(path, buf, cap);
}

i64 proc_task_link(struct machine *m, const struct proc_target *p, const char *name, char *buf,
                   size_t cap)
{
    u32 fd;
    file_t file = fd_of(p, name, "fd/", &fd);
    if (file)
        return link_file(m, file, buf, cap);
    if (!p->t)
        return -ENOENT;
    if (strcmp(name, "exe") == 0) {
        return p->t->mm && p->g->exe ? link_text(p->g->exe, buf, cap) : -ENOENT;
    }
    if (!p->t->fs)
        return -ENOENT;
    if (strcmp(name, "cwd") == 0)
        return link_file(m, p->t->fs->c->cwd, buf, cap);
    if (strcmp(name, "root") == 0)
        return link_file(m, p->t->fs->c->root, buf, cap);
    char text[64];
    if (namespace_text(p, name, text, sizeof text))
        return link_text(text, buf, cap);
    return -EINVAL;
}

// ---- contents

static int show_fdinfo(struct machine *m, const struct proc_target *p, u32 fd, file_t file,
                       struct strbuf *s)
{
    const struct file *f = file_at(m->fs, file);
    struct abi_stat st;
    u64 pos = f->kind == FILE_EVENT ? 0 : f->pos;
    if (f->how & FILE_INHERITED) {
        i64 at = file_seek(m->fs, file, 0, ABI_SEEK_CUR);
        pos = at > 0 ? (u64)at : 0;
    }
    u32 cloexec = fd_cloexec(p->t->files, fd) > 0 ? ABI_O_CLOEXEC : 0;
    (void)strbuf_printf(s, "pos:\t%llu\nflags:\t0%o\nmnt_id:\t%u\nino:\t%llu\n", (ull)pos,
                        f->flags | cloexec, f->mount,
                        file_stat(m->fs, file, &st) == 0 ? (ull)st.st_ino : 0);
    if (f->kind == FILE_EVENT)
        (void)strbuf_printf(s, "eventfd-count: %16llx\n", (ull)f->pos);
    return 0;
}

int proc_task_read(struct machine *m, const struct proc_target *p, const char *name,
                   struct strbuf *out)
{
    u32 fd;
    const struct row *r = row_find(p, name);
    if (r)
        return r->show ? r->show(m, p, out) : -EISDIR;
    file_t file = fd_of(p, name, "fdinfo/", &fd);
    return file ? show_fdinfo(m, p, fd, file, out) : -ENOENT;
}

i64 proc_task_write(struct machine *m, const struct proc_target *p, const char *name,
                    const char *text, size_t n)
{
    (void)m;
    const struct row *r = row_find(p, name);
    if (!r || !(r->mode & 0200) || !p->t)
        return -EACCES;
    if (strcmp(name, "comm") == 0) {
        size_t len = n && text[n - 1] == '\n' ? n - 1 : n;
        len = MIN(len, sizeof p->t->comm - 1);
        memset(p->t->comm, 0, sizeof p->t->comm);
        memcpy(p->t->comm, text, len);
    }
    if (strcmp(name, "oom_score_adj") == 0) {
        char number[16] = {0};
        memcpy(number, text, MIN(n, sizeof number - 1));
        long value = strtol(number, NULL, 10);
        if (value < -1000 || value > 1000)
            return -EINVAL;
        p->g->oom_score_adj = (i16)value;
    }
    return (i64)n; // the others are accepted, and mean nothing here
}

// ---- directories

static void entry(struct strbuf *out, char kind, const char *name)
{
    (void)strbuf_add(out, &kind, 1);
    (void)strbuf_add(out, name, strlen(name) + 1);
}

static void number_entry(struct strbuf *out, char kind, u64 number)
{
    (void)strbuf_printf(out, "%c%llu", kind, (ull)number);
    (void)strbuf_add(out, "", 1);
}

int proc_task_list(struct machine *m, const struct proc_target *p, const char *name,
                   struct strbuf *out)
{
    if (!*name) {
        for (u32 i = 0; i < ARRAY_LEN(rows); i++)
            if (row_find(p, rows[i].name) && !strchr(rows[i].name, '/'))
                entry(out, rows[i].kind == PROC_DIR ? 'd' : rows[i].kind == PROC_LINK ? 'l' : '-',
                      rows[i].name);
    } else if (strcmp(name, "fd") == 0 || strcmp(name, "fdinfo") == 0) {
        const struct fdtable *files = p->t ? p->t->files : NULL;
        for (i64 fd = files ? fd_next(files, 0) : -1; fd >= 0; fd = fd_next(files, (u32)fd + 1))
            number_entry(out, name[2] ? '-' : 'l', (u64)fd);
    } else if (strcmp(name, "net") == 0) {
        for (u32 i = 0; i < ARRAY_LEN(rows); i++)
            if (strncmp(rows[i].name, "net/", 4) == 0)
                entry(out, '-', rows[i].name + 4);
    } else if (strcmp(name, "ns") == 0) {
        for (u32 i = 0; i < ARRAY_LEN(namespaces); i++)
            entry(out, 'l', namespaces[i].name);
    } else if (strcmp(name, "task") == 0 && !p->thread) {
        for (task_t id = p->g->tasks; id; id = task_at(m, id)->gnext)
            number_entry(out, 'd', task_at(m, id)->tid);
        if (p->t && p->t->state == TASK_DEAD) // a leader that has ended before its threads
            number_entry(out, 'd', p->t->tid);
    } else {
        return -ENOTDIR;
    }
    return out->failed ? -ENOMEM : 0;
}
