// A line is written when its call ends. If the call waits, what there is of it is written first, so
// that one sees where a program hangs; if another task has something to say then, the line ends with
// <unfinished ...> and goes on later as <... resumed>.

#include "see/strace.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "host/clock.h"
#include "host/file.h"
#include "see/args.h"
#include "see/filter.h"
#include "see/print.h"

#define RESULT_COLUMN 40 // where "= 0" stands, in lines that are short enough

#define STUCK 1000000000u  // ns: how long an output that is full is waited for, once

struct tracee { // by task id
    bool known, entered, shown;
    bool has_ignored; // a signal that does nothing arrived in the middle of a call
    u32 from;         // the first argument that waits for the result
    struct g_siginfo ignored;
};

struct strace {
    struct machine *m;
    struct observer observer;
    struct filter filter;
    int fd;
    bool pids;
    struct tracee *of;
    u32 room;
    u32 live;         // tasks
    task_t open;      // whose line is unfinished, 0 = nobody's
    struct text line; // that is being made
    size_t written;   // of it
    u64 lost;         // lines that nobody would read, since the output is stuck; 0 = it is not
};

// ---- lines ---------------------------------------------------------------------------------------

// Whether a non-blocking output takes more within a second.
static bool output_ready(const struct strace *s)
{
    struct host_pollfd one = {.fd = s->fd, .events = ABI_POLLOUT};
    u64 now = host_monotonic(), end = now + STUCK;
    for (; now < end; now = host_monotonic())
        if (host_wait(&one, 1, (i64)(end - now)) > 0)
            return true;
    return false;
}

// Whether an output that was stuck is not any more; then it hears how much it has missed.
static bool output_again(struct strace *s)
{
    char notice[80];
    if (!(host_poll(s->fd, ABI_POLLOUT) & ABI_POLLOUT))
        return false;
    int n = snprintf(notice, sizeof notice, "\ntine: strace: %llu lines lost, nobody read them\n",
                     (unsigned long long)s->lost);
    if (host_write(s->fd, notice, (size_t)n) != n)
        return false;
    s->lost = 0;
    return true;
}

static void flush(struct strace *s)
{
    bool stuck = s->lost && !output_again(s);
    while (!stuck && s->written < s->line.len) {
        i64 n = host_write(s->fd, s->line.at + s->written, s->line.len - s->written);
        if (n == -EINTR || (n == -EAGAIN && output_ready(s)))
            continue;
        stuck = n == -EAGAIN;
        if (n <= 0)
            break;
        s->written += (size_t)n;
    }
    s->lost += stuck;
    s->written = s->line.len;
}

static void end_line(struct strace *s)
{
    text_puts(&s->line, "\n");
    flush(s);
    text_clear(&s->line);
    s->written = 0;
    s->open = 0;
}

static void begin_line(struct strace *s, const struct task *t)
{
    if (s->open) {
        text_puts(&s->line, " <unfinished ...>");
        end_line(s);
    }
    if (s->pids)
        text_printf(&s->line, "%-5u ", t->tid);
    else if (s->live > 1)
        text_printf(&s->line, "[pid %5u] ", t->tid);
}

static void to_result(struct strace *s)
{
    text_puts(&s->line, " ");
    text_pad(&s->line, 0, RESULT_COLUMN);
    text_puts(&s->line, "= ");
}

static struct tracee *tracee_of(struct strace *s, const struct task *t)
{
    if (t->id >= s->room) {
        u32 room = MAX(t->id + 1, s->room * 2);
        struct tracee *more = mem_resize(s->of, room * sizeof *more);
        if (!more)
            return NULL;
        memset(more + s->room, 0, (room - s->room) * sizeof *more);
        s->of = more;
        s->room = room;
    }
    struct tracee *e = &s->of[t->id];
    s->live += !e->known;
    e->known = true;
    return e;
}

static void show_signal(struct strace *s, const struct task *t, const struct g_siginfo *info)
{
    begin_line(s, t);
    text_puts(&s->line, "--- ");
    print_signal(&s->line, (u32)info->signo);
    text_puts(&s->line, " ");
    print_siginfo(&s->line, info);
    text_puts(&s->line, " ---");
    end_line(s);
}

static void show_ignored(struct strace *s, const struct task *t, struct tracee *e)
{
    if (e->has_ignored)
        show_signal(s, t, &e->ignored);
    e->has_ignored = false;
}

// ---- what the kernel tells -----------------------------------------------------------------------

static void on_start(void *arg, struct task *t)
{
    (void)tracee_of(arg, t);
}

