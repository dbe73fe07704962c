// The program is run once for each column, and once before, for the host's caches to be warm: nothing is
// kept between two runs but what it leaves in files. What it reads and writes goes through temporary files, so that each run
// reads the same and the outputs can be compared.
#include "compare.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "host.h"

enum { COLUMNS = 7, REFERENCE = 2 }; // the reference: Linux's way

static const struct {
    bool eager;
    enum tine_vfork vfork;
    const char *fork_name, *vfork_name;
} ways[COLUMNS] = {
    {true, TINE_VFORK_SHARE, "eager", "share"}, {true, TINE_VFORK_FORK, "eager", "fork"},
    {false, TINE_VFORK_SHARE, "cow", "share"},  {false, TINE_VFORK_COPY, "cow", "copy"},
    {false, TINE_VFORK_FORK, "cow", "fork"},    {false, TINE_VFORK_LINT, "cow", "lint"},
    {false, TINE_VFORK_DENY, "cow", "deny"},
};

// The counters that make a row, in this order.
static const struct {
    const char *counter, *text;
} rows[] = {
    {"instructions", "instructions"},
    {"forks", "forks"},
    {"vforks", "vforks"},
    {"execs", "execs"},
    {"frames_eager", "pages copied by forks"},
    {"frames_copied", "pages copied on write"},
    {"frames_taken_over", "pages taken over, not copied"},
    {"frames_thrown_away", "copies thrown away by execs"},
    {"nodes_copied", "page-table nodes copied"},
    {"tables_shared", "other tables shared"},
    {"tables_copied", "of these copied later"},
    {"faults", "page faults"},
};

#define SHORT 0.05 // seconds: what is shorter is measured by chance
#define ROWS (sizeof(rows) / sizeof(rows[0]))

struct text {
    char *bytes; // NUL-terminated
    size_t length;
};

struct result {
    double seconds;
    struct tine_result end;
    uint64_t row[ROWS];
    struct text out, err;     // err without tine's own lines
    struct text told;         // those
    bool same;                // status and output are the reference's
};

static void *must(void *p)
{
    if (!p) {
        fprintf(stderr, "tine: out of memory\n");
        exit(EXIT_TINE);
    }
    return p;
}

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

// ---- The program's descriptors --------------------------------------------------------------

static int temporary(void)
{
    int fd = memfd_create("tine-compare", MFD_CLOEXEC);

    if (fd < 0) {
        fprintf(stderr, "tine: no temporary file: %s\n", strerror(errno));
        exit(EXIT_TINE);
    }
    return fd;
}

// What there is to read, kept; a terminal is not read.
static int keep_input(void)
{
    char bytes[65536];
    ssize_t n;
    int fd;

    if (isatty(0) || fcntl(0, F_GETFD) < 0)
        return open("/dev/null", O_RDONLY | O_CLOEXEC);
    fd = temporary();
    while ((n = read(0, bytes, sizeof(bytes))) > 0)
        if (write(fd, bytes, (size_t)n) != n)
            break;
    return fd;
}

static struct text read_all(int fd)
{
    struct text t = {NULL, 0};
    off_t size = lseek(fd, 0, SEEK_END);

    t.bytes = must(malloc((size_t)size + 1));
    while (t.length < (size_t)size) {
        ssize_t n = pread(fd, t.bytes + t.length, (size_t)size - t.length, (off_t)t.length);

        if (n <= 0)
            break;
        t.length += (size_t)n;
    }
    t.bytes[t.length] = '\0';
    return t;
}

static void add(struct text *t, const char *bytes, size_t n)
{
    t->bytes = must(realloc(t->bytes, t->length + n + 1));
    memcpy(t->bytes + t->length, bytes, n);
    t->length += n;
    t->bytes[t->length] = '\0';
}

// Splits stderr: lines of tine's own, and the program's.
static void split_errors(struct text all, struct result *r)
{
    add(&r->err, "", 0);
    add(&r->told, "", 0);
    for (const char *line = all.bytes, *next; *line; line = next) {
        const char *end = strchr(line, '\n');

        next = end ? end + 1 : line + strlen(line);
        add(strncmp(line, "tine: ", 6) == 0 ? &r->told : &r->err, line, (size_t)(next - line));
    }
    free(all.bytes);
}

// ---- One run --------------------------------------------------------------------------------

static uint64_t counter(const struct tine_machine *machine, const char *name)
{
    for (size_t i = 0; i < tine_counter_count(); i++)
        if (strcmp(tine_counter_name(i), name) == 0)
            return tine_machine_counter(machine, i);
    return 0;
}

static int run_machine(struct command *c, struct result *r)
{
    struct tine_machine *machine;
    double begin = now();
    int status = program_start(&machine, c);

    if (status == 0) {
        signals_forward(machine);
        tine_machine_run(machine, &r->end);
        signals_stop();
        r->seconds = now() - begin;
        for (size_t i = 0; i < ROWS; i++)
            r->row[i] = counter(machine, rows[i].counter);
    }
    tine_machine_free(machine);
    return status;
}

