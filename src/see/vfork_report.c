#include "see/vfork_report.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/forking.h"
#include "kernel/machine.h"
#include "mm/region.h"
#include "mm/uaccess.h"
#include "see/backtrace.h"
#include "see/object.h"

#define SAID_MAX 512u
#define PENDING_MAX 256u
#define CHAIN_MAX 5u // calls that a line shows
#define EXIT_STACK_MAX 65536u // bytes of stack that are searched for a call of exit

enum { CALL_EXIT = 93, CALL_EXIT_GROUP = 94 };
enum matter { MATTER_STORE, MATTER_RETURN, MATTER_EXIT };

struct place { // where in which program (R2)
    const char *file;
    gva_t code;     // the function's beginning; without a name the very instruction
    gva_t variable; // where the one begins that was stored to; 0 = it has no name
    enum matter matter;
};

struct pending { // a store whose end is to be seen (R1)
    task_t task;
    struct place place;
    gva_t va;
    u64 len;
    u8 old[8];
    char *line; // owned
};

struct vfork_report {
    struct machine *machine;
    struct symbols *symbols;
    struct place said[SAID_MAX];
    u32 nsaid;
    struct pending pending[PENDING_MAX];
    u32 npending;
};

struct chain { // the calls that led to the child's place
    struct call_frame at[BACKTRACE_MAX];
    u32 count;
};

static struct vfork_report *report_of(struct machine *m)
{
    return m->vfork_hooks.state;
}

static void chain_of(struct machine *m, struct task *t, gva_t pc, struct chain *c)
{
    struct regs regs = t->regs;
    regs.pc = pc;
    c->count = backtrace(report_of(m)->symbols, t->mm, &regs, m->vdso_sigreturn, c->at);
}

static gva_t inside(const struct call_frame *f) // an address of the call itself
{
    return f->interrupted ? f->pc : f->pc - 1;
}

// ---- the vfork itself ----------------------------------------------------------------------------

// The bounds of the function at `pc`, from the symbols or the unwind table.
static void function_bounds(struct symbols *s, struct mm *mm, gva_t pc, gva_t *start, gva_t *end)
{
    struct symbol y;
    u64 bias;
    if (symbols_find(s, mm, pc, &y) && y.name && !y.data && y.size) {
        *start = y.start;
        *end = y.start + y.size;
        return;
    }
    const struct object *o = symbols_object(s, mm, pc, &bias);
    const struct unwind_entry *e = o ? object_unwind_at(o, pc - bias) : NULL;
    *start = e ? bias + e->start : 0;
    *end = e ? *start + e->length : 0;
}

// vfork's own code has no frame; who calls it is the frame behind it. A program with its own system call
// instruction is itself the one.
static void begin(struct machine *m, struct task *t, struct vfork_watch *w)
{
    struct chain c;
    chain_of(m, t, t->regs.pc - 4, &c);
    u32 k = c.count > 1 && c.at[1].sp == c.at[0].sp;
    if (k >= c.count)
        return;
    w->call = c.at[k].pc;
    w->frame_end = k + 1 < c.count ? c.at[k + 1].sp : 0;
    function_bounds(report_of(m)->symbols, t->mm, inside(&c.at[k]), &w->caller, &w->caller_end);
}

// ---- saying it -----------------------------------------------------------------------------------

static const char *base_name(const char *path)
{
    const char *slash = path ? strrchr(path, '/') : NULL;
    return slash ? slash + 1 : path;
}

static bool same_place(const struct place *a, const struct place *b)
{
    return a->file == b->file && a->code == b->code && a->variable == b->variable && a->matter == b->matter;
}

static bool in_caller(const struct vfork_watch *w, gva_t pc)
{
    return w->caller && pc >= w->caller && pc < w->caller_end;
}

// Whether some call on the way belongs to a program that has symbols, the C library aside.
static bool has_names(struct symbols *s, struct mm *mm, const struct chain *c)
{
    for (u32 i = 0; i < c->count; i++) {
        struct symbol y;
        u64 bias;
        const struct object *o = symbols_object(s, mm, inside(&c->at[i]), &bias);
        if (!o || o->stripped || !symbols_find(s, mm, inside(&c->at[i]), &y))
            continue;
        const char *name = base_name(y.file);
        if (y.name && strncmp(name, "libc.", 5) != 0 && strncmp(name, "ld-", 3) != 0)
            return true;
    }
    return false;
}

