// The scheduler: a run queue, channels to sleep on, a heap of deadlines, machine time.
//
// A task sleeps on channels (numbers: kind and object id); wake_channel makes every sleeper runnable,
// and each looks again whether what it waited for is there. Nothing else remembers who waits.

#include <errno.h>

#include "base/alloc.h"
#include "base/panic.h"
#include "host/clock.h"
#include "host/helpers.h"
#include "kernel/async.h"
#include "kernel/dnotify.h"
#include "kernel/epoll.h"
#include "kernel/hart.h"
#include "kernel/machine.h"
#include "kernel/timer.h"
#include "kernel/waiter.h"

// ---- time ----------------------------------------------------------------------------------------

u64 machine_time(struct machine *m)
{
    return m->options.virtual_time ? m->virtual_base + machine_retired(m) : host_monotonic() + m->clock_offset;
}

u64 machine_realtime(struct machine *m)
{
    return m->options.virtual_time ? machine_time(m) + m->realtime_offset : host_realtime();
}

// xoroshiro128+ (Blackman, Vigna): scheduling choices and the guest's random bytes.
u64 machine_random(struct machine *m)
{
    u64 a = m->rng[0], b = m->rng[1], sum = a + b;
    b ^= a;
    m->rng[0] = (a << 24 | a >> 40) ^ b ^ (b << 16);
    m->rng[1] = b << 37 | b >> 27;
    return sum;
}

// ---- the run queue -------------------------------------------------------------------------------

void sched_enqueue(struct machine *m, struct task *t, bool front)
{
    t->state = TASK_RUNNABLE;
    t->next = t->prev = 0;
    m->run_fresh += !t->spent;
    if (!m->run_head) {
        m->run_head = m->run_tail = t->id;
    } else if (front) {
        t->next = m->run_head;
        task_at(m, m->run_head)->prev = t->id;
        m->run_head = t->id;
    } else {
        t->prev = m->run_tail;
        task_at(m, m->run_tail)->next = t->id;
        m->run_tail = t->id;
    }
}

void sched_remove(struct machine *m, struct task *t)
{
    if (t->prev)
        task_at(m, t->prev)->next = t->next;
    else if (m->run_head == t->id)
        m->run_head = t->next;
    else
        return; // not queued
    if (t->next)
        task_at(m, t->next)->prev = t->prev;
    else
        m->run_tail = t->prev;
    t->next = t->prev = 0;
    m->run_fresh -= !t->spent;
    t->spent = false;
}

// ---- sleeping and waking -------------------------------------------------------------------------

static u32 bucket_of(u64 chan)
{
    return (u32)((chan * 0x9e3779b97f4a7c15ULL) >> 56);
}

const struct pool_kind waiters_pool = {.size = sizeof(struct waiter)};

// Without memory none of the list is left.
static int waiter_add(struct machine *m, u32 *list, struct waiter made)
{
    u32 id;
    int r = pool_new(&m->waiters, &id);
    if (r) {
        waiters_free(m, list);
        return r;
    }
    u32 *head = &m->bucket[bucket_of(made.chan)];
    made.next = *head;
    made.next_of_owner = *list;
    *waiter_at(m, id) = made;
    if (*head)
        waiter_at(m, *head)->prev = id;
    *head = *list = id;
    m->host_waits += made.host_fd >= 0;
    return 0;
}

int wait_on(struct machine *m, struct task *t, u64 chan)
{
    return waiter_add(m, &t->waiters, (struct waiter){.chan = chan, .task = t->id, .host_fd = -1});
}

int wait_on_host(struct machine *m, struct task *t, int fd, short events)
{
    struct waiter made = {.chan = CHAN_HOST, .task = t->id, .host_fd = fd, .events = events};
    return waiter_add(m, &t->waiters, made);
}

int watch_channel(struct machine *m, u32 *list, u32 watch, u64 chan)
{
    return waiter_add(m, list, (struct waiter){.chan = chan, .watch = watch, .host_fd = -1});
}

int watch_async(struct machine *m, u32 *list, file_t file, u64 chan)
{
    return waiter_add(m, list, (struct waiter){.chan = chan, .async = file, .host_fd = -1});
}

int watch_host(struct machine *m, u32 *list, int fd, short events)
{
    return waiter_add(m, list, (struct waiter){.chan = CHAN_HOST, .host_fd = fd, .events = events});
}

