// epoll_create1, epoll_ctl, epoll_pwait: see epoll.h.
#include <errno.h>

#include "base/forking.h"
#include "base/panic.h"
#include "host/epoll.h"
#include "host/file.h"
#include "kernel/async.h"
#include "kernel/epoll.h"
#include "kernel/sys_file.h"
#include "kernel/waiter.h"
#include "mm/uaccess.h"

#define EPOLL_NEST 5u
#define EPOLL_VISITS 10000u // sets looked at for (E4): beyond it we refuse

#define EPOLLEXCLUSIVE (1u << 28)
#define EPOLLWAKEUP (1u << 29)
#define EPOLLONESHOT (1u << 30)
#define EPOLLET (1u << 31)
#define EPOLL_PRIVATE (EPOLLEXCLUSIVE | EPOLLWAKEUP | EPOLLONESHOT | EPOLLET)
#define EPOLL_ALWAYS (ABI_POLLERR | ABI_POLLHUP)
#define EPOLL_EXCLUSIVE_OK                                                                        \
    (ABI_POLLIN | ABI_POLLOUT | EPOLL_ALWAYS | EPOLLWAKEUP | EPOLLET | EPOLLEXCLUSIVE)

#define WANTS_IN (ABI_POLLIN | ABI_POLLRDNORM | ABI_POLLRDBAND | ABI_POLLPRI | ABI_POLLRDHUP)
#define WANTS_OUT (ABI_POLLOUT | ABI_POLLWRNORM | ABI_POLLWRBAND)

enum { CTL_ADD = 1, CTL_DEL, CTL_MOD };

struct abi_epoll_event { // not packed, unlike x86-64's
    u32 events, pad;
    u64 data;
};
_Static_assert(sizeof(struct abi_epoll_event) == 16, "epoll_ctl(2)");

struct epoll {
    file_t file;
    u32 watches;
    u32 ready, ready_last, nready;
    u32 due_next;  // list of the machine: somebody may wait for this set
    bool due;
    u32 nhost;     // watches with a host descriptor
    int host;      // (E3); -1 = none yet
};

struct watch {
    u32 epoll;
    file_t file;
    u32 fd;        // file and fd together are its name
    u32 events;
    u64 data;
    u32 next, prev;             // in the set
    u32 file_next, file_prev;   // of the file
    u32 ready_next, ready_prev;
    bool ready;
    u32 waiters;
    struct wait_spec spec;      // what the waiters are on
};

static struct epoll *epoll_at(struct machine *m, u32 id) { return pool_at(&m->epolls, id); }
static struct watch *watch_at(struct machine *m, u32 id) { return pool_at(&m->watches, id); }

u32 epoll_of_watch(struct machine *m, u32 watch)
{
    return watch_at(m, watch)->epoll;
}

static struct epoll *epoll_behind(struct machine *m, file_t file)
{
    return epoll_at(m, file_at(m->fs, file)->object);
}

// ---- the ready list ------------------------------------------------------------------------------

static void ready_put(struct machine *m, u32 id)
{
    struct watch *w = watch_at(m, id);
    struct epoll *e = epoll_at(m, w->epoll);
    if (w->ready)
        return;
    w->ready = true;
    w->ready_next = 0;
    w->ready_prev = e->ready_last;
    if (e->ready_last)
        watch_at(m, e->ready_last)->ready_next = id;
    else
        e->ready = id;
    e->ready_last = id;
    e->nready++;
}

static void ready_drop(struct machine *m, struct watch *w)
{
    struct epoll *e = epoll_at(m, w->epoll);
    if (!w->ready)
        return;
    w->ready = false;
    if (w->ready_prev)
        watch_at(m, w->ready_prev)->ready_next = w->ready_next;
    else
        e->ready = w->ready_next;
    if (w->ready_next)
        watch_at(m, w->ready_next)->ready_prev = w->ready_prev;
    else
        e->ready_last = w->ready_prev;
    e->nready--;
}

static void put_due(struct machine *m, u32 id)
{
    struct epoll *e = epoll_at(m, id);
    if (e->due)
        return;
    e->due = true;
    e->due_next = m->epolls_due;
    m->epolls_due = id;
}

