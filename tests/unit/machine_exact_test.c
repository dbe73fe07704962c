// A copy of a machine is exact: guest programs (tests/guest) are copied at random instants, and original
// and copy both end as a machine does that was never copied: the same output, the same status, the same
// number of instructions, the same time, the same random numbers. With and without the JIT.
//
//     machine_exact_test [-n INSTANTS] [-s SEED] [-v] GUEST...
//
// Without programs, those of $TINE_TEST_GUESTS that need nothing of the host's that lasts. Their /tmp is a
// file system in the machine's memory, of which a copy has its own: a file of the host is there once for
// both.
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tine/tine.h>
#include <unistd.h>

#include "base/alloc.h"
#include "kernel/machine.h"

// A program, and the cases of it to be left out.
static const char *const usual[] = {
    "atomics", "clone_flags", "counters", "cow", "cow_mappings", "cow_regress", "credentials",
    "epoll -host_sockets", "exec", "files", "fork", "futex", "futex_pi", "inotify", "jit_smc",
    "jobs", "locks", "memory", "memory_file", "memory_locks", "mount", "mqueue", "pidfd", "pipes", "proc",
    "proc_mem -which_pages_are_there", "proc_more", "ptrace", "signals", "signals_fault", "signals_more",
    "sockets", "splice", "sysv_ipc", "threads", "timers", "tty", "vdso", "vfork", "vfork_clone", "wait",
};

struct outcome {
    struct tine_result result;
    char text[1 << 16];
    size_t length;
    uint64_t instructions, syscalls, forks;
    uint64_t time;      // of the machine, at its end
    uint64_t random[2]; // the state of its random numbers
};

static uint64_t random_state = 88172645463325252ULL;
static int failures;
static bool verbose;

static uint64_t random_number(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state;
}

static int64_t collect(void *context, const void *from, size_t size)
{
    struct outcome *o = context;
    size_t n = size < sizeof o->text - o->length ? size : sizeof o->text - o->length;

    memcpy(o->text + o->length, from, n);
    o->length += n;
    return (int64_t)size;
}

static void hear(struct tine_machine *m, struct outcome *o)
{
    struct tine_stream out = {.kind = TINE_STREAM_CALLS, .context = o, .write = collect};

    if (tine_machine_set_stream(m, 1, &out) || tine_machine_set_stream(m, 2, &out))
        abort();
}

static struct tine_machine *start(const char *program, enum tine_jit jit, struct outcome *o)
{
    struct tine_options options;
    struct tine_machine *m;
    char words[4096], home[PATH_MAX], *argv[8] = {words}, *envp[] = {NULL};
    struct tine_stream out = {.kind = TINE_STREAM_CALLS, .context = o, .write = collect};

    snprintf(words, sizeof words, "%s", program);
    for (char *p = words, **next = argv + 1; (p = strchr(p, ' ')); *next++ = p)
        *p++ = 0;
    tine_options_init(&options);
    options.memory = 512 << 20;
    options.seed = 7;
    options.jit = jit;
    options.virtual_time = true;
    options.order = TINE_ORDER_RANDOM;
    options.tmpfses[options.ntmpfses++].guest = "/tmp";
    if (!realpath(words, home)) {
        perror(words);
        exit(1);
    }
    *strrchr(home, '/') = 0; // the programs' directory may lie in the host's /tmp
    options.binds[options.nbinds++] = (struct tine_bind){.host = home, .guest = home};
    options.streams[0].kind = TINE_STREAM_NULL;
    options.streams[1] = options.streams[2] = out;
    if (tine_machine_new(&m, &options) < 0 || tine_machine_start(m, words, argv, envp, NULL) < 0) {
        fprintf(stderr, "FAIL machine_exact_test: cannot start %s\n", program);
        exit(1);
    }
    memset(o, 0, sizeof *o);
    return m;
}

static uint64_t counter(struct tine_machine *m, const char *name)
{
    for (size_t i = 0; i < tine_counter_count(); i++)
        if (!strcmp(tine_counter_name(i), name))
            return tine_machine_counter(m, i);
    abort();
}

// The library's handle begins with it.
static struct machine *inner(struct tine_machine *m)
{
    return *(struct machine **)m;
}

static void note(struct tine_machine *m, struct outcome *o)
{
    o->instructions = counter(m, "instructions");
    o->syscalls = counter(m, "syscalls");
    o->forks = counter(m, "forks");
    o->time = machine_time(inner(m));
    memcpy(o->random, inner(m)->rng, sizeof o->random);
}

static void finish(struct tine_machine *m, struct outcome *o)
{
    tine_machine_run(m, &o->result);
    note(m, o);
    tine_machine_free(m);
}

static bool same(const struct outcome *a, const struct outcome *b)
{
    return a->result.end == b->result.end && a->result.code == b->result.code && a->length == b->length &&
           !memcmp(a->text, b->text, a->length) && a->instructions == b->instructions &&
           a->syscalls == b->syscalls && a->forks == b->forks && a->time == b->time &&
           !memcmp(a->random, b->random, sizeof a->random);
}

static void tell(const char *who, const struct outcome *o)
{
    printf("    %s: end %d, code %d, %llu instructions, %llu calls, %llu forks, time %llu, random %llx\n", who,
           (int)o->result.end, o->result.code, (unsigned long long)o->instructions,
           (unsigned long long)o->syscalls, (unsigned long long)o->forks, (unsigned long long)o->time,
           (unsigned long long)o->random[0]);
    for (const char *line = o->text, *end; line < o->text + o->length; line = end + 1) {
        end = memchr(line, '\n', (size_t)(o->text + o->length - line));
        end = end ? end : o->text + o->length;
        if (strncmp(line, "ok ", 3))
            printf("        %.*s\n", (int)(end - line), line);
    }
}

