// Floating point in integers: what the host cannot do (round to nearest with ties away; fused
// multiply-add without FMA; conversions out of the host's range), exact in every rounding mode.
//
// An operation unpacks its operands, computes sig * 2^exp in 128 bits, and rounds once:
//
// (S1) An unpacked finite number is sig * 2^exp with bit 63 of sig set, subnormals too.
// (S2) What goes to round_pack is exact except that bit 0 may be sticky: it is set if anything
//      below it was lost. Then at least precision + 2 significant bits stand above it.
#include "cpu/fp.h"

typedef unsigned __int128 u128;

const struct softfp softfp_s = {.precision = 24, .bias = 127};
const struct softfp softfp_d = {.precision = 53, .bias = 1023};

enum kind { ZERO, FINITE, INF, QUIET, SIGNALLING };

struct num {
    enum kind kind;
    bool neg;
    int exp;
    u64 sig;
};

// ---- Packing and unpacking ------------------------------------------------------------------

static u64 infinity(const struct softfp *f)
{
    return (u64)(2 * f->bias + 1) << (f->precision - 1);
}

static u64 sign_bit(const struct softfp *f)
{
    return infinity(f) + (1UL << (f->precision - 1));
}

static u64 canonical_nan(const struct softfp *f)
{
    return infinity(f) | 1UL << (f->precision - 2);
}

static u64 signed_as(const struct softfp *f, bool neg, u64 magnitude)
{
    return neg ? magnitude | sign_bit(f) : magnitude;
}

static u64 invalid(const struct softfp *f, u32 *flags)
{
    *flags |= FP_NV;
    return canonical_nan(f);
}

static struct num unpack(const struct softfp *f, u64 v)
{
    int fraction_bits = f->precision - 1;
    u64 magnitude = v & (sign_bit(f) - 1);
    u64 fraction = v & ((1UL << fraction_bits) - 1);
    int biased = (int)(magnitude >> fraction_bits);
    struct num n = {.neg = (v & sign_bit(f)) != 0};

    if (magnitude == 0) {
        n.kind = ZERO;
    } else if (magnitude > infinity(f)) {
        n.kind = magnitude >= canonical_nan(f) ? QUIET : SIGNALLING;
    } else if (magnitude == infinity(f)) {
        n.kind = INF;
    } else {
        u64 sig = biased ? fraction | 1UL << fraction_bits : fraction;
        int lead = __builtin_clzl(sig);
        n.kind = FINITE;
        n.sig = sig << lead;
        n.exp = (biased ? biased : 1) - f->bias - fraction_bits - lead;
    }
    return n;
}

static bool is_nan(struct num n)
{
    return n.kind >= QUIET;
}

// The result of an operation with a NaN among its operands.
static u64 propagate(const struct softfp *f, struct num a, struct num b, u32 *flags)
{
    if (a.kind == SIGNALLING || b.kind == SIGNALLING)
        *flags |= FP_NV;
    return canonical_nan(f);
}

// ---- Rounding -------------------------------------------------------------------------------

static bool round_up(unsigned rm, bool neg, bool odd, bool half, bool below)
{
    switch (rm) {
    case FP_RNE:
        return half && (below || odd);
    case FP_RDN:
        return neg && (half || below);
    case FP_RUP:
        return !neg && (half || below);
    case FP_RMM:
        return half;
    default: // FP_RTZ
        return false;
    }
}

// sig / 2^drop, rounded; the quotient must fit 64 bits.
static u64 shift_round(u128 sig, int drop, bool neg, unsigned rm, bool *inexact)
{
    u64 q = drop < 128 ? (u64)(sig >> drop) : 0;
    bool half = drop >= 1 && drop <= 128 && (sig >> (drop - 1) & 1);
    bool below = drop > 128 ? sig != 0 : drop > 1 && (sig & (((u128)1 << (drop - 1)) - 1)) != 0;

    *inexact = half || below;
    return q + round_up(rm, neg, q & 1, half, below);
}

static int clz128(u128 v)
{
    u64 high = (u64)(v >> 64);

    return high ? __builtin_clzl(high) : 64 + __builtin_clzl((u64)v);
}

static u64 overflow(const struct softfp *f, bool neg, unsigned rm, u32 *flags)
{
    bool away = rm == FP_RNE || rm == FP_RMM || rm == (neg ? FP_RDN : FP_RUP);

    *flags |= FP_OF | FP_NX;
    return signed_as(f, neg, infinity(f) - (away ? 0 : 1));
}

