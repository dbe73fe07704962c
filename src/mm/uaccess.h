// Copying to and from guest memory (law L6). Every call may fault and has to be checked: -EFAULT,
// or -ENOMEM when there is no frame left for a copy.
#ifndef MM_UACCESS_H
#define MM_UACCESS_H

#include "mm/mm.h"

MUST_CHECK int uaccess_read(struct mm *m, void *to, gva_t from, size_t n);
MUST_CHECK int uaccess_write(struct mm *m, gva_t to, const void *from, size_t n);
MUST_CHECK int uaccess_zero(struct mm *m, gva_t to, size_t n);
// As a debugger, whatever the mapping permits (mm_access_forced).
MUST_CHECK int uaccess_peek(struct mm *m, void *to, gva_t from, size_t n);
MUST_CHECK int uaccess_poke(struct mm *m, gva_t to, const void *from, size_t n);
// Checks (and for MM_WRITE owns) the whole range, so that a later access cannot fail (law L11).
MUST_CHECK int uaccess_check(struct mm *m, gva_t va, size_t n, enum mm_access want);
// A structure of `size` bytes that may have grown since we knew `known` of them (copy_struct_from_user in Linux): -E2BIG if
// anything is set behind those. What it is too short for stays as it is in `to`.
MUST_CHECK int uaccess_struct(struct mm *m, void *to, size_t known, gva_t from, u64 size);
// A NUL-terminated string of at most cap-1 bytes: its length, -EFAULT, or -ENAMETOOLONG.
MUST_CHECK i64 uaccess_string(struct mm *m, char *to, gva_t from, size_t cap);
// The host bytes behind va up to its page's end, at most n: *host and *len. Good until the next
// call into mm.
MUST_CHECK int uaccess_span(struct mm *m, gva_t va, size_t n, enum mm_access want, u8 **host,
                            size_t *len);

static inline int uaccess_read_u32(struct mm *m, u32 *v, gva_t a) { return uaccess_read(m, v, a, 4); }
static inline int uaccess_read_u64(struct mm *m, u64 *v, gva_t a) { return uaccess_read(m, v, a, 8); }
static inline int uaccess_write_u32(struct mm *m, gva_t a, u32 v) { return uaccess_write(m, a, &v, 4); }
static inline int uaccess_write_u64(struct mm *m, gva_t a, u64 v) { return uaccess_write(m, a, &v, 8); }

#endif
