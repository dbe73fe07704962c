// The cases of the floating-point differential: every F and D instruction over tables of special
// operands and over random ones, in every rounding mode. The guest program (fp_guest.c) and the
// host program (fp_test.c) include this file, so they go through the same cases in the same order.
#ifndef FP_CASES_H
#define FP_CASES_H

#include <stdint.h>

// OP(name, assembly, rounding mode or not, operands, operand table, arguments of fp_<name>). The
// operands are in ft0-ft2 and t0; the result goes to ft3, INT says that the guest takes it from t3.
#define FP_OPS_OF(t)                                                                               \
    OP(add_##t, "fadd." #t " ft3, ft0, ft1", RM, 2, t, (r, a, b, rm))                              \
    OP(sub_##t, "fsub." #t " ft3, ft0, ft1", RM, 2, t, (r, a, b, rm))                              \
    OP(mul_##t, "fmul." #t " ft3, ft0, ft1", RM, 2, t, (r, a, b, rm))                              \
    OP(div_##t, "fdiv." #t " ft3, ft0, ft1", RM, 2, t, (r, a, b, rm))                              \
    OP(sqrt_##t, "fsqrt." #t " ft3, ft0", RM, 1, t, (r, a, rm))                                    \
    OP(madd_##t, "fmadd." #t " ft3, ft0, ft1, ft2", RM, 3, t, (r, a, b, c, rm))                    \
    OP(msub_##t, "fmsub." #t " ft3, ft0, ft1, ft2", RM, 3, t, (r, a, b, c, rm))                    \
    OP(nmadd_##t, "fnmadd." #t " ft3, ft0, ft1, ft2", RM, 3, t, (r, a, b, c, rm))                  \
    OP(nmsub_##t, "fnmsub." #t " ft3, ft0, ft1, ft2", RM, 3, t, (r, a, b, c, rm))                  \
    OP(sgnj_##t, "fsgnj." #t " ft3, ft0, ft1", NO_RM, 2, t, (r, a, b))                             \
    OP(sgnjn_##t, "fsgnjn." #t " ft3, ft0, ft1", NO_RM, 2, t, (r, a, b))                           \
    OP(sgnjx_##t, "fsgnjx." #t " ft3, ft0, ft1", NO_RM, 2, t, (r, a, b))                           \
    OP(min_##t, "fmin." #t " ft3, ft0, ft1", NO_RM, 2, t, (r, a, b))                               \
    OP(max_##t, "fmax." #t " ft3, ft0, ft1", NO_RM, 2, t, (r, a, b))                               \
    OP(eq_##t, "feq." #t " t3, ft0, ft1", NO_RM_INT, 2, t, (r, a, b))                              \
    OP(lt_##t, "flt." #t " t3, ft0, ft1", NO_RM_INT, 2, t, (r, a, b))                              \
    OP(le_##t, "fle." #t " t3, ft0, ft1", NO_RM_INT, 2, t, (r, a, b))                              \
    OP(class_##t, "fclass." #t " t3, ft0", NO_RM_INT, 1, t, (r, a))                                \
    OP(cvt_w_##t, "fcvt.w." #t " t3, ft0", RM_INT, 1, t, (r, a, rm))                               \
    OP(cvt_wu_##t, "fcvt.wu." #t " t3, ft0", RM_INT, 1, t, (r, a, rm))                             \
    OP(cvt_l_##t, "fcvt.l." #t " t3, ft0", RM_INT, 1, t, (r, a, rm))                               \
    OP(cvt_lu_##t, "fcvt.lu." #t " t3, ft0", RM_INT, 1, t, (r, a, rm))

#define FP_OPS                                                                                     \
    FP_OPS_OF(s)                                                                                   \
    FP_OPS_OF(d)                                                                                   \
    OP(cvt_s_w, "fcvt.s.w ft3, t0", RM, 1, x, (r, a, rm))                                          \
    OP(cvt_s_wu, "fcvt.s.wu ft3, t0", RM, 1, x, (r, a, rm))                                        \
    OP(cvt_s_l, "fcvt.s.l ft3, t0", RM, 1, x, (r, a, rm))                                          \
    OP(cvt_s_lu, "fcvt.s.lu ft3, t0", RM, 1, x, (r, a, rm))                                        \
    OP(cvt_d_w, "fcvt.d.w ft3, t0", NO_RM, 1, x, (r, a, rm))                                       \
    OP(cvt_d_wu, "fcvt.d.wu ft3, t0", NO_RM, 1, x, (r, a, rm))                                     \
    OP(cvt_d_l, "fcvt.d.l ft3, t0", RM, 1, x, (r, a, rm))                                          \
    OP(cvt_d_lu, "fcvt.d.lu ft3, t0", RM, 1, x, (r, a, rm))                                        \
    OP(cvt_s_d, "fcvt.s.d ft3, ft0", RM, 1, d, (r, a, rm))                                         \
    OP(cvt_d_s, "fcvt.d.s ft3, ft0", NO_RM, 1, s, (r, a, rm))

#define FP_CORE 38 // so many entries of a table are crossed for three operands

static const uint64_t fp_specials_d[] = {
    0x0000000000000000, 0x8000000000000000, // zero
    0x0000000000000001, 0x8000000000000001, // smallest subnormal
    0x0000000000000003, 0x0008000000000000, //
    0x000fffffffffffff, 0x800fffffffffffff, // largest subnormal
    0x0010000000000000, 0x8010000000000000, // smallest normal
    0x0010000000000001, 0x001fffffffffffff, //
    0x3ff0000000000000, 0xbff0000000000000, // one
    0x3ff0000000000001, 0x3fefffffffffffff, // and its neighbours
    0x3fffffffffffffff, 0xbfffffffffffffff, //
    0x3fe0000000000000, 0xbfe0000000000000, // half
    0x3fe0000000000001, 0x3fdfffffffffffff, //
    0x3ff8000000000000, 0xbff8000000000000, // 1.5
    0x4000000000000000, 0x4008000000000000, // 2, 3
    0x3ca0000000000000, 0xbca0000000000001, // 2^-53
    0x7fefffffffffffff, 0xffefffffffffffff, // largest
    0x7fe0000000000000, 0x5ff0000000000000, //
    0x7ff0000000000000, 0xfff0000000000000, // infinity
    0x7ff8000000000000, 0xfff8000000000123, // quiet NaN
    0x7ff0000000000001, 0xfff7ffffffffffff, // signalling NaN
    // The end of the core.
    0x4004000000000000, 0xc004000000000000, // 2.5
    0x400c000000000000, 0x3fb999999999999a, // 3.5, 0.1
    0x41dfffffffc00000, 0x41dfffffffdfffff, // 2^31 - 1, and up
    0x41dfffffffe00000, 0x41dffffffff00000, //
    0x41e0000000000000, 0xc1e0000000000000, // 2^31
    0xc1e0000000100000, 0xc1e0000000000001, 0xc1e0000000200000, //
    0x41efffffffe00000, 0x41effffffff00000, 0x41f0000000000000, // 2^32 - 1, 2^32
    0x41effffffff00001, 0x41efffffffefffff, //
    0x43dfffffffffffff, 0x43e0000000000000, // 2^63
    0xc3dfffffffffffff, 0xc3e0000000000000, 0xc3e0000000000001, //
    0x43efffffffffffff, 0x43f0000000000000, // 2^64
    0x4330000000000001, 0x4340000000000000, // 2^52 + 1, 2^53
    0x432fffffffffffff, 0x7fd0000000000000, //
    0x1ff0000000000000, 0x2000000000000001, // their squares are subnormal
    0x36a0000000000000, 0x3690000000000000, // 2^-149, 2^-150: the ends of the singles
    0x3690000000000001, 0x380fffffffffffff, // 2^-150 and up; below the smallest normal single
    0x380fffffe0000000, 0x380fffffefffffff, 0x380ffffff0000000, 0x3810000000000000, //
    0x380fffffd0000000, 0x47efffffe0000000, // the largest single
    0x47efffffefffffff, 0x47effffff0000000, 0x47f0000000000000, //
    0x3ff0000010000000, 0x3ff0000030000000, // ties between singles
    0xffffffff3f800000, 0xffffffff7fc00000, // boxed singles
};

static const uint64_t fp_specials_s[] = {
#define B(x) (0xffffffff00000000 | (x))
    B(0x00000000), B(0x80000000), // zero
    B(0x00000001), B(0x80000001), // smallest subnormal
    B(0x00000003), B(0x00400000), //
    B(0x007fffff), B(0x807fffff), // largest subnormal
    B(0x00800000), B(0x80800000), // smallest normal
    B(0x00800001), B(0x00ffffff), //
    B(0x3f800000), B(0xbf800000), // one
    B(0x3f800001), B(0x3f7fffff), // and its neighbours
    B(0x3fffffff), B(0xbfffffff), //
    B(0x3f000000), B(0xbf000000), // half
    B(0x3f000001), B(0x3effffff), //
    B(0x3fc00000), B(0xbfc00000), // 1.5
    B(0x40000000), B(0x40400000), // 2, 3
    B(0x33800000), B(0xb3800001), // 2^-24
    B(0x7f7fffff), B(0xff7fffff), // largest
    B(0x7f800000), B(0xff800000), // infinity
    B(0x7fc00000), B(0xffc00123), // quiet NaN
    B(0x7f800001), B(0xffbfffff), // signalling NaN
    0x000000003f800000,           // not boxed
    0x3ff0000000000000,           //
    // The end of the core.
    0xfffffffe3f800000, 0x7fffffffff800001, 0, 0xfffffffe80000000, //
    B(0x40200000), B(0xc0200000), // 2.5
    B(0x40600000), B(0x3dcccccd), // 3.5, 0.1
    B(0x4effffff), B(0x4f000000), // 2^31
    B(0xceffffff), B(0xcf000000), B(0xcf000001), //
    B(0x4f7fffff), B(0x4f800000), // 2^32
    B(0x5effffff), B(0x5f000000), // 2^63
    B(0xdeffffff), B(0xdf000000), B(0xdf000001), //
    B(0x5f7fffff), B(0x5f800000), // 2^64
    B(0x4b000001), B(0x4b800000), // 2^23 + 1, 2^24
    B(0x4affffff), B(0x7f000000), //
    B(0x1f800000), B(0x20000001), // their squares are subnormal
    B(0x2f800000), B(0x33000000), //
#undef B
};

static const uint64_t fp_specials_x[] = {
    0, 1, 2, 3, 0x7f, 0xffffff, 0x1000000, 0x1000001, 0x1000002, 0x1000003, 0x1fffffe, 0x1ffffff,
    0x7fffffff, 0x80000000, 0x80000001, 0x7fffffbf, 0x7fffffc0, 0x7fffffc1, 0xffffff7f, 0xffffff80,
    0xffffff81, 0xffffffff, 0x100000000, 0x123456789abcdef0, 0x1fffffffffffff, 0x20000000000000,
    0x20000000000001, 0x20000000000002, 0x20000000000003, 0x3fffffffffffff, 0x3ffffffffffffe,
    0x7fffffffffffffff, 0x7ffffffffffffe00, 0x7ffffffffffffdff, 0x7ffffffffffffe01,
    0x8000000000000000, 0x8000000000000001, 0x8000000000000400, 0x8000000000000401,
    0x8000000000000c00, 0x8000008000000000, 0x8000008000000001, 0x8000018000000000,
    0xffffffffffffffff, 0xfffffffffffffffe, 0xfffffffffffffc00, 0xfffffffffffffbff,
    0xfffffffffffffc01, 0xffffff7fffffffff, 0xffffff8000000000, 0xfffffffffeffffff,
    0xffffffff80000000, 0xffffffff7fffffff, 0xffdfffffffffffff, 0xfffffffffefffffd,
};

struct fp_op {
    const char *name;
    int rounds;   // whether it has a rounding mode
    int operands;
    char type;    // which table: s, d, x
};

// The file that includes this one says what becomes of a case.
static void fp_case(int op, unsigned rm, const uint64_t v[3]);

static const struct fp_op fp_ops[] = {
#define RM 1
#define RM_INT 1
#define NO_RM 0
#define NO_RM_INT 0
#define OP(name, assembly, rounds, operands, type, args) {#name, rounds, operands, #type[0]},
    FP_OPS
#undef OP
#undef RM
#undef RM_INT
#undef NO_RM
#undef NO_RM_INT
};

#define FP_LEN(a) (sizeof(a) / sizeof((a)[0]))

static const uint64_t *fp_table(char type, unsigned *len)
{
    *len = type == 's'   ? FP_LEN(fp_specials_s)
           : type == 'd' ? FP_LEN(fp_specials_d)
                         : FP_LEN(fp_specials_x);
    return type == 's' ? fp_specials_s : type == 'd' ? fp_specials_d : fp_specials_x;
}

static uint64_t fp_random(void)
{
    static uint64_t state = 88172645463325252;

    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state * 0x2545f4914f6cdd1d;
}

// An operand: special, or of random bits, or with a significand of one run of ones (rounding) and
// an exponent near one, near both ends or anywhere.
static uint64_t fp_operand(char type)
{
    unsigned len;
    const uint64_t *table = fp_table(type, &len);
    uint64_t choice = fp_random() >> 20, bits = fp_random();
    unsigned fraction = type == 's' ? 23 : 52, exponents = type == 's' ? 256 : 2048;

    if (choice % 8 == 0)
        return table[fp_random() % len];
    if (type == 'x')
        return bits >> (choice >> 8) % 64;
    choice >>= 3;
    if (choice % 4 != 0) {
        uint64_t sig = choice & 16 ? bits : ~0UL << (bits % fraction);
        uint64_t exponent = exponents / 2 - 32 + bits % 64;
        if (choice & 32)
            sig ^= ~0UL << (bits >> 8) % fraction;
        if (choice & 64)
            sig ^= 1;
        if (choice % 4 == 2)
            exponent = choice & 128 ? bits % 64 : exponents - 1 - bits % 8;
        else if (choice % 4 == 3)
            exponent = (bits >> 40) % exponents;
        bits = (sig & ((1UL << fraction) - 1)) | exponent << fraction |
               (uint64_t)(bits >> 63) * exponents << fraction;
    }
    return type == 's' ? bits | 0xffffffff00000000 : bits;
}

static void fp_all_modes(int op, const uint64_t v[3])
{
    for (unsigned rm = 0; rm < (fp_ops[op].rounds ? 5 : 1); rm++)
        fp_case(op, rm, v);
}

static void fp_all_cases(unsigned random)
{
    for (int op = 0; op < (int)FP_LEN(fp_ops); op++) {
        unsigned len, n = (unsigned)fp_ops[op].operands;
        const uint64_t *t = fp_table(fp_ops[op].type, &len);
        if (n == 3)
            len = FP_CORE;
        for (unsigned i = 0; i < len; i++)
            for (unsigned j = 0; j < (n > 1 ? len : 1); j++)
                for (unsigned k = 0; k < (n > 2 ? len : 1); k++)
                    fp_all_modes(op, (uint64_t[3]){t[i], t[j], t[k]});
        for (unsigned i = 0; i < random; i++) {
            uint64_t v[3];
            for (int k = 0; k < 3; k++)
                v[k] = fp_operand(fp_ops[op].type);
            fp_all_modes(op, v);
        }
    }
}

#endif
