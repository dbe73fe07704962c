/*
 * cow_lab.c - the questions that a teaching kernel's copy-on-write exercise asks, in our own
 * words. The optional argument is the machine's memory in MiB: run as
 *
 *     tine run --memory 128M build/guest/cow_lab 128
 *
 * and `simple` and `three` only fit if fork does not copy. Without it, small sizes are used.
 */
#include "check.h"

static size_t memory_mib = 12;

/* Two thirds of the memory, forked: there is no room for a copy. Then again, to see that the
 * first child gave everything back. */
static void simple(void)
{
    size_t pages = memory_mib * 256 * 2 / 3;

    for (int round = 0; round < 2; round++) {
        char *p = check_private(pages);
        for (size_t i = 0; i < pages; i++)
            *(size_t *)(p + i * PAGE) = i + 1;
        pid_t pid = check_fork();
        if (pid == 0)
            _exit(*(size_t *)(p + (pages - 1) * PAGE) != pages);
        CHECK_EXIT(pid, 0);
        for (size_t i = 0; i < pages; i++)
            CHECK_EQ(*(size_t *)(p + i * PAGE), i + 1);
        CHECK_EQ(munmap(p, pages * PAGE), 0);
    }
}

/* A quarter of the memory is shared by three. The child writes half of it, its child all of
 * that; they see their own, and the parent, who writes at the end, never sees theirs. */
static void three(void)
{
    size_t pages = memory_mib * 256 / 4;
    char *p = check_private(pages);

    for (size_t i = 0; i < pages; i++)
        *(size_t *)(p + i * PAGE) = i;
    pid_t child = check_fork();
    if (child == 0) {
        for (size_t i = 0; i < pages / 2; i++)
            *(size_t *)(p + i * PAGE) = 1000000 + i;
        pid_t grandchild = check_fork();
        if (grandchild == 0) {
            for (size_t i = 0; i < pages * 4 / 5; i++) {
                CHECK_EQ(*(size_t *)(p + i * PAGE), i < pages / 2 ? 1000000 + i : i);
                *(size_t *)(p + i * PAGE) = 2000000 + i;
            }
            for (size_t i = 0; i < pages * 4 / 5; i++)
                CHECK_EQ(*(size_t *)(p + i * PAGE), 2000000 + i);
            _exit(0);
        }
        CHECK_EXIT(grandchild, 0);
        for (size_t i = 0; i < pages; i++)
            CHECK_EQ(*(size_t *)(p + i * PAGE), i < pages / 2 ? 1000000 + i : i);
        _exit(0);
    }
    for (size_t i = 0; i < pages; i += 2)
        *(size_t *)(p + i * PAGE) = 3000000 + i;
    CHECK_EXIT(child, 0);
    for (size_t i = 0; i < pages; i++)
        CHECK_EQ(*(size_t *)(p + i * PAGE), i % 2 ? i : 3000000 + i);
}

static char global_buffer[3 * PAGE];

/* The kernel writes for the program: read() from a pipe into pages of .bss that are shared. */
static void file(void)
{
    enum { N = 4 };
    int end[N][2];
    pid_t pid[N];

    memset(global_buffer, 99, sizeof global_buffer);
    for (int i = 0; i < N; i++) {
        CHECK_EQ(pipe(end[i]), 0);
        pid[i] = check_fork();
        if (pid[i] == 0) {
            int value = -1;
            CHECK_EQ(read(end[i][0], global_buffer + PAGE - 2, sizeof value), sizeof value);
            memcpy(&value, global_buffer + PAGE - 2, sizeof value);
            CHECK_EQ(value, i);
            CHECK_EQ(global_buffer[0], 99);
            CHECK_EQ(global_buffer[2 * PAGE], 99);
            _exit(0);
        }
        CHECK_EQ(write(end[i][1], &i, sizeof i), sizeof i);
    }
    for (int i = 0; i < N; i++)
        CHECK_EXIT(pid[i], 0);
    for (size_t i = 0; i < sizeof global_buffer; i++)
        CHECK_EQ(global_buffer[i], 99);
}

/* fork fork fork: families that grow and end all the time, while their memory stays right. */
static void forkfork(void)
{
    enum { PAGES = 64, ROUNDS = 30 };
    char *p = check_private(PAGES);

    memset(p, 27, PAGES * PAGE);
    for (int round = 0; round < ROUNDS; round++) {
        pid_t child = check_fork();
        if (child == 0) {
            pid_t left = check_fork();
            if (left == 0) {
                memset(p, 1, PAGES / 2 * PAGE);
                _exit(0);
            }
            pid_t right = check_fork();
            if (right == 0) {
                memset(p + PAGES / 2 * PAGE, 2, PAGES / 2 * PAGE);
                _exit(0);
            }
            CHECK_EXIT(left, 0);
            CHECK_EXIT(right, 0);
            for (size_t i = 0; i < PAGES * PAGE; i += 509)
                CHECK_EQ(p[i], 27);
            _exit(0);
        }
        CHECK_EXIT(child, 0);
    }
    for (size_t i = 0; i < PAGES * PAGE; i += 61)
        CHECK_EQ(p[i], 27);
}

int main(int argc, char **argv)
{
    static const struct check_case cases[] = {
        CASE(simple),
        CASE(three),
        CASE(file),
        CASE(forkfork),
    };

    if (argc > 1 && atoi(argv[1]) > 0) {
        memory_mib = (size_t)atoi(argv[1]);
        argv[1] = argv[0];
        argc--;
        argv++;
    }
    return check_main(argc, argv, cases, COUNT(cases));
}
