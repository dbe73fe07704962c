// Sorting strings: a merge sort of pointers, and libc's qsort with a function to compare.
#define CHECKSUM 0x5d386cf0fd1331c8
#include "cpu.h"

enum { N = 120000, ROOM = 24 };

static char text[N][ROOM];
static const char *a[N], *b[N], *spare[N];

static int compare(const char *x, const char *y)
{
    while (*x && *x == *y)
        x++, y++;
    return (unsigned char)*x - (unsigned char)*y;
}

static int compare_elements(const void *x, const void *y)
{
    return compare(*(const char *const *)x, *(const char *const *)y);
}

static void merge_sort(const char **v, const char **other, size_t n)
{
    size_t half = n / 2, i = 0, j = half, k = 0;

    if (n < 2)
        return;
    merge_sort(v, other, half);
    merge_sort(v + half, other + half, n - half);
    memcpy(other, v, n * sizeof(*v));
    while (i < half && j < n)
        v[k++] = compare(other[j], other[i]) < 0 ? other[j++] : other[i++];
    while (i < half)
        v[k++] = other[i++];
    while (j < n)
        v[k++] = other[j++];
}

static uint64_t work(void)
{
    uint64_t seed = 6, sum = 0;

    for (int i = 0; i < N; i++) {
        size_t length = 6 + random_next(&seed) % (ROOM - 7);

        for (size_t k = 0; k < length; k++) // few letters first: long common beginnings
            text[i][k] = (char)('a' + random_next(&seed) % (k < 4 ? 3 : 26));
    }
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < N; i++)
            a[i] = b[i] = text[(i * 7 + round) % N];
        merge_sort(a, spare, N);
        qsort(b, N, sizeof(*b), compare_elements);
        for (int i = 0; i < N; i++)
            sum = sum * 31 + (compare(a[i], b[i]) == 0 ? (unsigned char)a[i][5] : 1000);
    }
    return sum;
}
