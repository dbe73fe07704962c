// The functions of tine.h on a machine and its copy: what is done to one by its handle, the other does not see.
//
//     machine_handle_test [SPIN]     tests/guest/spin.c; else from $TINE_TEST_GUESTS, or skipped
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tine/tine.h>
#include <unistd.h>

#include "base/alloc.h"
#include "guests.h"

static int failures;

#define CHECK(what)                                                                                \
    do {                                                                                           \
        if (!(what)) {                                                                             \
            printf("FAIL machine_handle_test:%d: %s\n", __LINE__, #what);                          \
            failures++;                                                                            \
        }                                                                                          \
    } while (0)

struct heard {
    int exited, reaped, status;
};

static void exited(void *context, int pid, int status)
{
    struct heard *h = context;

    (void)pid;
    h->exited++;
    h->status = status;
}

static void reaped(void *context, int pid, int status)
{
    (void)pid, (void)status;
    ((struct heard *)context)->reaped++;
}

static struct tine_machine *start(const char *program, const char *rounds, struct heard *h)
{
    struct tine_options o;
    struct tine_machine *m;
    char *argv[] = {(char *)program, (char *)rounds, NULL}, *envp[] = {NULL};

    tine_options_init(&o);
    o.memory = 64 << 20;
    o.virtual_time = true;
    o.slice = 10000;
    for (int i = 0; i < 3; i++)
        o.streams[i].kind = TINE_STREAM_NULL;
    o.callbacks = (struct tine_callbacks){.context = h, .exited = exited, .reaped = reaped};
    if (tine_machine_new(&m, &o) || tine_machine_start(m, program, argv, envp, NULL)) {
        printf("FAIL machine_handle_test: cannot start %s\n", program);
        exit(1);
    }
    return m;
}

static struct tine_machine *copy_of(struct tine_machine *m)
{
    struct tine_machine *copy = NULL;

    CHECK(tine_machine_fork(&copy, m, ~TINE_FORK_RESEED) == -EINVAL && !copy);
    CHECK(tine_machine_fork(&copy, m, 0) == 0);
    return copy;
}

// Two processes; one copy's are looked at, changed and killed.
static void processes(const char *program)
{
    struct heard first = {0}, second = {0};
    struct tine_machine *m = start(program, "100000", &first), *copy;
    char *argv[] = {(char *)program, "50000", NULL}, *envp[] = {NULL};
    struct tine_process a[8], b[8];
    struct tine_registers before, after;
    struct tine_result r;
    int pid = 0;
    uint64_t word = 0, other = 0x1122334455667788;

    tine_machine_run_for(m, 20000, 0, &r);
    CHECK(tine_machine_spawn(m, program, argv, envp, NULL, &pid) == 0 && pid == 3);
    copy = copy_of(m);
    tine_machine_set_callbacks(copy, &(struct tine_callbacks){.context = &second, .exited = exited, .reaped = reaped});
    CHECK(tine_machine_processes(m, a, 8) == 2 && tine_machine_processes(copy, b, 8) == 2);
    CHECK(memcmp(a, b, 2 * sizeof a[0]) == 0);
    CHECK(tine_machine_get_registers(m, 2, &before) == 0 && tine_machine_get_registers(copy, 2, &after) == 0);
    CHECK(memcmp(&before, &after, offsetof(struct tine_registers, fcsr)) == 0);
    CHECK(tine_machine_set_registers(copy, 3, &before) == 0);
    CHECK(tine_machine_get_registers(m, 3, &after) == 0 && after.pc != before.pc);
    CHECK(tine_machine_write(copy, 2, before.x[2] - 64, &other, 8) == 0);
    CHECK(tine_machine_read(m, 2, before.x[2] - 64, &word, 8) == 0 && word != other);
    CHECK(tine_machine_read(copy, 2, before.x[2] - 64, &word, 8) == 0 && word == other);
    CHECK(tine_machine_kill(copy, 3, SIGKILL) == 0 && tine_machine_kill(copy, 99, SIGKILL) == -ESRCH);
    CHECK(tine_machine_kill(copy, 2, SIGTERM) == 0);
    tine_machine_run(copy, &r);
    CHECK(r.end == TINE_SIGNALLED && r.code == SIGTERM);
    CHECK(second.exited >= 1 && first.exited == 0 && first.reaped == 0);
    tine_machine_free(copy);
    tine_machine_run(m, &r);
    CHECK(r.end == TINE_EXITED && r.code == 0);
    CHECK(first.exited == 2 && first.reaped >= 1);
    tine_machine_free(m);
}

static void *cancel(void *machine)
{
    usleep(3000);
    tine_machine_cancel(machine, true);
    return NULL;
}

// One handle is cancelled; its copies, made before and after, are not.
static void cancelled(const char *program)
{
    struct heard h = {0};
    struct tine_machine *m = start(program, "100000000000", &h), *before = copy_of(m), *after;
    struct tine_result r;
    pthread_t id;

    CHECK(pthread_create(&id, NULL, cancel, m) == 0);
    tine_machine_run(m, &r);
    pthread_join(id, NULL);
    CHECK(r.end == TINE_CANCELLED);
    after = copy_of(m);
    tine_machine_run(m, &r);
    CHECK(r.end == TINE_CANCELLED);
    tine_machine_run_for(before, 1000, 0, &r);
    CHECK(r.end == TINE_BUDGET_USED);
    tine_machine_run_for(after, 1000, 0, &r);
    CHECK(r.end == TINE_BUDGET_USED);
    tine_machine_cancel(m, false);
    tine_machine_run_for(m, 1000, 0, &r);
    CHECK(r.end == TINE_BUDGET_USED);
    tine_machine_signal(before, SIGINT);
    tine_machine_run(before, &r);
    CHECK(r.end == TINE_SIGNALLED && r.code == SIGINT);
    tine_machine_run_for(m, 1000, 0, &r);
    CHECK(r.end == TINE_BUDGET_USED);
    tine_machine_free(m);
    tine_machine_free(before);
    tine_machine_free(after);
}

static bool over;

static void *meddle(void *machine)
{
    while (!__atomic_load_n(&over, __ATOMIC_RELAXED)) {
        tine_machine_cancel(machine, true);
        tine_machine_signal(machine, SIGURG); // which nobody minds
        tine_machine_cancel(machine, false);
    }
    return NULL;
}

// Another thread has its say while the machine is copied (of interest to a thread sanitizer above all).
static void meddled_with(const char *program)
{
    struct heard h = {0};
    struct tine_machine *m = start(program, "100000000000", &h);
    struct tine_result r;
    pthread_t id;

    CHECK(pthread_create(&id, NULL, meddle, m) == 0);
    for (int i = 0; i < 300; i++) {
        struct tine_machine *copy = copy_of(m);
        tine_machine_run_for(copy, 100, 0, &r);
        CHECK(r.end == TINE_BUDGET_USED);
        tine_machine_free(copy);
        tine_machine_run_for(m, 100, 0, &r);
        CHECK(r.end == TINE_BUDGET_USED || r.end == TINE_CANCELLED);
    }
    __atomic_store_n(&over, true, __ATOMIC_RELAXED);
    pthread_join(id, NULL);
    tine_machine_free(m);
}

// Copies of copies, fifty deep: the middle ones are freed first, then each of the others ends alike.
static void deep(const char *program)
{
    enum { DEPTH = 50 };
    struct heard h = {0};
    struct tine_machine *m[DEPTH + 1];
    struct tine_result r;

    m[0] = start(program, "20000", &h);
    for (int i = 1; i <= DEPTH; i++) {
        tine_machine_run_for(m[i - 1], 700, 0, &r);
        m[i] = copy_of(m[i - 1]);
    }
    for (int i = 1; i < DEPTH; i += 2)
        tine_machine_free(m[i]);
    for (int i = DEPTH; i >= 0; i -= 2) {
        tine_machine_run(m[i], &r);
        CHECK(r.end == TINE_EXITED && r.code == 0);
        tine_machine_free(m[i]);
    }
}

int main(int argc, char **argv)
{
    char path[PATH_MAX];
    const char *program = guest_program(path, argc > 1 ? argv[1] : NULL, "spin");

    if (!program) {
        printf("skipped machine_handle_test: no riscv64 program given\n");
        return 77;
    }
    processes(program);
    cancelled(program);
    meddled_with(program);
    deep(program);
    CHECK(mem_live() == 0);
    printf("%s machine_handle_test\n", failures ? "FAIL" : "ok");
    return failures != 0;
}
