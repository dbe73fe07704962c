// Shows what the JIT makes: a listing of guest and host code, and a map for perf.
#ifndef SEE_TRANSLATIONS_H
#define SEE_TRANSLATIONS_H

#include "mm/mm.h"

struct translations;

// dump, map: descriptors of the host, not owned; -1 = none of that.
//
// dump gets for each unit a line "# pc name: ..." and for each guest instruction its address, its text and
// the host's bytes that it became, in hexadecimal, last the unit's cold code.
// map gets a line "address size name", hexadecimal, for each unit: perf(1) reads it as /tmp/perf-PID.map.
// -ENOMEM. At most one for a store; its machines of one family are shown together.
MUST_CHECK int translations_new(struct store *s, int dump, int map, struct translations **out);
void translations_free(struct translations *t); // NULL too; before the store goes

#endif