u32 epoll_exclusive(struct machine *m, u32 watch)
{
    const struct watch *w = watch_at(m, watch);
    return w->events & EPOLLEXCLUSIVE ? w->epoll : 0;
}

void epoll_edge(struct machine *m, u32 id)
{
    struct watch *w = watch_at(m, id);
    if (!(w->events & ~EPOLL_PRIVATE))
        return; // EPOLLONESHOT, and it was reported
    ready_put(m, id);
    put_due(m, w->epoll);
}

// Sets within sets are woken in turn, not one inside the other.
void epoll_wake_due(struct machine *m)
{
    if (m->epolls_waking)
        return;
    m->epolls_waking = true;
    while (m->epolls_due) {
        u32 id = m->epolls_due;
        m->epolls_due = epoll_at(m, id)->due_next;
        epoll_at(m, id)->due = false;
        wake_channel(m, CHAN(CHAN_EPOLL, id));
    }
    m->epolls_waking = false;
}

// What the host's epoll has seen becomes edges.
static void take_host_events(struct machine *m, u32 id)
{
    struct epoll *e = epoll_at(m, id);
    u64 files[32];
    u32 n = e->nhost ? ARRAY_LEN(files) : 0;
    for (u32 most = e->nhost / ARRAY_LEN(files) + 1; n == ARRAY_LEN(files) && most; most--) {
        n = host_epoll_take(e->host, files, ARRAY_LEN(files));
        for (u32 i = 0; i < n; i++) {
            struct file *f = file_at(m->fs, (file_t)files[i]);
            for (u32 w = f ? f->watches : 0; w; w = watch_at(m, w)->file_next)
                if (watch_at(m, w)->epoll == id && watch_at(m, w)->events & ~EPOLL_PRIVATE)
                    ready_put(m, w);
        }
    }
}

// ---- being told ----------------------------------------------------------------------------------

static void wait_spec_of(struct machine *m, const struct watch *w, struct wait_spec *out)
{
    int want = (w->events & WANTS_IN ? ABI_POLLIN : 0) | (w->events & WANTS_OUT ? ABI_POLLOUT : 0);
    file_wait(m->fs, w->file, want ? want : ABI_POLLIN, out);
}

// What is asked of a host descriptor: what all watches of the file in the set want.
static u32 host_events(struct machine *m, const struct watch *of, const struct watch *but)
{
    u32 events = 0;
    for (u32 id = file_at(m->fs, of->file)->watches; id; id = watch_at(m, id)->file_next) {
        const struct watch *w = watch_at(m, id);
        if (w != but && w->epoll == of->epoll && w->spec.host_fd >= 0)
            events |= (w->events & ABI_POLLRDHUP) | (w->events & WANTS_IN ? ABI_POLLIN : 0) |
                      (w->events & ABI_POLLPRI) | (w->events & WANTS_OUT ? ABI_POLLOUT : 0) | EPOLLET;
    }
    return events;
}

static void unregister(struct machine *m, struct watch *w)
{
    struct epoll *e = epoll_at(m, w->epoll);
    waiters_free(m, &w->waiters);
    if (w->spec.host_fd < 0)
        return;
    u32 others = host_events(m, w, w);
    if (!others || host_epoll_set(e->host, w->spec.host_fd, others, w->file))
        host_epoll_drop(e->host, w->spec.host_fd);
    w->spec.host_fd = -1;
    e->nhost--;
}

static int register_host(struct machine *m, struct watch *w, int fd)
{
    struct epoll *e = epoll_at(m, w->epoll);
    if (e->host < 0) {
        int r = host_epoll_new();
        if (r < 0)
            return r;
        e->host = r;
    }
    w->spec.host_fd = fd;
    if (!e->nhost++)
        put_due(m, w->epoll); // who waits shall wait for the host too
    int r = host_epoll_set(e->host, fd, host_events(m, w, NULL), w->file);
    if (r) {
        w->spec.host_fd = -1;
        e->nhost--;
    }
    return r;
}

