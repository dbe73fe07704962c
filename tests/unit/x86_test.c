// The encoder: every row of x86.def, over registers, addressing forms, displacements and immediates,
// is read back by objdump and must say what was meant.
//
//     x86_test      skipped if there is no objdump
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "jit/x86.h"

#define SKIPPED 77

// What a row is to be read as: the first pattern that matches its name. `*` in the pattern is the
// mnemonic's `*`. Operands: r = register operand, m = register or memory, v = the VEX one, i =
// immediate; then its width, or x for an xmm register (memory: its width behind the x). A width of 0:
// memory without a size. M: no registers.
static const struct meaning {
    const char *pattern, *mnemonic;
    const char *operand[4];
} meanings[] = {
    {"lock", "lock", {0}},
    {"mfence", "mfence", {0}},
    {"cdq", "cdq", {0}}, {"cqo", "cqo", {0}}, {"ret", "ret", {0}}, {"nop", "nop", {0}},
    {"ldmxcsr", "ldmxcsr", {"M32"}}, {"stmxcsr", "stmxcsr", {"M32"}},
    {"push", "push", {"m64"}}, {"pop", "pop", {"m64"}}, {"pop_m", "pop", {"m64"}},
    {"call_m", "call", {"m64"}}, {"jmp_m", "jmp", {"m64"}},
    {"call", "call", {"j"}}, {"jmp", "jmp", {"j"}}, {"j_*", "j*", {"j"}},
    {"short_jmp", "jmp", {"j8"}}, {"short_j_*", "j*", {"j8"}},
    {"set_*", "set*", {"m8"}}, {"cmov_*", "cmov*", {"r64", "m64"}},
    {"movzx8", "movzx", {"r32", "m8"}}, {"movzx16", "movzx", {"r32", "m16"}},
    {"movsx8", "movsx", {"r64", "m8"}}, {"movsx16", "movsx", {"r64", "m16"}},
    {"movsxd", "movsxd", {"r64", "m32"}},
    {"mov_i32", "mov", {"m32", "i32"}}, {"mov_i64", "movabs", {"m64", "i64"}},
    {"mov_mr8", "mov", {"m8", "r8"}}, {"mov_mr16", "mov", {"m16", "r16"}},
    {"mov_mi8", "mov", {"m8", "i8"}},
    {"lea32", "lea", {"r32", "M0"}}, {"lea64", "lea", {"r64", "M0"}},
    {"sh*_mi32", "sh*", {"m32", "b"}}, {"sh*_mi64", "sh*", {"m64", "b"}},
    {"sar_mi32", "sar", {"m32", "b"}}, {"sar_mi64", "sar", {"m64", "b"}},
    {"ror_mi32", "ror", {"m32", "b"}}, {"ror_mi64", "ror", {"m64", "b"}},
    {"*_cl32", "*", {"m32", "cl"}}, {"*_cl64", "*", {"m64", "cl"}},
    {"rorx32", "rorx", {"r32", "m32", "b"}}, {"rorx64", "rorx", {"r64", "m64", "b"}},
    {"sh*x32", "sh*x", {"r32", "m32", "v32"}}, {"sh*x64", "sh*x", {"r64", "m64", "v64"}},
    {"sarx32", "sarx", {"r32", "m32", "v32"}}, {"sarx64", "sarx", {"r64", "m64", "v64"}},
    {"imul_rmi32", "imul", {"r32", "m32", "i32"}}, {"imul_rmi64", "imul", {"r64", "m64", "i64"}},
    {"movsd_rm", "movsd", {"rx", "mx64"}}, {"movsd_mr", "movsd", {"mx64", "rx"}},
    {"movss_rm", "movss", {"rx", "mx32"}}, {"movss_mr", "movss", {"mx32", "rx"}},
    {"movups_rm", "movups", {"rx", "mx128"}},
    {"movd_xr", "movd", {"rx", "m32"}}, {"movq_xr", "movq", {"rx", "m64"}},
    {"movd_rx", "movd", {"m32", "rx"}}, {"movq_rx", "movq", {"m64", "rx"}},
    {"pextrd", "pextrd", {"m32", "rx", "b"}},
    {"*_rm32", "*", {"r32", "m32"}}, {"*_rm64", "*", {"r64", "m64"}},
    {"*_mr32", "*", {"m32", "r32"}}, {"*_mr64", "*", {"m64", "r64"}},
    {"*_mi32", "*", {"m32", "i32"}}, {"*_mi64", "*", {"m64", "i64"}},
    {"cvtsi2*32", "cvtsi2*", {"rx", "m32"}}, {"cvtsi2*64", "cvtsi2*", {"rx", "m64"}},
    {"cvt*ss2si32", "cvt*ss2si", {"r32", "mx32"}}, {"cvt*ss2si64", "cvt*ss2si", {"r64", "mx32"}},
    {"cvt*sd2si32", "cvt*sd2si", {"r32", "mx64"}}, {"cvt*sd2si64", "cvt*sd2si", {"r64", "mx64"}},
    {"cvtss2sd", "cvtss2sd", {"rx", "mx32"}}, {"cvtsd2ss", "cvtsd2ss", {"rx", "mx64"}},
    {"cmpss", "cmpss", {"rx", "mx32", "c"}}, {"cmpsd", "cmpsd", {"rx", "mx64", "c"}},
    {"*ps", "*ps", {"rx", "mx128"}},
    {"v*ss", "v*ss", {"rx", "vx", "mx32"}}, {"v*sd", "v*sd", {"rx", "vx", "mx64"}},
    {"*ss", "*ss", {"rx", "mx32"}}, {"*sd", "*sd", {"rx", "mx64"}},
    {"*32", "*", {"m32"}}, {"*64", "*", {"m64"}},
};

