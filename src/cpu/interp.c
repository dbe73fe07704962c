// The interpreter: the specification of what instructions do (law L10). Threaded dispatch over
// decoded slots (cpu/code.h); every handler is a row of rv64.def, compiled over values.
//
// (E1) `budget` has already been charged for the whole basic block that s is in: the instructions
//      not yet retired, the current one included, are s->n. So retired = start - (budget + s->n), and
//      a handler that stops before it completes gives s->n back.
// (E2) Whoever goes to the start of a basic block does ENTER; when the budget does not cover it, the
//      part that it covers is copied and ends in a STOP: exactly `budget` instructions retire.
// (E3) pc is page_va + s->off. In linked code page_va does not change.
// (E4) x[0] is never written: the decoder turns rd = 0 into 32, which is regs.pc, dead while we run.
//      So pc stands behind x; f stands before it.
// (E5) A store may throw decoded code away, its own too (C5): after the slow path, leave. So a hart
//      always executes what it stored last, with fence.i or without: results do not depend on where
//      time slices end.
// (E6) In a store of several machines guest code is interpreted without the store's lock; it is taken for
//      whatever leaves the TLB and decoded code. Others may free the code page meanwhile (C5), make it grow
//      elsewhere (C6), or link its branches (C8): what is executed stays right.

#if defined(__GNUC__) && !defined(__clang__)
// One indirect jump for each handler, and all labels in one section.
#pragma GCC optimize("no-gcse", "no-crossjumping", "no-reorder-blocks-and-partition")
#endif

#include <string.h>

#include "base/panic.h"
#include "cpu/code.h"
#include "cpu/cpu.h"
#include "cpu/divide.h"
#include "cpu/fp.h"
#include "cpu/interp.h"
#include "isa/decode.h"
#include "mm/mm.h"
#include "mm/tlb.h"

#define NOINLINE __attribute__((noinline, cold))

_Static_assert(offsetof(struct regs, pc) == offsetof(struct regs, x[32]), "x[32] is pc (E4)");
_Static_assert(offsetof(struct regs, x) == offsetof(struct regs, f[32]), "x follows f");

// What the handlers seldom need: in memory, so that registers are left for what they always need.
struct run {
    struct cpu *cpu;
    struct code_arena *arena;
    bool open;              // the store's lock is not held (E6)
    u32 reader;
    struct code_page *page; // where s is, unless that is a copy
    u64 epoch;        // store->code_epoch when s was found (E5)
    u32 stop_at;      // cpu->stop_at
    i64 start;        // the whole budget (E1)
    struct trap trap; // why it ended
};

#define OPEN_FROM 64 // instructions from which on opening is worth it

static NOINLINE void run_open(struct run *run)
{
    run->open = true;
    run->reader = code_read_begin(run->arena);
    store_unlock(run->cpu->store);
}

static NOINLINE void run_close(struct run *run)
{
    store_lock(run->cpu->store);
    code_read_end(run->arena, run->reader);
    run->open = false;
}

static inline void run_lock(struct run *run)
{
    if (unlikely(run->open))
        store_lock(run->cpu->store);
}

static inline void run_unlock(struct run *run)
{
    if (unlikely(run->open))
        store_unlock(run->cpu->store);
}

// ---- Memory, when the TLB misses ------------------------------------------------------------

static bool memory_trap(struct trap *t, enum trap_kind kind, enum mm_fault fault, gva_t va)
{
    *t = (struct trap){.kind = kind, .error = (int)fault, .value = va};
    return false;
}

// A misaligned access inside one cached page.
static u8 *cached_host(struct tlb *t, gva_t va, unsigned size, enum mm_access want)
{
    const struct tlb_entry *e = tlb_slot(t, va);
    gva_t tag = want == MM_WRITE ? e->write : e->read;
    if ((va & TLB_PAGE_MASK) != tag || (va & PAGE_MASK) + size > PAGE_SIZE)
        return NULL;
    return e->host + (va & PAGE_MASK);
}

