// Core files: an ELF file with the registers of every thread and the memory of the process.
//
//     header | segments | notes | page ... page | page ...        one PT_LOAD a region
//                                 load 0          load 1
//
// (CO1) A process that writes one has group.core. Only its `task` is ever in the run queue, and each of
//       its turns writes a piece; other threads that something wakes go back to sleep.
// (CO2) What goes where is fixed at the start. Memory that is gone meanwhile (somebody else's, CLONE_VM)
//       is a hole, as is a page that was never written.
// (CO3) What goes wrong while it is written ends the file, not the process's status: a core file may be
//       short (a full disk, RLIMIT_CORE, SIGKILL).
#include "kernel/core.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/forking.h"
#include "kernel/cpu_time.h"
#include "kernel/elf.h"
#include "kernel/proc.h"
#include "kernel/trace.h"
#include "mm/pagecache.h"
#include "mm/pagetable.h"
#include "mm/region.h"
#include "mm/uaccess.h"

enum { ELF_CORE = 4, ELF_NOTE = 4 };
enum { NOTE_PRSTATUS = 1, NOTE_FPREGSET = 2, NOTE_PRPSINFO = 3, NOTE_AUXV = 6,
       NOTE_FILE = 0x46494c45, NOTE_SIGINFO = 0x53494749 };

#define PIECE_PAGES 256u // looked at in one turn
#define RUN_PAGES 32u    // written with one call of the host

struct load {
    gva_t start;
    u64 bytes, offset; // in the file
};

struct core { // pool `cores`; owns `load` and a reference to `file`
    task_t task;
    file_t file;
    i32 status;
    u32 count, index; // of loads; the one that is being written
    u64 done;         // bytes of it
    u64 size, limit;  // of the file
    struct load *load;
};

static void copy_core(struct forking *f, void *object)
{
    struct core *c = object;
    c->load = forking_dup(f, c->load, c->count * sizeof *c->load);
}

static void drop_core(void *owner, void *object)
{
    (void)owner;
    mem_free(((struct core *)object)->load);
}

const struct pool_kind cores_pool = {sizeof(struct core), copy_core, drop_core};

// ---- which memory --------------------------------------------------------------------------------

static bool has_page(const struct mm *mm, const struct region *g, u32 flags)
{
    pte_t pte;
    for (gva_t va = g->start; pt_next(mm->root, &va, g->end, &pte); va += PAGE_SIZE)
        if ((pte & flags) == flags)
            return true;
    return false;
}

// What /proc/PID/coredump_filter 0x33 asks for: what the process made itself, and the first page of the
// ELF files that it mapped, which has their build ids.
static u64 dump_bytes(const struct mm *mm, const struct region *g)
{
    u64 all = g->end - g->start;
    if (g->flags & REGION_VDSO)
        return all;
    if (g->flags & REGION_DONTDUMP)
        return 0;
    if (g->flags & REGION_SHARED)
        return g->backing && !g->backing->anonymous ? 0 : all;
    if (has_page(mm, g, g->backing ? PTE_COPIED : 0))
        return all;
    return g->backing && g->page == 0 && g->prot & MM_READ ? PAGE_SIZE : 0;
}

// ---- notes ---------------------------------------------------------------------------------------

static void note(struct strbuf *s, u32 type, const void *bytes, size_t n)
{
    static const char zeros[8] = {0};
    const struct { u32 name, size, type; char text[8]; } head = {5, (u32)n, type, "CORE"};
    (void)strbuf_add(s, &head, sizeof head);
    (void)strbuf_add(s, bytes, n);
    (void)strbuf_add(s, zeros, -n & 3);
}

struct prstatus { // struct elf_prstatus of riscv64
    i32 signo, code, error;
    i16 cursig, pad;
    u64 pending, held;
    i32 pid, ppid, pgrp, sid;
    struct g_timeval times[4];
    u64 regs[32];
    i32 fpvalid, pad2;
};
struct prpsinfo {
    char state, name, zombie, nice;
    u32 pad;
    u64 flag;
    u32 uid, gid;
    i32 pid, ppid, pgrp, sid;
    char fname[16], args[80];
};
_Static_assert(sizeof(struct prstatus) == 376, "struct elf_prstatus");
_Static_assert(sizeof(struct prpsinfo) == 136, "struct elf_prpsinfo");

