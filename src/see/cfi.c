#include "see/cfi.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

#define REMEMBERED 8 // depth of DW_CFA_remember_state

struct cursor { // reads forward, never beyond `end`; what is not there reads as 0 and sets `bad`
    const u8 *at, *end;
    bool bad;
};

static u64 take(struct cursor *c, u32 n)
{
    u64 v = 0;
    if ((u64)(c->end - c->at) < n) {
        c->bad = true;
        c->at = c->end;
        return 0;
    }
    memcpy(&v, c->at, n);
    c->at += n;
    return v;
}

static u64 take_uleb(struct cursor *c)
{
    u64 v = 0;
    for (u32 shift = 0;; shift += 7) {
        u8 byte = (u8)take(c, 1);
        if (shift < 64)
            v |= (u64)(byte & 0x7f) << shift;
        if (!(byte & 0x80))
            return v;
    }
}

static i64 take_sleb(struct cursor *c)
{
    u64 v = 0;
    u32 shift = 0;
    u8 byte;
    do {
        byte = (u8)take(c, 1);
        if (shift < 64)
            v |= (u64)(byte & 0x7f) << shift;
        shift += 7;
    } while (byte & 0x80);
    if (shift < 64 && byte & 0x40)
        v |= ~0ULL << shift;
    return (i64)v;
}

static void skip(struct cursor *c, u64 n)
{
    if ((u64)(c->end - c->at) < n) {
        c->bad = true;
        n = (u64)(c->end - c->at);
    }
    c->at += n;
}

// A pointer in one of the DW_EH_PE_ encodings; `here` is the address of its first byte.
static u64 take_encoded(struct cursor *c, u8 encoding, u64 here)
{
    u64 v;
    switch (encoding & 15) {
    case 0: case 4: case 12:
        v = take(c, 8);
        break;
    case 1:
        v = take_uleb(c);
        break;
    case 2:
        v = take(c, 2);
        break;
    case 3:
        v = take(c, 4);
        break;
    case 9:
        v = (u64)take_sleb(c);
        break;
    case 10:
        v = (u64)(i64)(i16)take(c, 2);
        break;
    case 11:
        v = (u64)(i64)(i32)take(c, 4);
        break;
    default:
        c->bad = true;
        return 0;
    }
    if ((encoding & 0x70) == 0x10)
        return v + here;
    if (encoding & 0x70)
        c->bad = true;
    return v;
}

// ---- entries: CIE and FDE ------------------------------------------------------------------------

struct cie {
    u64 code_align;
    i64 data_align;
    u32 return_register;
    u8 pointer; // encoding of addresses in its FDEs
    bool augmented, signal_frame;
    struct cursor program;
};

// The body of the entry at `offset`, behind its length. False at the end of the section.
static bool entry_at(const struct object *o, u64 offset, struct cursor *body)
{
    if (offset > o->unwind_size || o->unwind_size - offset < 4)
        return false;
    struct cursor c = {.at = o->unwind + offset, .end = o->unwind + o->unwind_size};
    u64 n = take(&c, 4);
    if (n == 0xffffffff)
        n = take(&c, 8);
    if (!n || c.bad || n > (u64)(c.end - c.at))
        return false;
    *body = (struct cursor){.at = c.at, .end = c.at + n};
    return true;
}

static u64 address_of(const struct object *o, const struct cursor *c)
{
    return o->unwind_address + (u64)(c->at - o->unwind);
}

static bool read_augmentation(const struct object *o, struct cursor *c, const char *letters,
                              struct cie *out)
{
    u64 n = take_uleb(c);
    struct cursor data = *c;
    skip(c, n);
    if (c->bad)
        return false;
    data.end = c->at;
    for (letters++; *letters; letters++) {
        if (*letters == 'R') {
            out->pointer = (u8)take(&data, 1);
        } else if (*letters == 'P') {
            u8 encoding = (u8)take(&data, 1);
            (void)take_encoded(&data, encoding & 0x7f, address_of(o, &data));
        } else if (*letters == 'L') {
            (void)take(&data, 1);
        } else if (*letters == 'S') {
            out->signal_frame = true;
        } else {
            break; // the length says where it ends
        }
    }
    return true;
}

