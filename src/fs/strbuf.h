// A growing text, for contents that are made at read time. A failed allocation sticks: check
// `failed` (or the result of the last call) once at the end.
#ifndef FS_STRBUF_H
#define FS_STRBUF_H

#include "base/types.h"

struct budget;

struct strbuf {
    char *data; // not NUL-terminated unless strbuf_text was called
    size_t len, cap;
    bool failed;
    struct budget *budget; // NULL: nothing is counted (base/budget.h)
};

int strbuf_add(struct strbuf *s, const void *bytes, size_t n); // 0 or -ENOMEM
int strbuf_puts(struct strbuf *s, const char *text);
int strbuf_printf(struct strbuf *s, const char *format, ...) PRINTF(2, 3);
void strbuf_clear(struct strbuf *s); // frees; the strbuf is empty and usable again

#endif
