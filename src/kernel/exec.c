// execve: the new image is built whole beside the old one, then takes its place (law L11).
//
//   0x10000 .. | program | heap ->        <- mmap | stack | vDSO |   MM_TOP = 2^38
//
// Sources: execve(2), elf(5), the System V ABI's process start.

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/stats.h"
#include "kernel/access.h"
#include "kernel/machine.h"
#include "kernel/elf.h"
#include "kernel/vdso.h"
#include "kernel/syscall.h"
#include "kernel/timer.h"
#include "kernel/trace.h"
#include "mm/map.h"
#include "mm/pagecache.h"
#include "mm/pagetable.h"
#include "mm/uaccess.h"

#define PIE_BASE 0x2aaaaaa000ULL // two thirds of the way up, as Linux loads PIEs without ASLR
#define STACK_TOP (MM_TOP - PAGE_SIZE)
#define STACK_FIRST (33 * PAGE_SIZE)
#define VDSO_BASE (MM_TOP - (64ULL << 20))
#define ARG_MAX_BYTES (2UL << 20)
#define ARG_MAX_ONE (32 * PAGE_SIZE)
#define SCRIPT_DEPTH 5
#define HEAD_BYTES 256

enum { SLIDE_PROGRAM, SLIDE_STACK, SLIDE_HEAP, SLIDE_MAPPINGS, SLIDES };

struct image {
    struct mm *mm;
    gva_t entry, base, phdr, program_entry; // entry: where to start; base: the interpreter's
    u64 phnum;
    bool executable_stack; // PT_GNU_STACK asks for it
    u64 slide[SLIDES];     // bytes up or down from the usual place
    gva_t top; // end of the program, where the heap begins
};

// ---- the ELF file --------------------------------------------------------------------------------

static const char *machine_name(u16 machine)
{
    return machine == 62 ? "x86-64" : machine == 183 ? "aarch64" : machine == 3 ? "i386"
           : machine == 40 ? "arm" : machine == 243 ? "riscv32" : "not riscv64";
}

static int check_header(struct machine *m, const struct elf_header *h, const char *path)
{
    if (memcmp(h->magic, "\177ELF", 4) != 0)
        return -ENOEXEC;
    if (h->machine != ELF_RISCV || h->class != 2) {
        snprintf(m->error, sizeof m->error, "%s is %s: give --root or -L", path,
                 machine_name(h->machine));
        return -ENOEXEC;
    }
    if ((h->type != ELF_EXEC && h->type != ELF_DYN) || h->phentsize != sizeof(struct elf_segment) ||
        h->phnum == 0 || h->phnum > ELF_MAX_SEGMENTS) {
        snprintf(m->error, sizeof m->error, "%s: damaged ELF header", path);
        return -ENOEXEC;
    }
    return 0;
}

// Reads and checks the segment table: every segment inside the address space, in order.
static int read_segments(struct machine *m, const struct program *p, const struct elf_header *h,
                         struct elf_segment *seg, const char *path)
{
    u64 n = h->phnum * sizeof *seg, end = 0;
    if (h->phoff > INT64_MAX || program_read(m, p, seg, n, h->phoff) != (i64)n)
        goto damaged;
    for (u32 i = 0; i < h->phnum; i++) {
        const struct elf_segment *s = &seg[i];
        if (s->type != ELF_LOAD)
            continue;
        if (s->filesz > s->memsz || s->vaddr >= MM_TOP || s->memsz > MM_TOP - s->vaddr ||
            (s->vaddr & PAGE_MASK) != (s->offset & PAGE_MASK) || s->vaddr < end ||
            s->offset > INT64_MAX - s->filesz)
            goto damaged;
        end = s->vaddr + s->memsz;
    }
    if (end)
        return 0;
damaged:
    snprintf(m->error, sizeof m->error, "%s: damaged ELF segments", path);
    return -ENOEXEC;
}

