// The walk (also out of a root), pipes, FIFOs, locks, descriptor tables. Works on a directory of its
// own under $TMPDIR or /tmp.
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "fs/fdtable.h"
#include "fs/fs.h"
#include "fs/path.h"
#include "mm/uaccess.h"

// The test has no guest memory; these stand in where mm is not linked.
__attribute__((weak)) int uaccess_span(struct mm *m, gva_t va, size_t n, enum mm_access want, u8 **host,
                                       size_t *len)
{
    (void)m, (void)va, (void)n, (void)want, (void)host, (void)len;
    return -EFAULT;
}
__attribute__((weak)) int uaccess_check(struct mm *m, gva_t va, size_t n, enum mm_access want)
{
    (void)m, (void)va, (void)n, (void)want;
    return -EFAULT;
}
__attribute__((weak)) int uaccess_read(struct mm *m, void *to, gva_t from, size_t n)
{
    (void)m, (void)to, (void)from, (void)n;
    return -EFAULT;
}
__attribute__((weak)) int uaccess_write(struct mm *m, gva_t to, const void *from, size_t n)
{
    (void)m, (void)to, (void)from, (void)n;
    return -EFAULT;
}

static int checks, failed;
#define CHECK(c) (checks++, (c) ? (void)0 : fail(__LINE__, #c, 0, 0))
#define IS(a, b) is(__LINE__, #a, (i64)(a), (i64)(b))
static void fail(int line, const char *what, i64 got, i64 want)
{
    failed++;
    printf("fs_test.c:%d: %s: got %lld, want %lld\n", line, what, (long long)got, (long long)want);
}
static void is(int line, const char *what, i64 got, i64 want)
{
    checks++;
    if (got != want)
        fail(line, what, got, want);
}

static i64 get(struct fs *fs, file_t f, void *buf, size_t n)
{
    struct uio u;
    uio_kernel(&u, buf, n);
    return file_read(fs, f, &u, -1);
}
static i64 put(struct fs *fs, file_t f, const void *buf, size_t n)
{
    struct uio u;
    uio_kernel(&u, (void *)(uintptr_t)buf, n);
    return file_write(fs, f, &u, -1);
}

// A /proc with self -> 7, 7/maps, 7/fd/3 -> a file, 7/cwd -> /sub
static int p_kind(void *arg, const char *rel, u32 *mode)
{
    (void)arg, (void)mode;
    if (!*rel || !strcmp(rel, "7") || !strcmp(rel, "7/fd"))
        return PROC_DIR;
    if (!strcmp(rel, "self") || !strcmp(rel, "7/fd/3") || !strcmp(rel, "7/cwd"))
        return PROC_LINK;
    return strcmp(rel, "7/maps") ? -ENOENT : PROC_FILE;
}
static i64 p_readlink(void *arg, const char *rel, char *buf, size_t cap)
{
    (void)arg;
    const char *text = !strcmp(rel, "self") ? "7" : !strcmp(rel, "7/cwd") ? "/sub" : "/sub/file";
    size_t n = MIN(strlen(text), cap);
    memcpy(buf, text, n);
    return (i64)n;
}
static i64 p_file(void *arg, const char *rel)
{
    return strcmp(rel, "7/fd/3") ? 0 : *(file_t *)arg;
}
static int p_read(void *arg, const char *rel, struct strbuf *out)
{
    (void)arg;
    return strbuf_printf(out, "text of %s\n", rel);
}
static int p_list(void *arg, const char *rel, struct strbuf *out)
{
    (void)arg, (void)rel;
    return strbuf_add(out, "lself\0d7", 9);
}
static const struct proc_ops p_ops = {
    .kind = p_kind,
    .readlink = p_readlink,
    .file = p_file,
    .read = p_read,
    .write = NULL,
    .list = p_list,
};

static char top[256];
static const char *at(const char *rel)
{
    static char path[4][512];
    static int i;
    i = (i + 1) % 4;
    snprintf(path[i], sizeof(path[i]), "%s/%s", top, rel);
    return path[i];
}
static void text(const char *rel, const char *content)
{
    FILE *f = fopen(at(rel), "w");
    if (!f || fputs(content, f) < 0 || fclose(f))
        exit(99);
}