// The watch waits for what its file says; again after that may have changed (a set within it has got
// a host descriptor, a socket its peer).
static int watch_register(struct machine *m, u32 id, bool anew)
{
    struct watch *w = watch_at(m, id);
    struct wait_spec now, *old = &w->spec;
    wait_spec_of(m, w, &now);
    bool same = now.nchan == old->nchan && now.host_fd == old->host_fd;
    for (int i = 0; same && i < now.nchan; i++)
        same = now.chan[i] == old->chan[i];
    if (same && !anew)
        return 0;
    unregister(m, w);
    w->spec = (struct wait_spec){.host_fd = -1};
    for (int i = 0; i < now.nchan; i++) {
        int r = watch_channel(m, &w->waiters, id, now.chan[i]);
        if (r)
            return r;
        w->spec.chan[w->spec.nchan++] = now.chan[i];
    }
    return now.host_fd < 0 ? 0 : register_host(m, w, now.host_fd);
}

static u32 bits_of(struct machine *m, u32 id)
{
    const struct watch *w = watch_at(m, id);
    if (!(w->events & ~EPOLL_PRIVATE))
        return 0;
    return (u32)ready_bits(m, w->file) & w->events;
}

// After a change of what it wants: is it ready already?
static void look(struct machine *m, u32 id)
{
    if (bits_of(m, id))
        epoll_edge(m, id);
    epoll_wake_due(m);
}

// ---- watches -------------------------------------------------------------------------------------

// It is in the set's list and in the file's: either may be long, so both are walked, until the shorter ends.
static u32 watch_find(struct machine *m, u32 epoll, file_t file, u32 fd)
{
    u32 of_set = epoll_at(m, epoll)->watches, of_file = file_at(m->fs, file)->watches;
    while (of_set && of_file) {
        const struct watch *a = watch_at(m, of_set), *b = watch_at(m, of_file);
        if (a->file == file && a->fd == fd)
            return of_set;
        if (b->epoll == epoll && b->fd == fd)
            return of_file;
        of_set = a->next;
        of_file = b->file_next;
    }
    return 0;
}

file_t epoll_target(struct machine *m, file_t set, u32 fd, u32 skip)
{
    const struct epoll *e = epoll_at(m, file_at(m->fs, set)->object);
    for (u32 id = e->watches; id; id = watch_at(m, id)->next)
        if (watch_at(m, id)->fd == fd && skip-- == 0)
            return watch_at(m, id)->file;
    return 0;
}

static void watch_free(struct machine *m, u32 id)
{
    struct watch *w = watch_at(m, id);
    unregister(m, w);
    ready_drop(m, w);
    if (w->prev)
        watch_at(m, w->prev)->next = w->next;
    else
        epoll_at(m, w->epoll)->watches = w->next;
    if (w->next)
        watch_at(m, w->next)->prev = w->prev;
    if (w->file_prev)
        watch_at(m, w->file_prev)->file_next = w->file_next;
    else
        file_at(m->fs, w->file)->watches = w->file_next;
    if (w->file_next)
        watch_at(m, w->file_next)->file_prev = w->file_prev;
    pool_free(&m->watches, id);
}

static int watch_new(struct machine *m, u32 epoll, file_t file, u32 fd, const struct abi_epoll_event *ev)
{
    struct epoll *e = epoll_at(m, epoll);
    struct file *f = file_at(m->fs, file);
    u32 id;
    int r = pool_new(&m->watches, &id);
    if (r)
        return r;
    *watch_at(m, id) = (struct watch){.epoll = epoll, .file = file, .fd = fd, .data = ev->data,
                                      .events = ev->events | EPOLL_ALWAYS, .next = e->watches,
                                      .file_next = f->watches, .spec.host_fd = -1};
    if (e->watches)
        watch_at(m, e->watches)->prev = id;
    if (f->watches)
        watch_at(m, f->watches)->file_prev = id;
    e->watches = f->watches = id;
    r = watch_register(m, id, true);
    if (r) {
        watch_free(m, id);
        return r;
    }
    look(m, id);
    return 0;
}

static int watch_change(struct machine *m, u32 id, const struct abi_epoll_event *ev)
{
    struct watch *w = watch_at(m, id);
    if (w->events & EPOLLEXCLUSIVE)
        return -EINVAL;
    w->events = ev->events | EPOLL_ALWAYS;
    w->data = ev->data;
    int r = watch_register(m, id, true);
    look(m, id);
    return r;
}

