// The arithmetic of RV64 F and D on the host's SSE2: what fp.h doesn't inline.
#include "cpu/fp.h"

// ---- MXCSR ----------------------------------------------------------------------------------

enum {
    MXCSR_GUEST = 0x1f80,    // exceptions masked, round to nearest, no DAZ or FTZ, no flags
    MXCSR_FLAGS = 0x3f,      // IE DE ZE OE UE PE from bit 0
    MXCSR_ROUNDING = 0x6000, // 0 nearest, 1 down, 2 up, 3 towards zero
};

static u32 mxcsr_read(void)
{
    u32 v;

    __asm__ volatile("stmxcsr %0" : "=m"(v));
    return v;
}

static void mxcsr_write(u32 v)
{
    __asm__ volatile("ldmxcsr %0" : : "m"(v));
}

void fp_enter(struct regs *r)
{
    (void)r;
    mxcsr_write(MXCSR_GUEST);
}

void fp_flags(struct regs *r)
{
    u32 v = mxcsr_read();

    if (!(v & MXCSR_FLAGS))
        return;
    if (v & 1)
        r->fflags |= FP_NV;
    if (v & 4)
        r->fflags |= FP_DZ;
    if (v & 8)
        r->fflags |= FP_OF;
    if (v & 16)
        r->fflags |= FP_UF;
    if (v & 32)
        r->fflags |= FP_NX;
    mxcsr_write(v & ~(u32)MXCSR_FLAGS);
}

// Puts rm, which is not RMM, in place for the next host operations; round_end puts RNE back.
static void round_begin(unsigned rm)
{
    static const u32 rounding[] = {
        [FP_RNE] = 0, [FP_RDN] = 0x2000, [FP_RUP] = 0x4000, [FP_RTZ] = 0x6000,
    };

    if (rm != FP_RNE)
        mxcsr_write(mxcsr_read() | rounding[rm]);
}

static void round_end(unsigned rm)
{
    if (rm != FP_RNE)
        mxcsr_write(mxcsr_read() & ~(u32)MXCSR_ROUNDING);
}

// Identity, so that code for both types can name it.
static u64 bits_d(u64 v)
{
    return v;
}

static u64 box_s(u64 v)
{
    return fp_box((u32)v);
}

// ---- Arithmetic -----------------------------------------------------------------------------

