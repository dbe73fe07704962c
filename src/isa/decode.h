// Instruction words to decoded instructions, and to text.
#ifndef ISA_DECODE_H
#define ISA_DECODE_H

#include "base/types.h"

enum rv_op {
    OP_illegal,
#define INSN(name, ...) OP_##name,
#include "isa/rv64.def"
#undef INSN
    OP_COUNT
};

// What an engine has to know of an instruction before it looks at the semantics.
enum {
    RV_WRITES_X = 1,   // rd is an integer register
    RV_BRANCHES = 2,   // conditional branch: the block may go on behind it
    RV_ROUNDS = 8,     // has a rounding mode
    RV_ENDS_BLOCK = 4, // nothing behind it is reached by falling through without leaving the block
};
extern const u8 rv_flags[OP_COUNT];

struct insn {
    u16 op; // enum rv_op, of the base instruction for compressed forms
    u8 rd, rs1, rs2, rs3;
    u8 rm;   // rounding mode 0-4, or 7 = dynamic
    u8 len;  // 2 or 4
    i32 imm; // immediate, shift amount, CSR number or fence sets
};

// Bytes of the instruction that starts with these bits.
static inline u32 rv_length(u32 word)
{
    return (word & 3) == 3 ? 4 : 2;
}

// False: illegal (*out then holds op OP_illegal and the length). The upper half of `word` does not
// matter for a compressed instruction.
MUST_CHECK bool rv_decode(u32 word, struct insn *out);

// The text that objdump -M no-aliases prints: mnemonic, tab, operands. Returns its length.
int rv_disasm(char *buf, size_t cap, u32 word, u64 pc);

// The mnemonic of an enum rv_op, '_' for '.'.
const char *rv_name(unsigned op);

#endif
