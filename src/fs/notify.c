#include "fs/notify.h"

#include <errno.h>
#include <string.h>

#include "base/budget.h"
#include "base/forking.h"
#include "fs/internal.h"
#include "fs/tmpfs.h"

#define MOST_NOTICES 16384u // fs.inotify.max_queued_events

static struct notifier *notifier_at(struct fs *fs, u32 id)
{
    return pool_at(&fs->notifiers, id);
}

static struct mark *mark_at(struct fs *fs, u32 id)
{
    return pool_at(&fs->marks, id);
}

static struct notice *notice_at(struct fs *fs, u32 id)
{
    return pool_at(&fs->notices, id);
}

// ---- the queue -----------------------------------------------------------------------------------

static void append(struct fs *fs, struct notifier *n, u32 id)
{
    notice_at(fs, id)->next = 0;
    *(n->tail ? &notice_at(fs, n->tail)->next : &n->head) = id;
    n->tail = id;
    n->count++;
    fs_wake(fs, CHAN(CHAN_INOTIFY, n->file));
}

static void take_head(struct fs *fs, struct notifier *n)
{
    u32 id = n->head;
    struct notice *e = notice_at(fs, id);
    n->head = e->next;
    n->tail = n->head ? n->tail : 0;
    n->count--;
    if (e->wd < 0) {
        n->spare = id;
        return;
    }
    budget_free(e->name);
    pool_free(&fs->notices, id);
}

// The same once more says nothing new.
static bool is_last(struct fs *fs, const struct notifier *n, const struct notice *e)
{
    const struct notice *last = n->tail ? notice_at(fs, n->tail) : NULL;
    return last && last->wd == e->wd && last->mask == e->mask && last->len == e->len &&
           !memcmp(last->name ? last->name : "", e->name ? e->name : "", e->len);
}

// A row with a copy of the name; 0 = there is no room.
static u32 keep(struct fs *fs, const struct notice *e)
{
    u32 id;
    char *own = NULL;
    if (e->name && !(own = budget_alloc(fs->budget, e->len)))
        return 0;
    if (pool_new(&fs->notices, &id)) {
        budget_free(own);
        return 0;
    }
    if (own)
        memcpy(own, e->name, e->len);
    *notice_at(fs, id) = *e;
    notice_at(fs, id)->name = own;
    return id;
}

static void post(struct fs *fs, struct notifier *n, const struct notice *e)
{
    if (is_last(fs, n, e))
        return;
    u32 id = n->count < MOST_NOTICES ? keep(fs, e) : 0;
    if (!id) {
        id = n->spare;
        n->spare = 0;
    }
    if (id)
        append(fs, n, id);
}

// ---- marks ---------------------------------------------------------------------------------------

static void drop_mark(struct fs *fs, u32 id, bool tell)
{
    struct mark *m = mark_at(fs, id);
    struct notifier *n = notifier_at(fs, m->notifier);
    u32 *at = &inode_at(fs, m->inode)->marks;
    while (*at != id)
        at = &mark_at(fs, *at)->other;
    *at = m->other;
    *(m->prev ? &mark_at(fs, m->prev)->next : &n->marks) = m->next;
    if (m->next)
        mark_at(fs, m->next)->prev = m->prev;
    if (tell)
        post(fs, n, &(struct notice){.wd = m->wd, .mask = IN_IGNORED});
    pool_free(&fs->marks, id);
}

static int notifier_new(struct fs *fs, file_t file, u32 *id)
{
    u32 spare;
    int r = pool_new(&fs->notices, &spare);
    if (r)
        return r;
    r = pool_new(&fs->notifiers, id);
    if (r) {
        pool_free(&fs->notices, spare);
        return r;
    }
    *notice_at(fs, spare) = (struct notice){.wd = -1, .mask = IN_Q_OVERFLOW};
    *notifier_at(fs, *id) = (struct notifier){.file = file, .spare = spare, .last_wd = NOTIFY_WD - 1};
    file_at(fs, file)->object = *id;
    return 0;
}