static bool read_cie(const struct object *o, u64 offset, struct cie *out)
{
    struct cursor c;
    *out = (struct cie){0};
    if (!entry_at(o, offset, &c) || take(&c, 4) != 0)
        return false;
    u8 version = (u8)take(&c, 1);
    const char *letters = (const char *)c.at;
    const u8 *end = memchr(c.at, 0, (size_t)(c.end - c.at));
    if ((version != 1 && version != 3) || !end)
        return false;
    c.at = end + 1;
    out->code_align = take_uleb(&c);
    out->data_align = take_sleb(&c);
    out->return_register = (u32)(version == 1 ? take(&c, 1) : take_uleb(&c));
    out->augmented = letters[0] == 'z';
    if (out->return_register >= 32 || (letters[0] && letters[0] != 'z') ||
        (out->augmented && !read_augmentation(o, &c, letters, out)))
        return false;
    out->program = c;
    return !c.bad;
}

// The FDE's place, and the rest of it in *program.
static bool read_fde(const struct object *o, const struct cie *cie, u64 offset, u64 *start,
                     u64 *length, struct cursor *program)
{
    struct cursor c;
    if (!entry_at(o, offset, &c))
        return false;
    (void)take(&c, 4);
    *start = take_encoded(&c, cie->pointer, address_of(o, &c));
    *length = take_encoded(&c, cie->pointer & 15, 0);
    if (cie->augmented)
        skip(&c, take_uleb(&c));
    *program = c;
    return !c.bad && *length;
}

static int by_start(const void *a, const void *b)
{
    const struct unwind_entry *x = a, *y = b;
    return x->start < y->start ? -1 : x->start > y->start;
}

int cfi_index(struct object *o)
{
    u32 room = 0;
    struct cursor c;
    for (u64 offset = 0; offset <= UINT32_MAX && entry_at(o, offset, &c);
         offset = (u64)(c.end - o->unwind)) {
        u64 here = (u64)(c.at - o->unwind), back = take(&c, 4);
        struct unwind_entry e = {.fde = (u32)offset};
        struct cie cie;
        struct cursor program;
        if (!back || back > here)
            continue; // a CIE
        e.cie = (u32)(here - back);
        if (!read_cie(o, e.cie, &cie) || !read_fde(o, &cie, offset, &e.start, &e.length, &program))
            continue;
        if (o->entries == room) {
            room = room ? room * 2 : 64;
            struct unwind_entry *more = mem_resize(o->entry, room * sizeof *more);
            if (!more)
                return -ENOMEM;
            o->entry = more;
        }
        o->entry[o->entries++] = e;
    }
    if (o->entries)
        qsort(o->entry, o->entries, sizeof *o->entry, by_start);
    return 0;
}

// ---- the programs --------------------------------------------------------------------------------

struct execution {
    const struct object *o;
    const struct cie *cie;
    struct cfi_row row, initial, kept[REMEMBERED];
    u32 nkept;
    u64 location, wanted;
};

static void set_rule(struct execution *x, u64 reg, u8 how, i64 value)
{
    if (reg < 32)
        x->row.x[reg] = (struct cfi_rule){how, value};
}

static void restore_rule(struct execution *x, u64 reg)
{
    if (reg < 32)
        x->row.x[reg] = x->initial.x[reg];
}

enum { ADVANCE = 0x40, OFFSET = 0x80, RESTORE = 0xc0 };
enum { NOP, SET_LOC, ADVANCE1, ADVANCE2, ADVANCE4, OFFSET_EXTENDED, RESTORE_EXTENDED, UNDEFINED,
       SAME_VALUE, REGISTER, REMEMBER, RECALL, DEF_CFA, DEF_CFA_REGISTER, DEF_CFA_OFFSET,
       DEF_CFA_EXPRESSION, EXPRESSION, OFFSET_SF, DEF_CFA_SF, DEF_CFA_OFFSET_SF, VAL_OFFSET,
       VAL_OFFSET_SF, VAL_EXPRESSION, ARGS_SIZE = 0x2e };

static i64 factored(struct execution *x, i64 v)
{
    return (i64)((u64)v * (u64)x->cie->data_align);
}

// The instructions that say where the CFA is. False: none of them.
static bool cfa_instruction(struct execution *x, struct cursor *c, u8 op)
{
    struct cfi_row *row = &x->row;
    switch (op) {
    case DEF_CFA:
        row->cfa_register = (u32)take_uleb(c);
        row->cfa_offset = (i64)take_uleb(c);
        break;
    case DEF_CFA_SF:
        row->cfa_register = (u32)take_uleb(c);
        row->cfa_offset = factored(x, take_sleb(c));
        break;
    case DEF_CFA_REGISTER:
        row->cfa_register = (u32)take_uleb(c);
        break;
    case DEF_CFA_OFFSET:
        row->cfa_offset = (i64)take_uleb(c);
        break;
    case DEF_CFA_OFFSET_SF:
        row->cfa_offset = factored(x, take_sleb(c));
        break;
    case DEF_CFA_EXPRESSION: // no compiler for riscv emits it outside of a procedure linkage table
        row->cfa_register = 32;
        skip(c, take_uleb(c));
        break;
    default:
        return false;
    }
    return true;
}

