#include "kernel/vfork_watch.h"

#include <errno.h>
#include <string.h>

#include "cpu/store.h"
#include "kernel/machine.h"
#include "mm/pagecache.h"
#include "mm/region.h"
#include "mm/tlb.h"
#include "mm/uaccess.h"

#define THREAD_STACK_MAX (8UL << 20) // of a stack that is not the program's first one
#define THREAD_BLOCK 2048u           // below tp: the C library's struct of the thread

enum { CALL_EXECVE = 221, CALL_EXECVEAT = 281 };

static struct vfork_watch *watch_at(struct machine *m, u32 id)
{
    return pool_at(&m->vfork_watches, id);
}

const struct pool_kind vfork_watches_pool = {.size = sizeof(struct vfork_watch)};

// ---- begin and end -------------------------------------------------------------------------------

// Where the stack that sp is on may reach down to.
static gva_t stack_low(struct mm *mm, gva_t sp)
{
    const struct region *g = region_find(mm, sp - 1);
    if (!g)
        return sp;
    if (g->flags & REGION_GROWSDOWN)
        return g->end > mm->stack_limit ? g->end - mm->stack_limit : 0;
    return MAX(g->start, sp > THREAD_STACK_MAX ? sp - THREAD_STACK_MAX : 0);
}

int vfork_watch_new(struct machine *m, struct task *t, u32 *out)
{
    *out = 0;
    if ((m->options.vfork != VFORK_LINT && m->options.vfork != VFORK_DENY) || !m->vfork_hooks.begin)
        return 0;
    int r = pool_new(&m->vfork_watches, out);
    if (r)
        return r;
    struct vfork_watch *w = watch_at(m, *out);
    *w = (struct vfork_watch){.parent = t->id, .parent_tid = t->tid, .sp = t->regs.x[2]};
    w->mm.refuse = m->options.vfork == VFORK_DENY;
    m->vfork_hooks.begin(m, t, w);
    if (w->frame_end < w->sp) { // not known: all that lies above counts as that frame
        const struct region *g = region_find(t->mm, w->sp);
        w->frame_end = g ? g->end : w->sp;
    }
    w->mm.own[0].start = stack_low(t->mm, w->sp);
    w->mm.own[0].end = w->frame_end;
    if (!(t->altstack.flags & (i32)G_SS_DISABLE) && t->altstack.size) {
        w->mm.own[1].start = t->altstack.sp;
        w->mm.own[1].end = t->altstack.sp + t->altstack.size;
    }
    return 0;
}

void vfork_watch_end(struct machine *m, struct task *t)
{
    if (!t->vfork_watch)
        return;
    if (m->watched == t->id)
        vfork_watch_disarm(m);
    if (t->mm)
        m->vfork_hooks.end(m, t, watch_at(m, t->vfork_watch));
    pool_free(&m->vfork_watches, t->vfork_watch);
    t->vfork_watch = 0;
}

void vfork_watch_arm(struct machine *m, struct task *t)
{
    struct vfork_watch *w = watch_at(m, t->vfork_watch);
    m->watched = t->id;
    w->mm.armed = true;
    t->mm->watch = &w->mm;
    if (t->mm->tlb)
        tlb_revoke_writes(t->mm->tlb);
}

void vfork_watch_disarm(struct machine *m)
{
    if (m->watched)
        task_at(m, m->watched)->mm->watch = NULL;
    m->watched = 0;
}

// ---- stores --------------------------------------------------------------------------------------

static bool in_frame(const struct vfork_watch *w, gva_t va)
{
    return va >= w->sp && va < w->frame_end;
}

// The dynamic loader binds a function when it is called for the first time. (A C library that is its own
// loader, as musl is, binds everything at the start.)
static bool by_loader(struct task *t)
{
    const struct region *g = region_find(t->mm, t->regs.pc);
    const char *name = g && g->backing ? g->backing->name : NULL;
    const char *slash = name ? strrchr(name, '/') : NULL;
    return slash && (strncmp(slash, "/ld-linux-", 10) == 0 || strncmp(slash, "/ld-2", 5) == 0);
}

