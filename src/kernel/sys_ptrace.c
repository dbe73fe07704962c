// ptrace(2): the requests. riscv64 has register sets only (no PEEKUSR), and the step is tine's own:
// Linux offers none there, and answers EIO.
#include <errno.h>
#include <string.h>

#include "kernel/access.h"
#include "kernel/syscall.h"
#include "kernel/trace.h"
#include "mm/uaccess.h"

enum {
    R_TRACEME, R_PEEKTEXT, R_PEEKDATA, R_POKETEXT = 4, R_POKEDATA, R_CONT = 7, R_KILL, R_SINGLESTEP,
    R_ATTACH = 16, R_DETACH, R_SYSCALL = 24,
    R_SETOPTIONS = 0x4200, R_GETEVENTMSG, R_GETSIGINFO, R_SETSIGINFO, R_GETREGSET, R_SETREGSET,
    R_SEIZE, R_INTERRUPT, R_LISTEN, R_PEEKSIGINFO, R_GETSIGMASK, R_SETSIGMASK,
    R_GET_SYSCALL_INFO = 0x420e,
};

// ---- becoming a tracer

static i64 trace_me(struct machine *m, struct task *t)
{
    struct group *g = group_of(m, t);
    struct group *parent = g->parent ? group_at(m, g->parent) : NULL;
    if (t->trace)
        return -EPERM;
    if (!parent || parent->kernel) // tine's own reaper looks at nothing
        return 0;
    return trace_new(m, parent, t, false, 0);
}

static i64 attach(struct machine *m, struct task *t, u32 pid, bool seize, u64 addr, u64 options)
{
    task_t id = pid_find(m, pid);
    if (seize && addr)
        return -EIO;
    if (seize && options & ~(u64)TRACE_O_KNOWN)
        return -EIO;
    if (!id)
        return -ESRCH;
    struct task *of = task_at(m, id);
    struct group *g = group_of(m, of);
    if (of->group == t->group || g->kernel || of->trace || of->state == TASK_DEAD || !may_trace(m, t, of))
        return -EPERM;
    int r = trace_new(m, group_of(m, t), of, seize, (u32)options);
    if (r)
        return r;
    bool stopped = g->stopped;
    if (stopped) { // it stands still already: as a tracee from now on
        trace_of(m, of)->due |= DUE_GROUP_STOP;
        if (of->state == TASK_STOPPED)
            sched_enqueue(m, of, false);
        else
            trace_wake(m, of);
    }
    if (seize)
        return 0;
    struct g_siginfo info = {.signo = G_SIGSTOP, .code = G_SI_KERNEL};
    if (stopped)
        of->pending.set |= SIGBIT(G_SIGSTOP);
    else
        (void)!signal_send_task(m, of, &info);
    return 0;
}

// ---- memory

// The kernel's call: PEEK's word goes to *data.
static i64 peek(struct task *t, struct task *of, gva_t addr, gva_t data)
{
    u64 word;
    if (uaccess_peek(of->mm, &word, addr, sizeof word))
        return -EIO;
    return uaccess_write_u64(t->mm, data, word);
}

static i64 poke(struct task *of, gva_t addr, u64 word)
{
    return uaccess_poke(of->mm, addr, &word, sizeof word) ? -EIO : 0;
}

// ---- registers

enum { NT_PRSTATUS = 1, NT_PRFPREG = 2 };

struct user_regs { u64 pc, x[31]; };
struct user_fpregs { u64 f[32]; u32 fcsr, pad; };

void task_registers(const struct task *of, u64 to[32])
{
    to[0] = of->regs.pc;
    memcpy(&to[1], &of->regs.x[1], 31 * sizeof *to);
}

void task_fp_registers(const struct task *of, u64 to[33])
{
    memcpy(to, of->regs.f, 32 * sizeof *to);
    to[32] = (u64)(of->regs.frm << 5 | of->regs.fflags);
}

static void load(struct task *of, u64 set, const void *from)
{
    struct regs *r = &of->regs;
    if (set == NT_PRSTATUS) {
        const struct user_regs *u = from;
        r->pc = u->pc & ~1ULL;
        memcpy(&r->x[1], u->x, sizeof u->x);
    } else {
        const struct user_fpregs *u = from;
        memcpy(r->f, u->f, sizeof u->f);
        r->frm = u->fcsr >> 5 & 7;
        r->fflags = u->fcsr & 31;
    }
}

