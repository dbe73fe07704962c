// The machine: made, started, run.

#include "kernel/core.h"
#include "kernel/async.h"
#include "kernel/disk.h"
#include "kernel/machine.h"
#include "kernel/elf.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/mix.h"
#include "base/alloc.h"
#include "base/panic.h"
#include "fs/tty.h"
#include "host/clock.h"
#include "kernel/cpu_time.h"
#include "kernel/dnotify.h"
#include "host/identity.h"
#include "kernel/epoll.h"
#include "kernel/futex.h"
#include "kernel/hart.h"
#include "kernel/memory_file.h"
#include "kernel/socket.h"
#include "kernel/stream.h"
#include "kernel/sys_file.h"
#include "kernel/sys_pidfd.h"
#include "kernel/syscall.h"
#include "kernel/timer.h"
#include "kernel/trace.h"
#include "kernel/waiter.h"
#include "mm/map.h"
#include "mm/pagecache.h"
#include "mm/pagetable.h"

#define SLICE 500000u        // instructions a task runs before the next one's turn, as a rule
#define SLICES 8u             // in a row, while all others who could run only compute, too
#define REAP_EVERY 64u        // page-table nodes of an ended process, freed between two turns
#define POLL_EVERY 8u        // slices between looks at host descriptors while others run
#define SYNC_EVERY 1000000000u // ns between write-backs of shared file pages
#define DEADLOCK_TURNS 16u     // slices between questions of the time for it
#define DEADLOCK_EVERY 50000000u // ns between searches for a vfork deadlock while others run

static void wake_for_fs(void *arg, u64 chan)
{
    wake_channel(arg, chan);
}

static int random_for_fs(void *arg, void *bytes, size_t n)
{
    for (size_t i = 0; i < n; i++)
        ((u8 *)bytes)[i] = (u8)(machine_random(arg) >> 32);
    return 0;
}

static i64 now_for_fs(void *arg)
{
    return (i64)machine_realtime(arg);
}

// A file was written or truncated: cached pages follow, and pages beyond its end are gone.
static void written_for_fs(void *arg, u64 dev, u64 ino, u64 offset, u64 len)
{
    struct machine *m = arg;
    u64 pages;
    struct backing *b = pagecache_after_write(m->store, dev, ino, offset, len, &pages);
    for (u32 id = b ? pool_next(&m->tasks, 0) : 0; id; id = pool_next(&m->tasks, id))
        if (task_at(m, id)->mm)
            mm_truncate(task_at(m, id)->mm, b, pages);
}

struct tlb *machine_only_tlb(struct machine *m)
{
    return m->hart && m->store->machines == 1 && m->store->harts == m->hart && !m->hart->next
        ? &m->hart->cpu.tlb : NULL;
}

static bool executing_for_fs(void *arg, u64 dev, u64 ino)
{
    struct machine *m = arg;
    return pagecache_executing(m->store, dev, ino);
}

static u64 read_time(void *arg)
{
    return machine_time(arg) / 100; // 10 MHz
}

static void seed_random(struct machine *m)
{
    u64 x = m->options.seed ? m->options.seed : host_realtime() ^ host_monotonic() << 20;
    for (int i = 0; i < 2; i++)
        m->rng[i] = mix_next(&x);
}

void machine_wire(struct machine *m)
{
    m->fs->wake = wake_for_fs;
    m->fs->wake_arg = m->fs->random_arg = m->fs->now_arg = m->fs->written_arg = m;
    m->fs->executing_arg = m;
    m->fs->written = written_for_fs;
    m->fs->executing = executing_for_fs;
    m->fs->random = random_for_fs;
    m->fs->now = now_for_fs;
    m->fs->fdnodes_copied = m->fs->fsctx_copied = &m->stats.tables_copied;
    proc_attach(m);
    tty_attach(m);
    pidfd_attach(m);
    epoll_attach(m);
    dnotify_attach(m);
    timerfd_attach(m);
    signalfd_attach(m);
    socket_attach(m);
    mqueue_attach(m);
    stream_attach(m);
    memory_files_attach(m);
}

