#include "see/backtrace.h"

#include <string.h>

#include "mm/region.h"
#include "mm/uaccess.h"
#include "see/cfi.h"
#include "see/prologue.h"

enum { RA = 1, SP = 2, S0 = 8 };

struct unwind {
    struct symbols *s;
    struct mm *mm;
    gva_t sigreturn, pc;
    u64 x[32];
    bool known[32];
    bool exact; // pc is an instruction not yet executed, not a return address
};

static bool executable(struct mm *mm, gva_t pc)
{
    const struct region *g = pc & 1 ? NULL : region_find(mm, pc);
    return g && g->prot & MM_EXEC;
}

static bool load(struct unwind *u, gva_t at, u64 *out)
{
    return !(at & 7) && uaccess_read_u64(u->mm, out, at) == 0;
}

// ---- one step, in four ways ----------------------------------------------------------------------

// struct rt_sigframe of riscv: 128 bytes of siginfo; pc and x1..x31 stand 176 bytes into the ucontext.
static bool step_signal(struct unwind *u)
{
    u64 saved[32];
    if (uaccess_read(u->mm, saved, u->x[SP] + 128 + 176, sizeof saved))
        return false;
    u->pc = saved[0];
    memcpy(&u->x[1], &saved[1], 31 * sizeof saved[0]);
    memset(u->known, true, sizeof u->known);
    u->exact = true;
    return true;
}

static bool apply(struct unwind *u, const struct cfi_row *row)
{
    struct unwind next = *u;
    if (!u->known[row->cfa_register])
        return false;
    u64 cfa = u->x[row->cfa_register] + (u64)row->cfa_offset;
    for (u32 i = 1; i < 32; i++) {
        const struct cfi_rule *rule = &row->x[i];
        if (rule->how == CFI_AT) {
            next.known[i] = load(u, cfa + (u64)rule->value, &next.x[i]);
        } else if (rule->how == CFI_IS) {
            next.x[i] = cfa + (u64)rule->value;
        } else if (rule->how == CFI_IN && rule->value >= 0 && rule->value < 32) {
            next.x[i] = u->x[rule->value];
            next.known[i] = u->known[rule->value];
        } else if (rule->how == CFI_UNDEFINED) {
            next.known[i] = false;
        }
    }
    if (row->x[SP].how == CFI_SAME)
        next.x[SP] = cfa;
    next.pc = next.x[row->return_register] & ~1ULL;
    next.exact = row->signal_frame;
    if (!next.known[row->return_register])
        return false;
    *u = next;
    return true;
}

// 1 = done, 0 = no table tells, -1 = the table says that this is the outermost function.
static int step_table(struct unwind *u)
{
    u64 bias;
    struct cfi_row row;
    gva_t at = u->exact ? u->pc : u->pc - 1;
    const struct object *o = symbols_object(u->s, u->mm, at, &bias);
    const struct unwind_entry *e = o ? object_unwind_at(o, at - bias) : NULL;
    if (!e || !cfi_find(o, e, at - bias, &row))
        return 0;
    return apply(u, &row) ? 1 : -1;
}

static bool step_code(struct unwind *u)
{
    struct symbol y;
    struct prologue p;
    u64 ra = u->x[RA], s0 = u->x[S0];
    gva_t at = u->exact ? u->pc : u->pc - 1;
    if (!symbols_find(u->s, u->mm, at, &y) || !y.name || y.data ||
        !prologue_read(u->mm, y.start, u->pc, &p))
        return false;
    if (p.by_pointer && !u->known[S0])
        return false;
    u64 cfa = p.by_pointer ? s0 + (u64)p.pointer_offset : u->x[SP] + p.size;
    if (p.saved_ra ? !load(u, cfa + (u64)p.ra, &ra) : !u->known[RA])
        return false;
    if (p.saved_s0 && !load(u, cfa + (u64)p.s0, &s0))
        return false;
    u->x[S0] = s0;
    u->x[SP] = cfa;
    u->pc = ra & ~1ULL;
    u->exact = false;
    u->known[RA] = false; // it was used up
    return true;
}

// The innermost function may be a leaf; others may have a frame pointer, with ra and the caller's
// frame pointer right below where it points.
static bool step_guess(struct unwind *u)
{
    u64 ra, s0;
    if (u->known[RA] && u->exact) {
        u->pc = u->x[RA] & ~1ULL;
        u->known[RA] = u->exact = false;
        return executable(u->mm, u->pc);
    }
    if (!u->known[S0] || u->x[S0] <= u->x[SP] || !load(u, u->x[S0] - 8, &ra) ||
        !load(u, u->x[S0] - 16, &s0))
        return false;
    u->x[SP] = u->x[S0];
    u->x[S0] = s0;
    u->pc = ra & ~1ULL;
    u->exact = false;
    return true;
}

static bool step(struct unwind *u)
{
    u64 sp = u->x[SP], pc = u->pc;
    if (u->pc == u->sigreturn)
        return step_signal(u) && executable(u->mm, u->pc);
    int r = step_table(u);
    if (r < 0 || (r == 0 && !step_code(u) && !step_guess(u)))
        return false;
    u->known[RA] = u->known[RA] && u->exact; // a caller's ra is on its stack
    return executable(u->mm, u->pc) && u->x[SP] >= sp && (u->x[SP] > sp || u->pc != pc);
}

u32 backtrace(struct symbols *s, struct mm *mm, const struct regs *regs, gva_t sigreturn,
              struct call_frame out[BACKTRACE_MAX])
{
    struct unwind u = {.s = s, .mm = mm, .sigreturn = sigreturn, .pc = regs->pc, .exact = true};
    u32 n = 0;
    memcpy(u.x, regs->x, sizeof u.x);
    memset(u.known, true, sizeof u.known);
    do
        out[n++] = (struct call_frame){.pc = u.pc, .sp = u.x[SP], .interrupted = u.exact};
    while (n < BACKTRACE_MAX && step(&u));
    return n;
}

// ---- as text -------------------------------------------------------------------------------------

void backtrace_text(struct symbols *s, struct mm *mm, const struct regs *regs, gva_t sigreturn,
                    const char *indent, struct text *out)
{
    struct call_frame frame[BACKTRACE_MAX];
    u32 n = backtrace(s, mm, regs, sigreturn, frame);
    for (u32 i = 0; i < n; i++) {
        struct symbol y;
        char name[256];
        gva_t pc = frame[i].pc;
        text_printf(out, "%s#%-2u 0x%016llx  ", indent, i, (unsigned long long)pc);
        if (pc == sigreturn) {
            text_puts(out, "<signal handler called>\n");
            continue;
        }
        // A call may be its function's last instruction: look at the byte before the return address.
        u32 back = frame[i].interrupted ? 0 : 1;
        bool found = symbols_find(s, mm, pc - back, &y);
        y.offset += back;
        symbol_text(&y, pc, name, sizeof name);
        const char *slash = found && y.file ? strrchr(y.file, '/') : NULL;
        text_puts(out, found ? name : "?");
        if (found && y.name)
            text_printf(out, " (%s)", slash ? slash + 1 : y.file);
        text_puts(out, "\n");
    }
    if (n == BACKTRACE_MAX)
        text_printf(out, "%s... and more\n", indent);
}
