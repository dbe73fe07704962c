#include "see/translations.h"

#include <errno.h>

#include "base/alloc.h"
#include "cpu/code.h"
#include "isa/decode.h"
#include "see/symbols.h"
#include "see/text.h"

struct translations {
    struct store *store;
    struct symbols *symbols;
    struct code_watch watch;
    struct text text;
    int dump, map;
};

static void add_bytes(struct text *text, const u8 *from, u32 n)
{
    for (u32 i = 0; i < n; i++)
        text_printf(text, "%02x", from[i]);
    text_puts(text, "\n");
}

static void add_listing(struct text *text, const struct code_unit *u, const char *name)
{
    text_printf(text, "# %#lx %s: %u instructions, %u bytes -> %u bytes at %p\n",
                (unsigned long)u->pc, name, u->lines, u->guest_size, u->size, (const void *)u->host);
    size_t from = text->len;
    if (u->lines && u->line[0].offset) {
        text_puts(text, "  entry");
        text_pad(text, from, 48);
        add_bytes(text, u->bytes, u->line[0].offset);
    }
    for (u32 i = 0; i < u->lines; i++) {
        const struct code_line *line = &u->line[i];
        u32 end = i + 1 < u->lines ? u->line[i + 1].offset : u->cold;
        char insn[96];
        rv_disasm(insn, sizeof insn, line->word, line->pc);
        for (char *c = insn; *c; c++)
            if (*c == '\t')
                *c = ' ';
        from = text->len;
        text_printf(text, "  %#12lx  %s", (unsigned long)line->pc, insn);
        text_pad(text, from, 48);
        add_bytes(text, u->bytes + line->offset, end - line->offset);
    }
    from = text->len;
    text_puts(text, "  cold");
    text_pad(text, from, 48);
    add_bytes(text, u->bytes + u->cold, u->size - u->cold);
}

static void translated(void *arg, struct mm *mm, const struct code_unit *u)
{
    struct translations *t = arg;
    char name[256];
    symbols_text(t->symbols, mm, u->pc, name, sizeof name);
    if (t->map >= 0) {
        text_printf(&t->text, "%lx %x %s\n", (unsigned long)(uintptr_t)u->host, u->size, name);
        text_write(&t->text, t->map);
        text_clear(&t->text);
    }
    if (t->dump >= 0) {
        add_listing(&t->text, u, name);
        text_write(&t->text, t->dump);
        text_clear(&t->text);
    }
}

int translations_new(struct store *s, int dump, int map, struct translations **out)
{
    struct translations *t = mem_zalloc(sizeof *t);
    if (!t || symbols_new(&t->symbols) < 0) {
        mem_free(t);
        return -ENOMEM;
    }
    t->store = s;
    t->dump = dump;
    t->map = map;
    t->watch = (struct code_watch){t, translated};
    s->code_watch = &t->watch;
    *out = t;
    return 0;
}

void translations_free(struct translations *t)
{
    if (!t)
        return;
    store_lock(t->store);
    t->store->code_watch = NULL;
    store_unlock(t->store);
    symbols_free(t->symbols);
    text_free(&t->text);
    mem_free(t);
}