int machine_new(struct machine **out, const struct machine_options *o)
{
    struct machine *m = mem_zalloc(sizeof *m);
    if (!m)
        return -ENOMEM;
    m->options = *o;
    m->wake_fd = -1;
#define POOL_IN(name, member) pool_init(&m->member, name##_pool.size);
#include "kernel/pools.def"
    ipc_init(m);
    mqueue_init(m);
    m->lease_break_time = 45;
    strcpy(m->core_pattern, "core");
    int r = store_new(&m->store, o->memory);
    if (r == 0) {
        m->store->code_size = o->code_cache;
        m->store->code_file = o->code_file;
#define POOL_IN(name, member) pool_charge(&m->member, &m->store->budget);
#include "kernel/pools.def"
    }
    if (r == 0 && !m->options.max_procs) // as Linux: an eighth of memory at 16 KiB each
        m->options.max_procs = MAX(m->store->limit / 32, 1000u);
    m->options.max_procs += !m->options.init; // the reaper
    if (r == 0)
        r = fs_new(&m->fs, &o->fs);
    if (r < 0) {
        machine_free(m);
        return r;
    }
    fs_charge(m->fs, &m->store->budget);
    machine_wire(m);
    seed_random(m);
    m->stretch = SLICE / 4;
    m->clock_offset = 0;
    m->realtime_offset = 1700000000ULL * 1000000000ULL; // virtual time starts in November 2023
    if (o->timeout_ns)
        m->deadline_host = host_monotonic() + o->timeout_ns;
    *out = m;
    return 0;
}

// Nobody is told of anything: each object gives back what it owns.
void machine_free(struct machine *m)
{
    struct store *s = m->store;
    disk_end(m);
    if (s)
        store_lock(s);
#define POOL_IN(name, member) pool_drop(m, &m->member, &name##_pool);
#include "kernel/pools.def"
    fs_free(m->fs);
    if (m->vdso)
        backing_put(m->store, m->vdso);
    if (m->vfork_hooks.free)
        m->vfork_hooks.free(m->vfork_hooks.state);
    if (s)
        (void)node_reap(s, ~0u);
    bool last = s && --s->machines == 0;
    if (s)
        store_unlock(s);
    if (last) {
        cpu_store_ends(m->options.engine, s);
        pagecache_drop(s);
        harts_free(s);
        cpu_store_free(m->options.engine, s);
        store_free(s);
    }
    mem_free(m->pids.entry);
    mem_free(m->heap);
    mem_free(m);
}

const char *machine_error(struct machine *m)
{
    return m->error;
}

// ---- from outside --------------------------------------------------------------------------------

void machine_wake(struct machine *m)
{
    int fd = __atomic_load_n(&m->wake_fd, __ATOMIC_SEQ_CST);
    if (fd >= 0)
        host_event_set(fd);
}

void machine_say(struct machine *m, const char *format, ...)
{
    char line[600];
    va_list ap;
    if (!m->hooks.message)
        return;
    va_start(ap, format);
    vsnprintf(line, sizeof line, format, ap);
    va_end(ap);
    m->hooks.message(m->hooks.arg, line);
}

void machine_ask(struct machine *m)
{
    __atomic_store_n((bool *)&m->asked, true, __ATOMIC_SEQ_CST);
    machine_wake(m);
}

static void answer(struct machine *m)
{
    __atomic_store_n((bool *)&m->asked, false, __ATOMIC_SEQ_CST);
    if (m->on_ask)
        m->on_ask(m->ask_arg);
}

void machine_signal(struct machine *m, int signal)
{
    if (signal >= 1 && signal <= G_NSIG) {
        __atomic_fetch_or((u64 *)&m->host_signals, SIGBIT(signal), __ATOMIC_SEQ_CST);
        machine_wake(m);
    }
}

// ---- traps ---------------------------------------------------------------------------------------

