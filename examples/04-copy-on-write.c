/*
 * 04-copy-on-write.c - nothing is copied until somebody writes.
 *
 * After fork, parent and child share every page, and the kernel keeps both from writing to it. A
 * page that is only read stays shared for ever; the first write copies that one page. Here the
 * child reads all of 1000 pages and writes 10 of them.
 *
 *     tine run --stats 04-copy-on-write   shows the counters: about ten pages copied, not 1000
 *
 * (The few more that you see are the stack and the data of libc: they are memory like any other.)
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PAGE = 4096, PAGES = 1000, WRITTEN = 10 };

static long faults_so_far(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return usage.ru_minflt;
}

int main(void)
{
    char *memory = mmap(NULL, (size_t)PAGES * PAGE, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        return 1;
    for (int i = 0; i < PAGES; i++)
        memory[i * PAGE] = 'p';

    printf("The parent filled %d pages and forks.\n", PAGES);
    fflush(stdout);
    if (fork() == 0) {
        int sum = 0;
        long start = faults_so_far();
        for (int i = 0; i < PAGES; i++)
            sum += memory[i * PAGE];            /* reading: still shared */
        printf("  child: read all %d (sum %d).\n", PAGES, sum);

        long before = faults_so_far();
        for (int i = 0; i < WRITTEN; i++)
            memory[i * PAGE] = 'c';             /* writing: each first write copies a page */
        printf("  child: wrote %d of them.\n", WRITTEN);
        fprintf(stderr, "  (page faults counted: %ld for the reads, %ld for the writes)\n",
                before - start, faults_so_far() - before);
        fflush(stdout);
        _exit(0);
    }
    wait(NULL);

    int unchanged = 0;
    for (int i = 0; i < PAGES; i++)
        unchanged += memory[i * PAGE] == 'p';
    printf("The parent still sees %d of its %d pages unchanged.\n", unchanged, PAGES);
    return unchanged == PAGES ? 0 : 1;
}