static void free_result(struct result *r)
{
    free(r->out.bytes);
    free(r->err.bytes);
    free(r->told.bytes);
    *r = (struct result){0};
}

static int run_way(struct command *c, int way, int input, struct result *r)
{
    int files[3] = {input, temporary(), temporary()};
    int kept[3], status;

    c->machine.eager_fork = ways[way].eager;
    c->machine.vfork = ways[way].vfork;
    fflush(NULL);
    lseek(input, 0, SEEK_SET);
    for (int i = 0; i < 3; i++) {
        kept[i] = fcntl(i, F_DUPFD_CLOEXEC, 3);
        dup2(files[i], i);
    }
    status = run_machine(c, r);
    fflush(NULL);
    for (int i = 0; i < 3; i++) {
        if (kept[i] >= 0)
            dup2(kept[i], i);
        else
            close(i);
        close(kept[i]);
    }
    r->out = read_all(files[1]);
    split_errors(read_all(files[2]), r);
    close(files[1]);
    close(files[2]);
    if (status)
        fputs(r->told.bytes, stderr);
    return status;
}

static bool same_text(const struct text *a, const struct text *b)
{
    return a->length == b->length && memcmp(a->bytes, b->bytes, a->length) == 0;
}

// varies: the program's output differs from run to run, and says nothing.
static bool same_result(const struct result *a, const struct result *b, bool varies)
{
    return a->end.end == b->end.end && a->end.code == b->end.code &&
           (varies || (same_text(&a->out, &b->out) && same_text(&a->err, &b->err)));
}

// ---- The table ------------------------------------------------------------------------------

static void end_text(const struct tine_result *end, char *text, size_t size)
{
    switch (end->end) {
    case TINE_EXITED:
        snprintf(text, size, "%d", end->code);
        break;
    case TINE_SIGNALLED:
        snprintf(text, size, "signal %d", end->code);
        break;
    case TINE_STOPPED:
        snprintf(text, size, "stopped");
        break;
    case TINE_TIMED_OUT:
        snprintf(text, size, "time out");
        break;
    case TINE_OUT_OF_FUEL:
        snprintf(text, size, "no fuel");
        break;
    default:
        snprintf(text, size, "ended");
    }
}

static void print_table(const struct result *r, bool varies)
{
    char text[32];

    printf("%-30s", "fork copies");
    for (int i = 0; i < COLUMNS; i++)
        printf(" %11s", ways[i].eager ? "all at once" : "on write");
    printf("\n%-30s", "vfork means");
    for (int i = 0; i < COLUMNS; i++)
        printf(" %11s", ways[i].vfork_name);
    printf("\n\n%-30s", "time, ms");
    for (int i = 0; i < COLUMNS; i++)
        printf(" %11.2f", r[i].seconds * 1e3);
    putchar('\n');
    for (size_t k = 0; k < ROWS; k++) {
        printf("%-30s", rows[k].text);
        for (int i = 0; i < COLUMNS; i++)
            printf(" %11" PRIu64, r[i].row[k]);
        putchar('\n');
    }
    printf("%-30s", "exit status");
    for (int i = 0; i < COLUMNS; i++) {
        end_text(&r[i].end, text, sizeof(text));
        printf(" %11s", text);
    }
    printf("\n%-30s", varies ? "status (its output varies)" : "output and status");
    for (int i = 0; i < COLUMNS; i++)
        printf(" %11s", i == REFERENCE ? "-" : r[i].same ? "the same" : "DIFFERENT");
    printf("\n\n");
}

static uint64_t value(const struct result *r, const char *name)
{
    for (size_t k = 0; k < ROWS; k++)
        if (strcmp(rows[k].counter, name) == 0)
            return r->row[k];
    return 0;
}

static uint64_t pages(const struct result *r)
{
    return value(r, "frames_eager") + value(r, "frames_copied");
}

// The difference for each of n, which may be negative.
static double each(uint64_t more, uint64_t less, uint64_t n)
{
    return ((double)more - (double)less) / (double)n;
}

static void explain_fork(const struct result *r)
{
    const struct result *eager = &r[0], *cow = &r[REFERENCE];
    uint64_t forks = value(cow, "forks");

    if (!forks)
        return;
    printf("fork: copied at once, %" PRIu64 " forks take %" PRIu64 " page copies, and execs throw %" PRIu64
           " of them away unused.\n"
           "      Copied on write, the whole run takes %" PRIu64 ", and %" PRIu64 " are thrown away.\n",
           forks, value(eager, "frames_eager"), value(eager, "frames_thrown_away"), pages(cow),
           value(cow, "frames_thrown_away"));
}