// The number (-1)^neg * sig * 2^exp, sig != 0, rounded to the format (S2).
static u64 round_pack(const struct softfp *f, bool neg, int exp, u128 sig, unsigned rm, u32 *flags)
{
    int lead = clz128(sig);
    int biased = exp - lead + 127 + f->bias;
    int drop = 128 - f->precision;
    bool tiny = false, inexact;

    sig <<= lead;
    if (biased > 2 * f->bias)
        return overflow(f, neg, rm, flags);
    if (biased < 1) {
        // Tininess is detected after rounding, as if the exponent had no lower bound: the number
        // isn't tiny if that carries into the smallest normal one.
        u64 unbounded = shift_round(sig, drop, neg, rm, &inexact);
        tiny = biased < 0 || unbounded >> f->precision == 0;
        drop += 1 - biased;
        biased = 1;
    }

    // The hidden bit adds one to the exponent field if it is there; a carry out of rounding, too.
    u64 magnitude = ((u64)(biased - 1) << (f->precision - 1)) +
                    shift_round(sig, drop, neg, rm, &inexact);
    if (magnitude >= infinity(f))
        return overflow(f, neg, rm, flags);
    if (inexact)
        *flags |= tiny ? FP_NX | FP_UF : FP_NX;
    return signed_as(f, neg, magnitude);
}

// ---- Arithmetic -----------------------------------------------------------------------------

// A term of a sum: (-1)^neg * sig * 2^exp, where bit 126 is the highest set bit of sig (one is left
// for the carry), or sig is 0.
struct term {
    bool neg;
    int exp;
    u128 sig;
};

static struct term term(struct num n)
{
    return (struct term){.neg = n.neg, .exp = n.exp - 63, .sig = (u128)n.sig << 63};
}

// The larger term's low bits are zero (a product has 2 * 53 bits of 127), so a sticky bit 0 in the
// smaller leaves a sticky bit 0 in the sum or difference; and it occurs only if the exponents are
// so far apart that a difference loses no more than one leading bit.
static u64 sum(const struct softfp *f, struct term a, struct term b, unsigned rm, u32 *flags)
{
    if (b.sig != 0 && (a.sig == 0 || b.exp > a.exp || (b.exp == a.exp && b.sig > a.sig))) {
        struct term t = a;
        a = b;
        b = t;
    }
    if (b.sig != 0) {
        int d = a.exp - b.exp;
        u128 shifted = d < 128 ? b.sig >> d : 0;
        bool lost = d < 128 ? shifted << d != b.sig : true;
        b.sig = shifted | lost;
    }

    u128 sig = a.neg == b.neg ? a.sig + b.sig : a.sig - b.sig;
    if (sig == 0)
        return signed_as(f, a.neg == b.neg ? a.neg : rm == FP_RDN, 0);
    return round_pack(f, a.neg, a.exp, sig, rm, flags);
}

u64 softfp_add(const struct softfp *f, u64 a, u64 b, unsigned rm, u32 *flags)
{
    struct num x = unpack(f, a), y = unpack(f, b);

    if (is_nan(x) || is_nan(y))
        return propagate(f, x, y, flags);
    if (x.kind == INF && y.kind == INF && x.neg != y.neg)
        return invalid(f, flags);
    if (x.kind == INF || y.kind == INF)
        return x.kind == INF ? a : b;
    return sum(f, term(x), term(y), rm, flags);
}

u64 softfp_sub(const struct softfp *f, u64 a, u64 b, unsigned rm, u32 *flags)
{
    return softfp_add(f, a, b ^ sign_bit(f), rm, flags);
}

u64 softfp_mul(const struct softfp *f, u64 a, u64 b, unsigned rm, u32 *flags)
{
    struct num x = unpack(f, a), y = unpack(f, b);
    bool neg = x.neg != y.neg;

    if (is_nan(x) || is_nan(y))
        return propagate(f, x, y, flags);
    if ((x.kind == INF && y.kind == ZERO) || (x.kind == ZERO && y.kind == INF))
        return invalid(f, flags);
    if (x.kind == INF || y.kind == INF)
        return signed_as(f, neg, infinity(f));
    if (x.kind == ZERO || y.kind == ZERO)
        return signed_as(f, neg, 0);
    return round_pack(f, neg, x.exp + y.exp, (u128)x.sig * y.sig, rm, flags);
}

