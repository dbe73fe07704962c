#include "see/symbols.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "mm/pagecache.h"
#include "mm/region.h"
#include "see/object.h"

#define KNOWN_MAX 512u // files whose tables are kept

struct known {
    struct file_key key;
    struct object *object; // NULL: it is none that can be read
    char *name;            // the file's guest path
};

struct symbols {
    struct known at[KNOWN_MAX];
    u32 count, refs;
};

int symbols_new(struct symbols **out)
{
    *out = mem_zalloc(sizeof **out);
    if (!*out)
        return -ENOMEM;
    (*out)->refs = 1;
    return 0;
}

void symbols_get(struct symbols *s)
{
    s->refs++;
}

void symbols_free(struct symbols *s)
{
    if (s && --s->refs)
        return;
    for (u32 i = 0; s && i < s->count; i++) {
        object_free(s->at[i].object);
        mem_free(s->at[i].name);
    }
    mem_free(s);
}

static const struct known *know(struct symbols *s, struct backing *b)
{
    for (u32 i = 0; i < s->count; i++)
        if (memcmp(&s->at[i].key, &b->key, sizeof b->key) == 0)
            return &s->at[i];
    if (s->count == KNOWN_MAX)
        return NULL;
    struct known *k = &s->at[s->count];
    *k = (struct known){.key = b->key, .name = mem_strdup(b->name ? b->name : "?")};
    if (!k->name || object_load(b, &k->object) == -ENOMEM) {
        mem_free(k->name);
        return NULL;
    }
    s->count++;
    return k;
}

static bool is_file(const struct region *g)
{
    return g->backing && (g->backing->name || !g->backing->anonymous) && !(g->flags & REGION_VDSO);
}

// The file that `va` belongs to: that of its region, or, for zeroes behind a file's data (.bss), of
// the nearest region before it; and where the file's address 0 lies, as told by the region that maps
// its first segment.
static const struct known *find_file(struct symbols *s, struct mm *mm, gva_t va, u64 *bias)
{
    const struct regions *l = mm->regions;
    u32 i = regions_after(l, va);
    if (i == l->count || va < l->at[i].start || l->at[i].flags & (REGION_VDSO | REGION_GROWSDOWN))
        return NULL;
    while (!is_file(&l->at[i]))
        if (i-- == 0)
            return NULL;
    struct backing *b = l->at[i].backing;
    const struct known *k = know(s, b);
    if (!k || !k->object)
        return k && is_file(region_find(mm, va)) ? k : NULL;
    const struct elf_segment *first = &k->object->segment[0];
    for (u32 n = 0; n < 2 * ELF_MAX_SEGMENTS; n++) {
        const struct region *g = &l->at[i];
        if (g->backing == b && g->page == first->offset >> PAGE_SHIFT) {
            *bias = g->start - ALIGN_DOWN(first->vaddr, PAGE_SIZE);
            if (object_segment_at(k->object, va - *bias))
                return k;
        }
        if (i-- == 0)
            break;
    }
    return NULL;
}

const struct object *symbols_object(struct symbols *s, struct mm *mm, gva_t va, u64 *bias)
{
    const struct known *k = find_file(s, mm, va, bias);
    return k ? k->object : NULL;
}

bool symbols_find(struct symbols *s, struct mm *mm, gva_t va, struct symbol *out)
{
    const struct region *g = region_find(mm, va);
    u64 bias = 0;
    *out = (struct symbol){.code = g && g->prot & MM_EXEC};
    const struct known *k = g ? find_file(s, mm, va, &bias) : NULL;
    if (!k)
        return false;
    out->file = k->name;
    if (!k->object) { // a mapped file that is no program
        out->offset = va - g->start + (g->page << PAGE_SHIFT);
        return true;
    }
    const struct object_symbol *y = object_symbol_at(k->object, va - bias);
    out->offset = va - bias;
    if (y) {
        out->name = k->object->strings + y->name;
        out->data = y->kind == SYMBOL_OBJECT;
        out->start = bias + y->value;
        out->size = y->unsized ? 0 : y->size;
        out->offset = va - out->start;
    }
    return true;
}

int symbol_text(const struct symbol *s, gva_t va, char *buf, size_t cap)
{
    const char *slash = s->file ? strrchr(s->file, '/') : NULL;
    const char *name = s->name ? s->name : slash ? slash + 1 : s->file;
    if (!name)
        return snprintf(buf, cap, "0x%llx", (unsigned long long)va);
    if (s->name && !s->offset)
        return snprintf(buf, cap, "%.200s", name);
    return snprintf(buf, cap, "%.200s+0x%llx", name, (unsigned long long)s->offset);
}

int symbols_text(struct symbols *s, struct mm *mm, gva_t va, char *buf, size_t cap)
{
    struct symbol y;
    symbols_find(s, mm, va, &y);
    return symbol_text(&y, va, buf, cap);
}
