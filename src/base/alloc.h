// The one door to the host's heap, so that the n-th allocation can be made to fail.
#ifndef BASE_ALLOC_H
#define BASE_ALLOC_H

#include "base/types.h"

// Memory of `size` bytes, uninitialised; NULL when there is none. mem_free gives it back.
MUST_CHECK void *mem_alloc(size_t size);
MUST_CHECK void *mem_zalloc(size_t size);             // zeroed
MUST_CHECK void *mem_resize(void *old, size_t size);  // on NULL the old block stays valid
MUST_CHECK char *mem_strdup(const char *text);
void mem_free(void *block); // NULL is fine

// Makes the n-th allocation from now on (1 = the next) of this thread fail, once; 0 = never.
void mem_fail_at(u64 n);
// True once for each allocation that shall fail; allocators that don't use mem_alloc ask it too.
bool mem_should_fail(void);
u64 mem_live(void); // blocks of this thread not yet freed, for leak checks

#endif
