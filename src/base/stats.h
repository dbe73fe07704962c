// A machine's counters, one field for each row of counters.def.
#ifndef BASE_STATS_H
#define BASE_STATS_H

#include "base/types.h"

struct stats {
#define COUNTER(name, text) u64 name;
#include "base/counters.def"
#undef COUNTER
};

#endif