static i64 regset(struct task *t, struct task *of, u64 set, gva_t iov_at, bool write)
{
    union { struct user_regs x; struct user_fpregs f; u64 words[33]; } u;
    u64 iov[2], size = set == NT_PRSTATUS ? sizeof u.x : sizeof u.f;
    if (set != NT_PRSTATUS && set != NT_PRFPREG)
        return -EINVAL;
    int r = uaccess_read(t->mm, iov, iov_at, sizeof iov);
    if (r)
        return r;
    if (iov[1] % sizeof(u64))
        return -EINVAL;
    u64 n = MIN(iov[1], size);
    if (set == NT_PRSTATUS)
        task_registers(of, u.words);
    else
        task_fp_registers(of, u.words);
    if (write) {
        r = uaccess_read(t->mm, &u, iov[0], n);
        if (r == 0)
            load(of, set, &u);
    } else {
        r = uaccess_write(t->mm, iov[0], &u, n);
    }
    return r ? r : uaccess_write_u64(t->mm, iov_at + sizeof(u64), n);
}

// ---- signals

static i64 siginfo(struct task *t, struct trace *tr, gva_t data, bool write)
{
    if (tr->place == AT_GROUP_STOP && !tr->seized)
        return -EINVAL; // there is none: that is how a group stop is told
    if (!write)
        return uaccess_write(t->mm, data, &tr->info, sizeof tr->info);
    return uaccess_read(t->mm, &tr->info, data, sizeof tr->info);
}

static i64 peek_siginfo(struct machine *m, struct task *t, struct task *of, gva_t args, gva_t data)
{
    struct { u64 offset; u32 flags; i32 count; } a;
    int r = uaccess_read(t->mm, &a, args, sizeof a);
    if (r)
        return r;
    if (a.flags & ~1u || a.count < 0)
        return -EINVAL;
    const struct sigqueue *q = a.flags & 1 ? &group_of(m, of)->pending : &of->pending;
    i64 done = 0;
    for (; done < a.count; done++) {
        struct g_siginfo info;
        if (!sigqueue_peek(m, q, a.offset + (u64)done, &info))
            break;
        r = uaccess_write(t->mm, data + (u64)done * sizeof info, &info, sizeof info);
        if (r)
            return done ? done : r;
    }
    return done;
}

static i64 sigmask(struct task *t, struct task *of, u64 size, gva_t data, bool write)
{
    u64 mask = of->restore_mask ? of->saved_mask : of->mask;
    if (size != sizeof mask)
        return -EINVAL;
    if (!write)
        return uaccess_write_u64(t->mm, data, mask);
    int r = uaccess_read_u64(t->mm, &mask, data);
    if (r == 0)
        of->mask = mask & ~(SIGBIT(G_SIGKILL) | SIGBIT(G_SIGSTOP));
    return r;
}

// ---- PTRACE_GET_SYSCALL_INFO

#define ARCH_RISCV64 0xc00000f3u // AUDIT_ARCH_RISCV64

struct syscall_info {
    u8 op, pad[3]; // 0 none, 1 entry, 2 exit
    u32 arch;
    u64 pc, sp;
    union {
        struct { u64 number, arg[6]; } entry;
        struct { i64 result; u8 is_error; } exit;
    };
};

static i64 syscall_info(struct task *t, struct task *of, const struct trace *tr, u64 size, gva_t data)
{
    struct syscall_info s;
    u64 n = offsetof(struct syscall_info, entry);
    memset(&s, 0, sizeof s);
    s.arch = ARCH_RISCV64;
    s.pc = of->regs.pc;
    s.sp = of->regs.x[2];
    if (tr->code == (G_SIGTRAP | 0x80) && tr->place == AT_CALL) {
        s.op = 1;
        s.entry.number = of->regs.x[17];
        memcpy(s.entry.arg, &of->regs.x[10], sizeof s.entry.arg);
        n += sizeof s.entry;
    } else if (tr->code == (G_SIGTRAP | 0x80) && tr->place == AT_RESULT) {
        s.op = 2;
        s.exit.result = (i64)of->regs.x[10];
        s.exit.is_error = s.exit.result < 0 && s.exit.result >= -4095;
        n = offsetof(struct syscall_info, exit.is_error) + 1;
    }
    int r = uaccess_write(t->mm, data, &s, MIN(n, size));
    return r ? r : (i64)n;
}