void waiters_free(struct machine *m, u32 *list)
{
    while (*list) {
        u32 id = *list;
        struct waiter *w = waiter_at(m, id);
        *list = w->next_of_owner;
        if (w->prev)
            waiter_at(m, w->prev)->next = w->next;
        else
            m->bucket[bucket_of(w->chan)] = w->next;
        if (w->next)
            waiter_at(m, w->next)->prev = w->prev;
        m->host_waits -= w->host_fd >= 0;
        pool_free(&m->waiters, id);
    }
}

void waiters_drop(struct machine *m, struct task *t)
{
    waiters_free(m, &t->waiters);
}

void task_wake(struct machine *m, struct task *t)
{
    if (t->state != TASK_BLOCKED)
        return;
    waiters_drop(m, t);
    deadline_drop(m, DEADLINE_TASK, t->id);
    sched_enqueue(m, t, false);
}

static bool somebody_sleeps_on(struct machine *m, u64 chan)
{
    for (u32 id = m->bucket[bucket_of(chan)]; id; id = waiter_at(m, id)->next)
        if (waiter_at(m, id)->chan == chan && waiter_at(m, id)->task)
            return true;
    return false;
}

void wake_channel(struct machine *m, u64 chan)
{
    u32 id = m->bucket[bucket_of(chan)], exclusive = 0;
    while (id) {
        struct waiter *w = waiter_at(m, id);
        u32 set = w->chan == chan && w->watch ? epoll_exclusive(m, w->watch) : 0;
        if (set && somebody_sleeps_on(m, CHAN(CHAN_EPOLL, set))) {
            exclusive = w->watch; // of EPOLLEXCLUSIVE sets that are waited for, one: the oldest
            id = w->next;
        } else if (w->chan == chan && w->watch) {
            epoll_edge(m, w->watch);
            id = w->next;
        } else if (w->chan == chan && w->async) {
            async_edge(m, w->async);
            id = w->next;
        } else if (w->chan == chan) {
            task_wake(m, task_at(m, w->task)); // may unlink any waiter: look again from the start
            id = m->bucket[bucket_of(chan)];
        } else {
            id = w->next;
        }
    }
    if (exclusive)
        epoll_edge(m, exclusive);
    if (m->async_due)
        async_signal_due(m);
    if (m->epolls_due)
        epoll_wake_due(m);
}

int park_killable(struct machine *m, struct task *t)
{
    if (signal_fatal_pending(m, t)) {
        waiters_drop(m, t);
        deadline_drop(m, DEADLINE_TASK, t->id);
        return -ERESTARTSYS;
    }
    t->call.interruptible = false;
    t->state = TASK_BLOCKED;
    return -EPARK;
}

int park(struct machine *m, struct task *t)
{
    if (signal_pending(m, t)) {
        waiters_drop(m, t);
        deadline_drop(m, DEADLINE_TASK, t->id);
        return -ERESTARTSYS;
    }
    t->call.interruptible = true;
    t->state = TASK_BLOCKED;
    return -EPARK;
}

// Without memory for the heap the wait is over at once: the sleeper looks again, and waits less.
void park_until(struct machine *m, struct task *t, u64 when)
{
    t->call.deadline = when;
    if (deadline_set(m, when ? when : 1, DEADLINE_TASK, t->id))
        (void)machine_time(m);
}

// ---- deadlines: a binary min-heap, heap[1] first -------------------------------------------------

static u32 *heap_slot(struct machine *m, u8 kind, u32 id)
{
    switch (kind) {
    case DEADLINE_TASK:
        return &task_at(m, id)->timer_slot;
    case DEADLINE_GROUP:
        return &group_at(m, id)->timer_slot;
    default:
        return &timer_at(m, id)->slot;
    }
}

static void heap_put(struct machine *m, u32 i, struct deadline d)
{
    m->heap[i] = d;
    *heap_slot(m, d.kind, d.id) = i;
}

static void sift_up(struct machine *m, u32 i, struct deadline d)
{
    for (; i > 1 && m->heap[i / 2].when > d.when; i /= 2)
        heap_put(m, i, m->heap[i / 2]);
    heap_put(m, i, d);
}

static void sift_down(struct machine *m, u32 i, struct deadline d)
{
    for (;;) {
        u32 child = i * 2;
        if (child > m->heap_count)
            break;
        if (child < m->heap_count && m->heap[child + 1].when < m->heap[child].when)
            child++;
        if (m->heap[child].when >= d.when)
            break;
        heap_put(m, i, m->heap[child]);
        i = child;
    }
    heap_put(m, i, d);
}

