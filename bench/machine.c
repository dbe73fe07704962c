// machine resident MIB | tree PROCESSES: the guest of bench/host/machine_fork.c. Makes itself what is to be
// forked, reads standard input, and ends.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static int resident(size_t bytes)
{
    char *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED)
        return 1;
    for (size_t i = 0; i < bytes; i += 4096)
        p[i] = 1;
    return 0;
}

// Each child waits on a pipe of its own; another with a line in it is read by nobody.
static int tree(int processes)
{
    for (int i = 1; i < processes; i++) {
        int ends[2], full[2];
        if (pipe(ends) || pipe(full) || write(full[1], "a line in flight\n", 17) != 17)
            return 1;
        pid_t pid = fork();
        if (pid < 0)
            return 1;
        if (pid == 0) {
            char byte;
            close(ends[1]);
            _exit(read(ends[0], &byte, 1) != 0);
        }
        close(ends[0]);
    }
    return 0;
}

int main(int argc, char **argv)
{
    char byte;
    if (argc < 3)
        return 2;
    int failed = argv[1][0] == 'r' ? resident(strtoul(argv[2], NULL, 0) << 20) : tree(atoi(argv[2]));
    return failed || read(0, &byte, 1) != 1;
}
