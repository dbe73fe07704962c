// The machine's name and state, prctl, random bytes, and what riscv adds.
#include "kernel/syscall.h"

#include <errno.h>
#include <string.h>

#include "kernel/access.h"
#include "kernel/proc.h"
#include "mm/uaccess.h"

// ---- names

#define NAME_ROOM 65

i64 sys_uname(struct machine *m, struct task *t, const u64 *a)
{
    char names[6][NAME_ROOM];
    memset(names, 0, sizeof names);
    strcpy(names[0], "Linux");
    proc_hostname(m, names[1], NAME_ROOM);
    strcpy(names[2], TINE_RELEASE);
    strcpy(names[3], TINE_VERSION);
    strcpy(names[4], "riscv64");
    strcpy(names[5], "(none)");
    return uaccess_write(t->mm, a[0], names, sizeof names);
}

// The name is the host's.
i64 sys_sethostname(struct machine *m, struct task *t, const u64 *a)
{
    (void)m;
    (void)t;
    (void)a;
    return -EPERM;
}

struct abi_sysinfo {
    i64 uptime;
    u64 loads[3], totalram, freeram, sharedram, bufferram, totalswap, freeswap;
    u16 procs, pad;
    u32 pad2;
    u64 totalhigh, freehigh;
    u32 mem_unit, pad3;
};
_Static_assert(sizeof(struct abi_sysinfo) == 112, "struct sysinfo of 64-bit Linux");

i64 sys_sysinfo(struct machine *m, struct task *t, const u64 *a)
{
    struct abi_sysinfo s;
    memset(&s, 0, sizeof s);
    s.uptime = (i64)(machine_time(m) / 1000000000u);
    s.totalram = (u64)m->store->limit * PAGE_SIZE;
    s.freeram = (u64)store_room(m->store) * PAGE_SIZE;
    s.procs = (u16)MIN(m->tasks.live, 65535u);
    s.mem_unit = 1;
    return uaccess_write(t->mm, a[0], &s, sizeof s);
}

// Kept for who asks. There is one execution domain, and no address is random unless asked for.
i64 sys_personality(struct machine *m, struct task *t, const u64 *a)
{
    struct group *g = group_of(m, t);
    u32 old = g->personality;
    if ((u32)a[0] != 0xffffffff)
        g->personality = (u32)a[0];
    return old;
}

i64 sys_syslog(struct machine *m, struct task *t, const u64 *a)
{
    (void)m;
    (void)t;
    (void)a;
    return -EPERM;
}

// ---- random bytes, from the machine's own stream

#define GRND_KNOWN 7u // NONBLOCK, RANDOM, INSECURE

i64 sys_getrandom(struct machine *m, struct task *t, const u64 *a)
{
    u64 words[32], done = 0, n = MIN(a[1], (u64)0x1ffffff);
    if ((u32)a[2] & ~GRND_KNOWN || ((u32)a[2] & 6) == 6)
        return -EINVAL;
    while (done < n) {
        u64 part = MIN(n - done, sizeof words);
        for (u64 i = 0; i * 8 < part; i++)
            words[i] = machine_random(m);
        int r = uaccess_write(t->mm, a[0] + done, words, part);
        if (r)
            return done ? (i64)done : r;
        done += part;
    }
    return (i64)done;
}

// ---- prctl

enum {
    P_SET_PDEATHSIG = 1, P_GET_PDEATHSIG, P_GET_DUMPABLE, P_SET_DUMPABLE, P_GET_TIMING = 13, P_SET_TIMING,
    P_SET_NAME = 15, P_GET_NAME = 16, P_GET_SECCOMP = 21, P_SET_SECCOMP = 22, P_SET_TIMERSLACK = 29,
    P_GET_TIMERSLACK = 30, P_MCE_KILL = 33, P_MCE_KILL_GET = 34, P_SET_CHILD_SUBREAPER = 36,
    P_GET_CHILD_SUBREAPER = 37, P_GET_TID_ADDRESS = 40, P_SET_THP_DISABLE = 41, P_GET_THP_DISABLE = 42,
    P_SET_PTRACER = 0x59616d61,
};

