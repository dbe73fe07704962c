// The public functions of a machine: options translated, results translated, nothing else.
#include <errno.h>
#include <string.h>
#include <tine/tine.h>

#include "base/alloc.h"
#include "host/confine.h"
#include "jit/jit.h"
#include "kernel/control.h"
#include "kernel/machine.h"
#include "see/counters.h"
#include "see/filter.h"
#include "see/strace.h"
#include "see/tasks.h"
#include "see/translations.h"
#include "see/vfork_report.h"

struct tine_machine {
    struct machine *machine;
    struct strace *strace; // or NULL
    struct translations *translations; // or NULL
    struct tine_callbacks callbacks;
    int dump_fd;           // of tine_machine_dump_soon
};

// ---- callbacks and streams -----------------------------------------------------------------------

static void on_message(void *arg, const char *line)
{
    const struct tine_callbacks *c = &((struct tine_machine *)arg)->callbacks;

    c->message(c->context, line);
}

static void on_exited(void *arg, u32 pid, i32 status)
{
    const struct tine_callbacks *c = &((struct tine_machine *)arg)->callbacks;

    c->exited(c->context, (int)pid, status & 0xffff);
}

static void on_reaped(void *arg, u32 pid, i32 status)
{
    const struct tine_callbacks *c = &((struct tine_machine *)arg)->callbacks;

    c->reaped(c->context, (int)pid, status & 0xffff);
}

void tine_machine_set_callbacks(struct tine_machine *t, const struct tine_callbacks *callbacks)
{
    t->callbacks = *callbacks;
    t->machine->hooks = (struct machine_hooks){
        .arg = t,
        .message = callbacks->message ? on_message : NULL,
        .exited = callbacks->exited ? on_exited : NULL,
        .reaped = callbacks->reaped ? on_reaped : NULL,
    };
}

static int stream_translate(const struct tine_stream *from, int descriptor, struct stream *to)
{
    static const enum stream_kind kinds[] = {
        [TINE_STREAM_SAME] = STREAM_SHARE, [TINE_STREAM_TAKE] = STREAM_TAKE,
        [TINE_STREAM_FD] = STREAM_SHARE,   [TINE_STREAM_NULL] = STREAM_NULL,
        [TINE_STREAM_CALLS] = STREAM_CALLS, [TINE_STREAM_CLOSED] = STREAM_CLOSED,
    };

    if ((unsigned)from->kind >= ARRAY_LEN(kinds))
        return -EINVAL;
    *to = (struct stream){
        .kind = kinds[from->kind],
        .fd = from->kind == TINE_STREAM_FD ? from->fd : descriptor,
        .arg = from->context,
        .read = from->read,
        .write = from->write,
    };
    return 0;
}

int tine_machine_set_stream(struct tine_machine *t, int descriptor, const struct tine_stream *stream)
{
    if (descriptor < 0 || descriptor > 2)
        return -EINVAL;
    return stream_translate(stream, descriptor, &t->machine->stream[descriptor]);
}

// ---- making and freeing --------------------------------------------------------------------------

void tine_options_init(struct tine_options *options)
{
    memset(options, 0, sizeof(*options));
}