static void force(struct machine *m, struct task *t, i32 signal, i32 code, u64 address)
{
    struct g_siginfo info = {.signo = signal, .code = code};
    info.fault.address = address;
    if (m->options.verbose)
        machine_say(m, "%s[%u]: signal %d, code %d, at pc 0x%lx, address 0x%lx", t->comm, t->tid, signal,
                    code, t->regs.pc, address);
    signal_force(m, t, &info);
}

static void handle_trap(struct machine *m, struct task *t, const struct trap *trap);

static void memory_fault(struct machine *m, struct task *t, const struct trap *trap)
{
    struct trap next;
    switch (trap->error) {
    case FAULT_WATCHED:
        if (vfork_watch_store(m, t, trap->value, &next))
            handle_trap(m, t, &next);
        break;
    case FAULT_NOMEM:
        machine_say(m, "out of memory: killed process %u (%s); give more with --memory",
                    group_of(m, t)->pid, t->comm);
        group_exit(m, group_of(m, t), G_SIGKILL);
        break;
    case FAULT_BUS:
        force(m, t, G_SIGBUS, G_BUS_ADRERR, trap->value);
        break;
    case FAULT_ACCERR:
        force(m, t, G_SIGSEGV, G_SEGV_ACCERR, trap->value);
        break;
    default:
        force(m, t, G_SIGSEGV, G_SEGV_MAPERR, trap->value);
    }
}

// Calls retire no instructions, and one that touches new memory can take long on a slow host. So the time is
// looked at, too: the engine runs in stretches, shorter ones where they take long.
#define TURN_TICKS 10000000u // of host_ticks: some milliseconds
#define STRETCH_LEAST 1000u

static bool limit_passed(const struct machine *m)
{
    return (m->deadline_host && host_monotonic() >= m->deadline_host) ||
           __atomic_load_n(&m->cancelled, __ATOMIC_RELAXED);
}

bool call_must_end(struct machine *m, struct task *t)
{
    return signal_fatal_pending(m, t) || limit_passed(m);
}

static void turn_is_long(struct machine *m, u64 ticks)
{
    m->turn_ticks += ticks;
    if (ticks > 8 * TURN_TICKS)
        m->stretch = MAX(m->stretch / 8, STRETCH_LEAST);
    if (limit_passed(m) || __atomic_load_n((u64 *)&m->host_signals, __ATOMIC_RELAXED))
        m->look_up = true;
    else if (!m->options.virtual_time) // there turns end by instructions alone
        m->turn_over = true;
}

static void enter(struct machine *m, struct task *t)
{
    syscall_enter(m, t);
    if (unlikely(m->dnotifies.live != 0))
        dnotify_look(m);
    if (unlikely(m->watched != 0))
        vfork_watch_called(m, t);
}

static void begin_call(struct machine *m, struct task *t)
{
    struct call *c = &t->call;
    *c = (struct call){.active = true, .number = (u32)t->regs.x[17]};
    memcpy(c->arg, &t->regs.x[10], sizeof c->arg);
    t->timed_out = false;
    t->regs.pc += 4;
    t->regs.reservation = ~0ULL;
    m->cpu->retired++;
    t->instructions++;
    t->calls++;
    m->stats.syscalls++;
    if (unlikely(m->watched != 0))
        vfork_watch_calls(m, t);
    enter(m, t);
}

static void handle_trap(struct machine *m, struct task *t, const struct trap *trap)
{
    switch (trap->kind) {
    case TRAP_BUDGET:
        break;
    case TRAP_ECALL:
        begin_call(m, t);
        break;
    case TRAP_EBREAK:
        force(m, t, G_SIGTRAP, G_TRAP_BRKPT, t->regs.pc);
        break;
    case TRAP_ILLEGAL:
        force(m, t, G_SIGILL, G_ILL_ILLOPC, t->regs.pc);
        break;
    case TRAP_MISALIGNED:
        force(m, t, G_SIGBUS, G_BUS_ADRALN, trap->value);
        break;
    default:
        memory_fault(m, t, trap);
    }
}

// ---- running -------------------------------------------------------------------------------------

