// Translations kept in a file from one run to the next (--code-cache).
//
//   header | links | pages | entries | record of a page | record of a page | ...
//   record: the page's guest code, 4096 bytes | the code of its units, one behind the other
//
// (V1) What is stored for a page is used for a page with the very same bytes at the same address, and by
//      the same build on the same kind of processor: header.key. So nothing depends on which file the page
//      came from, or when that changed.
// (V2) Code is put where it was in the cache when it was made; so nothing in it need be relocated: it refers
//      to nothing outside but to the cache's first page (thunks.c), by distance. New code begins behind the
//      last place that the file speaks of.
// (V3) A page's units lead to each other; they come together or not at all. A record is used for one frame.
// (V4) Who reads the file holds a shared lock on it until the store ends; who writes it, an exclusive one. What a
//      power cut may leave behind, checksums tell.
// (V5) But it names jumps to other pages by number (J5): so the numbers are kept, too, and a run that takes the
//      file begins with them.
#ifndef JIT_SAVED_H
#define JIT_SAVED_H

#include "jit/cache.h"

// For a fresh cache: what the file has, c->saved; NULL if it is of no use. The file stays the caller's.
void saved_open(struct jit_cache *c, int fd);
// The hook of code_arena->native_new: takes what is there for the page.
void saved_page(struct cpu *cpu, struct code_page *p, gva_t page_va);
// The store ends; its frames are still there. Writes the file if there is enough that is new.
void saved_write(struct store *s);
void saved_free(struct jit_cache *c);

#endif
