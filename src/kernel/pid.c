// The table of pids: pid -> task id. Open addressing, so that its size follows the number of tasks and
// a copy of the machine copies little.
#include <errno.h>
#include <string.h>

#include "base/alloc.h"
#include "base/forking.h"
#include "kernel/machine.h"

#define PID_MAX 4194304u
#define PID_FIRST_AGAIN 300u // where numbering goes on after PID_MAX
#define ROOM_FIRST 16u

static u32 home(const struct pid_table *p, u32 pid)
{
    return pid * 0x9e3779b1u >> 7 & (p->room - 1);
}

// The entry of `pid`, or the free one where it would go. The table has room.
static struct pid_entry *place(const struct pid_table *p, u32 pid)
{
    u32 i = home(p, pid);
    while (p->entry[i].pid && p->entry[i].pid != pid)
        i = (i + 1) & (p->room - 1);
    return &p->entry[i];
}

static int grow(struct pid_table *p)
{
    struct pid_table more = {.room = p->room ? p->room * 2 : ROOM_FIRST, .count = p->count};
    more.entry = mem_zalloc(more.room * sizeof *more.entry);
    if (!more.entry)
        return -ENOMEM;
    for (u32 i = 0; i < p->room; i++)
        if (p->entry[i].pid)
            *place(&more, p->entry[i].pid) = p->entry[i];
    mem_free(p->entry);
    *p = more;
    return 0;
}

int pid_set(struct machine *m, u32 pid, task_t id)
{
    struct pid_table *p = &m->pids;
    if ((p->count + 1) * 2 > p->room && (!p->room || !place(p, pid)->pid) && grow(p))
        return -ENOMEM;
    struct pid_entry *e = place(p, pid);
    p->count += !e->pid;
    *e = (struct pid_entry){pid, id};
    return 0;
}

void pid_clear(struct machine *m, u32 pid)
{
    struct pid_table *p = &m->pids;
    if (!p->room || !place(p, pid)->pid)
        return;
    u32 mask = p->room - 1, hole = (u32)(place(p, pid) - p->entry);
    p->count--;
    // What stands behind the hole moves into it, unless it would come to stand before its home.
    for (u32 i = (hole + 1) & mask; p->entry[i].pid; i = (i + 1) & mask) {
        u32 from = home(p, p->entry[i].pid);
        if (((i - from) & mask) < ((i - hole) & mask))
            continue;
        p->entry[hole] = p->entry[i];
        hole = i;
    }
    p->entry[hole] = (struct pid_entry){0};
}

task_t pid_find(struct machine *m, u32 pid)
{
    return m->pids.room && pid ? place(&m->pids, pid)->task : 0;
}

// A pid is taken while it is a task's, or names a live group or session.
int pid_new(struct machine *m, u32 *pid)
{
    for (u32 tries = 0; tries < PID_MAX; tries++) {
        if (++m->pid_last >= PID_MAX)
            m->pid_last = PID_FIRST_AGAIN;
        if (!pid_find(m, m->pid_last)) {
            *pid = m->pid_last;
            return 0;
        }
    }
    return -EAGAIN;
}

void pids_copy(struct forking *f, struct pid_table *to, const struct pid_table *from)
{
    *to = *from;
    to->entry = forking_dup(f, from->entry, from->room * sizeof *from->entry);
    if (!to->entry)
        *to = (struct pid_table){0};
}
