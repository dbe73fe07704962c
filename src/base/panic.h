// The third kind of failure (law L14): a bug of ours. A guest can never be able to cause it.
#ifndef BASE_PANIC_H
#define BASE_PANIC_H

#include "base/types.h"

// Prints `file:line: message` on stderr and aborts.
NORETURN void panic_at(const char *file, int line, const char *format, ...) PRINTF(3, 4);

#define PANIC(...) panic_at(__FILE__, __LINE__, __VA_ARGS__)
#define ASSERT(c) ((c) ? (void)0 : PANIC("assertion failed: %s", #c))
#define ASSERT_THAT(c, invariant) ((c) ? (void)0 : PANIC("broken invariant %s: %s", invariant, #c))

#endif
