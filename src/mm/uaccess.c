#include "mm/uaccess.h"

#include <errno.h>
#include <string.h>

#include "mm/tlb.h"

// A system call's write to a page that is watched: refused, or noted and done without leaving a
// write permission behind.
static enum mm_fault watched_write(struct mm *m, gva_t va, size_t n, u8 **host)
{
    struct mm_watch *w = m->watch;
    u64 len = MIN(n, PAGE_SIZE - (va & PAGE_MASK));
    bool own = mm_watch_owns(w, va, len);
    if (!own && w->notes < WATCH_NOTES) {
        w->note[w->notes].va = va;
        w->note[w->notes++].len = len;
    }
    if (!own && w->refuse)
        return FAULT_ACCERR;
    w->armed = false;
    enum mm_fault fault = mm_access(m, va, MM_WRITE, host);
    w->armed = true;
    if (m->tlb)
        tlb_flush_page(m->tlb, va);
    return fault;
}

int uaccess_span(struct mm *m, gva_t va, size_t n, enum mm_access want, u8 **host, size_t *len)
{
    enum mm_fault fault = mm_access(m, va, want, host);
    if (unlikely(fault == FAULT_WATCHED))
        fault = watched_write(m, va, n, host);
    if (fault)
        return fault == FAULT_NOMEM ? -ENOMEM : -EFAULT;
    *len = MIN(n, PAGE_SIZE - (va & PAGE_MASK));
    return 0;
}

int uaccess_read(struct mm *m, void *to, gva_t from, size_t n)
{
    u8 *host;
    size_t len;
    for (size_t done = 0; done < n; done += len) {
        int r = uaccess_span(m, from + done, n - done, MM_READ, &host, &len);
        if (r)
            return r;
        memcpy((u8 *)to + done, host, len);
    }
    return 0;
}

int uaccess_write(struct mm *m, gva_t to, const void *from, size_t n)
{
    u8 *host;
    size_t len;
    for (size_t done = 0; done < n; done += len) {
        int r = uaccess_span(m, to + done, n - done, MM_WRITE, &host, &len);
        if (r)
            return r;
        memcpy(host, (const u8 *)from + done, len);
    }
    return 0;
}

int uaccess_zero(struct mm *m, gva_t to, size_t n)
{
    u8 *host;
    size_t len;
    for (size_t done = 0; done < n; done += len) {
        int r = uaccess_span(m, to + done, n - done, MM_WRITE, &host, &len);
        if (r)
            return r;
        memset(host, 0, len);
    }
    return 0;
}

int uaccess_check(struct mm *m, gva_t va, size_t n, enum mm_access want)
{
    u8 *host;
    size_t len;
    for (size_t done = 0; done < n; done += len) {
        int r = uaccess_span(m, va + done, n - done, want, &host, &len);
        if (r)
            return r;
    }
    return 0;
}

int uaccess_struct(struct mm *m, void *to, size_t known, gva_t from, u64 size)
{
    int r = uaccess_read(m, to, from, MIN(size, known));
    for (u64 at = known; r == 0 && at < size; at++) {
        u8 byte;
        r = uaccess_read(m, &byte, from + at, 1);
        if (r == 0 && byte)
            r = -E2BIG;
    }
    return r;
}

i64 uaccess_string(struct mm *m, char *to, gva_t from, size_t cap)
{
    u8 *host;
    size_t len;
    for (size_t done = 0; done < cap; done += len) {
        int r = uaccess_span(m, from + done, cap - done, MM_READ, &host, &len);
        if (r)
            return r;
        u8 *end = memchr(host, 0, len);
        memcpy(to + done, host, end ? (size_t)(end - host) + 1 : len);
        if (end)
            return (i64)(done + (size_t)(end - host));
    }
    return -ENAMETOOLONG;
}

static int forced(struct mm *m, u8 *bytes, gva_t va, size_t n, enum mm_access want)
{
    u8 *host;
    size_t len;
    for (size_t done = 0; done < n; done += len) {
        if (mm_access_forced(m, va + done, want, &host))
            return -EFAULT;
        len = MIN(n - done, PAGE_SIZE - ((va + done) & PAGE_MASK));
        if (want == MM_WRITE)
            memcpy(host, bytes + done, len);
        else
            memcpy(bytes + done, host, len);
    }
    return 0;
}

int uaccess_peek(struct mm *m, void *to, gva_t from, size_t n)
{
    return forced(m, to, from, n, MM_READ);
}

int uaccess_poke(struct mm *m, gva_t to, const void *from, size_t n)
{
    return forced(m, (u8 *)(uintptr_t)from, to, n, MM_WRITE);
}
