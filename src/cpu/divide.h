// Division as the M extension defines it, also where C leaves it undefined ("Unprivileged ISA, M: by zero and
// overflow": nothing traps); and the wide integers of its high products.
#ifndef CPU_DIVIDE_H
#define CPU_DIVIDE_H

#include "base/types.h"

static inline u64 div_signed(i64 a, i64 b)
{
    if (unlikely(b == 0))
        return ~0UL;
    if (unlikely(b == -1))
        return -(u64)a;
    return (u64)(a / b);
}

static inline u64 rem_signed(i64 a, i64 b)
{
    if (unlikely(b == 0))
        return (u64)a;
    if (unlikely(b == -1))
        return 0;
    return (u64)(a % b);
}

static inline u64 div_unsigned(u64 a, u64 b)
{
    return unlikely(b == 0) ? ~0UL : a / b;
}

static inline u64 rem_unsigned(u64 a, u64 b)
{
    return unlikely(b == 0) ? a : a % b;
}

// "W" division: on the lower halves, so that the host divides 32 bits.
static inline u64 divw_signed(i32 a, i32 b)
{
    if (unlikely(b == 0))
        return ~0UL;
    if (unlikely(b == -1))
        return (u64)(i64)(i32)(0u - (u32)a);
    return (u64)(i64)(a / b);
}

static inline u64 remw_signed(i32 a, i32 b)
{
    if (unlikely(b == 0))
        return (u64)(i64)a;
    if (unlikely(b == -1))
        return 0;
    return (u64)(i64)(a % b);
}

static inline u64 divw_unsigned(u32 a, u32 b)
{
    return unlikely(b == 0) ? ~0UL : (u64)(i64)(i32)(a / b);
}

static inline u64 remw_unsigned(u32 a, u32 b)
{
    return (u64)(i64)(i32)(unlikely(b == 0) ? a : a % b);
}

__extension__ typedef __int128 i128;
__extension__ typedef unsigned __int128 u128;

#endif