static struct g_timeval timeval(u64 ns)
{
    return (struct g_timeval){(i64)(ns / 1000000000u), (i64)(ns % 1000000000u / 1000u)};
}

static void thread_notes(struct machine *m, const struct task *t, const struct g_siginfo *info,
                         struct strbuf *s)
{
    const struct group *g = group_of(m, (struct task *)t);
    struct cpu_usage own = cpu_of_task(m, t), children = cpu_of_children(m, g);
    struct prstatus p = {.signo = info->signo, .cursig = (i16)info->signo, .pending = t->pending.set,
                         .held = t->mask, .pid = (i32)t->tid, .pgrp = (i32)g->pgid, .sid = (i32)g->sid,
                         .fpvalid = 1};
    p.ppid = g->parent ? (i32)group_at(m, g->parent)->pid : 0;
    p.times[0] = timeval(own.user);
    p.times[1] = timeval(own.system);
    p.times[2] = timeval(children.user);
    p.times[3] = timeval(children.system);
    task_registers(t, p.regs);
    note(s, NOTE_PRSTATUS, &p, sizeof p);
}

static void float_note(const struct task *t, struct strbuf *s)
{
    u64 f[33];
    task_fp_registers(t, f);
    note(s, NOTE_FPREGSET, f, sizeof f);
}

static void process_note(struct machine *m, struct task *t, struct strbuf *s)
{
    const struct group *g = group_of(m, t);
    struct prpsinfo p = {.name = 'R', .nice = (char)g->nice, .uid = g->uid, .gid = g->gid,
                         .pid = (i32)g->pid, .pgrp = (i32)g->pgid, .sid = (i32)g->sid};
    p.ppid = g->parent ? (i32)group_at(m, g->parent)->pid : 0;
    memcpy(p.fname, t->comm, sizeof p.fname);
    size_t n = MIN(t->mm->arg_end - t->mm->arg_start, sizeof p.args - 1);
    if (uaccess_peek(t->mm, p.args, t->mm->arg_start, n))
        memset(p.args, 0, sizeof p.args);
    for (size_t i = 0; i + 1 < n; i++)
        p.args[i] = p.args[i] ? p.args[i] : ' ';
    note(s, NOTE_PRPSINFO, &p, sizeof p);
}

static void auxv_note(struct machine *m, struct task *t, struct strbuf *s)
{
    struct strbuf v = {0};
    const struct proc_target p = {group_of(m, t), t, false};
    (void)proc_auxv(m, &p, &v);
    note(s, NOTE_AUXV, v.data, v.len);
    s->failed |= v.failed;
    strbuf_clear(&v);
}

static void files_note(const struct mm *mm, struct strbuf *s)
{
    struct strbuf v = {0};
    u64 head[2] = {0, PAGE_SIZE};
    (void)strbuf_add(&v, head, sizeof head);
    for (u32 i = 0; i < mm->regions->count; i++) {
        const struct region *g = &mm->regions->at[i];
        const u64 row[3] = {g->start, g->end, g->page};
        if (!g->backing || !g->backing->name || g->flags & REGION_VDSO)
            continue;
        (void)strbuf_add(&v, row, sizeof row);
        head[0]++;
    }
    for (u32 i = 0; i < mm->regions->count; i++) {
        const struct region *g = &mm->regions->at[i];
        if (g->backing && g->backing->name && !(g->flags & REGION_VDSO))
            (void)strbuf_add(&v, g->backing->name, strlen(g->backing->name) + 1);
    }
    if (!v.failed) {
        memcpy(v.data, head, sizeof head);
        note(s, NOTE_FILE, v.data, v.len);
    }
    s->failed |= v.failed;
    strbuf_clear(&v);
}