// The C library stores the error of a call that failed to errno before anything else; so its place is
// learned. A program may store the error of an exec wherever it likes: that is how a vfork child
// tells its parent of it.
static bool stores_error(struct machine *m, struct vfork_watch *w, const struct cpu_store *s)
{
    bool error = s->plain && s->size == 4 && w->failed && (i32)s->value == w->failed;
    w->failed = 0;
    if (w->errno_at && s->va == w->errno_at && s->size == 4)
        return true;
    error = error && !w->errno_at;
    if (error)
        w->errno_at = s->va;
    i64 value = s->size == 4 ? (i32)s->value : (i64)s->value;
    bool exec_error = s->plain && s->size >= 4 && w->exec_failed &&
                      (value == w->exec_failed || value == -w->exec_failed);
    return error || (exec_error && m->options.vfork == VFORK_LINT);
}

static bool allowed(struct machine *m, struct task *t, struct vfork_watch *w, const struct cpu_store *s)
{
    gva_t tp = t->regs.x[4];
    return mm_watch_owns(&w->mm, s->va, s->size) || (s->va < tp && s->va >= tp - THREAD_BLOCK) ||
           stores_error(m, w, s) || by_loader(t);
}

// Executes the one instruction that stores; no write permission stays behind.
static struct trap step(struct machine *m, struct task *t, struct vfork_watch *w, gva_t va)
{
    u64 before = m->cpu->retired;
    w->mm.armed = false;
    struct trap trap = cpu_run(m->cpu, 1);
    w->mm.armed = true;
    tlb_flush_page(&m->cpu->tlb, va);
    tlb_flush_page(&m->cpu->tlb, va + 15);
    t->instructions += m->cpu->retired - before;
    return trap;
}

static void deny(struct machine *m, struct task *t, gva_t va)
{
    struct g_siginfo info = {.signo = G_SIGSEGV, .code = G_SEGV_ACCERR};
    info.fault.address = va;
    signal_force(m, t, &info);
}

bool vfork_watch_store(struct machine *m, struct task *t, gva_t va, struct trap *trap)
{
    struct vfork_watch *w = watch_at(m, t->vfork_watch);
    struct cpu_store s;
    if (!cpu_store_at(t->mm, &t->regs, &s))
        s = (struct cpu_store){.va = va, .size = 1};
    struct vfork_store told = {.va = s.va, .len = s.size, .by_sp = s.by_sp, .frame = in_frame(w, s.va)};
    if (told.frame || !allowed(m, t, w, &s)) {
        bool wrong = m->vfork_hooks.store(m, t, w, &told);
        if (wrong && w->mm.refuse) {
            deny(m, t, va);
            return false;
        }
    }
    *trap = step(m, t, w, va);
    return trap->kind != TRAP_BUDGET;
}

// ---- system calls --------------------------------------------------------------------------------

void vfork_watch_calls(struct machine *m, struct task *t)
{
    m->vfork_hooks.call(m, t, watch_at(m, t->vfork_watch));
}

// The task is still the watched one: it has neither ended nor execed.
void vfork_watch_called(struct machine *m, struct task *t)
{
    struct vfork_watch *w = watch_at(m, t->vfork_watch);
    for (u32 i = 0; i < w->mm.notes; i++) {
        gva_t va = w->mm.note[i].va;
        struct vfork_store told = {.va = va, .len = w->mm.note[i].len, .by_call = true,
                                   .frame = in_frame(w, va)};
        (void)m->vfork_hooks.store(m, t, w, &told);
    }
    w->mm.notes = 0;
    i64 result = (i64)t->regs.x[10];
    if (t->call.active || t->call.restart)
        return;
    w->failed = result < 0 && result > -4096 ? (i32)-result : 0;
    if (w->failed && (t->call.number == CALL_EXECVE || t->call.number == CALL_EXECVEAT))
        w->exec_failed = w->failed;
}
