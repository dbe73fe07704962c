// A program that forks, writes and maps is killed with SIGKILL at random instants: each time, the counts of all
// nodes and frames are what the address spaces that are left account for (mm/check.h), and with the machine the
// rest goes. The machines are forks of one, so that what they share is checked as well.
//
//     machine_kill_test [GUEST [KILLS]]     a riscv64 program; without one, the test is skipped
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/panic.h"
#include "kernel/control.h"
#include "kernel/machine.h"
#include "mm/check.h"
#include "mm/pagetable.h"

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

int main(int argc, char **argv)
{
    const char *program = argc > 1 ? argv[1] : getenv("TINE_TEST_GUEST");
    bool longer = getenv("TINE_TEST_LONG") != NULL;
    int kills = argc > 2 ? atoi(argv[2]) : longer ? 1000 : 200;
    struct machine_options o = {.memory = 64 << 20, .seed = 1, .virtual_time = true, .fs.borrowed = true};
    struct machine *base, *whole;
    char *args[] = {(char *)program, NULL}, *envp[] = {NULL};
    u64 x = 88172645463325252ULL;
    if (!program || access(program, X_OK)) {
        printf("skipped machine_kill_test: no riscv64 program given\n");
        return 77;
    }
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
    printf("ok machine_kill_test: %d instants of %lu instructions\n", kills, (unsigned long)length);
    return 0;
}
