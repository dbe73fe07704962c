// A cursor over the caller's buffers, in guest memory or (kernel != NULL) in ours.
#ifndef FS_UIO_H
#define FS_UIO_H

#include "base/types.h"
#include "mm/uaccess.h"

struct uio_vec {
    gva_t base;
    u64 len;
};

struct uio {
    struct mm *mm;
    const struct uio_vec *vec;
    u32 count, index; // of vectors; the one the cursor is in
    u64 offset;       // of the cursor inside vec[index]
    u64 left;         // bytes from the cursor to the end, all vectors together, or less: no more is touched
    u8 *kernel;       // the cursor itself, if the buffer is ours
};

void uio_guest(struct uio *u, struct mm *mm, const struct uio_vec *vec, u32 count);
void uio_guest1(struct uio *u, struct uio_vec *v1, struct mm *mm, gva_t base, u64 len);
void uio_kernel(struct uio *u, void *buffer, u64 len);

// Copy n <= left bytes and advance. -EFAULT or -ENOMEM: the cursor then stands at an unspecified
// place, so check with uio_check first where half a copy must not happen (law L11).
MUST_CHECK int uio_to(struct uio *u, const void *src, u64 n);
MUST_CHECK int uio_from(struct uio *u, void *dst, u64 n);
MUST_CHECK int uio_zero(struct uio *u, u64 n);
// Checks, and for MM_WRITE owns, the next n bytes.
MUST_CHECK int uio_check(const struct uio *u, u64 n, enum mm_access want);
// The next contiguous host bytes (*len > 0 unless left == 0), good until the next call into mm.
// Does not advance.
MUST_CHECK int uio_span(struct uio *u, enum mm_access want, u8 **host, size_t *len);
void uio_advance(struct uio *u, u64 n);

#endif