// The instructions that say where registers are. False: an unknown one.
static bool register_instruction(struct execution *x, struct cursor *c, u8 op)
{
    u64 reg = 0;
    if (op != NOP && op != REMEMBER && op != RECALL && op != ARGS_SIZE)
        reg = take_uleb(c);
    switch (op) {
    case NOP:
        break;
    case OFFSET_EXTENDED:
        set_rule(x, reg, CFI_AT, factored(x, (i64)take_uleb(c)));
        break;
    case OFFSET_SF:
        set_rule(x, reg, CFI_AT, factored(x, take_sleb(c)));
        break;
    case VAL_OFFSET:
        set_rule(x, reg, CFI_IS, factored(x, (i64)take_uleb(c)));
        break;
    case VAL_OFFSET_SF:
        set_rule(x, reg, CFI_IS, factored(x, take_sleb(c)));
        break;
    case RESTORE_EXTENDED:
        restore_rule(x, reg);
        break;
    case UNDEFINED:
        set_rule(x, reg, CFI_UNDEFINED, 0);
        break;
    case SAME_VALUE:
        set_rule(x, reg, CFI_SAME, 0);
        break;
    case REGISTER:
        set_rule(x, reg, CFI_IN, (i64)take_uleb(c));
        break;
    case EXPRESSION:
    case VAL_EXPRESSION:
        set_rule(x, reg, CFI_UNDEFINED, 0);
        skip(c, take_uleb(c));
        break;
    case REMEMBER:
        if (x->nkept == REMEMBERED)
            return false;
        x->kept[x->nkept++] = x->row;
        break;
    case RECALL:
        if (!x->nkept)
            return false;
        x->row = x->kept[--x->nkept];
        break;
    case ARGS_SIZE:
        (void)take_uleb(c);
        break;
    default:
        return false;
    }
    return true;
}

static bool advance(struct execution *x, struct cursor *c, u8 op)
{
    u64 delta = op & ADVANCE       ? op & 0x3f
                : op == ADVANCE1   ? take(c, 1)
                : op == ADVANCE2   ? take(c, 2)
                                   : take(c, 4);
    x->location += delta * x->cie->code_align;
    return x->location > x->wanted;
}

// Runs a program up to the wanted location.
static bool execute(struct execution *x, struct cursor c)
{
    while (c.at < c.end && !c.bad) {
        u8 op = (u8)take(&c, 1);
        if ((op & 0xc0) == ADVANCE || (op >= ADVANCE1 && op <= ADVANCE4)) {
            if (advance(x, &c, op))
                return !c.bad;
        } else if ((op & 0xc0) == OFFSET) {
            set_rule(x, op & 0x3f, CFI_AT, factored(x, (i64)take_uleb(&c)));
        } else if ((op & 0xc0) == RESTORE) {
            restore_rule(x, op & 0x3f);
        } else if (op == SET_LOC) {
            x->location = take_encoded(&c, x->cie->pointer, address_of(x->o, &c));
            if (x->location > x->wanted)
                return !c.bad;
        } else if (!cfa_instruction(x, &c, op) && !register_instruction(x, &c, op)) {
            return false;
        }
    }
    return !c.bad;
}

bool cfi_find(const struct object *o, const struct unwind_entry *e, u64 address, struct cfi_row *out)
{
    struct cie cie;
    struct cursor program;
    u64 start, length;
    if (!read_cie(o, e->cie, &cie) || !read_fde(o, &cie, e->fde, &start, &length, &program))
        return false;
    struct execution x = {.o = o, .cie = &cie, .location = start, .wanted = ~0ULL};
    x.row.return_register = cie.return_register;
    x.row.signal_frame = cie.signal_frame;
    if (!execute(&x, cie.program))
        return false;
    x.initial = x.row;
    x.wanted = address;
    if (!execute(&x, program) || x.row.cfa_register >= 32)
        return false;
    *out = x.row;
    return true;
}
