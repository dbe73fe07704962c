/* xattr(7): attributes in `user.` of files and directories, by path, by link, by descriptor. */
#include "check.h"

#include <sys/xattr.h>

static char path[64], lnk[80];

static int file(void)
{
    strcpy(path, "/var/tmp/tine-xattr-XXXXXX");
    int fd = mkstemp(path);
    CHECK(fd >= 0);
    snprintf(lnk, sizeof lnk, "%s.link", path);
    CHECK_EQ(symlink(path, lnk), 0);
    return fd;
}

static void gone(int fd)
{
    unlink(lnk);
    unlink(path);
    close(fd);
}

static void set_get_list_remove(void)
{
    char buf[256];
    int fd = file();
    if (setxattr(path, "user.one", "1", 1, 0) < 0 && errno == EOPNOTSUPP) { /* no such file system here */
        gone(fd);
        return;
    }
    CHECK_EQ(fsetxattr(fd, "user.two", "second", 6, XATTR_CREATE), 0);
    CHECK_ERR(fsetxattr(fd, "user.two", "x", 1, XATTR_CREATE), EEXIST);
    CHECK_ERR(setxattr(lnk, "user.three", "x", 1, XATTR_REPLACE), ENODATA);
    CHECK_EQ(setxattr(lnk, "user.empty", NULL, 0, 0), 0);
    CHECK_EQ(getxattr(lnk, "user.empty", buf, sizeof buf), 0);
    CHECK_EQ(getxattr(lnk, "user.two", NULL, 0), 6);
    CHECK_EQ(lgetxattr(path, "user.two", buf, sizeof buf), 6);
    CHECK_EQ(memcmp(buf, "second", 6), 0);
    CHECK_ERR(fgetxattr(fd, "user.two", buf, 3), ERANGE);
    ssize_t n = flistxattr(fd, NULL, 0);
    CHECK(n >= 9 + 9 + 11);
    CHECK_EQ(listxattr(path, buf, sizeof buf), n);
    CHECK(memmem(buf, (size_t)n, "user.one", 9) != NULL);
    CHECK(memmem(buf, (size_t)n, "user.two", 9) != NULL);
    CHECK_ERR(listxattr(path, buf, 4), ERANGE);
    CHECK_EQ(removexattr(lnk, "user.one"), 0);
    CHECK_ERR(fremovexattr(fd, "user.one"), ENODATA);
    gone(fd);
}

static void what_cannot_be(void)
{
    static char large[65537];
    char name[300], buf[16];
    int fd = file();
    memset(name, 'a', sizeof name);
    memcpy(name, "user.", 5);
    name[sizeof name - 1] = 0;
    CHECK_ERR(fsetxattr(fd, name, "x", 1, 0), ERANGE);
    CHECK_ERR(fgetxattr(fd, "", buf, sizeof buf), ERANGE);
    CHECK_ERR(fsetxattr(fd, "user.a", large, sizeof large, 0), E2BIG);
    CHECK_ERR(fsetxattr(fd, "user.a", "x", 1, 4), EINVAL);
    CHECK_ERR(fsetxattr(fd, "nothing.a", "x", 1, 0), EOPNOTSUPP);
    CHECK_EQ(fgetxattr(fd, "user.none", buf, sizeof buf), -1);
    CHECK(errno == ENODATA || errno == EOPNOTSUPP);
    CHECK_EQ(lsetxattr(lnk, "user.a", "x", 1, 0), -1);
    CHECK(errno == EPERM || errno == EOPNOTSUPP);
    CHECK_ERR(fsetxattr(-1, "user.a", "x", 1, 0), EBADF);
    int named = open(path, O_PATH);
    CHECK_ERR(fgetxattr(named, "user.a", buf, sizeof buf), EBADF);
    close(named);
    CHECK_ERR(setxattr("/nowhere/at/all", "user.a", "x", 1, 0), ENOENT);
    gone(fd);
}

static const struct check_case cases[] = { CASE(set_get_list_remove), CASE(what_cannot_be) };
CHECK_MAIN(cases)