// ---- the call

static i64 go_on(struct machine *m, struct task *of, enum trace_mode mode, u64 signal)
{
    if (signal > G_NSIG)
        return -EIO;
    trace_resume(m, of, mode, (i32)signal);
    return 0;
}

static i64 interrupt(struct machine *m, struct task *of, struct trace *tr)
{
    if (!tr->seized)
        return -EIO;
    if (tr->stopped && !tr->listening)
        return 0;
    tr->due |= DUE_INTERRUPT;
    if (tr->listening)
        trace_resume(m, of, (enum trace_mode)tr->mode, 0);
    else
        trace_wake(m, of);
    return 0;
}

static i64 kill_tracee(struct machine *m, struct task *of)
{
    struct g_siginfo info = {.signo = G_SIGKILL, .code = G_SI_KERNEL};
    return signal_send_task(m, of, &info);
}

// The requests to a tracee that stands still.
static i64 request(struct machine *m, struct task *t, struct task *of, const u64 *a)
{
    struct trace *tr = trace_of(m, of);
    switch ((u32)a[0]) {
    case R_PEEKTEXT: case R_PEEKDATA:
        return peek(t, of, a[2], a[3]);
    case R_POKETEXT: case R_POKEDATA:
        return poke(of, a[2], a[3]);
    case R_CONT:
        return go_on(m, of, TRACE_CONT, a[3]);
    case R_SYSCALL:
        return go_on(m, of, TRACE_CALLS, a[3]);
    case R_SINGLESTEP:
        return go_on(m, of, TRACE_STEP, a[3]);
    case R_DETACH:
        if (a[3] > G_NSIG)
            return -EIO;
        trace_detach(m, of->trace, (i32)a[3]);
        return 0;
    case R_SETOPTIONS:
        if (a[3] & ~(u64)TRACE_O_KNOWN)
            return -EINVAL;
        tr->options = (u32)a[3];
        return 0;
    case R_GETEVENTMSG:
        return uaccess_write_u64(t->mm, a[3], tr->message);
    case R_GETSIGINFO: case R_SETSIGINFO:
        return siginfo(t, tr, a[3], (u32)a[0] == R_SETSIGINFO);
    case R_GETREGSET: case R_SETREGSET:
        return regset(t, of, a[2], a[3], (u32)a[0] == R_SETREGSET);
    case R_LISTEN:
        if (!tr->seized || tr->place != AT_GROUP_STOP)
            return -EIO;
        tr->listening = true;
        return 0;
    case R_PEEKSIGINFO:
        return peek_siginfo(m, t, of, a[2], a[3]);
    case R_GETSIGMASK: case R_SETSIGMASK:
        return sigmask(t, of, a[2], a[3], (u32)a[0] == R_SETSIGMASK);
    case R_GET_SYSCALL_INFO:
        return syscall_info(t, of, tr, a[2], a[3]);
    default:
        return -EIO;
    }
}

i64 sys_ptrace(struct machine *m, struct task *t, const u64 *a)
{
    u32 what = (u32)a[0];
    if (what == R_TRACEME)
        return trace_me(m, t);
    if (what == R_ATTACH || what == R_SEIZE)
        return attach(m, t, (u32)a[1], what == R_SEIZE, a[2], what == R_SEIZE ? a[3] : 0);
    task_t id = pid_find(m, (u32)a[1]);
    struct task *of = id ? task_at(m, id) : NULL;
    struct trace *tr = of ? trace_of(m, of) : NULL;
    if (!tr || tr->tracer != t->group || of->state == TASK_DEAD)
        return -ESRCH;
    if (what == R_KILL)
        return kill_tracee(m, of);
    if (what == R_INTERRUPT)
        return interrupt(m, of, tr);
    if (!tr->stopped || tr->listening)
        return -ESRCH;
    return request(m, t, of, a);
}
