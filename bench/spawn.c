// spawn ROUNDS COMMAND...: how long a whole process takes, from its start to its end, and the most
// memory that it had. Run natively: it is what starts qemu-riscv64 and tine.
#include <fcntl.h>
#include <sys/resource.h>

#include "bench.h"

int main(int argc, char **argv)
{
    size_t rounds = argc > 2 ? strtoul(argv[1], NULL, 10) : 0;
    double *times = calloc(rounds + 1, sizeof(double));
    int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
    struct rusage usage;

    if (rounds == 0)
        return 2;
    for (size_t r = 0; r < rounds; r++) {
        double begin = now_us();
        pid_t pid = vfork();

        if (pid == 0) {
            dup2(null, 1);
            execvp(argv[2], argv + 2);
            _exit(127);
        }
        if (wait4(pid, &(int){0}, 0, &usage) < 0)
            return 2;
        times[r] = now_us() - begin;
    }
    printf("start_and_end %.3f\nmax_rss_kib %ld\n", median(times, rounds), usage.ru_maxrss);
    return 0;
}