// The thread that the signal hit comes first: debuggers take it for the one that failed.
static void all_notes(struct machine *m, struct task *t, const struct g_siginfo *info, struct strbuf *s)
{
    thread_notes(m, t, info, s);
    process_note(m, t, s);
    struct g_siginfo shown = *info;
    shown.pad = 0;
    note(s, NOTE_SIGINFO, &shown, sizeof shown);
    auxv_note(m, t, s);
    files_note(t->mm, s);
    float_note(t, s);
    for (task_t id = group_of(m, t)->tasks; id; id = task_at(m, id)->gnext) {
        if (id == t->id)
            continue;
        thread_notes(m, task_at(m, id), info, s);
        float_note(task_at(m, id), s);
    }
}

// ---- the head of the file ------------------------------------------------------------------------

static int lay_out(struct core *c, const struct mm *mm)
{
    const struct regions *l = mm->regions;
    c->load = mem_zalloc((l->count + 1) * sizeof *c->load);
    if (!c->load)
        return -ENOMEM;
    for (c->count = 0; c->count < l->count; c->count++)
        c->load[c->count] = (struct load){l->at[c->count].start, dump_bytes(mm, &l->at[c->count]), 0};
    return 0;
}

static int write_at(struct machine *m, struct core *c, const void *bytes, u64 n, u64 at)
{
    u64 left = at < c->limit ? MIN(n, c->limit - at) : 0;
    struct uio u;
    uio_kernel(&u, (void *)(uintptr_t)bytes, left);
    while (u.left) {
        i64 r = file_write(m->fs, c->file, &u, (i64)(at + left - u.left));
        if (r <= 0)
            return r ? (int)r : -EIO;
    }
    return left < n ? -EFBIG : 0;
}

static int write_head(struct machine *m, struct core *c, const struct mm *mm, const struct strbuf *notes)
{
    struct strbuf s = {0};
    const struct elf_header h = {
        .magic = {0x7f, 'E', 'L', 'F'}, .class = 2, .data = 1, .version = 1, .type = ELF_CORE,
        .machine = ELF_RISCV, .elf_version = 1, .phoff = sizeof h, .flags = 5, // RVC, double floats
        .ehsize = sizeof h, .phentsize = sizeof(struct elf_segment), .phnum = (u16)(c->count + 1)};
    u64 at = sizeof h + (c->count + 1) * sizeof(struct elf_segment);
    struct elf_segment p = {.type = ELF_NOTE, .offset = at, .filesz = notes->len, .align = 4};
    (void)strbuf_add(&s, &h, sizeof h);
    (void)strbuf_add(&s, &p, sizeof p);
    at = ALIGN_UP(at + notes->len, PAGE_SIZE);
    for (u32 i = 0; i < c->count; i++) {
        const struct region *g = &mm->regions->at[i];
        u32 flags = (g->prot & MM_READ ? 4u : 0) | (g->prot & MM_WRITE ? 2u : 0) | (g->prot & MM_EXEC ? 1u : 0);
        p = (struct elf_segment){.type = ELF_LOAD, .flags = flags, .offset = at, .vaddr = g->start,
                                 .filesz = c->load[i].bytes, .memsz = g->end - g->start,
                                 .align = PAGE_SIZE};
        (void)strbuf_add(&s, &p, sizeof p);
        c->load[i].offset = at;
        at += c->load[i].bytes;
    }
    c->size = at;
    (void)strbuf_add(&s, notes->data, notes->len);
    int r = s.failed ? -ENOMEM : write_at(m, c, s.data, s.len, 0);
    strbuf_clear(&s);
    return r;
}

// ---- its name ------------------------------------------------------------------------------------

