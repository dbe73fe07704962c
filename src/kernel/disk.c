// See disk.h.
//
// (D1) A job knows the call that it is for by task and serial number: the task may be gone, or be in another
//      call, when the job is done.
// (D2) A call keeps what its job has answered, so that it is data between two instructions (law L3).
#include "kernel/disk.h"

#include "mm/frame.h"

static void notify(void *arg)
{
    machine_wake(arg);
}

static u64 owner_of(const struct task *t)
{
    return (u64)t->call.disk_serial << 32 | t->id;
}

// Nobody else wants to run; another machine of the family may.
static i64 do_now(struct machine *m, const struct host_job *job)
{
    store_unlock(m->store);
    i64 r = host_job_do(job);
    store_lock(m->store);
    return r;
}

i64 disk_call(struct machine *m, struct task *t, const struct host_job *job)
{
    struct call *c = &t->call;
    if (c->disk_done)
        return c->disk_result;
    if (!c->disk_serial) {
        if (!disk_overlaps(m))
            return do_now(m, job);
        struct host_job mine = *job;
        c->disk_serial = ++m->disk_serial ? m->disk_serial : ++m->disk_serial;
        mine.owner = owner_of(t);
        if (host_helpers_start(&m->helpers, &mine, notify, m)) {
            c->disk_serial = 0;
            return do_now(m, job);
        }
        m->disk_jobs++;
        m->host_waits++;
    }
    int r = wait_on(m, t, CHAN(CHAN_DISK, t->id));
    return r ? r : park_killable(m, t);
}

void disk_finish(struct machine *m)
{
    struct host_job job;
    while (host_helpers_take(m->helpers, &job)) {
        struct task *t = pool_live(&m->tasks, (u32)job.owner) ? task_at(m, (u32)job.owner) : NULL;
        m->disk_jobs--;
        m->host_waits--;
        if (!t || !t->call.active || owner_of(t) != job.owner)
            continue;
        t->call.disk_done = true;
        t->call.disk_result = job.result;
        wake_channel(m, CHAN(CHAN_DISK, t->id));
    }
}

void disk_drain(struct machine *m)
{
    if (!m->helpers)
        return;
    host_helpers_drain(m->helpers);
    disk_finish(m);
}

void disk_end(struct machine *m)
{
    host_helpers_free(m->helpers);
    m->helpers = NULL;
}
