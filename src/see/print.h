// Values of system calls as strace prints them: what args.c and structs.c share.
#ifndef SEE_PRINT_H
#define SEE_PRINT_H

#include "kernel/machine.h"
#include "see/text.h"

// One call being shown. `leaving`: it has a result, and what it filled in can be read.
struct printer {
    struct text *out;
    struct machine *m;
    struct task *t;
    u32 number;
    const u64 *arg;
    u32 index;     // of the argument that is being printed
    i64 result;
    bool leaving;
    bool complete; // what was printed covers the remaining arguments too
    u32 skip;      // arguments that go unsaid
};

struct value { // a type of argument
    const char *name;
    void (*print)(struct printer *p, const char *detail, u64 v);
};
extern const struct value structures[]; // structs.c; ends with a NULL name

const char *name_of(const char *set, u64 v); // NULL: it has none
void print_enum(struct printer *p, const char *set, u64 v);
void print_flags(struct printer *p, const char *set, u64 v);
void print_pointer(struct printer *p, u64 v);
void print_signal(struct text *out, u32 n); // "SIGCHLD"
void print_sigset(struct text *out, u64 set);
void print_fdset(struct printer *p, gva_t at);
void print_mode(struct text *out, u32 mode);
void print_siginfo(struct text *out, const struct g_siginfo *info); // "{si_signo=SIGCHLD, ...}"
void print_bytes(struct text *out, const u8 *bytes, u64 n, bool more);
void print_string(struct printer *p, gva_t at);        // up to a NUL
void print_memory(struct printer *p, gva_t at, u64 n); // n bytes
// True: `size` bytes at v were read. Else the pointer has been printed instead ("NULL" for 0).
bool print_load(struct printer *p, gva_t v, void *to, size_t size);

#endif
