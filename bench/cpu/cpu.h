// A CPU-bound program: work() is timed and its checksum printed, so that all who run it can be seen
// to have done the same.
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

    printf("time %.1f\nchecksum %llu\n", now_us() - begin, (unsigned long long)sum);
    return 0;
}

#endif
