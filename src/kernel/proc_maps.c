// /proc/PID/maps and smaps: an address space, region by region.
#include <errno.h>
#include <string.h>

#include "kernel/proc.h"
#include "mm/pagecache.h"
#include "mm/pagetable.h"
#include "mm/region.h"

#define NAME_COLUMN 73 // where the kernel's seq_pad puts the name

static const char *region_name(const struct mm *mm, const struct region *g)
{
    if (g->flags & REGION_VDSO)
        return "[vdso]";
    if (g->backing)
        return g->backing->name || !g->backing->anonymous ? g->backing->name : "/dev/zero (deleted)";
    if (g->flags & REGION_GROWSDOWN)
        return "[stack]";
    if (g->flags & REGION_HEAP || (mm->brk > mm->brk_start && g->start < mm->brk && g->end > mm->brk_start))
        return "[heap]";
    return NULL;
}

static void maps_line(const struct mm *mm, const struct region *g, struct strbuf *s)
{
    size_t from = s->len;
    bool file = g->backing && !(g->flags & REGION_VDSO);
    bool named = file && (g->backing->name || !g->backing->anonymous);
    u64 dev = named ? g->backing->key.dev : file;
    u64 ino = named ? g->backing->key.ino : file ? 1024 : 0;
    (void)strbuf_printf(s, "%08llx-%08llx %c%c%c%c %08llx %02x:%02x %llu ",
                        (unsigned long long)g->start, (unsigned long long)g->end,
                        g->prot & MM_READ ? 'r' : '-', g->prot & MM_WRITE ? 'w' : '-',
                        g->prot & MM_EXEC ? 'x' : '-', g->flags & REGION_SHARED ? 's' : 'p',
                        file ? (unsigned long long)(g->page << PAGE_SHIFT) : 0ULL, ABI_MAJOR(dev),
                        ABI_MINOR(dev), (unsigned long long)ino);
    const char *name = region_name(mm, g);
    if (name) {
        while (!s->failed && s->len - from < NAME_COLUMN)
            (void)strbuf_puts(s, " ");
        (void)strbuf_puts(s, name);
    }
    (void)strbuf_puts(s, "\n");
}

int proc_maps(struct machine *m, const struct proc_target *p, struct strbuf *out)
{
    (void)m;
    if (!p->t || !p->t->mm)
        return 0;
    const struct regions *l = p->t->mm->regions;
    for (u32 i = 0; i < l->count; i++)
        maps_line(p->t->mm, &l->at[i], out);
    return out->failed ? -ENOMEM : 0;
}

// ---- smaps

struct use { // pages
    u64 resident, shared, copied, anonymous;
    u64 share;  // proportional, in 4096ths
};

// Linux counts the mappings of a page; a frame's references are near enough where no page-table node
// is shared, and one more for each that is.
static struct use region_use(const struct mm *mm, const struct region *g)
{
    struct use u = {0, 0, 0, 0, 0};
    pte_t pte;
    for (gva_t va = g->start; pt_next(mm->root, &va, g->end, &pte); va += PAGE_SIZE) {
        bool node_shared = false;
        (void)pt_find(mm->root, va, &node_shared);
        frame_t f = pte_frame(pte);
        if (f == FRAME_ZERO)
            continue;
        u32 refs = mm->store->meta[f].refs + node_shared;
        if (g->backing && refs > 1 && !(pte & PTE_COPIED))
            refs--; // the page cache's own
        u.resident++;
        u.shared += refs > 1;
        u.copied += (pte & PTE_COPIED) != 0;
        u.anonymous += !g->backing || pte & PTE_COPIED;
        u.share += PAGE_SIZE / MAX(refs, 1u);
    }
    return u;
}

static void line_kb(struct strbuf *s, const char *name, u64 value)
{
    (void)strbuf_printf(s, "%-15s %8llu kB\n", name, (unsigned long long)value);
}

