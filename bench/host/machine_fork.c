// machine_fork COUNT GUEST ARGUMENT...: forks the machine in which GUEST waits for input: microseconds (medians)
// of a fork, of a fork that reads its input, ends and is freed, and of COUNT forks that all live.
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <tine/tine.h>
#include <unistd.h>

#define ROUNDS 301

static int has_input;

static int64_t give(void *context, void *to, size_t size)
{
    (void)context, (void)size;
    *(char *)to = 'x';
    return has_input ? 1 : -EAGAIN;
}

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static int compare(const void *a, const void *b)
{
    return (*(const double *)a > *(const double *)b) - (*(const double *)a < *(const double *)b);
}

static double median(double *v, int n)
{
    qsort(v, (size_t)n, sizeof *v, compare);
    return v[n / 2];
}

static long resident(void)
{
    long size = 0, pages = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    if (!f || fscanf(f, "%ld %ld", &size, &pages) != 2)
        pages = 0;
    if (f)
        fclose(f);
    return pages * 4096;
}

static struct tine_machine *fork_of(struct tine_machine *m)
{
    struct tine_machine *copy;
    if (tine_machine_fork(&copy, m, 0))
        exit(1);
    return copy;
}

static void all_live(struct tine_machine *m, int count)
{
    struct tine_machine **live = calloc((size_t)count, sizeof *live);
    double *each = calloc((size_t)count, sizeof *each);
    int tenth = count / 10;
    if (!live || !each)
        exit(1);
    long before = resident();
    for (int i = 0; i < count; i++) {
        double begin = now();
        live[i] = fork_of(m);
        each[i] = now() - begin;
    }
    printf("bytes_each %.0f\n", (double)(resident() - before) / count);
    double first = median(each, tenth), last = median(each + count - tenth, tenth);
    printf("live_first %.3f\nlive_last %.3f\n", first, last);
    for (int i = 0; i < count; i++)
        tine_machine_free(live[i]);
    free(live);
    free(each);
}

int main(int argc, char **argv)
{
    struct tine_options o;
    struct tine_machine *m;
    struct tine_result r;
    char *environment[] = {NULL};
    static double fork_us[ROUNDS], whole_us[ROUNDS];
    if (argc < 4)
        return 2;
    tine_options_init(&o);
    o.streams[0] = (struct tine_stream){.kind = TINE_STREAM_CALLS, .read = give};
    if (tine_machine_new(&m, &o) || tine_machine_start(m, argv[2], argv + 2, environment, NULL))
        return 1;
    tine_machine_run(m, &r);
    if (r.end != TINE_IDLE)
        return 1;
    for (int i = 0; i < ROUNDS; i++) {
        double begin = now();
        struct tine_machine *copy = fork_of(m);
        fork_us[i] = now() - begin;
        tine_machine_free(copy);
    }
    has_input = 1;
    for (int i = 0; i < ROUNDS; i++) {
        double begin = now();
        struct tine_machine *copy = fork_of(m);
        tine_machine_run(copy, &r);
        tine_machine_free(copy);
        whole_us[i] = now() - begin;
        if (r.end != TINE_EXITED || r.code)
            return 1;
    }
    printf("fork %.3f\nfork_run_free %.3f\n", median(fork_us, ROUNDS), median(whole_us, ROUNDS));
    if (atoi(argv[1]))
        all_live(m, atoi(argv[1]));
    tine_machine_free(m);
    return 0;
}
