// Takes instruction words apart. Which row a word belongs to is found by generated code
// (tools/gen_decode.py); where a format keeps its operands stands here.
#include "isa/decode.h"

#include "isa/forms.h"

#include "isa_decode.inc"

enum format { FORMAT_R, FORMAT_I, FORMAT_S, FORMAT_B, FORMAT_U, FORMAT_J, FORMAT_SH, FORMAT_A,
              FORMAT_CSR, FORMAT_FR, FORMAT_R4, FORMAT_N };

static const u8 format_of[OP_COUNT] = {
#define INSN(name, bits, format, ...) [OP_##name] = FORMAT_##format,
#include "isa/rv64.def"
#undef INSN
};

// Bits hi..lo of w, moved to bit `at`.
static inline u32 bits(u32 w, unsigned hi, unsigned lo, unsigned at)
{
    return ((w >> lo) & ((2u << (hi - lo)) - 1)) << at;
}

// The low `n` bits of v as a signed number.
static inline i32 sign(u32 v, unsigned n)
{
    return (i32)(v << (32 - n)) >> (32 - n);
}

static i32 base_immediate(unsigned format, u32 w)
{
    switch (format) {
    case FORMAT_I:
        return sign(bits(w, 31, 20, 0), 12);
    case FORMAT_S:
        return sign(bits(w, 31, 25, 5) | bits(w, 11, 7, 0), 12);
    case FORMAT_B:
        return sign(bits(w, 31, 31, 12) | bits(w, 7, 7, 11) | bits(w, 30, 25, 5) |
                        bits(w, 11, 8, 1), 13);
    case FORMAT_U:
        return (i32)(w & 0xfffff000u);
    case FORMAT_J:
        return sign(bits(w, 31, 31, 20) | bits(w, 19, 12, 12) | bits(w, 20, 20, 11) |
                        bits(w, 30, 21, 1), 21);
    case FORMAT_SH:
        return (i32)bits(w, 25, 20, 0);
    case FORMAT_CSR:
        return (i32)bits(w, 31, 20, 0);
    default:
        return 0;
    }
}

static bool has_rounding_mode(unsigned format)
{
    return format == FORMAT_FR || format == FORMAT_R4;
}

bool rv_find(u32 w, struct insn *out, unsigned *compressed)
{
    *compressed = RVC_none;
    if (rv_length(w) == 2)
        return rv_expand(w & 0xffff, out, compressed);
    unsigned op = find_base(w);
    unsigned format = format_of[op];
    *out = (struct insn){
        .op = (u16)op,
        .rd = (u8)bits(w, 11, 7, 0),
        .rs1 = (u8)bits(w, 19, 15, 0),
        .rs2 = (u8)bits(w, 24, 20, 0),
        .rs3 = (u8)bits(w, 31, 27, 0),
        .rm = (u8)(has_rounding_mode(format) ? bits(w, 14, 12, 0) : 0),
        .len = 4,
        .imm = base_immediate(format, w),
    };
    return op != OP_illegal;
}

bool rv_decode(u32 word, struct insn *out)
{
    unsigned compressed;
    if (!rv_find(word, out, &compressed))
        return false;
    if (out->rm == 5 || out->rm == 6) { // reserved
        out->op = OP_illegal;
        return false;
    }
    return true;
}

// The immediates of compressed instructions, by the manual's chapter 16: each line says which bits
// of the word are which bits of the value.
#define C_NONE(w) 0
#define C_I(w) sign(bits(w, 12, 12, 5) | bits(w, 6, 2, 0), 6)
#define C_SHAMT(w) (i32)(bits(w, 12, 12, 5) | bits(w, 6, 2, 0))
#define C_LUI(w) sign(bits(w, 12, 12, 17) | bits(w, 6, 2, 12), 18)
#define C_ADDI16SP(w)                                                                              \
    sign(bits(w, 12, 12, 9) | bits(w, 6, 6, 4) | bits(w, 5, 5, 6) | bits(w, 4, 3, 7) |             \
             bits(w, 2, 2, 5), 10)
#define C_ADDI4SPN(w)                                                                              \
    (i32)(bits(w, 12, 11, 4) | bits(w, 10, 7, 6) | bits(w, 6, 6, 2) | bits(w, 5, 5, 3))
#define C_LW(w) (i32)(bits(w, 12, 10, 3) | bits(w, 6, 6, 2) | bits(w, 5, 5, 6))
#define C_LD(w) (i32)(bits(w, 12, 10, 3) | bits(w, 6, 5, 6))
#define C_LWSP(w) (i32)(bits(w, 12, 12, 5) | bits(w, 6, 4, 2) | bits(w, 3, 2, 6))
#define C_LDSP(w) (i32)(bits(w, 12, 12, 5) | bits(w, 6, 5, 3) | bits(w, 4, 2, 6))
#define C_SWSP(w) (i32)(bits(w, 12, 9, 2) | bits(w, 8, 7, 6))
#define C_SDSP(w) (i32)(bits(w, 12, 10, 3) | bits(w, 9, 7, 6))
#define C_J(w)                                                                                     \
    sign(bits(w, 12, 12, 11) | bits(w, 11, 11, 4) | bits(w, 10, 9, 8) | bits(w, 8, 8, 10) |        \
             bits(w, 7, 7, 6) | bits(w, 6, 6, 7) | bits(w, 5, 3, 1) | bits(w, 2, 2, 5), 12)
#define C_B(w)                                                                                     \
    sign(bits(w, 12, 12, 8) | bits(w, 11, 10, 3) | bits(w, 6, 5, 6) | bits(w, 4, 3, 1) |           \
             bits(w, 2, 2, 5), 9)

#define RD bits(w, 11, 7, 0)
#define RS2 bits(w, 6, 2, 0)
#define RDP (8 + bits(w, 9, 7, 0))
#define RS2P (8 + bits(w, 4, 2, 0))

bool rv_expand(u32 w, struct insn *out, unsigned *compressed)
{
    *out = (struct insn){.op = OP_illegal, .len = 2};
    *compressed = find_compressed(w);
    switch (*compressed) {
#define RVC(name, encoding, operands, base, d, s, t, immediate)                                    \
    case RVC_##name:                                                                               \
        out->op = OP_##base;                                                                       \
        out->rd = (u8)(d);                                                                         \
        out->rs1 = (u8)(s);                                                                        \
        out->rs2 = (u8)(t);                                                                        \
        out->imm = immediate(w);                                                                   \
        return true;
#include "isa/rvc.def"
#undef RVC
    default:
        return false;
    }
}
