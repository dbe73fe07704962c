// The arithmetic of RV64 F and D.
//
// Arguments and results are the raw 64 bits of f registers. A single lives NaN-boxed: its upper 32
// bits are ones. Functions of singles unbox (what is not a boxed single reads as the canonical NaN)
// and box their result. Every NaN that arithmetic produces is the canonical one.
//
// (F1) Between fp_enter and fp_flags the host's MXCSR belongs to the guest: it rounds to nearest,
//      masks all exceptions, and its sticky flags are guest flags that regs.fflags doesn't have
//      yet. So nobody else does floating point in between, and regs.fflags is complete only right
//      after fp_flags: call it before reading fflags, and before writing it.
// (F2) rm is resolved (0-4, never DYN). RNE runs on the host as it stands; RTZ, RDN and RUP switch
//      MXCSR around the operation; RMM, which the host lacks, is computed in integers (softfp).
// (F3) Host operations are volatile asm, so that the compiler neither folds them nor moves them
//      across a change of MXCSR.
#ifndef CPU_FP_H
#define CPU_FP_H

#include "base/types.h"
#include "cpu/cpu.h"

enum { FP_NX = 1, FP_UF = 2, FP_OF = 4, FP_DZ = 8, FP_NV = 16 };           // fflags
enum { FP_RNE = 0, FP_RTZ = 1, FP_RDN = 2, FP_RUP = 3, FP_RMM = 4 };       // rm

#define FP_BOX 0xffffffff00000000UL
#define FP_SIGN_S 0x80000000U
#define FP_SIGN_D 0x8000000000000000UL
#define FP_NAN_S 0x7fc00000U
#define FP_NAN_D 0x7ff8000000000000UL

// Gives MXCSR to the guest: flags clear, round to nearest, exceptions masked, no DAZ or FTZ.
void fp_enter(struct regs *r);

// Moves the flags accrued in MXCSR to r->fflags.
void fp_flags(struct regs *r);

// ---- Values ---------------------------------------------------------------------------------

static inline u32 fp_unbox(u64 v)
{
    return likely(v >= FP_BOX) ? (u32)v : FP_NAN_S;
}

static inline u64 fp_box(u32 v)
{
    return FP_BOX | v;
}

union fp_pun_s {
    u32 bits;
    float value;
};

union fp_pun_d {
    u64 bits;
    double value;
};

static inline float fp_float(u64 v)
{
    return (union fp_pun_s){.bits = fp_unbox(v)}.value;
}

static inline double fp_double(u64 v)
{
    return (union fp_pun_d){.bits = v}.value;
}

// The register value of a host result; `nan` says that it is one. The empty asm makes that a
// branch, which is predicted, rather than a conditional move, which each later operation would wait
// for.
static inline u64 fp_result_s(float v, bool nan)
{
    if (unlikely(nan)) {
        v = (union fp_pun_s){.bits = FP_NAN_S}.value;
        __asm__("" : "+x"(v));
    }
    return fp_box((union fp_pun_s){.value = v}.bits);
}

static inline u64 fp_result_d(double v, bool nan)
{
    if (unlikely(nan)) {
        v = (union fp_pun_d){.bits = FP_NAN_D}.value;
        __asm__("" : "+x"(v));
    }
    return (union fp_pun_d){.value = v}.bits;
}

// ---- Add, subtract, multiply, divide --------------------------------------------------------

// fp_OP_T_here computes in MXCSR's rounding mode, fp_OP_T_rm in any mode but is slow.
#define FP_BINARY(name, type, ctype, load, suffix)                                                 \
    u64 fp_##name##_##type##_rm(struct regs *r, u64 a, u64 b, unsigned rm);                        \
    static inline u64 fp_##name##_##type##_here(u64 a, u64 b)                                      \
    {                                                                                              \
        ctype v = load(a);                                                                         \
        bool nan;                                                                                  \
        __asm__ volatile(#name "s" suffix " %2, %0\n\tucomis" suffix " %0, %0"                     \
                         : "+x"(v), "=@ccp"(nan)                                                   \
                         : "x"(load(b)));                                                          \
        return fp_result_##type(v, nan);                                                           \
    }                                                                                              \
    static inline u64 fp_##name##_##type(struct regs *r, u64 a, u64 b, unsigned rm)                \
    {                                                                                              \
        if (unlikely(rm != FP_RNE))                                                                \
            return fp_##name##_##type##_rm(r, a, b, rm);                                           \
        return fp_##name##_##type##_here(a, b);                                                    \
    }

FP_BINARY(add, s, float, fp_float, "s")
FP_BINARY(sub, s, float, fp_float, "s")
FP_BINARY(mul, s, float, fp_float, "s")
FP_BINARY(div, s, float, fp_float, "s")
FP_BINARY(add, d, double, fp_double, "d")
FP_BINARY(sub, d, double, fp_double, "d")
FP_BINARY(mul, d, double, fp_double, "d")
FP_BINARY(div, d, double, fp_double, "d")
#undef FP_BINARY

