// branch PROGRAM INPUT...: runs a riscv64 program until it wants input, forks the whole machine for
// each INPUT, and shows where each one leads. What the program did before is done once.
//
//     cc branch.c $(pkg-config --cflags --libs tine) -o branch
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <tine/tine.h>

struct input {
    const char *text; // NULL: not known yet
    size_t at;
};

static int64_t give(void *context, void *to, size_t size)
{
    struct input *in = context;

    if (!in->text)
        return -EAGAIN; // the program waits, and the run ends with TINE_IDLE
    size_t left = strlen(in->text) - in->at, n = left < size ? left : size;
    memcpy(to, in->text + in->at, n);
    in->at += n;
    return (int64_t)n;
}

static int64_t show(void *context, const void *bytes, size_t size)
{
    printf("%s%.*s", (const char *)context, (int)size, (const char *)bytes);
    return (int64_t)size;
}

static uint64_t instructions(const struct tine_machine *machine)
{
    for (size_t i = 0; i < tine_counter_count(); i++)
        if (strcmp(tine_counter_name(i), "instructions") == 0)
            return tine_machine_counter(machine, i);
    return 0;
}

int main(int argc, char **argv)
{
    struct input none = {0};
    struct tine_options options;
    struct tine_machine *machine;
    struct tine_result result;
    char *program[] = {argv[1], NULL}, *environment[] = {NULL};

    if (argc < 3)
        return 2;
    tine_options_init(&options);
    options.virtual_time = true; // so that a branch does the same whenever it is taken
    options.streams[0] = (struct tine_stream){.kind = TINE_STREAM_CALLS, .read = give, .context = &none};
    options.streams[1] = (struct tine_stream){.kind = TINE_STREAM_CALLS, .write = show, .context = ""};
    if (tine_machine_new(&machine, &options) < 0)
        return 1;
    if (tine_machine_start(machine, argv[1], program, environment, NULL) < 0) {
        tine_machine_free(machine);
        return 1;
    }
    tine_machine_run(machine, &result);
    printf("\n%s after %" PRIu64 " instructions\n",
           result.end == TINE_IDLE ? "wants input" : "ended", instructions(machine));

    for (int i = 2; result.end == TINE_IDLE && i < argc; i++) {
        struct input in = {.text = argv[i]};
        struct tine_stream from = {.kind = TINE_STREAM_CALLS, .read = give, .context = &in};
        struct tine_stream to = {.kind = TINE_STREAM_CALLS, .write = show, .context = "  "};
        struct tine_machine *branch;
        struct tine_result end;

        if (tine_machine_fork(&branch, machine, 0) < 0)
            break;
        tine_machine_set_stream(branch, 0, &from);
        tine_machine_set_stream(branch, 1, &to);
        printf("%s:\n", argv[i]);
        tine_machine_run(branch, &end);
        printf("  -> %s %d, %" PRIu64 " instructions of its own\n",
               end.end == TINE_EXITED ? "exit" : "signal", end.code,
               instructions(branch) - instructions(machine));
        tine_machine_free(branch);
    }
    tine_machine_free(machine);
    return 0;
}
