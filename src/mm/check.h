// The reference-count checker: recomputes every count from what points there.
#ifndef MM_CHECK_H
#define MM_CHECK_H

#include "mm/mm.h"

// Panics with the broken invariant (P1, P2, F1, R1) unless the counts of all nodes and frames are
// exactly what these address spaces and the page cache account for. `mms`: all of the store's.
void mm_check(struct store *s, struct mm *const *mms, u32 n);

#endif