static i64 slurp(struct fs *fs, struct fsctx *c, const char *path, char *buf, size_t cap)
{
    file_t f;
    int r = path_open(fs, c, 0, path, ABI_O_RDONLY, 0, &f);
    if (r)
        return r;
    i64 n = get(fs, f, buf, cap - 1);
    buf[n > 0 ? n : 0] = 0;
    file_put(fs, f);
    return n;
}
// Whether the listing of a directory shows `name`, in buffers of n bytes.
static bool lists(struct fs *fs, struct fsctx *c, const char *path, const char *name, size_t n)
{
    file_t f;
    char buf[4096];
    struct uio u;
    i64 got = 0, seen = 0;
    if (path_open(fs, c, 0, path, ABI_O_DIRECTORY, 0, &f))
        return false;
    for (uio_kernel(&u, buf, n); (got = file_getdents(fs, f, &u)) > 0; uio_kernel(&u, buf, n))
        for (i64 i = 0; i < got; i += ((struct abi_dirent64 *)(void *)(buf + i))->d_reclen)
            seen += !strcmp(((struct abi_dirent64 *)(void *)(buf + i))->d_name, name);
    file_put(fs, f);
    return got == 0 && seen == 1;
}
// The content of `path` as it must be, or the errno as it must be.
#define SHOWS(path, want)                                                                           \
    do {                                                                                            \
        char b_[256] = "";                                                                          \
        i64 n_ = slurp(fs, c, path, b_, sizeof(b_));                                                \
        if (n_ < 0 || strcmp(b_, want))                                                             \
            fail(__LINE__, path, n_, 0), printf("   \"%s\"\n", b_);                                 \
        checks++;                                                                                   \
    } while (0)
#define REFUSES(path, error)                                                                        \
    do {                                                                                            \
        char b_[256] = "";                                                                          \
        is(__LINE__, path, slurp(fs, c, path, b_, sizeof(b_)), -(error));                           \
    } while (0)

static void make_tree(void)
{
    mkdir(at("root"), 0755);
    mkdir(at("root/sub"), 0755);
    mkdir(at("root/sub/deep"), 0755);
    mkdir(at("root/etc"), 0755);
    mkdir(at("bound"), 0755);
    mkdir(at("prefix"), 0755);
    mkdir(at("prefix/etc"), 0755);
    text("secret", "secret");
    text("root/secret", "inner");
    text("root/sub/file", "file");
    text("root/sub/deep/x", "x");
    text("root/etc/passwd", "inner passwd");
    text("bound/b", "bound");
    text("prefix/etc/hostname", "prefixed");
    symlink("../../../../secret", at("root/sub/up"));
    symlink("/secret", at("root/sub/abs"));
    symlink("/etc", at("root/sub/etc"));
    symlink("sub/deep", at("root/short"));
    symlink("loop2", at("root/loop1"));
    symlink("loop1", at("root/loop2"));
    symlink("/proc/self/maps", at("root/mtab"));
    symlink("nowhere", at("root/dangling"));
    mkfifo(at("root/fifo"), 0600);
}

