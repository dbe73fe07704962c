// A CPU-bound program: work() is timed, and what it answers must be CHECKSUM, which the program
// defines before it includes this. So whoever runs it is known to have done the whole work.
#ifndef CPU_H
#define CPU_H

#include "../bench.h"

static uint64_t work(void);

// xorshift64: the programs' only source of data.
static inline uint64_t random_next(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

int main(void)
{
    double begin = now_us();
    uint64_t sum = work();

    printf("time %.1f\nchecksum %#llx\n", now_us() - begin, (unsigned long long)sum);
    if (sum == CHECKSUM)
        return 0;
    fprintf(stderr, "wrong: the checksum should be %#llx\n", (unsigned long long)CHECKSUM);
    return 1;
}

#endif
