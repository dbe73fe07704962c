// tine: a riscv64 Linux kernel in user space whose fork copies nothing.
//
// A machine is a world of its own: processes, memory, pipes, a process table. It is made with
// options, a program is started in it, and it runs until that program has ended, or for as many
// instructions as the caller likes. In between it is data: it can be looked at, changed, and forked.
//
//     struct tine_options options;
//     struct tine_machine *machine;
//     struct tine_result result;
//
//     tine_options_init(&options);
//     if (tine_machine_new(&machine, &options) < 0) ...
//     if (tine_machine_start(machine, "/bin/hello", argv, envp, NULL) < 0) ...
//     tine_machine_run(machine, &result);
//     tine_machine_free(machine);
//
// Errors: a function that can fail answers 0, or a negative errno of Linux (-ENOMEM); what it was to
// make is then not made. Nothing here prints, exits, takes a signal handler or keeps state outside of
// machines; what there is to say goes to callbacks.message.
//
// Ownership: what tine_machine_new and tine_machine_fork make, tine_machine_free takes back. Strings and
// vectors that are passed in are copied where they are needed longer than the call, unless it says so.
//
// Threads: a machine is used by one thread at a time; which one may change. Only tine_machine_signal,
// tine_machine_cancel and tine_machine_dump_soon may be called at any time, from any thread and from signal
// handlers, also while the machine is being forked; not while it is being freed. Different
// machines may be used by different threads at the same time, also those of one family (forks of forks
// of one machine): these share memory behind a lock of their own, which guest code runs without.
//
// Units: memory in bytes, time in nanoseconds, process ids and signals are the guest's (riscv64 Linux).
#ifndef TINE_TINE_H
#define TINE_TINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif
#ifdef __GNUC__
#pragma GCC visibility push(default)
#endif

#define TINE_VERSION "0.1.0"
#define TINE_MAX_BINDS 16
#define TINE_MAX_TMPFSES 16

struct tine_machine;

enum tine_order { TINE_ORDER_PARENT, TINE_ORDER_CHILD, TINE_ORDER_RANDOM };

// What vfork means for a child that runs on its parent's stack. One with a stack of its own, as
// posix_spawn makes it, always shares: it reports the failure of its exec that way.
enum tine_vfork {
    TINE_VFORK_SHARE, // Linux: the child runs in its parent's memory
    TINE_VFORK_FORK,  // no more than a fork, the parent does not wait
    TINE_VFORK_COPY,  // the parent waits; what the child writes, it writes to copies
    TINE_VFORK_LINT,  // share, and report what a vfork child must not do (callbacks.message)
    TINE_VFORK_DENY,  // a store to the parent's data is a fault, and is named
};

// What runs guest code. The default is the translator (JIT) where the host allows it.
enum tine_jit { TINE_JIT_DEFAULT, TINE_JIT_ON, TINE_JIT_OFF, TINE_JIT_LOCKSTEP };

// Sockets of the internet families. AF_UNIX ones are the machine's own, always.
enum tine_net {
    TINE_NET_AUTO, // TINE_NET_NONE with a root, else TINE_NET_HOST
    TINE_NET_HOST, // they are the host's
    TINE_NET_NONE, // there are none: EAFNOSUPPORT, also for the loopback
};

// A host directory or file that the machine sees under another path.
struct tine_bind {
    const char *host, *guest;
    bool read_only;
};

// An empty file system in the machine's memory: what is written there never reaches the host, and is parted by
// tine_machine_fork. It counts against options.memory. Binds may lie in it (what misses of the way is
// made), and it in binds.
struct tine_tmpfs {
    const char *guest; // an absolute path; the directory need not exist
    uint64_t size;     // bytes it may hold, 0 = as many as the machine's memory
    uint32_t mode;     // of its root, 0 = 01777
};

// Where descriptor 0, 1 or 2 of a program leads.
enum tine_stream_kind {
    TINE_STREAM_SAME,   // where the caller's descriptor of that number leads (the default)
    TINE_STREAM_TAKE,   // the caller's descriptor itself: it is closed with the guest's last one. For a
                        // process that is there for the machine alone
    TINE_STREAM_FD,     // where the caller's descriptor `fd` leads; it is duplicated
    TINE_STREAM_NULL,   // /dev/null
    TINE_STREAM_CALLS,  // `read` or `write` are called
    TINE_STREAM_CLOSED, // nowhere: EBADF
};