void deadline_drop(struct machine *m, enum deadline_kind kind, u32 id)
{
    u32 i = *heap_slot(m, (u8)kind, id);
    if (!i)
        return;
    *heap_slot(m, (u8)kind, id) = 0;
    struct deadline last = m->heap[m->heap_count--];
    if (i > m->heap_count)
        return;
    if (i > 1 && m->heap[i / 2].when > last.when)
        sift_up(m, i, last);
    else
        sift_down(m, i, last);
}

int deadline_set(struct machine *m, u64 when, enum deadline_kind kind, u32 id)
{
    deadline_drop(m, kind, id);
    if (!when)
        return 0;
    if (m->heap_count + 2 > m->heap_room) {
        u32 room = m->heap_room ? m->heap_room * 2 : 64;
        struct deadline *more = mem_resize(m->heap, room * sizeof *more);
        if (!more)
            return -ENOMEM;
        m->heap = more;
        m->heap_room = room;
    }
    m->heap_count++;
    sift_up(m, m->heap_count, (struct deadline){.when = when, .id = id, .kind = (u8)kind});
    return 0;
}

void deadlines_fire(struct machine *m)
{
    if (!m->heap_count)
        return;
    u64 now = machine_time(m);
    while (m->heap_count && m->heap[1].when <= now) {
        struct deadline d = m->heap[1];
        deadline_drop(m, d.kind, d.id);
        if (d.kind == DEADLINE_GROUP) {
            itimer_fire(m, group_at(m, d.id));
        } else if (d.kind == DEADLINE_TIMER) {
            timer_fire(m, d.id);
        } else {
            struct task *t = task_at(m, d.id);
            t->timed_out = true;
            task_wake(m, t);
        }
    }
}

#define NO_EVENT_WAIT 10000000 // ns

// ---- the idle wait -------------------------------------------------------------------------------

// Polls the host descriptors that tasks wait for, at most `timeout_ns` (-1 = no limit); wakes who can go on.
void sched_poll(struct machine *m, i64 timeout_ns)
{
    struct host_pollfd few[64], *fds = few;
    u32 few_ids[64], *ids = few_ids, n = 0, room = ARRAY_LEN(few);
    if (m->host_waits + 1 > room) { // without memory: the first 63 now, the others a turn later
        u32 wanted = m->host_waits + 1;
        void *block = mem_alloc(wanted * (sizeof *fds + sizeof *ids));
        if (block) {
            fds = block;
            ids = (u32 *)(fds + wanted);
            room = wanted;
        }
    }
    if (timeout_ns) {
        int wake = hart_event(m->hart); // without one: a signal waits for the next turn
        __atomic_store_n(&m->wake_fd, wake, __ATOMIC_SEQ_CST);
        if (wake < 0)
            timeout_ns = timeout_ns < 0 ? NO_EVENT_WAIT : MIN(timeout_ns, NO_EVENT_WAIT);
        if (__atomic_load_n((u64 *)&m->host_signals, __ATOMIC_SEQ_CST) ||
            (m->helpers && host_helpers_ready(m->helpers)) ||
            __atomic_load_n(&m->cancelled, __ATOMIC_SEQ_CST))
            timeout_ns = 0;
    }
    fds[n++] = (struct host_pollfd){.fd = m->wake_fd, .events = 1};
    for (u32 id = m->bucket[bucket_of(CHAN_HOST)]; id && n < room;) {
        struct waiter *w = waiter_at(m, id);
        if (w->host_fd >= 0) {
            ids[n] = w->task;
            fds[n++] = (struct host_pollfd){.fd = w->host_fd, .events = w->events};
        }
        id = w->next;
    }
    if (timeout_ns)
        store_unlock(m->store);
    bool any = host_wait(fds, n, timeout_ns) > 0;
    if (timeout_ns)
        store_lock(m->store);
    if (any && fds[0].revents)
        host_event_clear(m->wake_fd);
    for (u32 i = 1; any && i < n; i++)
        if (fds[i].revents && pool_live(&m->tasks, ids[i]))
            task_wake(m, task_at(m, ids[i]));
    if (any && m->dnotifies.live)
        dnotify_look(m);
    if (fds != few)
        mem_free(fds);
}
