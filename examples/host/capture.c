// capture PROGRAM [ARGUMENT...]: runs a riscv64 program and keeps what it writes.
//
//     cc capture.c $(pkg-config --cflags --libs tine) -o capture
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tine/tine.h>

struct text {
    char *bytes;
    size_t length;
};

// The guest's write(2) ends here. What is answered, write answers.
static int64_t keep(void *context, const void *bytes, size_t size)
{
    struct text *t = context;
    char *more = realloc(t->bytes, t->length + size + 1);

    if (!more)
        return -ENOMEM;
    t->bytes = more;
    memcpy(t->bytes + t->length, bytes, size);
    t->length += size;
    t->bytes[t->length] = 0;
    return (int64_t)size;
}

int main(int argc, char **argv)
{
    struct text out = {0}, err = {0};
    struct tine_options options;
    struct tine_machine *machine;
    struct tine_result result;
    char *environment[] = {"PATH=/usr/bin:/bin", NULL};

    if (argc < 2)
        return 2;
    tine_options_init(&options);
    options.memory = 256u << 20;
    options.streams[0].kind = TINE_STREAM_NULL;
    options.streams[1] = (struct tine_stream){.kind = TINE_STREAM_CALLS, .write = keep, .context = &out};
    options.streams[2] = (struct tine_stream){.kind = TINE_STREAM_CALLS, .write = keep, .context = &err};

    int error = tine_machine_new(&machine, &options);
    if (error < 0) {
        fprintf(stderr, "no machine: %s\n", strerror(-error));
        return 1;
    }
    error = tine_machine_start(machine, argv[1], argv + 1, environment, NULL);
    if (error < 0) {
        const char *why = tine_machine_error(machine);

        fprintf(stderr, "%s: %s\n", argv[1], why ? why : strerror(-error));
        tine_machine_free(machine);
        return 1;
    }
    tine_machine_run(machine, &result);
    tine_machine_free(machine);

    printf("%s %d\n", result.end == TINE_EXITED ? "exited" : "ended", result.code);
    printf("stdout, %zu bytes: %s\n", out.length, out.bytes ? out.bytes : "");
    printf("stderr, %zu bytes: %s\n", err.length, err.bytes ? err.bytes : "");
    free(out.bytes);
    free(err.bytes);
    return 0;
}
