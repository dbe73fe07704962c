// tine: a riscv64 Linux kernel in user space whose fork copies nothing.
//
// A machine is a world of its own: processes, memory, pipes, a process table. It is made with
// options, a program is started in it, and it runs until that program has ended. There are no
// globals; many machines may live in one process, each driven by one thread at a time.
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
// Functions that can fail answer 0, or a negative errno of Linux.
#ifndef TINE_TINE_H
#define TINE_TINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define TINE_VERSION "0.1.0"
#define TINE_MAX_BINDS 16

struct tine_machine;

enum tine_order { TINE_ORDER_PARENT, TINE_ORDER_CHILD, TINE_ORDER_RANDOM };

// What vfork means for a child that runs on its parent's stack. One with a stack of its own, as
// posix_spawn makes it, always shares: it reports the failure of its exec that way.
enum tine_vfork {
    TINE_VFORK_SHARE, // Linux: the child runs in its parent's memory
    TINE_VFORK_FORK,  // no more than a fork, the parent does not wait
    TINE_VFORK_COPY,  // the parent waits; what the child writes, it writes to copies
    TINE_VFORK_LINT,  // share, and report on stderr what a vfork child must not do
    TINE_VFORK_DENY,  // a store to the parent's data is a fault, and is named on stderr
};

// What runs guest code. The default is the translator (JIT) where the host allows it.
enum tine_jit { TINE_JIT_DEFAULT, TINE_JIT_ON, TINE_JIT_OFF, TINE_JIT_LOCKSTEP };

// A host directory or file that the machine sees under another path.
struct tine_bind {
    const char *host, *guest;
    bool read_only;
};

// The strings are read by tine_machine_new and must live as long as the machine.
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
    enum tine_order order; // who runs first after a fork
    bool init;           // the program is pid 1 (else 2, and tine's own reaper is pid 1)
    bool wait_all;       // the machine ends with its last process, not with the program
    bool strace;         // system calls, signals and ends of processes, a line each, as strace -f
    const char *strace_filter; // which calls: "open,%process,!futex", see tine(1); NULL = all
    int strace_fd;       // where to: a descriptor of the caller's; 0 = stderr
    bool strace_pids;    // a process id in front of every line, not only when there are several
    bool verbose;        // notices on stderr
    bool walk_counters;  // keep the counters that cost a walk over memory at each fork and exec, too:
                         // frames_would_copy, frames_thrown_away
    const char *root;    // this host directory is /; NULL = the host's
    const char *prefix;  // absolute paths are looked up below it first; NULL = none
    struct tine_bind binds[TINE_MAX_BINDS];
    int nbinds;
};

enum tine_end {
    TINE_EXITED,      // code: exit status 0-255
    TINE_SIGNALLED,   // code: signal number
    TINE_OUT_OF_FUEL, // options.fuel
    TINE_TIMED_OUT,   // options.timeout_ns
    TINE_BUDGET_USED, // tine_machine_run_for: `instructions` are done, the machine goes on
    TINE_IDLE,        // TINE_RUN_NO_WAIT: nobody can run until the host has something for them
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

// Starts a program: `path` and `cwd` as the guest sees them (cwd NULL = "/" under a root, else the
// host's), vectors ending in NULL. The caller's descriptors 0, 1, 2 and the other inheritable ones
// become the program's. -ENOENT, -EACCES, -ENOEXEC, ...; tine_machine_error may know more, and all
// that can be done with the machine then is to free it.
int tine_machine_start(struct tine_machine *machine, const char *path, char *const argv[],
                       char *const envp[], const char *cwd);

// Why tine_machine_start failed, in words: "/bin/sh is x86-64: give --root or -L". NULL when the
// errno says it all. Lives as long as the machine.
const char *tine_machine_error(const struct tine_machine *machine);

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
// file, each at its own position), its sockets, pipes and terminals are shared.
//   Neither machine may be running. -ENOMEM, -EINVAL (flags), what the host answers when it refuses a
// descriptor; the first machine is then what it was.
#define TINE_FORK_RESEED 1u // other random numbers from here on; else both draw the same
int tine_machine_fork(struct tine_machine **out, struct tine_machine *machine, unsigned flags);

// A signal from outside (Linux number), for the guest's foreground process group. May be called
// from a signal handler and from another thread.
void tine_machine_signal(struct tine_machine *machine, int signal);

// Counters: forks, pages copied, instructions, ... numbered from 0 to tine_counter_count() - 1.
size_t tine_counter_count(void);
const char *tine_counter_name(size_t counter); // an identifier, "frames_copied"
const char *tine_counter_text(size_t counter); // for people, "pages copied (copy-on-write)"
uint64_t tine_machine_counter(const struct tine_machine *machine, size_t counter);

// The library's version, "0.1.0".
const char *tine_version(void);

#ifdef __cplusplus
}
#endif

#endif