// Vforks that --vfork=fork turns into forks: those whose child runs on its parent's stack.
static void explain_vfork(const struct result *r)
{
    const struct result *share = &r[2], *as_fork = &r[4];
    uint64_t vforks = value(share, "vforks"), turned = value(as_fork, "forks") - value(share, "forks");
    double won = (as_fork->seconds - share->seconds) / share->seconds;

    if (!vforks) {
        printf("vfork: there was none, so the columns of one fork differ by chance only.\n");
        return;
    }
    if (turned > vforks) { // the program went another way
        printf("vfork: as a fork it makes another program of this one; no figures.\n");
        return;
    }
    if (!turned) {
        printf("vfork: all %" PRIu64 " children had stacks of their own, as posix_spawn makes them: these "
               "share in every mode.\n", vforks);
        return;
    }
    printf("vfork: made a fork that copies at once, each costs %.1f page copies more; made one that copies on "
           "write,\n       %.1f page copies and %.1f table nodes more: the pages that child and parent store to "
           "next.\n",
           each(pages(&r[1]), pages(&r[0]), turned), each(pages(as_fork), pages(share), turned),
           each(value(as_fork, "nodes_copied"), value(share, "nodes_copied"), turned));
    if (share->seconds < SHORT)
        printf("       The run is too short to say what that is in time.\n");
    else if (won > 0.1)
        printf("       vfork still wins: without it the run takes %.0f %% longer, %.1f us for each. What it "
               "saves is no\n       longer the copy of the parent, but these few pages, and what goes with "
               "them.\n",
               won * 100, each((uint64_t)(as_fork->seconds * 1e9), (uint64_t)(share->seconds * 1e9), turned) / 1e3);
    else
        printf("       vfork hardly wins any more: without it the run takes %.0f %% %s. A fork that copies "
               "nothing has\n       no copy of the parent to save.\n",
               (won < 0 ? -won : won) * 100, won < 0 ? "less" : "longer");
}

static void explain(const struct result *r)
{
    const struct text *lint = &r[5].told, *deny = &r[6].told;

    explain_fork(r);
    explain_vfork(r);
    for (int i = 0; i < COLUMNS; i++)
        if (!r[i].same && !ways[i].eager)
            printf("The program does something else under --vfork=%s.\n", ways[i].vfork_name);
    if (lint->length)
        printf("--vfork=lint:\n%s", lint->bytes);
    if (deny->length)
        printf("--vfork=deny:\n%s", deny->bytes);
    if (r[REFERENCE].end.end != TINE_EXITED || r[REFERENCE].end.code)
        printf("The program wrote to stderr:\n%s", r[REFERENCE].err.bytes);
}

// ---- JSON -----------------------------------------------------------------------------------

static void print_string(const char *s)
{
    putchar('"');
    for (; *s; s++) {
        if (*s == '"' || *s == '\\')
            printf("\\%c", *s);
        else if ((unsigned char)*s < 0x20)
            printf("\\u%04x", (unsigned)*s);
        else
            putchar(*s);
    }
    putchar('"');
}

static void print_json(const struct command *c, const struct result *r)
{
    char text[32];

    printf("{\"program\":");
    print_string(c->program);
    printf(",\"runs\":[");
    for (int i = 0; i < COLUMNS; i++) {
        end_text(&r[i].end, text, sizeof(text));
        printf("%s\n{\"fork\":\"%s\",\"vfork\":\"%s\",\"seconds\":%.6f,\"status\":", i ? "," : "",
               ways[i].fork_name, ways[i].vfork_name, r[i].seconds);
        print_string(text);
        printf(",\"same\":%s", r[i].same ? "true" : "false");
        for (size_t k = 0; k < ROWS; k++)
            printf(",\"%s\":%" PRIu64, rows[k].counter, r[i].row[k]);
        printf(",\"reports\":");
        print_string(r[i].told.bytes);
        putchar('}');
    }
    printf("]}\n");
}

int compare(struct command *c)
{
    struct result r[COLUMNS] = {0}, first = {0};
    bool varies = false;
    int input = keep_input();
    int status = 0;

    c->machine.walk_counters = true;
    c->machine.seed = c->machine.seed ? c->machine.seed : 1;
    status = run_way(c, REFERENCE, input, &first);
    for (int k = 0; k < COLUMNS && !status; k++) {
        int way = k == 0 ? REFERENCE : k <= REFERENCE ? k - 1 : k; // what the others are compared with first

        status = run_way(c, way, input, &r[way]);
        if (k == 0 && status == 0)
            varies = !same_result(&first, &r[way], false);
        r[way].same = status == 0 && same_result(&r[way], &r[REFERENCE], varies);
    }
    close(input);
    if (!status && c->json)
        print_json(c, r);
    else if (!status)
        print_table(r, varies), explain(r);
    free_result(&first);
    for (int i = 0; i < COLUMNS; i++)
        free_result(&r[i]);
    return status;
}