// core_pattern (core(5)), with the letters that mean something here.
static void core_name(struct machine *m, const struct task *t, i32 signal, char *name, size_t room)
{
    const struct group *g = group_of(m, (struct task *)t);
    size_t n = 0;
    bool pid = false;
    for (const char *p = m->core_pattern; *p && n + 32 < room; p++) {
        if (*p != '%' || !p[1]) {
            name[n++] = *p;
            continue;
        }
        int k = 0;
        switch (*++p) {
        case '%': k = snprintf(name + n, room - n, "%%"); break;
        case 'p': case 'P': k = snprintf(name + n, room - n, "%u", g->pid); pid = true; break;
        case 'i': case 'I': k = snprintf(name + n, room - n, "%u", t->tid); break;
        case 'u': k = snprintf(name + n, room - n, "%u", g->uid); break;
        case 'g': k = snprintf(name + n, room - n, "%u", g->gid); break;
        case 'd': k = snprintf(name + n, room - n, "%d", g->dumpable); break;
        case 's': k = snprintf(name + n, room - n, "%d", signal); break;
        case 't': k = snprintf(name + n, room - n, "%llu", (unsigned long long)(machine_realtime(m) / 1000000000u)); break;
        case 'e':
            k = snprintf(name + n, room - n, "%.15s", t->comm);
            for (int i = 0; i < k; i++) // it stays in its directory
                if (name[n + (size_t)i] == '/')
                    name[n + (size_t)i] = '!';
            break;
        default: break;
        }
        n += (size_t)k;
    }
    name[n] = 0;
    if (m->core_uses_pid && !pid && n)
        (void)snprintf(name + n, room - n, ".%u", g->pid);
}

// A new file: what was there before goes, and nothing but an ordinary file of one name will do.
static int core_open(struct machine *m, struct task *t, i32 signal, file_t *out)
{
    char name[4 * sizeof m->core_pattern];
    struct abi_stat st;
    const struct group *g = group_of(m, t);
    core_name(m, t, signal, name, sizeof name);
    if (!*name)
        return -ENOENT;
    identity_assume(m, g->fsuid, g->fsgid, g->gids);
    (void)!path_unlink(m->fs, t->fs, 0, name, 0);
    int r = path_open(m->fs, t->fs, 0, name,
                      ABI_O_CREAT | ABI_O_EXCL | ABI_O_RDWR | ABI_O_NOFOLLOW, 0600, out);
    if (r)
        return r;
    r = file_stat(m->fs, *out, &st);
    if (r == 0 && (file_at(m->fs, *out)->kind != FILE_HOST || st.st_nlink != 1))
        r = -EACCES;
    if (r)
        file_put(m->fs, *out);
    return r;
}

// ---- writing -------------------------------------------------------------------------------------

static int core_begin(struct machine *m, struct task *t, const struct g_siginfo *info)
{
    struct group *g = group_of(m, t);
    struct strbuf notes = {0};
    u32 id;
    u64 limit = MIN(g->limit[G_RLIMIT_CORE][0], g->limit[G_RLIMIT_FSIZE][0]);
    if (!g->dumpable || limit < PAGE_SIZE || !t->mm || !t->fs)
        return -EPERM;
    int r = pool_new(&m->cores, &id);
    if (r)
        return r;
    struct core *c = pool_at(&m->cores, id);
    c->task = t->id;
    c->limit = MIN(limit, (u64)INT64_MAX);
    c->status = info->signo | 0x80;
    r = lay_out(c, t->mm);
    all_notes(m, t, info, &notes);
    if (r == 0 && notes.failed)
        r = -ENOMEM;
    if (r == 0)
        r = core_open(m, t, info->signo, &c->file);
    if (r == 0 && write_head(m, c, t->mm, &notes))
        c->index = c->count; // it is as short as that
    strbuf_clear(&notes);
    if (r) {
        drop_core(m, c);
        pool_free(&m->cores, id);
        return r;
    }
    g->core = id;
    for (task_t other = g->tasks; other; other = task_at(m, other)->gnext) {
        struct task *o = task_at(m, other);
        waiters_drop(m, o);
        deadline_drop(m, DEADLINE_TASK, other);
        if (o->state == TASK_RUNNABLE && other != m->current) {
            sched_remove(m, o);
            o->state = TASK_BLOCKED;
        }
    }
    return 0;
}

