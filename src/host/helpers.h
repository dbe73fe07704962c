// Threads for host calls that may wait for a disk: they touch an open descriptor and memory of their own,
// never the machine's (law L3). They take no signals.
#ifndef HOST_HELPERS_H
#define HOST_HELPERS_H

#include "base/types.h"

enum host_job_kind {
    HOST_SYNC_FILE, // fsync(2)
    HOST_SYNC_DATA, // fdatasync(2)
    HOST_SYNC_RANGE, // sync_file_range(2)
    HOST_SYNC_FS,   // syncfs(2)
    HOST_SYNC_ALL,  // sync(2); no descriptor
    HOST_FETCH,     // brings [offset, offset + length) into the host's cache
};

struct host_job {
    enum host_job_kind kind;
    int fd;
    i64 offset;
    u64 length;
    u32 flags;  // of HOST_SYNC_RANGE
    u64 owner;  // for the caller's use: what the job is done for
    i64 result; // 0 or -errno
};

struct host_helpers;

// Does it here and now; what it answers is job.result.
i64 host_job_do(const struct host_job *job);

// Gives the job to a helper, with a descriptor of its own; *h is made when there is none yet. `notify`
// is called from a helper's thread after each job. Otherwise: -errno, nothing has begun.
MUST_CHECK int host_helpers_start(struct host_helpers **h, const struct host_job *job,
                                  void (*notify)(void *arg), void *arg);
// Whether there may be something to take: cheap, for every turn.
bool host_helpers_ready(const struct host_helpers *h);
// Takes a job that is done; false = none.
bool host_helpers_take(struct host_helpers *h, struct host_job *out);
// Waits until nothing is under way. What is done can still be taken.
void host_helpers_drain(struct host_helpers *h);
// Waits likewise, and frees. NULL is allowed.
void host_helpers_free(struct host_helpers *h);

#endif