static void test_root(void)
{
    struct fs *fs;
    struct fsctx *c;
    struct fs_options o = {.root = at("root")};
    struct abi_stat s, t;
    char buf[512];
    file_t f, inner, g;
    o.binds[0] = (struct fs_bind){at("bound"), "/sub/mnt", false};
    o.binds[1] = (struct fs_bind){at("bound"), "/ro", true};
    o.nbinds = 2;
    IS(fs_new(&fs, &o), 0);
    IS(fsctx_new(fs, "/", &c), 0);
    SHOWS("/secret", "inner");
    SHOWS("/sub/file", "file");
    SHOWS("sub//./deep/x", "x");
    SHOWS("/../../secret", "inner");
    SHOWS("/sub/../../../../secret", "inner");
    SHOWS("/sub/up", "inner");
    SHOWS("/sub/abs", "inner");
    SHOWS("/sub/etc/passwd", "inner passwd");
    SHOWS("/short/../../secret", "inner");
    SHOWS("/short/../file", "file");
    SHOWS("/short/x", "x");
    REFUSES("/loop1", ELOOP);
    REFUSES("/dangling", ENOENT);
    REFUSES("/sub/file/", ENOTDIR);
    REFUSES("/sub/file/x", ENOTDIR);
    REFUSES("/sub/file/..", ENOTDIR);
    REFUSES("", ENOENT);
    SHOWS("/sub/mnt/b", "bound");
    SHOWS("/sub/mnt/../file", "file");
    SHOWS("/short/../mnt/b", "bound");
    SHOWS("/ro/b", "bound");
    IS(path_open(fs, c, 0, "/ro/b", ABI_O_RDWR, 0, &f), -EROFS);
    IS(path_open(fs, c, 0, "/ro/new", ABI_O_RDWR | ABI_O_CREAT, 0644, &f), -EROFS);
    IS(path_mkdir(fs, c, 0, "/ro/new", 0755), -EROFS);
    IS(path_unlink(fs, c, 0, "/ro/b", 0), -EROFS);
    IS(path_unlink(fs, c, 0, "/ro", ABI_AT_REMOVEDIR), -EBUSY);
    IS(path_mkdir(fs, c, 0, "/proc", 0755), -EEXIST);
    IS(path_rename(fs, c, 0, "/sub/file", 0, "/sub/mnt/file", 0), -EXDEV);
    IS(path_stat(fs, c, 0, "/sub/up", ABI_AT_SYMLINK_NOFOLLOW, &s), 0);
    IS(s.st_mode & ABI_S_IFMT, ABI_S_IFLNK);
    IS(path_stat(fs, c, 0, "/sub/up", 0, &s), 0);
    IS(s.st_size, 5);
    IS(path_readlink(fs, c, 0, "/sub/abs", buf, sizeof(buf)), 7);
    IS(path_readlink(fs, c, 0, "/sub/file", buf, sizeof(buf)), -EINVAL);
    IS(path_open(fs, c, 0, "/sub/up", ABI_O_NOFOLLOW, 0, &f), -ELOOP);
    IS(path_realpath(fs, c, 0, "/short/../etc/passwd", buf, sizeof(buf)), 11);
    CHECK(!strcmp(buf, "/etc/passwd"));
    IS(path_realpath(fs, c, 0, "/sub/mnt/b", buf, sizeof(buf)), 10);
    CHECK(!strcmp(buf, "/sub/mnt/b"));
    IS(path_access(fs, c, 0, "/sub/file", ABI_X_OK, 0), -EACCES);
    IS(path_access(fs, c, 0, "/sub/file", ABI_R_OK, 0), 0);
    // creating, through a dangling link too; umask
    u32 old;
    IS(fsctx_umask(fs, c, 027, &old), 0);
    IS(path_open(fs, c, 0, "/dangling", ABI_O_RDWR | ABI_O_CREAT, 0666, &f), 0);
    IS(put(fs, f, "hello", 5), 5);
    IS(file_seek(fs, f, 1, ABI_SEEK_SET), 1);
    IS(get(fs, f, buf, 3), 3);
    IS(memcmp(buf, "ell", 3), 0);
    file_put(fs, f);
    IS(path_stat(fs, c, 0, "/nowhere", 0, &s), 0);
    IS(s.st_mode, ABI_S_IFREG | 0640);
    IS(path_open(fs, c, 0, "/dangling", ABI_O_RDWR | ABI_O_CREAT | ABI_O_EXCL, 0666, &f), -EEXIST);
    IS(path_open(fs, c, 0, "/nowhere", ABI_O_WRONLY | ABI_O_APPEND, 0, &f), 0);
    IS(put(fs, f, "!!", 2), 2);
    IS(file_seek(fs, f, 0, ABI_SEEK_CUR), 7);
    file_put(fs, f);
    SHOWS("/nowhere", "hello!!");
    IS(path_unlink(fs, c, 0, "/nowhere", 0), 0);
    IS(path_open(fs, c, 0, "/newdir/", ABI_O_WRONLY | ABI_O_CREAT, 0666, &f), -EISDIR);
    // a directory as the start, moved away below us
    IS(path_mkdir(fs, c, 0, "/d1/", 0755), 0);
    IS(path_mkdir(fs, c, 0, "/d1/d2", 0755), 0);
    IS(fsctx_chdir(fs, c, "/d1/d2"), 0);
    IS(path_rename(fs, c, 0, "/d1/d2", 0, "/d3", 0), 0);
    IS(fsctx_getcwd(fs, c, buf, sizeof(buf)), 3);
    CHECK(!strcmp(buf, "/d3"));
    SHOWS("../secret", "inner");
    IS(path_unlink(fs, c, 0, "/d3", ABI_AT_REMOVEDIR), 0);
    IS(fsctx_getcwd(fs, c, buf, sizeof(buf)), -ENOENT);
    IS(fsctx_chdir(fs, c, "/"), 0);
    IS(path_unlink(fs, c, 0, "d1", ABI_AT_REMOVEDIR), 0);
    IS(path_unlink(fs, c, 0, "/", ABI_AT_REMOVEDIR), -EBUSY);
    IS(path_unlink(fs, c, 0, "sub/.", ABI_AT_REMOVEDIR), -EINVAL);
    // moved out of the root by the host: `..` must not lead anywhere
    IS(path_mkdir(fs, c, 0, "/out", 0755), 0);
    IS(fsctx_chdir(fs, c, "/out"), 0);
    IS(rename(at("root/out"), at("out")), 0);
    REFUSES("../secret", ENOENT);
    IS(fsctx_chdir(fs, c, "/"), 0);
    // links
    IS(path_link(fs, c, 0, "/sub/file", 0, "/hard", 0), 0);
    IS(path_stat(fs, c, 0, "/hard", 0, &s), 0);
    IS(s.st_nlink, 2);
    IS(path_unlink(fs, c, 0, "/hard", 0), 0);
    IS(path_link(fs, c, 0, "/sub/abs", 0, "/hard", 0), 0);
    IS(path_stat(fs, c, 0, "/hard", ABI_AT_SYMLINK_NOFOLLOW, &s), 0);
    IS(s.st_mode & ABI_S_IFMT, ABI_S_IFLNK);
    IS(path_unlink(fs, c, 0, "/hard", 0), 0);
    // O_TMPFILE, given a name through its descriptor
    IS(path_open(fs, c, 0, "/sub", ABI_O_TMPFILE | ABI_O_RDWR, 0600, &f), 0);
    IS(put(fs, f, "tmp", 3), 3);
    IS(path_link(fs, c, f, "", 0, "/named", ABI_AT_EMPTY_PATH), 0);
    file_put(fs, f);
    SHOWS("/named", "tmp");
    IS(path_unlink(fs, c, 0, "/named", 0), 0);
    // /proc, /dev
    IS(path_open(fs, c, 0, "/sub/file", ABI_O_RDONLY, 0, &inner), 0);
    REFUSES("/proc/self/maps", ENOENT);
    fs->proc = &p_ops;
    fs->proc_arg = &inner;
    SHOWS("/proc/self/maps", "text of 7/maps\n");
    SHOWS("/mtab", "text of 7/maps\n");
    SHOWS("/proc/self/fd/3", "file");
    SHOWS("/proc/../sub/file", "file");
    SHOWS("/proc/7/fd/../maps", "text of 7/maps\n");
    SHOWS("/proc/self/cwd/deep/x", "x");
    REFUSES("/proc/self/nothing", ENOENT);
    REFUSES("/proc/self/maps/", ENOTDIR);
    IS(path_readlink(fs, c, 0, "/proc/self", buf, sizeof(buf)), 1);
    IS(path_stat(fs, c, 0, "/proc/self", ABI_AT_SYMLINK_NOFOLLOW, &s), 0);
    IS(s.st_mode & ABI_S_IFMT, ABI_S_IFLNK);
    IS(path_open(fs, c, 0, "/proc/self", ABI_O_RDONLY | ABI_O_DIRECTORY, 0, &f), 0);
    IS(path_stat(fs, c, f, "maps", 0, &s), 0);
    IS(file_path(fs, f, buf, sizeof(buf)), 7);
    CHECK(!strcmp(buf, "/proc/7"));
    struct uio u;
    uio_kernel(&u, buf, sizeof(buf));
    IS(file_getdents(fs, f, &u), 4 * 24);
    uio_kernel(&u, buf, sizeof(buf));
    IS(file_getdents(fs, f, &u), 0);
    file_put(fs, f);
    IS(path_open(fs, c, 0, "/dev/zero", ABI_O_RDWR, 0, &f), 0);
    memset(buf, 1, 4);
    IS(get(fs, f, buf, 4), 4);
    CHECK(!buf[0] && !buf[3]);
    file_put(fs, f);
    IS(path_open(fs, c, 0, "/dev/null", ABI_O_RDWR | ABI_O_CREAT | ABI_O_TRUNC, 0, &f), 0);
    IS(put(fs, f, "x", 1), 1);
    IS(get(fs, f, buf, 4), 0);
    file_put(fs, f);
    IS(path_stat(fs, c, 0, "/dev/stdin", ABI_AT_SYMLINK_NOFOLLOW, &s), 0);
    IS(path_open(fs, c, 0, "/dev", ABI_O_RDONLY | ABI_O_DIRECTORY, 0, &f), 0);
    IS(path_stat(fs, c, f, "null", 0, &t), 0);
    IS(t.st_rdev, ABI_MAKEDEV(1, 3));
    IS(path_stat(fs, c, f, "sda", 0, &t), -ENOENT);
    CHECK(lists(fs, c, "/dev", "null", 4096));
    CHECK(lists(fs, c, "/", "proc", 64));
    CHECK(lists(fs, c, "/", "ro", 64));
    CHECK(lists(fs, c, "/", "sub", 64));
    CHECK(lists(fs, c, "/sub", "mnt", 4096));
    IS(path_stat(fs, c, f, "../secret", 0, &t), 0);
    file_put(fs, f);
    file_put(fs, inner);
    // FIFO: opens wait for each other
    IS(path_open(fs, c, 0, "/fifo", ABI_O_WRONLY | ABI_O_NONBLOCK, 0, &f), -ENXIO);
    IS(path_open(fs, c, 0, "/fifo", ABI_O_RDONLY, 0, &f), -EAGAIN);
    CHECK(f != 0);
    IS(file_open_done(fs, f), -EAGAIN);
    IS(path_open(fs, c, 0, "/fifo", ABI_O_WRONLY, 0, &g), 0);
    IS(file_open_done(fs, f), 0);
    IS(put(fs, g, "through", 7), 7);
    IS(get(fs, f, buf, 100), 7);
    file_put(fs, g);
    IS(get(fs, f, buf, 100), 0);
    file_put(fs, f);
    // chroot
    IS(fsctx_chroot(fs, c, "/sub"), 0);
    IS(fsctx_chdir(fs, c, "/"), 0);
    SHOWS("/file", "file");
    SHOWS("/../../file", "file");
    REFUSES("/up", ENOENT);
    REFUSES("/secret", ENOENT);
    SHOWS("/mnt/b", "bound");
    IS(fsctx_getcwd(fs, c, buf, sizeof(buf)), 1);
    fsctx_put(fs, c);
    IS(fs->files.live, 0);
    IS(fs->pipes.live, 0);
    fs_free(fs);
}

