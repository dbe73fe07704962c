// Arithmetic of 32 bits: checksums bit by bit and by table, hashes, random numbers, divisions.
#define CHECKSUM 0xcf65abe1a0979de9
#include "cpu.h"

enum { SIZE = 1 << 20 };

static unsigned char data[SIZE];
static uint32_t table[256];

static uint32_t crc_bits(uint32_t crc, const unsigned char *p, size_t n)
{
    while (n--) {
        crc ^= *p++;
        for (int k = 0; k < 8; k++)
            crc = crc & 1 ? crc >> 1 ^ 0xedb88320 : crc >> 1;
    }
    return crc;
}

static uint32_t crc_table(uint32_t crc, const unsigned char *p, size_t n)
{
    while (n--)
        crc = table[(crc ^ *p++) & 255] ^ crc >> 8;
    return crc;
}

static uint32_t adler(const unsigned char *p, size_t n)
{
    uint32_t a = 1, b = 0;

    for (size_t i = 0; i < n; i++) {
        a = (a + p[i]) % 65521;
        b = (b + a) % 65521;
    }
    return b << 16 | a;
}

// A multiplicative hash of words, with rotations.
static uint32_t mix(uint32_t h, const unsigned char *p, size_t n)
{
    for (size_t i = 0; i + 4 <= n; i += 4) {
        uint32_t k;

        memcpy(&k, p + i, 4);
        k *= 0xcc9e2d51;
        k = k << 15 | k >> 17;
        h ^= k * 0x1b873593;
        h = (h << 13 | h >> 19) * 5 + 0xe6546b64;
    }
    return h;
}

// Signed arithmetic that must wrap and extend: a division-heavy congruence.
static int32_t divisions(int32_t x, int count)
{
    int32_t sum = 0;

    for (int i = 1; i <= count; i++) {
        x = (int32_t)((uint32_t)x * 1103515245U + 12345U);
        sum = (int32_t)((uint32_t)sum + (uint32_t)(x / i) + (uint32_t)(x % (i | 1)));
        sum ^= (int16_t)x;
    }
    return sum;
}

static uint64_t work(void)
{
    uint64_t seed = 10, sum = 0;

    for (size_t i = 0; i < SIZE; i++)
        data[i] = (unsigned char)random_next(&seed);
    for (unsigned i = 0; i < 256; i++) {
        unsigned char byte = (unsigned char)i;

        table[i] = crc_bits(0, &byte, 1);
    }
    for (int round = 0; round < 8; round++) {
        if (round % 4 == 0)
            sum = sum * 31 + crc_bits(~(uint32_t)round, data, SIZE);
        for (int i = 0; i < 3; i++)
            sum = sum * 31 + crc_table(~(uint32_t)round, data, SIZE);
        sum = sum * 31 + adler(data + round, SIZE - 8);
        for (int i = 0; i < 8; i++)
            sum = sum * 31 + mix((uint32_t)(round + i), data, SIZE);
        sum = sum * 31 + (uint32_t)divisions(round, 2000000);
    }
    return sum;
}