u64 fp_sqrt_s(struct regs *r, u64 a, unsigned rm);
u64 fp_sqrt_d(struct regs *r, u64 a, unsigned rm);

// ---- Fused multiply-add ---------------------------------------------------------------------

static inline bool fp_host_fma(void)
{
    return __builtin_cpu_supports("fma") != 0;
}

// a * b + c in any rounding mode, on any host.
u64 fp_fma_s_rm(struct regs *r, u64 a, u64 b, u64 c, unsigned rm);
u64 fp_fma_d_rm(struct regs *r, u64 a, u64 b, u64 c, unsigned rm);

// The result when it is a NaN: raises NV for inf * 0 + quiet NaN, which hosts may keep quiet about.
u64 fp_fma_nan_s(struct regs *r, u64 a, u64 b);
u64 fp_fma_nan_d(struct regs *r, u64 a, u64 b);

// The four instructions differ in the signs of the product and of the addend: flipping an operand's
// sign bit flips them exactly, and the sign of a NaN never shows.
#define FP_FMA(type, ctype, load, suffix, sign)                                                    \
    static inline u64 fp_fma_##type##_here(struct regs *r, u64 a, u64 b, u64 c)                    \
    {                                                                                              \
        ctype v = load(a);                                                                         \
        bool nan;                                                                                  \
        __asm__ volatile("vfmadd213s" suffix " %3, %2, %0\n\tvucomis" suffix " %0, %0"             \
                         : "+x"(v), "=@ccp"(nan)                                                   \
                         : "x"(load(b)), "x"(load(c)));                                            \
        if (unlikely(nan))                                                                         \
            return fp_fma_nan_##type(r, a, b);                                                     \
        return fp_result_##type(v, false);                                                         \
    }                                                                                              \
    static inline u64 fp_madd_##type(struct regs *r, u64 a, u64 b, u64 c, unsigned rm)             \
    {                                                                                              \
        if (unlikely(rm != FP_RNE || !fp_host_fma()))                                              \
            return fp_fma_##type##_rm(r, a, b, c, rm);                                             \
        return fp_fma_##type##_here(r, a, b, c);                                                   \
    }                                                                                              \
    static inline u64 fp_msub_##type(struct regs *r, u64 a, u64 b, u64 c, unsigned rm)             \
    {                                                                                              \
        return fp_madd_##type(r, a, b, c ^ (sign), rm);                                            \
    }                                                                                              \
    static inline u64 fp_nmsub_##type(struct regs *r, u64 a, u64 b, u64 c, unsigned rm)            \
    {                                                                                              \
        return fp_madd_##type(r, a ^ (sign), b, c, rm);                                            \
    }                                                                                              \
    static inline u64 fp_nmadd_##type(struct regs *r, u64 a, u64 b, u64 c, unsigned rm)            \
    {                                                                                              \
        return fp_madd_##type(r, a ^ (sign), b, c ^ (sign), rm);                                   \
    }

FP_FMA(s, float, fp_float, "s", FP_SIGN_S)
FP_FMA(d, double, fp_double, "d", FP_SIGN_D)
#undef FP_FMA

// ---- Signs, comparisons, minimum and maximum ------------------------------------------------

#define FP_SGNJ(type, utype, unbox, box, sign)                                                     \
    static inline u64 fp_sgnj_##type(struct regs *r, u64 a, u64 b)                                 \
    {                                                                                              \
        (void)r;                                                                                   \
        return box((unbox(a) & ~(sign)) | (unbox(b) & (sign)));                                    \
    }                                                                                              \
    static inline u64 fp_sgnjn_##type(struct regs *r, u64 a, u64 b)                                \
    {                                                                                              \
        (void)r;                                                                                   \
        return box((unbox(a) & ~(sign)) | (~unbox(b) & (sign)));                                   \
    }                                                                                              \
    static inline u64 fp_sgnjx_##type(struct regs *r, u64 a, u64 b)                                \
    {                                                                                              \
        (void)r;                                                                                   \
        return box(unbox(a) ^ (unbox(b) & (sign)));                                                \
    }

FP_SGNJ(s, u32, fp_unbox, fp_box, FP_SIGN_S)
FP_SGNJ(d, u64, , , FP_SIGN_D)
#undef FP_SGNJ

