// Tests of cpu/fp: fp_test [pairs [guest command]]
//
// The integer implementation against the host's arithmetic, both through the interface, in
// the host's four rounding modes: all special operands crossed, then `pairs` random ones for each
// operation. If there is a guest command ("qemu-riscv64 fp_guest", run by sh with the number
// of random operands appended), all five modes of every instruction against what that prints.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cpu/fp.h"
#include "fp_cases.h"

static struct regs regs;
static u64 cases, failures;
static FILE *guest;

static u64 execute(int op, unsigned rm, const u64 v[3])
{
    struct regs *r = &regs;
    u64 a = v[0], b = v[1], c = v[2];
    int i = 0;

    (void)b, (void)c;
#define OP(name, assembly, rounds, operands, type, args)                                           \
    if (op == i++)                                                                                 \
        return fp_##name args;
    FP_OPS
#undef OP
    abort();
}

static u64 run(int op, unsigned rm, const u64 v[3], u64 *flags)
{
    regs.fflags = 0;
    u64 value = execute(op, rm, v);
    fp_flags(&regs);
    *flags = regs.fflags;
    return value;
}

static void check(int op, unsigned rm, const u64 v[3], u64 value, u64 flags, u64 want, u64 raise)
{
    cases++;
    if (value == want && flags == raise)
        return;
    if (failures++ < 50)
        printf("FAIL %s rm=%u %016lx %016lx %016lx: %016lx flags %02lx, not %016lx flags %02lx\n",
               fp_ops[op].name, rm, v[0], v[1], v[2], value, flags, want, raise);
}

// ---- Against the guest ----------------------------------------------------------------------

static void against_guest(int op, unsigned rm, const u64 v[3])
{
    u64 expected[2], flags;

    if (fread(expected, sizeof(expected), 1, guest) != 1) {
        printf("FAIL the guest's output ends at %s\n", fp_ops[op].name);
        exit(1);
    }
    u64 value = run(op, rm, v, &flags);
    check(op, rm, v, value, flags, expected[0], expected[1]);
}

// ---- Against the integers -------------------------------------------------------------------

// What softfp makes of the operation; false if it has no such operation.
static bool in_integers(const char *name, unsigned rm, const u64 v[3], u64 *value, u32 *flags)
{
    char op[16], type[4] = "";
    const struct softfp *f;
    u64 a = v[0], b = v[1], c = v[2], result;
    bool single;

    if (sscanf(name, "%15[a-z]_%3s", op, type) != 2 || strlen(type) != 1)
        return false; // conversions are apart
    single = type[0] == 's';
    f = single ? &softfp_s : &softfp_d;
    if (single) {
        a = fp_unbox(a);
        b = fp_unbox(b);
        c = fp_unbox(c);
    }
    u64 sign = single ? FP_SIGN_S : FP_SIGN_D;
    if (!strcmp(op, "add"))
        result = softfp_add(f, a, b, rm, flags);
    else if (!strcmp(op, "sub"))
        result = softfp_sub(f, a, b, rm, flags);
    else if (!strcmp(op, "mul"))
        result = softfp_mul(f, a, b, rm, flags);
    else if (!strcmp(op, "div"))
        result = softfp_div(f, a, b, rm, flags);
    else if (!strcmp(op, "sqrt"))
        result = softfp_sqrt(f, a, rm, flags);
    else if (!strcmp(op, "madd"))
        result = softfp_fma(f, a, b, c, rm, flags);
    else if (!strcmp(op, "msub"))
        result = softfp_fma(f, a, b, c ^ sign, rm, flags);
    else if (!strcmp(op, "nmadd"))
        result = softfp_fma(f, a ^ sign, b, c ^ sign, rm, flags);
    else if (!strcmp(op, "nmsub"))
        result = softfp_fma(f, a ^ sign, b, c, rm, flags);
    else
        return false;
    *value = single ? fp_box((u32)result) : result;
    return true;
}

static bool converted_in_integers(const char *name, unsigned rm, const u64 v[3], u64 *value,
                                  u32 *flags)
{
    char to[4], from[4];

    if (sscanf(name, "cvt_%2[a-z]_%2[a-z]", to, from) != 2)
        return false;
    const struct softfp *f = from[0] == 's' ? &softfp_s : &softfp_d;
    const struct softfp *t = to[0] == 's' ? &softfp_s : &softfp_d;
    u64 a = from[0] == 's' ? fp_unbox(v[0]) : v[0];
    if (to[0] == 'w' || to[0] == 'l') {
        *value = softfp_to_int(f, a, to[0] == 'w' ? 32 : 64, to[1] != 'u', rm, flags);
        return true;
    }
    u64 result;
    if (from[0] == 'w' || from[0] == 'l') {
        if (from[0] == 'w')
            a = from[1] == 'u' ? (u32)a : (u64)(i64)(i32)a;
        bool neg = from[1] != 'u' && (i64)a < 0;
        result = softfp_from_int(t, neg, neg ? -a : a, rm, flags);
    } else {
        result = softfp_convert(f, t, a, rm, flags);
    }
    *value = to[0] == 's' ? fp_box((u32)result) : result;
    return true;
}

static void against_integers(int op, unsigned rm, const u64 v[3])
{
    u64 want, flags;
    u32 raise = 0;

    if (rm == FP_RMM || (!in_integers(fp_ops[op].name, rm, v, &want, &raise) &&
                         !converted_in_integers(fp_ops[op].name, rm, v, &want, &raise)))
        return;
    u64 value = run(op, rm, v, &flags);
    check(op, rm, v, value, flags, want, raise);
}

// Sums that nearly cancel: c is -(a * b), or a few units beside it.
static void cancellations(unsigned count)
{
    for (int op = 0; op < (int)FP_LEN(fp_ops); op++) {
        if (fp_ops[op].operands != 3)
            continue;
        for (unsigned i = 0; i < count; i++) {
            u64 v[3] = {fp_operand(fp_ops[op].type), fp_operand(fp_ops[op].type), 0};
            bool single = fp_ops[op].type == 's';
            v[2] = single ? fp_mul_s(&regs, v[0], v[1], i % 4) : fp_mul_d(&regs, v[0], v[1], i % 4);
            v[2] ^= i & 4 ? single ? FP_SIGN_S : FP_SIGN_D : 0;
            v[2] += i & 8 ? i >> 4 & 3 : 0;
            fp_flags(&regs);
            fp_all_modes(op, v);
        }
    }
}

// ---- The program ----------------------------------------------------------------------------

static void (*each)(int op, unsigned rm, const u64 v[3]);

static void fp_case(int op, unsigned rm, const u64 v[3])
{
    each(op, rm, v);
}

static void report(const char *what)
{
    printf("fp: %s: %lu cases, %lu failures\n", what, cases, failures);
    cases = 0;
}

int main(int argc, char **argv)
{
    unsigned count = argc > 1 ? (unsigned)atoi(argv[1]) : 20000;
    char command[4096];

    fp_enter(&regs);
    if (argc > 2) {
        // First, while the random numbers are where the guest's are.
        unsigned random = MIN(count, 20000U);
        snprintf(command, sizeof(command), "%s %u", argv[2], random);
        guest = popen(command, "r");
        if (!guest)
            return 2;
        each = against_guest;
        fp_all_cases(random);
        bool ended = fgetc(guest) == EOF && pclose(guest) == 0;
        failures += !ended;
        report(ended ? "host and guest" : "host and guest, which fails or goes on");
    }
    each = against_integers;
    fp_all_cases(count);
    cancellations(count);
    report("host and integers");
    return failures != 0;
}