// Whether the name fits; what stands for the star goes to `star`.
static bool fits(const char *pattern, const char *name, char *star)
{
    const char *at = strchr(pattern, '*');
    if (!at)
        return strcmp(pattern, name) == 0;
    size_t before = (size_t)(at - pattern), after = strlen(at + 1), length = strlen(name);
    if (length < before + after || strncmp(pattern, name, before) != 0 ||
        strcmp(name + length - after, at + 1) != 0)
        return false;
    snprintf(star, 16, "%.*s", (int)(length - before - after), name + before);
    return true;
}

static const struct meaning *meaning_of(enum x86_op op, char *mnemonic)
{
    char star[16] = "";
    for (size_t i = 0; i < ARRAY_LEN(meanings); i++) {
        const struct meaning *m = &meanings[i];
        if (!fits(m->pattern, x86_name(op), star))
            continue;
        const char *at = strchr(m->mnemonic, '*');
        int before = at ? (int)(at - m->mnemonic) : (int)strlen(m->mnemonic);
        snprintf(mnemonic, 32, "%.*s%s%s", before, m->mnemonic, at ? star : "", at ? at + 1 : "");
        return m;
    }
    return NULL;
}

// ---- The text that is expected --------------------------------------------------------------

static const char *const names64[] = {"rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi"};
static const char *const names8[] = {"al", "cl", "dl", "bl", "spl", "bpl", "sil", "dil"};

static void print_register(char *to, unsigned r, unsigned width)
{
    if (r >= 8)
        sprintf(to, "r%u%s", r, width == 64 ? "" : width == 32 ? "d" : width == 16 ? "w" : "b");
    else if (width == 64)
        strcpy(to, names64[r]);
    else if (width == 8)
        strcpy(to, names8[r]);
    else
        sprintf(to, "%s%s", width == 32 ? "e" : "", names64[r] + 1);
}

static void print_memory(char *to, struct x86_rm rm, unsigned width)
{
    const char *size = width == 8    ? "BYTE PTR "
                       : width == 16 ? "WORD PTR "
                       : width == 32 ? "DWORD PTR "
                       : width == 64 ? "QWORD PTR "
                       : width       ? "XMMWORD PTR "
                                     : "";
    char base[8], index[8];
    print_register(base, rm.base, 64);
    to += sprintf(to, "%s[%s", size, base);
    if (rm.index != X86_NONE) {
        print_register(index, rm.index, 64);
        to += sprintf(to, "+%s*%u", index, 1u << rm.scale);
    }
    if (rm.disp || (rm.base & 7) == RBP)
        to += sprintf(to, "%c0x%x", rm.disp < 0 ? '-' : '+',
                      rm.disp < 0 ? 0u - (u32)rm.disp : (u32)rm.disp);
    strcpy(to, "]");
}

struct sample {
    enum x86_op op;
    unsigned reg, v;
    struct x86_rm rm;
    i64 imm;
};

static u64 of_width(i64 v, unsigned width)
{
    return width == 64 ? (u64)v : (u64)v & ((1UL << width) - 1);
}