static void on_begin(void *arg, struct task *t)
{
    struct strace *s = arg;
    struct tracee *e = tracee_of(s, t);
    if (!e || e->entered)
        return;
    e->entered = true;
    e->shown = filter_shows(&s->filter, t->call.number);
    if (!e->shown)
        return;
    begin_line(s, t);
    e->from = call_text_enter(s->m, t, &t->call, &s->line);
    s->open = t->id;
    if (!call_has_no_result(t->call.number))
        return;
    text_puts(&s->line, ")");
    to_result(s);
    text_puts(&s->line, "?");
    end_line(s);
    e->entered = false;
}

static void on_wait(void *arg, struct task *t)
{
    struct strace *s = arg;
    if (s->open == t->id)
        flush(s);
}

static void resume_line(struct strace *s, struct task *t)
{
    if (s->open == t->id)
        return;
    begin_line(s, t);
    text_printf(&s->line, "<... %s resumed>", syscall_name(t->call.number));
}

static void on_result(void *arg, struct task *t, i64 result)
{
    struct strace *s = arg;
    struct tracee *e = tracee_of(s, t);
    if (e && e->entered && e->shown) {
        resume_line(s, t);
        call_text_leave(s->m, t, &t->call, e->from, result, &s->line);
        to_result(s);
        bool killed = (t->pending.set | group_of(s->m, t)->pending.set) & SIGBIT(G_SIGKILL);
        if (killed)
            result = -ENORESULT;
        else if (result == -ENORESULT && strcmp(syscall_name(t->call.number), "rt_sigreturn") == 0)
            result = (i64)t->regs.x[10];
        else if (result == -ENORESULT)
            result = 0; // execve
        call_text_result(s->m, t, &t->call, result, &s->line);
        end_line(s);
    }
    if (e) {
        e->entered = false;
        show_ignored(s, t, e);
    }
}

static void on_signal(void *arg, struct task *t, const struct g_siginfo *info, bool ignored)
{
    struct strace *s = arg;
    struct tracee *e = tracee_of(s, t);
    if (ignored && e && e->entered) {
        e->ignored = *info;
        e->has_ignored = true;
        return;
    }
    show_signal(s, t, info);
}

static void on_end(void *arg, struct task *t, i32 status)
{
    struct strace *s = arg;
    struct tracee *e = tracee_of(s, t);
    if (!e)
        return;
    if (e->entered && e->shown) {
        resume_line(s, t);
        text_puts(&s->line, strchr(syscall_arguments(t->call.number), '>') ? " <unfinished ...>)" : ")");
        to_result(s);
        text_puts(&s->line, "?");
        end_line(s);
    }
    begin_line(s, t);
    if (status & 0x7f) {
        text_puts(&s->line, "+++ killed by ");
        print_signal(&s->line, (u32)status & 0x7f);
        text_puts(&s->line, status & 0x80 ? " (core dumped) +++" : " +++");
    } else {
        text_printf(&s->line, "+++ exited with %d +++", status >> 8 & 0xff);
    }
    end_line(s);
    *e = (struct tracee){0};
    s->live--;
}

void strace_program(struct strace *s, const char *path, char *const argv[], char *const envp[])
{
    struct task *t = task_at(s->m, group_at(s->m, s->m->main_group)->leader);
    u32 n = 0;
    if (!tracee_of(s, t) || !filter_shows(&s->filter, 221))
        return;
    begin_line(s, t);
    text_puts(&s->line, "execve(");
    print_bytes(&s->line, (const u8 *)path, strlen(path), false);
    for (u32 i = 0; argv[i]; i++) {
        text_puts(&s->line, i ? ", " : ", [");
        print_bytes(&s->line, (const u8 *)argv[i], MIN(strlen(argv[i]), 32u), strlen(argv[i]) > 32);
    }
    while (envp[n])
        n++;
    text_printf(&s->line, "], %#llx /* %u var%s */)", (unsigned long long)t->mm->env_start, n,
                n == 1 ? "" : "s");
    to_result(s);
    text_puts(&s->line, "0");
    end_line(s);
}

int strace_new(struct machine *m, const struct strace_options *o, struct strace **out)
{
    struct strace *s = mem_zalloc(sizeof *s);
    if (!s)
        return -ENOMEM;
    int r = filter_parse(&s->filter, o->filter);
    if (r) {
        mem_free(s);
        return r;
    }
    s->m = m;
    s->fd = o->fd;
    s->pids = o->pids;
    s->observer = (struct observer){.arg = s, .starts = on_start, .call_begins = on_begin,
                                    .call_waits = on_wait, .call_ends = on_result,
                                    .signal = on_signal, .ends = on_end};
    m->observer = &s->observer;
    *out = s;
    return 0;
}

void strace_free(struct strace *s)
{
    if (!s)
        return;
    if (s->open)
        end_line(s);
    s->m->observer = NULL;
    mem_free(s->of);
    text_free(&s->line);
    mem_free(s);
}
