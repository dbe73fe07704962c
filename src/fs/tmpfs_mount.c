// A tmpfs as mount(2) makes it: its options, and the one that holds the machine's devices.
#include <errno.h>
#include <string.h>

#include "fs/internal.h"
#include "fs/mount_call.h"
#include "fs/tmpfs.h"

// A number with a suffix k, m, g (or of a percentage of `all`); false: it is none.
static bool number(const char *text, u32 base, u64 all, u64 *out)
{
    u64 n = 0;
    const char *p = text;
    for (; *p >= '0' && *p < (char)('0' + base); p++)
        if (__builtin_mul_overflow(n, base, &n) || __builtin_add_overflow(n, (u64)(*p - '0'), &n))
            return false;
    if (p == text)
        return false;
    u32 shift = *p == 'k' || *p == 'K' ? 10 : *p == 'm' || *p == 'M' ? 20 : *p == 'g' || *p == 'G' ? 30 : 0;
    if (shift && n >> (64 - shift))
        return false;
    if (*p == '%' && all) {
        n = all / 100 * MIN(n, 100u);
        p++;
    }
    *out = n << shift;
    return !p[shift != 0];
}

// Without a suffix.
static bool plain_number(const char *text, u32 base, u64 *out)
{
    return !text[strspn(text, "0123456789")] && number(text, base, 0, out);
}

// An option with a value; -ENOENT: there is none of that name.
static int set(struct fs *fs, struct tmpfs_options *o, const char *key, const char *value)
{
    u64 pages = 0, left, n;
    if (fs->memory)
        fs->memory->space(fs->memory_arg, &pages, &left);
    if (!strcmp(key, "size")) {
        return number(value, 10, pages * PAGE_SIZE, &o->size) ? 0 : -EINVAL;
    } else if (!strcmp(key, "nr_blocks")) {
        if (!number(value, 10, 0, &n) || n > UINT64_MAX / PAGE_SIZE)
            return -EINVAL;
        o->size = n * PAGE_SIZE;
        return 0;
    } else if (!strcmp(key, "nr_inodes")) {
        return number(value, 10, 0, &o->inodes) ? 0 : -EINVAL;
    } else if (!strcmp(key, "mode")) {
        if (!plain_number(value, 8, &n) || n > 07777)
            return -EINVAL;
        o->mode = (u32)n;
        return 0;
    } else if (!strcmp(key, "uid") || !strcmp(key, "gid")) {
        if (!plain_number(value, 10, &n) || n >= UINT32_MAX)
            return -EINVAL;
        *(key[0] == 'u' ? &o->uid : &o->gid) = (u32)n;
        return 0;
    }
    // Huge pages and memory policies: there is one kind of memory.
    return !strcmp(key, "huge") || !strcmp(key, "mpol") ? 0 : -ENOENT;
}

int tmpfs_param(struct fs *fs, struct tmpfs_options *o, const char *key, const char *value)
{
    static const char *const without[] = {"inode32", "inode64", "noswap"};
    for (u32 i = 0; i < ARRAY_LEN(without); i++)
        if (!strcmp(key, without[i]))
            return value ? -EINVAL : 0;
    int r = set(fs, o, key, value ? value : "");
    return r == 0 && !value ? -EINVAL : r;
}

int tmpfs_parse(struct fs *fs, const char *data, struct tmpfs_options *o)
{
    char word[256];
    while (*data) {
        size_t n = strcspn(data, ",");
        if (n >= sizeof word)
            return -EINVAL;
        memcpy(word, data, n);
        word[n] = 0;
        data += n + (data[n] == ',');
        char *equals = strchr(word, '=');
        if (equals)
            *equals++ = 0;
        if (n && tmpfs_param(fs, o, word, equals))
            return -EINVAL;
    }
    return 0;
}

static int fill(struct fs *fs, u32 root)
{
    char room[DEV_NAME_ROOM];
    static const char *const links[] = {"fd", "stdin", "stdout", "stderr"}, *const dirs[] = {"pts", "shm"};
    u32 made; // a name
    int r = 0;
    for (u32 dev = DEV_NULL; dev <= DEV_PTMX && r == 0; dev++) {
        struct abi_stat s;
        const char *name = dev_name(dev, room);
        dev_stat(fs, dev, &s);
        r = tmp_make(fs, root, name, strlen(name), s.st_mode, s.st_rdev, NULL, &made);
        if (r == 0)
            inode_at(fs, tmp_named(fs, made))->uid = inode_at(fs, tmp_named(fs, made))->gid = 0;
    }
    for (u32 i = 0; i < ARRAY_LEN(links) && r == 0; i++)
        r = tmp_make(fs, root, links[i], strlen(links[i]), ABI_S_IFLNK | 0777, 0, dev_link(links[i], strlen(links[i])), &made);
    for (u32 i = 0; i < ARRAY_LEN(dirs) && r == 0; i++)
        r = tmp_make(fs, root, dirs[i], strlen(dirs[i]), ABI_S_IFDIR | 0755, 0, NULL, &made);
    return r;
}

int tmpfs_devices(struct fs *fs, u32 *root)
{
    int r = 0;
    if (!fs->devtmpfs) {
        r = tmpfs_new(fs, &(struct tmpfs_options){.mode = 0755}, root);
        if (r)
            return r;
        tmpfs_of(fs, *root)->devices = true;
        r = fill(fs, *root);
        if (r) {
            inode_put(fs, *root);
            return r;
        }
        fs->devtmpfs = *root; // with a reference: all mounts show the same one
    }
    *root = fs->devtmpfs;
    inode_get(fs, *root);
    return 0;
}