static i64 set_name(struct task *t, gva_t from)
{
    char name[sizeof t->comm];
    i64 n = uaccess_string(t->mm, name, from, sizeof name);
    if (n == -ENAMETOOLONG) // cut off, not refused
        n = uaccess_read(t->mm, name, from, sizeof name - 1) ? -EFAULT : (i64)sizeof name - 1;
    if (n < 0)
        return n;
    memset(t->comm, 0, sizeof t->comm);
    memcpy(t->comm, name, (size_t)n);
    return 0;
}

// What is about the process; -ENOSYS: not one of them.
static i64 prctl_process(struct task *t, struct group *g, const u64 *a)
{
    switch ((i32)a[0]) {
    case P_SET_PDEATHSIG:
        if (a[1] > G_NSIG)
            return -EINVAL;
        g->pdeath_signal = (u8)a[1];
        return 0;
    case P_GET_PDEATHSIG:
        return uaccess_write_u32(t->mm, a[1], g->pdeath_signal);
    case P_GET_DUMPABLE:
        return g->dumpable;
    case P_SET_DUMPABLE:
        if (a[1] > 1)
            return -EINVAL;
        g->dumpable = a[1];
        return 0;
    case P_SET_CHILD_SUBREAPER:
        g->subreaper = a[1] != 0;
        return 0;
    case P_GET_CHILD_SUBREAPER:
        return uaccess_write_u32(t->mm, a[1], g->subreaper);
    default:
        return -ENOSYS;
    }
}

// No filter is ever run: a program that limits itself goes on unlimited.
static i64 set_seccomp(struct task *t, const struct group *g, const u64 *a)
{
    u64 head[2];
    if (a[1] != 1 && a[1] != 2)
        return -EINVAL;
    if (a[1] == 1)
        return 0;
    int r = uaccess_read(t->mm, head, a[2], sizeof head);
    if (r)
        return r;
    return g->caps.no_new_privs || capable(g, G_CAP_SYS_ADMIN) ? 0 : -EACCES;
}

// Accepted without effect: nothing in the machine goes by them.
static i64 prctl_accepted(struct task *t, const struct group *g, const u64 *a)
{
    switch ((i32)a[0]) {
    case P_GET_SECCOMP:
        return 0;
    case P_SET_SECCOMP:
        return set_seccomp(t, g, a);
    case P_GET_THP_DISABLE:
        return a[1] || a[2] || a[3] || a[4] ? -EINVAL : 0;
    case P_SET_THP_DISABLE:
        return a[2] || a[3] || a[4] ? -EINVAL : 0;
    case P_GET_TIMERSLACK:
        return (i64)t->slack;
    case P_SET_TIMERSLACK:
        t->slack = (i64)a[1] > 0 ? a[1] : t->slack_default;
        return 0;
    case P_GET_TIMING:
    case P_SET_PTRACER:
        return 0;
    case P_SET_TIMING:
        return a[1] ? -EINVAL : 0;
    case P_MCE_KILL:
        if (a[3] || a[4] || a[1] > 1 || (a[1] == 0 && a[2]) || a[2] > 2)
            return -EINVAL;
        return 0;
    case P_MCE_KILL_GET:
        return a[1] || a[2] || a[3] || a[4] ? -EINVAL : 2;
    default:
        return -EINVAL;
    }
}

i64 sys_prctl(struct machine *m, struct task *t, const u64 *a)
{
    struct group *g = group_of(m, t);
    switch ((i32)a[0]) {
    case P_SET_NAME:
        return set_name(t, a[1]);
    case P_GET_NAME:
        return uaccess_write(t->mm, a[1], t->comm, sizeof t->comm);
    case P_GET_TID_ADDRESS:
        return uaccess_write_u64(t->mm, a[1], t->clear_child_tid);
    default:
        break;
    }
    i64 r = prctl_process(t, g, a);
    if (r == -ENOSYS)
        r = prctl_caps(g, a);
    return r == -ENOSYS ? prctl_accepted(t, g, a) : r;
}

// ---- barriers

