#include "base/budget.h"

#include <errno.h>
#include <string.h>

#include "base/alloc.h"
#include "base/forking.h"
#include "base/panic.h"

struct block {
    struct budget *budget;
    size_t size; // without this head
    _Alignas(16) u8 bytes[];
};

static struct block *block_of(const void *bytes)
{
    return (struct block *)(uintptr_t)((const u8 *)bytes - offsetof(struct block, bytes));
}

int budget_take(struct budget *b, u64 bytes)
{
    if (!b)
        return 0;
    if (b->fits && !b->fits(b, bytes))
        return -ENOMEM;
    b->bytes += bytes;
    return 0;
}

void budget_give(struct budget *b, u64 bytes)
{
    if (!b)
        return;
    ASSERT_THAT(b->bytes >= bytes, "BU1");
    b->bytes -= bytes;
}

void *budget_alloc(struct budget *b, size_t size)
{
    if (budget_take(b, sizeof(struct block) + size))
        return NULL;
    struct block *block = mem_alloc(sizeof *block + size);
    if (!block) {
        budget_give(b, sizeof *block + size);
        return NULL;
    }
    block->budget = b;
    block->size = size;
    return block->bytes;
}

void *budget_zalloc(struct budget *b, size_t size)
{
    void *bytes = budget_alloc(b, size);
    return bytes ? memset(bytes, 0, size) : NULL;
}

void *budget_resize(struct budget *b, void *old, size_t size)
{
    void *bytes = budget_alloc(b, size);
    if (bytes && old) {
        memcpy(bytes, old, MIN(block_of(old)->size, size));
        budget_free(old);
    }
    return bytes;
}

char *budget_strdup(struct budget *b, const char *text)
{
    size_t n = strlen(text) + 1;
    char *copy = budget_alloc(b, n);
    return copy ? memcpy(copy, text, n) : NULL;
}

void budget_free(void *bytes)
{
    if (!bytes)
        return;
    struct block *block = block_of(bytes);
    budget_give(block->budget, sizeof *block + block->size);
    mem_free(block);
}

void *budget_dup(struct forking *f, const void *bytes)
{
    if (!bytes || f->error)
        return NULL;
    const struct block *from = block_of(bytes);
    void *copy = budget_alloc(from->budget, from->size);
    if (!copy) {
        f->error = -ENOMEM;
        return NULL;
    }
    return memcpy(copy, bytes, from->size);
}
