// Every system call, signal and end of a process as a line, in the format of strace -f.
#ifndef SEE_STRACE_H
#define SEE_STRACE_H

#include "kernel/machine.h"

struct strace;

struct strace_options {
    const char *filter; // see filter.h; NULL: every call
    int fd;             // host descriptor to write to; borrowed
    bool pids;          // a process id in front of every line (strace -f -o FILE), not only when
                        // there is more than one process: without brackets
};

// Watches the machine (m->observer) from now on. -EINVAL: the filter names what there is not.
MUST_CHECK int strace_new(struct machine *m, const struct strace_options *o, struct strace **out);
void strace_free(struct strace *s); // the machine may go on, unwatched
// The program has been started: its execve, which was the machine's own.
void strace_program(struct strace *s, const char *path, char *const argv[], char *const envp[]);

#endif