static int map_segment(struct mm *mm, struct backing *b, const struct elf_segment *s, gva_t bias)
{
    gva_t start = ALIGN_DOWN(bias + s->vaddr, PAGE_SIZE), at;
    gva_t file_end = bias + s->vaddr + s->filesz, end = ALIGN_UP(bias + s->vaddr + s->memsz, PAGE_SIZE);
    gva_t mapped = s->filesz ? ALIGN_UP(file_end, PAGE_SIZE) : start;
    u32 prot = (s->flags & 4 ? MM_READ : 0) | (s->flags & 2 ? MM_WRITE : 0) | (s->flags & 1 ? MM_EXEC : 0);
    int r = 0;
    if (mapped > start) {
        struct map_request q = {.addr = start, .length = mapped - start, .prot = prot, .fixed = true,
                                .backing = b, .page = s->offset >> PAGE_SHIFT};
        backing_get(b);
        r = mm_map(mm, &q, &at);
        if (r)
            backing_put(mm->store, b);
    }
    if (r == 0 && end > mapped) {
        struct map_request q = {.addr = mapped, .length = end - mapped, .prot = prot, .fixed = true};
        r = mm_map(mm, &q, &at);
    }
    if (r == 0 && prot & MM_WRITE && s->filesz && s->memsz > s->filesz && mapped > file_end)
        r = uaccess_zero(mm, file_end, mapped - file_end);
    return r == -EFAULT ? -ENOEXEC : r;
}

// Maps every segment; *bias tells where. `interp` gets the interpreter's path, or "".
static int load_elf(struct machine *m, struct mm *mm, const struct program *p, const char *path, bool is_interpreter,
                    struct image *im, char *interp)
{
    struct elf_header h;
    struct elf_segment seg[ELF_MAX_SEGMENTS];
    gva_t low = ~0ULL, high = 0, bias = 0;
    memset(&h, 0, sizeof h);
    if (program_read(m, p, &h, sizeof h, 0) < (i64)sizeof h)
        return -ENOEXEC;
    int r = check_header(m, &h, path);
    if (r == 0)
        r = read_segments(m, p, &h, seg, path);
    if (r)
        return r;
    for (u32 i = 0; i < h.phnum; i++) {
        if (seg[i].type == ELF_LOAD) {
            low = MIN(low, ALIGN_DOWN(seg[i].vaddr, PAGE_SIZE));
            high = MAX(high, ALIGN_UP(seg[i].vaddr + seg[i].memsz, PAGE_SIZE));
        } else if (seg[i].type == ELF_INTERP && !is_interpreter) {
            if (seg[i].filesz == 0 || seg[i].filesz > PATH_ROOM ||
                program_read(m, p, interp, seg[i].filesz, seg[i].offset) != (i64)seg[i].filesz ||
                interp[seg[i].filesz - 1] != 0)
                return -ENOEXEC;
        }
    }
    if (h.type == ELF_DYN) {
        struct map_request q = {.addr = is_interpreter ? 0 : PIE_BASE + im->slide[SLIDE_PROGRAM],
                                .length = high - low};
        gva_t at;
        r = mm_map(mm, &q, &at); // a place for all of it; the segments replace it
        if (r == 0)
            r = mm_unmap(mm, at, high - low);
        if (r)
            return r;
        bias = at - low;
    }
    for (u32 i = 0; r == 0 && i < h.phnum; i++)
        if (seg[i].type == ELF_LOAD && seg[i].memsz)
            r = map_segment(mm, p->backing, &seg[i], bias);
    if (r)
        return r;
    im->entry = bias + h.entry;
    if (is_interpreter) {
        im->base = bias;
        return 0;
    }
    im->program_entry = im->entry;
    im->phnum = h.phnum;
    im->top = bias + high;
    im->phdr = bias + low + h.phoff;
    for (u32 i = 0; i < h.phnum; i++)
        if (seg[i].type == ELF_PHDR)
            im->phdr = bias + seg[i].vaddr;
        else if (seg[i].type == ELF_GNU_STACK)
            im->executable_stack = seg[i].flags & 1;
        else if (seg[i].type == ELF_LOAD && seg[i].offset <= h.phoff &&
                 h.phoff < seg[i].offset + seg[i].filesz)
            im->phdr = bias + seg[i].vaddr + (h.phoff - seg[i].offset);
    mm->start_code = bias + low;
    mm->end_code = bias + high;
    return 0;
}

// ---- the vDSO: one frame, the same for every process ----------------------------------------------

static int map_vdso(struct machine *m, struct mm *mm)
{
    gva_t at;
    if (!m->vdso) {
        frame_t f;
        int r = backing_anonymous(m->store, &m->vdso);
        if (r == 0)
            r = backing_page(m->store, m->vdso, 0, &f);
        if (r)
            return r;
        m->vdso->constant = true;
        vdso_build(frame_data(m->store, f));
        m->vdso_sigreturn = VDSO_BASE + VDSO_SIGRETURN;
    }
    struct map_request q = {.addr = VDSO_BASE, .length = PAGE_SIZE, .prot = MM_READ | MM_EXEC,
                            .flags = REGION_VDSO, .fixed = true, .backing = m->vdso};
    backing_get(m->vdso);
    int r = mm_map(mm, &q, &at);
    if (r)
        backing_put(m->store, m->vdso);
    mm->vdso = VDSO_BASE;
    return r;
}