static void test_host(void)
{
    struct fs *fs;
    struct fsctx *c;
    struct abi_stat s;
    struct fs_options o = {.prefix = at("prefix")};
    char host[512], buf[512];
    file_t f;
    IS(fs_new(&fs, &o), 0);
    IS(fsctx_new(fs, NULL, &c), 0);
    IS(fsctx_getcwd(fs, c, buf, sizeof(buf)), (i64)strlen(getcwd(host, sizeof(host))));
    CHECK(!strcmp(buf, host));
    SHOWS("/etc/hostname", "prefixed");
    IS(path_stat(fs, c, 0, "/etc/passwd", 0, &s), 0);
    IS(path_stat(fs, c, 0, "/proc/self/maps", 0, &s), -ENOENT); // never the host's
    IS(path_stat(fs, c, 0, "/proc/1", 0, &s), -ENOENT);
    IS(path_open(fs, c, 0, at("root/fresh"), ABI_O_RDWR | ABI_O_CREAT, 0600, &f), 0);
    file_put(fs, f);
    IS(path_unlink(fs, c, 0, at("root/fresh"), 0), 0);
    struct file_id exec_id;
    IS(path_exec(fs, c, 0, "/bin/sh", 0, &f, &exec_id, buf, sizeof(buf)), 0);
    IS(file_executable(fs, f), 0);
    IS(buf[0], '/');
    file_put(fs, f);
    IS(path_exec(fs, c, 0, "/etc/passwd", 0, &f, &exec_id, buf, sizeof(buf)), 0);
    IS(file_executable(fs, f), -EACCES);
    file_put(fs, f);
    IS(path_exec(fs, c, 0, "/bin", 0, &f, &exec_id, buf, sizeof(buf)), -EACCES);
    fs->no_openat2 = true;
    SHOWS(at("root/short/x"), "x");
    SHOWS(at("root/sub/deep/../../short/../file"), "file");
    REFUSES(at("root/loop1"), ELOOP);
    IS(path_stat(fs, c, 0, at("root/dangling"), ABI_AT_SYMLINK_NOFOLLOW, &s), 0);
    IS(path_open(fs, c, 0, at("root/dangling"), ABI_O_CREAT | ABI_O_EXCL, 0600, &f), -EEXIST);
    REFUSES(at("root/dangling"), ENOENT);
    fsctx_put(fs, c);
    IS(fs->files.live, 0);
    fs_free(fs);
    // a bind of the host's procfs is refused, under whatever name
    struct fs_options o2 = {.root = at("root"), .nbinds = 1};
    o2.binds[0] = (struct fs_bind){"/proc", "/sub/p", false};
    IS(fs_new(&fs, &o2), 0);
    IS(fsctx_new(fs, "/", &c), 0);
    REFUSES("/sub/p/self/maps", EACCES);
    REFUSES("/sub/p/1/maps", EACCES);
    fsctx_put(fs, c);
    fs_free(fs);
}