static bool load_locked(struct run *run, gva_t va, unsigned size, u64 *out)
{
    struct cpu *cpu = run->cpu;
    struct trap *t = &run->trap;
    unsigned first = (unsigned)MIN((u64)size, PAGE_SIZE - (va & PAGE_MASK));
    u64 value = 0;
    u8 *host = cached_host(&cpu->tlb, va, size, MM_READ);
    enum mm_fault fault = host ? FAULT_NONE : mm_access(cpu->mm, va, MM_READ, &host);
    if (fault)
        return memory_trap(t, TRAP_LOAD, fault, va);
    memcpy(&value, host, first);
    if (first < size) {
        fault = mm_access(cpu->mm, va + first, MM_READ, &host);
        if (fault)
            return memory_trap(t, TRAP_LOAD, fault, va + first);
        memcpy((u8 *)&value + first, host, size - first);
    }
    *out = value;
    return true;
}

static bool store_locked(struct run *run, gva_t va, unsigned size, u64 value)
{
    struct cpu *cpu = run->cpu;
    struct trap *t = &run->trap;
    unsigned first = (unsigned)MIN((u64)size, PAGE_SIZE - (va & PAGE_MASK));
    u8 *host = cached_host(&cpu->tlb, va, size, MM_WRITE);
    enum mm_fault fault = host ? FAULT_NONE : mm_access(cpu->mm, va, MM_WRITE, &host);
    if (fault)
        return memory_trap(t, TRAP_STORE, fault, va);
    if (first < size) { // both pages are checked before anything is stored
        fault = mm_access(cpu->mm, va + first, MM_WRITE, &host);
        if (fault)
            return memory_trap(t, TRAP_STORE, fault, va + first);
        memcpy(host, (u8 *)&value + first, size - first);
        fault = mm_access(cpu->mm, va, MM_WRITE, &host);
        ASSERT(fault == FAULT_NONE);
    }
    memcpy(host, &value, first);
    return true;
}

// Where an aligned atomic access goes; NULL: it traps.
static void *atomic_locked(struct run *run, gva_t va, unsigned size, enum mm_access want)
{
    struct cpu *cpu = run->cpu;
    struct trap *t = &run->trap;
    u8 *host;
    if (va & (size - 1)) {
        *t = (struct trap){.kind = TRAP_MISALIGNED, .value = va};
        return NULL;
    }
    enum mm_fault fault = mm_access(cpu->mm, va, want, &host);
    if (fault) {
        memory_trap(t, want == MM_WRITE ? TRAP_STORE : TRAP_LOAD, fault, va);
        return NULL;
    }
    return host;
}

static NOINLINE bool load_slow(struct run *run, gva_t va, unsigned size, u64 *out)
{
    run_lock(run);
    bool done = load_locked(run, va, size, out);
    run_unlock(run);
    return done;
}

static NOINLINE bool store_slow(struct run *run, gva_t va, unsigned size, u64 value)
{
    run_lock(run);
    bool done = store_locked(run, va, size, value);
    run_unlock(run);
    return done;
}

static NOINLINE void *atomic_slow(struct run *run, gva_t va, unsigned size, enum mm_access want)
{
    run_lock(run);
    void *host = atomic_locked(run, va, size, want);
    run_unlock(run);
    return host;
}

// Links the branch at s, unless its code is lost (E5); NULL: look it up.
static NOINLINE struct slot *link_slot(struct run *run, struct slot *s, u32 off, i32 linked)
{
    struct store *store = run->cpu->store;
    run_lock(run);
    struct slot *to = store_code_epoch(store) == run->epoch
                          ? code_link(run->arena, store, &run->page, s, off, linked) : NULL;
    run_unlock(run);
    return to;
}

// ---- Control and status registers -----------------------------------------------------------

enum csr_op { CSR_WRITE, CSR_SET, CSR_CLEAR };
enum { CSR_FFLAGS = 1, CSR_FRM = 2, CSR_FCSR = 3, CSR_CYCLE = 0xc00, CSR_TIME, CSR_INSTRET };

