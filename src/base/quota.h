// A limit that several objects count against together: pages of the files of one file system.
#ifndef BASE_QUOTA_H
#define BASE_QUOTA_H

#include "base/types.h"

struct forking;

struct quota {
    u32 refs;
    u64 limit; // 0 = none
    u64 used;
};

MUST_CHECK int quota_new(u64 limit, struct quota **out); // one reference. -ENOMEM
void quota_get(struct quota *q); // NULL is fine, here and below
void quota_put(struct quota *q);
// A reference for a machine fork's copy, to the copy's own. NULL for NULL, and f->error.
struct quota *quota_copy(struct forking *f, struct quota *q);

static inline u64 quota_left(const struct quota *q)
{
    return !q || !q->limit ? ~(u64)0 : q->used < q->limit ? q->limit - q->used : 0;
}
static inline void quota_add(struct quota *q, i64 n)
{
    if (q)
        q->used += (u64)n;
}

#endif
