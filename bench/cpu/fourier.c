// Signals: a Fourier transform of doubles, there and back, and a filter of floats. What comes out is
// compared with what went in, because the last bits depend on fused operations.
#include <math.h>

#define CHECKSUM 0x250000
#include "cpu.h"

enum { BITS = 13, N = 1 << BITS, TAPS = 64, SAMPLES = 1 << 15 };

static double re[N], im[N], cosine[N / 2], sine[N / 2];

// In place; `sign` -1 goes forward, 1 back (N times too large).
static void transform(int sign)
{
    for (unsigned i = 0, j = 0; i < N; i++) {
        unsigned bit = N >> 1;

        if (i < j) {
            double t = re[i];

            re[i] = re[j], re[j] = t;
            t = im[i], im[i] = im[j], im[j] = t;
        }
        for (; j & bit; bit >>= 1)
            j ^= bit;
        j ^= bit;
    }
    for (unsigned half = 1; half < N; half *= 2)
        for (unsigned base = 0; base < N; base += 2 * half)
            for (unsigned k = 0; k < half; k++) {
                double c = cosine[k * (N / 2 / half)], s = sign * sine[k * (N / 2 / half)];
                unsigned low = base + k, high = low + half;
                double x = re[high] * c - im[high] * s, y = re[high] * s + im[high] * c;

                re[high] = re[low] - x, im[high] = im[low] - y;
                re[low] += x, im[low] += y;
            }
}

// How many of N values come back to within a millionth.
static uint64_t there_and_back(uint64_t seed)
{
    static double before[N];
    uint64_t good = 0;

    for (int i = 0; i < N; i++) {
        before[i] = re[i] = (double)(int64_t)(random_next(&seed) % 2000) - 1000;
        im[i] = 0;
    }
    transform(-1);
    transform(1);
    for (int i = 0; i < N; i++)
        good += fabs(re[i] / N - before[i]) < 1e-6 && fabs(im[i] / N) < 1e-6;
    return good;
}

// A moving average with weights; the sum of the weights is 1, so that a constant stays.
static uint64_t filter(void)
{
    static float in[SAMPLES + TAPS], out[SAMPLES], weight[TAPS];
    uint64_t good = 0;

    for (int i = 0; i < TAPS; i++)
        weight[i] = (float)(i + 1) / (TAPS * (TAPS + 1) / 2);
    for (int i = 0; i < SAMPLES + TAPS; i++)
        in[i] = i % 2 ? 99.5F : 100.5F;
    for (int i = 0; i < SAMPLES; i++) {
        float sum = 0;

        for (int k = 0; k < TAPS; k++)
            sum += in[i + k] * weight[k];
        out[i] = sum;
    }
    for (int i = 0; i < SAMPLES; i++)
        good += out[i] > 99 && out[i] < 101;
    return good;
}

static uint64_t work(void)
{
    uint64_t good = 0;

    for (int i = 0; i < N / 2; i++) {
        cosine[i] = cos(2 * M_PI * i / N);
        sine[i] = sin(2 * M_PI * i / N);
    }
    for (uint64_t round = 0; round < 80; round++)
        good += there_and_back(round + 11);
    for (int round = 0; round < 54; round++)
        good += filter();
    return good;
}
