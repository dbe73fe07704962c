#include "see/counters.h"

const struct counter_row counter_rows[] = {
#define COUNTER(name, text) {#name, text, offsetof(struct stats, name)},
#include "base/counters.def"
#undef COUNTER
};

const size_t counter_count = ARRAY_LEN(counter_rows);

u64 counter_value(const struct stats *stats, size_t row)
{
    return *(const u64 *)((const char *)stats + counter_rows[row].offset);
}
