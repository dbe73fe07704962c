// A program that forks, writes and maps is killed with SIGKILL at random instants: each time, the counts of all
// nodes and frames are what the address spaces that are left account for (mm/check.h), and with the machine the
// rest goes. The machines are forks of one, so that what they share is checked as well. With and without the JIT.
//
//     machine_kill_test [GUEST [KILLS]]     a riscv64 program; without one, some of $TINE_TEST_GUESTS
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/panic.h"
#include "jit/jit.h"
#include "kernel/control.h"
#include "kernel/machine.h"
#include "mm/check.h"
#include "mm/pagetable.h"
#include "guests.h"

#define MMS_MOST 4096

static struct mm *mms[MMS_MOST];
static u32 nmms;

// Address spaces, each once.
static void collect(struct machine *m)
{
    for (u32 id = pool_next(&m->tasks, 0); id; id = pool_next(&m->tasks, id)) {
        struct mm *mm = task_at(m, id)->mm;
        bool known = !mm;
        for (u32 i = 0; i < nmms && !known; i++)
            known = mms[i] == mm;
        if (!known) {
            ASSERT(nmms < MMS_MOST);
            mms[nmms++] = mm;
        }
    }
}

static void check(struct machine *a, struct machine *b)
{
    nmms = 0;
    collect(a);
    collect(b);
    (void)node_reap(a->store, ~0u);
    mm_check(a->store, mms, nmms);
}

static void kill_at(struct machine *base, u64 instant)
{
    struct machine *m;
    ASSERT(machine_fork(base, false, &m) == 0);
    enum run_end end = machine_run(m, instant, true);
    check(base, m);
    if (end == RUN_BUDGET) {
        u32 pid = group_at(m, m->main_group)->pid;
        ASSERT(machine_kill(m, pid, G_SIGKILL) == 0);
        ASSERT(machine_run(m, ~0ULL, true) == RUN_ENDED);
        ASSERT((m->exit_status & 0x7f) == G_SIGKILL);
        check(base, m);
    }
    machine_free(m);
}

// That many kills of one program; how many instructions it has.
static u64 kills_of(const char *program, const struct engine *engine, int kills)
{
    static u64 x = 88172645463325252ULL;
    struct machine_options o = {.memory = 256 << 20, .seed = 1, .virtual_time = true, .engine = engine,
                                .fs.borrowed = true};
    struct machine *base, *whole;
    char *args[] = {(char *)program, NULL}, *envp[] = {NULL};
    ASSERT(machine_new(&base, &o) == 0);
    for (int i = 0; i < 3; i++)
        base->stream[i].kind = STREAM_NULL;
    ASSERT(machine_start(base, program, args, envp, NULL) == 0);
    ASSERT(machine_fork(base, false, &whole) == 0);
    ASSERT(machine_run(whole, ~0ULL, true) == RUN_ENDED);
    u64 length = machine_retired(whole);
    machine_free(whole);
    for (int i = 0; i < kills; i++) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        kill_at(base, x % length);
    }
    machine_free(base);
    ASSERT(mem_live() == 0);
    return length;
}

int main(int argc, char **argv)
{
    static const char *const names[] = {"smoke", "parted", "tree"};
    int kills = argc > 2 ? atoi(argv[2]) : getenv("TINE_TEST_LONG") ? 1000 : 100, programs = 0;
    u64 length = 0;
    for (u32 i = 0; i < (argc > 1 ? 1 : ARRAY_LEN(names)); i++) {
        char path[PATH_MAX];
        const char *program = guest_program(path, argc > 1 ? argv[1] : NULL, names[i]);
        if (!program)
            continue;
        length += kills_of(program, NULL, kills / 2);
        length += kills_of(program, &jit_engine, kills - kills / 2);
        programs++;
    }
    if (!programs) {
        printf("skipped machine_kill_test: no riscv64 program given\n");
        return 77;
    }
    printf("ok machine_kill_test: %d programs, %d instants each of %lu instructions in all\n", programs, kills,
           (unsigned long)length);
    return 0;
}
