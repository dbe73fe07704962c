// The machine: everything a guest world consists of (law L5).
#ifndef KERNEL_MACHINE_H
#define KERNEL_MACHINE_H

#include "base/pool.h"
#include "base/stats.h"
#include "fs/fs.h"
#include "kernel/ipc.h"
#include "kernel/mqueue.h"
#include "kernel/deadlock.h"
#include "kernel/task.h"
#include "kernel/vfork_watch.h"
#include "mm/tlb.h"

enum order { ORDER_PARENT, ORDER_CHILD, ORDER_RANDOM };
enum vfork_mode { VFORK_SHARE, VFORK_FORK, VFORK_COPY, VFORK_LINT, VFORK_DENY };

struct machine_options {
    u64 memory;         // bytes, 0 = the host's
    u32 max_procs;      // live processes and threads; 0 = one for each 128 KiB of memory, 1000 at least
    u64 fuel;           // instructions, 0 = no limit
    u64 slice;          // instructions of a time slice, 0 = the usual
    u64 timeout_ns;     // host time, 0 = none
    u64 seed;
    u64 code_cache;     // bytes for translated code, 0 = the usual
    int code_file;      // descriptor of a file that keeps it, 0 = none
    u64 ignored;        // signals that processes from outside ignore at first, bit n - 1
    bool eager;         // --fork=eager
    enum vfork_mode vfork;
    enum order order;
    bool virtual_time;
    bool verbose, wait_all, init;
    bool vfork_hang;    // a vfork deadlock is left alone
    bool net;           // AF_INET through the host
    bool random_layout; // --aslr
    const struct engine *engine; // NULL = the interpreter
    bool stats;         // also count what takes a walk (frames_would_copy, frames_thrown_away)
    struct fs_options fs;
};

enum deadline_kind {
    DEADLINE_TASK,  // the time-out of a wait
    DEADLINE_GROUP, // the process's real-time interval timer
    DEADLINE_TIMER, // a timer of timer_create or timerfd_create
};
struct deadline { u64 when; u32 id; u8 kind; };

// Who looks on (strace): called from the machine's own thread, NULL where nobody cares. The task's
// call is t->call.
struct observer {
    void *arg;
    void (*starts)(void *arg, struct task *t);                 // a new thread or process
    void (*call_begins)(void *arg, struct task *t);            // is entered, for the first time or again
    void (*call_waits)(void *arg, struct task *t);
    void (*call_ends)(void *arg, struct task *t, i64 result);  // what the handler said
    void (*signal)(void *arg, struct task *t, const struct g_siginfo *info, bool ignored);
    void (*ends)(void *arg, struct task *t, i32 status);       // as wait4 reports it
};

struct pid_entry { u32 pid; task_t task; }; // pid 0 = free
struct pid_table {                          // pid.c
    u32 count, room;
    struct pid_entry *entry;
};

#define POOL_IN(name, member) extern const struct pool_kind name##_pool;
#include "kernel/pools.def"

// What the machine's owner is told, on the machine's own thread; NULL: it does not want to know.
struct machine_hooks {
    void *arg;
    void (*message)(void *arg, const char *line);          // a notice, without a newline
    void (*exited)(void *arg, u32 pid, i32 status);        // a process has ended; status as in wait4
    void (*reaped)(void *arg, u32 pid, i32 status);        // and its parent has heard of it
};

// Where a process that machine_spawn makes has its descriptors 0, 1 and 2.
enum stream_kind {
    STREAM_SHARE,  // the host process's descriptor `fd`, which stays open there
    STREAM_TAKE,   // the same, taken over: closed there when the last one inside closes it
    STREAM_NULL,   // /dev/null
    STREAM_CALLS,  // read and write below
    STREAM_CLOSED,
};
struct stream {
    enum stream_kind kind;
    int fd;
    void *arg;
    // Bytes, 0 = end of file, -E...; may block. -EAGAIN: nothing now; it is asked again in the next run.
    i64 (*read)(void *arg, void *to, size_t n);
    i64 (*write)(void *arg, const void *from, size_t n); // bytes, -E...
};

struct machine {
    struct machine_options options;
    struct machine_hooks hooks;
    struct stream stream[3];
    bool stream_dry;        // a program waits for what stream[0].read did not have
    const struct observer *observer; // NULL = nobody; a fork of the machine starts without

