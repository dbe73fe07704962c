// A call of the host's that answers -1, made again as long as a signal comes in between (EINTR). close is
// not one of them: the descriptor is gone, whatever it says.
#ifndef HOST_RETRY_H
#define HOST_RETRY_H

#include <errno.h>

#define RETRY(call)                               \
    ({                                            \
        long retry_result;                        \
        do                                        \
            retry_result = (call);                \
        while (retry_result < 0 && errno == EINTR); \
        retry_result;                             \
    })

#endif