// The functions are called on the thread that runs the machine, and may take their time. They must not
// use the machine, or another of its family, but for tine_machine_signal and _cancel.
struct tine_stream {
    enum tine_stream_kind kind;
    int fd;
    void *context;
    // At most `size` bytes into `to`: how many, 0 = end of file, or a negative errno. -EAGAIN: there is
    // nothing now; the program waits, and asks again in the machine's next run. NULL: end of file.
    int64_t (*read)(void *context, void *to, size_t size);
    // Takes `size` bytes: how many, or a negative errno. NULL: takes all.
    int64_t (*write)(void *context, const void *from, size_t size);
};

// What the machine's owner wants to hear; NULL = not that. They are called on the thread that runs the
// machine, with the same restriction as streams' functions.
struct tine_callbacks {
    void *context;
    void (*message)(void *context, const char *line); // a notice for people, without a newline
    void (*exited)(void *context, int pid, int status); // a process has ended; status as in wait(2)
    void (*reaped)(void *context, int pid, int status); // its parent has waited for it
};

// All zero is a good default: tine_options_init. Strings are read by tine_machine_new.
struct tine_options {
    uint64_t memory;     // bytes the machine may use, 0 = the host's
    uint32_t max_procs;  // live threads and processes, 0 = 1,000,000
    uint64_t fuel;       // instructions after which it is stopped, 0 = no limit
    uint64_t slice;      // instructions that a thread runs before the next one's turn, 0 = the usual
    uint64_t timeout_ns; // host time after which it is stopped, 0 = no limit
    uint64_t seed;       // of everything random in the machine
    bool virtual_time;   // the clock is the instruction count
    bool eager_fork;     // fork copies every page at once, as early Unix did
    enum tine_vfork vfork;
    enum tine_jit jit;   // LOCKSTEP: the JIT's results are compared with the interpreter's
    uint64_t jit_memory; // bytes for translated code, 128 KiB at least; when they are full, the oldest part is
                         // used again. 0 = 64 MiB, taken as they are needed
    int jit_file;        // translated code is taken from this file, and kept there for the next run: a
                         // descriptor of the caller's, for reading and writing, open until the last machine
                         // of the family is freed. Who may write the file may run code here. 0 = none
    int jit_dump_fd;     // a listing of translated code, guest and host, goes there; 0 = none
    int jit_map_fd;      // and where it lies, with the guest's names, as perf(1) reads it; 0 = none
    enum tine_order order; // who runs first after a fork
    enum tine_net net;
    bool read_only;      // nothing below root (or the host's /, without) is changed: EROFS. Binds say for themselves
    bool random_layout;  // programs, libraries, heap and stack lie elsewhere after each exec, by the seed
    bool init;           // the program is pid 1 (else 2, and tine's own reaper is pid 1)
    bool wait_all;       // the machine ends with its last process, not with the program
    bool strace;         // system calls, signals and ends of processes, a line each, as strace -f
    const char *strace_filter; // which calls: "open,%process,!futex", see tine(1); NULL = all
    int strace_fd;       // where to: a descriptor of the caller's; 0 = stderr
    bool strace_pids;    // a process id in front of every line, not only when there are several
    bool vfork_hang;     // a vfork child that waits for its suspended parent is left to hang
    bool verbose;        // more notices
    uint64_t ignored_signals; // the program begins with signal n ignored if bit n - 1 is set, as after nohup(1)
    bool own_process;    // the process is there for this machine alone: its umask is set to 0 and its limit
                         // of descriptors raised. Else files that the guest makes get the caller's umask, too
    struct tine_stream streams[3]; // of the program, and of what tine_machine_spawn starts
    struct tine_callbacks callbacks;
    bool walk_counters;  // keep the counters that cost a walk over memory at each fork and exec, too:
                         // frames_would_copy, frames_thrown_away
    const char *root;    // this host directory is /; NULL = the host's
    const char *prefix;  // absolute paths are looked up below it first; NULL = none
    struct tine_bind binds[TINE_MAX_BINDS];
    int nbinds;
    struct tine_tmpfs tmpfses[TINE_MAX_TMPFSES];
    int ntmpfses;
};

