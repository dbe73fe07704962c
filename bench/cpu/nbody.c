// Sun and planets: double-precision arithmetic, with square roots and divisions.
#include <math.h>

#define CHECKSUM 0xffffffffffda9560
#include "cpu.h"

enum { BODIES = 5, STEPS = 2400000 };

struct body {
    double x[3], v[3], mass;
};

static void advance(struct body *b, double dt)
{
    for (int i = 0; i < BODIES; i++)
        for (int j = i + 1; j < BODIES; j++) {
            double d[3], square = 0, pull;

            for (int k = 0; k < 3; k++) {
                d[k] = b[i].x[k] - b[j].x[k];
                square += d[k] * d[k];
            }
            pull = dt / (square * sqrt(square));
            for (int k = 0; k < 3; k++) {
                b[i].v[k] -= d[k] * b[j].mass * pull;
                b[j].v[k] += d[k] * b[i].mass * pull;
            }
        }
    for (int i = 0; i < BODIES; i++)
        for (int k = 0; k < 3; k++)
            b[i].x[k] += dt * b[i].v[k];
}

static uint64_t work(void)
{
    struct body b[BODIES];
    uint64_t seed = 3;
    double sum = 0;

    for (int i = 0; i < BODIES; i++) {
        for (int k = 0; k < 3; k++) {
            b[i].x[k] = (double)(random_next(&seed) % 1000) / 50 + i * 10;
            b[i].v[k] = (double)(random_next(&seed) % 1000) / 1000 - 0.5;
        }
        b[i].mass = i ? 0.01 / i : 40;
    }
    for (int i = 0; i < STEPS; i++)
        advance(b, 0.001);
    for (int i = 0; i < BODIES; i++)
        sum += b[i].x[0] + b[i].x[1];
    return (uint64_t)(int64_t)(sum * 1000); // not to the last bit: the host may fuse operations
}