int notify_add(struct fs *fs, file_t inotify, u32 inode, u32 mask)
{
    u32 notifier = file_at(fs, inotify)->object, id;
    int r = tmp_may(fs, inode, ABI_R_OK);
    if (r == 0 && !notifier)
        r = notifier_new(fs, inotify, &notifier);
    if (r)
        return r;
    struct notifier *n = notifier_at(fs, notifier);
    struct inode *i = inode_at(fs, inode);
    u32 kept = mask & (IN_ALL_EVENTS | IN_ONESHOT);
    for (id = i->marks; id; id = mark_at(fs, id)->other) {
        struct mark *m = mark_at(fs, id);
        if (m->notifier != notifier)
            continue;
        if (mask & IN_MASK_CREATE)
            return -EEXIST;
        m->mask = mask & IN_MASK_ADD ? m->mask | kept : kept;
        return m->wd;
    }
    r = n->last_wd == INT32_MAX ? -ENOSPC : pool_new(&fs->marks, &id);
    if (r)
        return r;
    *mark_at(fs, id) = (struct mark){.notifier = notifier, .inode = inode, .next = n->marks, .other = i->marks,
                                     .wd = ++n->last_wd, .mask = kept};
    if (n->marks)
        mark_at(fs, n->marks)->prev = id;
    n->marks = i->marks = id;
    return n->last_wd;
}

int notify_remove(struct fs *fs, file_t inotify, i32 wd)
{
    u32 notifier = file_at(fs, inotify)->object;
    u32 id = notifier ? notifier_at(fs, notifier)->marks : 0;
    while (id && mark_at(fs, id)->wd != wd)
        id = mark_at(fs, id)->next;
    if (!id)
        return -EINVAL;
    drop_mark(fs, id, true);
    return 0;
}

// ---- what happens --------------------------------------------------------------------------------

static void tell(struct fs *fs, u32 inode, struct notice e)
{
    for (u32 id = inode_at(fs, inode)->marks, next; id; id = next) {
        struct mark *m = mark_at(fs, id);
        next = m->other;
        if (!(m->mask & e.mask & IN_ALL_EVENTS))
            continue;
        e.wd = m->wd;
        post(fs, notifier_at(fs, m->notifier), &e);
        if (m->mask & IN_ONESHOT)
            drop_mark(fs, id, true);
    }
}

static u32 dir_bit(struct fs *fs, u32 inode)
{
    return inode_is(fs, inode, ABI_S_IFDIR) ? IN_ISDIR : 0;
}

void notify_self(struct fs *fs, u32 inode, u32 mask)
{
    if (fs->marks.live)
        tell(fs, inode, (struct notice){.mask = mask});
}

void notify_name(struct fs *fs, u32 dir, u32 mask, u32 cookie, const char *name, size_t len)
{
    if (fs->marks.live)
        tell(fs, dir, (struct notice){.mask = mask, .cookie = cookie, .len = (u32)len, .name = (char *)(uintptr_t)name});
}

void notify_file(struct fs *fs, u32 inode, u32 name, u32 mask)
{
    if (!fs->marks.live)
        return;
    mask |= dir_bit(fs, inode);
    name = name ? name : inode_at(fs, inode)->names;
    const struct name *n = name ? pool_at(&fs->names, name) : NULL;
    if (n && n->dir)
        notify_name(fs, n->dir, mask, 0, n->text, n->len);
    notify_self(fs, inode, mask);
}

void notify_moved(struct fs *fs, u32 inode, u32 dir1, const char *name1, size_t len1, u32 dir2,
                  const char *name2, size_t len2, u32 over)
{
    if (!fs->marks.live)
        return;
    u32 dir = dir_bit(fs, inode), cookie = ++fs->notify_cookie;
    notify_name(fs, dir1, IN_MOVED_FROM | dir, cookie, name1, len1);
    notify_name(fs, dir2, IN_MOVED_TO | dir, cookie, name2, len2);
    if (over)
        notify_self(fs, over, IN_ATTRIB | dir_bit(fs, over));
    notify_self(fs, inode, IN_MOVE_SELF);
}

void notify_gone(struct fs *fs, u32 inode)
{
    if (!inode_at(fs, inode)->marks)
        return;
    notify_self(fs, inode, IN_DELETE_SELF);
    while (inode_at(fs, inode)->marks)
        drop_mark(fs, inode_at(fs, inode)->marks, true);
}