// The last descriptor of a watched file is closed: it leaves every set.
static void file_gone(void *arg, file_t file)
{
    struct machine *m = arg;
    struct file *f = file_at(m->fs, file);
    waiters_free(m, &f->async);
    if (f->lease)
        lease_drop(m, f);
    while (file_at(m->fs, file)->watches)
        watch_free(m, file_at(m->fs, file)->watches);
}

// ---- (E4) ----------------------------------------------------------------------------------------

// Sets one inside the other, from this one on downwards; -ELOOP if `forbidden` is among them.
static int nest_below(struct machine *m, u32 id, u32 forbidden, u32 *visits)
{
    int most = 0;
    if (id == forbidden || !*visits)
        return -ELOOP;
    --*visits;
    for (u32 w = epoll_at(m, id)->watches; w; w = watch_at(m, w)->next) {
        const struct file *f = file_at(m->fs, watch_at(m, w)->file);
        int r = f->kind == FILE_EPOLL ? nest_below(m, f->object, forbidden, visits) : 0;
        if (r < 0)
            return r;
        most = MAX(most, r);
    }
    return most + 1;
}

static int nest_above(struct machine *m, u32 id, u32 *visits)
{
    int most = 0;
    if (!*visits)
        return -ELOOP;
    --*visits;
    for (u32 w = file_at(m->fs, epoll_at(m, id)->file)->watches; w; w = watch_at(m, w)->file_next) {
        int r = nest_above(m, watch_at(m, w)->epoll, visits);
        if (r < 0)
            return r;
        most = MAX(most, r);
    }
    return most + 1;
}

static int check_nesting(struct machine *m, u32 outer, u32 inner)
{
    u32 visits = EPOLL_VISITS;
    int below = nest_below(m, inner, outer, &visits);
    int above = below < 0 ? 0 : nest_above(m, outer, &visits);
    if (below < 0 || above < 0)
        return -ELOOP;
    return (u32)(below + above) > EPOLL_NEST ? -ELOOP : 0;
}

// ---- a set is a file -----------------------------------------------------------------------------

static int epoll_poll(struct fs *fs, file_t id)
{
    struct machine *m = fs->wake_arg;
    u32 epoll = file_at(fs, id)->object;
    take_host_events(m, epoll);
    for (u32 w; (w = epoll_at(m, epoll)->ready) != 0;) {
        if (bits_of(m, w))
            return ABI_POLLIN | ABI_POLLRDNORM;
        ready_drop(m, watch_at(m, w));
    }
    return 0;
}

static void epoll_wait_spec(struct fs *fs, file_t id, int events, struct wait_spec *out)
{
    struct epoll *e = epoll_behind(fs->wake_arg, id);
    (void)events;
    out->chan[out->nchan++] = CHAN(CHAN_EPOLL, file_at(fs, id)->object);
    if (!e->nhost)
        return;
    out->host_fd = e->host;
    out->host_events = ABI_POLLIN;
}

static void epoll_release(struct fs *fs, file_t id)
{
    struct machine *m = fs->wake_arg;
    u32 epoll = file_at(fs, id)->object;
    if (!epoll)
        return; // epoll_create1 could not finish
    struct epoll *e = epoll_at(m, epoll);
    while (e->watches)
        watch_free(m, e->watches);
    if (e->host >= 0)
        host_close(e->host);
    u32 *at = &m->epolls_due;
    while (e->due && *at != epoll)
        at = &epoll_at(m, *at)->due_next;
    if (e->due)
        *at = e->due_next;
    pool_free(&m->epolls, epoll);
}

// ---- machine fork --------------------------------------------------------------------------------

static void copy_epoll(struct forking *f, void *object)
{
    struct epoll *e = object;
    if (e->host < 0)
        return;
    e->host = f->error ? -1 : host_epoll_new();
    if (e->host < 0 && f->error == 0) {
        f->error = e->host;
        e->host = -1;
    }
}

static void drop_epoll(void *owner, void *object)
{
    (void)owner;
    host_close(((struct epoll *)object)->host);
}

const struct pool_kind epolls_pool = {sizeof(struct epoll), copy_epoll, drop_epoll};
const struct pool_kind watches_pool = {.size = sizeof(struct watch)};