static int translate(struct machine_options *to, const struct tine_options *from)
{
    if (from->ntmpfses < 0 || (size_t)from->ntmpfses > ARRAY_LEN(to->fs.tmpfses))
        return -EINVAL;
    if (from->nbinds < 0 || (size_t)from->nbinds > ARRAY_LEN(to->fs.binds))
        return -EINVAL;
    *to = (struct machine_options){
        .memory = from->memory,
        .max_procs = from->max_procs,
        .fuel = from->fuel,
        .slice = from->slice,
        .timeout_ns = from->timeout_ns,
        .seed = from->seed,
        .code_cache = from->jit_memory,
        .code_file = from->jit_file,
        .ignored = from->ignored_signals,
        .eager = from->eager_fork,
        .vfork = from->vfork == TINE_VFORK_FORK   ? VFORK_FORK
                 : from->vfork == TINE_VFORK_COPY ? VFORK_COPY
                 : from->vfork == TINE_VFORK_LINT ? VFORK_LINT
                 : from->vfork == TINE_VFORK_DENY ? VFORK_DENY
                                                  : VFORK_SHARE,
        .order = from->order == TINE_ORDER_CHILD    ? ORDER_CHILD
                 : from->order == TINE_ORDER_RANDOM ? ORDER_RANDOM
                                                    : ORDER_PARENT,
        .engine = from->jit == TINE_JIT_OFF        ? NULL
                  : from->jit == TINE_JIT_LOCKSTEP ? &lockstep_engine
                                                   : &jit_engine,
        .virtual_time = from->virtual_time,
        .verbose = from->verbose,
        .vfork_hang = from->vfork_hang,
        .stats = from->walk_counters,
        .wait_all = from->wait_all,
        .net = from->net == TINE_NET_AUTO ? !from->root : from->net == TINE_NET_HOST,
        .random_layout = from->random_layout,
        .init = from->init,
        .fs = {.root = from->root, .prefix = from->prefix, .nbinds = from->nbinds, .ntmpfses = from->ntmpfses,
               .borrowed = !from->own_process, .read_only = from->read_only},
    };
    for (int i = 0; i < from->nbinds; i++)
        to->fs.binds[i] = (struct fs_bind){
            .host = from->binds[i].host,
            .guest = from->binds[i].guest,
            .ro = from->binds[i].read_only,
        };
    for (int i = 0; i < from->ntmpfses; i++)
        to->fs.tmpfses[i] = (struct fs_tmpfs){
            .guest = from->tmpfses[i].guest,
            .size = from->tmpfses[i].size,
            .mode = from->tmpfses[i].mode,
        };
    return 0;
}

// Those who look on, as the options ask for them.
static int attach(struct tine_machine *t, const struct tine_options *options)
{
    struct strace_options s = {.filter = options->strace_filter,
                               .fd = options->strace_fd ? options->strace_fd : 2,
                               .pids = options->strace_pids};
    enum vfork_mode vfork = t->machine->options.vfork;
    int err = 0;

    tine_machine_set_callbacks(t, &options->callbacks);
    for (int i = 0; i < 3 && err == 0; i++)
        err = tine_machine_set_stream(t, i, &options->streams[i]);
    if (err == 0 && (vfork == VFORK_LINT || vfork == VFORK_DENY))
        err = vfork_report_attach(t->machine);
    if (err == 0 && options->strace)
        err = strace_new(t->machine, &s, &t->strace);
    if (err == 0 && (options->jit_dump_fd || options->jit_map_fd))
        err = translations_new(t->machine->store, options->jit_dump_fd ? options->jit_dump_fd : -1,
                               options->jit_map_fd ? options->jit_map_fd : -1, &t->translations);
    return err;
}

// Symbols are read for each report: the machine may run for long after it.
static void report(struct machine *m, int fd, const struct deadlock *deadlock)
{
    struct text text = {0};
    struct symbols *symbols;

    if (symbols_new(&symbols) < 0)
        return;
    if (deadlock)
        deadlock_text(m, symbols, deadlock, &text);
    else
        tasks_text(m, symbols, &text);
    text_write(&text, fd);
    text_free(&text);
    symbols_free(symbols);
}

static void dump_now(void *arg)
{
    const struct tine_machine *machine = arg;

    report(machine->machine, __atomic_load_n(&machine->dump_fd, __ATOMIC_SEQ_CST), NULL);
}

static void answer_dumps(struct tine_machine *t)
{
    t->machine->on_ask = dump_now;
    t->machine->ask_arg = t;
}

int tine_machine_new(struct tine_machine **out, const struct tine_options *options)
{
    struct machine_options translated;
    struct tine_machine *t;
    int err = translate(&translated, options);

    if (err < 0)
        return err;
    t = mem_zalloc(sizeof(*t));
    if (!t)
        return -ENOMEM;
    err = machine_new(&t->machine, &translated);
    if (err == 0) {
        err = attach(t, options);
        if (err < 0)
            machine_free(t->machine);
    }
    if (err < 0) {
        mem_free(t);
        return err;
    }
    answer_dumps(t);
    *out = t;
    return 0;
}

