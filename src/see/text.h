// A growing text, for reports that are written in one piece.
#ifndef SEE_TEXT_H
#define SEE_TEXT_H

#include "base/types.h"

struct text {
    char *at; // NUL-terminated; NULL while it is empty
    size_t len, room;
    bool failed; // memory ran out: the text is cut there
};

void text_add(struct text *t, const char *bytes, size_t n);
void text_puts(struct text *t, const char *s);
void text_printf(struct text *t, const char *format, ...) PRINTF(2, 3);
// Spaces up to a column, counted from `from`, where the line began.
void text_pad(struct text *t, size_t from, size_t column);
void text_clear(struct text *t); // keeps its memory
void text_write(const struct text *t, int fd); // to a descriptor of the host
void text_free(struct text *t);

#endif
