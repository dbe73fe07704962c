// Two machines of a family have frames in common, those of a file that is mapped shared, and change them by
// atomic instructions on two threads at once: tests/guest/counters.c. The code was translated, and has run, while
// one machine had them alone, when atomics are plain instructions (jit/atomic.c); nothing may be lost all the same.
//
//     machine_atomics_test [PROGRAM]
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tine/tine.h>
#include <unistd.h>

#include "guests.h"

struct actor {
    struct tine_machine *machine;
    char letter; // 0: none yet
    struct tine_result result;
};

static int64_t give(void *context, void *to, size_t size)
{
    struct actor *a = context;

    if (!a->letter || !size)
        return -EAGAIN;
    *(char *)to = a->letter;
    return 1;
}

static int64_t show(void *context, const void *from, size_t size)
{
    (void)context;
    if (size >= 4 && !memcmp(from, "FAIL", 4))
        printf("%.*s", (int)size, (const char *)from);
    return (int64_t)size;
}

static struct tine_machine *start(const char *program, const char *option, const char *path, enum tine_jit jit,
                                  struct actor *a)
{
    struct tine_options o;
    struct tine_machine *m;
    char *argv[] = {(char *)program, (char *)(option ? option : path), option ? (char *)path : NULL, NULL};
    char *envp[] = {NULL};

    tine_options_init(&o);
    o.jit = jit;
    o.memory = 64 << 20;
    o.streams[0] = (struct tine_stream){.kind = TINE_STREAM_CALLS, .context = a, .read = give};
    o.streams[1] = o.streams[2] = (struct tine_stream){.kind = TINE_STREAM_CALLS, .context = a, .write = show};
    if (tine_machine_new(&m, &o) || tine_machine_start(m, program, argv, envp, NULL)) {
        printf("FAIL machine_atomics_test: cannot start %s\n", program);
        exit(1);
    }
    return m;
}

// On a busy host two threads would else rarely be at work at the same time.
static void stay_on_one(int which)
{
    cpu_set_t all, one;

    if (sched_getaffinity(0, sizeof all, &all) || CPU_COUNT(&all) < 2)
        return;
    CPU_ZERO(&one);
    for (int i = 0; i < CPU_SETSIZE; i++)
        if (CPU_ISSET(i, &all) && which-- == 0)
            CPU_SET(i, &one);
    sched_setaffinity(0, sizeof one, &one);
}

static void *act(void *actor)
{
    struct actor *a = actor;

    stay_on_one(a->letter == 'b');

    tine_machine_run(a->machine, &a->result);
    return NULL;
}

static bool ended_well(const struct actor *a)
{
    return a->result.end == TINE_EXITED && a->result.code == 0;
}

static bool two_at_once(const char *program, const char *path, enum tine_jit jit)
{
    struct actor a = {0}, b = {0};
    pthread_t id[2];
    struct tine_stream in = {.kind = TINE_STREAM_CALLS, .context = &b, .read = give};

    a.machine = start(program, NULL, path, jit, &a);
    tine_machine_run_for(a.machine, UINT64_MAX, TINE_RUN_NO_WAIT, &a.result); // to where it waits for its letter
    if (a.result.end != TINE_IDLE || tine_machine_fork(&b.machine, a.machine, 0) ||
        tine_machine_set_stream(b.machine, 0, &in))
        return false;
    a.letter = 'a';
    b.letter = 'b';
    if (pthread_create(&id[0], NULL, act, &a) || pthread_create(&id[1], NULL, act, &b))
        abort();
    pthread_join(id[0], NULL);
    pthread_join(id[1], NULL);
    tine_machine_free(a.machine);
    tine_machine_free(b.machine);
    return ended_well(&a) && ended_well(&b);
}

static bool all_is_there(const char *program, const char *path)
{
    struct actor a = {0};

    a.machine = start(program, "-v", path, TINE_JIT_ON, &a);
    tine_machine_run(a.machine, &a.result);
    tine_machine_free(a.machine);
    return ended_well(&a);
}

int main(int argc, char **argv)
{
    char path[PATH_MAX];
    const char *program = guest_program(path, argc > 1 ? argv[1] : NULL, "counters");
    int failures = 0;

    if (!program) {
        printf("skipped machine_atomics_test: no riscv64 program given\n");
        return 77;
    }
    for (int i = 0; i < 4; i++) {
        char file[] = "/tmp/tine-atomics-XXXXXX";
        int fd = mkstemp(file);
        enum tine_jit jit = i % 2 ? TINE_JIT_OFF : TINE_JIT_ON;

        if (fd < 0 || ftruncate(fd, 4096))
            abort();
        close(fd);
        bool good = two_at_once(program, file, jit) && all_is_there(program, file);
        unlink(file);
        failures += !good;
        printf("%s with the JIT %s\n", good ? "ok" : "FAIL machine_atomics_test", i % 2 ? "off" : "on");
    }
    return failures != 0;
}