// ---- the stack -----------------------------------------------------------------------------------

static int push_string(struct mm *mm, gva_t *sp, const char *s)
{
    u64 n = strlen(s) + 1;
    *sp -= n;
    return uaccess_write(mm, *sp, s, n);
}

static u32 count_strings(char **list, u64 *bytes, int *error)
{
    u32 n = 0;
    for (; list[n]; n++) {
        u64 len = strlen(list[n]) + 1;
        if (len > ARG_MAX_ONE)
            *error = -E2BIG;
        *bytes += len + 8;
    }
    return n;
}

// --aslr: where the image lies, within bounds that leave its parts in their order.
static void slide(struct machine *m, struct image *im)
{
    static const u32 pages[SLIDES] = {[SLIDE_PROGRAM] = 1u << 18, [SLIDE_STACK] = 1u << 11,
                                      [SLIDE_HEAP] = 1u << 11, [SLIDE_MAPPINGS] = 1u << 18};
    for (u32 i = 0; m->options.random_layout && i < SLIDES; i++)
        im->slide[i] = machine_random(m) % pages[i] * PAGE_SIZE;
    im->mm->map_slide = im->slide[SLIDE_MAPPINGS];
}

// Builds argc, argv, envp and auxv below the strings. *out is the initial sp.
static int build_stack(struct machine *m, struct group *g, struct image *im, const char *execfn,
                       char **argv, char **envp, gva_t *out)
{
    struct mm *mm = im->mm;
    int r = 0;
    u64 bytes = 0;
    u32 argc = count_strings(argv, &bytes, &r), envc = count_strings(envp, &bytes, &r);
    if (r || bytes > ARG_MAX_BYTES)
        return -E2BIG;
    u64 first = MAX(STACK_FIRST, ALIGN_UP(bytes + 4 * PAGE_SIZE, PAGE_SIZE));
    gva_t top = STACK_TOP - im->slide[SLIDE_STACK];
    r = mm_map_stack(mm, top, first, im->executable_stack);
    gva_t sp = top - 16;
    u64 random[2] = {machine_random(m), machine_random(m)};
    u64 n = argc + envc + 3 + 2 * 20;
    u64 *words = mem_zalloc(n * sizeof *words);
    if (!words)
        return -ENOMEM;
    if (r == 0)
        r = push_string(mm, &sp, execfn);
    gva_t execfn_at = sp;
    u64 k = 0;
    words[k++] = argc;
    mm->env_end = sp;
    for (u32 i = envc; r == 0 && i-- > 0;) {
        r = push_string(mm, &sp, envp[i]);
        words[1 + argc + 1 + i] = sp;
    }
    mm->env_start = mm->arg_end = sp;
    for (u32 i = argc; r == 0 && i-- > 0;) {
        r = push_string(mm, &sp, argv[i]);
        words[1 + i] = sp;
    }
    mm->arg_start = sp;
    sp = (sp - 16) & ~15ULL;
    if (r == 0)
        r = uaccess_write(mm, sp, random, sizeof random);
    gva_t random_at = sp;
    k = 1 + argc + 1 + envc + 1;
    const u64 aux[][2] = {
        {G_AT_HWCAP, 1 << ('I' - 'A') | 1 << ('M' - 'A') | 1 << ('A' - 'A') | 1 << ('F' - 'A') |
                         1 << ('D' - 'A') | 1 << ('C' - 'A')},
        {G_AT_PAGESZ, PAGE_SIZE}, {G_AT_CLKTCK, 100}, {G_AT_PHDR, im->phdr},
        {G_AT_PHENT, sizeof(struct elf_segment)}, {G_AT_PHNUM, im->phnum}, {G_AT_BASE, im->base},
        {G_AT_FLAGS, 0}, {G_AT_ENTRY, im->program_entry}, {G_AT_UID, g->uid}, {G_AT_EUID, g->euid},
        {G_AT_GID, g->gid}, {G_AT_EGID, g->egid}, {G_AT_SECURE, g->uid != g->euid || g->gid != g->egid}, {G_AT_RANDOM, random_at},
        {G_AT_EXECFN, execfn_at}, {G_AT_SYSINFO_EHDR, mm->vdso}, {G_AT_NULL, 0},
    };
    memcpy(&words[k], aux, sizeof aux);
    k += sizeof aux / sizeof(u64);
    sp = (sp - k * 8) & ~15ULL;
    if (r == 0)
        r = uaccess_write(mm, sp, words, k * 8);
    mem_free(words);
    mm->start_stack = sp;
    *out = sp;
    return r;
}

