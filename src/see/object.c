// Source: elf(5), the System V ABI.

#include "see/object.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "host/pagefile.h"
#include "mm/pagecache.h"
#include "see/cfi.h"

#define SECTION_MAX (256UL << 20) // larger tables are not looked at
#define SECTIONS_MAX 65536u

struct reader {
    struct backing *b;
    u64 size;
    struct elf_header h;
    struct elf_section *section;
    u32 sections;
};

// A fresh copy of [at, at + n) of the file with a NUL behind it.
static int read_block(const struct reader *f, u64 at, u64 n, void *out)
{
    void **to = out;
    if (n > SECTION_MAX || at > f->size || n > f->size - at)
        return -ENOEXEC;
    u8 *block = mem_alloc(n + 1);
    if (!block)
        return -ENOMEM;
    i64 got = pagefile_read(f->b->host_fd, block, n, at);
    if (got != (i64)n) {
        mem_free(block);
        return got < 0 ? (int)got : -ENOEXEC;
    }
    block[n] = 0;
    *to = block;
    return 0;
}

static int read_header(struct reader *f)
{
    struct elf_header *h = &f->h;
    i64 size = f->b->host_fd < 0 ? -ENOEXEC : pagefile_size(f->b->host_fd);
    if (size < 0)
        return (int)size;
    f->size = (u64)size;
    if (pagefile_read(f->b->host_fd, h, sizeof *h, 0) != (i64)sizeof *h ||
        memcmp(h->magic, "\177ELF", 4) != 0 || h->class != 2 || h->machine != ELF_RISCV ||
        h->phentsize != sizeof(struct elf_segment) || h->phnum > ELF_MAX_SEGMENTS)
        return -ENOEXEC;
    return 0;
}

static int read_segments(struct reader *f, struct object *o)
{
    struct elf_segment *all;
    int r = read_block(f, f->h.phoff, f->h.phnum * sizeof *all, &all);
    if (r)
        return r;
    for (u32 i = 0; i < f->h.phnum; i++)
        if (all[i].type == ELF_LOAD && all[i].vaddr < MM_TOP && all[i].memsz <= MM_TOP)
            o->segment[o->segments++] = all[i];
    mem_free(all);
    return o->segments ? 0 : -ENOEXEC;
}

// A file without section headers is not damaged, it only says less.
static void read_sections(struct reader *f)
{
    u32 n = f->h.shnum;
    if (f->h.shentsize != sizeof *f->section || !n || n > SECTIONS_MAX)
        return;
    if (read_block(f, f->h.shoff, n * sizeof *f->section, &f->section) == 0)
        f->sections = n;
}

static const struct elf_section *find_type(const struct reader *f, u32 type)
{
    for (u32 i = 0; i < f->sections; i++)
        if (f->section[i].type == type)
            return &f->section[i];
    return NULL;
}

static const struct elf_section *find_name(const struct reader *f, const char *name)
{
    const struct elf_section *found = NULL;
    char *names;
    if (f->h.shstrndx >= f->sections)
        return NULL;
    const struct elf_section *s = &f->section[f->h.shstrndx];
    if (s->type != SHT_STRTAB || read_block(f, s->offset, s->size, &names))
        return NULL;
    for (u32 i = 0; i < f->sections && !found; i++)
        if (f->section[i].name < s->size && strcmp(names + f->section[i].name, name) == 0)
            found = &f->section[i];
    mem_free(names);
    return found;
}

// ---- symbols -------------------------------------------------------------------------------------

static u8 kind_of(const struct reader *f, const struct elf_symbol *s)
{
    u8 type = s->info & 15;
    if (type == STT_FUNC || type == STT_GNU_IFUNC)
        return SYMBOL_FUNCTION;
    if (type == STT_OBJECT)
        return SYMBOL_OBJECT;
    bool code = s->section < f->sections && f->section[s->section].flags & 4; // SHF_EXECINSTR
    return type == STT_NOTYPE && code ? SYMBOL_LABEL : 0;
}

// Global names before weak ones before local ones, and those without leading underscores first.
static u8 rank_of(const struct elf_symbol *s, u8 kind, const char *name)
{
    u8 bind = s->info >> 4;
    u8 rank = kind == SYMBOL_LABEL ? 0 : 8;
    rank = (u8)(rank + (bind == 1 ? 4 : bind == 2 ? 2 : 0));
    return (u8)(rank + (name[0] != '_'));
}

static int by_value(const void *a, const void *b)
{
    const struct object_symbol *x = a, *y = b;
    if (x->value != y->value)
        return x->value < y->value ? -1 : 1;
    if (x->rank != y->rank)
        return x->rank < y->rank ? -1 : 1;
    return x->name < y->name ? -1 : x->name > y->name;
}

// An assembler's symbol without a size reaches to the next one, or to its section's end.
static void bound_symbols(struct object *o)
{
    for (u32 i = 0; i + 1 < o->symbols; i++) {
        struct object_symbol *s = &o->symbol[i];
        u64 next = o->symbol[i + 1].value;
        if (s->unsized && next > s->value)
            s->size = MIN(s->size, next - s->value);
    }
}