// The pages of a load from c->done on, as many as stand together: copied to `run`, their number; 0 = a
// hole that c->done is moved over.
static u32 next_run(struct core *c, struct mm *mm, u8 *run)
{
    const struct load *l = &c->load[c->index];
    const struct region *g = region_find(mm, l->start + c->done);
    u64 left = (l->bytes - c->done) >> PAGE_SHIFT;
    gva_t va = l->start + c->done, first = va;
    pte_t pte;
    u32 n = 0;
    if (!g || !g->backing) { // only what is there
        if (!g || !pt_next(mm->root, &first, l->start + l->bytes, &pte)) {
            c->done = l->bytes;
            return 0;
        }
        if (first != va || pte_frame(pte) == FRAME_ZERO) {
            c->done += MAX(first - va, PAGE_SIZE);
            return 0;
        }
    }
    for (; n < MIN(left, (u64)RUN_PAGES); n++, va += PAGE_SIZE) {
        bool shared;
        pte = pt_find(mm->root, va, &shared);
        if ((!g->backing && (!pte || pte_frame(pte) == FRAME_ZERO)) ||
            uaccess_peek(mm, run + n * PAGE_SIZE, va, PAGE_SIZE))
            break;
    }
    if (!n)
        c->done += PAGE_SIZE;
    return n;
}

// False: there is no more to write.
static bool write_piece(struct machine *m, struct core *c, struct mm *mm, u8 *run)
{
    for (u32 budget = PIECE_PAGES / RUN_PAGES; budget; budget--) {
        while (c->index < c->count && c->done >= c->load[c->index].bytes) {
            c->index++;
            c->done = 0;
        }
        if (c->index == c->count)
            return false;
        u32 n = next_run(c, mm, run);
        u64 at = c->load[c->index].offset + c->done;
        if (n && write_at(m, c, run, n * PAGE_SIZE, at))
            return false;
        c->done += n * PAGE_SIZE;
    }
    return true;
}

static void finish(struct machine *m, struct task *t, i32 status)
{
    if (t->trace && (status & 0x7f) != G_SIGKILL && trace_event(m, t, EVENT_EXIT, (u64)(u32)status)) {
        trace_of(m, t)->due |= DUE_DEATH;
        trace_of(m, t)->inject = status;
    } else {
        group_exit(m, group_of(m, t), status);
    }
}

void core_dropped(struct machine *m, struct group *g)
{
    if (!g->core)
        return;
    struct core *c = pool_at(&m->cores, g->core);
    (void)!file_truncate(m->fs, c->file, (i64)MIN(c->size, c->limit));
    file_put(m->fs, c->file);
    drop_core(m, c);
    pool_free(&m->cores, g->core);
    g->core = 0;
}

void core_step(struct machine *m, struct task *t)
{
    struct group *g = group_of(m, t);
    struct core *c = pool_at(&m->cores, g->core);
    if (c->task != t->id) {
        t->state = TASK_BLOCKED;
        return;
    }
    identity_assume(m, g->fsuid, g->fsgid, g->gids);
    bool killed = (t->pending.set | g->pending.set) & SIGBIT(G_SIGKILL);
    u8 *run = killed ? NULL : mem_alloc(RUN_PAGES * PAGE_SIZE);
    bool more = run && write_piece(m, c, t->mm, run);
    mem_free(run);
    if (more) {
        sched_enqueue(m, t, false);
        return;
    }
    i32 status = c->status;
    core_dropped(m, g);
    finish(m, t, status);
}

void signal_ends(struct machine *m, struct task *t, const struct g_siginfo *info)
{
    const u64 cores = SIGBIT(G_SIGQUIT) | SIGBIT(G_SIGILL) | SIGBIT(G_SIGTRAP) | SIGBIT(G_SIGABRT) |
                      SIGBIT(G_SIGBUS) | SIGBIT(G_SIGFPE) | SIGBIT(G_SIGSEGV) | SIGBIT(G_SIGXCPU) |
                      SIGBIT(G_SIGXFSZ) | SIGBIT(G_SIGSYS);
    if (SIGBIT(info->signo) & cores && core_begin(m, t, info) == 0)
        return;
    finish(m, t, info->signo);
}
