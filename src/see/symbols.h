// Names for guest addresses, from the symbol tables of the files that are mapped there.
//
// The tables are read when somebody asks for the first time, and kept for each file. So this is for
// reports and profiles, not for what runs at every event.
#ifndef SEE_SYMBOLS_H
#define SEE_SYMBOLS_H

#include "mm/mm.h"

struct object;
struct symbols;

struct symbol {
    const char *name;   // of the function or variable; NULL: the file says nothing
    const char *file;   // guest path of the mapped file, NULL: none
    bool data;          // a variable (else a function, or unknown)
    bool code;          // the address may be executed
    u64 offset;         // within the function or variable; without a name: within the file's image
    u64 size;           // of the function or variable, 0 = unknown
    gva_t start;        // where it begins
};

// No machine is named: one serves all address spaces of a store. -ENOMEM
MUST_CHECK int symbols_new(struct symbols **out);
void symbols_get(struct symbols *s);  // one reference more
void symbols_free(struct symbols *s); // and one less: the last one's frees

// What lies at `va`. False: no file is mapped there (and *out says nothing but `code`). The strings
// live until symbols_free.
bool symbols_find(struct symbols *s, struct mm *mm, gva_t va, struct symbol *out);
// The address as text: "main+0x1c", "libc.so.6+0x1234", "counter", or "0x7f..." Returns its length.
int symbol_text(const struct symbol *s, gva_t va, char *buf, size_t cap);
int symbols_text(struct symbols *s, struct mm *mm, gva_t va, char *buf, size_t cap);

// The file mapped at `va` and where its address 0 is; NULL: none. For unwinding.
const struct object *symbols_object(struct symbols *s, struct mm *mm, gva_t va, u64 *bias);

#endif
