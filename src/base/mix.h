// Numbers from numbers: splitmix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators).
#ifndef BASE_MIX_H
#define BASE_MIX_H

#include "base/types.h"

// A bijection after which every bit hangs on every bit.
static inline u64 mix_u64(u64 z)
{
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ z >> 27) * 0x94d049bb133111ebULL;
    return z ^ z >> 31;
}

// The next number of the sequence that *state stands in.
static inline u64 mix_next(u64 *state)
{
    return mix_u64(*state += 0x9e3779b97f4a7c15ULL);
}

#endif