static bool csr_read(struct cpu *cpu, u32 csr, u64 retired, u64 *out)
{
    struct regs *r = cpu->regs;
    switch (csr) {
    case CSR_FFLAGS:
        *out = r->fflags;
        return true;
    case CSR_FRM:
        *out = r->frm;
        return true;
    case CSR_FCSR:
        *out = r->frm << 5 | r->fflags;
        return true;
    case CSR_CYCLE:
    case CSR_INSTRET:
        *out = retired;
        return true;
    case CSR_TIME:
        *out = cpu->read_time ? cpu->read_time(cpu->read_time_arg) : 0;
        return true;
    default:
        return false;
    }
}

static bool csr_write(struct regs *r, u32 csr, u64 value)
{
    switch (csr) {
    case CSR_FFLAGS:
        r->fflags = (u32)value & 31;
        return true;
    case CSR_FRM:
        r->frm = (u32)value & 7;
        return true;
    case CSR_FCSR:
        r->fflags = (u32)value & 31;
        r->frm = (u32)value >> 5 & 7;
        return true;
    default:
        return false; // unknown or read-only
    }
}

// False: illegal. "For CSRRS and CSRRC, if rs1=x0, then the instruction will not write to the CSR at
// all"; a zero immediate likewise.
static NOINLINE bool csr_access(struct cpu *cpu, const struct slot *s, enum csr_op op, u64 operand,
                                u64 retired, u64 *out)
{
    u32 csr = (u32)s->imm;
    u64 old, value = operand;
    fp_flags(cpu->regs);
    if (!csr_read(cpu, csr, retired, &old))
        return false;
    if (op == CSR_SET)
        value = old | operand;
    else if (op == CSR_CLEAR)
        value = old & ~operand;
    if ((op == CSR_WRITE || s->rs1 != 0) && !csr_write(cpu->regs, csr, value))
        return false;
    *out = old;
    return true;
}

// ---- The vocabulary of rv64.def, over values ------------------------------------------------

#define RS1 x[s->rs1]
#define RS2 x[s->rs2]
#define FS1 REGS->f[s->rs1]
#define FS2 REGS->f[s->rs2]
#define FS3 REGS->f[s->rs3]
#define IMM ((u64)(i64)s->imm)
#define ZIMM ((u64)s->rs1)
#define PC (page_va + s->off)
#define NEXT_PC (page_va + s->off + s->len)

#define WR(v) (void)(x[s->rd] = (v))
#define WF(v) (void)(REGS->f[s->rd] = (v))

#define ADD(a, b) ((a) + (b))
#define SUB(a, b) ((a) - (b))
#define AND(a, b) ((a) & (b))
#define OR(a, b) ((a) | (b))
#define XOR(a, b) ((a) ^ (b))
#define SLL(a, b) ((a) << ((b) & 63))
#define SRL(a, b) ((a) >> ((b) & 63))
#define SRA(a, b) ((u64)((i64)(a) >> ((b) & 63)))
#define SLT(a, b) ((u64)((i64)(a) < (i64)(b)))
#define SLTU(a, b) ((u64)((a) < (b)))
#define SEXT32(v) ((u64)(i64)(i32)(v))
#define SLLW(a, b) SEXT32((u32)(a) << ((b) & 31))
#define SRLW(a, b) SEXT32((u32)(a) >> ((b) & 31))
#define SRAW(a, b) SEXT32((i32)(a) >> ((b) & 31))
#define MUL(a, b) ((a) * (b))
#define MULH(a, b) ((u64)(((i128)(i64)(a) * (i64)(b)) >> 64))
#define MULHSU(a, b) ((u64)(((i128)(i64)(a) * (i128)(u128)(b)) >> 64))
#define MULHU(a, b) ((u64)(((u128)(a) * (b)) >> 64))
#define DIV(a, b) div_signed((i64)(a), (i64)(b))
#define DIVU(a, b) div_unsigned(a, b)
#define REM(a, b) rem_signed((i64)(a), (i64)(b))
#define REMU(a, b) rem_unsigned(a, b)
#define DIVW(a, b) divw_signed((i32)(a), (i32)(b))
#define DIVUW(a, b) divw_unsigned((u32)(a), (u32)(b))
#define REMW(a, b) remw_signed((i32)(a), (i32)(b))
#define REMUW(a, b) remw_unsigned((u32)(a), (u32)(b))