// "FLT and FLE perform signaling comparisons; FEQ performs a quiet comparison." In host terms,
// comis and cmpeq. a < b is computed as b > a: "above" and "above or equal" are false of unordered
// operands.
#define FP_COMPARE(type, ctype, load, suffix)                                                      \
    static inline u64 fp_eq_##type(struct regs *r, u64 a, u64 b)                                   \
    {                                                                                              \
        (void)r;                                                                                   \
        ctype mask = load(a);                                                                      \
        __asm__ volatile("cmpeqs" suffix " %1, %0" : "+x"(mask) : "x"(load(b)));                   \
        return (union fp_pun_##type){.value = mask}.bits & 1;                                      \
    }                                                                                              \
    static inline u64 fp_lt_##type(struct regs *r, u64 a, u64 b)                                   \
    {                                                                                              \
        (void)r;                                                                                   \
        bool above;                                                                                \
        __asm__ volatile("comis" suffix " %1, %2" : "=@cca"(above) : "x"(load(a)), "x"(load(b)));  \
        return above;                                                                              \
    }                                                                                              \
    static inline u64 fp_le_##type(struct regs *r, u64 a, u64 b)                                   \
    {                                                                                              \
        (void)r;                                                                                   \
        bool above_or_equal;                                                                       \
        __asm__ volatile("comis" suffix " %1, %2"                                                  \
                         : "=@ccae"(above_or_equal)                                                \
                         : "x"(load(a)), "x"(load(b)));                                            \
        return above_or_equal;                                                                     \
    }

FP_COMPARE(s, float, fp_float, "s")
FP_COMPARE(d, double, fp_double, "d")
#undef FP_COMPARE

// minimumNumber and maximumNumber of IEEE 754-2019: a NaN loses to a number, -0 < +0, and only a
// signalling NaN raises NV.
u64 fp_min_s(struct regs *r, u64 a, u64 b);
u64 fp_min_d(struct regs *r, u64 a, u64 b);
u64 fp_max_s(struct regs *r, u64 a, u64 b);
u64 fp_max_d(struct regs *r, u64 a, u64 b);

// FCLASS: one bit of ten.
u64 fp_class_s(struct regs *r, u64 a);
u64 fp_class_d(struct regs *r, u64 a);

// ---- Conversions ----------------------------------------------------------------------------

// To integers. What doesn't fit raises NV and saturates; NaN counts as +inf. 32-bit results, the
// unsigned ones too, are sign-extended.
u64 fp_cvt_w_s(struct regs *r, u64 a, unsigned rm);
u64 fp_cvt_wu_s(struct regs *r, u64 a, unsigned rm);
u64 fp_cvt_l_s(struct regs *r, u64 a, unsigned rm);
u64 fp_cvt_lu_s(struct regs *r, u64 a, unsigned rm);
u64 fp_cvt_w_d(struct regs *r, u64 a, unsigned rm);
u64 fp_cvt_wu_d(struct regs *r, u64 a, unsigned rm);
u64 fp_cvt_l_d(struct regs *r, u64 a, unsigned rm);
u64 fp_cvt_lu_d(struct regs *r, u64 a, unsigned rm);

// From integers; x is the whole x register, of which w and wu read the lower half.
u64 fp_cvt_s_w(struct regs *r, u64 x, unsigned rm);
u64 fp_cvt_s_wu(struct regs *r, u64 x, unsigned rm);
u64 fp_cvt_s_l(struct regs *r, u64 x, unsigned rm);
u64 fp_cvt_s_lu(struct regs *r, u64 x, unsigned rm);
u64 fp_cvt_d_w(struct regs *r, u64 x, unsigned rm);
u64 fp_cvt_d_wu(struct regs *r, u64 x, unsigned rm);
u64 fp_cvt_d_l(struct regs *r, u64 x, unsigned rm);
u64 fp_cvt_d_lu(struct regs *r, u64 x, unsigned rm);

u64 fp_cvt_s_d(struct regs *r, u64 a, unsigned rm);
u64 fp_cvt_d_s(struct regs *r, u64 a, unsigned rm);

// ---- softfp.c: the same in integers ---------------------------------------------------------

// A binary interchange format. Values are its bits, zero-extended, without a box.
struct softfp {
    int precision; // of the significand, the hidden bit included
    int bias;      // of the exponent; also the largest exponent
};

extern const struct softfp softfp_s, softfp_d;

// Exact, in all five rounding modes; they or what they raise into *flags.
u64 softfp_add(const struct softfp *f, u64 a, u64 b, unsigned rm, u32 *flags);
u64 softfp_sub(const struct softfp *f, u64 a, u64 b, unsigned rm, u32 *flags);
u64 softfp_mul(const struct softfp *f, u64 a, u64 b, unsigned rm, u32 *flags);
u64 softfp_div(const struct softfp *f, u64 a, u64 b, unsigned rm, u32 *flags);
u64 softfp_sqrt(const struct softfp *f, u64 a, unsigned rm, u32 *flags);
u64 softfp_fma(const struct softfp *f, u64 a, u64 b, u64 c, unsigned rm, u32 *flags);
u64 softfp_convert(const struct softfp *from, const struct softfp *to, u64 a, unsigned rm,
                   u32 *flags);
u64 softfp_from_int(const struct softfp *f, bool negative, u64 magnitude, unsigned rm, u32 *flags);

// `bits` is 32 or 64; 32-bit results are sign-extended.
u64 softfp_to_int(const struct softfp *f, u64 a, int bits, bool is_signed, unsigned rm, u32 *flags);

#endif
