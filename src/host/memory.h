// Address space and memory from the host.
#ifndef HOST_MEMORY_H
#define HOST_MEMORY_H

#include "base/types.h"

// Reserves addresses, aligned to 2 MiB, without memory behind them; NULL if refused.
MUST_CHECK void *host_reserve(size_t size);
// Puts memory behind a part of a reservation at once (law L8): later touches don't fault. -ENOMEM
MUST_CHECK int host_commit(void *at, size_t size);
void host_release(void *at, size_t size);
u64 host_memory_total(void);     // bytes of RAM
u64 host_resident(void);         // this process's resident bytes

#endif