int proc_smaps_rollup(struct machine *m, const struct proc_target *p, struct strbuf *s)
{
    const struct mm *mm = p->t ? p->t->mm : NULL;
    u64 rss = 0, pss = 0, clean[2] = {0, 0}, dirty[2] = {0, 0}, anonymous = 0, locked = 0;
    (void)m;
    for (u32 i = 0; mm && i < mm->regions->count; i++) {
        const struct region *g = &mm->regions->at[i];
        struct use u = region_use(mm, g);
        u64 *kind = g->prot & MM_WRITE ? dirty : clean;
        rss += u.resident * 4;
        pss += u.share / 1024;
        kind[0] += (u.resident - u.shared) * 4;
        kind[1] += u.shared * 4;
        anonymous += u.anonymous * 4;
        locked += region_locked(mm, g) ? u.share / 1024 : 0;
    }
    if (!mm || !mm->regions->count)
        return 0;
    (void)strbuf_printf(s, "%08llx-%08llx ---p 00000000 00:00 0                          [rollup]\n",
                        (unsigned long long)mm->regions->at[0].start,
                        (unsigned long long)mm->regions->at[mm->regions->count - 1].end);
    line_kb(s, "Rss:", rss);
    line_kb(s, "Pss:", pss);
    line_kb(s, "Shared_Clean:", clean[1]);
    line_kb(s, "Shared_Dirty:", dirty[1]);
    line_kb(s, "Private_Clean:", clean[0]);
    line_kb(s, "Private_Dirty:", dirty[0]);
    line_kb(s, "Referenced:", rss);
    line_kb(s, "Anonymous:", anonymous);
    line_kb(s, "Swap:", 0);
    line_kb(s, "SwapPss:", 0);
    line_kb(s, "Locked:", locked);
    return s->failed ? -ENOMEM : 0;
}

static void smaps_entry(const struct mm *mm, const struct region *g, struct strbuf *s)
{
    struct use u = region_use(mm, g);
    bool written = g->prot & MM_WRITE;
    u64 alone = u.resident - u.shared;
    maps_line(mm, g, s);
    line_kb(s, "Size:", (g->end - g->start) / 1024);
    line_kb(s, "KernelPageSize:", 4);
    line_kb(s, "MMUPageSize:", 4);
    line_kb(s, "Rss:", u.resident * 4);
    line_kb(s, "Pss:", u.share / 1024);
    line_kb(s, "Shared_Clean:", written ? 0 : u.shared * 4);
    line_kb(s, "Shared_Dirty:", written ? u.shared * 4 : 0);
    line_kb(s, "Private_Clean:", written ? 0 : alone * 4);
    line_kb(s, "Private_Dirty:", written ? alone * 4 : 0);
    line_kb(s, "Referenced:", u.resident * 4);
    line_kb(s, "Anonymous:", u.anonymous * 4);
    line_kb(s, "LazyFree:", 0);
    line_kb(s, "AnonHugePages:", 0);
    line_kb(s, "Swap:", 0);
    line_kb(s, "SwapPss:", 0);
    line_kb(s, "Locked:", region_locked(mm, g) ? u.share / 1024 : 0);
    (void)strbuf_puts(s, "THPeligible:    0\nVmFlags:");
    (void)strbuf_printf(s, "%s%s%s%s mr mw me%s%s%s%s \n", g->prot & MM_READ ? " rd" : "",
                        g->prot & MM_WRITE ? " wr" : "", g->prot & MM_EXEC ? " ex" : "",
                        g->flags & REGION_SHARED ? " sh" : "",
                        g->flags & REGION_GROWSDOWN ? " gd" : "",
                        region_locked(mm, g) ? " lo" : "",
                        g->flags & REGION_DONTFORK ? " dc" : "",
                        g->flags & REGION_WIPEONFORK ? " wf" : "");
}

int proc_smaps(struct machine *m, const struct proc_target *p, struct strbuf *out)
{
    (void)m;
    if (!p->t || !p->t->mm)
        return 0;
    const struct regions *l = p->t->mm->regions;
    for (u32 i = 0; i < l->count; i++)
        smaps_entry(p->t->mm, &l->at[i], out);
    return out->failed ? -ENOMEM : 0;
}