// ---- putting it in place -------------------------------------------------------------------------

// Pages that were copied for this address space and that nobody else has: nobody will ever use them.
static u64 copied_pages(const struct mm *mm)
{
    u64 n = 0;
    pte_t pte;
    bool shared;
    for (gva_t va = 0; pt_next(mm->root, &va, MM_TOP, &pte); va += PAGE_SIZE)
        n += pte & PTE_COPIED && mm->store->meta[pte_frame(pte)].refs == 1 &&
             pt_find(mm->root, va, &shared) && !shared;
    return n;
}

// Every other thread ends; the caller becomes the leader (execve(2)).
static int take_over_group(struct machine *m, struct task *t, struct group *g)
{
    for (task_t id = g->tasks, next; id; id = next) {
        next = task_at(m, id)->gnext;
        if (id != t->id)
            task_exit(m, task_at(m, id), 0);
    }
    if (g->leader == t->id)
        return 0;
    struct task *old = task_at(m, g->leader);
    pid_clear(m, t->tid);
    u32 pid = old->tid;
    if (old->trace)
        trace_drop(m, old->trace);
    task_free(m, old);
    t->tid = pid;
    g->leader = t->id;
    return pid_set(m, pid, t->id); // two were cleared: there is room
}

static int reset_signals(struct machine *m, struct task *t)
{
    if (t->sighand->holders > 1) {
        struct sighand *own;
        int r = sighand_fork(t->sighand, &own);
        if (r)
            return r;
        sighand_put(m, t->sighand);
        t->sighand = own;
    }
    bool any = false;
    for (u32 i = 0; i < G_NSIG; i++)
        any = any || t->sighand->actions->at[i].handler > 1 || t->sighand->actions->at[i].flags;
    if (!any)
        return 0;
    int r = sighand_own(m, t->sighand);
    for (u32 i = 0; r == 0 && i < G_NSIG; i++) {
        struct g_sigaction *act = &t->sighand->actions->at[i];
        *act = (struct g_sigaction){.handler = act->handler == 1};
    }
    return r;
}

static int own_files(struct machine *m, struct task *t)
{
    if (t->files->holders > 1) {
        struct fdtable *own;
        int r = fdtable_fork(m->fs, t->files, &own);
        if (r)
            return r;
        fdtable_put(m->fs, t->files);
        t->files = own;
    }
    return fd_close_on_exec(m->fs, t->files);
}

static void set_comm(struct task *t, const char *path)
{
    const char *slash = strrchr(path, '/');
    snprintf(t->comm, sizeof t->comm, "%.15s", slash ? slash + 1 : path);
}

static i64 replace_image(struct machine *m, struct task *t, struct image *im, gva_t sp,
                         const char *path, const char *abs)
{
    struct group *g = group_of(m, t);
    char *exe = mem_strdup(abs);
    int r = exe ? 0 : -ENOMEM;
    if (r == 0)
        r = reset_signals(m, t);
    if (r == 0)
        r = own_files(m, t);
    u32 old_tid = t->tid;
    if (r == 0)
        r = take_over_group(m, t, g);
    if (r) {
        mem_free(exe);
        return r;
    }
    if (m->options.stats && t->mm && t->mm->holders == 1 && !g->execed)
        m->stats.frames_thrown_away += copied_pages(t->mm);
    vfork_watch_end(m, t);
    futex_exit_robust(m, t);
    if (t->mm)
        shm_mm_put(m, t);
    t->mm = im->mm;
    vfork_release(m, t);
    timers_drop(m, g);
    mqueue_forget_process(m, g);
    mem_free(g->exe);
    g->exe = exe;
    g->execed = true;
    g->exit_signal = g->parent ? G_SIGCHLD : g->exit_signal;
    cred_executed(g);
    t->altstack = (struct g_stack){.flags = G_SS_DISABLE};
    t->clear_child_tid = t->robust_list = 0;
    t->regs = (struct regs){.pc = im->entry, .reservation = ~0ULL};
    t->regs.x[2] = sp;
    set_comm(t, path);
    m->stats.execs++;
    if (t->trace)
        trace_executed(m, t, old_tid);
    return -ENORESULT;
}

