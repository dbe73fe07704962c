// An ELF file as debuggers read it: segments, symbols, unwind tables. Everything is copied out of the
// file once and checked then; a damaged file has fewer symbols, or none.
#ifndef SEE_OBJECT_H
#define SEE_OBJECT_H

#include "kernel/elf.h"

struct backing;

struct object_symbol { // 24 bytes, sorted by value
    u64 value, size;
    u32 name;  // in `strings`
    u8 kind;   // enum symbol_kind
    u8 rank;   // of several at one address the highest is shown
    bool unsized;
};

enum symbol_kind { SYMBOL_FUNCTION = 1, SYMBOL_OBJECT, SYMBOL_LABEL };

struct unwind_entry { // one FDE; sorted by start
    u64 start, length;
    u32 cie, fde; // their offsets in the unwind section
};

struct object {
    u32 segments, symbols, entries;
    bool stripped; // only what dynamic linking needs has a name
    struct elf_segment segment[ELF_MAX_SEGMENTS]; // the PT_LOADs
    struct object_symbol *symbol;
    char *strings; // ends with a NUL
    u64 strings_size;
    u8 *unwind; // .eh_frame
    u64 unwind_size, unwind_address;
    struct unwind_entry *entry;
};

// Reads the file behind a backing. -ENOMEM, -ENOEXEC (no ELF file), or the read's error.
MUST_CHECK int object_load(struct backing *b, struct object **out);
void object_free(struct object *o);

// The symbol that covers an address of the file; NULL: none.
const struct object_symbol *object_symbol_at(const struct object *o, u64 address);
// The FDE that covers an address; NULL: none.
const struct unwind_entry *object_unwind_at(const struct object *o, u64 address);
const struct elf_segment *object_segment_at(const struct object *o, u64 address);

#endif