#define EQ(a, b) ((a) == (b))
#define NE(a, b) ((a) != (b))
#define LT(a, b) ((i64)(a) < (i64)(b))
#define GE(a, b) ((i64)(a) >= (i64)(b))
#define LTU(a, b) ((a) < (b))
#define GEU(a, b) ((a) >= (b))

// The access types as they alias guest memory, which has no C type.
typedef i8 __attribute__((may_alias)) mem_i8;
typedef u8 __attribute__((may_alias)) mem_u8;
typedef i16 __attribute__((may_alias)) mem_i16;
typedef u16 __attribute__((may_alias)) mem_u16;
typedef i32 __attribute__((may_alias)) mem_i32;
typedef u32 __attribute__((may_alias)) mem_u32;
typedef i64 __attribute__((may_alias)) mem_i64;
typedef u64 __attribute__((may_alias)) mem_u64;

// Whether s is not in a code page.
#define IN_COPY() ((uintptr_t)s - (uintptr_t)copies < sizeof copies)

// (E5) What is executed from a copy may have been stored to without anybody noticing.
#define CODE_LOST()                                                                                \
    (store_code_epoch(run.cpu->store) != run.epoch || IN_COPY())

#define HITS(type, tag) ((va_ & (TLB_PAGE_MASK | (sizeof(type) - 1))) == (tag))
#define HOST(type) ((mem_##type *)(e_->host + (va_ & PAGE_MASK)))

#define LOAD(type, address)                                                                        \
    ({                                                                                             \
        gva_t va_ = (address);                                                                     \
        const struct tlb_entry *e_ = tlb_slot(tlb, va_);                                           \
        u64 v_;                                                                                    \
        if (likely(HITS(type, e_->read)))                                                          \
            v_ = (u64)*HOST(type);                                                                 \
        else if (likely(load_slow(&run, va_, sizeof(type), &v_)))                            \
            v_ = (u64)(type)v_;                                                                    \
        else                                                                                       \
            goto trapped;                                                                          \
        v_;                                                                                        \
    })

#define STORE(type, address, v)                                                                    \
    do {                                                                                           \
        gva_t va_ = (address);                                                                     \
        const struct tlb_entry *e_ = tlb_slot(tlb, va_);                                           \
        if (likely(HITS(type, e_->write))) {                                                       \
            *HOST(type) = (type)(v);                                                               \
        } else {                                                                                   \
            if (!store_slow(&run, va_, sizeof(type), v))                                     \
                goto trapped;                                                                      \
            if (CODE_LOST())                                                                       \
                goto leave;                                                                        \
        }                                                                                          \
    } while (0)

#define ATOMIC_HOST(type, tag, want)                                                               \
    ({                                                                                             \
        const struct tlb_entry *e_ = tlb_slot(tlb, va_);                                           \
        type *p_;                                                                                  \
        if (likely(HITS(type, e_->tag)))                                                           \
            p_ = (type *)(e_->host + (va_ & PAGE_MASK));                                           \
        else if (!(p_ = atomic_slow(&run, va_, sizeof(type), want)))                         \
            goto trapped;                                                                          \
        p_;                                                                                        \
    })

#define LOAD_RESERVED(type, address)                                                               \
    ({                                                                                             \
        gva_t va_ = (address);                                                                     \
        type *at_ = ATOMIC_HOST(type, read, MM_READ);                                              \
        u64 v_ = (u64)__atomic_load_n(at_, __ATOMIC_SEQ_CST);                                      \
        REGS->reservation = va_;                                                              \
        REGS->reserved_value = v_;                                                            \
        v_;                                                                                        \
    })

