// A tree of ten guest processes (tests/guest/tree.c) is copied in mid-flight again and again, copies of
// copies included: every machine ends with the right sums.
//
//     machine_fork_test [GUEST [FORKS]]     a riscv64 program; without one, the test is skipped
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tine/tine.h>
#include <unistd.h>

#include "base/alloc.h"
#include "guests.h"

#define LIVE_MOST 24

static enum tine_jit engine = TINE_JIT_DEFAULT;

static _Thread_local uint64_t random_state = 88172645463325252ULL;

static uint64_t random_number(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state;
}

static void fail(const char *what, long a, long b)
{
    fprintf(stderr, "FAIL machine_fork_test: %s (%ld, %ld)\n", what, a, b);
    exit(1);
}

static struct tine_machine *start(const char *program, bool virtual_time)
{
    struct tine_options o;
    struct tine_machine *m;
    char *argv[] = {(char *)program, "12", NULL}, *envp[] = {NULL};

    tine_options_init(&o);
    o.memory = 256 << 20;
    o.seed = 1;
    o.jit = engine;
    o.jit_memory = 128 << 10; // its parts are used again, while others run
    o.virtual_time = virtual_time;
    if (tine_machine_new(&m, &o) < 0 || tine_machine_start(m, program, argv, envp, NULL) < 0)
        fail("start", 0, 0);
    return m;
}

static void must_end_well(struct tine_machine *m)
{
    struct tine_result r;

    tine_machine_run(m, &r);
    if (r.end != TINE_EXITED || r.code != 0)
        fail("a machine ended badly", r.end, r.code);
    tine_machine_free(m);
}

// Machines are run for random pieces, forked and freed in random order, all of them from `first`.
static void crowd(struct tine_machine *first, int forks)
{
    struct tine_machine *live[LIVE_MOST];
    struct tine_result r;
    int n = 0, made = 0;

    live[n++] = first;
    while (n > 0) {
        int i = (int)(random_number() % (uint64_t)n);
        if (made < forks && n < LIVE_MOST && (n == 1 || random_number() % 3)) {
            int err = tine_machine_fork(&live[n], live[i], 0);
            if (err)
                fail("fork", err, made);
            n++;
            made++;
        }
        uint64_t piece = random_number() % 5 ? random_number() % 200000 : random_number() % 5000;
        tine_machine_run_for(live[i], piece, 0, &r);
        if (r.end == TINE_BUDGET_USED && (n == 1 ? made < forks : random_number() % 40 != 0))
            continue;
        if (r.end == TINE_BUDGET_USED && random_number() % 4)
            must_end_well(live[i]);
        else if (r.end != TINE_BUDGET_USED && (r.end != TINE_EXITED || r.code != 0))
            fail("a copy ended badly", r.end, r.code);
        else
            tine_machine_free(live[i]); // ended, or in the middle of it
        live[i] = live[--n];
    }
}

// Each allocation of a fork fails once: there is no copy then, and the original goes on as if nothing
// had been.
static int failures(const char *program)
{
    struct tine_machine *m = start(program, true), *copy;
    struct tine_result r;
    u64 live;
    int n, err = -1;

    tine_machine_run_for(m, 400000, 0, &r);
    if (tine_machine_fork(&copy, m, 0)) // what is made once for all forks is there after the first
        fail("fork", 0, 0);
    tine_machine_free(copy);
    for (n = 1; err; n++) {
        live = mem_live();
        mem_fail_at((u64)n);
        err = tine_machine_fork(&copy, m, 0);
        mem_fail_at(0);
        if (err && err != -12)
            fail("a fork without memory answers", err, n);
        if (err && mem_live() > live + 2) // page-table nodes come in blocks
            fail("a failed fork leaves blocks", (long)(mem_live() - live), n);
        tine_machine_run_for(m, 1000, 0, &r);
    }
    must_end_well(copy);
    must_end_well(m);
    return n - 1;
}

// ---- two host threads ----------------------------------------------------------------------------

struct share {
    struct tine_machine *first;
    int forks;
    uint64_t seed;
    i64 blocks; // allocated here and freed elsewhere, or the other way round
};

static void *thread(void *argument)
{
    struct share *s = argument;

    random_state = s->seed;
    crowd(s->first, s->forks);
    s->blocks = (i64)mem_live();
    return NULL;
}