static u64 woken[64];
static int nwoken;
static void wake(void *arg, u64 chan)
{
    (void)arg;
    woken[nwoken++ % 64] = chan;
}

static void test_pipe(struct fs *fs)
{
    file_t p[2], e;
    static u8 big[200000], back[200000];
    struct wait_spec w;
    for (size_t i = 0; i < sizeof(big); i++)
        big[i] = (u8)(i * 7);
    IS(fs_pipe(fs, p, 0), 0);
    fs->wake = wake;
    IS(get(fs, p[0], back, 10), -EAGAIN);
    file_wait(fs, p[0], ABI_POLLIN, &w);
    IS(w.nchan, 1);
    IS(w.host_fd, -1);
    nwoken = 0;
    IS(put(fs, p[1], "abc", 3), 3);
    IS(nwoken, 1);
    CHECK(woken[0] == w.chan[0]);
    IS(get(fs, p[0], back, 10), 3);
    IS(get(fs, p[1], back, 1), -EBADF);
    // PIPE_BUF: all or nothing; more: as much as fits
    IS(put(fs, p[1], big, 65536 - 100), 65536 - 100);
    IS(put(fs, p[1], big, 101), -EAGAIN);
    IS(file_poll(fs, p[1]), 0);
    IS(put(fs, p[1], big, 5000), 100);
    IS(put(fs, p[1], big, 5000), -EAGAIN);
    IS(file_pipe_resize(fs, p[0], 4096), -EBUSY);
    IS(get(fs, p[0], back, 60000), 60000);
    IS(memcmp(back, big, 60000), 0);
    IS(put(fs, p[1], big, 50000), 50000); // around the end of the ring
    IS(get(fs, p[0], back, sizeof(back)), 65536 - 60000 + 50000);
    IS(memcmp(back + 5536, big, 50000), 0);
    IS(file_pipe_resize(fs, p[0], 1 << 18), 1 << 18);
    IS(put(fs, p[1], big, sizeof(big)), sizeof(big));
    IS(get(fs, p[0], back, sizeof(back)), sizeof(back));
    IS(memcmp(back, big, sizeof(big)), 0);
    IS(put(fs, p[1], "end", 3), 3);
    file_put(fs, p[1]);
    IS(file_poll(fs, p[0]), ABI_POLLIN | ABI_POLLRDNORM | ABI_POLLHUP);
    IS(get(fs, p[0], back, 10), 3);
    IS(get(fs, p[0], back, 10), 0);
    file_put(fs, p[0]);
    IS(fs_pipe(fs, p, 0), 0);
    file_put(fs, p[0]);
    IS(put(fs, p[1], "x", 1), -EPIPE);
    IS(file_poll(fs, p[1]) & ABI_POLLERR, ABI_POLLERR);
    file_put(fs, p[1]);
    IS(fs->pipes.live, 0);
    u64 v = 5;
    IS(fs_eventfd(fs, 0, ABI_EFD_SEMAPHORE, &e), 0);
    IS(get(fs, e, &v, 8), -EAGAIN);
    IS(put(fs, e, &v, 8), 8);
    IS(get(fs, e, &v, 8), 8);
    IS(v, 1);
    IS(file_at(fs, e)->pos, 4);
    file_put(fs, e);
    fs->wake = NULL;
}

