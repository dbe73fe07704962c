// Call frame information: how to find, from a place in the code, the caller's registers.
// Source: DWARF 4, section 6.4; the LSB's .eh_frame.
#ifndef SEE_CFI_H
#define SEE_CFI_H

#include "see/object.h"

enum cfi_how {
    CFI_SAME,      // the register still has the caller's value
    CFI_UNDEFINED, // lost; of the return address: there is no caller
    CFI_AT,        // saved at CFA + value
    CFI_IS,        // is CFA + value
    CFI_IN,        // is in register `value`
};

struct cfi_rule {
    u8 how;
    i64 value;
};

// What holds at one place. CFA: the stack pointer before the call.
struct cfi_row {
    u32 cfa_register;
    i64 cfa_offset;
    u32 return_register;
    bool signal_frame;
    struct cfi_rule x[32];
};

// Fills o->entry from o->unwind. -ENOMEM; damaged parts are left out.
MUST_CHECK int cfi_index(struct object *o);
// The row for `address`, which `e` covers. False: damaged, or says what cannot be computed here.
MUST_CHECK bool cfi_find(const struct object *o, const struct unwind_entry *e, u64 address,
                         struct cfi_row *out);

#endif