// True if the task may go on running user instructions.
static bool ready(struct machine *m, struct task *t)
{
    if (t->state == TASK_RUNNABLE && (signal_pending(m, t) || t->call.restart || t->restore_mask))
        signal_deliver(m, t);
    if (t->state != TASK_RUNNABLE)
        return false;
    if (group_of(m, t)->stopped && !t->trace) {
        t->state = TASK_STOPPED;
        return false;
    }
    return true;
}

// How many instructions may pass until the machine has to look up: the slice or the fuel ends, or, where
// instructions are the clock, somebody's deadline is there.
static u64 budget(struct machine *m, u64 slice_end)
{
    u64 n = MIN(slice_end, m->run_limit) - m->cpu->retired;
    if (m->options.virtual_time && m->heap_count)
        n = MIN(n, m->heap[1].when - machine_time(m));
    return n;
}

// The slice is over. A change of address spaces costs what the hart knows of one, about 0.3 ms: it is put off
// among those who only compute. Who was woken meanwhile waits no longer than it would have.
static void slice_ended(struct machine *m, struct task *t)
{
    const struct task *next = m->run_head ? task_at(m, m->run_head) : NULL;
    bool yields = m->need_resched || m->turn_over || m->run_fresh || m->options.slice || ++m->slices == SLICES;
    t->spent = !m->need_resched;
    sched_enqueue(m, t, next && next->mm != t->mm && !yields);
}

static void run_task(struct machine *m, struct task *t)
{
    u64 slice_end = m->cpu->retired + (m->options.slice ? m->options.slice : SLICE);
    if (m->slice_end)
        slice_end = m->slice_end;
    m->slice_end = 0;
    m->current = t->id;
    m->need_resched = m->turn_over = m->look_up = false;
    m->turn_ticks = host_ticks();
    m->stats.switches += m->last != t->id;
    m->slices = m->last == t->id ? m->slices % SLICES : 0;
    m->last = t->id;
    if (unlikely(t->vfork_watch != 0))
        vfork_watch_arm(m, t);
    while (t->state == TASK_RUNNABLE && !m->finished) {
        u64 ticks = host_ticks() - m->turn_ticks;
        if (unlikely(ticks > TURN_TICKS))
            turn_is_long(m, ticks);
        if (unlikely(group_of(m, t)->core != 0)) {
            core_step(m, t);
            break;
        }
        if (t->call.active) {
            if (group_of(m, t)->stopped && !t->trace && !signal_pending(m, t)) {
                t->state = TASK_STOPPED;
                break;
            }
            enter(m, t);
        }
        if (t->state != TASK_RUNNABLE || !ready(m, t))
            break;
        if ((t->call.active || group_of(m, t)->core) && !m->look_up)
            continue; // a call without a handler to run goes on; a core file begins
        if (m->need_resched || m->turn_over || m->cpu->retired >= slice_end) {
            slice_ended(m, t);
            break;
        }
        if (m->cpu->retired >= m->run_limit || m->look_up) { // the slice goes on in the next run, or turn
            if (m->cpu->retired >= m->run_limit)
                m->fuel_pc = t->regs.pc;
            m->slice_end = slice_end;
            sched_enqueue(m, t, true);
            break;
        }
        if (m->options.virtual_time && m->heap_count && m->heap[1].when <= machine_time(m)) {
            deadlines_fire(m);
            continue;
        }
        u64 before = m->cpu->retired;
        mm_switch(t->mm, &m->cpu->tlb);
        m->cpu->mm = t->mm;
        m->cpu->regs = &t->regs;
        u64 cpu_left = cpu_time_left(m, t);
        bool step = unlikely(t->trace != 0) && trace_of(m, t)->mode == TRACE_STEP;
        struct trap trap = cpu_run(m->cpu, step ? 1 : MIN(MIN(budget(m, slice_end), cpu_left), m->stretch));
        m->stretch = MIN(m->stretch + m->stretch / 4, SLICE);
        t->instructions += m->cpu->retired - before;
        handle_trap(m, t, &trap);
        if (unlikely(cpu_left != ~0ULL) && t->state == TASK_RUNNABLE) // who waits is woken below, if at all
            cpu_time_passed(m, t);
        if (unlikely(step) && t->trace && (trap.kind == TRAP_BUDGET || trap.kind == TRAP_ECALL))
            trace_of(m, t)->due |= DUE_STEP;
    }
    if (unlikely(m->watched != 0))
        vfork_watch_disarm(m);
    if (t->state != TASK_DEAD)
        cpu_time_passed(m, t);
    m->current = 0;
    if (t->state == TASK_DEAD && (!t->group || group_of(m, t)->leader != t->id))
        task_free(m, t);
}

