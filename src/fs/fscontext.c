// fsopen(2) and its kind: a file system that is being set up, or one that is to be changed, behind a descriptor.
//
//     fsopen --> CONTEXT_NEW --CMD_CREATE--> CONTEXT_MADE --fsmount--> CONTEXT_THERE <-- fspick
//                     |                                                     |  ^
//                     +--(failed)--> CONTEXT_FAILED                         +--+ CMD_RECONFIGURE
//
// (FC1) `view` is a mount that stands nowhere and shows the file system, which lives as long. What fsmount answers is a
//       copy of it, so that a context never keeps a mount busy.
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/budget.h"
#include "base/forking.h"
#include "fs/internal.h"
#include "fs/mount.h"
#include "fs/mount_call.h"
#include "fs/tmpfs.h"

#define LOG_MOST 2048u // bytes of messages that nobody reads

enum phase { CONTEXT_NEW, CONTEXT_MADE, CONTEXT_THERE, CONTEXT_FAILED };

struct fscontext {
    u8 phase;
    bool ro, ro_told; // the file system is to be; somebody said so
    u32 type;         // of fsopen's; of what was picked, that which has the same options
    u32 view;         // (FC1), 0 = not yet
    struct tmpfs_options options;
    char *source; // NULL: not told
    char *log;    // NULL, or messages, each with a line feed behind it
};

static struct fscontext *context_behind(struct fs *fs, file_t id)
{
    return pool_at(&fs->fscontexts, file_at(fs, id)->object);
}

static void copy_context(struct forking *f, void *object)
{
    struct fscontext *c = object;
    c->source = budget_dup(f, c->source);
    c->log = budget_dup(f, c->log);
}

static void drop_context(void *fs, void *object)
{
    struct fscontext *c = object;
    (void)fs;
    budget_free(c->source);
    budget_free(c->log);
}

const struct pool_kind fscontexts_pool = {sizeof(struct fscontext), copy_context, drop_context};

bool is_fs_context(struct fs *fs, file_t id)
{
    return file_at(fs, id)->kind == FILE_CONTEXT;
}

static int context_new(struct fs *fs, const struct fscontext *what, file_t *out)
{
    u32 id;
    char *label = budget_strdup(fs->budget, "anon_inode:[fscontext]");
    int r = label ? pool_new(&fs->fscontexts, &id) : -ENOMEM;
    if (r == 0) {
        r = file_new(fs, FILE_CONTEXT, ABI_O_RDWR, out);
        if (r)
            pool_free(&fs->fscontexts, id);
    }
    if (r) {
        budget_free(label);
        return r;
    }
    *(struct fscontext *)pool_at(&fs->fscontexts, id) = *what;
    file_at(fs, *out)->path = label;
    file_at(fs, *out)->object = id;
    return 0;
}

int fs_context(struct fs *fs, const char *type, file_t *out)
{
    int n = fstype_find(type);
    return n < 0 ? n : context_new(fs, &(struct fscontext){.type = (u32)n, .options.mode = fstype_mode((u32)n)}, out);
}

// What can be told to a file system that is there.
static u32 type_of_picked(struct fs *fs, u32 mount)
{
    const struct mount *m = mount_at(fs, mount);
    const char *name = m->kind == MOUNT_TMP    ? tmpfs_of(fs, m->inode)->devices ? "devtmpfs" : "tmpfs"
                       : m->kind == MOUNT_PTS  ? "devpts"
                       : m->kind == MOUNT_PROC ? strncmp(m->base, ".sys", 4) ? "proc" : "sysfs"
                                               : "sysfs"; // the host's: nothing
    return (u32)fstype_find(name);
}

int fs_pick(struct fs *fs, struct fsctx *c, const struct mount_path *p, file_t *out)
{
    struct place at;
    struct fscontext what = {.phase = CONTEXT_THERE};
    int r = place_find(fs, c, p->dir, p->path, p->nofollow ? WALK_NOFOLLOW : 0, &at);
    if (r)
        return r;
    if (!place_is_root(fs, &at))
        r = -EINVAL;
    if (r == 0)
        r = mount_copy_tree(fs, &at, MOUNT_COPY_ONE, &what.view);
    if (r == 0) {
        what.type = type_of_picked(fs, at.mount);
        r = context_new(fs, &what, out);
        if (r)
            mount_put(fs, what.view);
    }
    place_clear(fs, &at);
    return r;
}

// ---- messages ------------------------------------------------------------------------------------

static int complain(struct fs *fs, struct fscontext *c, const char *what, const char *key)
{
    char text[512];
    const char *old = c->log ? c->log : "";
    int n = snprintf(text, sizeof text, "e %s: %s '%s'\n", fstype_name(c->type), what, key);
    while (strlen(old) + (size_t)n > LOG_MOST) // the oldest go
        old = strchr(old, '\n') + 1;
    char *log = budget_alloc(fs->budget, strlen(old) + sizeof text);
    if (log) {
        snprintf(log, strlen(old) + sizeof text, "%s%s", old, text);
        budget_free(c->log);
        c->log = log;
    }
    return -EINVAL;
}