enum { MB_GLOBAL = 1, MB_GLOBAL_EXPEDITED = 2, MB_REGISTER_GLOBAL = 4, MB_PRIVATE = 8,
       MB_REGISTER_PRIVATE = 16, MB_SYNC_CORE = 32, MB_REGISTER_SYNC_CORE = 64 };

// One hart runs at a time and a switch between threads orders everything, so each is a no-op; but who
// uses a private one has to have said so before.
i64 sys_membarrier(struct machine *m, struct task *t, const u64 *a)
{
    const u32 known = 0x7f;
    u32 cmd = (u32)a[0];
    (void)m;
    if ((u32)a[1])
        return -EINVAL;
    switch (cmd) {
    case 0: // QUERY
        return known;
    case MB_REGISTER_GLOBAL: case MB_REGISTER_PRIVATE: case MB_REGISTER_SYNC_CORE:
        t->mm->barriers |= (u16)cmd;
        return 0;
    case MB_GLOBAL: case MB_GLOBAL_EXPEDITED:
        return 0;
    case MB_PRIVATE: case MB_SYNC_CORE:
        return t->mm->barriers & cmd << 1 ? 0 : -EPERM;
    default:
        return -EINVAL;
    }
}

// Stores drop decoded code at once (frame_will_change), so that there is nothing to flush.
i64 sys_riscv_flush_icache(struct machine *m, struct task *t, const u64 *a)
{
    (void)m;
    (void)t;
    return a[2] & ~1ULL ? -EINVAL : 0; // SYS_RISCV_FLUSH_ICACHE_LOCAL
}

// ---- riscv_hwprobe (Documentation/riscv/hwprobe.rst)

struct hwprobe {
    i64 key;
    u64 value;
};

enum { HW_MVENDORID, HW_MARCHID, HW_MIMPID, HW_BASE_BEHAVIOR, HW_IMA_EXT_0, HW_CPUPERF_0,
       HW_ZICBOZ_BLOCK_SIZE, HW_HIGHEST_VIRT_ADDRESS, HW_TIME_CSR_FREQ, HW_MISALIGNED_SCALAR };
#define HW_BASE_IMA 1u
#define HW_EXT_FD 1u
#define HW_EXT_C 2u
#define HW_MISALIGNED_FAST 3u

static void hwprobe_answer(const struct machine *m, struct hwprobe *p)
{
    switch (p->key) {
    case HW_MVENDORID:
    case HW_MARCHID:
    case HW_MIMPID:
    case HW_ZICBOZ_BLOCK_SIZE:
        p->value = 0;
        break;
    case HW_BASE_BEHAVIOR:
        p->value = HW_BASE_IMA;
        break;
    case HW_IMA_EXT_0:
        p->value = HW_EXT_FD | HW_EXT_C;
        break;
    case HW_CPUPERF_0:
    case HW_MISALIGNED_SCALAR:
        p->value = HW_MISALIGNED_FAST;
        break;
    case HW_HIGHEST_VIRT_ADDRESS:
        p->value = MM_TOP - 1;
        break;
    case HW_TIME_CSR_FREQ:
        p->value = m->cpu->time_hz;
        break;
    default: // an unknown key is no error: it comes back as -1
        p->key = -1;
        p->value = 0;
    }
}

i64 sys_riscv_hwprobe(struct machine *m, struct task *t, const u64 *a)
{
    struct hwprobe p;
    u64 cpus = 1;
    if (a[4])
        return -EINVAL;
    if (a[3] || a[2]) { // a set of processors: there is number 0
        cpus = 0;
        int r = uaccess_read(t->mm, &cpus, a[3], MIN(a[2], sizeof cpus));
        if (r)
            return r;
        if (!(cpus & 1))
            return -EINVAL;
    }
    for (u64 i = 0; i < a[1]; i++) {
        gva_t at = a[0] + i * sizeof p;
        int r = uaccess_read(t->mm, &p, at, sizeof p);
        if (r)
            return r;
        hwprobe_answer(m, &p);
        r = uaccess_write(t->mm, at, &p, sizeof p);
        if (r)
            return r;
    }
    return 0;
}