enum tine_end {
    TINE_EXITED,      // code: exit status 0-255
    TINE_SIGNALLED,   // code: signal number
    TINE_OUT_OF_FUEL, // options.fuel
    TINE_TIMED_OUT,   // options.timeout_ns
    TINE_DEADLOCK,    // a vfork child waits, directly or through others, for its own parent, which
                      // stands still until the child execs or ends: tine_machine_explain_deadlock
    TINE_BUDGET_USED, // tine_machine_run_for: `instructions` are done, the machine goes on
    TINE_IDLE,        // nobody can run before the caller has input for a stream; with
                      // TINE_RUN_NO_WAIT: or before the host has something, or time has passed
    TINE_CANCELLED,   // tine_machine_cancel
    TINE_NO_MEMORY,   // none for what a run needs; nothing has run
    TINE_STOPPED,     // code: signal number. The program is stopped and nobody inside can continue
                      // it: send SIGCONT (or SIGKILL), then run again
};

struct tine_result {
    enum tine_end end;
    int code;
    uint64_t pc; // TINE_OUT_OF_FUEL: the next instruction of the thread that ran last; else 0
};

// All options at their defaults.
void tine_options_init(struct tine_options *options);

// True if every word of a filter for strace names a system call or a class of them.
bool tine_strace_filter_ok(const char *filter);

// Makes a machine. -ENOMEM, -EINVAL, and what opening root and binds answers.
int tine_machine_new(struct tine_machine **out, const struct tine_options *options);

// Ends what still runs in it and gives everything back. NULL is fine.
void tine_machine_free(struct tine_machine *machine);

// Starts the program: `path` and `cwd` as the guest sees them (cwd NULL = "/" under a root, else the
// host's), vectors ending in NULL. It stands before its first instruction, as pid 2 (1 with
// options.init), until the machine is run. -ENOENT, -EACCES, -ENOEXEC, ...; tine_machine_error may know
// more, and another start may be tried. -EBUSY: there is a program.
int tine_machine_start(struct tine_machine *machine, const char *path, char *const argv[],
                       char *const envp[], const char *cwd);

// Starts another process beside the program, a child of pid 1 with the machine's streams; *pid (unless
// NULL) is its id. Errors as above; -ESRCH: the machine has ended.
int tine_machine_spawn(struct tine_machine *machine, const char *path, char *const argv[],
                       char *const envp[], const char *cwd, int *pid);

// Where descriptor 0, 1 or 2 of processes that are started from now on lead; for TINE_STREAM_CALLS those
// of processes already there, too. A fork of a machine has its original's until they are set. -EINVAL
int tine_machine_set_stream(struct tine_machine *machine, int descriptor, const struct tine_stream *stream);
void tine_machine_set_callbacks(struct tine_machine *machine, const struct tine_callbacks *callbacks);

// Why tine_machine_start failed, in words: "/bin/sh is x86-64: give --root or -L". NULL when the
// errno says it all. Lives as long as the machine.
const char *tine_machine_error(const struct tine_machine *machine);

// Shuts the calling process in, for good: Landlock allows it nothing but the machine's root, binds and
// inherited descriptors; seccomp, nothing but the calls that a machine makes. For a process that has
// nothing else to do; after tine_machine_start, before tine_machine_run. Why the one or the other could
// not be had (0 = it is in force, else -ENOSYS, -EPERM, ...) comes back in *files and *calls; -EINVAL
// in both: the machine has no root.
void tine_machine_confine(struct tine_machine *machine, int *files, int *calls);

// Runs until the program has ended or is stopped, or fuel or time is used up.
void tine_machine_run(struct tine_machine *machine, struct tine_result *result);

// The same, for at most `instructions` (UINT64_MAX = any number). Where such pieces end makes no
// difference to the guest. flags: TINE_RUN_...
#define TINE_RUN_NO_WAIT 1u // rather than wait for the host or for time to pass, end with TINE_IDLE
void tine_machine_run_for(struct tine_machine *machine, uint64_t instructions, unsigned flags,
                          struct tine_result *result);