static void add_symbols(const struct reader *f, struct object *o, const struct elf_symbol *table,
                        u64 n, bool complete)
{
    for (u64 i = 0; i < n; i++) {
        const struct elf_symbol *s = &table[i];
        u8 kind = kind_of(f, s);
        if (!kind || !s->section || s->name >= o->strings_size || s->value >= MM_TOP ||
            s->size > MM_TOP)
            continue;
        const char *name = o->strings + s->name;
        if (!name[0] || name[0] == '$' || (name[0] == '.' && name[1] == 'L'))
            continue; // mapping symbols and the assembler's own labels
        struct object_symbol add = {.value = s->value, .size = s->size, .name = s->name,
                                    .kind = kind, .rank = rank_of(s, kind, name)};
        if (!s->size) {
            const struct elf_section *in = s->section < f->sections ? &f->section[s->section] : NULL;
            if (!complete || !in || s->value - in->addr >= in->size)
                continue;
            add.size = in->addr + in->size - s->value;
            add.unsized = true;
        }
        o->symbol[o->symbols++] = add;
    }
    qsort(o->symbol, o->symbols, sizeof *o->symbol, by_value);
    bound_symbols(o);
}

static int read_symbols(struct reader *f, struct object *o)
{
    const struct elf_section *s = find_type(f, SHT_SYMTAB);
    struct elf_symbol *table = NULL;
    o->stripped = !s;
    if (!s)
        s = find_type(f, SHT_DYNSYM);
    if (!s || s->entsize != sizeof *table || s->link >= f->sections)
        return 0;
    const struct elf_section *names = &f->section[s->link];
    u64 n = s->size / sizeof *table;
    int r = read_block(f, s->offset, n * sizeof *table, &table);
    if (r == 0)
        r = read_block(f, names->offset, names->size, &o->strings);
    if (r == 0) {
        o->strings_size = names->size;
        o->symbol = mem_alloc(n * sizeof *o->symbol + 1);
        r = o->symbol ? 0 : -ENOMEM;
    }
    if (r == 0)
        add_symbols(f, o, table, n, s->type == SHT_SYMTAB);
    mem_free(table);
    return r;
}

// ---- unwind tables -------------------------------------------------------------------------------

static int read_unwind(struct reader *f, struct object *o)
{
    const struct elf_section *s = find_name(f, ".eh_frame");
    if (!s || s->type == SHT_NOBITS)
        return 0;
    int r = read_block(f, s->offset, s->size, &o->unwind);
    if (r)
        return r;
    o->unwind_size = s->size;
    o->unwind_address = s->addr;
    return cfi_index(o);
}

int object_load(struct backing *b, struct object **out)
{
    struct reader f = {.b = b};
    struct object *o = mem_zalloc(sizeof *o);
    int r = o ? read_header(&f) : -ENOMEM;
    if (r == 0)
        r = read_segments(&f, o);
    if (r == 0) {
        read_sections(&f);
        r = read_symbols(&f, o);
        if (r != -ENOMEM)
            r = read_unwind(&f, o);
        r = r == -ENOMEM ? r : 0;
    }
    mem_free(f.section);
    if (r) {
        object_free(o);
        return r;
    }
    *out = o;
    return 0;
}

void object_free(struct object *o)
{
    if (!o)
        return;
    mem_free(o->symbol);
    mem_free(o->strings);
    mem_free(o->unwind);
    mem_free(o->entry);
    mem_free(o);
}

// ---- looking up ----------------------------------------------------------------------------------

const struct elf_segment *object_segment_at(const struct object *o, u64 address)
{
    for (u32 i = 0; i < o->segments; i++)
        if (address >= o->segment[i].vaddr && address - o->segment[i].vaddr < o->segment[i].memsz)
            return &o->segment[i];
    return NULL;
}

const struct object_symbol *object_symbol_at(const struct object *o, u64 address)
{
    u32 low = 0, high = o->symbols;
    while (low < high) {
        u32 middle = low + (high - low) / 2;
        if (o->symbol[middle].value <= address)
            low = middle + 1;
        else
            high = middle;
    }
    for (u32 i = low, steps = 0; i > 0 && steps < 64; i--, steps++)
        if (address - o->symbol[i - 1].value < o->symbol[i - 1].size)
            return &o->symbol[i - 1];
    return NULL;
}

const struct unwind_entry *object_unwind_at(const struct object *o, u64 address)
{
    u32 low = 0, high = o->entries;
    while (low < high) {
        u32 middle = low + (high - low) / 2;
        if (o->entry[middle].start <= address)
            low = middle + 1;
        else
            high = middle;
    }
    if (!low || address - o->entry[low - 1].start >= o->entry[low - 1].length)
        return NULL;
    return &o->entry[low - 1];
}