static i64 context_read(struct fs *fs, file_t id, struct uio *to, i64 offset)
{
    struct fscontext *c = context_behind(fs, id);
    (void)offset;
    if (!c->log)
        return -ENODATA;
    size_t n = strcspn(c->log, "\n");
    if (n > to->left)
        return -EMSGSIZE;
    int r = uio_to(to, c->log, n);
    if (r)
        return r;
    if (c->log[n + 1]) {
        memmove(c->log, c->log + n + 1, strlen(c->log + n + 1) + 1);
    } else {
        budget_free(c->log);
        c->log = NULL;
    }
    return (i64)n;
}

static void context_release(struct fs *fs, file_t id)
{
    struct fscontext *c = context_behind(fs, id);
    mount_put(fs, c->view);
    drop_context(fs, c);
    pool_free(&fs->fscontexts, file_at(fs, id)->object);
}

const struct file_ops file_context_ops = {.read = context_read, .release = context_release};

// ---- fsconfig ------------------------------------------------------------------------------------

// Flags that every file system knows, whatever their value; all but two of them make no difference.
static bool common_flag(struct fscontext *c, const char *key)
{
    static const char *const flags[] = {"sync", "async", "dirsync", "lazytime", "nolazytime", "mand", "nomand"};
    for (u32 i = 0; i < ARRAY_LEN(flags); i++)
        if (!strcmp(key, flags[i]))
            return true;
    if (strcmp(key, "ro") != 0 && strcmp(key, "rw") != 0)
        return false;
    c->ro = key[1] == 'o';
    c->ro_told = true;
    return true;
}

int fs_context_set(struct fs *fs, file_t id, const char *key, const char *value)
{
    struct fscontext *c = context_behind(fs, id);
    if (c->phase != CONTEXT_NEW && c->phase != CONTEXT_THERE)
        return -EBUSY;
    if (common_flag(c, key))
        return 0;
    int r = fstype_param(fs, c->type, &c->options, key, value);
    if (r == -ENOENT && !strcmp(key, "source")) {
        if (!value || c->source)
            return complain(fs, c, value ? "Multiple values for" : "Non-string", key);
        c->source = budget_strdup(fs->budget, value);
        return c->source ? 0 : -ENOMEM;
    }
    return r ? complain(fs, c, r == -ENOENT ? "Unknown parameter" : "Bad value for", key) : 0;
}

int fs_context_set_other(struct fs *fs, file_t id, const char *key)
{
    struct fscontext *c = context_behind(fs, id);
    if (c->phase != CONTEXT_NEW && c->phase != CONTEXT_THERE)
        return -EBUSY;
    return common_flag(c, key) ? 0 : complain(fs, c, "Bad value for", key);
}

static int create(struct fs *fs, struct fscontext *c, bool alone)
{
    if (c->phase != CONTEXT_NEW)
        return -EBUSY;
    int r = alone && fstype_is_single(c->type) ? -EBUSY : 0;
    if (r == 0)
        r = fstype_mount(fs, c->type, &c->options, 0, c->ro, c->source ? c->source : "", &c->view);
    c->phase = r ? CONTEXT_FAILED : CONTEXT_MADE;
    c->view = r ? 0 : c->view;
    return r;
}

static int reconfigure(struct fs *fs, struct fscontext *c)
{
    if (c->phase != CONTEXT_THERE)
        return -EBUSY;
    int r = mount_reconfigure(fs, c->view, c->ro_told ? c->ro : mount_at(fs, c->view)->sb_ro, &c->options);
    if (r) {
        c->phase = CONTEXT_FAILED;
        return r;
    }
    c->options = (struct tmpfs_options){0};
    c->ro_told = false;
    return 0;
}

int fs_context_command(struct fs *fs, file_t id, u32 command)
{
    struct fscontext *c = context_behind(fs, id);
    return command == ABI_FSCONFIG_CMD_RECONFIGURE ? reconfigure(fs, c) : create(fs, c, command == ABI_FSCONFIG_CMD_CREATE_EXCL);
}

int fs_context_mount(struct fs *fs, file_t id, u32 flags, file_t *out)
{
    struct fscontext *c = context_behind(fs, id);
    struct place root;
    u32 mount;
    if (!c->view)
        return -EINVAL;
    if (c->phase != CONTEXT_MADE)
        return -EBUSY;
    int r = place_root(fs, c->view, &root);
    if (r == 0)
        r = mount_copy_tree(fs, &root, MOUNT_COPY_ONE, &mount);
    place_clear(fs, &root);
    if (r)
        return r;
    mount_at(fs, mount)->flags = flags;
    mount_update(fs, mount);
    r = mount_tree_open(fs, mount, out);
    if (r)
        return r;
    c = context_behind(fs, id);
    c->phase = CONTEXT_THERE;
    c->options = (struct tmpfs_options){0};
    c->ro_told = false;
    return 0;
}
