// Several loads and stores off the same register: a translator looks up their page once. Random blocks
// of such groups, nested and interleaved, with the registers moved in between, stores that others of
// the group's loads have to see, branches over single accesses, groups across two pages and pages
// that a store copies. A model in C says what must come out. The blocks are riscv code.
#include "check.h"

#ifdef __riscv
enum { BLOCKS = 200, CALLS = 10, OPS = 24, BASES = 4, REGIONS = 3, BYTES = 2 * PAGE };

enum kind { LOAD, STORE, MOVE, SKIP };
struct op {
    enum kind kind;
    int base, imm, log; // log: 2^log bytes
};

typedef long block_fn(char *a, char *b, char *c, char *d, long sum);

static unsigned long state = 88172645463325252;

static int pick(int n)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (int)((state >> 20) % (unsigned long)n);
}

// ---- Code ---------------------------------------------------------------------------------------

enum { T0 = 5, T1 = 6, A0 = 10, A4 = 14, T3 = 28 };

static const int base_register[BASES] = {A0, A0 + 1, 31, T3}; // the last two hold copies of a2, a3

static unsigned i_type(unsigned opcode, int funct3, int rd, int rs1, int imm)
{
    return (unsigned)imm << 20 | (unsigned)rs1 << 15 | (unsigned)funct3 << 12 | (unsigned)rd << 7 | opcode;
}

static unsigned add(int rd, int rs1, int rs2)
{
    return (unsigned)rs2 << 20 | (unsigned)rs1 << 15 | (unsigned)rd << 7 | 0x33;
}

static unsigned store(int log, int rs1, int rs2, int imm)
{
    return ((unsigned)imm >> 5 & 127) << 25 | (unsigned)rs2 << 20 | (unsigned)rs1 << 15 |
           (unsigned)log << 12 | ((unsigned)imm & 31) << 7 | 0x23;
}

// sum = 3 * sum + t0 after each load; a store stores the sum; SKIP leaves the access after it out if
// the sum is even.
static unsigned *emit(unsigned *at, const struct op *ops)
{
    *at++ = add(31, 12, 0);
    *at++ = add(T3, 13, 0);
    *at++ = add(T0, 0, 0);
    for (int i = 0; i < OPS; i++) {
        const struct op *o = &ops[i];
        int base = base_register[o->base];
        if (o->kind == LOAD) {
            *at++ = i_type(0x03, o->log, T0, base, o->imm);
            *at++ = i_type(0x13, 1, T1, A4, 1); // slli
            *at++ = add(A4, A4, T1);
            *at++ = add(A4, A4, T0);
        } else if (o->kind == STORE) {
            *at++ = store(o->log, base, A4, o->imm);
        } else if (o->kind == MOVE) {
            *at++ = i_type(0x13, 0, base, base, o->imm);
        } else {
            *at++ = i_type(0x13, 7, T1, A4, 1); // andi
            *at++ = 0x00000463 | T1 << 15;      // beqz t1, over the next instruction
        }
    }
    *at++ = add(A0, A4, 0);
    *at++ = 0x00008067; // ret
    return at;
}

// ---- The model ----------------------------------------------------------------------------------

static long model(const struct op *ops, char *const *bases, long sum)
{
    char *base[BASES];
    long t0 = 0;

    memcpy(base, bases, sizeof base);
    for (int i = 0; i < OPS; i++) {
        const struct op *o = &ops[i];
        char *at = base[o->base] + o->imm;
        int shift = 64 - (8 << o->log), skipped = i > 0 && o[-1].kind == SKIP && sum % 2 == 0;
        if (o->kind == LOAD) {
            if (!skipped) {
                t0 = 0;
                memcpy(&t0, at, 1u << o->log);
                t0 = (long)((unsigned long)t0 << shift) >> shift;
            }
            sum = (long)(3ul * (unsigned long)sum + (unsigned long)t0);
        } else if (o->kind == STORE && !skipped) {
            memcpy(at, &sum, 1u << o->log);
        } else if (o->kind == MOVE && !skipped) {
            base[o->base] += o->imm;
        }
    }
    return sum;
}

// ---- A block ------------------------------------------------------------------------------------

static char *memory, *expected; // REGIONS * BYTES each