static void print_operand(char *to, const char *kind, const struct sample *s, u64 end)
{
    unsigned width = (unsigned)atoi(kind + 1 + (kind[1] == 'x'));
    unsigned r = kind[0] == 'r' ? s->reg : kind[0] == 'v' ? s->v : s->rm.base;
    if (kind[0] == 'i')
        sprintf(to, "0x%lx", (unsigned long)of_width(s->imm, width));
    else if (kind[0] == 'b')
        sprintf(to, "0x%x", (u8)s->imm);
    else if (kind[0] == 'j')
        sprintf(to, "0x%lx", (unsigned long)(end + (u64)(width == 8 ? (i8)s->imm : s->imm)));
    else if (kind[0] == 'c')
        strcpy(to, kind); // "cl"
    else if ((kind[0] == 'm' || kind[0] == 'M') && s->rm.memory)
        print_memory(to, s->rm, width);
    else if (kind[1] == 'x')
        sprintf(to, "xmm%u", r);
    else
        print_register(to, r, width);
}

// `end`: the address behind the instruction.
static void print_sample(char *to, const struct sample *s, u64 end)
{
    static const char *const comparisons[] = {"eq", "lt", "le", "unord", "neq", "nlt", "nle", "ord"};
    char mnemonic[32];
    const struct meaning *m = meaning_of(s->op, mnemonic);
    bool comparison = m->operand[2] && strcmp(m->operand[2], "c") == 0;
    if (comparison)
        sprintf(mnemonic, "cmp%s%s", comparisons[s->imm & 7], m->mnemonic + 3);
    to += sprintf(to, "%s", mnemonic);
    for (unsigned i = 0; m->operand[i] && !(comparison && i == 2); i++) {
        char text[64];
        print_operand(text, m->operand[i], s, end);
        to += sprintf(to, "%c%s", i ? ',' : ' ', text);
    }
}

// ---- The samples ----------------------------------------------------------------------------

static FILE *code;
static struct sample *samples;
static size_t nsamples, room;
static u64 code_size;
static u64 *ends;

static void sample(struct sample s)
{
    u8 bytes[X86_ROOM];
    struct x86 e = {.at = bytes, .end = bytes + X86_ROOM};
    if (s.op == X86_cmpss || s.op == X86_cmpsd)
        s.imm &= 7; // others are AVX's
    x86_emit(&e, s.op, s.reg, s.v, s.rm, s.imm);
    if (e.full || e.at == bytes || fwrite(bytes, 1, (size_t)(e.at - bytes), code) == 0) {
        fprintf(stderr, "FAIL x86_test: %s emits nothing\n", x86_name(s.op));
        exit(1);
    }
    if (nsamples == room) {
        room = room ? 2 * room : 65536;
        samples = realloc(samples, room * sizeof *samples);
        ends = realloc(ends, room * sizeof *ends);
    }
    code_size += (u64)(e.at - bytes);
    ends[nsamples] = code_size;
    samples[nsamples++] = s;
}

static const i32 displacements[] = {0, 1, -1, 127, -128, 128, -129, 0x12345678, INT32_MIN, INT32_MAX};
static const i64 immediates[] = {0, 1, -1, 127, -128, 128, -129, 0x12345678, INT32_MIN, INT32_MAX};

static void row_memory(enum x86_op op, unsigned reg)
{
    struct sample s = {.op = op, .reg = reg, .imm = 1};
    for (unsigned base = 0; base < 16; base++) {
        for (size_t d = 0; d < ARRAY_LEN(displacements); d++) {
            s.v = (reg + base) & 15;
            s.rm = x86_mem(base, displacements[d]);
            sample(s);
        }
        for (unsigned index = 0; index < 16; index++) {
            if (index == RSP) // that is none
                continue;
            s.rm = x86_mem_index(base, index, (base + index + reg) & 3,
                                 displacements[(index + reg) % ARRAY_LEN(displacements)]);
            sample(s);
        }
    }
}

static void row(enum x86_op op)
{
    char mnemonic[32];
    const struct meaning *m = meaning_of(op, mnemonic);
    bool has_reg = false, has_rm = false, memory = false, registers = true, imm = false;
    for (unsigned i = 0; m && m->operand[i]; i++) {
        char k = m->operand[i][0];
        has_reg |= k == 'r';
        has_rm |= k == 'm' || k == 'M';
        memory |= k == 'm' || k == 'M';
        imm |= k == 'i' || k == 'j' || k == 'b' || m->operand[i][1] == 0;
        if (k == 'M')
            registers = false;
    }
    if (!m) {
        fprintf(stderr, "FAIL x86_test: what is %s to be read as?\n", x86_name(op));
        exit(1);
    }
    if (op == X86_push || op == X86_pop || op == X86_mov_i32 || op == X86_mov_i64)
        memory = false; // the register is in the opcode
    for (unsigned reg = 0; reg < (has_reg ? 16 : 1); reg++) {
        for (unsigned rm = 0; rm < (has_rm && registers ? 16 : 1); rm++)
            for (size_t i = 0; i < (imm ? ARRAY_LEN(immediates) : 1); i++)
                if (registers)
                    sample((struct sample){op, reg, (reg * 7 + rm) & 15, x86_reg(rm), immediates[i]});
        if (memory)
            row_memory(op, reg);
    }
    if (op == X86_mov_i64)
        sample((struct sample){op, 0, 0, x86_reg(R9), 0x123456789abcdef0});
}

