// Memory for translated code: the same bytes under two addresses, one to write them, one to run them.
#ifndef HOST_CODE_MEMORY_H
#define HOST_CODE_MEMORY_H

#include "base/types.h"

// Addresses for `size` bytes of code; memory comes with host_code_commit. -errno: the host has no
// memfd, or refuses executable memory.
MUST_CHECK int host_code_new(size_t size, u8 **write, u8 **execute);
// Puts memory behind [offset, offset + n), multiples of the page size, under both addresses (law L8).
MUST_CHECK int host_code_commit(u8 *write, u8 *execute, size_t offset, size_t n);
void host_code_free(size_t size, u8 *write, u8 *execute);

#endif