// ---- a machine that computes does not hold the others up ------------------------------------------

#define SPIN_INSTRUCTIONS 200000000u

static void *spin(void *argument)
{
    struct spinner { struct tine_machine *machine; int state; } *s = argument;
    struct tine_result r;

    __atomic_store_n(&s->state, 1, __ATOMIC_SEQ_CST);
    tine_machine_run_for(s->machine, SPIN_INSTRUCTIONS, 0, &r);
    __atomic_store_n(&s->state, 2, __ATOMIC_SEQ_CST);
    if (r.end != TINE_BUDGET_USED)
        fail("a program that was to spin ended", r.end, r.code);
    return NULL;
}

// One thread is in the middle of a slice that never ends; its sibling can be used.
static void not_held_up(const char *program)
{
    struct { struct tine_machine *machine; int state; } s = {0};
    char *argv[] = {(char *)program, "100000000000", NULL}, *envp[] = {NULL};
    struct tine_machine *sibling;
    struct tine_process few[4];
    struct tine_options o;
    pthread_t id;

    tine_options_init(&o);
    o.jit = TINE_JIT_OFF; // takes a second for that
    o.memory = 64 << 20;
    o.slice = 1ull << 60;
    if (tine_machine_new(&s.machine, &o) || tine_machine_start(s.machine, program, argv, envp, NULL) ||
        tine_machine_fork(&sibling, s.machine, 0))
        fail("start", 0, 0);
    if (pthread_create(&id, NULL, spin, &s))
        fail("pthread_create", 0, 0);
    while (!__atomic_load_n(&s.state, __ATOMIC_SEQ_CST))
        usleep(1000);
    for (int i = 0; i < 20; i++) {
        if (tine_machine_processes(sibling, few, 4) != 1)
            fail("processes", 0, 0);
        if (__atomic_load_n(&s.state, __ATOMIC_SEQ_CST) != 1)
            fail("a machine waited for another one's slice to end", i, 0);
        usleep(1000);
    }
    pthread_join(id, NULL);
    tine_machine_free(s.machine);
    tine_machine_free(sibling);
}

// One family of machines on two threads.
static void crowds(const char *program, int forks, bool virtual_time)
{
    struct share share[2] = {{.forks = forks / 2, .seed = 7777777}, {.forks = forks / 2, .seed = 123456789}};
    pthread_t id[2];
    struct tine_result r;
    i64 before = (i64)mem_live();

    share[0].first = start(program, virtual_time);
    tine_machine_run_for(share[0].first, 300000, 0, &r);
    if (tine_machine_fork(&share[1].first, share[0].first, 0))
        fail("fork", 0, 0);
    for (int i = 0; i < 2; i++)
        if (pthread_create(&id[i], NULL, thread, &share[i]))
            fail("pthread_create", 0, 0);
    for (int i = 0; i < 2; i++)
        pthread_join(id[i], NULL);
    if ((i64)mem_live() - before + share[0].blocks + share[1].blocks)
        fail("blocks are left", (long)mem_live() - before, share[0].blocks + share[1].blocks);
}

int main(int argc, char **argv)
{
    const char *program = argc > 1 ? argv[1] : getenv("TINE_TEST_TREE");
    bool longer = getenv("TINE_TEST_LONG") != NULL;
    int forks = argc > 2 ? atoi(argv[2]) : longer ? 1000 : 150;

    if (!program || access(program, X_OK)) {
        printf("skipped machine_fork_test: no riscv64 program given\n");
        return 77;
    }
    int out = dup(1), null = open("/dev/null", O_RDWR);
    dup2(null, 1);
    int failed = failures(program);
    crowd(start(program, true), forks);
    crowd(start(program, false), forks);
    if (mem_live())
        fail("blocks are left", (long)mem_live(), 0);
    dup2(null, 1);
    crowds(program, forks, true);
    crowds(program, forks, false);
    engine = TINE_JIT_OFF; // the interpreter runs without the lock, too
    crowds(program, forks, false);
    engine = TINE_JIT_DEFAULT;
    char path[PATH_MAX];
    const char *spin = guest_program(path, NULL, "spin");
    if (spin)
        not_held_up(spin);
    dup2(out, 1);
    printf("ok machine_fork_test: %d forks, %d that failed\n", 5 * forks, failed);
    return 0;
}
