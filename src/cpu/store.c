#include "cpu/store.h"

#include "isa/decode.h"
#include "mm/uaccess.h"

static u32 size_of(u16 op)
{
    switch (op) {
    case OP_sb:
        return 1;
    case OP_sh:
        return 2;
    case OP_sw:
    case OP_fsw:
        return 4;
    default:
        return 8;
    }
}

bool cpu_store_at(struct mm *mm, const struct regs *regs, struct cpu_store *out)
{
    u32 word = 0;
    u16 half[2] = {0};
    struct insn i;
    if (uaccess_read(mm, &half[0], regs->pc, 2))
        return false;
    if (rv_length(half[0]) == 4 && uaccess_read(mm, &half[1], regs->pc + 2, 2))
        return false;
    word = half[0] | (u32)half[1] << 16;
    if (!rv_decode(word, &i))
        return false;
    u64 base = regs->x[i.rs1];
    bool by_sp = i.rs1 == 2;
    switch (i.op) {
    case OP_sb:
    case OP_sh:
    case OP_sw:
    case OP_sd:
        *out = (struct cpu_store){.va = base + (u64)(i64)i.imm, .size = size_of(i.op), .plain = true,
                                  .by_sp = by_sp, .value = regs->x[i.rs2]};
        return true;
    case OP_fsw:
    case OP_fsd:
        *out = (struct cpu_store){.va = base + (u64)(i64)i.imm, .size = size_of(i.op), .by_sp = by_sp};
        return true;
    default: // atomic operations: the width is the instruction's bit 12
        *out = (struct cpu_store){.va = base, .size = word >> 12 & 1 ? 8 : 4};
        return (word & 0x7f) == 0x2f;
    }
}
