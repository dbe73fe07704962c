// For translations that are kept in a file.
#ifndef HOST_CODE_FILE_H
#define HOST_CODE_FILE_H

#include "base/types.h"

// A number that differs between builds of this program or library: all its code and constants, hashed.
u64 host_build_hash(void);
// A number for what the processor can.
u64 host_cpu_hash(void);
u64 host_hash(const void *data, size_t n); // of no use against who wants collisions

// The file is locked with others who read it, or alone, without waiting. -EAGAIN
MUST_CHECK int host_file_share(int fd);
MUST_CHECK int host_file_alone(int fd);

#endif
