/*
 * full.c - a disk that is full. In its current directory, which has few MiB of room:
 *     full write    fills a file, is told ENOSPC, loses nothing of what was taken; frees some, goes on
 *     full store    fills it by stores to a shared mapping: whoever is told that they are in the file finds them
 *     full limits   takes descriptors and memory until the kernel says no, and lives
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define WANT(condition) do { if (!(condition)) { \
    printf("line %d: %s: %s\n", __LINE__, #condition, strerror(errno)); fflush(stdout); _exit(1); } } while (0)
#define SIZE (64UL << 20) /* more than there is room */

static char block[65536];
static sigjmp_buf back;

static void writing(void)
{
    int fd = open("file", O_RDWR | O_CREAT | O_TRUNC, 0600);
    long total = 0, n;
    char c;

    WANT(fd >= 0);
    memset(block, 'w', sizeof block);
    while ((n = write(fd, block, sizeof block)) > 0)
        total += n;
    WANT(n == -1 && errno == ENOSPC && total > 1 << 20);
    WANT(lseek(fd, 0, SEEK_END) == total);
    for (long at = 0; at < total; at += 4096)
        WANT(pread(fd, &c, 1, at) == 1 && c == 'w');
    WANT(write(fd, block, sizeof block) == -1 && errno == ENOSPC);
    int other = open("other", O_WRONLY | O_CREAT, 0600);
    WANT(other < 0 ? errno == ENOSPC : write(other, block, 4096) == -1 && errno == ENOSPC);
    WANT(ftruncate(fd, total / 2) == 0); /* and goes on */
    WANT(lseek(fd, 0, SEEK_END) == total / 2 && write(fd, block, 1000) == 1000 && fsync(fd) == 0);
    WANT(unlink("file") == 0 && close(fd) == 0);
}

static void no_room(int number)
{
    siglongjmp(back, number);
}

static void storing(void)
{
    int fd = open("mapped", O_RDWR | O_CREAT | O_TRUNC, 0600), told = 0;
    struct stat s;
    volatile unsigned long at = 0;
    char c;

    WANT(fd >= 0 && ftruncate(fd, SIZE) == 0);
    char *p = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    WANT(p != MAP_FAILED);
    signal(SIGBUS, no_room);
    if (sigsetjmp(back, 1) == 0)
        for (; at < SIZE; at += 4096) {
            p[at] = 's';
            if (at % (1 << 20) == 0 && msync(p, at + 4096, MS_SYNC) < 0) {
                WANT(errno == ENOSPC || errno == EIO);
                told = 1;
                break;
            }
        }
    WANT(told || at < SIZE); /* by SIGBUS or by msync */
    WANT(at > 1 << 20);
    for (unsigned long i = 0; i + (1 << 20) < at; i += 4096) /* synced */
        WANT(pread(fd, &c, 1, (long)i) == 1 && c == 's');
    WANT(fstat(fd, &s) == 0 && s.st_size == (long)SIZE);
    WANT(munmap(p, SIZE) == 0 && unlink("mapped") == 0 && close(fd) == 0);
    fd = open("again", O_RDWR | O_CREAT, 0600); /* there is room again, and tine works on */
    WANT(fd >= 0 && write(fd, block, sizeof block) == sizeof block && fork() >= 0);
    unlink("again");
}

static void limits(void)
{
    int n = 0, status;

    while (open("/proc/self/exe", O_RDONLY) >= 0 && n < 5000)
        n++;
    WANT(n == 5000 || errno == EMFILE || errno == ENFILE);
    for (int i = 3; i < n + 3; i++)
        close(i);
    pid_t pid = fork();
    if (pid == 0) {
        for (;;) {
            char *p = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
            if (p == MAP_FAILED)
                _exit(errno == ENOMEM ? 0 : 1);
            memset(p, 1, 1 << 20);
        }
    }
    WANT(pid > 0 && waitpid(pid, &status, 0) == pid);
    WANT(status == 0 || WTERMSIG(status) == SIGKILL);
    WANT(open("/proc/self/exe", O_RDONLY) >= 0);
    pid = fork();
    if (pid == 0)
        _exit(7);
    WANT(pid > 0 && waitpid(pid, &status, 0) == pid && WEXITSTATUS(status) == 7);
}

/* Many who wait for one descriptor of the host's, for a second. */
static void waiting(void)
{
    char c;

    for (int i = 0; i < 200; i++)
        if (fork() == 0) {
            (void)!read(0, &c, 1);
            _exit(0);
        }
    sleep(1);
}

int main(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "";

    if (!strcmp(what, "write"))
        writing();
    else if (!strcmp(what, "store"))
        storing();
    else if (!strcmp(what, "limits"))
        limits();
    else if (!strcmp(what, "waiting"))
        waiting();
    else
        return 2;
    puts("ok");
    return 0;
}
