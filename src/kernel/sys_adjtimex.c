// The clock's discipline (adjtimex(2)): it is the host's, so it can be looked at, and says that nobody keeps
// it in step; to change it is not permitted.
#include <errno.h>
#include <string.h>

#include "kernel/syscall.h"
#include "mm/uaccess.h"

struct timex {
    u32 modes, pad0;
    i64 offset, freq, maxerror, esterror;
    i32 status, pad1;
    i64 constant, precision, tolerance;
    struct g_timeval time;
    i64 tick, ppsfreq, jitter;
    i32 shift, pad2;
    i64 stabil, jitcnt, calcnt, errcnt, stbcnt;
    i32 tai, pad3[11];
};
_Static_assert(sizeof(struct timex) == 208, "struct timex of 64-bit Linux");

#define ADJ_OFFSET_SS_READ 0xa001u // adjtime(NULL, &old)
#define STA_UNSYNC 0x40
#define TIME_ERROR 5 // what the call answers then

i64 sys_adjtimex(struct machine *m, struct task *t, const u64 *a)
{
    struct timex x;
    int r = uaccess_read(t->mm, &x, a[0], sizeof x);
    if (r)
        return r;
    if (x.modes && x.modes != ADJ_OFFSET_SS_READ)
        return -EPERM;
    u64 now = machine_realtime(m);
    u32 modes = x.modes;
    memset(&x, 0, sizeof x);
    x.modes = modes;
    x.maxerror = x.esterror = 16000000;
    x.status = STA_UNSYNC;
    x.constant = 2;
    x.precision = 1;
    x.tolerance = 32768000;
    x.time = (struct g_timeval){(i64)(now / 1000000000), (i64)(now % 1000000000 / 1000)};
    x.tick = 10000;
    r = uaccess_write(t->mm, a[0], &x, sizeof x);
    return r ? r : TIME_ERROR;
}

i64 sys_clock_adjtime(struct machine *m, struct task *t, const u64 *a)
{
    return (i32)a[0] == 0 ? sys_adjtimex(m, t, a + 1) : (i32)a[0] < 0 || (i32)a[0] > 11 ? -EINVAL : -EOPNOTSUPP;
}

i64 sys_settimeofday(struct machine *m, struct task *t, const u64 *a)
{
    struct g_timeval tv;
    i32 zone[2];
    (void)m;
    int r = a[0] ? uaccess_read(t->mm, &tv, a[0], sizeof tv) : 0;
    if (r == 0 && a[0] && (tv.usec < 0 || tv.usec >= 1000000 || tv.sec < 0))
        r = -EINVAL;
    if (r == 0 && a[1])
        r = uaccess_read(t->mm, zone, a[1], sizeof zone);
    return r ? r : -EPERM;
}