#define STORE_CONDITIONAL(type, address, v)                                                        \
    ({                                                                                             \
        gva_t va_ = (address);                                                                     \
        type *at_ = ATOMIC_HOST(type, write, MM_WRITE);                                            \
        type expected_ = (type)REGS->reserved_value;                                          \
        bool ok_ = REGS->reservation == va_ &&                                                \
                   __atomic_compare_exchange_n(at_, &expected_, (type)(v), false,                  \
                                               __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);                \
        REGS->reservation = ~0UL;                                                             \
        (u64)!ok_;                                                                                 \
    })

#define AMO(type, address, v, operation)                                                           \
    ({                                                                                             \
        gva_t va_ = (address);                                                                     \
        type *at_ = ATOMIC_HOST(type, write, MM_WRITE);                                            \
        (u64) operation(at_, (type)(v), __ATOMIC_SEQ_CST);                                         \
    })
#define AMO_SWAP(type, address, v) AMO(type, address, v, __atomic_exchange_n)
#define AMO_ADD(type, address, v) AMO(type, address, v, __atomic_fetch_add)
#define AMO_XOR(type, address, v) AMO(type, address, v, __atomic_fetch_xor)
#define AMO_AND(type, address, v) AMO(type, address, v, __atomic_fetch_and)
#define AMO_OR(type, address, v) AMO(type, address, v, __atomic_fetch_or)

// as: the type to compare in; keep: what makes memory keep its value.
#define AMO_SELECT(type, as, address, v, keep)                                                     \
    ({                                                                                             \
        gva_t va_ = (address);                                                                     \
        type *at_ = ATOMIC_HOST(type, write, MM_WRITE);                                            \
        type new_ = (type)(v), old_ = __atomic_load_n(at_, __ATOMIC_RELAXED);                      \
        while (!__atomic_compare_exchange_n(at_, &old_, (as)old_ keep (as)new_ ? old_ : new_,      \
                                            false, __ATOMIC_SEQ_CST, __ATOMIC_RELAXED))            \
            ;                                                                                      \
        (u64) old_;                                                                                \
    })
#define UNSIGNED_i32 u32
#define UNSIGNED_i64 u64
#define AMO_MIN(type, address, v) AMO_SELECT(type, type, address, v, <)
#define AMO_MAX(type, address, v) AMO_SELECT(type, type, address, v, >)
#define AMO_MINU(type, address, v) AMO_SELECT(type, UNSIGNED_##type, address, v, <)
#define AMO_MAXU(type, address, v) AMO_SELECT(type, UNSIGNED_##type, address, v, >)

#define BOX32(v) fp_box((u32)(v))
#define REGS CONTAINER_OF(x, struct regs, x)
#define FP(f, ...) f(REGS, __VA_ARGS__)
#define FP_RM(f, ...)                                                                              \
    ({                                                                                             \
        unsigned rm_ = (unsigned)s->imm;                                                           \
        if (likely(rm_ == 7))                                                                      \
            rm_ = REGS->frm;                                                                  \
        if (unlikely(rm_ > FP_RMM))                                                                \
            goto bad_rounding;                                                                     \
        f(REGS, __VA_ARGS__, rm_);                                                            \
    })

#define CSR(op, v)                                                                                 \
    do {                                                                                           \
        u64 old_;                                                                                  \
        if (!csr_access(run.cpu, s, op, v, run.cpu->retired + (u64)(run.start - budget - s->n), &old_))        \
            goto illegal_word;                                                                     \
        WR(old_);                                                                                  \
    } while (0)

// Only "writes before reads" needs an instruction on the host; fence.tso leaves that out.
#define FENCE(sets)                                                                                \
    do {                                                                                           \
        u32 sets_ = (u32)(sets);                                                                   \
        if ((sets_ & 0x50) && (sets_ & 0x0a) && (sets_ >> 8 & 15) != 8)                            \
            __atomic_thread_fence(__ATOMIC_SEQ_CST);                                               \
        else                                                                                       \
            __atomic_signal_fence(__ATOMIC_SEQ_CST);                                               \
    } while (0)

