// Products of matrices of doubles, 300 by 300, the plain way.
#define CHECKSUM 0xa1be34af36ff2a1c
#include "cpu.h"

enum { N = 300 };

static double a[N][N], b[N][N], c[N][N];

static uint64_t work(void)
{
    uint64_t seed = 4, sum = 0;

    for (int i = 0; i < N; i++)
        for (int j = 0; j < N; j++) {
            a[i][j] = (double)(random_next(&seed) % 7);
            b[i][j] = (double)(random_next(&seed) % 5);
        }
    for (int round = 0; round < 10; round++) {
        for (int i = 0; i < N; i++)
            for (int j = 0; j < N; j++) {
                double x = 0;

                for (int k = 0; k < N; k++)
                    x += a[i][k] * b[k][j];
                c[i][j] = x;
            }
        for (int i = 0; i < N; i++) {
            sum = sum * 31 + (uint64_t)c[i][(i + round) % N];
            a[i][round] += 1;
        }
    }
    return sum;
}
