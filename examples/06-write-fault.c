/*
 * 06-write-fault.c - the write that copies, and the write that need not.
 *
 * A store to a shared page stops in the middle: the kernel copies the page, puts the copy in the
 * place of the original, and the same store runs again. The program notices nothing but the
 * time. The second store to the page is an ordinary store.
 *
 * And the last one of a family who holds a page needs no copy at all: nobody else is left, so
 * the page becomes its own (see "taken over" in `tine run --stats`).
 */
#include <stdio.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { PAGE = 4096, PAGES = 512 };

static double now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

/* Stores one byte into every page; returns the microseconds a page. */
static double store_all(volatile char *memory)
{
    double begin = now_us();
    for (int i = 0; i < PAGES; i++)
        memory[i * PAGE]++;
    return (now_us() - begin) / PAGES;
}

int main(void)
{
    char *memory = mmap(NULL, (size_t)PAGES * PAGE, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    int hold[2];
    char byte;
    if (memory == MAP_FAILED || pipe(hold) < 0)
        return 1;
    store_all(memory);

    printf("A store to each of %d pages, microseconds a page:\n", PAGES);
    printf("  nothing shared                    %8.3f\n", store_all(memory));
    fflush(stdout);

    pid_t child = fork();
    if (child == 0) {
        close(hold[1]);
        _exit(read(hold[0], &byte, 1) != 0);    /* holds its share until the parent closes */
    }
    printf("  shared with a child: copies       %8.3f\n", store_all(memory));
    printf("  again, each page is ours now      %8.3f\n", store_all(memory));
    close(hold[1]);
    waitpid(child, NULL, 0);

    fflush(stdout);
    child = fork();
    if (child == 0)
        _exit(0);
    waitpid(child, NULL, 0);                    /* the child is gone before we write: */
    printf("  shared, but the other is gone     %8.3f   (taken over, not copied)\n",
           store_all(memory));
    return 0;
}
