// Pages of host files, for the page cache. All return -errno.
#ifndef HOST_PAGEFILE_H
#define HOST_PAGEFILE_H

#include "base/types.h"

MUST_CHECK int pagefile_dup(int fd);
void pagefile_close(int fd);
MUST_CHECK i64 pagefile_size(int fd); // bytes
MUST_CHECK i64 pagefile_read(int fd, void *to, size_t n, u64 offset); // short only at the end of file
MUST_CHECK i64 pagefile_write(int fd, const void *from, size_t n, u64 offset);

#endif