// Descriptors that the process came with: they never block, and their flags stay as they were.
static void test_stdio(struct fs *fs)
{
    static char big[300000], back[300000];
    int p[2], t, flags;
    file_t r, w, f;
    i64 sent = 0, n, got = 0;
    struct wait_spec spec;
    if (pipe(p))
        exit(99);
    flags = fcntl(p[1], F_GETFL);
    IS(fs_stdio(fs, 999, &r), -EBADF);
    IS(fs_stdio(fs, p[0], &r), 0);
    IS(fs_stdio(fs, p[1], &w), 0);
    IS(get(fs, r, back, 10), -EAGAIN);
    file_wait(fs, r, ABI_POLLIN, &spec);
    IS(spec.host_fd, p[0]);
    while ((n = put(fs, w, big, sizeof(big))) > 0)
        sent += n;
    IS(n, -EAGAIN);
    CHECK(sent >= 61440);
    while ((n = get(fs, r, back, sizeof(back))) > 0)
        got += n;
    IS(n, -EAGAIN);
    IS(got, sent);
    IS(fcntl(p[1], F_GETFL), flags);
    file_put(fs, w);
    IS(get(fs, r, back, 10), 0);
    file_put(fs, r);
    // a regular file keeps the host's offset
    int fd = open(at("secret"), O_RDONLY);
    IS(fs_stdio(fs, fd, &f), 0);
    IS(get(fs, f, back, 3), 3);
    IS(lseek(fd, 0, SEEK_CUR), 3);
    file_put(fs, f);
    // a terminal
    t = posix_openpt(O_RDWR | O_NOCTTY);
    if (t < 0 || grantpt(t) || unlockpt(t))
        return;
    fd = open(ptsname(t), O_RDWR | O_NOCTTY);
    IS(fs_stdio(fs, fd, &f), 0);
    IS(file_at(fs, f)->kind, FILE_TTY);
    IS(get(fs, f, back, 10), -EAGAIN);
    IS(put(fs, f, "hi", 2), 2);
    IS(write(t, "line\n", 5), 5);
    usleep(20000);
    IS(get(fs, f, back, 10), 5);
    sent = 0;
    while ((n = put(fs, f, big, 4096)) > 0)
        sent += n;
    IS(n, -EAGAIN);
    file_put(fs, f);
    close(t);
}

