// Calls through pointers: objects of eight kinds with a table of functions each, in an order that
// nobody can foresee, and a chain of functions that pass a function on.
#define CHECKSUM 0x6eb9d999de25839d
#include "cpu.h"

enum { OBJECTS = 4096, KINDS = 8, CHAIN = 16 };

struct object;

struct kind {
    uint64_t (*value)(const struct object *o);
    void (*change)(struct object *o, uint64_t by);
};

struct object {
    const struct kind *kind;
    uint64_t a, b;
};

#define KIND(n, expression, statement)                                                              \
    static uint64_t value_##n(const struct object *o)                                               \
    {                                                                                               \
        return expression;                                                                          \
    }                                                                                               \
    static void change_##n(struct object *o, uint64_t by)                                           \
    {                                                                                               \
        statement;                                                                                  \
    }

KIND(0, o->a, o->a += by)
KIND(1, o->a + o->b, o->b ^= by)
KIND(2, o->a * 3, o->a -= by)
KIND(3, o->a ^ o->b, o->b += by << 1)
KIND(4, o->b >> 3, o->b = by)
KIND(5, o->a & ~o->b, o->a |= by)
KIND(6, o->a - o->b, o->a = o->b + by)
KIND(7, o->b << 2 | 1, o->b -= by)

static const struct kind kinds[KINDS] = {
    {value_0, change_0}, {value_1, change_1}, {value_2, change_2}, {value_3, change_3},
    {value_4, change_4}, {value_5, change_5}, {value_6, change_6}, {value_7, change_7},
};

typedef uint64_t step(uint64_t x, void *const *rest);

static uint64_t last_step(uint64_t x, void *const *rest)
{
    (void)rest;
    return x;
}

#define STEP(n, expression)                                                                         \
    static uint64_t step_##n(uint64_t x, void *const *rest)                                         \
    {                                                                                               \
        return ((step *)rest[0])(expression, rest + 1) + (n);                                       \
    }

STEP(1, x + 1)
STEP(2, x ^ x >> 5)
STEP(3, x * 5)

static uint64_t work(void)
{
    static struct object objects[OBJECTS];
    static step *const steps[] = {step_1, step_2, step_3};
    void *chain[CHAIN + 1];
    uint64_t seed = 9, sum = 0;

    for (int i = 0; i < OBJECTS; i++)
        objects[i] = (struct object){&kinds[random_next(&seed) % KINDS], random_next(&seed), (uint64_t)i};
    for (int round = 0; round < 3000; round++)
        for (int i = 0; i < OBJECTS; i++) {
            struct object *o = &objects[i];

            sum += o->kind->value(o);
            if (i % 4 == round % 4)
                o->kind->change(o, sum);
        }
    for (int round = 0; round < 1000000; round++) {
        if (round % 64 == 0)
            for (int i = 0; i < CHAIN; i++)
                chain[i] = (void *)steps[random_next(&seed) % 3];
        chain[CHAIN] = (void *)last_step;
        sum = sum * 31 + ((step *)chain[0])(sum, (void *const *)chain + 1);
    }
    return sum;
}
