// Instruction words as text, as GNU objdump -M no-aliases prints them; tests/unit/isa_sweep.py
// compares the two.
#include "isa/decode.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "isa/forms.h"

static const char *const base_names[OP_COUNT] = {
    [OP_illegal] = "illegal",
#define INSN(name, ...) [OP_##name] = #name,
#include "isa/rv64.def"
#undef INSN
};

static const char *const base_operands[OP_COUNT] = {
    [OP_illegal] = "",
#define INSN(name, bits, format, operands, ...) [OP_##name] = operands,
#include "isa/rv64.def"
#undef INSN
};

static const char *const compressed_names[RVC_COUNT] = {
#define RVC(name, ...) [RVC_##name] = #name,
#include "isa/rvc.def"
#undef RVC
};

static const char *const compressed_operands[RVC_COUNT] = {
#define RVC(name, bits, operands, ...) [RVC_##name] = operands,
#include "isa/rvc.def"
#undef RVC
};

static const char x_names[32][5] = {
    "zero", "ra", "sp", "gp", "tp", "t0", "t1", "t2", "s0", "s1", "a0",
    "a1",   "a2", "a3", "a4", "a5", "a6", "a7", "s2", "s3", "s4", "s5",
    "s6",   "s7", "s8", "s9", "s10", "s11", "t3", "t4", "t5", "t6",
};

static const char f_names[32][5] = {
    "ft0", "ft1", "ft2", "ft3", "ft4", "ft5", "ft6",  "ft7",  "fs0", "fs1", "fa0",
    "fa1", "fa2", "fa3", "fa4", "fa5", "fa6", "fa7",  "fs2",  "fs3", "fs4", "fs5",
    "fs6", "fs7", "fs8", "fs9", "fs10", "fs11", "ft8", "ft9", "ft10", "ft11",
};

static const char *const rounding_names[8] = {"rne",     "rtz",     "rdn", "rup",
                                              "rmm", "unknown", "unknown", "dyn"};

struct text {
    char *buf;
    size_t cap, len;
};

static void PRINTF(2, 3) put(struct text *t, const char *format, ...)
{
    size_t room = t->len < t->cap ? t->cap - t->len : 0;
    va_list args;
    va_start(args, format);
    int n = vsnprintf(room ? t->buf + t->len : NULL, room, format, args);
    va_end(args);
    if (n > 0)
        t->len += (size_t)n;
}

static void put_name(struct text *t, const char *name)
{
    for (; *name; name++)
        put(t, "%c", *name == '_' ? '.' : *name);
}

static void put_csr(struct text *t, u32 csr)
{
    switch (csr) {
    case 0x001: put(t, "fflags"); break;
    case 0x002: put(t, "frm"); break;
    case 0x003: put(t, "fcsr"); break;
    case 0xc00: put(t, "cycle"); break;
    case 0xc01: put(t, "time"); break;
    case 0xc02: put(t, "instret"); break;
    default: put(t, "0x%x", csr); break;
    }
}

static void put_fence_set(struct text *t, u32 set)
{
    if (!set)
        put(t, "unknown");
    for (unsigned i = 0; i < 4; i++)
        if (set & (8u >> i))
            put(t, "%c", "iorw"[i]);
}

static void put_operand(struct text *t, char letter, const struct insn *in, u64 pc)
{
    u32 imm = (u32)in->imm;
    switch (letter) {
    case 'd': put(t, "%s", x_names[in->rd]); break;
    case 's': put(t, "%s", x_names[in->rs1]); break;
    case 't': put(t, "%s", x_names[in->rs2]); break;
    case 'D': put(t, "%s", f_names[in->rd]); break;
    case 'S': put(t, "%s", f_names[in->rs1]); break;
    case 'T': put(t, "%s", f_names[in->rs2]); break;
    case 'U': put(t, "%s", f_names[in->rs3]); break;
    case 'i':
    case 'o': put(t, "%d", in->imm); break;
    case '>': put(t, "0x%x", imm); break;
    case 'u': put(t, "0x%x", imm >> 12); break;
    case 'p':
    case 'a': put(t, "0x%llx", (unsigned long long)(pc + (u64)(i64)in->imm)); break;
    case 'E': put_csr(t, imm); break;
    case 'Z': put(t, "%u", in->rs1); break;
    case 'P': put_fence_set(t, imm >> 4 & 15); break;
    case 'Q': put_fence_set(t, imm & 15); break;
    case 'm': put(t, "%s", rounding_names[in->rm]); break;
    default: put(t, "%c", letter); break;
    }
}

static void put_operands(struct text *t, const char *letters, const struct insn *in, u64 pc)
{
    if (*letters)
        put(t, "\t");
    for (; *letters; letters++) {
        if (letters[0] == ',' && letters[1] == 'm' && in->rm == 7)
            break; // the dynamic rounding mode is not shown
        put_operand(t, *letters, in, pc);
    }
}

const char *rv_name(unsigned op)
{
    return op < OP_COUNT ? base_names[op] : "illegal";
}

int rv_disasm(char *buf, size_t cap, u32 word, u64 pc)
{
    static const char *const order[4] = {"", ".rl", ".aq", ".aqrl"};
    struct text t = {buf, cap, 0};
    struct insn in;
    unsigned compressed;
    if (!rv_find(word, &in, &compressed)) {
        if (in.len == 4)
            put(&t, ".4byte\t0x%x", word);
        else if ((word & 0xffff) == 0)
            put(&t, "c.unimp");
        else
            put(&t, ".2byte\t0x%x", word & 0xffff);
    } else if (in.len == 2) {
        put_name(&t, compressed_names[compressed]);
        put_operands(&t, compressed_operands[compressed], &in, pc);
    } else if (word == 0xc0001073) {
        put(&t, "unimp"); // a write to a read-only register, so it traps
    } else if (in.op == OP_fence && (word >> 20) == 0x833) {
        put(&t, "fence.tso");
    } else {
        put_name(&t, base_names[in.op]);
        if ((word & 0x7f) == 0x2f) // AMO
            put(&t, "%s", order[word >> 25 & 3]);
        put_operands(&t, base_operands[in.op], &in, pc);
    }
    return (int)t.len;
}
