// What two copies of a machine do, only they see: tests/guest/parted.c, each of its cases in a machine that is
// copied when it waits for a letter. Original and copy are told different ones, in either order, with a copy
// of the copy that is freed in between; and what a copy holds is counted back to nothing.
//
//     machine_parted_test [PROGRAM]
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tine/tine.h>
#include <unistd.h>

#include "base/alloc.h"
#include "guests.h"

struct line {
    char text[1 << 14];
    size_t length;
    char letter; // the next one to be read; 0 = none yet
};

static int failures, starved;

static int64_t give(void *context, void *to, size_t size)
{
    struct line *l = context;

    if (!l->letter)
        return -EAGAIN;
    (void)size;
    *(char *)to = l->letter;
    l->letter = 0;
    return 1;
}

static int64_t take(void *context, const void *from, size_t size)
{
    struct line *l = context;
    size_t n = size < sizeof l->text - 1 - l->length ? size : sizeof l->text - 1 - l->length;

    memcpy(l->text + l->length, from, n);
    l->length += n;
    return (int64_t)size;
}

static void connect_to(struct tine_machine *m, struct line *l)
{
    struct tine_stream in = {.kind = TINE_STREAM_CALLS, .context = l, .read = give};
    struct tine_stream out = {.kind = TINE_STREAM_CALLS, .context = l, .write = take};

    if (tine_machine_set_stream(m, 0, &in) || tine_machine_set_stream(m, 1, &out) || tine_machine_set_stream(m, 2, &out))
        abort();
}

static struct tine_machine *start(const char *program, const char *name, enum tine_jit jit, struct line *l)
{
    struct tine_options o;
    struct tine_machine *m;
    char root[PATH_MAX];
    char *argv[] = {(char *)program, (char *)name, NULL}, *envp[] = {NULL};

    memset(l, 0, sizeof *l);
    tine_options_init(&o);
    o.jit = jit;
    if (name && !strncmp(name, "shm_", 4)) { // /dev/shm is the machine's own under a root
        snprintf(root, sizeof root, "%s", program);
        program = strrchr(program, '/');
        root[program ? strlen(root) - strlen(program) : 0] = 0;
        o.root = root;
    }
    o.memory = 64 << 20;
    o.streams[0] = (struct tine_stream){.kind = TINE_STREAM_CALLS, .context = l, .read = give};
    o.streams[1] = o.streams[2] = (struct tine_stream){.kind = TINE_STREAM_CALLS, .context = l, .write = take};
    if (tine_machine_new(&m, &o) || tine_machine_start(m, program, argv, envp, NULL)) {
        printf("FAIL machine_parted_test: cannot start %s\n", program);
        exit(1);
    }
    return m;
}

static struct tine_machine *copy_of(struct tine_machine *m, struct line *l)
{
    struct tine_machine *copy;
    int err = tine_machine_fork(&copy, m, 0);

    if (err) {
        printf("FAIL machine_parted_test: tine_machine_fork: %d\n", err);
        exit(1);
    }
    connect_to(copy, l);
    return copy;
}

static void until_it_waits(struct tine_machine *m, const struct line *l, const char *name)
{
    struct tine_result r;

    do
        tine_machine_run_for(m, UINT64_MAX, TINE_RUN_NO_WAIT, &r);
    while (r.end == TINE_IDLE && l->letter);
    if (r.end != TINE_IDLE) {
        printf("FAIL %s: ends (%d, %d) instead of waiting\n%s", name, (int)r.end, r.code, l->text);
        failures++;
    }
}

static void to_its_end(struct tine_machine *m, const struct line *l, const char *name, const char *who)
{
    struct tine_result r;

    tine_machine_run(m, &r);
    if (r.end != TINE_EXITED || r.code) {
        printf("FAIL %s in %s: (%d, %d)\n%s", name, who, (int)r.end, r.code, l->text);
        failures++;
    }
    tine_machine_free(m);
}

// Each allocation of a fork fails once: there is no copy then, and the original stays what it was.
static void starve(struct tine_machine *m)
{
    struct tine_machine *copy;
    int err = -ENOMEM;

    for (u64 n = 1; err; n++) {
        i64 live = (i64)mem_live();
        mem_fail_at(n);
        err = tine_machine_fork(&copy, m, 0);
        mem_fail_at(0);
        if (err && (err != -ENOMEM || (i64)mem_live() > live + 2)) { // page-table nodes come in blocks
            printf("FAIL a fork whose allocation %d fails: %d, %d blocks are left\n", (int)n, err,
                   (int)((i64)mem_live() - live));
            failures++;
        }
        starved += err != 0;
    }
    tine_machine_free(copy);
}

static void part(const char *program, const char *name, enum tine_jit jit, bool copy_first)
{
    static struct line line[3];
    struct tine_machine *m[3];

    m[0] = start(program, name, jit, &line[0]);
    until_it_waits(m[0], &line[0], name);
    starve(m[0]);
    for (int i = 1; i < 3; i++) {
        line[i] = line[0];
        m[i] = copy_of(m[i - 1], &line[i]);
    }
    for (int i = 0; i < 2; i++) {
        int who = copy_first ? 1 - i : i;
        line[who].letter = who ? 'b' : 'a';
        until_it_waits(m[who], &line[who], name);
        if (i == 0)
            tine_machine_free(m[2]);
    }
    line[0].letter = line[1].letter = '.';
    if (copy_first) {
        to_its_end(m[1], &line[1], name, "the copy");
        to_its_end(m[0], &line[0], name, "the original");
    } else {
        to_its_end(m[0], &line[0], name, "the original");
        to_its_end(m[1], &line[1], name, "the copy");
    }
}

// The program names its cases when it runs them all.
static int each_case(const char *program)
{
    static struct line all;
    struct tine_machine *m = start(program, NULL, TINE_JIT_DEFAULT, &all);
    struct tine_stream nothing = {.kind = TINE_STREAM_CALLS};
    struct tine_result r;
    int cases = 0;

    if (tine_machine_set_stream(m, 0, &nothing))
        abort();
    tine_machine_run(m, &r);
    tine_machine_free(m);
    for (char *name = strtok(all.text, "\n"); name; name = strtok(NULL, "\n")) {
        if (strncmp(name, "ok ", 3)) {
            printf("FAIL %s\n", name);
            failures++;
            continue;
        }
        cases++;
        for (int way = 0; way < 4; way++)
            part(program, name + 3, way & 1 ? TINE_JIT_ON : TINE_JIT_OFF, way & 2);
    }
    return cases;
}

int main(int argc, char **argv)
{
    char path[PATH_MAX];
    const char *program = guest_program(path, argc > 1 ? argv[1] : NULL, "parted");

    setvbuf(stdout, NULL, _IOLBF, 0);
    if (!program) {
        printf("skipped machine_parted_test: no riscv64 program given\n");
        return 77;
    }
    int cases = each_case(program);
    if (mem_live()) {
        printf("FAIL %lld blocks are left\n", (long long)mem_live());
        failures++;
    }
    printf("%s machine_parted_test: %d cases, each in four ways, %d forks without memory\n",
           failures || !cases ? "FAIL" : "ok", cases, starved);
    return failures || !cases;
}