// The copy's sets have epolls of the host's of their own: what names the old ones, names the new ones.
// An edge that the original has not taken yet is seen by both.
static void rename_host(struct machine *m, u32 old_id, int old, int fresh)
{
    for (u32 id = pool_next(&m->waiters, 0); id; id = pool_next(&m->waiters, id)) {
        struct waiter *w = pool_at(&m->waiters, id);
        if (w->host_fd == old)
            w->host_fd = fresh;
    }
    for (u32 id = pool_next(&m->watches, 0); id; id = pool_next(&m->watches, id)) {
        struct watch *w = watch_at(m, id);
        const struct file *f = file_at(m->fs, w->file);
        if (f->kind == FILE_EPOLL && f->object == old_id && w->spec.host_fd >= 0)
            w->spec.host_fd = fresh;
    }
}

int epolls_copied(struct machine *m, const struct machine *from)
{
    for (u32 id = pool_next(&m->epolls, 0); id; id = pool_next(&m->epolls, id)) {
        const struct epoll *old = pool_at(&from->epolls, id);
        if (old->host >= 0)
            rename_host(m, id, old->host, epoll_at(m, id)->host);
    }
    for (u32 id = pool_next(&m->watches, 0); id; id = pool_next(&m->watches, id)) {
        const struct watch *w = watch_at(m, id);
        int r = w->spec.host_fd < 0 ? 0
                : host_epoll_set(epoll_at(m, w->epoll)->host, w->spec.host_fd, host_events(m, w, NULL), w->file);
        if (r)
            return r;
    }
    return 0;
}

void epoll_attach(struct machine *m)
{
    static const struct file_ops ops = {.poll = epoll_poll, .wait = epoll_wait_spec,
                                        .release = epoll_release};
    m->fs->ops[FILE_EPOLL] = &ops;
    m->fs->unwatch = file_gone;
    m->fs->unwatch_arg = m;
}

// ---- the calls -----------------------------------------------------------------------------------

i64 sys_epoll_create1(struct machine *m, struct task *t, const u64 *a)
{
    file_t file;
    u32 id;
    if ((u32)a[0] & ~ABI_O_CLOEXEC)
        return -EINVAL;
    int r = anon_file(m, FILE_EPOLL, ABI_O_RDWR, "anon_inode:[eventpoll]", &file);
    if (r)
        return r;
    r = pool_new(&m->epolls, &id);
    if (r) {
        file_put(m->fs, file);
        return r;
    }
    *epoll_at(m, id) = (struct epoll){.file = file, .host = -1};
    file_at(m->fs, file)->object = id;
    return fd_install(m, t, file, a[0] & ABI_O_CLOEXEC);
}

// Files that are always ready cannot be watched.
static bool can_be_polled(const struct file *f)
{
    if (f->kind == FILE_DEV)
        return f->object == DEV_RANDOM || f->object == DEV_URANDOM || f->object == DEV_TTY;
    return f->kind != FILE_HOST && f->kind != FILE_DIR && (f->kind != FILE_PROC || file_shows_mounts(f)) &&
           f->kind != FILE_PROCDIR;
}

static int ctl_check(struct machine *m, file_t set, file_t file, int op, const struct abi_epoll_event *ev)
{
    const struct file *s = file_at(m->fs, set), *f = file_at(m->fs, file);
    if (s->kind == FILE_PATH || f->kind == FILE_PATH)
        return -EBADF;
    if (!can_be_polled(f))
        return -EPERM;
    if (set == file || s->kind != FILE_EPOLL)
        return -EINVAL;
    if (op != CTL_DEL && ev->events & EPOLLEXCLUSIVE &&
        (op == CTL_MOD || f->kind == FILE_EPOLL || ev->events & ~(u32)EPOLL_EXCLUSIVE_OK))
        return -EINVAL;
    return op == CTL_ADD && f->kind == FILE_EPOLL ? check_nesting(m, s->object, f->object) : 0;
}

