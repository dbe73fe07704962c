// Who may look into whom, and who is meant by a number.
#ifndef KERNEL_ACCESS_H
#define KERNEL_ACCESS_H

#include "kernel/machine.h"

// May t read and change what is of's (ptrace(2), "Ptrace access mode checking")?
bool may_trace(struct machine *m, const struct task *t, const struct task *of);
// The process with that pid, tine's own reaper included; NULL.
struct group *group_find(struct machine *m, u32 pid);

// The thread that a pid argument means, 0 = the caller itself; NULL: there is none.
struct task *task_arg(struct machine *m, struct task *t, u64 pid);
enum { // caps.securebits; the lock of each is the bit left of it
    SECURE_NO_ROOT = 1, SECURE_NO_FIXUP = 4, SECURE_KEEP_CAPS = 16, SECURE_NO_AMBIENT_RAISE = 64,
    SECURE_BITS = 0x55, SECURE_LOCKS = 0xaa,
};
static inline bool capable(const struct group *g, u32 cap)
{
    return g->caps.effective >> cap & 1;
}
// True if it is in group `gid`, as its effective or as a supplementary one.
bool in_group(const struct group *g, u32 gid);
void gids_put(struct gids *list);
MUST_CHECK int gids_new(struct machine *m, u32 count, struct gids **out); // to be filled in; one reference
// An execve is done: what the capability sets become (there are none in files here).
void cred_executed(struct group *g);
// prctl's part; -ENOSYS: it is not about capabilities.
i64 prctl_caps(struct group *g, const u64 *a);

// May `by` change what belongs to `of`?
bool owns(const struct group *by, const struct group *of);

#endif