#define BINARY(name, type, unbox, box)                                                             \
    u64 fp_##name##_##type##_rm(struct regs *r, u64 a, u64 b, unsigned rm)                         \
    {                                                                                              \
        if (rm == FP_RMM)                                                                          \
            return box(softfp_##name(&softfp_##type, unbox(a), unbox(b), rm, &r->fflags));         \
        round_begin(rm);                                                                           \
        u64 v = fp_##name##_##type##_here(a, b);                                                   \
        round_end(rm);                                                                             \
        return v;                                                                                  \
    }

BINARY(add, s, fp_unbox, box_s)
BINARY(sub, s, fp_unbox, box_s)
BINARY(mul, s, fp_unbox, box_s)
BINARY(div, s, fp_unbox, box_s)
BINARY(add, d, bits_d, bits_d)
BINARY(sub, d, bits_d, bits_d)
BINARY(mul, d, bits_d, bits_d)
BINARY(div, d, bits_d, bits_d)

#define FMA(type, unbox, box, nan)                                                                 \
    u64 fp_fma_##type##_rm(struct regs *r, u64 a, u64 b, u64 c, unsigned rm)                       \
    {                                                                                              \
        if (rm == FP_RMM || !fp_host_fma())                                                        \
            return box(softfp_fma(&softfp_##type, unbox(a), unbox(b), unbox(c), rm, &r->fflags));  \
        round_begin(rm);                                                                           \
        u64 v = fp_fma_##type##_here(r, a, b, c);                                                  \
        round_end(rm);                                                                             \
        return v;                                                                                  \
    }                                                                                              \
    u64 fp_fma_nan_##type(struct regs *r, u64 a, u64 b)                                            \
    {                                                                                              \
        return box(softfp_fma(&softfp_##type, unbox(a), unbox(b), nan, FP_RNE, &r->fflags));       \
    }

FMA(s, fp_unbox, box_s, FP_NAN_S)
FMA(d, bits_d, bits_d, FP_NAN_D)

#define SQRT(type, ctype, load, suffix, unbox, box)                                                \
    u64 fp_sqrt_##type(struct regs *r, u64 a, unsigned rm)                                         \
    {                                                                                              \
        if (rm == FP_RMM)                                                                          \
            return box(softfp_sqrt(&softfp_##type, unbox(a), rm, &r->fflags));                     \
        ctype v = load(a);                                                                         \
        bool nan;                                                                                  \
        round_begin(rm);                                                                           \
        __asm__ volatile("sqrts" suffix " %0, %0\n\tucomis" suffix " %0, %0"                       \
                         : "+x"(v), "=@ccp"(nan));                                                 \
        round_end(rm);                                                                             \
        return fp_result_##type(v, nan);                                                           \
    }

SQRT(s, float, fp_float, "s", fp_unbox, box_s)
SQRT(d, double, fp_double, "d", bits_d, bits_d)

// ---- Minimum, maximum, class ----------------------------------------------------------------

enum { NOT_NAN, QUIET_NAN, SIGNALLING_NAN };

static int nan_s(u32 v)
{
    u32 magnitude = v & ~FP_SIGN_S;

    return magnitude <= 0x7f800000U ? NOT_NAN : magnitude >= FP_NAN_S ? QUIET_NAN : SIGNALLING_NAN;
}

static int nan_d(u64 v)
{
    u64 magnitude = v & ~FP_SIGN_D;

    return magnitude <= 0x7ff0000000000000UL ? NOT_NAN
           : magnitude >= FP_NAN_D           ? QUIET_NAN
                                             : SIGNALLING_NAN;
}

// Integers in the order of the numbers, -0 below +0.
static i32 order_s(u32 v)
{
    return (i32)(v & FP_SIGN_S ? v ^ ~FP_SIGN_S : v);
}

static i64 order_d(u64 v)
{
    return (i64)(v & FP_SIGN_D ? v ^ ~FP_SIGN_D : v);
}

#define MINIMUM(name, type, utype, unbox, box, nan, order, less, canonical)                        \
    u64 fp_##name##_##type(struct regs *r, u64 a, u64 b)                                           \
    {                                                                                              \
        utype x = unbox(a), y = unbox(b);                                                          \
        if (nan(x) == SIGNALLING_NAN || nan(y) == SIGNALLING_NAN)                                  \
            r->fflags |= FP_NV;                                                                    \
        if (nan(x) != NOT_NAN)                                                                     \
            return box(nan(y) != NOT_NAN ? canonical : y);                                         \
        return box(nan(y) != NOT_NAN || order(x) less order(y) ? x : y);                           \
    }

MINIMUM(min, s, u32, fp_unbox, box_s, nan_s, order_s, <, FP_NAN_S)
MINIMUM(max, s, u32, fp_unbox, box_s, nan_s, order_s, >, FP_NAN_S)
MINIMUM(min, d, u64, bits_d, bits_d, nan_d, order_d, <, FP_NAN_D)
MINIMUM(max, d, u64, bits_d, bits_d, nan_d, order_d, >, FP_NAN_D)

//  0 -inf   1 -normal   2 -subnormal   3 -0   4 +0   5 +subnormal   6 +normal   7 +inf
//  8 signalling NaN   9 quiet NaN
static u64 class_bit(bool negative, u64 magnitude, u64 smallest_normal, u64 infinity, int nan)
{
    int outward = magnitude == 0                ? 0
                  : magnitude < smallest_normal ? 1
                  : magnitude < infinity        ? 2
                                                : 3;

    if (nan != NOT_NAN)
        return nan == SIGNALLING_NAN ? 1 << 8 : 1 << 9;
    return 1UL << (negative ? 3 - outward : 4 + outward);
}

u64 fp_class_s(struct regs *r, u64 a)
{
    u32 v = fp_unbox(a);

    (void)r;
    return class_bit(v & FP_SIGN_S, v & ~FP_SIGN_S, 1UL << 23, 0x7f800000UL, nan_s(v));
}

u64 fp_class_d(struct regs *r, u64 a)
{
    (void)r;
    return class_bit(a & FP_SIGN_D, a & ~FP_SIGN_D, 1UL << 52, 0x7ff0000000000000UL, nan_d(a));
}

// ---- Floating point to integer --------------------------------------------------------------

// Both conversions are to 64 bits: the callers see to it that the result fits.
#define TO_I64(type, load, suffix)                                                                 \
    static u64 to_i64_##type(u64 a, unsigned rm)                                                   \
    {                                                                                              \
        i64 v;                                                                                     \
        if (rm == FP_RTZ) {                                                                        \
            __asm__ volatile("cvtts" suffix "2si %1, %0" : "=r"(v) : "x"(load(a)));                \
            return (u64)v;                                                                         \
        }                                                                                          \
        round_begin(rm);                                                                           \
        __asm__ volatile("cvts" suffix "2si %1, %0" : "=r"(v) : "x"(load(a)));                     \
        round_end(rm);                                                                             \
        return (u64)v;                                                                             \
    }

TO_I64(s, fp_float, "s")
TO_I64(d, fp_double, "d")

// The host converts numbers whose bits, under the mask, are below the limit: they fit however they
// are rounded. For signed results the mask drops the sign; for unsigned ones it stays and makes
// negative numbers the largest. The others, NaNs among them, are rare.
#define TO_INT(name, type, unbox, mask, limit, bits, is_signed, extend)                            \
    u64 fp_cvt_##name##_##type(struct regs *r, u64 a, unsigned rm)                                 \
    {                                                                                              \
        if (likely(rm != FP_RMM && (unbox(a) & (mask)) < (limit)))                                 \
            return (u64)(extend)to_i64_##type(a, rm);                                              \
        return softfp_to_int(&softfp_##type, unbox(a), bits, is_signed, rm, &r->fflags);           \
    }

#define BELOW_2_31_S 0x4f000000U // 2^31; the float below it is an integer
#define BELOW_2_32_S 0x4f800000U
#define BELOW_2_63_S 0x5f000000U
#define BELOW_2_31_D 0x41dfffffffc00000UL // 2^31 - 1
#define BELOW_2_32_D 0x41efffffffe00000UL // 2^32 - 1
#define BELOW_2_63_D 0x43e0000000000000UL // 2^63; the double below it is an integer

TO_INT(w, s, fp_unbox, ~FP_SIGN_S, BELOW_2_31_S, 32, true, i32)
TO_INT(wu, s, fp_unbox, ~0U, BELOW_2_32_S, 32, false, i32)
TO_INT(l, s, fp_unbox, ~FP_SIGN_S, BELOW_2_63_S, 64, true, i64)
TO_INT(lu, s, fp_unbox, ~0U, BELOW_2_63_S, 64, false, i64)
TO_INT(w, d, bits_d, ~FP_SIGN_D, BELOW_2_31_D, 32, true, i32)
TO_INT(wu, d, bits_d, ~0UL, BELOW_2_32_D, 32, false, i32)
TO_INT(l, d, bits_d, ~FP_SIGN_D, BELOW_2_63_D, 64, true, i64)
TO_INT(lu, d, bits_d, ~0UL, BELOW_2_63_D, 64, false, i64)

// ---- Integer to floating point --------------------------------------------------------------

#define FROM_INT(type, ctype, suffix, box)                                                         \
    static u64 from_i64_##type(struct regs *r, i64 x, unsigned rm)                                 \
    {                                                                                              \
        if (rm == FP_RMM) {                                                                        \
            u64 magnitude = x < 0 ? -(u64)x : (u64)x;                                              \
            return box(softfp_from_int(&softfp_##type, x < 0, magnitude, rm, &r->fflags));         \
        }                                                                                          \
        ctype v = 0; /* the instruction merges */                                                  \
        round_begin(rm);                                                                           \
        __asm__ volatile("cvtsi2s" suffix "q %1, %0" : "+x"(v) : "r"(x));                          \
        round_end(rm);                                                                             \
        return fp_result_##type(v, false);                                                         \
    }                                                                                              \
    u64 fp_cvt_##type##_w(struct regs *r, u64 x, unsigned rm)                                      \
    {                                                                                              \
        return from_i64_##type(r, (i32)x, rm);                                                     \
    }                                                                                              \
    u64 fp_cvt_##type##_wu(struct regs *r, u64 x, unsigned rm)                                     \
    {                                                                                              \
        return from_i64_##type(r, (u32)x, rm);                                                     \
    }                                                                                              \
    u64 fp_cvt_##type##_l(struct regs *r, u64 x, unsigned rm)                                      \
    {                                                                                              \
        return from_i64_##type(r, (i64)x, rm);                                                     \
    }                                                                                              \
    u64 fp_cvt_##type##_lu(struct regs *r, u64 x, unsigned rm)                                     \
    {                                                                                              \
        if (likely(x >> 63 == 0))                                                                  \
            return from_i64_##type(r, (i64)x, rm);                                                 \
        return box(softfp_from_int(&softfp_##type, false, x, rm, &r->fflags));                     \
    }

FROM_INT(s, float, "s", box_s)
FROM_INT(d, double, "d", bits_d)

// ---- Between the types ----------------------------------------------------------------------

u64 fp_cvt_s_d(struct regs *r, u64 a, unsigned rm)
{
    if (rm == FP_RMM)
        return box_s(softfp_convert(&softfp_d, &softfp_s, a, rm, &r->fflags));

    float v = 0;
    bool nan;
    round_begin(rm);
    __asm__ volatile("cvtsd2ss %2, %0\n\tucomiss %0, %0"
                     : "+x"(v), "=@ccp"(nan)
                     : "x"(fp_double(a)));
    round_end(rm);
    return fp_result_s(v, nan);
}

// Exact in every rounding mode.
u64 fp_cvt_d_s(struct regs *r, u64 a, unsigned rm)
{
    double v = 0;
    bool nan;

    (void)r;
    (void)rm;
    __asm__ volatile("cvtss2sd %2, %0\n\tucomisd %0, %0"
                     : "+x"(v), "=@ccp"(nan)
                     : "x"(fp_float(a)));
    return fp_result_d(v, nan);
}