// A place is a function and a variable. Beneath the functions that are called by the one that called
// vfork, it is the call: what a library does there is one matter.
static struct place place_of(struct symbols *s, struct mm *mm, const struct vfork_watch *w,
                             const struct chain *c, gva_t va)
{
    struct symbol y;
    u32 at = 0;
    for (u32 i = 2; i < c->count && !at; i++)
        if (in_caller(w, inside(&c->at[i])))
            at = i - 1;
    struct place p = {.code = c->count ? c->at[at].pc : 0};
    (void)symbols_find(s, mm, p.code ? inside(&c->at[at]) : 0, &y);
    p.file = y.file;
    if (at == 0 && y.name)
        p.code = y.start;
    if (symbols_find(s, mm, va, &y) && y.name)
        p.variable = y.start;
    return p;
}

static bool said_already(struct vfork_report *v, const struct place *p)
{
    for (u32 i = 0; i < v->nsaid; i++)
        if (same_place(&v->said[i], p))
            return true;
    return false;
}

static void say(struct vfork_report *v, const struct place *p, const char *line)
{
    if (said_already(v, p) || !line)
        return;
    if (v->nsaid < SAID_MAX)
        v->said[v->nsaid++] = *p;
    if (v->machine->hooks.message)
        v->machine->hooks.message(v->machine->hooks.arg, line);
}

static void line_begin(struct machine *m, struct task *t, const struct vfork_watch *w, struct text *out)
{
    text_printf(out, "vfork child %u of %u (%s): ", group_of(m, t)->pid, w->parent_tid, t->comm);
}

static void call_text(struct symbols *s, struct mm *mm, const struct call_frame *f, char *buf, size_t cap)
{
    struct symbol y;
    (void)symbols_find(s, mm, inside(f), &y);
    y.offset += f->pc - inside(f);
    (void)symbol_text(&y, f->pc, buf, cap);
}

// "memcpy+0x8, called by child+0x10, called by main+0x20": up to the function that called vfork.
static void add_chain(struct symbols *s, struct mm *mm, const struct vfork_watch *w,
                      const struct chain *c, struct text *out)
{
    char name[256];
    for (u32 i = 0; i < c->count && i < CHAIN_MAX; i++) {
        call_text(s, mm, &c->at[i], name, sizeof name);
        text_printf(out, "%s%s", i ? ", called by " : "", name);
        if (in_caller(w, inside(&c->at[i])))
            break;
    }
}

static void add_caller(struct machine *m, struct task *t, const struct vfork_watch *w, struct text *out)
{
    struct symbol y;
    if (symbols_find(report_of(m)->symbols, t->mm, w->call - 1, &y) && y.name)
        text_puts(out, y.name);
    else
        text_printf(out, "0x%llx", (unsigned long long)w->call);
}

// The function whose frame a place on the parent's stack belongs to.
static bool add_stack(struct machine *m, struct task *t, const struct vfork_watch *w, gva_t va,
                      struct text *out)
{
    struct chain c;
    char name[256];
    struct task *parent = pool_find(&m->tasks, w->parent);
    if (!parent || parent->mm != t->mm)
        return false;
    chain_of(m, parent, parent->regs.pc - 4, &c);
    for (u32 i = 0; i + 1 < c.count; i++) {
        if (va < c.at[i].sp || va >= c.at[i + 1].sp)
            continue;
        symbols_text(report_of(m)->symbols, t->mm, inside(&c.at[i]), name, sizeof name);
        char *plus = strchr(name, '+');
        if (plus)
            *plus = 0;
        text_printf(out, "a local variable of %s (0x%llx)", name, (unsigned long long)va);
        return true;
    }
    return false;
}

static void add_variable(struct machine *m, struct task *t, const struct vfork_watch *w, gva_t va,
                         struct text *out)
{
    struct symbol y;
    char name[256];
    const struct region *g = region_find(t->mm, va);
    if (symbols_find(report_of(m)->symbols, t->mm, va, &y)) {
        symbol_text(&y, va, name, sizeof name);
        text_puts(out, name);
    } else if (!add_stack(m, t, w, va, out)) {
        text_printf(out, "%s at 0x%llx",
                    !g                              ? "memory"
                    : g->flags & REGION_HEAP        ? "the heap"
                    : g->flags & REGION_GROWSDOWN   ? "the stack"
                                                    : "mapped memory",
                    (unsigned long long)va);
    }
}

// ---- what it did ---------------------------------------------------------------------------------

