// Which system calls strace shows: -e trace=open,%process,!futex
#ifndef SEE_FILTER_H
#define SEE_FILTER_H

#include "base/types.h"

#define FILTER_CALLS 512u

struct filter {
    u64 shown[FILTER_CALLS / 64];
};

// NULL or "": every call. Names are those of the table or, for calls that riscv64 has only in a newer
// form, their old ones (open, stat, fork, pipe, ...). -EINVAL: an unknown one.
MUST_CHECK int filter_parse(struct filter *f, const char *list);

static inline bool filter_shows(const struct filter *f, u32 number)
{
    return number >= FILTER_CALLS || f->shown[number / 64] >> (number % 64) & 1;
}

#endif
