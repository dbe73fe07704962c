// Many small blocks: a net of 1024 rules, each with code of its own, tried one after the other, and an
// automaton of 256 states, each with code of its own, entered through a table. The code is larger
// than a processor's first cache, and every branch is taken about as often as not.
#define CHECKSUM 0xd20ba35c15543b81
#include "cpu.h"

enum { PLACES = 64, STATES = 256 };

static uint32_t place[PLACES];
static uint64_t state_sum;

// A rule takes from two places what a third one gets, and differs from all others in its numbers.
#define MIX(n) ((uint32_t)(n) * 2654435761U)
#define RULE(n)                                                                                     \
    if (place[MIX(n) >> 26] > (MIX((n) + 7) & 31)) {                                                \
        if ((place[MIX((n) + 1) >> 26] ^ (n)) & 1 << ((n) & 3))                                     \
            place[MIX((n) + 2) >> 26] += place[MIX(n) >> 26] >> 1;                                  \
        else                                                                                        \
            place[MIX((n) + 3) >> 26] ^= (n);                                                       \
        place[MIX(n) >> 26] -= (MIX((n) + 7) & 31) + 1;                                             \
    } else {                                                                                        \
        place[MIX(n) >> 26] += (n) | 16;                                                            \
    }
#define FOUR(macro, n) macro(n) macro((n) + 1) macro((n) + 2) macro((n) + 3)
#define RULES_16(n) FOUR(RULE, n) FOUR(RULE, (n) + 4) FOUR(RULE, (n) + 8) FOUR(RULE, (n) + 12)
#define RULES_64(n) RULES_16(n) RULES_16((n) + 16) RULES_16((n) + 32) RULES_16((n) + 48)
#define RULES_256(n) RULES_64(n) RULES_64((n) + 64) RULES_64((n) + 128) RULES_64((n) + 192)

static void rules(void)
{
    RULES_256(0)
    RULES_256(256)
    RULES_256(512)
    RULES_256(768)
}

// A state looks at a letter and says which one is next.
#define STATE(n)                                                                                    \
    case (n):                                                                                       \
        state_sum += (n) ^ letter;                                                                  \
        state = letter & 1 << ((n) % 5) ? (n) * 5 + letter : (n) + 1 + letter % ((n) % 11 + 2);     \
        break;
#define STATES_16(n) FOUR(STATE, n) FOUR(STATE, (n) + 4) FOUR(STATE, (n) + 8) FOUR(STATE, (n) + 12)
#define STATES_64(n) STATES_16(n) STATES_16((n) + 16) STATES_16((n) + 32) STATES_16((n) + 48)

static unsigned automaton(unsigned state, const unsigned char *letters, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        unsigned letter = letters[i];

        switch (state % STATES) {
            STATES_64(0)
            STATES_64(64)
            STATES_64(128)
            STATES_64(192)
        default:
            break;
        }
    }
    return state;
}

static uint64_t work(void)
{
    static unsigned char letters[1 << 16];
    uint64_t seed = 8, sum = 0;
    unsigned state = 0;

    for (size_t i = 0; i < sizeof(letters); i++)
        letters[i] = (unsigned char)random_next(&seed);
    for (int i = 0; i < PLACES; i++)
        place[i] = (uint32_t)random_next(&seed) & 63;
    for (int round = 0; round < 12000; round++) {
        rules();
        sum = sum * 31 + place[round % PLACES];
    }
    for (int round = 0; round < 120; round++)
        state = automaton(state, letters, sizeof(letters));
    return sum * 31 + state + state_sum;
}