// The call of `exit` in the chain: where it was made from. count: not there.
static u32 find_exit(struct symbols *s, struct mm *mm, const struct chain *c)
{
    struct symbol y;
    for (u32 i = 0; i < c->count; i++)
        if (symbols_find(s, mm, inside(&c->at[i]), &y) && y.name && !y.data &&
            strcmp(y.name, "exit") == 0)
            return i + 1;
    return c->count;
}

// A chain can break off inside a library without unwind tables. Then a return address into `exit` on the
// child's part of the stack tells: nothing else leaves one there, as exit does not return.
static bool stack_has_exit(struct symbols *s, struct task *t, const struct vfork_watch *w)
{
    u64 word;
    struct symbol y;
    gva_t sp = ALIGN_UP(t->regs.x[2], 8ULL), end = MIN(w->sp, sp + EXIT_STACK_MAX);
    for (; sp < end; sp += 8) {
        if (uaccess_read_u64(t->mm, &word, sp))
            return false;
        const struct region *g = word < MM_TOP ? region_find(t->mm, word) : NULL;
        if (g && g->prot & MM_EXEC && symbols_find(s, t->mm, word - 1, &y) && y.name && !y.data &&
            y.offset && strcmp(y.name, "exit") == 0)
            return true;
    }
    return false;
}

// Whether the function that called vfork has left its frame.
static bool has_returned(const struct task *t, const struct vfork_watch *w, const struct vfork_store *s,
                         const struct chain *c)
{
    if (!w->caller || in_caller(w, t->regs.pc))
        return false;
    if (t->regs.x[2] >= w->frame_end && w->frame_end > w->sp)
        return true;
    if (!s || !s->frame || !s->by_sp || s->by_call)
        return false;
    for (u32 i = 0; i < c->count; i++) // a callee's own arguments on the stack lie there too
        if (in_caller(w, inside(&c->at[i])))
            return false;
    return true;
}

static void tell_return(struct machine *m, struct task *t, struct vfork_watch *w)
{
    struct vfork_report *v = report_of(m);
    struct symbol y;
    struct text line = {0};
    (void)symbols_find(v->symbols, t->mm, w->call - 1, &y);
    struct place p = {.file = y.file, .code = w->call, .matter = MATTER_RETURN};
    line_begin(m, t, w, &line);
    text_puts(&line, "has returned from ");
    add_caller(m, t, w, &line);
    text_puts(&line, ", the function that called vfork: its parent will find that frame overwritten");
    say(v, &p, line.at);
    text_free(&line);
    w->done_for = true;
}

// False: it has not called exit.
static bool tell_exit(struct machine *m, struct task *t, struct vfork_watch *w, struct chain *c)
{
    struct vfork_report *v = report_of(m);
    struct symbol y;
    struct text line = {0};
    u32 at = find_exit(v->symbols, t->mm, c);
    if (at == c->count && !stack_has_exit(v->symbols, t, w))
        return false;
    c->count -= at;
    memmove(c->at, c->at + at, c->count * sizeof c->at[0]);
    if (!c->count)
        c->at[c->count++] = (struct call_frame){.pc = w->call, .sp = w->sp};
    (void)symbols_find(v->symbols, t->mm, inside(&c->at[0]), &y);
    struct place p = {.file = y.file, .code = c->at[0].pc, .matter = MATTER_EXIT};
    line_begin(m, t, w, &line);
    text_puts(&line, "calls exit instead of _exit in ");
    add_chain(v->symbols, t->mm, w, c, &line);
    text_puts(&line, ": exit handlers and the buffers of stdio are its parent's");
    say(v, &p, line.at);
    text_free(&line);
    w->done_for = true;
    return true;
}

// Keeps the line until the child is gone; without room it is said at once.
static void hold(struct machine *m, struct task *t, const struct vfork_store *s, const struct place *p,
                 struct text *line)
{
    struct vfork_report *v = report_of(m);
    struct pending *e = &v->pending[v->npending];
    u64 len = MIN(s->len, sizeof e->old);
    if (s->by_call || v->npending == PENDING_MAX || !line->at) {
        say(v, p, line->at);
        text_free(line);
        return;
    }
    *e = (struct pending){.task = t->id, .place = *p, .va = s->va, .len = len, .line = line->at};
    if (uaccess_read(t->mm, e->old, s->va, len)) {
        text_free(line);
        return;
    }
    for (u32 i = v->npending; i-- > 0;) // what was there before the first store to it
        if (v->pending[i].task == t->id && v->pending[i].va == s->va && v->pending[i].len == len)
            memcpy(e->old, v->pending[i].old, sizeof e->old);
    v->npending++;
}

