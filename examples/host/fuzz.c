// fuzz PROGRAM SEED COUNT: forks a machine that waits for its input, COUNT times, each time with another
// mutation of SEED, and says which inputs end the program with a signal.
//
//     cc fuzz.c $(pkg-config --cflags --libs tine) -o fuzz
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <tine/tine.h>

#define INPUT_MOST 256
#define INSTRUCTIONS_MOST 10000000 // for one input; what takes longer hangs

struct input {
    char bytes[INPUT_MOST];
    size_t length, at;
    int known;
};

static int64_t give(void *context, void *to, size_t size)
{
    struct input *in = context;

    if (!in->known)
        return -EAGAIN;
    size_t left = in->length - in->at, n = left < size ? left : size;
    memcpy(to, in->bytes + in->at, n);
    in->at += n;
    return (int64_t)n;
}

static void mutate(struct input *in, const char *seed)
{
    *in = (struct input){.length = strlen(seed) < INPUT_MOST ? strlen(seed) : INPUT_MOST, .known = 1};
    memcpy(in->bytes, seed, in->length);
    for (int n = rand() % 3; n >= 0 && in->length; n--)
        in->bytes[(size_t)rand() % in->length] ^= (char)(1 << rand() % 7);
}

int main(int argc, char **argv)
{
    struct input in = {0};
    struct tine_options options;
    struct tine_machine *machine;
    struct tine_result result;
    char *program[] = {argv[1], NULL}, *environment[] = {NULL};
    struct timespec begin, end;
    int count = argc > 3 ? atoi(argv[3]) : 0, crashes = 0, hangs = 0;

    if (argc < 4)
        return 2;
    tine_options_init(&options);
    options.streams[0] = (struct tine_stream){.kind = TINE_STREAM_CALLS, .read = give, .context = &in};
    options.streams[1].kind = options.streams[2].kind = TINE_STREAM_NULL;
    if (tine_machine_new(&machine, &options) < 0)
        return 1;
    if (tine_machine_start(machine, argv[1], program, environment, NULL) < 0)
        return 1;
    tine_machine_run(machine, &result); // up to the first read
    if (result.end != TINE_IDLE)
        return 1;

    clock_gettime(CLOCK_MONOTONIC, &begin);
    for (int i = 0; i < count; i++) {
        struct tine_machine *one;

        if (tine_machine_fork(&one, machine, 0) < 0)
            return 1;
        mutate(&in, argv[2]);
        tine_machine_run_for(one, INSTRUCTIONS_MOST, 0, &result);
        hangs += result.end == TINE_BUDGET_USED;
        if (result.end == TINE_SIGNALLED && crashes++ < 5)
            printf("signal %d: %.*s\n", result.code, (int)in.length, in.bytes);
        tine_machine_free(one);
    }
    clock_gettime(CLOCK_MONOTONIC, &end);
    double seconds = (double)(end.tv_sec - begin.tv_sec) + (double)(end.tv_nsec - begin.tv_nsec) / 1e9;
    printf("%d inputs, %d crashes, %d hangs, %.1f us each\n", count, crashes, hangs,
           seconds * 1e6 / (count ? count : 1));
    tine_machine_free(machine);
    return 0;
}