void tine_machine_confine(struct tine_machine *machine, int *files, int *calls)
{
    struct machine *m = machine->machine;

    *files = fs_confine(m->fs, m->options.net);
    *calls = m->options.fs.root ? confine_calls(m->options.net) : -EINVAL;
}

void tine_machine_free(struct tine_machine *machine)
{
    if (!machine)
        return;
    translations_free(machine->translations);
    strace_free(machine->strace); // what it ends by force, it ends in silence
    machine_free(machine->machine);
    mem_free(machine);
}

bool tine_strace_filter_ok(const char *filter)
{
    struct filter unused;

    return filter_parse(&unused, filter) == 0;
}

int tine_machine_start(struct tine_machine *machine, const char *path, char *const argv[],
                       char *const envp[], const char *cwd)
{
    int err = machine_start(machine->machine, path, argv, envp, cwd);

    if (err == 0 && machine->strace)
        strace_program(machine->strace, path, argv, envp);
    return err;
}

int tine_machine_spawn(struct tine_machine *machine, const char *path, char *const argv[],
                       char *const envp[], const char *cwd, int *pid)
{
    u32 made;
    int err = machine_spawn(machine->machine, path, argv, envp, cwd, &made);

    if (err == 0 && pid)
        *pid = (int)made;
    return err;
}

const char *tine_machine_error(const struct tine_machine *machine)
{
    const char *text = machine_error(machine->machine);

    return *text ? text : NULL;
}

// A wait status as Linux packs it: the low seven bits are the signal, else bits 8-15 the exit status.
static struct tine_result result_of(const struct machine *m, enum run_end end)
{
    static const enum tine_end ends[] = {
        [RUN_DEADLOCK] = TINE_DEADLOCK,
        [RUN_BUDGET] = TINE_BUDGET_USED,      [RUN_IDLE] = TINE_IDLE,
        [RUN_CANCELLED] = TINE_CANCELLED,     [RUN_OUT_OF_FUEL] = TINE_OUT_OF_FUEL,
        [RUN_TIMED_OUT] = TINE_TIMED_OUT,     [RUN_NO_MEMORY] = TINE_NO_MEMORY,
    };

    if (end == RUN_STOPPED)
        return (struct tine_result){TINE_STOPPED, m->stopped, 0};
    if (end != RUN_ENDED)
        return (struct tine_result){ends[end], 0, end == RUN_OUT_OF_FUEL ? m->fuel_pc : 0};
    if (m->exit_status & 0x7f)
        return (struct tine_result){TINE_SIGNALLED, m->exit_status & 0x7f, 0};
    return (struct tine_result){TINE_EXITED, m->exit_status >> 8 & 0xff, 0};
}

void tine_machine_run_for(struct tine_machine *machine, uint64_t instructions, unsigned flags,
                          struct tine_result *result)
{
    struct machine *m = machine->machine;

    *result = result_of(m, machine_run(m, instructions, !(flags & TINE_RUN_NO_WAIT)));
}

void tine_machine_run(struct tine_machine *machine, struct tine_result *result)
{
    tine_machine_run_for(machine, UINT64_MAX, 0, result);
}

int tine_machine_fork(struct tine_machine **out, struct tine_machine *machine, unsigned flags)
{
    struct tine_machine *t;
    int err;

    if (flags & ~TINE_FORK_RESEED)
        return -EINVAL;
    t = mem_zalloc(sizeof(*t));
    err = t ? machine_fork(machine->machine, flags & TINE_FORK_RESEED, &t->machine) : -ENOMEM;
    if (err < 0) {
        mem_free(t);
        return err;
    }
    tine_machine_set_callbacks(t, &machine->callbacks);
    t->machine->ask_arg = t;
    answer_dumps(t);
    *out = t;
    return 0;
}

