// SHA-256 of a buffer, again and again (FIPS 180-4).
#define CHECKSUM 0x49562c1af5b8d6f
#include "cpu.h"

static uint32_t constants[64];

// The constants are the first 32 bits of the fractional parts of the cube roots of the first primes.
static void make_constants(void)
{
    int count = 0;

    for (uint32_t p = 2; count < 64; p++) {
        uint32_t d = 2;
        unsigned __int128 target, x = 0;

        while (d * d <= p && p % d)
            d++;
        if (d * d <= p)
            continue;
        target = (unsigned __int128)p << 96; // the cube root of it is the root of p, times 2^32
        for (int bit = 35; bit >= 0; bit--) {
            unsigned __int128 y = x | (unsigned __int128)1 << bit;

            if (y * y * y <= target)
                x = y;
        }
        constants[count++] = (uint32_t)x;
    }
}

static inline uint32_t rotate(uint32_t x, int n)
{
    return x >> n | x << (32 - n);
}

static void block(uint32_t state[8], const unsigned char *data)
{
    uint32_t w[64], s[8];

    for (int i = 0; i < 16; i++)
        w[i] = (uint32_t)data[4 * i] << 24 | (uint32_t)data[4 * i + 1] << 16 |
               (uint32_t)data[4 * i + 2] << 8 | data[4 * i + 3];
    for (int i = 16; i < 64; i++) {
        uint32_t a = rotate(w[i - 15], 7) ^ rotate(w[i - 15], 18) ^ w[i - 15] >> 3;
        uint32_t b = rotate(w[i - 2], 17) ^ rotate(w[i - 2], 19) ^ w[i - 2] >> 10;

        w[i] = w[i - 16] + a + w[i - 7] + b;
    }
    for (int i = 0; i < 8; i++)
        s[i] = state[i];
    for (int i = 0; i < 64; i++) {
        uint32_t one = s[7] + (rotate(s[4], 6) ^ rotate(s[4], 11) ^ rotate(s[4], 25)) +
                       ((s[4] & s[5]) ^ (~s[4] & s[6])) + constants[i] + w[i];
        uint32_t two = (rotate(s[0], 2) ^ rotate(s[0], 13) ^ rotate(s[0], 22)) +
                       ((s[0] & s[1]) ^ (s[0] & s[2]) ^ (s[1] & s[2]));

        s[7] = s[6];
        s[6] = s[5];
        s[5] = s[4];
        s[4] = s[3] + one;
        s[3] = s[2];
        s[2] = s[1];
        s[1] = s[0];
        s[0] = one + two;
    }
    for (int i = 0; i < 8; i++)
        state[i] += s[i];
}

static uint64_t work(void)
{
    static unsigned char data[65536];
    uint32_t state[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                         0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
    uint64_t seed = 1;

    make_constants();
    for (size_t i = 0; i < sizeof(data); i++)
        data[i] = (unsigned char)random_next(&seed);
    for (int round = 0; round < 700; round++)
        for (size_t i = 0; i < sizeof(data); i += 64)
            block(state, data + i);
    return (uint64_t)state[0] << 32 | state[7];
}