static void take_host_signals(struct machine *m)
{
    u64 set = __atomic_exchange_n((u64 *)&m->host_signals, 0, __ATOMIC_SEQ_CST);
    for (; set; set &= set - 1) {
        struct g_siginfo info = {.signo = __builtin_ctzll(set) + 1, .code = G_SI_KERNEL};
        u32 pgid = (u32)m->fs->tty_pgrp;
        bool any = false;
        for (u32 id = pool_next(&m->groups, 0); id; id = pool_next(&m->groups, id)) {
            struct group *g = group_at(m, id);
            if (g->kernel || g->dead || g->pgid != pgid)
                continue;
            (void)signal_send_group(m, g, &info);
            any = true;
        }
        if (!any && m->main_group)
            (void)signal_send_group(m, group_at(m, m->main_group), &info);
    }
}

// Nobody can run: waits for a deadline, a host descriptor or a signal.
static void idle(struct machine *m)
{
    i64 wait = -1;
    u64 now = machine_time(m);
    if (m->heap_count) {
        u64 left = m->heap[1].when > now ? m->heap[1].when - now : 0;
        if (m->options.virtual_time) {
            sched_poll(m, 0);
            if (!m->run_head)
                m->virtual_base += left;
            return;
        }
        wait = (i64)MIN(left, (u64)INT64_MAX);
    }
    if (m->deadline_host) {
        u64 host = host_monotonic();
        i64 left = m->deadline_host > host ? (i64)(m->deadline_host - host) : 0;
        wait = wait < 0 ? left : MIN(wait, left);
    }
    sched_poll(m, wait);
}

// Whether the program is stopped, and so is everybody who could continue it.
static bool all_stopped(struct machine *m)
{
    if (!m->main_group || !group_at(m, m->main_group)->stopped)
        return false;
    for (u32 id = pool_next(&m->groups, 0); id; id = pool_next(&m->groups, id)) {
        struct group *g = group_at(m, id);
        if (!g->kernel && !g->dead && !g->stopped)
            return false;
    }
    return true;
}

static bool limits_reached(struct machine *m, enum run_end *end)
{
    if (m->options.fuel && m->cpu->retired >= m->options.fuel)
        *end = RUN_OUT_OF_FUEL;
    else if (m->deadline_host && host_monotonic() >= m->deadline_host)
        *end = RUN_TIMED_OUT;
    else if (__atomic_load_n(&m->cancelled, __ATOMIC_RELAXED))
        *end = RUN_CANCELLED;
    else if (m->cpu->retired >= m->run_limit)
        *end = RUN_BUDGET;
    else
        return false;
    return true;
}

static bool nobody_left(struct machine *m)
{
    for (u32 id = pool_next(&m->groups, 0); id; id = pool_next(&m->groups, id))
        if (!group_at(m, id)->kernel && !group_at(m, id)->dead)
            return false;
    return true;
}

// Looked for when everybody waits, and now and then while somebody runs. See deadlock.h.
static bool deadlocked(struct machine *m, u32 turn)
{
    if (!m->vforks || m->options.vfork_hang || (m->run_head && turn % DEADLOCK_TURNS))
        return false;
    u64 now = machine_time(m);
    if (m->run_head ? now < m->deadlock_next : !m->ran)
        return false;
    m->ran = false;
    m->deadlock_next = now + DEADLOCK_EVERY;
    return deadlock_find(m, &m->deadlock);
}