#define FENCE_I()                                                                                  \
    do {                                                                                           \
        pc = NEXT_PC;                                                                              \
        goto find;                                                                                 \
    } while (0)

#define TRAP(k)                                                                                    \
    do {                                                                                           \
        run.trap = (struct trap){.kind = k};                                                           \
        goto trapped;                                                                              \
    } while (0)

// ---- Dispatch -------------------------------------------------------------------------------

// An aligned load of the host's is whole, and in order (C8); compilers make two instructions of it when they are told.
#ifdef __SANITIZE_THREAD__
#define HANDLER() __atomic_load_n(&s->handler, __ATOMIC_ACQUIRE)
#else
#define HANDLER() s->handler
#endif
#define DISPATCH() goto *(void *)(base + (i32)HANDLER())

#define NEXT()                                                                                     \
    do {                                                                                           \
        s++;                                                                                       \
        DISPATCH();                                                                                \
    } while (0)

#define ENTER()                                                                                    \
    do {                                                                                           \
        budget -= s->n;                                                                            \
        if (unlikely(budget < 0))                                                                  \
            goto exhausted;                                                                        \
        DISPATCH();                                                                                \
    } while (0)

// Goes to pc if its page is cached and the place decoded (C4).
#define JUMP()                                                                                     \
    do {                                                                                           \
        if (unlikely(run.stop_at))                                                                 \
            goto counted;                                                                          \
        JUMP_UNCOUNTED();                                                                          \
    } while (0)
#define JUMP_UNCOUNTED()                                                                           \
    do {                                                                                           \
        const struct tlb_entry *e_ = tlb_slot(tlb, pc);                                            \
        if (likely(e_->exec == (pc & TLB_PAGE_MASK))) {                                            \
            struct code_page *p_ = code_page_of(run.cpu->store, e_);                               \
            u64 slot_ = p_ ? __atomic_load_n(&p_->map[(pc & PAGE_MASK) / 2], LOAD_DEPENDENT) : 0;                                    \
            if (likely(slot_)) {                                                                   \
                page_va = pc & TLB_PAGE_MASK;                                                      \
                run.page = p_;                                                                     \
                run.epoch = store_code_epoch(run.cpu->store);                                      \
                s = &p_->slot[slot_ - 1];                                                          \
                ENTER();                                                                           \
            }                                                                                      \
        }                                                                                          \
        goto find;                                                                                 \
    } while (0)

#define CALL_REG(target)                                                                           \
    do {                                                                                           \
        pc = (target) & ~1UL;                                                                      \
        WR(NEXT_PC);                                                                               \
        JUMP();                                                                                    \
    } while (0)

// An atomic access may have thrown code away by its slow path (E5).
#define DONE_A                                                                                     \
    do {                                                                                           \
        if (unlikely(CODE_LOST()))                                                                 \
            goto leave;                                                                            \
        NEXT();                                                                                    \
    } while (0)
#define DONE_R NEXT()
#define DONE_I NEXT()
#define DONE_S NEXT()
#define DONE_B
#define DONE_U NEXT()
#define DONE_J
#define DONE_SH NEXT()
#define DONE_CSR NEXT()
#define DONE_FR NEXT()
#define DONE_R4 NEXT()
#define DONE_N

#define LINKED_A(name, ...)
#define LINKED_R(name, ...)
#define LINKED_I(name, ...)
#define LINKED_S(name, ...)
#define LINKED_U(name, ...)
#define LINKED_SH(name, ...)
#define LINKED_CSR(name, ...)
#define LINKED_FR(name, ...)
#define LINKED_R4(name, ...)
#define LINKED_N(name, ...)

