#include "see/text.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "host/file.h"

static bool make_room(struct text *t, size_t n)
{
    size_t room = t->room ? t->room : 256;
    while (room - 1 < t->len + n)
        room *= 2;
    if (room > t->room) {
        char *more = t->failed ? NULL : mem_resize(t->at, room);
        if (!more) {
            t->failed = true;
            return false;
        }
        t->at = more;
        t->room = room;
    }
    return true;
}

void text_add(struct text *t, const char *bytes, size_t n)
{
    if (!make_room(t, n))
        return;
    memcpy(t->at + t->len, bytes, n);
    t->len += n;
    t->at[t->len] = 0;
}

void text_puts(struct text *t, const char *s)
{
    text_add(t, s, strlen(s));
}

void text_printf(struct text *t, const char *format, ...)
{
    va_list ap;
    char line[512];
    va_start(ap, format);
    int n = vsnprintf(line, sizeof line, format, ap);
    va_end(ap);
    if (n < 0)
        return;
    if ((size_t)n < sizeof line) {
        text_add(t, line, (size_t)n);
    } else if (make_room(t, (size_t)n)) {
        va_start(ap, format);
        vsnprintf(t->at + t->len, (size_t)n + 1, format, ap);
        va_end(ap);
        t->len += (size_t)n;
    }
}

void text_pad(struct text *t, size_t from, size_t column)
{
    while (t->len - from < column && !t->failed)
        text_add(t, " ", 1);
}

void text_clear(struct text *t)
{
    t->len = 0;
    t->failed = false;
    if (t->at)
        t->at[0] = 0;
}

void text_write(const struct text *t, int fd)
{
    for (size_t done = 0; done < t->len;) {
        i64 n = host_write(fd, t->at + done, t->len - done);
        if (n == -EINTR || n == -EAGAIN)
            continue;
        if (n <= 0)
            break;
        done += (size_t)n;
    }
}

void text_free(struct text *t)
{
    mem_free(t->at);
    *t = (struct text){0};
}