// A second machine, exactly like the first at this instant: all processes, memory, pipes with the
// bytes in them, descriptors and positions, blocked calls, timers and pending signals. Both go on,
// neither sees what the other does, either may be freed first, and either may be forked again.
// Nothing of the guest's memory is copied until one of them writes it.
//   What is the host's stays one thing: files of the host are not copied (both machines write the same
// file, each at its own position), its sockets, pipes, terminals and inotify queues are shared. Shared memory,
// memfds, /dev/shm (with options.root) and locks are each machine's own; so neither copy sees the other's locks on a
// file that they share. A tracer (options.strace) stays with the original.
//   The family shares options.memory. A fork takes as long whatever the machine's memory; it grows with the
// number of processes, descriptors and files in /dev/shm.
//   Neither machine may be running. -ENOMEM, -EINVAL (flags), what the host answers when it refuses a
// descriptor; the first machine is then what it was.
#define TINE_FORK_RESEED 1u // other random numbers from here on; else both draw the same
int tine_machine_fork(struct tine_machine **out, struct tine_machine *machine, unsigned flags);

// Makes a run end soon, and the next ones at once (TINE_CANCELLED), until it is called with false. A fork
// of a cancelled machine is not cancelled. Any thread, and signal handlers.
void tine_machine_cancel(struct tine_machine *machine, bool on);

// A signal from outside (Linux number), for the guest's foreground process group. May be called
// from a signal handler and from another thread.
void tine_machine_signal(struct tine_machine *machine, int signal);

// ---- Looking in: the machine must not be running ------------------------------------------------

// A signal for one process, as kill(2) sends it. -ESRCH, -EINVAL, -EAGAIN (too many are queued)
int tine_machine_kill(struct tine_machine *machine, int pid, int signal);

struct tine_process {
    int pid, parent, group, session;
    int threads;           // live ones
    char state;            // R: could run, S: waits, T: stopped, Z: ended and not waited for
    int status;            // of a Z, as in wait(2)
    uint64_t instructions; // of all threads
    uint64_t resident;     // bytes of memory present, shared or not
    char name[16];         // NUL-terminated
};

// Fills at most `room` entries; how many processes there are.
size_t tine_machine_processes(struct tine_machine *machine, struct tine_process *out, size_t room);

// Memory of a process, by the guest's addresses. Writing needs memory that the process may write, and
// copies pages that are shared copy-on-write, as a store would: all or nothing. -ESRCH, -EFAULT, -ENOMEM
int tine_machine_read(struct tine_machine *machine, int pid, uint64_t address, void *to, size_t size);
int tine_machine_write(struct tine_machine *machine, int pid, uint64_t address, const void *from,
                       size_t size);

// Registers of a thread (its id; a process's is its first thread's). A thread that waits in a system
// call goes on with that call before what is set here has an effect. -ESRCH
struct tine_registers {
    uint64_t x[32]; // x[0] is 0, and stays so
    uint64_t f[32]; // raw bits, NaN-boxed
    uint64_t pc;
    uint32_t fcsr;
};
int tine_machine_get_registers(struct tine_machine *machine, int tid, struct tine_registers *out);
int tine_machine_set_registers(struct tine_machine *machine, int tid, const struct tine_registers *from);

// Writes what every process and thread is doing to a descriptor: state, the call it waits in and what
// for, and its backtrace with the names of functions. Not while the machine runs.
void tine_machine_dump(struct tine_machine *machine, int fd);
// The same, soon, from the thread that runs the machine. May be called from a signal handler and from
// another thread.
void tine_machine_dump_soon(struct tine_machine *machine, int fd);
// After TINE_DEADLOCK: who waits for whom, in which call, with backtraces.
void tine_machine_explain_deadlock(struct tine_machine *machine, int fd);

// Counters: forks, pages copied, instructions, ... numbered from 0 to tine_counter_count() - 1.
size_t tine_counter_count(void);
const char *tine_counter_name(size_t counter); // an identifier, "frames_copied"
const char *tine_counter_text(size_t counter); // for people, "pages copied (copy-on-write)"
uint64_t tine_machine_counter(const struct tine_machine *machine, size_t counter);

// The library's version, "0.1.0".
const char *tine_version(void);

#ifdef __GNUC__
#pragma GCC visibility pop
#endif
#ifdef __cplusplus
}
#endif

#endif
