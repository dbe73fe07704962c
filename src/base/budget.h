// Memory that counts against a limit: what programs can make the kernel keep for them (buffers, rows of
// pools, table nodes). The limit is their owner's; here is only the count.
//
// (BU1) `bytes` is what the blocks and the pools' chunks have that name this budget. It is 0 when all
//       are given back.
// (BU2) Who has the budget's owner to himself may take and give; there is no lock of its own.
#ifndef BASE_BUDGET_H
#define BASE_BUDGET_H

#include "base/types.h"

struct forking;

struct budget {
    u64 bytes;
    bool (*fits)(struct budget *b, u64 more); // may make room first; NULL: everything fits
};

// NULL for the budget: nothing is counted.
MUST_CHECK int budget_take(struct budget *b, u64 bytes); // -ENOMEM
void budget_give(struct budget *b, u64 bytes);

// A block remembers its budget and its size. NULL without memory.
MUST_CHECK void *budget_alloc(struct budget *b, size_t size);  // uninitialised
MUST_CHECK void *budget_zalloc(struct budget *b, size_t size); // zeroed
MUST_CHECK void *budget_resize(struct budget *b, void *old, size_t size); // on NULL the old block stays valid
MUST_CHECK char *budget_strdup(struct budget *b, const char *text);
void budget_free(void *block); // NULL is fine

// A machine fork's copy of a block, at the same budget: its machines have one store. NULL for NULL, and
// without memory (f->error).
void *budget_dup(struct forking *f, const void *block);

#endif
