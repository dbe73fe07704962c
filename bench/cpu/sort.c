// Heap sort and quick sort of a million numbers.
#define CHECKSUM 0x2007f84479e1f948
#include "cpu.h"

enum { N = 1000000 };

static void sift(uint32_t *a, size_t root, size_t n)
{
    uint32_t value = a[root];

    for (size_t child; (child = 2 * root + 1) < n; root = child) {
        if (child + 1 < n && a[child + 1] > a[child])
            child++;
        if (a[child] <= value)
            break;
        a[root] = a[child];
    }
    a[root] = value;
}

static void heap_sort(uint32_t *a, size_t n)
{
    for (size_t i = n / 2; i-- > 0;)
        sift(a, i, n);
    while (n-- > 1) {
        uint32_t top = a[0];

        a[0] = a[n];
        a[n] = top;
        sift(a, 0, n);
    }
}

static void quick_sort(uint32_t *a, long low, long high)
{
    while (low < high) {
        uint32_t pivot = a[(low + high) / 2];
        long i = low, j = high;

        while (i <= j) {
            while (a[i] < pivot)
                i++;
            while (a[j] > pivot)
                j--;
            if (i <= j) {
                uint32_t t = a[i];

                a[i++] = a[j];
                a[j--] = t;
            }
        }
        if (j - low < high - i) {
            quick_sort(a, low, j);
            low = i;
        } else {
            quick_sort(a, i, high);
            high = j;
        }
    }
}

static uint64_t work(void)
{
    static uint32_t a[N], b[N];
    uint64_t seed = 2, sum = 0;

    for (int i = 0; i < N; i++)
        a[i] = b[i] = (uint32_t)random_next(&seed);
    heap_sort(a, N);
    quick_sort(b, 0, N - 1);
    for (int i = 0; i < N; i++)
        sum = sum * 31 + (a[i] == b[i] ? a[i] : 0);
    return sum;
}
