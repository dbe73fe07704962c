// System calls as text, in strace's way, after the signatures in kernel/syscalls.def.
#ifndef SEE_ARGS_H
#define SEE_ARGS_H

#include "kernel/machine.h"
#include "see/text.h"

// "openat(AT_FDCWD, "/etc/passwd", O_RDONLY)": of a call that is under way or has not begun.
void call_text(struct machine *m, struct task *t, const struct call *c, struct text *out);

// The same in two parts. Entering: up to what only the result tells; returns how many arguments were
// printed. Leaving: the rest, from argument `from` on, with the closing parenthesis.
u32 call_text_enter(struct machine *m, struct task *t, const struct call *c, struct text *out);
void call_text_leave(struct machine *m, struct task *t, const struct call *c, u32 from, i64 result,
                     struct text *out);
// "3", "-1 ENOENT (No such file or directory)", "0x7f0000", "?", and what follows in parentheses.
void call_text_result(struct machine *m, struct task *t, const struct call *c, i64 result,
                      struct text *out);
// The classes of strace's -e trace=%CLASS that the signature decides.
bool call_takes(u32 number, const char *type); // "FD" or "PATH"
bool call_has_no_result(u32 number);           // exit, exit_group

#endif