// The same bytes at the same place: once is enough.
static bool pending_already(const struct vfork_report *v, const struct task *t, const struct place *p,
                            gva_t va)
{
    for (u32 i = 0; i < v->npending; i++) {
        const struct pending *e = &v->pending[i];
        if (e->task == t->id && e->va == va && same_place(&e->place, p))
            return true;
    }
    return false;
}

static void tell_store(struct machine *m, struct task *t, struct vfork_watch *w,
                       const struct vfork_store *s, const struct chain *c)
{
    struct vfork_report *v = report_of(m);
    bool deny = w->mm.refuse;
    struct place p = place_of(v->symbols, t->mm, w, c, s->va);
    struct text line = {0};
    if (!deny && !m->options.verbose && !has_names(v->symbols, t->mm, c))
        return;
    if (said_already(v, &p) || (!deny && pending_already(v, t, &p, s->va)))
        return;
    line_begin(m, t, w, &line);
    add_chain(v->symbols, t->mm, w, c, &line);
    text_puts(&line, s->by_call ? (deny ? " lets the system store to " : " let the system store to ")
                                : (deny ? " may not store to " : " stored to "));
    add_variable(m, t, w, s->va, &line);
    text_puts(&line, ", which is its parent's");
    text_puts(&line, !deny ? "" : s->by_call ? ": EFAULT (--vfork=deny)" : ": SIGSEGV (--vfork=deny)");
    if (!deny) {
        hold(m, t, s, &p, &line);
        return;
    }
    say(v, &p, line.at);
    text_free(&line);
}

// ---- the hooks -----------------------------------------------------------------------------------

static bool store(struct machine *m, struct task *t, struct vfork_watch *w, const struct vfork_store *s)
{
    struct chain c;
    gva_t pc = s->by_call ? t->regs.pc - 4 : t->regs.pc;
    if (w->done_for || (s->frame && (s->by_call || !s->by_sp || in_caller(w, pc))))
        return w->done_for;
    chain_of(m, t, pc, &c);
    bool returned = has_returned(t, w, s, &c);
    if (s->frame && !returned)
        return false;
    if (returned)
        tell_return(m, t, w);
    else if (w->mm.refuse || !tell_exit(m, t, w, &c))
        tell_store(m, t, w, s, &c);
    return true;
}

static void call(struct machine *m, struct task *t, struct vfork_watch *w)
{
    struct chain c;
    bool ends = t->call.number == CALL_EXIT || t->call.number == CALL_EXIT_GROUP;
    if (w->done_for || (!ends && t->regs.x[2] <= w->sp))
        return;
    chain_of(m, t, t->regs.pc - 4, &c);
    if (has_returned(t, w, NULL, &c))
        tell_return(m, t, w);
    else if (ends)
        (void)tell_exit(m, t, w, &c);
}

static void end(struct machine *m, struct task *t, struct vfork_watch *w)
{
    struct vfork_report *v = report_of(m);
    u32 kept = 0;
    for (u32 i = 0; i < v->npending; i++) {
        struct pending *e = &v->pending[i];
        u8 now[8];
        if (e->task != t->id) {
            v->pending[kept++] = *e;
            continue;
        }
        bool changed = uaccess_read(t->mm, now, e->va, e->len) || memcmp(now, e->old, e->len) != 0;
        if (changed && !w->done_for)
            say(v, &e->place, e->line);
        mem_free(e->line);
    }
    v->npending = kept;
}

static void *copy_report(struct forking *f, void *state)
{
    struct vfork_report *v = forking_dup(f, state, sizeof *v);
    if (!v)
        return NULL;
    symbols_get(v->symbols);
    v->machine = f->machine;
    for (u32 i = 0; i < v->npending; i++)
        v->pending[i].line = forking_text(f, v->pending[i].line);
    return v;
}

static void free_report(void *state)
{
    struct vfork_report *v = state;
    if (!v)
        return;
    for (u32 i = 0; i < v->npending; i++)
        mem_free(v->pending[i].line);
    symbols_free(v->symbols);
    mem_free(v);
}

int vfork_report_attach(struct machine *m)
{
    struct vfork_report *v = mem_zalloc(sizeof *v);
    int r = v ? symbols_new(&v->symbols) : -ENOMEM;
    if (r) {
        mem_free(v);
        return r;
    }
    v->machine = m;
    m->vfork_hooks = (struct vfork_hooks){v, begin, store, call, end, copy_report, free_report};
    return 0;
}