u64 softfp_fma(const struct softfp *f, u64 a, u64 b, u64 c, unsigned rm, u32 *flags)
{
    struct num x = unpack(f, a), y = unpack(f, b), z = unpack(f, c);
    bool neg = x.neg != y.neg;
    bool inf = x.kind == INF || y.kind == INF;

    // "The fused multiply-add instructions must set the invalid operation exception flag when the
    // multiplicands are infinity and zero, even when the addend is a quiet NaN."
    if (inf && (x.kind == ZERO || y.kind == ZERO))
        return invalid(f, flags);
    if (is_nan(x) || is_nan(y) || is_nan(z)) {
        if (z.kind == SIGNALLING)
            *flags |= FP_NV;
        return propagate(f, x, y, flags);
    }
    if (inf && z.kind == INF && neg != z.neg)
        return invalid(f, flags);
    if (inf || z.kind == INF)
        return signed_as(f, inf ? neg : z.neg, infinity(f));

    struct term product = {.neg = neg, .exp = x.exp + y.exp, .sig = (u128)x.sig * y.sig};
    if (product.sig >> 127) {
        product.sig >>= 1; // its low bits are zeros
        product.exp++;
    }
    return sum(f, product, term(z), rm, flags);
}

u64 softfp_div(const struct softfp *f, u64 a, u64 b, unsigned rm, u32 *flags)
{
    struct num x = unpack(f, a), y = unpack(f, b);
    bool neg = x.neg != y.neg;

    if (is_nan(x) || is_nan(y))
        return propagate(f, x, y, flags);
    if (x.kind == y.kind && x.kind != FINITE) // 0 / 0, inf / inf
        return invalid(f, flags);
    if (x.kind == INF)
        return signed_as(f, neg, infinity(f));
    if (x.kind == ZERO || y.kind == INF)
        return signed_as(f, neg, 0);
    if (y.kind == ZERO) {
        *flags |= FP_DZ;
        return signed_as(f, neg, infinity(f));
    }

    u128 dividend = (u128)x.sig << 64;
    u128 quotient = dividend / y.sig; // 64 or 65 bits
    bool rest = quotient * y.sig != dividend;
    return round_pack(f, neg, x.exp - 64 - y.exp, quotient | rest, rm, flags);
}

// The integer part of v's square root, bit by bit from the top.
static u64 square_root(u128 v)
{
    u64 root = 0;

    for (u64 bit = 1UL << 63; bit; bit >>= 1) {
        u64 candidate = root | bit;
        if ((u128)candidate * candidate <= v)
            root = candidate;
    }
    return root;
}

u64 softfp_sqrt(const struct softfp *f, u64 a, unsigned rm, u32 *flags)
{
    struct num x = unpack(f, a);

    if (is_nan(x))
        return propagate(f, x, x, flags);
    if (x.kind == ZERO)
        return a;
    if (x.neg)
        return invalid(f, flags);
    if (x.kind == INF)
        return a;

    int shift = x.exp & 1 ? 63 : 64; // leaves an even exponent
    u128 square = (u128)x.sig << shift;
    u64 root = square_root(square);
    bool rest = (u128)root * root != square;
    return round_pack(f, false, (x.exp - shift) / 2, root | rest, rm, flags);
}

// ---- Conversions ----------------------------------------------------------------------------

u64 softfp_convert(const struct softfp *from, const struct softfp *to, u64 a, unsigned rm,
                   u32 *flags)
{
    struct num x = unpack(from, a);

    if (is_nan(x))
        return propagate(to, x, x, flags);
    if (x.kind != FINITE)
        return signed_as(to, x.neg, x.kind == INF ? infinity(to) : 0);
    return round_pack(to, x.neg, x.exp, x.sig, rm, flags);
}

u64 softfp_from_int(const struct softfp *f, bool negative, u64 magnitude, unsigned rm, u32 *flags)
{
    return magnitude ? round_pack(f, negative, 0, magnitude, rm, flags) : 0;
}

u64 softfp_to_int(const struct softfp *f, u64 a, int bits, bool is_signed, unsigned rm, u32 *flags)
{
    struct num x = unpack(f, a);
    bool neg = x.neg && !is_nan(x);
    bool fits = x.kind == ZERO || (x.kind == FINITE && x.exp <= 0), inexact = false;
    u64 max = ~0UL >> (64 - bits + is_signed);  // of the positive numbers
    u64 limit = !neg ? max : is_signed ? max + 1 : 0; // of the magnitude
    u64 magnitude = limit;

    if (x.kind == ZERO)
        magnitude = 0;
    else if (fits)
        magnitude = shift_round(x.sig, -x.exp, neg, rm, &inexact);
    if (!fits || magnitude > limit) {
        *flags |= FP_NV;
        magnitude = limit;
    } else if (inexact) {
        *flags |= FP_NX;
    }

    u64 v = neg ? -magnitude : magnitude;
    return bits == 32 ? (u64)(i64)(i32)v : v;
}
