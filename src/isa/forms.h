// Between decode.c and disasm.c: which row of the tables a word is.
#ifndef ISA_FORMS_H
#define ISA_FORMS_H

#include "isa/decode.h"

enum rvc {
    RVC_none,
#define RVC(name, ...) RVC_##name,
#include "isa/rvc.def"
#undef RVC
    RVC_COUNT
};

// Like rv_decode, but accepts reserved rounding modes, and says which compressed form it was.
MUST_CHECK bool rv_find(u32 word, struct insn *out, unsigned *compressed);
MUST_CHECK bool rv_expand(u32 word, struct insn *out, unsigned *compressed);

#endif
