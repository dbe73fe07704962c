// Making and freeing tasks and thread groups; the table of pids.

#include "kernel/task.h"

#include <errno.h>
#include <string.h>

#include "base/alloc.h"
#include "base/forking.h"
#include "base/panic.h"
#include "kernel/access.h"
#include "kernel/machine.h"

// ---- machine fork --------------------------------------------------------------------------------

static void copy_task(struct forking *f, void *object)
{
    struct task *t = object;
    struct machine *m = f->machine;
    if (t->mm)
        t->mm = mm_machine_fork(f, t->mm, &m->stats);
    if (t->files)
        t->files = fdtable_copy(f, t->files);
    if (t->fs)
        t->fs = fsctx_copy(f, t->fs);
    if (t->sighand)
        t->sighand = sighand_copy(f, t->sighand);
}

static void drop_task(void *owner, void *object)
{
    struct task *t = object;
    fdtable_drop(t->files);
    fsctx_drop(t->fs);
    if (t->sighand)
        sighand_put(owner, t->sighand);
    if (t->mm)
        mm_put(t->mm);
}

static void copy_group(struct forking *f, void *object)
{
    struct group *g = object;
    g->exe = forking_text(f, g->exe);
    if (g->gids)
        g->gids->refs++; // content alone: nothing of it is the machine's
}

static void drop_group(void *owner, void *object)
{
    (void)owner;
    struct group *g = object;
    mem_free(g->exe);
    gids_put(g->gids);
}

const struct pool_kind tasks_pool = {sizeof(struct task), copy_task, drop_task};
const struct pool_kind groups_pool = {sizeof(struct group), copy_group, drop_group};

// ---- making and freeing --------------------------------------------------------------------------

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
        g->core = 0;
        g->tracees = 0;
        memset(g->itimer_value, 0, sizeof g->itimer_value);
        memset(g->itimer_interval, 0, sizeof g->itimer_interval);
        g->timer_slot = 0;
        g->timers = g->ntimers = 0;
        g->next_timer = 0;
        g->instructions = g->child_instructions = g->calls = g->child_calls = 0;
        g->peak_pages = g->child_peak_pages = 0;
        g->exe = parent->exe ? mem_strdup(parent->exe) : NULL;
        if (parent->exe && !g->exe) {
            pool_free(&m->groups, id);
            return -ENOMEM;
        }
        if (g->gids)
            g->gids->refs++;
    }
    g->id = id;
    g->pid = pid;
    g->start_time = machine_time(m);
    *out = g;
    return 0;
}

void group_free(struct machine *m, struct group *g)
{
    drop_group(m, g);
    pool_free(&m->groups, g->id);
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
