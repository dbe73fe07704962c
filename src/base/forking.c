#include "base/forking.h"

#include <errno.h>
#include <string.h>

#include "base/alloc.h"

void forking_begin(struct forking *f)
{
    memset(f, 0, sizeof *f);
    f->room = FORKING_FEW;
    f->pair = f->few;
}

void forking_end(struct forking *f)
{
    if (f->pair != f->few)
        mem_free(f->pair);
    f->pair = f->few;
}

// The place of `from`, or where it would go: open addressing.
static struct forking_pair *place(struct forking_pair *pair, u32 room, const void *from)
{
    u64 i = ((u64)(uintptr_t)from >> 4) * 0x9e3779b97f4a7c15ULL >> 32;
    for (i &= room - 1; pair[i].from && pair[i].from != from;)
        i = (i + 1) & (room - 1);
    return &pair[i];
}

void *forking_find(const struct forking *f, const void *from, bool *found)
{
    const struct forking_pair *p = place(f->pair, f->room, from);
    *found = p->from != NULL;
    return p->to;
}

static int grow(struct forking *f)
{
    u32 room = f->room * 2;
    struct forking_pair *more = mem_zalloc(room * sizeof *more);
    if (!more)
        return -ENOMEM;
    for (u32 i = 0; i < f->room; i++)
        if (f->pair[i].from)
            *place(more, room, f->pair[i].from) = f->pair[i];
    if (f->pair != f->few)
        mem_free(f->pair);
    f->pair = more;
    f->room = room;
    return 0;
}

void forking_add(struct forking *f, const void *from, void *to)
{
    if (f->count * 2 >= f->room && grow(f)) {
        f->error = f->error ? f->error : -ENOMEM;
        if (f->count + 1 >= f->room)
            return; // full: it will not be found, but all is in vain anyway
    }
    struct forking_pair *p = place(f->pair, f->room, from);
    f->count += p->from == NULL;
    *p = (struct forking_pair){from, to};
}

void *forking_dup(struct forking *f, const void *bytes, size_t n)
{
    if (!bytes || f->error)
        return NULL;
    void *copy = mem_alloc(n);
    if (!copy) {
        f->error = -ENOMEM;
        return NULL;
    }
    return memcpy(copy, bytes, n);
}

char *forking_text(struct forking *f, const char *text)
{
    return text ? forking_dup(f, text, strlen(text) + 1) : NULL;
}