i64 sys_epoll_ctl(struct machine *m, struct task *t, const u64 *a)
{
    struct abi_epoll_event ev = {0};
    int op = (i32)a[1];
    if (op != CTL_DEL && uaccess_read(t->mm, &ev, a[3], sizeof ev))
        return -EFAULT;
    file_t set = fd_arg(t, a[0]), file = fd_arg(t, a[2]);
    if (!set || !file)
        return -EBADF;
    int r = ctl_check(m, set, file, op, &ev);
    if (r)
        return r;
    u32 epoll = file_at(m->fs, set)->object, id = watch_find(m, epoll, file, (u32)a[2]);
    if (op == CTL_ADD)
        return id ? -EEXIST : watch_new(m, epoll, file, (u32)a[2], &ev);
    if (op != CTL_DEL && op != CTL_MOD)
        return -EINVAL;
    if (!id)
        return -ENOENT;
    if (op == CTL_MOD)
        return watch_change(m, id, &ev);
    watch_free(m, id);
    return 0;
}

// Reports at most `max` files, each once; how many, or -EFAULT if none could be.
static i64 report(struct machine *m, struct task *t, u32 epoll, gva_t to, u64 max)
{
    u64 done = 0;
    take_host_events(m, epoll);
    for (u32 n = epoll_at(m, epoll)->nready; n && done < max; n--) {
        u32 id = epoll_at(m, epoll)->ready;
        if (!id)
            break;
        struct watch *w = watch_at(m, id);
        (void)!watch_register(m, id, false); // without memory: as it was, or at the next look
        u32 bits = bits_of(m, id);
        struct abi_epoll_event ev = {.events = bits, .data = w->data};
        if (bits && uaccess_write(t->mm, to + done * sizeof ev, &ev, sizeof ev))
            return done ? (i64)done : -EFAULT;
        ready_drop(m, w);
        if (!bits)
            continue;
        done++;
        if (w->events & EPOLLONESHOT)
            w->events &= EPOLL_PRIVATE;
        else if (!(w->events & EPOLLET))
            ready_put(m, id);
    }
    return (i64)done;
}

static i64 wait_for_events(struct machine *m, struct task *t, u32 epoll)
{
    struct epoll *e = epoll_at(m, epoll);
    int r = wait_on(m, t, CHAN(CHAN_EPOLL, epoll));
    if (r == 0 && e->nhost)
        r = wait_on_host(m, t, e->host, ABI_POLLIN);
    if (r)
        return r;
    if (t->call.state[0])
        park_until(m, t, t->call.state[0]);
    r = park(m, t);
    return r == -ERESTARTSYS ? -EINTR : r;
}

// call.state[0]: the deadline, 0 = none; state[1]: 1 once the arguments are taken.
static i64 do_epoll_wait(struct machine *m, struct task *t, const u64 *a, u64 deadline, bool at_once)
{
    if ((i32)a[2] <= 0 || (u32)a[2] > INT32_MAX / sizeof(struct abi_epoll_event))
        return -EINVAL;
    file_t file = fd_arg(t, a[0]);
    if (!file || file_at(m->fs, file)->kind == FILE_PATH)
        return -EBADF;
    if (file_at(m->fs, file)->kind != FILE_EPOLL)
        return -EINVAL;
    if (!t->call.state[1]) {
        t->call.state[0] = deadline;
        t->call.state[1] = 1;
    }
    int r = mask_arg(m, t, a[4], a[5]);
    if (r)
        return r;
    u32 epoll = file_at(m->fs, file)->object;
    i64 n = report(m, t, epoll, a[1], (u32)a[2]);
    bool over = at_once || t->timed_out || (t->call.state[0] && machine_time(m) >= t->call.state[0]);
    if (n == 0 && !over)
        n = wait_for_events(m, t, epoll);
    if (n != -EPARK && n != -EINTR && t->restore_mask) { // EINTR: after the handler
        t->mask = t->saved_mask;
        t->restore_mask = false;
    }
    return n;
}

i64 sys_epoll_pwait(struct machine *m, struct task *t, const u64 *a)
{
    i32 ms = (i32)a[3];
    u64 deadline = ms > 0 ? machine_time(m) + (u64)ms * 1000000 : 0;
    return do_epoll_wait(m, t, a, deadline, ms == 0);
}

i64 sys_epoll_pwait2(struct machine *m, struct task *t, const u64 *a)
{
    u64 deadline = 0;
    int r = a[3] && !t->call.state[1] ? timeout_arg(m, t, a[3], &deadline) : 0;
    return r ? r : do_epoll_wait(m, t, a, deadline, false);
}
