// The counters of a machine as a table that can be walked: names, texts, values.
#ifndef SEE_COUNTERS_H
#define SEE_COUNTERS_H

#include "base/stats.h"

struct counter_row {
    const char *name; // the field of struct stats
    const char *text; // what it counts
    size_t offset;    // of the field
};

extern const struct counter_row counter_rows[];
extern const size_t counter_count;

u64 counter_value(const struct stats *stats, size_t row);

#endif
