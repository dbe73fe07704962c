#include "base/quota.h"

#include <errno.h>

#include "base/alloc.h"
#include "base/forking.h"

int quota_new(u64 limit, struct quota **out)
{
    *out = mem_zalloc(sizeof **out);
    if (!*out)
        return -ENOMEM;
    **out = (struct quota){.refs = 1, .limit = limit};
    return 0;
}

void quota_get(struct quota *q)
{
    if (q)
        q->refs++;
}

void quota_put(struct quota *q)
{
    if (q && --q->refs == 0)
        mem_free(q);
}

struct quota *quota_copy(struct forking *f, struct quota *q)
{
    bool found;
    if (!q || f->error)
        return NULL;
    struct quota *copy = forking_find(f, q, &found);
    if (!found) {
        copy = forking_dup(f, q, sizeof *copy);
        forking_add(f, q, copy);
        if (copy)
            copy->refs = 0;
    }
    quota_get(copy);
    return copy;
}
