#include "fs/uio.h"

#include <errno.h>
#include <string.h>

#include "fs/internal.h"
#include "mm/uaccess.h"

// Steps over vectors that are used up, so that vec[index] has bytes unless left == 0.
static void normalise(struct uio *u)
{
    while (u->index < u->count && u->offset == u->vec[u->index].len) {
        u->index++;
        u->offset = 0;
    }
}

void uio_guest(struct uio *u, struct mm *mm, const struct uio_vec *vec, u32 count)
{
    *u = (struct uio){.mm = mm, .vec = vec, .count = count};
    for (u32 i = 0; i < count; i++)
        u->left += vec[i].len;
    normalise(u);
}

void uio_guest1(struct uio *u, struct uio_vec *v1, struct mm *mm, gva_t base, u64 len)
{
    *v1 = (struct uio_vec){base, len};
    uio_guest(u, mm, v1, 1);
}

void uio_kernel(struct uio *u, void *buffer, u64 len)
{
    // An empty buffer, too, has to be told from guest memory; nothing is written there.
    *u = (struct uio){.left = len, .kernel = buffer ? buffer : (u8 *)u};
}

void uio_advance(struct uio *u, u64 n)
{
    u->left -= n;
    if (u->kernel) {
        u->kernel += n;
        return;
    }
    while (n) {
        u64 here = MIN(n, u->vec[u->index].len - u->offset);
        u->offset += here;
        n -= here;
        normalise(u);
    }
}

int uio_span(struct uio *u, enum mm_access want, u8 **host, size_t *len)
{
    *len = 0;
    if (!u->left)
        return 0;
    if (u->kernel) {
        *host = u->kernel;
        *len = u->left;
        return 0;
    }
    u64 here = MIN(u->vec[u->index].len - u->offset, u->left);
    return uaccess_span(u->mm, u->vec[u->index].base + u->offset, here, want, host, len);
}

int uio_check(const struct uio *u, u64 n, enum mm_access want)
{
    if (u->kernel)
        return 0;
    u64 offset = u->offset;
    for (u32 i = u->index; n && i < u->count; i++, offset = 0) {
        u64 here = MIN(n, u->vec[i].len - offset);
        int r = here ? uaccess_check(u->mm, u->vec[i].base + offset, here, want) : 0;
        if (r)
            return r;
        n -= here;
    }
    return 0;
}

i64 uio_scatter(struct uio *u, const void *src, u64 n)
{
    u64 done = 0;
    while (done < n) {
        u8 *host;
        size_t len;
        int r = uio_span(u, MM_WRITE, &host, &len);
        if (r)
            return done ? (i64)done : r;
        if (!len)
            break;
        len = MIN(len, n - done);
        memcpy(host, (const u8 *)src + done, len);
        uio_advance(u, len);
        done += len;
    }
    return (i64)done;
}

i64 uio_gather(struct uio *u, void *dst, u64 n)
{
    u64 done = 0;
    while (done < n) {
        u8 *host;
        size_t len;
        int r = uio_span(u, MM_READ, &host, &len);
        if (r)
            return done ? (i64)done : r;
        if (!len)
            break;
        len = MIN(len, n - done);
        memcpy((u8 *)dst + done, host, len);
        uio_advance(u, len);
        done += len;
    }
    return (i64)done;
}

int uio_to(struct uio *u, const void *src, u64 n)
{
    i64 r = uio_scatter(u, src, n);
    return r < 0 ? (int)r : (u64)r == n ? 0 : -EFAULT;
}

int uio_from(struct uio *u, void *dst, u64 n)
{
    i64 r = uio_gather(u, dst, n);
    return r < 0 ? (int)r : (u64)r == n ? 0 : -EFAULT;
}

int uio_zero(struct uio *u, u64 n)
{
    while (n) {
        u8 *host;
        size_t len;
        int r = uio_span(u, MM_WRITE, &host, &len);
        if (r)
            return r;
        if (!len)
            return -EFAULT;
        len = MIN(len, n);
        memset(host, 0, len);
        uio_advance(u, len);
        n -= len;
    }
    return 0;
}