// ---- the description -----------------------------------------------------------------------------

#define HEAD 16u // bytes of struct inotify_event before its name

static struct notifier *notifier_of(struct fs *fs, file_t id)
{
    u32 object = file_at(fs, id)->object;
    return object ? notifier_at(fs, object) : NULL;
}

static u32 size_of(const struct notice *e)
{
    return HEAD + (e->name ? (u32)ALIGN_UP(e->len + 1, HEAD) : 0);
}

static int put_event(struct uio *to, const struct notice *e)
{
    u8 event[HEAD + ABI_NAME_MAX + 1 + HEAD] = {0};
    u32 size = size_of(e), name = size - HEAD;
    if (to->left < size)
        return -EINVAL;
    memcpy(event, &e->wd, 4);
    memcpy(event + 4, &e->mask, 4);
    memcpy(event + 8, &e->cookie, 4);
    memcpy(event + 12, &name, 4);
    if (e->name)
        memcpy(event + HEAD, e->name, e->len);
    int r = uio_check(to, size, MM_WRITE);
    return r ? r : uio_to(to, event, size);
}

static i64 inotify_read(struct fs *fs, file_t id, struct uio *to, i64 offset)
{
    struct notifier *n = notifier_of(fs, id);
    i64 done = 0;
    if (offset >= 0)
        return -ESPIPE;
    while (n && n->head) {
        u32 size = size_of(notice_at(fs, n->head));
        int r = put_event(to, notice_at(fs, n->head));
        if (r)
            return done ? done : r;
        take_head(fs, n);
        done += size;
    }
    i64 r = file_stream_ops.read(fs, id, to, -1);
    return done ? done + MAX(r, (i64)0) : r;
}

static int inotify_poll(struct fs *fs, file_t id)
{
    const struct notifier *n = notifier_of(fs, id);
    return file_stream_ops.poll(fs, id) | (n && n->head ? ABI_POLLIN | ABI_POLLRDNORM : 0);
}

static void inotify_wait(struct fs *fs, file_t id, int events, struct wait_spec *out)
{
    file_stream_ops.wait(fs, id, events, out);
    out->chan[out->nchan++] = CHAN(CHAN_INOTIFY, id);
}

static int inotify_ioctl(struct fs *fs, file_t id, u32 cmd, struct mm *mm, u64 arg)
{
    const struct notifier *n = notifier_of(fs, id);
    u32 bytes = 0;
    int r = file_stream_ops.ioctl(fs, id, cmd, mm, arg);
    if (r || cmd != ABI_FIONREAD || !n)
        return r;
    r = uaccess_read_u32(mm, &bytes, arg);
    for (u32 e = n->head; e; e = notice_at(fs, e)->next)
        bytes += size_of(notice_at(fs, e));
    return r ? r : uaccess_write_u32(mm, arg, bytes);
}

static i64 inotify_seek(struct fs *fs, file_t id, i64 offset, int whence)
{
    return file_stream_ops.seek(fs, id, offset, whence);
}

static void inotify_release(struct fs *fs, file_t id)
{
    struct notifier *n = notifier_of(fs, id);
    if (!n)
        return;
    while (n->marks)
        drop_mark(fs, n->marks, false);
    while (n->head)
        take_head(fs, n);
    pool_free(&fs->notices, n->spare);
    pool_free(&fs->notifiers, file_at(fs, id)->object);
}

const struct file_ops file_inotify_ops = {.read = inotify_read, .seek = inotify_seek, .ioctl = inotify_ioctl,
                                          .poll = inotify_poll, .wait = inotify_wait, .release = inotify_release};

// ---- the pools' kinds ----------------------------------------------------------------------------

static void copy_notice(struct forking *f, void *object)
{
    struct notice *e = object;
    e->name = budget_dup(f, e->name);
}

static void drop_notice(void *fs, void *object)
{
    (void)fs;
    budget_free(((struct notice *)object)->name);
}

const struct pool_kind notifiers_pool = {.size = sizeof(struct notifier)};
const struct pool_kind marks_pool = {.size = sizeof(struct mark)};
const struct pool_kind notices_pool = {sizeof(struct notice), copy_notice, drop_notice};