struct trap interp_run(struct cpu *cpu, u64 instructions)
{
#define LABEL(name) [OP_##name] = (i32)((char *)&&h_##name - (char *)&&h_illegal),
#define LINKED_B(name, ...)                                                                        \
    [CODE_LINKED + OP_##name] = (i32)((char *)&&linked_##name - (char *)&&h_illegal),
#define LINKED_J LINKED_B
    static const i32 handlers[CODE_HANDLERS] = {
#define INSN(name, bits, format, ...) LABEL(name)
#include "isa/rv64.def"
#undef INSN
#define INSN(name, bits, format, ...) LINKED_##format(name)
#include "isa/rv64.def"
#undef INSN
        [CODE_END] = (i32)((char *)&&h_end - (char *)&&h_illegal),
        [CODE_LINK] = (i32)((char *)&&h_link - (char *)&&h_illegal),
        [CODE_STRADDLE] = (i32)((char *)&&h_straddle - (char *)&&h_illegal),
        [CODE_STOP] = (i32)((char *)&&h_stop - (char *)&&h_illegal),
    };
#undef LINKED_B
#undef LINKED_J

    const char *base = (const char *)&&h_illegal;
    __asm__("" : "+r"(base)); // keep it in a register rather than recompute it in each handler
    struct tlb *const tlb = &cpu->tlb;
    u64 *const x = cpu->regs->x;
    struct run run = {
        .cpu = cpu,
        .arena = code_arena_of(cpu->store, handlers),
        .stop_at = cpu->stop_at,
        .start = (i64)MIN(instructions, (u64)INT64_MAX),
        .trap = {.kind = TRAP_FETCH, .error = FAULT_NOMEM, .value = cpu->regs->pc},
    };
    struct slot copies[CODE_SCRATCH + 256], *const scratch = copies;
    struct slot *const cut = copies + CODE_SCRATCH;
    struct slot *s, *to;
    gva_t page_va = 0, pc = cpu->regs->pc & ~1UL; // "the low bit of sepc is always zero"
    i64 budget = run.start;
    enum mm_fault fault;
    i32 linked;

    if (!run.arena)
        return run.trap;
    fp_enter(cpu->regs);
    if (unlikely(cpu->store->lock != NULL) && instructions >= OPEN_FROM)
        run_open(&run);
    JUMP_UNCOUNTED();

    // The instructions. A branch or jal that is not linked yet computes what to become and takes
    // the long way once.
#define BRANCH(condition)                                                                          \
    do {                                                                                           \
        if (condition)                                                                             \
            goto take;                                                                             \
        s++;                                                                                       \
        ENTER();                                                                                   \
    } while (0)
#define CALL(target)                                                                               \
    do {                                                                                           \
        WR(NEXT_PC);                                                                               \
        goto take;                                                                                 \
    } while (0)
#define LINKED_B(name, ...) linked = handlers[CODE_LINKED + OP_##name];
#define LINKED_J LINKED_B
#define INSN(name, bits, format, operands, ...)                                                    \
    h_##name : {                                                                                   \
        LINKED_##format(name) __VA_ARGS__;                                                         \
        DONE_##format;                                                                             \
    }
#include "isa/rv64.def"
#undef INSN
#undef LINKED_B
#undef LINKED_J
#undef BRANCH
#undef CALL