    struct store *store;
    struct fs *fs;
    struct cpu *cpu;        // of its hart while it runs, else NULL
    struct hart *hart;
    u64 retired;            // instructions, while it does not run (machine_retired)
    struct stats stats;
#define POOL(name) struct pool name;
#include "kernel/pools.def"
    struct ipc ipc;
    struct mqueues mqueues;
    u32 packets_doomed;     // whose files are to be let go
    bool packets_going;
    u32 files_in_flight, sockets_in_flight; // that packets carry
    u64 socket_serial;
    u64 lease_break_time;   // seconds
    char core_pattern[128];  // core(5)
    u64 core_uses_pid;
    bool changes_identity;  // tine runs as root: the host judges each call by its guest's ids ...
    u32 host_fsuid, host_fsgid; // ... which are now these
    u64 host_gids, gids_serial; // (serial of its groups; last one given)
    bool real_ids;          // access(2): files are asked by the real ids
    file_t dnotify_queue;   // dnotify.h; 0 = not made yet
    u32 dnotify_waiters, dnotify_cookie;
    i32 dnotify_moved;      // watch and cookie of the last name moved away
    file_t async_due;       // files with O_ASYNC that something happened to
    u32 epolls_due;         // sets that something happened in
    bool epolls_waking;
    u32 vforks;             // threads that a vfork suspends
    bool ran;               // some task did, since deadlocks were looked for
    u64 deadlock_next;      // machine time when they are looked for again although others run
    struct deadlock deadlock; // found: machine_run has stopped for it
    struct vfork_hooks vfork_hooks; // src/see's; a forked machine gets its own
    task_t watched;         // the running task, when its vfork_watch is armed
    u32 bucket[256];        // waiters by channel
    u32 futex_bucket[64];
    task_t run_head, run_tail;
    u32 run_fresh;          // of these, who did not use a whole slice the last time
    task_t current;
    task_t last;            // who ran last,
    u32 slices;             // and whole slices it had in a row
    bool need_resched;      // the running task shall go to the end of the queue
    bool turn_over;         // its turn took long, and so does it
    bool look_up;           // its turn is interrupted: something outside wants the machine
    u64 turn_ticks;         // host_ticks when its turn began, or when it was last looked at
    u64 stretch;            // instructions that the engine runs at a time
    struct pid_table pids;
    u32 pid_last;
    group_t init_group;     // pid 1: tine's own reaper
    group_t main_group;     // the program
    bool finished;
    i32 exit_status;        // wait status of the program
    gva_t fuel_pc;          // where the thread stands that ran out of fuel
    u64 run_limit;          // instructions retired at which machine_run ends
    u64 slice_end;          // of the first in the run queue, which the limit cut short; 0 = it was not
    u8 stopped;             // the signal that stopped the program, when nobody inside can continue it
    struct deadline *heap;  // min-heap by `when`; heap[0] unused
    u32 heap_count, heap_room;
    u32 cpu_timers;         // timers of timer_create that count processor time
    u64 clock_offset;       // machine time = host monotonic + offset (or virtual)
    u64 virtual_now, virtual_base;
    u64 realtime_offset;    // wall clock = machine time + this
    u64 deadline_host;      // --timeout
    u64 rng[2];
    void (*on_ask)(void *arg);
    void *ask_arg;
    u32 host_waits;         // waiters on host descriptors, and jobs of helpers
    struct host_helpers *helpers; // threads for calls that wait for a disk; NULL = none yet
    u32 disk_serial;        // of the last job given to them
    u32 disk_jobs;          // those under way
    u64 unknown_calls[8];   // bitmap of system calls already named
    gva_t vdso_sigreturn;
    struct backing *vdso;
    char error[256];        // why machine_start or the last execve failed, one line
    bool foreign_named;     // a program that is not for riscv64 was named on stderr
    // From here on, other threads and signal handlers may touch a machine at any time: all accesses are atomic,
    // and a machine fork copies what lies before.
    bool cancelled;         // it shall end soon
    _Atomic bool asked;     // on_ask is to be called between two instructions
    _Atomic u64 host_signals; // bit n-1: signal n arrived at tine's process
    int wake_fd;            // eventfd: ends the idle wait; -1 = it never waited
};

MUST_CHECK int machine_new(struct machine **out, const struct machine_options *o);
void machine_free(struct machine *m);
// Ends the machine's wait in the host, if it is in one. By any thread.
void machine_wake(struct machine *m);
// Starts the program as pid 2 (or 1 with --init). argv[0] may differ from path. -errno.
MUST_CHECK int machine_start(struct machine *m, const char *path, char *const argv[],
                             char *const envp[], const char *cwd);

