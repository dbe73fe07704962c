#include "base/alloc.h"

#include <stdlib.h>
#include <string.h>

// Thread-local, and the only state outside a machine: a test's instrument, not the product's.
static _Thread_local u64 fail_countdown;
static _Thread_local i64 live_blocks;

void mem_fail_at(u64 n)
{
    fail_countdown = n;
}

bool mem_should_fail(void)
{
    return unlikely(fail_countdown != 0) && --fail_countdown == 0;
}

u64 mem_live(void)
{
    return (u64)live_blocks;
}

static void *counted(void *block)
{
    live_blocks += block != NULL;
    return block;
}

void *mem_alloc(size_t size)
{
    return mem_should_fail() ? NULL : counted(malloc(size ? size : 1));
}

void *mem_zalloc(size_t size)
{
    return mem_should_fail() ? NULL : counted(calloc(1, size ? size : 1));
}

void *mem_resize(void *old, size_t size)
{
    if (mem_should_fail())
        return NULL;
    void *block = realloc(old, size ? size : 1);
    return old ? block : counted(block);
}

char *mem_strdup(const char *text)
{
    size_t n = strlen(text) + 1;
    char *copy = mem_alloc(n);
    return copy ? memcpy(copy, text, n) : NULL;
}

void mem_free(void *block)
{
    live_blocks -= block != NULL;
    free(block);
}