    // The linked forms: imm is the distance to the target's slot.
#define BRANCH(condition)                                                                          \
    do {                                                                                           \
        if (condition) {                                                                           \
            s += s->imm;                                                                           \
            ENTER();                                                                               \
        }                                                                                          \
        s++;                                                                                       \
        ENTER();                                                                                   \
    } while (0)
#define CALL(target)                                                                               \
    do {                                                                                           \
        WR(NEXT_PC);                                                                               \
        s += s->imm;                                                                               \
        ENTER();                                                                                   \
    } while (0)
#define LINKED_B(name, ...) linked_##name : __VA_ARGS__;
#define LINKED_J LINKED_B
#define INSN(name, bits, format, operands, ...) LINKED_##format(name, __VA_ARGS__)
#include "isa/rv64.def"
#undef INSN
#undef LINKED_B
#undef LINKED_J

h_illegal:
    run.trap = (struct trap){.kind = TRAP_ILLEGAL, .value = (u32)s->imm};
    goto trapped;

h_end:
    pc = PC;
    JUMP();

h_link:
    s += s->imm;
    ENTER();

h_straddle:
    pc = PC;
    if (budget == 0)
        goto out_of_budget;
    {
        gva_t at;
        run_lock(&run);
        fault = code_straddle(run.cpu, run.arena, pc, scratch, &at);
        run_unlock(&run);
        if (fault) {
            memory_trap(&run.trap, TRAP_FETCH, fault, at);
            goto out;
        }
    }
    s = scratch;
    ENTER();

h_stop:
    pc = PC;
    goto out_of_budget;

take: { // a taken branch or jal, not linked
    u64 link = slot_link(s);
    if (unlikely((i32)link == linked)) { // another machine was quicker
        s += (i32)(link >> 32);
        ENTER();
    }
    pc = PC + (u64)(i64)(i32)(link >> 32);
}
    if ((pc & TLB_PAGE_MASK) == page_va && !run.stop_at && !IN_COPY()) {
        to = link_slot(&run, s, (u32)(pc & PAGE_MASK), linked);
        if (likely(to)) {
            s = to;
            ENTER();
        }
    }
    JUMP();

counted: { // a jump to pc; leave if that is a hot place
    const struct tlb_entry *e = tlb_slot(tlb, pc);
    struct code_page *p =
        e->exec == (pc & TLB_PAGE_MASK) ? code_page_of(run.cpu->store, e) : NULL;
    if (p) {
        u8 count = code_heat(p, (u32)(pc & PAGE_MASK));
        if (count >= run.stop_at) {
            run.trap = (struct trap){.kind = TRAP_HOT};
            goto out;
        }
        code_set_heat(p, (u32)(pc & PAGE_MASK), (u8)MIN(count + 1, 255));
    }
    JUMP_UNCOUNTED();
}

find: // pc is not cached, or cached things may have changed
    if (budget == 0)
        goto out_of_budget;
    if (unlikely(run.open)) { // nothing of decoded code is held here (C5)
        run_close(&run);
        fault = code_find(run.cpu, run.arena, pc, scratch, &run.page, &to);
        run_open(&run);
    } else {
        fault = code_find(run.cpu, run.arena, pc, scratch, &run.page, &to);
    }
    if (fault) {
        memory_trap(&run.trap, TRAP_FETCH, fault, pc);
        goto out;
    }
    page_va = pc & TLB_PAGE_MASK;
    run.epoch = store_code_epoch(run.cpu->store);
    s = to;
    ENTER();

leave: // after an instruction that has completed, but whose block may be gone
    budget += s->n - 1;
    pc = NEXT_PC;
    goto find;

exhausted: // the budget does not cover the basic block at s (E2)
    pc = PC;
    budget += s->n;
    if (budget == 0)
        goto out_of_budget;
    for (i64 i = 0; i < budget; i++) {
        cut[i] = s[i];
        cut[i].n = (u8)(budget - i);
    }
    cut[budget] = (struct slot){.handler = (u32)handlers[CODE_STOP], .off = s[budget].off};
    budget = 0;
    s = cut;
    DISPATCH();

bad_rounding:
illegal_word:
    run_lock(&run);
    run.trap = (struct trap){.kind = TRAP_ILLEGAL, .value = code_word(run.cpu, PC)};
    run_unlock(&run);
trapped: // at s, which has not completed
    budget += s->n;
    pc = PC;
    goto out;

out_of_budget:
    run.trap = (struct trap){.kind = TRAP_BUDGET};
out:
    if (unlikely(run.open))
        run_close(&run);
    fp_flags(run.cpu->regs);
    run.cpu->regs->pc = pc;
    run.cpu->retired += (u64)(run.start - budget);
    return run.trap;
}
