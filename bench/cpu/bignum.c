// Numbers of many words: factorials, a power and its remainders, with carries and products of 128 bits.
#define CHECKSUM 0xd8769b5e9937c551
#include "cpu.h"

enum { WORDS = 2048 };

struct number {
    uint64_t word[WORDS]; // least first
    size_t used;
};

static void multiply_small(struct number *n, uint64_t by)
{
    uint64_t carry = 0;

    for (size_t i = 0; i < n->used; i++) {
        unsigned __int128 product = (unsigned __int128)n->word[i] * by + carry;

        n->word[i] = (uint64_t)product;
        carry = (uint64_t)(product >> 64);
    }
    if (carry)
        n->word[n->used++] = carry;
}

static void multiply(struct number *out, const struct number *a, const struct number *b)
{
    memset(out, 0, sizeof(*out));
    for (size_t i = 0; i < a->used; i++) {
        uint64_t carry = 0;

        for (size_t k = 0; k < b->used; k++) {
            unsigned __int128 sum = (unsigned __int128)a->word[i] * b->word[k] + out->word[i + k] + carry;

            out->word[i + k] = (uint64_t)sum;
            carry = (uint64_t)(sum >> 64);
        }
        out->word[i + b->used] = carry;
    }
    out->used = a->used + b->used;
    while (out->used > 1 && !out->word[out->used - 1])
        out->used--;
}

static void add(struct number *a, const struct number *b)
{
    uint64_t carry = 0;

    for (size_t i = 0; i < b->used || carry; i++) {
        uint64_t addend = i < b->used ? b->word[i] : 0, sum;

        if (i == a->used)
            a->word[a->used++] = 0;
        sum = a->word[i] + addend;
        a->word[i] = sum + carry;
        carry = (sum < addend) | (a->word[i] < sum);
    }
}

// The remainder by a number of 32 bits, a half word at a time.
static uint32_t remainder_of(const struct number *n, uint32_t by)
{
    uint64_t rest = 0;

    for (size_t i = n->used; i-- > 0;) {
        rest = (rest << 32 | n->word[i] >> 32) % by;
        rest = (rest << 32 | (uint32_t)n->word[i]) % by;
    }
    return (uint32_t)rest;
}

static uint64_t work(void)
{
    static struct number a, b, c;
    uint64_t sum = 0;

    for (int round = 0; round < 32; round++) {
        a = (struct number){{1}, 1};
        for (uint64_t i = 2; i <= 5000; i++)
            multiply_small(&a, i + (uint64_t)round);
        b = (struct number){{7}, 1};
        for (int i = 0; i < 10; i++) {
            multiply(&c, &b, &b);
            b = c;
        }
        multiply(&c, &a, &b);
        for (int i = 0; i < 2000; i++)
            add(&c, &a);
        for (uint32_t i = 0; i < 40; i++)
            sum = sum * 31 + remainder_of(&c, 1000003 + 2 * i);
        for (size_t i = 0; i < c.used; i++)
            sum = sum * 31 + c.word[i];
    }
    return sum;
}