static void must_be_same(const char *program, const char *what, uint64_t at, const struct outcome *a,
                         const struct outcome *b)
{
    if (same(a, b))
        return;
    failures++;
    printf("FAIL %s: %s, copied after %llu instructions, ends otherwise\n", program, what, (unsigned long long)at);
    tell("never copied", a);
    tell(what, b);
}

// One instant: original and copy go on in turns of random length, or one after the other.
static void instant(const char *program, enum tine_jit jit, uint64_t at, const struct outcome *reference)
{
    static struct outcome first, second;
    struct tine_result r;
    struct tine_machine *m = start(program, jit, &first), *copy;
    bool turns = random_number() & 1;

    tine_machine_run_for(m, at, 0, &r);
    int err = tine_machine_fork(&copy, m, 0);
    if (err) {
        failures++;
        printf("FAIL %s: fork after %llu instructions: %d\n", program, (unsigned long long)at, err);
        tine_machine_free(m);
        return;
    }
    second = first;
    hear(copy, &second);
    while (turns && r.end == TINE_BUDGET_USED) {
        struct tine_machine *one = random_number() & 1 ? copy : m;
        tine_machine_run_for(one, random_number() % 300000, 0, &r);
    }
    if (random_number() & 1) {
        finish(m, &first);
        finish(copy, &second);
    } else {
        finish(copy, &second);
        finish(m, &first);
    }
    must_be_same(program, "the original", at, reference, &first);
    must_be_same(program, "the copy", at, reference, &second);
}

// A copy that is seeded anew draws other numbers, and another such copy others again.
static void reseeded(const char *program)
{
    static struct outcome o, unused;
    struct tine_machine *m = start(program, TINE_JIT_DEFAULT, &o), *copy[3];
    struct tine_result r;

    tine_machine_run_for(m, 1000, 0, &r);
    for (int i = 0; i < 3; i++) {
        if (tine_machine_fork(&copy[i], m, i ? TINE_FORK_RESEED : 0))
            abort();
        hear(copy[i], &unused);
    }
    if (memcmp(inner(copy[0])->rng, inner(m)->rng, sizeof o.random) ||
        !memcmp(inner(copy[1])->rng, inner(m)->rng, sizeof o.random) ||
        !memcmp(inner(copy[2])->rng, inner(m)->rng, sizeof o.random) ||
        !memcmp(inner(copy[2])->rng, inner(copy[1])->rng, sizeof o.random)) {
        printf("FAIL TINE_FORK_RESEED, and nothing else, makes other random numbers\n");
        failures++;
    }
    for (int i = 0; i < 3; i++)
        tine_machine_free(copy[i]);
    tine_machine_free(m);
}

// Whether the program is its own only master: two runs of it are one.
static bool try_program(const char *program, int instants)
{
    static struct outcome reference, again;
    bool any = false;

    for (int jit = 0; jit < 2; jit++) {
        enum tine_jit engine = jit ? TINE_JIT_ON : TINE_JIT_OFF;
        finish(start(program, engine, &reference), &reference);
        finish(start(program, engine, &again), &again);
        if (!same(&reference, &again)) {
            printf("%s: two runs are not one (jit %d)\n", program, jit);
            if (verbose)
                tell("one", &reference), tell("two", &again);
            return false;
        }
        for (int i = 0; i < instants; i++)
            instant(program, engine, random_number() % (reference.instructions + 1), &reference);
        any = true;
        if (verbose)
            printf("%s: jit %d, %llu instructions\n", program, jit, (unsigned long long)reference.instructions);
    }
    return any;
}

int main(int argc, char **argv)
{
    const char *directory = getenv("TINE_TEST_GUESTS");
    int instants = getenv("TINE_TEST_LONG") ? 40 : 2, programs = 0, option;

    setvbuf(stdout, NULL, _IOLBF, 0);
    while ((option = getopt(argc, argv, "n:s:v")) > 0) {
        if (option == 'n')
            instants = atoi(optarg);
        else if (option == 's')
            random_state ^= strtoull(optarg, NULL, 0) * 0x9e3779b97f4a7c15ULL;
        else
            verbose = true;
    }
    for (int i = optind; i < argc; i++)
        programs += try_program(argv[i], instants);
    for (size_t i = 0; optind == argc && directory && i < sizeof usual / sizeof *usual; i++) {
        char path[4096];
        snprintf(path, sizeof path, "%s/%s", directory, usual[i]);
        programs += try_program(path, instants);
    }
    if (!programs && !failures) {
        printf("skipped machine_exact_test: no riscv64 programs given\n");
        return 77;
    }
    if (optind < argc || directory) {
        char path[4096];
        snprintf(path, sizeof path, "%s/%s", directory ? directory : "", "smoke");
        reseeded(optind < argc ? argv[optind] : path);
    }
    if (mem_live()) {
        printf("FAIL %lld blocks are left\n", (long long)mem_live());
        failures++;
    }
    printf("%s machine_exact_test: %d programs, %d instants each, with the JIT and without\n",
           failures ? "FAIL" : "ok", programs, instants);
    return failures != 0;
}