// ---- scripts -------------------------------------------------------------------------------------

// Splits "#!interp [arg]". Returns false if the line is none.
static bool parse_script(char *head, char **interp, char **arg)
{
    if (head[0] != '#' || head[1] != '!')
        return false;
    char *end = strchr(head, '\n');
    if (end)
        *end = 0;
    char *p = head + 2;
    p += strspn(p, " \t");
    *interp = p;
    p += strcspn(p, " \t");
    *arg = NULL;
    if (*p) {
        *p++ = 0;
        p += strspn(p, " \t");
        size_t n = strlen(p);
        while (n && (p[n - 1] == ' ' || p[n - 1] == '\t'))
            p[--n] = 0;
        *arg = *p ? p : NULL;
    }
    return **interp != 0;
}

// What was asked for, whatever runs in the end: the process is named after it.
struct asked {
    const struct program *program;
    const char *execfn; // AT_EXECFN
};

static i64 exec_file(struct machine *m, struct task *t, const struct asked *by, const struct program *p,
                     const char *name, char **argv, char **envp, int depth);

static i64 exec_script(struct machine *m, struct task *t, const struct asked *by, char *head,
                       const char *name, char **argv, char **envp, int depth)
{
    char *interp, *arg;
    struct program p;
    u32 argc = 0, n = 0;
    if (depth >= SCRIPT_DEPTH)
        return -ELOOP;
    if (!parse_script(head, &interp, &arg))
        return -ENOEXEC;
    while (argv[argc])
        argc++;
    char **args = mem_alloc((argc + 4) * sizeof *args);
    if (!args)
        return -ENOMEM;
    args[n++] = interp;
    if (arg)
        args[n++] = arg;
    args[n++] = (char *)name;
    for (u32 i = 1; i < argc; i++)
        args[n++] = argv[i];
    args[n] = NULL;
    i64 r = program_open(m, t->fs, 0, interp, 0, &p);
    if (r == 0) {
        r = exec_file(m, t, by, &p, interp, args, envp, depth + 1);
        program_close(m, &p);
    }
    mem_free(args);
    return r;
}

static i64 exec_file(struct machine *m, struct task *t, const struct asked *by, const struct program *p,
                     const char *name, char **argv, char **envp, int depth)
{
    char head[HEAD_BYTES + 1] = {0}, interp[PATH_ROOM] = {0};
    struct image im = {0};
    gva_t sp;
    i64 got = program_read(m, p, head, HEAD_BYTES, 0);
    if (got < 0)
        return got;
    if (head[0] == '#' && head[1] == '!')
        return p->hidden ? -ENOENT : exec_script(m, t, by, head, name, argv, envp, depth);
    int r = mm_new(m->store, &m->stats, &im.mm);
    if (r)
        return r;
    struct group *g = group_of(m, t);
    im.mm->eager = m->options.eager;
    im.mm->stack_limit = g->limit[G_RLIMIT_STACK][0];
    im.mm->as_limit = g->limit[G_RLIMIT_AS][0];
    im.mm->data_limit = g->limit[G_RLIMIT_DATA][0];
    im.mm->exe = p->backing;
    backing_execute(p->backing);
    slide(m, &im);
    r = map_vdso(m, im.mm);
    if (r == 0)
        r = load_elf(m, im.mm, p, name, false, &im, interp);
    if (r == 0 && interp[0]) {
        struct program loader;
        r = program_open(m, t->fs, 0, interp, 0, &loader);
        if (r == 0) {
            char unused[1];
            r = load_elf(m, im.mm, &loader, interp, true, &im, unused);
            program_close(m, &loader);
        } else if (r == -ENOENT) {
            snprintf(m->error, sizeof m->error, "%s needs %.150s: give --root or -L", name, interp);
        }
    }
    im.mm->brk_start = im.mm->brk = ALIGN_UP(im.top, PAGE_SIZE) + im.slide[SLIDE_HEAP];
    if (r == 0)
        r = build_stack(m, g, &im, by->execfn, argv, envp, &sp);
    i64 done = r == -EFAULT ? -ENOEXEC : r;
    if (r == 0)
        done = replace_image(m, t, &im, sp, by->program->nameless ? by->program->path : by->execfn, p->path);
    if (done != -ENORESULT)
        mm_put(im.mm);
    return done;
}

