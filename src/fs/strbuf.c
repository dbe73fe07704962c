#include "fs/strbuf.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/budget.h"

static int reserve(struct strbuf *s, size_t more)
{
    if (s->failed)
        return -ENOMEM;
    if (s->len + more <= s->cap)
        return 0;
    size_t cap = MAX(s->cap * 2, ALIGN_UP(s->len + more, (size_t)256));
    char *data = budget_resize(s->budget, s->data, cap);
    if (!data) {
        s->failed = true;
        return -ENOMEM;
    }
    s->data = data;
    s->cap = cap;
    return 0;
}

int strbuf_add(struct strbuf *s, const void *bytes, size_t n)
{
    int r = reserve(s, n);
    if (r == 0 && n) {
        memcpy(s->data + s->len, bytes, n);
        s->len += n;
    }
    return r;
}

int strbuf_puts(struct strbuf *s, const char *text)
{
    return strbuf_add(s, text, strlen(text));
}

int strbuf_printf(struct strbuf *s, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int n = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (n < 0)
        return -EINVAL;
    int r = reserve(s, (size_t)n + 1);
    if (r)
        return r;
    va_start(args, format);
    vsnprintf(s->data + s->len, (size_t)n + 1, format, args);
    va_end(args);
    s->len += (size_t)n;
    return 0;
}

void strbuf_clear(struct strbuf *s)
{
    budget_free(s->data);
    *s = (struct strbuf){.budget = s->budget};
}