enum run_end {
    RUN_ENDED,       // the program has, or with wait_all every process
    RUN_STOPPED,     // the program is stopped and only the caller can continue it (m->stopped)
    RUN_DEADLOCK,    // a vfork child waits for its suspended parent (m->deadlock)
    RUN_BUDGET,      // `budget` instructions
    RUN_IDLE,        // nobody can run, and the caller does not want to wait
    RUN_CANCELLED,   // machine_cancel
    RUN_OUT_OF_FUEL, // options.fuel
    RUN_TIMED_OUT,   // options.timeout_ns
    RUN_NO_MEMORY,   // for what a run needs
};
// budget: instructions, ~0 = any number; where the pieces end does not change what the machine does.
// `wait`: when nobody can run, sleep until somebody can.
enum run_end machine_run(struct machine *m, u64 budget, bool wait);
void machine_cancel(struct machine *m, bool on); // any thread, and signal handlers
// Another process, as a child of pid 1; the first one is the program. Nothing of it has run yet.
MUST_CHECK int machine_spawn(struct machine *m, const char *path, char *const argv[], char *const envp[],
                             const char *cwd, u32 *pid);
void machine_say(struct machine *m, const char *format, ...) PRINTF(2, 3); // to hooks.message
const char *machine_error(struct machine *m); // of the last machine_start; "" if none
void machine_signal(struct machine *m, int signal); // async-signal-safe
void machine_ask(struct machine *m); // the same: on_ask is called soon, if the machine runs

static inline struct task *task_at(struct machine *m, task_t id) { return pool_at(&m->tasks, id); }
static inline struct group *group_at(struct machine *m, group_t id) { return pool_at(&m->groups, id); }
static inline struct group *group_of(struct machine *m, struct task *t) { return group_at(m, t->group); }

struct forking;

// A second machine, exactly like the first at this instant, which must not be running. They share a
// store and go on independently. `reseed`: its random numbers are others. -ENOMEM, -E.. of the host
MUST_CHECK int machine_fork(struct machine *m, bool reseed, struct machine **out);
// Fills fs's hooks and the kernel's kinds of files in; a machine has an fs when it is called.
void machine_wire(struct machine *m);

// ---- pid.c
MUST_CHECK int pid_set(struct machine *m, u32 pid, task_t id);
void pid_clear(struct machine *m, u32 pid);
task_t pid_find(struct machine *m, u32 pid);
MUST_CHECK int pid_new(struct machine *m, u32 *pid);
void pids_copy(struct forking *f, struct pid_table *to, const struct pid_table *from);

// Instructions retired since the machine began.
static inline u64 machine_retired(const struct machine *m)
{
    return m->cpu ? m->cpu->retired : m->retired;
}

// ---- sched.c: run queue, sleeping, time
u64 machine_time(struct machine *m);      // ns since the machine began (CLOCK_MONOTONIC)
u64 machine_realtime(struct machine *m);  // ns since 1970
u64 machine_random(struct machine *m);
void sched_enqueue(struct machine *m, struct task *t, bool front);
void sched_remove(struct machine *m, struct task *t);
void task_wake(struct machine *m, struct task *t);
void wake_channel(struct machine *m, u64 chan);
void waiters_drop(struct machine *m, struct task *t);
MUST_CHECK int deadline_set(struct machine *m, u64 when, enum deadline_kind kind, u32 id); // 0 = remove
void deadline_drop(struct machine *m, enum deadline_kind kind, u32 id);
void deadlines_fire(struct machine *m); // all that are due

// ---- syscall.h's internal results
#define EPARK 600          // the task waits: not a result
#define ENORESULT 601      // the registers are already set (execve, rt_sigreturn, exit)
#define ERESTARTSYS 512    // restart if SA_RESTART or no handler, else EINTR
#define ERESTARTNOINTR 513 // restart always
#define ERESTARTNOHAND 514 // EINTR if a handler runs, else go on waiting

// Channels beyond those of fs (CHAN_KERNEL is its last).
enum { CHAN_CHILD = CHAN_KERNEL, CHAN_VFORK, CHAN_FUTEX, CHAN_SIGNAL, CHAN_TIMER, CHAN_EPOLL, CHAN_CPU_TIME,
       CHAN_PIDFD = 96, CHAN_SOCKET, CHAN_SOCKET_SPACE, CHAN_MSG, CHAN_MSG_SPACE, CHAN_SEM,
       CHAN_STREAM,
       CHAN_MQ, CHAN_MQ_SPACE, CHAN_LEASE, CHAN_DISK };