static void make(struct op *ops)
{
    for (int i = 0; i < OPS; i++) {
        static const enum kind kinds[] = {LOAD, LOAD, LOAD, STORE, STORE, STORE, MOVE, SKIP};
        ops[i].kind = kinds[pick(COUNT(kinds))];
        ops[i].base = pick(pick(3) ? 2 : BASES);
        ops[i].log = pick(4);
        ops[i].imm = pick(4) ? 8 * pick(16) : pick(300) - 150;
        if (ops[i].kind == SKIP && i > 0 && ops[i - 1].kind == SKIP)
            ops[i].kind = LOAD;
        if (ops[i].kind == MOVE && pick(2))
            ops[i].imm = pick(2) ? 8 : -8;
    }
    ops[OPS - 1].kind = LOAD; // nothing to skip behind it
}

static void run(block_fn *f, const struct op *ops, const int *where, long sum)
{
    char *real[BASES], *model_base[BASES];
    for (int i = 0; i < BASES; i++) {
        real[i] = memory + where[i];
        model_base[i] = expected + where[i];
    }
    CHECK_EQ(f(real[0], real[1], real[2], real[3], sum), model(ops, model_base, sum));
    CHECK(memcmp(memory, expected, REGIONS * BYTES) == 0);
}

static void one_block(unsigned *code)
{
    struct op ops[OPS];
    int where[BASES];
    block_fn *f;

    make(ops);
    __builtin___clear_cache((char *)code, (char *)emit(code, ops));
    memcpy(&f, &code, sizeof f);
    for (int i = 0; i < BASES; i++) // in the middle of a page, or near the border of two
        where[i] = pick(REGIONS) * (int)BYTES + (pick(3) ? 1024 + 8 * pick(250) : (int)PAGE - 64 - pick(64));
    for (int i = 0; i < CALLS; i++)
        run(f, ops, where, pick(1 << 20));
    pid_t pid = check_fork(); // the first store to each page copies it, in the middle of groups
    if (pid == 0) {
        run(f, ops, where, 1);
        run(f, ops, where, 2);
        _exit(0);
    }
    CHECK_EXIT(pid, 0);
    for (int i = 0; i < BASES; i++)
        where[i] = pick(REGIONS) * (int)BYTES + 2048;
    run(f, ops, where, 3);
}
#endif

static void groups_of_accesses(void)
{
#ifdef __riscv
    unsigned *code = mmap(NULL, BLOCKS / 4 * PAGE, PROT_READ | PROT_WRITE | PROT_EXEC,
                          MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(code != MAP_FAILED);
    memory = check_private(REGIONS * 2);
    expected = check_private(REGIONS * 2);
    for (size_t i = 0; i < REGIONS * BYTES; i++)
        memory[i] = expected[i] = (char)(i * 7 + (i >> 8));
    for (int i = 0; i < BLOCKS; i++)
        one_block(code + i * 256); // a page that is stored to again and again is not translated
#endif
}

// Two words that are stored and fetched as one, off an sp whose value the translator knows.
static void words_off_a_known_sp(void)
{
#ifdef __riscv
    long *at = mmap((void *)0x30000000, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    CHECK(at == (long *)0x30000000);
    for (long i = 0; i < 300; i++) {
        long wide, low, high;
        at[5] = (i << 32) - i;
        __asm__ volatile("mv t0, sp\n"
                         "lui sp, 0x30000\n"
                         "sw %3, 40(sp)\n"
                         "ld t6, 40(sp)\n" // into a register that is in memory
                         "ld a0, 40(sp)\n" // and one that is not
                         "lw t5, 44(sp)\n"
                         "mv sp, t0\n"
                         "mv %0, t6\n"
                         "mv %1, a0\n"
                         "mv %2, t5\n"
                         : "=&r"(wide), "=&r"(low), "=&r"(high)
                         : "r"(i * 3)
                         : "t0", "t5", "t6", "a0", "memory");
        long want = (long)((unsigned long)((i << 32) - i) >> 32 << 32 | (unsigned long)(i * 3));
        CHECK_EQ(wide, want);
        CHECK_EQ(low, want);
        CHECK_EQ(high, want >> 32);
    }
#endif
}

int main(int argc, char **argv)
{
    static const struct check_case cases[] = {CASE(groups_of_accesses), CASE(words_off_a_known_sp)};
    return check_main(argc, argv, cases, COUNT(cases));
}