void tine_machine_signal(struct tine_machine *machine, int signal)
{
    machine_signal(machine->machine, signal);
}

void tine_machine_cancel(struct tine_machine *machine, bool on)
{
    machine_cancel(machine->machine, on);
}

// ---- looking in ----------------------------------------------------------------------------------

int tine_machine_kill(struct tine_machine *machine, int pid, int signal)
{
    return pid > 0 ? machine_kill(machine->machine, (u32)pid, signal) : -ESRCH;
}

size_t tine_machine_processes(struct tine_machine *machine, struct tine_process *out, size_t room)
{
    struct process_info few[16], *all = few;
    u32 most = (u32)MIN(room, (size_t)UINT32_MAX), n;

    if (most > ARRAY_LEN(few))
        all = mem_alloc(most * sizeof(*all));
    if (!all)
        all = few, most = ARRAY_LEN(few);
    n = machine_processes(machine->machine, all, most);
    for (u32 i = 0; i < MIN(n, most); i++) {
        const struct process_info *p = &all[i];

        out[i] = (struct tine_process){
            .pid = (int)p->pid, .parent = (int)p->ppid, .group = (int)p->pgid, .session = (int)p->sid,
            .threads = (int)p->threads, .state = p->state, .status = p->status,
            .instructions = p->instructions, .resident = p->resident << PAGE_SHIFT,
        };
        memcpy(out[i].name, p->name, sizeof(out[i].name));
    }
    if (all != few)
        mem_free(all);
    return n;
}

int tine_machine_read(struct tine_machine *machine, int pid, uint64_t address, void *to, size_t size)
{
    return machine_memory_read(machine->machine, (u32)pid, address, to, size);
}

int tine_machine_write(struct tine_machine *machine, int pid, uint64_t address, const void *from,
                       size_t size)
{
    return machine_memory_write(machine->machine, (u32)pid, address, from, size);
}

int tine_machine_get_registers(struct tine_machine *machine, int tid, struct tine_registers *out)
{
    const struct regs *r = machine_regs(machine->machine, (u32)tid);

    if (!r)
        return -ESRCH;
    memcpy(out->x, r->x, sizeof(out->x));
    memcpy(out->f, r->f, sizeof(out->f));
    out->pc = r->pc;
    out->fcsr = r->frm << 5 | r->fflags;
    return 0;
}

int tine_machine_set_registers(struct tine_machine *machine, int tid, const struct tine_registers *from)
{
    struct regs *r = machine_regs(machine->machine, (u32)tid);

    if (!r)
        return -ESRCH;
    memcpy(r->x + 1, from->x + 1, sizeof(r->x) - sizeof(r->x[0]));
    memcpy(r->f, from->f, sizeof(r->f));
    r->pc = from->pc & ~1ULL;
    r->frm = from->fcsr >> 5 & 7;
    r->fflags = from->fcsr & 31;
    r->reservation = ~0ULL;
    return 0;
}

void tine_machine_dump(struct tine_machine *machine, int fd)
{
    report(machine->machine, fd, NULL);
}

void tine_machine_dump_soon(struct tine_machine *machine, int fd)
{
    __atomic_store_n(&machine->dump_fd, fd, __ATOMIC_SEQ_CST);
    machine_ask(machine->machine);
}

void tine_machine_explain_deadlock(struct tine_machine *machine, int fd)
{
    if (machine->machine->deadlock.count)
        report(machine->machine, fd, &machine->machine->deadlock);
}

// ---- counters ------------------------------------------------------------------------------------

size_t tine_counter_count(void)
{
    return counter_count;
}

const char *tine_counter_name(size_t counter)
{
    return counter < counter_count ? counter_rows[counter].name : NULL;
}

const char *tine_counter_text(size_t counter)
{
    return counter < counter_count ? counter_rows[counter].text : NULL;
}

uint64_t tine_machine_counter(const struct tine_machine *machine, size_t counter)
{
    return counter < counter_count ? counter_value(&machine->machine->stats, counter) : 0;
}

const char *tine_version(void)
{
    return TINE_VERSION;
}
