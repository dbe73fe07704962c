/*
 * counters.c - two who change the same words by atomic instructions, as fast as they can: nothing is lost. Here
 * they are processes; tests/unit/machine_atomics_test makes them two copies of a machine, on two threads:
 *
 *     counters FILE     maps FILE, reads a letter ('a' or 'b': which of the two it is), and counts
 *     counters -v FILE  says whether all of it is there
 */
#include "check.h"

#include <stdbool.h>

enum { MEETINGS = 30, PART = 3000, ROUNDS = MEETINGS * PART };

struct words {
    long add, pair, mix, bits, most, token, tokens; /* each of them in a way of its own */
    int add_w, pair_w;
    unsigned begun, wrong;
};

static void add_by_pair(long *p, int *w)
{
    long old = *p;
    int old_w = *w;
    while (!__atomic_compare_exchange_n(p, &old, old + 1, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
        continue;
    while (!__atomic_compare_exchange_n(w, &old_w, old_w + 1, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
        continue;
}

/* A bit that is nobody else's, and a maximum that only grows. */
static void own_bits(struct words *w, int second, long i)
{
    long bit = 1L << ((i & 15) + 16 * second);
    bool good = !(__atomic_fetch_or(&w->bits, bit, __ATOMIC_SEQ_CST) & bit);
    good &= (__atomic_fetch_and(&w->bits, ~bit, __ATOMIC_SEQ_CST) & bit) != 0;
#ifdef __riscv
    __asm__ volatile("amomax.d zero, %0, (%1)" : : "r"(i), "r"(&w->most) : "memory");
    good &= __atomic_load_n(&w->most, __ATOMIC_SEQ_CST) >= i;
#endif
    if (!good)
        __atomic_fetch_add(&w->wrong, 1, __ATOMIC_SEQ_CST);
}

/* Both go on from here at the same time, if there are two processors. */
static void meet(struct words *w, unsigned times)
{
    __atomic_fetch_add(&w->begun, 1, __ATOMIC_SEQ_CST);
    for (long i = 1; i < 50000000 && __atomic_load_n(&w->begun, __ATOMIC_SEQ_CST) < times; i++)
        if (i % 500 == 0)
            sched_yield();
}

static void count(struct words *w, int second, int meetings)
{
    long token = 1 + second;
    for (long i = 0; i < (long)meetings * PART; i++) {
        if (i % PART == 0)
            meet(w, 2 * (unsigned)(i / PART + 1));
        __atomic_fetch_add(&w->add, 1, __ATOMIC_SEQ_CST);
        __atomic_fetch_add(&w->add_w, 1, __ATOMIC_SEQ_CST);
        __atomic_fetch_xor(&w->mix, i << (4 * second), __ATOMIC_SEQ_CST);
        add_by_pair(&w->pair, &w->pair_w);
        token = __atomic_exchange_n(&w->token, token, __ATOMIC_SEQ_CST);
        own_bits(w, second, i);
    }
    __atomic_fetch_add(&w->tokens, token, __ATOMIC_SEQ_CST);
}

static void all_is_there(const struct words *w)
{
    long mix = 0;
    for (long i = 0; i < ROUNDS; i++)
        mix ^= i ^ i << 4;
    CHECK_EQ(w->begun, 2 * MEETINGS);
    CHECK_EQ(w->add, 2 * ROUNDS);
    CHECK_EQ(w->add_w, 2 * ROUNDS);
    CHECK_EQ(w->pair, 2 * ROUNDS);
    CHECK_EQ(w->pair_w, 2 * ROUNDS);
    CHECK_EQ(w->mix, mix);
    CHECK_EQ(w->bits, 0);
    CHECK_EQ(w->wrong, 0);
    CHECK_EQ(w->token + w->tokens, 1 + 2);
}

static struct words *map(int fd)
{
    struct words *w = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    CHECK(w != MAP_FAILED);
    return w;
}

static void processes(void)
{
    struct words *w = map(check_file(PAGE));
    pid_t pid = check_fork();
    count(w, pid == 0, MEETINGS);
    if (pid == 0)
        _exit(0);
    CHECK_EXIT(pid, 0);
    all_is_there(w);
}

static int one_of_two(const char *path)
{
    char letter = 0;
    check_name = "counters";
    struct words *w = map(open(path, O_RDWR));
    struct words own = { .begun = 1 };
    count(&own, 0, 1); /* so that the code is warm */
    CHECK_EQ(w->add, 0);  /* and the page mapped when the machine is copied */
    CHECK_EQ(read(0, &letter, 1), 1);
    count(w, letter == 'b', MEETINGS);
    check_say("ok %c\n", letter);
    return 0;
}

static int verdict(const char *path)
{
    check_name = "counters";
    all_is_there(map(open(path, O_RDWR)));
    return 0;
}

static const struct check_case cases[] = { CASE(processes) };

int main(int argc, char **argv)
{
    if (argc == 2 && argv[1][0] == '/')
        return one_of_two(argv[1]);
    if (argc == 3)
        return verdict(argv[2]);
    return check_main(argc, argv, cases, COUNT(cases));
}
