// Functions that call themselves: Fibonacci, Takeuchi, Ackermann, and the queens of a chess board.
#define CHECKSUM 0xd6277f7031ea8856
#include "cpu.h"

static __attribute__((noinline)) unsigned fibonacci(unsigned n)
{
    return n < 2 ? n : fibonacci(n - 1) + fibonacci(n - 2);
}

static int takeuchi(int x, int y, int z)
{
    return y >= x ? z : takeuchi(takeuchi(x - 1, y, z), takeuchi(y - 1, z, x), takeuchi(z - 1, x, y));
}

static unsigned ackermann(unsigned m, unsigned n)
{
    return m == 0 ? n + 1 : n == 0 ? ackermann(m - 1, 1) : ackermann(m - 1, ackermann(m, n - 1));
}

// How many ways there are to place the remaining queens; the words say which columns and diagonals
// are taken.
static unsigned queens(unsigned all, unsigned columns, unsigned left, unsigned right)
{
    unsigned ways = 0;

    if (columns == all)
        return 1;
    for (unsigned free = all & ~(columns | left | right); free; free &= free - 1) {
        unsigned bit = free & -free;

        ways += queens(all, columns | bit, (left | bit) << 1, (right | bit) >> 1);
    }
    return ways;
}

static uint64_t work(void)
{
    uint64_t sum = 0;

    sum = sum * 31 + fibonacci(36);
    for (int i = 0; i < 20; i++)
        sum = sum * 31 + (uint64_t)takeuchi(18 + i % 2, 12, 6);
    for (int i = 0; i < 20; i++)
        sum = sum * 31 + ackermann(2, 900) + ackermann(3, 8);
    return sum * 31 + queens((1U << 12) - 1, 0, 0, 0);
}
