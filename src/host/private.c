#include "host/private.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host/retry.h"

#define PREFIX "tine-shm."
#define DEPTH 64 // of directories that are removed

// Empties a directory; the descriptor stays the caller's.
static void empty(int fd, int depth)
{
    int copy = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = copy < 0 ? NULL : fdopendir(copy);
    if (!dir) {
        if (copy >= 0)
            close(copy);
        return;
    }
    for (struct dirent *e; (e = readdir(dir));) {
        if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, "..") || unlinkat(fd, e->d_name, 0) == 0)
            continue;
        int sub = depth ? openat(fd, e->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC) : -1;
        if (sub < 0)
            continue;
        empty(sub, depth - 1);
        close(sub);
        (void)unlinkat(fd, e->d_name, AT_REMOVEDIR);
    }
    closedir(dir);
}

// Directories that nobody holds any more: their tine was killed.
static void sweep(const char *base)
{
    DIR *dir = opendir(base);
    if (!dir)
        return;
    for (struct dirent *e; (e = readdir(dir));) {
        if (strncmp(e->d_name, PREFIX, sizeof PREFIX - 1) != 0)
            continue;
        struct stat st;
        int fd = openat(dirfd(dir), e->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0)
            continue;
        if (fstat(fd, &st) == 0 && st.st_uid == geteuid() && flock(fd, LOCK_EX | LOCK_NB) == 0) {
            empty(fd, DEPTH);
            (void)unlinkat(dirfd(dir), e->d_name, AT_REMOVEDIR);
        }
        close(fd);
    }
    closedir(dir);
}

static int make_in(const char *base, char *buf, size_t cap)
{
    if ((size_t)snprintf(buf, cap, "%s/" PREFIX "XXXXXX", base) >= cap)
        return -ENAMETOOLONG;
    sweep(base);
    if (!mkdtemp(buf))
        return -errno;
    int fd = (int)RETRY(open(buf, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    // a sweeper may have been quicker: then the name is gone
    if (fd >= 0 && RETRY(flock(fd, LOCK_EX | LOCK_NB)) == 0 && fchmod(fd, 01777) == 0 && access(buf, F_OK) == 0)
        return fd;
    int e = errno;
    if (fd >= 0)
        close(fd);
    (void)rmdir(buf);
    return -e;
}

int host_private_new(char *buf, size_t cap)
{
    const char *tmp = getenv("TMPDIR");
    const char *bases[] = {"/dev/shm", tmp && *tmp == '/' ? tmp : "/tmp", "/tmp"};
    int r = -ENOENT;
    for (size_t i = 0; i < ARRAY_LEN(bases) && r < 0; i++)
        r = make_in(bases[i], buf, cap);
    return r;
}

void host_private_remove(int fd, const char *path)
{
    empty(fd, DEPTH);
    (void)rmdir(path);
    close(fd);
}
