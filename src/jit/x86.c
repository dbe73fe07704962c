#include "jit/x86.h"

#include <string.h>

enum form { FORM_RM, FORM_RM_B, FORM_MR, FORM_MR_B, FORM_M, FORM_M_B, FORM_MI8, FORM_MI8_B, FORM_MI32,
            FORM_ALU, FORM_RMI8, FORM_RMI32, FORM_MR_I8, FORM_O, FORM_OI32, FORM_OI64, FORM_REL, FORM_REL8,
            FORM_NONE, FORM_VRVM, FORM_VRMV, FORM_VRM, FORM_VRMI8 };

struct row {
    u8 form, prefix, map, opcode, digit, wide;
};

static const struct row rows[X86_COUNT] = {
#define X86(name, form, prefix, map, opcode, digit, wide)                                          \
    [X86_##name] = {FORM_##form, prefix, map, opcode, digit, wide},
#include "jit/x86.def"
#undef X86
};

const char *x86_name(enum x86_op op)
{
    static const char *const names[X86_COUNT] = {
#define X86(name, ...) [X86_##name] = #name,
#include "jit/x86.def"
#undef X86
    };
    return names[op];
}

static inline void byte(struct x86 *e, unsigned b)
{
    *e->at++ = (u8)b;
}

// The lower n bytes of v, by one store: what is behind them is written again.
static inline void bytes(struct x86 *e, u64 v, unsigned n)
{
    memcpy(e->at, &v, sizeof v);
    e->at += n;
}

static inline void word(struct x86 *e, u32 v)
{
    memcpy(e->at, &v, 4);
    e->at += 4;
}

static inline bool fits8(i64 v)
{
    return v == (i8)v;
}

// The X and B bits of REX and VEX.
static inline unsigned high_bits(struct x86_rm rm)
{
    unsigned b = rm.base >> 3 & 1;
    unsigned x = rm.memory && rm.index != X86_NONE ? rm.index >> 3 & 1 : 0;
    return x << 1 | b;
}

// Prefixes and opcode. `reg` is what goes to the reg field; `needs_rex`: a byte register above bl.
static inline void opcode(struct x86 *e, const struct row *r, unsigned reg, struct x86_rm rm,
                   unsigned code, bool needs_rex)
{
    static const u16 escape[] = {0, 0x0f, 0x380f, 0x3a0f};
    static const u8 length[] = {0, 1, 2, 2};
    unsigned n = length[r->map] + 1u;
    u64 v = (u64)code << 8 * length[r->map] | escape[r->map];
    unsigned rex = (unsigned)r->wide << 3 | (reg >> 3 & 1) << 2 | high_bits(rm);
    if (rex || needs_rex) {
        v = v << 8 | 0x40 | rex;
        n++;
    }
    if (r->prefix) {
        v = v << 8 | r->prefix;
        n++;
    }
    bytes(e, v, n);
}

static void vex(struct x86 *e, const struct row *r, unsigned reg, unsigned v, struct x86_rm rm)
{
    unsigned high = high_bits(rm);
    unsigned pp = r->prefix == 0x66 ? 1 : r->prefix == 0xf3 ? 2 : r->prefix == 0xf2 ? 3 : 0;
    unsigned low = (~v & 15) << 3 | pp;
    if (high == 0 && r->map == 1 && !r->wide) {
        byte(e, 0xc5);
        byte(e, (~reg >> 3 & 1) << 7 | low);
    } else {
        byte(e, 0xc4);
        byte(e, (~reg >> 3 & 1) << 7 | (~high & 3) << 5 | r->map);
        byte(e, (unsigned)r->wide << 7 | low);
    }
    byte(e, r->opcode);
}

static inline void modrm(struct x86 *e, unsigned reg, struct x86_rm rm)
{
    unsigned field = (reg & 7) << 3, base = rm.base & 7;
    if (!rm.memory) {
        byte(e, 0xc0 | field | base);
        return;
    }
    // A base of rbp or r13 without a displacement means something else: it gets a zero one.
    unsigned mode = rm.disp == 0 && base != RBP ? 0x00 : fits8(rm.disp) ? 0x40 : 0x80;
    unsigned n = 1;
    u64 v = mode | field | base;
    if (rm.index != X86_NONE || base == RSP) {
        unsigned index = rm.index != X86_NONE ? rm.index & 7u : RSP;
        v = mode | field | 4 | ((unsigned)rm.scale << 6 | index << 3 | base) << 8;
        n = 2;
    }
    v |= (u64)(u32)rm.disp << 8 * n;
    bytes(e, v, n + (mode == 0x40 ? 1 : mode == 0x80 ? 4 : 0));
}

static bool byte_register(unsigned r)
{
    return r >= RSP && r <= RDI;
}

void x86_emit(struct x86 *e, enum x86_op op, unsigned reg, unsigned v, struct x86_rm rm, i64 imm)
{
    const struct row *r = &rows[op];
    if (e->end - e->at < X86_ROOM) {
        e->full = true;
        return;
    }
    switch (r->form) {
    case FORM_RM_B:
        opcode(e, r, reg, rm, r->opcode, !rm.memory && byte_register(rm.base));
        modrm(e, reg, rm);
        break;
    case FORM_MR_B:
        opcode(e, r, reg, rm, r->opcode,
               byte_register(reg) || (!rm.memory && byte_register(rm.base)));
        modrm(e, reg, rm);
        break;
    case FORM_RM:
    case FORM_MR:
        opcode(e, r, reg, rm, r->opcode, false);
        modrm(e, reg, rm);
        break;
    case FORM_M:
    case FORM_M_B:
        opcode(e, r, 0, rm, r->opcode,
               r->form == FORM_M_B && !rm.memory && byte_register(rm.base));
        modrm(e, r->digit, rm);
        break;
    case FORM_ALU:
    case FORM_MI32:
    case FORM_MI8:
    case FORM_MI8_B: {
        bool small = r->form == FORM_MI8 || r->form == FORM_MI8_B ||
                     (r->form == FORM_ALU && fits8(imm));
        opcode(e, r, 0, rm, r->form == FORM_ALU && small ? 0x83 : r->opcode,
               r->form == FORM_MI8_B && !rm.memory && byte_register(rm.base));
        modrm(e, r->digit, rm);
        if (small)
            byte(e, (u8)imm);
        else
            word(e, (u32)imm);
        break;
    }
    case FORM_RMI8:
    case FORM_MR_I8:
        opcode(e, r, reg, rm, r->opcode, false);
        modrm(e, reg, rm);
        byte(e, (u8)imm);
        break;
    case FORM_RMI32:
        opcode(e, r, reg, rm, fits8(imm) ? 0x6b : r->opcode, false);
        modrm(e, reg, rm);
        if (fits8(imm))
            byte(e, (u8)imm);
        else
            word(e, (u32)imm);
        break;
    case FORM_O:
    case FORM_OI32:
    case FORM_OI64:
        opcode(e, r, 0, x86_reg(rm.base), r->opcode + (rm.base & 7u), false);
        if (r->form != FORM_O)
            word(e, (u32)imm);
        if (r->form == FORM_OI64)
            word(e, (u32)((u64)imm >> 32));
        break;
    case FORM_REL:
        opcode(e, r, 0, x86_reg(0), r->opcode, false);
        word(e, (u32)imm);
        break;
    case FORM_REL8:
        opcode(e, r, 0, x86_reg(0), r->opcode, false);
        byte(e, (u8)imm);
        break;
    case FORM_NONE:
        opcode(e, r, 0, x86_reg(0), r->opcode, false);
        break;
    case FORM_VRVM:
    case FORM_VRMV:
        vex(e, r, reg, v, rm);
        modrm(e, reg, rm);
        break;
    case FORM_VRM:
    case FORM_VRMI8:
        vex(e, r, reg, 0, rm);
        modrm(e, reg, rm);
        if (r->form == FORM_VRMI8)
            byte(e, (u8)imm);
        break;
    }
}

u8 *x86_branch(struct x86 *e, enum x86_op op, const u8 *target)
{
    x86_emit(e, op, 0, 0, x86_reg(0), 0);
    if (target && !e->full)
        x86_set_branch(e->at, target);
    return e->at;
}

u8 *x86_branch_back(struct x86 *e, enum x86_op op, const u8 *target)
{
    i64 distance = target - e->at - 2;
    if (distance < -128)
        return x86_branch(e, op, target);
    x86_emit(e, op == X86_jmp ? X86_short_jmp : X86_short_j_o + (op - X86_j_o), 0, 0, x86_reg(0), distance);
    return e->at;
}

void x86_set_short(u8 *end, const u8 *target)
{
    end[-1] = (u8)(target - end);
}

void x86_set_branch(u8 *end, const u8 *target)
{
    __atomic_store_n((u32 *)(void *)(end - 4), (u32)(target - end), __ATOMIC_RELEASE);
}

const u8 *x86_branch_target(const u8 *end)
{
    i32 distance;
    memcpy(&distance, end - 4, 4);
    return end + distance;
}

void x86_align_branch(struct x86 *e, unsigned length)
{
    while (((uintptr_t)e->at + length - 4) % 64 > 60 && !e->full)
        x86_op_none(e, X86_nop);
}
