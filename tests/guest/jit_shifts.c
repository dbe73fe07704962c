// Shifts to and fro, which translators make one extension of: every pair of shifts by every two counts that
// matter, from a register to itself or to another, in registers that translated code keeps and in such as it
// does not, hot enough to be translated. Signed and unsigned shifts in C say what must come out; they are made
// by register, so that the compiler makes no pair of its own. The source must be what it was.
#include "check.h"

#ifdef __riscv
enum { CALLS = 20 };

typedef struct {
    unsigned long result, source;
} pair;

static const int counts[] = {0, 1, 7, 8, 15, 16, 24, 31, 32, 33, 40, 47, 48, 49, 55, 56, 57, 63};
static const unsigned long values[] = {0, 1, 0x7f, 0x80, 0x8000, 0x7fff, 0x80000000, 0x7fffffff, 0xffffffff,
                                       0x123456789abcdef0, 0xfedcba9876543210, ~0UL, 1UL << 63};

enum { SLLI = 0x1013, SRLI = 0x5013, SRAI = 0x40005013, SLLIW = 0x101b, SRLIW = 0x501b, SRAIW = 0x4000501b };

static unsigned shift(unsigned row, int rd, int rs, int by)
{
    return row | (unsigned)by << 20 | (unsigned)rs << 15 | (unsigned)rd << 7;
}

// mv rs, a0; the shifts, rs -> rd -> last; mv a1, rs; mv a0, last; ret. ra and sp are left alone.
static void build(unsigned *code, unsigned left, int up, unsigned right, int down, int rs, int rd, int last)
{
    code[0] = 0x13 | 10u << 15 | (unsigned)rs << 7;
    code[1] = shift(left, rd, rs, up);
    code[2] = shift(right, last, rd, down);
    code[3] = 0x13 | (unsigned)rs << 15 | 11u << 7;
    code[4] = 0x13 | (unsigned)last << 15 | 10u << 7;
    code[5] = 0x8067;
}

static unsigned long apply(unsigned row, unsigned long v, volatile int by)
{
    switch (row) {
    case SLLI:
        return v << by;
    case SRLI:
        return v >> by;
    case SRAI:
        return (unsigned long)((long)v >> by);
    case SLLIW:
        return (unsigned long)(long)(int)((unsigned)v << by);
    case SRLIW:
        return (unsigned long)(long)(int)((unsigned)v >> by);
    default:
        return (unsigned long)(long)((int)(unsigned)v >> by);
    }
}

enum { COUNTS = sizeof counts / sizeof *counts, WORDS = 8 };

static int is_right(const unsigned *code, const unsigned *row, int up, int down, int source_stays)
{
    pair (*run)(unsigned long) = (pair (*)(unsigned long))(unsigned long)code;
    for (unsigned n = 0; n < CALLS; n++) {
        unsigned long v = values[n % (sizeof values / sizeof *values)];
        pair got = run(v);
        if (got.result != apply(row[1], apply(row[0], v, up), down) || (source_stays && got.source != v))
            return 0;
    }
    return 1;
}

// Code that is written and run in turn is not translated: so first everything is written.
static int are_right(unsigned *code, const unsigned *row, const int *r)
{
    int most = row[0] == SLLIW ? 32 : 64, right_most = row[1] == SRLIW || row[1] == SRAIW ? 32 : 64;
    for (int u = 0; u < COUNTS; u++)
        for (int d = 0; d < COUNTS; d++)
            build(code + (u * COUNTS + d) * WORDS, row[0], counts[u] % most, row[1], counts[d] % right_most, r[0], r[1],
                  r[2]);
    __builtin___clear_cache((char *)code, (char *)(code + COUNTS * COUNTS * WORDS));
    for (int u = 0; u < COUNTS; u++)
        for (int d = 0; d < COUNTS; d++)
            if (!is_right(code + (u * COUNTS + d) * WORDS, row, counts[u] % most, counts[d] % right_most,
                          r[0] != r[1] && r[0] != r[2]))
                return 0;
    return 1;
}
#endif

static void pairs_of_shifts(void)
{
#ifdef __riscv
    static const unsigned row[][2] = {{SLLI, SRLI}, {SLLI, SRAI}, {SLLIW, SRAIW}, {SLLIW, SRLIW},
                                      {SLLI, SRAIW}, {SLLIW, SRAI}};
    // source, between, result: x10 to x17 have registers of the host's, x28 to x31 have not
    static const int registers[][3] = {{12, 12, 12}, {12, 13, 13}, {12, 13, 14}, {28, 28, 28}, {28, 29, 29},
                                       {12, 30, 30}, {31, 16, 16}};
    size_t bytes = (COUNTS * COUNTS * WORDS * 4 + PAGE - 1) & ~(PAGE - 1);
    for (unsigned i = 0; i < sizeof row / sizeof *row; i++) {
        for (unsigned k = 0; k < sizeof registers / sizeof *registers; k++) {
            unsigned *code = mmap(NULL, bytes, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
            CHECK(code != MAP_FAILED);
            CHECK(are_right(code, row[i], registers[k]));
            CHECK_EQ(munmap(code, bytes), 0);
        }
    }
#endif
}

int main(int argc, char **argv)
{
    static const struct check_case cases[] = {CASE(pairs_of_shifts)};
    return check_main(argc, argv, cases, COUNT(cases));
}
