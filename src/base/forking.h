// A machine fork in progress: what the copy functions of all types share.
//
// Copy functions cannot fail: they replace each thing an object owns with what one of the functions
// below (or another type's copy function) answers, and that is NULL once memory has run out; `error`
// tells. Then the copy is dropped as a whole, and every pointer in it is its own or NULL.
//
// What several objects hold together (an address space, a descriptor table) is copied once, at the
// first holder, and found again by the address of the original.
#ifndef BASE_FORKING_H
#define BASE_FORKING_H

#include "base/types.h"

struct forking_pair {
    const void *from;
    void *to;
};

#define FORKING_FEW 32u

struct forking {
    int error;              // 0, or the first -E...
    void *machine, *source; // the kernel's: the copy, and what it is copied from
    struct fs *fs;          // the copy's
    struct store *store;
    u32 count, room;        // pairs; room is a power of two
    struct forking_pair *pair, few[FORKING_FEW];
};

void forking_begin(struct forking *f);
void forking_end(struct forking *f);

// The copy of `from`: *found true and the copy (NULL: it could not be made), or false.
void *forking_find(const struct forking *f, const void *from, bool *found);
void forking_add(struct forking *f, const void *from, void *to);

// A copy of n bytes. NULL for NULL, and without memory.
void *forking_dup(struct forking *f, const void *bytes, size_t n);
char *forking_text(struct forking *f, const char *text);

#endif
