/*
 * readonly.c - under --read-only each way to change something ends with EROFS:  readonly FILE DIRECTORY BOUND
 * FILE and what is in DIRECTORY cannot be changed, BOUND can.   readonly   alone prints where things lie.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/un.h>
#include <sys/xattr.h>
#include <unistd.h>

static int bad;

static void refused(const char *what, long r)
{
    if (r != -1 || errno != EROFS) {
        printf("%s: %s\n", what, r == -1 ? strerror(errno) : "done");
        bad = 1;
    }
}
#define REFUSED(call) refused(#call, (long)(call))

int main(int argc, char **argv)
{
    static int data;
    char inside[200];
    struct sockaddr_un address = {AF_UNIX, "sock"};

    if (argc < 4) {
        printf("%p %p %p %p\n", (void *)&main, (void *)&data, (void *)inside, malloc(1 << 20));
        return 0;
    }
    char *file = argv[1];
    snprintf(inside, sizeof inside, "%s/new", argv[2]);
    int fd = open(file, O_RDONLY), dir = open(argv[2], O_RDONLY | O_DIRECTORY);
    REFUSED(open(file, O_WRONLY));
    REFUSED(open(file, O_RDWR));
    REFUSED(open(file, O_RDONLY | O_TRUNC));
    REFUSED(open(inside, O_CREAT | O_RDWR, 0600));
    REFUSED(open(argv[2], O_TMPFILE | O_RDWR, 0600));
    REFUSED(openat(dir, "new", O_CREAT | O_WRONLY, 0600));
    REFUSED(mkdir(inside, 0700));
    REFUSED(mkdirat(dir, "new", 0700));
    REFUSED(mkfifo(inside, 0600));
    REFUSED(mknod(inside, S_IFREG | 0600, 0));
    REFUSED(symlink("x", inside));
    REFUSED(link(file, inside));
    REFUSED(rename(file, inside));
    REFUSED(unlink(file));
    REFUSED(rmdir(argv[2]));
    REFUSED(chmod(file, 0600));
    REFUSED(fchmod(fd, 0600));
    REFUSED(chown(file, 0, 0));
    REFUSED(fchown(fd, 0, 0));
    REFUSED(truncate(file, 0));
    REFUSED(utimensat(AT_FDCWD, file, NULL, 0));
    REFUSED(futimens(fd, NULL));
    REFUSED(setxattr(file, "user.x", "y", 1, 0));
    REFUSED(fsetxattr(fd, "user.x", "y", 1, 0));
    REFUSED(access(file, W_OK));
    snprintf(inside, sizeof inside, "/proc/self/fd/%d", fd);
    REFUSED(open(inside, O_RDWR));
    snprintf(address.sun_path, sizeof address.sun_path, "%s/sock", argv[2]);
    REFUSED(bind(socket(AF_UNIX, SOCK_STREAM, 0), (struct sockaddr *)&address, sizeof address));
    if (mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) != MAP_FAILED || errno != EACCES)
        bad = printf("a shared writable mapping\n");
    struct statfs s;
    if (statfs(file, &s) || !(s.f_flags & 1))
        bad = printf("statfs does not say so\n");
    snprintf(inside, sizeof inside, "%s/new", argv[3]);
    if (open(inside, O_CREAT | O_RDWR, 0600) < 0 || open("/dev/null", O_RDWR) < 0 || chmod(inside, 0644))
        bad = printf("%s: %s\n", inside, strerror(errno));
    return bad;
}