static void test_fdtable(struct fs *fs)
{
    struct fdtable *a, *b;
    file_t p[2], q[2], back;
    u64 copied = 0;
    int fds[2];
    char buf[4];
    fs->fdnodes_copied = &copied;
    IS(fdtable_new(fs, &a), 0);
    IS(fs_pipe(fs, p, 0), 0);
    IS(fd_alloc2(fs, a, p, false, 1024, fds), 0);
    IS(fds[0], 0);
    IS(fds[1], 1);
    IS(fdtable_fork(fs, a, &b), 0);
    IS(copied, 0);
    IS(file_at(fs, p[0])->refs, 1); // nothing copied, nothing counted
    IS(fd_get(b, 1), p[1]);
    IS(fd_close(fs, a, 1), 0); // the writer is still open in b
    IS(copied, 1);
    IS(fd_get(a, 1), 0);
    IS(fd_get(b, 1), p[1]);
    IS(get(fs, p[0], buf, 1), -EAGAIN);
    IS(fd_close(fs, b, 1), 0);
    IS(copied, 1); // b was the last sharer: took the leaf over
    IS(get(fs, p[0], buf, 1), 0);
    IS(file_at(fs, p[0])->refs, 2);
    fdtable_put(fs, b);
    IS(file_at(fs, p[0])->refs, 1);
    // many descriptors: three levels, lowest free one, holes
    for (int i = 1; i < 5000; i++) {
        file_get(fs, p[0]);
        if (fd_alloc(fs, a, p[0], 0, i & 1, 100000) != i)
            fail(__LINE__, "fd_alloc", i, i);
    }
    IS(a->open, 5000);
    IS(fd_close(fs, a, 4097), 0);
    IS(fd_close(fs, a, 77), 0);
    file_get(fs, p[0]);
    IS(fd_alloc(fs, a, p[0], 78, false, 100000), 4097);
    file_get(fs, p[0]);
    IS(fd_alloc(fs, a, p[0], 0, false, 100000), 77);
    IS(fd_alloc(fs, a, p[0], 0, false, 5000), -EMFILE);
    file_get(fs, p[0]);
    IS(fd_alloc(fs, a, p[0], 70000, false, 100000), 70000);
    IS(fd_next(a, 5000), 70000);
    IS(fd_next(a, 70001), -1);
    copied = 0;
    IS(fdtable_fork(fs, a, &b), 0);
    IS(fd_close(fs, b, 3000), 0);
    CHECK(copied <= 3); // a path, not the table
    CHECK(fd_get(a, 3000) == p[0]);
    IS(fd_close_on_exec(fs, b), 0);
    IS(fd_get(b, 1), 0);
    IS(fd_get(b, 2), p[0]);
    CHECK(fd_get(a, 1) == p[0]);
    IS(fd_close_range(fs, b, 0, ~0u, false), 0);
    IS(b->open, 0);
    IS(fd_next(b, 0), -1);
    // dup2, take
    IS(fs_pipe(fs, q, 0), 0);
    IS(fd_replace(fs, a, 5, q[0], true, 1024), 0);
    IS(fd_cloexec(a, 5), 1);
    IS(fd_cloexec(a, 99999), -EBADF);
    IS(fd_take(fs, a, 5, &back), 0);
    IS(back, q[0]);
    file_put(fs, q[0]);
    file_put(fs, q[1]);
    IS(fd_replace(fs, a, 1024, q[0], true, 1024), -EBADF);
    fdtable_put(fs, a);
    fdtable_put(fs, b);
    IS(fs->files.live, 0);
    IS(fs->pipes.live, 0);
}

static void test_locks(struct fs *fs, struct fsctx *c)
{
    file_t f, g;
    struct abi_flock lk = {.l_type = ABI_F_WRLCK, .l_start = 0, .l_len = 100, .l_pid = 11};
    IS(path_open(fs, c, 0, at("secret"), ABI_O_RDWR, 0, &f), 0);
    IS(path_open(fs, c, 0, at("secret"), ABI_O_RDWR, 0, &g), 0);
    IS(file_lock(fs, f, 1, ABI_F_SETLK, &lk), 0);
    IS(file_lock(fs, g, 2, ABI_F_SETLK, &lk), -EAGAIN);
    lk.l_start = 40, lk.l_len = 20, lk.l_type = ABI_F_UNLCK;
    IS(file_lock(fs, f, 1, ABI_F_SETLK, &lk), 0);
    lk.l_type = ABI_F_RDLCK;
    IS(file_lock(fs, g, 2, ABI_F_SETLK, &lk), 0);
    lk.l_start = 0, lk.l_len = 0, lk.l_type = ABI_F_WRLCK;
    lk.l_start = 60;
    IS(file_lock(fs, g, 2, ABI_F_GETLK, &lk), 0);
    IS(lk.l_start, 60);
    IS(lk.l_len, 40);
    IS(lk.l_pid, 11);
    IS(file_flock(fs, f, ABI_LOCK_EX), 0);
    IS(file_flock(fs, g, ABI_LOCK_SH | ABI_LOCK_NB), -EAGAIN);
    file_put(fs, f);
    IS(file_flock(fs, g, ABI_LOCK_SH | ABI_LOCK_NB), 0);
    file_put(fs, g);
}

