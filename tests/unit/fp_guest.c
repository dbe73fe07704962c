// The guest's half of the floating-point differential: executes every case and writes its result
// and flags, two 64-bit words, to standard output. fp_test.c reads them. Build:
//     riscv64-linux-gnu-gcc -std=gnu11 -O2 -static tests/unit/fp_guest.c -o fp_guest
#include <stdlib.h>
#include <unistd.h>

#include "fp_cases.h"

struct result {
    uint64_t value;
    uint64_t flags;
};

#define BODY(name, suffix, insn, after)                                                            \
    static struct result name##suffix(const uint64_t v[3])                                         \
    {                                                                                              \
        struct result r;                                                                           \
        __asm__ volatile("fmv.d.x ft0, %2\n\tfmv.d.x ft1, %3\n\tfmv.d.x ft2, %4\n\tmv t0, %2\n\t"  \
                         "fsflags zero\n\t" insn "\n\tfrflags %1\n\t" after "fmv.x.d %0, ft3"      \
                         : "=&r"(r.value), "=&r"(r.flags)                                          \
                         : "r"(v[0]), "r"(v[1]), "r"(v[2])                                         \
                         : "t0", "t3", "ft0", "ft1", "ft2", "ft3");                                \
        return r;                                                                                  \
    }
#define NO_RM(name, insn) BODY(name, _0, insn, "")
#define NO_RM_INT(name, insn) BODY(name, _0, insn, "fmv.d.x ft3, t3\n\t")
#define FIVE(name, insn, after)                                                                    \
    BODY(name, _0, insn ", rne", after)                                                            \
    BODY(name, _1, insn ", rtz", after)                                                            \
    BODY(name, _2, insn ", rdn", after)                                                            \
    BODY(name, _3, insn ", rup", after)                                                            \
    BODY(name, _4, insn ", rmm", after)
#define RM(name, insn) FIVE(name, insn, "")
#define RM_INT(name, insn) FIVE(name, insn, "fmv.d.x ft3, t3\n\t")

#define OP(name, assembly, rounds, operands, type, args) rounds(name, assembly)
FP_OPS
#undef OP
#undef RM
#undef RM_INT
#undef NO_RM
#undef NO_RM_INT

#define RM(name) {name##_0, name##_1, name##_2, name##_3, name##_4},
#define RM_INT(name) RM(name)
#define NO_RM(name) {name##_0},
#define NO_RM_INT(name) NO_RM(name)
#define OP(name, assembly, rounds, operands, type, args) rounds(name)
static struct result (*const execute[][5])(const uint64_t v[3]) = {FP_OPS};

static struct result buffer[4096];
static unsigned used;

static void flush(void)
{
    const char *p = (const char *)buffer;
    size_t left = used * sizeof(buffer[0]);

    while (left > 0) {
        ssize_t n = write(1, p, left);
        if (n <= 0)
            _exit(1);
        p += n;
        left -= (size_t)n;
    }
    used = 0;
}

static void fp_case(int op, unsigned rm, const uint64_t v[3])
{
    buffer[used++] = execute[op][rm](v);
    if (used == FP_LEN(buffer))
        flush();
}

int main(int argc, char **argv)
{
    fp_all_cases(argc > 1 ? (unsigned)atoi(argv[1]) : 0);
    flush();
    return 0;
}