// ---- Read back ------------------------------------------------------------------------------

// One line of objdump, "  addr:<tab>mnemonic operands", blanks and comments made one of each kind.
static bool instruction(char *line, char *to)
{
    char *tab = strchr(line, '\t');
    if (line[0] != ' ' || !tab)
        return false;
    char *from = tab + 1;
    bool blank = false;
    for (; *from && *from != '\n' && *from != '#'; from++) {
        if (*from == ' ') {
            blank = true;
            continue;
        }
        if (blank)
            *to++ = ' ';
        blank = false;
        *to++ = *from;
    }
    *to = 0;
    return true;
}

static int compare(const char *path)
{
    char command[256], line[512], got[512], want[256];
    int failures = 0;
    size_t i = 0;
    snprintf(command, sizeof command,
             "objdump -D -w --no-show-raw-insn -b binary -m i386:x86-64 -M intel %s", path);
    FILE *text = popen(command, "r");
    while (text && fgets(line, sizeof line, text) && i < nsamples && failures < 20) {
        if (!instruction(line, got))
            continue;
        if (samples[i].op == X86_lock) { // a prefix: see main
            i += 2;
            failures += strcmp(got, "lock xadd QWORD PTR [rax],rcx") != 0;
            continue;
        }
        print_sample(want, &samples[i], ends[i]);
        if (strcmp(got, want) != 0) {
            fprintf(stderr, "FAIL x86_test: %s: %s is read as %s\n", x86_name(samples[i].op), want,
                    got);
            failures++;
        }
        i++;
    }
    if (!text || (pclose(text) && !failures) || (i < nsamples && !failures)) {
        fprintf(stderr, "FAIL x86_test: objdump read %zu of %zu instructions\n", i, nsamples);
        failures++;
    }
    return failures;
}

// No room: nothing is written. Branches: set, read back, aligned.
static int the_rest(void)
{
    u8 bytes[256] __attribute__((aligned(64)));
    int failures = 0;
    struct x86 e = {.at = bytes, .end = bytes + X86_ROOM - 1};
    x86_op_none(&e, X86_ret);
    failures += !e.full || e.at != bytes;
    for (unsigned from = 0; from < 64; from++) {
        e = (struct x86){.at = bytes + from, .end = bytes + sizeof bytes};
        x86_align_branch(&e, 6);
        u8 *end = x86_branch(&e, X86_j_ne, bytes);
        failures += e.full || x86_branch_target(end) != bytes;
        failures += (uintptr_t)(end - 4) / 64 != (uintptr_t)(end - 1) / 64;
        x86_set_branch(end, end + 100);
        failures += x86_branch_target(end) != end + 100;
    }
    for (unsigned far = 126; far < 130; far++) { // the short form reaches 126 bytes back from its begin
        static u8 block[256];
        e = (struct x86){.at = block + far, .end = block + sizeof block};
        u8 *end = x86_branch_back(&e, X86_j_a, block);
        bool is_short = end == block + far + 2;
        failures += is_short != (far <= 126) || (is_short ? end + (i8)end[-1] : x86_branch_target(end)) != block;
    }
    if (failures)
        fprintf(stderr, "FAIL x86_test: room or branches\n");
    return failures;
}

int main(void)
{
    char path[] = "/tmp/x86_test.XXXXXX";
    if (system("objdump --version >/dev/null 2>&1") != 0)
        return SKIPPED;
    int fd = mkstemp(path);
    code = fd < 0 ? NULL : fdopen(fd, "wb");
    if (!code)
        return 1;
    for (unsigned op = 0; op < X86_COUNT; op++) {
        row((enum x86_op)op);
        if (op == X86_lock)
            sample((struct sample){X86_xadd_mr64, RCX, 0, x86_mem(RAX, 0), 0});
    }
    int failures = the_rest();
    fclose(code);
    failures += compare(path);
    printf("%zu instructions of %d rows\n", nsamples, X86_COUNT);
    unlink(path);
    return failures != 0;
}
