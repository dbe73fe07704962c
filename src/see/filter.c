#include "see/filter.h"

#include <errno.h>
#include <string.h>

#include "kernel/machine.h"
#include "see/args.h"

// Classes as strace has them; * stands for the rest of a name. %file and %desc follow from the
// signatures.
static const struct class { const char *name, *calls; } classes[] = {
    {"%process", "clone clone3 execve execveat exit exit_group wait4 waitid kill tkill tgkill "
                 "rt_sigqueueinfo rt_tgsigqueueinfo pidfd_send_signal"},
    {"%signal", "rt_sig* rt_tgsigqueueinfo kill tkill tgkill sigaltstack signalfd4 pidfd_send_signal"},
    {"%memory", "brk mmap munmap mprotect mremap msync madvise mlock* munlock* mincore shmat shmdt"},
    {"%network", "socket socketpair bind listen accept* connect getsockname getpeername send* recv* "
                 "setsockopt getsockopt shutdown"},
    {"%ipc", "shm* sem* msg*"},
    {"%clock", "clock_* gettimeofday settimeofday adjtimex"},
    {"%creds", "get*uid get*gid set*uid set*gid getgroups setgroups setfsuid setfsgid capget capset"},
};

// What riscv64 lacks, and what its programs call instead.
static const struct class old[] = {
    {"open", "openat"}, {"creat", "openat"}, {"stat", "newfstatat"}, {"lstat", "newfstatat"},
    {"fork", "clone"}, {"vfork", "clone"}, {"pipe", "pipe2"}, {"dup2", "dup3"}, {"poll", "ppoll"},
    {"select", "pselect6"}, {"access", "faccessat faccessat2"}, {"mkdir", "mkdirat"},
    {"rmdir", "unlinkat"}, {"unlink", "unlinkat"}, {"rename", "renameat2"},
    {"renameat", "renameat2"}, {"link", "linkat"}, {"symlink", "symlinkat"}, {"mknod", "mknodat"},
    {"readlink", "readlinkat"}, {"chmod", "fchmodat"}, {"chown", "fchownat"},
    {"lchown", "fchownat"}, {"utime", "utimensat"}, {"utimes", "utimensat"},
    {"waitpid", "wait4"}, {"send", "sendto"}, {"recv", "recvfrom"}, {"_exit", "exit exit_group"},
    {"signal", "rt_sigaction"}, {"sigaction", "rt_sigaction"}, {"pause", "ppoll"},
    {"alarm", "setitimer"}, {"epoll_create", "epoll_create1"}, {"epoll_wait", "epoll_pwait"},
    {"eventfd", "eventfd2"}, {"signalfd", "signalfd4"}, {"getdents", "getdents64"},
    {"pread", "pread64"}, {"pwrite", "pwrite64"}, {"fadvise", "fadvise64"}, {"getpgrp", "getpgid"},
};

// A name against a pattern in which * stands for any bytes.
static bool fits(const char *pattern, size_t n, const char *name)
{
    const char *star = memchr(pattern, '*', n);
    if (!star)
        return strlen(name) == n && memcmp(pattern, name, n) == 0;
    size_t head = (size_t)(star - pattern), tail = n - head - 1, length = strlen(name);
    return length >= head + tail && memcmp(pattern, name, head) == 0 &&
           memcmp(star + 1, name + length - tail, tail) == 0;
}

static bool in_list(const char *list, const char *name)
{
    while (*list) {
        size_t n = strcspn(list, " ");
        if (fits(list, n, name))
            return true;
        list += n + (list[n] == ' ');
    }
    return false;
}

static const char *list_of(const struct class *table, size_t count, const char *word, size_t n)
{
    for (size_t i = 0; i < count; i++)
        if (strlen(table[i].name) == n && memcmp(table[i].name, word, n) == 0)
            return table[i].calls;
    return NULL;
}

// True if there is such a call; sets or clears its bit, and those of a class.
static bool apply(struct filter *f, const char *word, size_t n, bool show)
{
    const char *list = list_of(classes, ARRAY_LEN(classes), word, n);
    bool all = n == 3 && memcmp(word, "all", 3) == 0, none = n == 4 && memcmp(word, "none", 4) == 0;
    bool file = n == 5 && memcmp(word, "%file", 5) == 0;
    bool desc = n == 5 && memcmp(word, "%desc", 5) == 0, found = none || list;
    if (!list)
        list = list_of(old, ARRAY_LEN(old), word, n);
    for (u32 i = 0; i < FILTER_CALLS; i++) {
        if (!syscall_arguments(i))
            continue;
        const char *name = syscall_name(i);
        bool meant = all || (file && call_takes(i, "PATH")) || (desc && call_takes(i, "FD")) ||
                     (list && in_list(list, name)) || (!list && fits(word, n, name));
        if (!meant)
            continue;
        found = true;
        if (show)
            f->shown[i / 64] |= 1ULL << (i % 64);
        else
            f->shown[i / 64] &= ~(1ULL << (i % 64));
    }
    return found;
}

// The first word decides what the list starts from: with `!` in front, from every call.
int filter_parse(struct filter *f, const char *list)
{
    if (list && strncmp(list, "trace=", 6) == 0)
        list += 6;
    bool everything = !list || !*list || *list == '!';
    bool inverted = list && *list == '!' && !strchr(list + 1, '!');
    memset(f, everything ? 0xff : 0, sizeof *f);
    while (list && *list) {
        size_t n = strcspn(list, ",");
        bool out = *list == '!';
        if (n > (size_t)out && !apply(f, list + out, n - out, !(out || inverted)))
            return -EINVAL;
        list += n + (list[n] == ',');
    }
    return 0;
}
