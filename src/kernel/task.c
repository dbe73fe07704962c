// Making and freeing tasks and thread groups; the table of pids.

#include "kernel/task.h"

#include <errno.h>
#include <string.h>

#include "base/alloc.h"
#include "base/panic.h"
#include "kernel/machine.h"

#define PID_MAX 4194304u
#define PID_CHUNK 1024u
#define PID_FIRST_AGAIN 300u // where numbering goes on after PID_MAX

int pid_set(struct machine *m, u32 pid, task_t id)
{
    u32 **chunk = &m->pid_chunk[pid / PID_CHUNK];
    if (!*chunk) {
        *chunk = mem_zalloc(PID_CHUNK * sizeof **chunk);
        if (!*chunk)
            return -ENOMEM;
    }
    (*chunk)[pid % PID_CHUNK] = id;
    return 0;
}

void pid_clear(struct machine *m, u32 pid)
{
    if (m->pid_chunk[pid / PID_CHUNK])
        m->pid_chunk[pid / PID_CHUNK][pid % PID_CHUNK] = 0;
}

task_t pid_find(struct machine *m, u32 pid)
{
    u32 *chunk = pid < PID_MAX ? m->pid_chunk[pid / PID_CHUNK] : NULL;
    return chunk ? chunk[pid % PID_CHUNK] : 0;
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

int group_new(struct machine *m, struct group *parent, u32 pid, struct group **out)
{
    u32 id;
    int r = pool_new(&m->groups, &id);
    if (r)
        return r;
    struct group *g = group_at(m, id);
    if (parent) {
        *g = *parent;
        g->leader = g->tasks = 0;
        g->ntasks = 0;
        g->children = g->snext = g->sprev = 0;
        g->pending = (struct sigqueue){0};
        g->zombie = g->stopped = g->stop_reported = g->continued = g->execed = g->kernel = false;
        g->subreaper = false;
        g->pdeath_signal = 0;
        g->pidfds = 0;
        memset(g->itimer_value, 0, sizeof g->itimer_value);
        memset(g->itimer_interval, 0, sizeof g->itimer_interval);
        g->timer_slot = 0;
        g->timers = g->ntimers = 0;
        g->next_timer = 0;
        g->instructions = g->child_instructions = 0;
        g->peak_pages = g->child_peak_pages = 0;
        g->exe = parent->exe ? mem_strdup(parent->exe) : NULL;
        if (parent->exe && !g->exe) {
            pool_free(&m->groups, id);
            return -ENOMEM;
        }
    }
    g->id = id;
    g->pid = pid;
    g->start_time = machine_time(m);
    *out = g;
    return 0;
}

// A task on no list yet but its group's; its pid is findable.
int task_new(struct machine *m, struct group *g, u32 tid, struct task **out)
{
    u32 id;
    int r = pool_new(&m->tasks, &id);
    if (r)
        return r;
    r = pid_set(m, tid, id);
    if (r) {
        pool_free(&m->tasks, id);
        return r;
    }
    struct task *t = task_at(m, id);
    t->id = id;
    t->tid = tid;
    t->group = g->id;
    t->state = TASK_BLOCKED;
    t->gnext = g->tasks;
    if (g->tasks)
        task_at(m, g->tasks)->gprev = id;
    g->tasks = id;
    g->ntasks++;
    *out = t;
    return 0;
}

// Gives the object back; whatever it held is gone already.
void task_free(struct machine *m, struct task *t)
{
    if (pid_find(m, t->tid) == t->id)
        pid_clear(m, t->tid);
    pool_free(&m->tasks, t->id);
}
