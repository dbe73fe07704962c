/*
 * Programs that know what they cost: `counts WAY K D`. A block of 512 pages is resident; K children each
 * store to D pages of it, and end, or exec. The counts go to stdout for tests/run-compare to compare with
 * what tine compare says.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PAGES = 512, PAGE = 4096 };

int main(int argc, char **argv)
{
    const char *way = argc > 3 ? argv[1] : "";
    int children = argc > 3 ? atoi(argv[2]) : 0, dirty = argc > 3 ? atoi(argv[3]) : 0, good = 0;
    volatile char *block;

    if (argc < 4)
        return 0; /* the program that is execed */
    block = mmap(NULL, (size_t)PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    for (int i = 0; i < PAGES; i++)
        block[i * PAGE] = 1;
    for (int k = 0; k < children; k++) {
        int status = 0;
        pid_t pid = strcmp(way, "vfork") == 0 ? vfork() : fork();

        if (pid == 0) {
            if (strcmp(way, "vfork") != 0)
                for (int i = 0; i < dirty; i++)
                    block[i * PAGE] = 2;
            if (strcmp(way, "exit") != 0)
                execl(argv[0], argv[0], (char *)NULL);
            _exit(0);
        }
        good += pid > 0 && waitpid(pid, &status, 0) == pid && status == 0;
    }
    printf("%s children %d good %d unchanged %d\n", way, children, good, block[0] == 1);
    return good != children;
}
