// Search for words in a text: byte by byte, and by Horspool's skips.
#define CHECKSUM 0x217960c907b18700
#include "cpu.h"

enum { LENGTH = 1 << 20 };

static unsigned char text[LENGTH];

static size_t plain(const char *word, size_t length)
{
    size_t found = 0;

    for (size_t i = 0; i + length <= LENGTH; i++) {
        size_t k = 0;

        while (k < length && text[i + k] == (unsigned char)word[k])
            k++;
        found += k == length;
    }
    return found;
}

static size_t skipping(const char *word, size_t length)
{
    size_t skip[256], found = 0;

    for (int i = 0; i < 256; i++)
        skip[i] = length;
    for (size_t i = 0; i + 1 < length; i++)
        skip[(unsigned char)word[i]] = length - 1 - i;
    for (size_t i = 0; i + length <= LENGTH; i += skip[text[i + length - 1]]) {
        size_t k = length;

        while (k && text[i + k - 1] == (unsigned char)word[k - 1])
            k--;
        found += k == 0;
    }
    return found;
}

static uint64_t work(void)
{
    static const char *const words[] = {"fork", "vfork", "exec", "wait", "abcd", "cafe", "dead"};
    uint64_t seed = 5, sum = 0;

    for (size_t i = 0; i < LENGTH; i++)
        text[i] = (unsigned char)('a' + random_next(&seed) % 26);
    for (int round = 0; round < 8; round++)
        for (size_t w = 0; w < sizeof(words) / sizeof(words[0]); w++) {
            size_t length = strlen(words[w]);

            sum = sum * 31 + plain(words[w], length) + skipping(words[w], length);
        }
    return sum;
}