// Registers what wakes the task and says -EPARK; -ERESTARTSYS when a signal is pending.
// Call once for each channel; then return what park() says.
MUST_CHECK int wait_on(struct machine *m, struct task *t, u64 chan);
MUST_CHECK int wait_on_host(struct machine *m, struct task *t, int fd, short events);
int park(struct machine *m, struct task *t);            // interruptible
int park_killable(struct machine *m, struct task *t);   // only a fatal signal ends the wait
void park_until(struct machine *m, struct task *t, u64 when); // before park(): time-out, absolute ns

// ---- fork.c, exec.c, exit.c, signal.c
// The TLB, if nothing else caches permissions of the store's address spaces: one machine, and only ever one
// thread at a time that ran it. Else NULL.
struct tlb *machine_only_tlb(struct machine *m);
void group_reap(struct machine *m, struct group *g); // frees a zombie
void group_stop(struct machine *m, struct group *g, u8 signal);
bool group_is_orphaned(struct machine *m, const struct group *g); // its process group is (setpgid(2))
void task_drop_resources(struct machine *m, struct task *t);
void task_free(struct machine *m, struct task *t);
MUST_CHECK int group_new(struct machine *m, struct group *parent, u32 pid, struct group **out);
void group_free(struct machine *m, struct group *g); // no list has it any more
MUST_CHECK int task_new(struct machine *m, struct group *g, u32 tid, struct task **out);

struct clone_args { u64 flags, stack, tls; gva_t pidfd, child_tid, parent_tid;
                    u32 exit_signal, wanted_tid; };
i64 task_clone(struct machine *m, struct task *t, const struct clone_args *a);
void vfork_release(struct machine *m, struct task *child);
struct program;
i64 task_exec(struct machine *m, struct task *t, const struct program *p, const char *execfn,
              char **argv, char **envp);
void task_exit(struct machine *m, struct task *t, i32 status);   // this thread
void group_exit(struct machine *m, struct group *g, i32 status); // every thread; status as in wait
void child_state_changed(struct machine *m, struct group *child, i32 code);

bool signal_pending(struct machine *m, struct task *t);  // something to deliver (not blocked or ignored)
bool signal_fatal_pending(struct machine *m, struct task *t);
// Whether a call that takes long, between two of its pieces, should give up: the caller is killed, or the
// run's time is over.
bool call_must_end(struct machine *m, struct task *t);
int signal_send_task(struct machine *m, struct task *t, const struct g_siginfo *info);
int signal_send_group(struct machine *m, struct group *g, const struct g_siginfo *info);
void signal_force(struct machine *m, struct task *t, const struct g_siginfo *info); // a fault
void signal_deliver(struct machine *m, struct task *t); // before the task goes on; may end it
u32 signal_take(struct machine *m, struct task *t, u64 set, struct g_siginfo *out); // 0 = none
i64 signal_return(struct machine *m, struct task *t); // rt_sigreturn
void signal_forget_timer(struct machine *m, struct group *g, u32 timer); // it is being deleted
void sigqueue_clear(struct machine *m, struct sigqueue *q);
// The siginfo at that place in the queue; false: there are no more.
bool sigqueue_peek(struct machine *m, const struct sigqueue *q, u64 place, struct g_siginfo *out);
MUST_CHECK int sighand_new(struct sighand **out);
MUST_CHECK int sighand_fork(struct sighand *h, struct sighand **out);
MUST_CHECK int sighand_own(struct machine *m, struct sighand *h); // actions may be changed after it
void sighand_put(struct machine *m, struct sighand *h);
struct sighand *sighand_copy(struct forking *f, struct sighand *from); // machine fork

// ---- futex.c, futex_robust.c
int futex_wake_address(struct machine *m, struct mm *mm, gva_t addr, u32 count, u32 bitset);
void futex_forget(struct machine *m, struct task *t);
void futex_exit_robust(struct machine *m, struct task *t);

// ---- sys_cred.c
void identity_assume(struct machine *m, u32 uid, u32 gid, const struct gids *list); // in the host's eyes, as far as files go

// ---- sys_time.c
void itimer_fire(struct machine *m, struct group *g);

// ---- syscall.c
void syscall_enter(struct machine *m, struct task *t); // t->call is set; runs or parks it
const char *syscall_name(u32 number);
const char *syscall_arguments(u32 number); // its signature; NULL: there is no such call

// ---- proc.c
void proc_attach(struct machine *m); // fills fs's /proc callbacks

#endif