// Nobody can run. True: the run ends, *end says how; false: look again.
static bool rest(struct machine *m, bool wait, enum run_end *end)
{
    *end = RUN_ENDED;
    if (m->options.wait_all && nobody_left(m))
        return true;
    if (all_stopped(m)) {
        m->stopped = group_at(m, m->main_group)->stop_signal;
        *end = RUN_STOPPED;
        return true;
    }
    if (m->stream_dry && !m->heap_count && !m->host_waits)
        wait = false; // only the owner can help
    if (wait || (m->options.virtual_time && m->heap_count)) {
        idle(m);
        return false;
    }
    sched_poll(m, 0);
    *end = RUN_IDLE;
    return !m->run_head;
}

static enum run_end run_loop(struct machine *m, bool wait)
{
    enum run_end end = RUN_ENDED;
    u64 next_sync = host_monotonic() + SYNC_EVERY;
    for (u32 turn = 0; !m->finished; turn++) {
        if (__atomic_load_n((u64 *)&m->host_signals, __ATOMIC_RELAXED))
            take_host_signals(m);
        if (__atomic_load_n((bool *)&m->asked, __ATOMIC_RELAXED))
            answer(m);
        deadlines_fire(m);
        if (m->helpers && host_helpers_ready(m->helpers))
            disk_finish(m);
        if (m->host_waits && turn % POLL_EVERY == 0)
            sched_poll(m, 0);
        if ((turn & 63) == 0 && host_monotonic() > next_sync) {
            (void)pagecache_sync_all(m->store, machine_only_tlb(m));
            next_sync = host_monotonic() + SYNC_EVERY;
        }
        if (limits_reached(m, &end))
            break;
        if (deadlocked(m, turn)) {
            end = RUN_DEADLOCK;
            break;
        }
        task_t id = m->run_head;
        if (node_reap(m->store, REAP_EVERY) && !id)
            continue;
        if (!id) {
            if (rest(m, wait, &end))
                break;
            continue;
        }
        struct task *t = task_at(m, id);
        sched_remove(m, t);
        m->ran = true;
        run_task(m, t);
        store_yield(m->store);
    }
    return end;
}

static int hart_on(struct machine *m)
{
    struct hart *h = hart_take(m->store, m);
    if (!h)
        return -ENOMEM;
    h->cpu.store = m->store;
    h->cpu.engine = m->options.engine;
    h->cpu.retired = m->retired;
    h->cpu.time_hz = 10000000;
    h->cpu.read_time = read_time;
    h->cpu.read_time_arg = m;
    m->hart = h;
    m->cpu = &h->cpu;
    return 0;
}

static void hart_off(struct machine *m)
{
    struct hart *h = m->hart;
    __atomic_store_n(&m->wake_fd, -1, __ATOMIC_SEQ_CST);
    m->retired = m->stats.instructions = h->cpu.retired;
    m->hart = NULL;
    m->cpu = NULL;
    hart_give(h);
}

enum run_end machine_run(struct machine *m, u64 budget, bool wait)
{
    u64 fuel = m->options.fuel ? m->options.fuel : ~0ULL;
    store_lock(m->store);
    if (hart_on(m)) {
        store_unlock(m->store);
        return RUN_NO_MEMORY;
    }
    m->stopped = 0;
    m->deadlock.count = 0;
    m->ran = true;
    streams_again(m);
    m->run_limit = MIN(fuel, budget > ~0ULL - m->retired ? ~0ULL : m->retired + budget);
    m->changes_identity = host_can_change_identity();
    m->host_fsuid = host_uid();
    m->host_fsgid = host_gid();
    enum run_end end = run_loop(m, wait);
    identity_assume(m, host_uid(), host_gid(), NULL);
    hart_off(m);
    store_unlock(m->store);
    return end;
}

void machine_cancel(struct machine *m, bool on)
{
    __atomic_store_n(&m->cancelled, on, __ATOMIC_SEQ_CST);
    machine_wake(m);
}
