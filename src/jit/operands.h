// What a row of rv64.def is compiled to: operands, and operations on them. Internal to the translation.
#ifndef JIT_OPERANDS_H
#define JIT_OPERANDS_H

#include "jit/regs.h"
#include "jit/translate.h"

enum value_kind {
    V_X,    // an x register
    V_F,    // an f register
    V_C,    // a constant
    V_OP,   // an operation on two of these
    V_LOAD, // a load; a is the base, c the distance
    V_BOX,  // a boxed single
    V_FP,   // a row of fp.def
    V_STEP, // what only the interpreter does
};

enum operation { ADD, SUB, AND, OR, XOR, SLL, SRL, SRA, SLT, SLTU, MUL, MULH, MULHSU, MULHU, DIV,
                 DIVU, REM, REMU, SEXT };
#define OPERATION_W 32 // added: on the lower halves, the result sign-extended

struct leaf {
    u8 kind, reg;
    u64 c;
};

struct value {
    u8 kind;
    u8 op; // enum operation, or type
    struct leaf a, b;
    const struct fp_row *fp;
};

// ---- translate_int.c

// The register that an integer result is made in; result_done puts it where it belongs.
static inline unsigned result_place(const struct translation *t, unsigned rd)
{
    return in_host_x(t, rd) ? host_x(t, rd) : RAX;
}

void result_done(struct translation *t, unsigned rd, unsigned from);
// (G7) Nothing but the code before comes to this place without what result_done has put away.
void result_held(struct translation *t);
// The host register that holds x[r] at this place; X86_NONE: none.
unsigned held_x(const struct translation *t, unsigned r);

// A constant that an instruction holds.
static inline bool leaf_small(struct leaf a)
{
    return a.kind == V_C && (i64)a.c == (i32)a.c;
}

// A leaf into a host register.
void leaf_fetch(struct translation *t, unsigned to, struct leaf a);

// Sets the flags by a - b.
void emit_compare(struct translation *t, struct leaf a, struct leaf b);
// The current instruction and the next as one, if they are shifts to and fro: an extension. False: they are not.
MUST_CHECK bool emit_shift_pair(struct translation *t);
// x[rd] = v, which is a V_OP. rd is not 0.
void emit_operation(struct translation *t, unsigned rd, const struct value *v);

#endif