i64 task_exec(struct machine *m, struct task *t, const struct program *p, const char *execfn,
              char **argv, char **envp)
{
    m->error[0] = 0;
    const struct asked by = {p, execfn};
    return exec_file(m, t, &by, p, execfn, argv, envp, 0);
}

// ---- the calls -----------------------------------------------------------------------------------

static void free_strings(char **list)
{
    for (u32 i = 0; list && list[i]; i++)
        mem_free(list[i]);
    mem_free(list);
}

// Copies a guest's NULL-terminated array of strings; *budget bounds all of them together.
static int copy_strings(struct task *t, gva_t from, char ***out, i64 *budget)
{
    u32 n = 0, room = 16;
    char **list = mem_zalloc((room + 1) * sizeof *list), *one = mem_alloc(ARG_MAX_ONE);
    int r = list && one ? 0 : -ENOMEM;
    while (r == 0 && from) {
        gva_t at;
        r = uaccess_read_u64(t->mm, &at, from + 8 * n);
        if (r || !at)
            break;
        i64 len = uaccess_string(t->mm, one, at, ARG_MAX_ONE);
        if (len < 0)
            r = len == -ENAMETOOLONG ? -E2BIG : (int)len;
        else if ((*budget -= len + 9) < 0)
            r = -E2BIG;
        else if (!(list[n] = mem_strdup(one)))
            r = -ENOMEM;
        if (r)
            break;
        list[++n] = NULL;
        if (n == room) {
            char **more = mem_resize(list, (room * 2 + 1) * sizeof *list);
            if (!more) {
                r = -ENOMEM;
                break;
            }
            list = more;
            room *= 2;
        }
    }
    mem_free(one);
    if (r) {
        free_strings(list);
        list = NULL;
    }
    *out = list;
    return r;
}

// fd: the descriptor that `dir` is, or -1.
static i64 do_exec(struct machine *m, struct task *t, file_t dir, i32 fd, const char *path, gva_t argv_at,
                   gva_t envp_at, u32 flags)
{
    char name[PATH_ROOM + 32], **argv = NULL, **envp = NULL;
    struct program p;
    i64 budget = (i64)MIN(ARG_MAX_BYTES, group_of(m, t)->limit[G_RLIMIT_STACK][0] / 4);
    i64 r = program_open(m, t->fs, dir, path, flags, &p);
    if (r)
        return r;
    if (fd < 0) {
        snprintf(name, sizeof name, "%s", path);
    } else {
        snprintf(name, sizeof name, "/dev/fd/%d%s%s", fd, *path ? "/" : "", path);
        p.nameless = !*path;
        p.hidden = fd_cloexec(t->files, (u32)fd) > 0;
    }
    r = copy_strings(t, argv_at, &argv, &budget);
    if (r == 0)
        r = copy_strings(t, envp_at, &envp, &budget);
    if (r == 0 && !argv[0]) {
        mem_free(argv); // Linux: an empty argv becomes {""}
        argv = mem_zalloc(2 * sizeof *argv);
        if (argv)
            argv[0] = mem_strdup("");
        if (!argv || !argv[0])
            r = -ENOMEM;
    }
    if (r == 0)
        r = task_exec(m, t, &p, name, argv, envp);
    if (r == -ENOEXEC && m->error[0] && (!m->foreign_named || m->options.verbose)) {
        machine_say(m, "%s", m->error);
        m->foreign_named = true;
    }
    free_strings(argv);
    free_strings(envp);
    program_close(m, &p);
    return r;
}

i64 sys_execve(struct machine *m, struct task *t, const u64 *a)
{
    char path[PATH_ROOM];
    int r = path_arg(t, a[0], path);
    return r ? r : do_exec(m, t, 0, -1, path, a[1], a[2], 0);
}

i64 sys_execveat(struct machine *m, struct task *t, const u64 *a)
{
    char path[PATH_ROOM];
    file_t dir = 0;
    int r = path_arg(t, a[1], path);
    if (r == 0 && (path[0] != '/' || a[0] == (u64)-100))
        r = dirfd_arg(t, a[0], &dir);
    if (r == 0 && a[4] & ~(u64)(ABI_AT_EMPTY_PATH | ABI_AT_SYMLINK_NOFOLLOW))
        r = -EINVAL;
    return r ? r : do_exec(m, t, dir, dir ? (i32)a[0] : -1, path, a[2], a[3], (u32)a[4]);
}
