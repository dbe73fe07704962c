// What was translated, for those who look on.
#ifndef JIT_REPORT_H
#define JIT_REPORT_H

#include "jit/translate.h"

// The store has a code_watch: it is told of the unit that `t` has just become.
void report_unit(const struct translation *t, struct store *s, struct mm *mm);

#endif