// Every allocation of a run fails once: an error at most, and nothing left behind.
static int busy(struct fs **fs, struct fsctx **c, struct fdtable **t)
{
    struct fs_options o = {.root = at("root"), .prefix = at("prefix"), .has_umask = true, .umask = 022};
    struct fdtable *child;
    struct fsctx *other;
    file_t p[2], f;
    char buf[64];
    int fds[2], r = fs_new(fs, &o);
    if (r)
        return r;
    (*fs)->proc = &p_ops;
    if ((r = fsctx_new(*fs, "/", c)) || (r = fdtable_new(*fs, t)) || (r = fs_pipe(*fs, p, 0)))
        return r;
    r = fd_alloc2(*fs, *t, p, false, 100, fds);
    if (r) {
        file_put(*fs, p[0]);
        file_put(*fs, p[1]);
        return r;
    }
    struct uio u;
    uio_kernel(&u, buf, sizeof(buf));
    i64 n = file_write(*fs, p[1], &u, -1);
    if (n < 0)
        return (int)n;
    static const char *const names[] = {"/sub/file", "/proc/self/maps", "/dev/null", "/mtab",
                                        "/etc/hostname", "/dev", "/proc"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        r = path_open(*fs, *c, 0, names[i], ABI_O_RDONLY, 0, &f);
        if (r)
            return r;
        n = get(*fs, f, buf, sizeof(buf));
        u = (struct uio){0};
        if (n == -EISDIR) {
            uio_kernel(&u, buf, sizeof(buf));
            n = file_getdents(*fs, f, &u);
        }
        r = n < 0 ? (int)n : fd_alloc(*fs, *t, f, 0, false, 100);
        if (r < 0) {
            file_put(*fs, f);
            return r;
        }
    }
    if ((r = fdtable_fork(*fs, *t, &child)))
        return r;
    r = fd_close(*fs, child, 1);
    fdtable_put(*fs, child);
    if (r || (r = fsctx_fork(*fs, *c, &other)))
        return r;
    r = fsctx_chdir(*fs, other, "/sub");
    fsctx_put(*fs, other);
    struct abi_flock lk = {.l_type = ABI_F_RDLCK, .l_len = 5};
    return r ? r : file_lock(*fs, fd_get(*t, 2), (*t)->id, ABI_F_SETLK, &lk);
}

static void test_failures(void)
{
    int r = -1;
    u64 n = 0;
    for (n = 1; r && n < 1000; n++) {
        struct fs *fs = NULL;
        struct fsctx *c = NULL;
        struct fdtable *t = NULL;
        u64 before = mem_live();
        mem_fail_at(n);
        r = busy(&fs, &c, &t);
        mem_fail_at(0);
        if (r && r != -ENOMEM)
            fail(__LINE__, "an allocation failed", r, -ENOMEM);
        if (t)
            fdtable_put(fs, t);
        if (c)
            fsctx_put(fs, c);
        if (fs) {
            IS(fs->files.live, 0);
            IS(fs->pipes.live, 0);
            IS(fs->texts.live, 0);
            fs_free(fs);
        }
        IS(mem_live(), before);
    }
    CHECK(n > 20);
    IS(r, 0);
}

int main(void)
{
    snprintf(top, sizeof(top), "%s/tine-fs-XXXXXX", getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp");
    if (!mkdtemp(top))
        return 99;
    u64 before = mem_live();
    make_tree();
    test_root();
    test_host();
    test_failures();
    struct fs *fs;
    struct fsctx *c;
    struct fs_options o = {0};
    IS(fs_new(&fs, &o), 0);
    IS(fsctx_new(fs, "/", &c), 0);
    test_locks(fs, c);
    fsctx_put(fs, c);
    test_pipe(fs);
    test_fdtable(fs);
    test_stdio(fs);
    fs_free(fs);
    IS(mem_live(), before);
    char command[300];
    snprintf(command, sizeof(command), "rm -rf '%s'", top);
    if (system(command))
        printf("could not remove %s\n", top);
    printf("fs_test: %d checks, %d failed\n", checks, failed);
    return failed != 0;
}
