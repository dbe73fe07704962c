// The sieve of Eratosthenes over four million numbers, a byte each.
#define CHECKSUM 0x7ec6d3bbe50
#include "cpu.h"

enum { N = 4000000 };

static uint64_t work(void)
{
    static unsigned char composite[N];
    uint64_t sum = 0;

    for (int round = 0; round < 16; round++) {
        memset(composite, 0, sizeof(composite));
        for (size_t p = 2; p < N; p++) {
            if (composite[p])
                continue;
            sum += p;
            for (size_t m = p * p; m < N; m += p)
                composite[m] = 1;
        }
    }
    return sum;
}
