/*
 * work.c - what a shell script does with files and processes, each step checked. On a host that fails it
 * ends with 3 and says which call had which error; with 4 if a call said success and it was not so.
 * The first argument is an empty directory; "result" stays there.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define RUNS 4
#define NUMBERS 3000
#define WORD 8 /* "%07d\n" */

static void end(int status, const char *format, ...)
{
    char line[200];
    va_list args;
    int saved = errno;

    va_start(args, format);
    int n = vsnprintf(line, sizeof line - 50, format, args);
    va_end(args);
    n += snprintf(line + n, sizeof line - (size_t)n, status == 3 ? ": %s\n" : "\n", strerrorname_np(saved));
    for (int at = 0, wrote; at < n; at += wrote)
        if ((wrote = (int)write(1, line + at, (size_t)(n - at))) < 0)
            break;
    _exit(status);
}

#define OK(call) ({ long r_ = (long)(call); if (r_ == -1) end(3, "%s", #call); r_; })
#define TRUE(what) do { if (!(what)) end(4, "LOST: line %d: %s", __LINE__, #what); } while (0)

static void put(int fd, const void *from, size_t n)
{
    for (size_t at = 0; at < n;)
        at += (size_t)OK(write(fd, (const char *)from + at, n - at));
}

static size_t get(int fd, void *to, size_t n)
{
    size_t at = 0;

    for (long r = 1; at < n && r; at += (size_t)r)
        r = OK(read(fd, (char *)to + at, n - at));
    return at;
}

static void wait_for(pid_t pid)
{
    int status;

    OK(waitpid(pid, &status, 0));
    if (WIFSIGNALED(status)) /* a page that could not be had */
        end(WTERMSIG(status) == SIGBUS || WTERMSIG(status) == SIGKILL ? 5 : 4, "child killed by %d", WTERMSIG(status));
    if (WEXITSTATUS(status))
        _exit(WEXITSTATUS(status));
}

static unsigned number(unsigned i)
{
    return i * 2654435761u % 10000000;
}

static int order(const void *a, const void *b)
{
    return memcmp(a, b, WORD);
}

/* seq | sort (runs in temporary files, merged) > result */
static void sorting(void)
{
    static char all[NUMBERS * WORD + 1], run[RUNS][NUMBERS * WORD / RUNS], merged[sizeof all];
    size_t size = sizeof run[0], at[RUNS] = {0}, n = 0;
    int ends[2], fd[RUNS], out;
    pid_t pid;

    OK(pipe(ends));
    pid = (pid_t)OK(fork());
    if (pid == 0) {
        for (unsigned i = 0; i < NUMBERS; i++)
            sprintf(all + i * WORD, "%07u\n", number(i));
        put(ends[1], all, NUMBERS * WORD);
        _exit(0);
    }
    OK(close(ends[1]));
    for (int i = 0; i < RUNS; i++) {
        char name[] = "sortXXXXXX";

        if (get(ends[0], run[i], size) != size) {
            wait_for(pid); /* says why */
            TRUE(!"all of it");
        }
        qsort(run[i], size / WORD, WORD, order);
        fd[i] = (int)OK(mkstemp(name));
        OK(unlink(name));
        put(fd[i], run[i], size);
        OK(lseek(fd[i], 0, SEEK_SET));
    }
    wait_for(pid);
    memset(run, 0, sizeof run);
    for (int i = 0; i < RUNS; i++) {
        TRUE(get(fd[i], run[i], size) == size);
        OK(close(fd[i]));
    }
    OK(close(ends[0]));
    while (n < NUMBERS * WORD) {
        int least = -1;

        for (int i = 0; i < RUNS; i++)
            if (at[i] < size && (least < 0 || order(run[i] + at[i], run[least] + at[least]) < 0))
                least = i;
        memcpy(merged + n, run[least] + at[least], WORD);
        at[least] += WORD;
        n += WORD;
    }
    for (size_t i = WORD; i < n; i += WORD)
        TRUE(order(merged + i - WORD, merged + i) <= 0);
    out = (int)OK(open("result", O_RDWR | O_CREAT | O_TRUNC, 0644));
    put(out, merged, n);
    OK(fsync(out));
    TRUE(OK(pread(out, all, n, 0)) == (long)n && memcmp(all, merged, n) == 0);
    OK(close(out));
}

/* A file by stores: msync says whether they got there. */
static void mapping(void)
{
    size_t size = 5 * 4096;
    int fd = (int)OK(open("mapped", O_RDWR | O_CREAT | O_TRUNC, 0644));
    char *p, byte;

    OK(ftruncate(fd, (long)size));
    p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (p == MAP_FAILED)
        end(3, "mmap");
    for (size_t i = 0; i < size; i += 4096)
        p[i] = (char)('a' + i / 4096);
    OK(msync(p, size, MS_SYNC));
    for (size_t i = 0; i < size; i += 4096) {
        TRUE(OK(pread(fd, &byte, 1, (long)i)) == 1);
        TRUE(byte == (char)('a' + i / 4096));
    }
    OK(munmap(p, size));
    p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
    if (p == MAP_FAILED)
        end(3, "mmap");
    p[4096] = 'X';
    TRUE(p[0] == 'a' && p[8192] == 'c');
    OK(pread(fd, &byte, 1, 4096));
    TRUE(byte == 'b');
    OK(munmap(p, size));
    OK(close(fd));
}

/* cat <<END, >>, and a pipeline of programs */
static void pipeline(const char *self)
{
    static const char text[] = "here\ndocument\n";
    char back[sizeof text], name[] = "hereXXXXXX";
    int doc = (int)OK(mkstemp(name)), first[2], second[2];
    pid_t pids[2];

    put(doc, text, sizeof text - 1);
    OK(lseek(doc, 0, SEEK_SET));
    OK(unlink(name));
    OK(pipe(first));
    OK(pipe(second));
    for (int i = 0; i < 2; i++) {
        pids[i] = (pid_t)OK(i ? fork() : vfork());
        if (pids[i] == 0) {
            if (dup2(i ? first[0] : doc, 0) < 0 || dup2(i ? second[1] : first[1], 1) < 0)
                _exit(3);
            close(first[0]), close(first[1]), close(second[0]), close(second[1]);
            execl(self, self, "cat", NULL);
            _exit(errno == EIO || errno == ENOMEM || errno == EMFILE ? 3 : 4);
        }
    }
    OK(close(first[0])), OK(close(first[1])), OK(close(second[1]));
    size_t n = get(second[0], back, sizeof back);
    for (int i = 0; i < 2; i++)
        wait_for(pids[i]);
    TRUE(n == sizeof text - 1 && memcmp(back, text, n) == 0);
    OK(close(second[0])), OK(close(doc));
    for (int i = 0; i < 3; i++) {
        int log = (int)OK(open("log", O_WRONLY | O_APPEND | O_CREAT, 0644));
        put(log, "line\n", 5);
        OK(close(log));
    }
    struct stat s;
    OK(stat("log", &s));
    TRUE(s.st_size == 15);
}

static void directories(void)
{
    char name[20];
    int found = 0;
    struct stat s;

    OK(mkdir("dir", 0755));
    for (int i = 0; i < 12; i++) {
        snprintf(name, sizeof name, "dir/file%d", i);
        int fd = (int)OK(open(name, O_WRONLY | O_CREAT | O_EXCL, 0644));
        OK(fchmod(fd, 0600));
        OK(close(fd));
    }
    OK(rename("dir/file0", "dir/renamed"));
    OK(link("dir/renamed", "dir/linked"));
    OK(symlink("renamed", "dir/link"));
    OK(stat("dir/link", &s));
    TRUE(s.st_nlink == 2);
    OK(readlink("dir/link", name, sizeof name));
    DIR *dir = opendir("dir");
    if (!dir)
        end(3, "opendir");
    errno = 0;
    for (struct dirent *e; (e = readdir(dir));)
        found += e->d_name[0] != '.';
    if (errno)
        end(3, "readdir");
    TRUE(found == 14);
    OK(closedir(dir));
    OK(unlink("dir/link")), OK(unlink("dir/linked")), OK(unlink("dir/renamed"));
    for (int i = 1; i < 12; i++) {
        snprintf(name, sizeof name, "dir/file%d", i);
        OK(unlink(name));
    }
    OK(rmdir("dir"));
}

/* Many processes at a time, each with a message over a socket, and memory of its own. */
static void family(void)
{
    int ends[2], sum = 0;
    pid_t pids[10];
    volatile char *memory;

    OK(socketpair(AF_UNIX, SOCK_STREAM, 0, ends));
    memory = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        end(3, "mmap");
    for (int i = 0; i < 1 << 20; i += 4096)
        memory[i] = 1;
    for (int i = 0; i < 10; i++) {
        pids[i] = (pid_t)OK(fork());
        if (pids[i] == 0) {
            char c = (char)i;
            memory[i * 4096] = c;
            put(ends[1], &c, 1);
            _exit(memory[i * 4096] == c ? 0 : 4);
        }
    }
    for (int i = 0; i < 10; i++)
        wait_for(pids[i]);
    for (int i = 0; i < 10; i++) {
        char c;
        TRUE(get(ends[0], &c, 1) == 1);
        sum += c;
    }
    TRUE(sum == 45 && memory[4096] == 1);
    OK(close(ends[0])), OK(close(ends[1]));
}

int main(int argc, char **argv)
{
    char buffer[100], self[4096];
    size_t n;

    if (argc > 1 && strcmp(argv[1], "cat") == 0) {
        while ((n = get(0, buffer, sizeof buffer)))
            put(1, buffer, n);
        return 0;
    }
    if (argc < 2 || !realpath("/proc/self/exe", self))
        end(3, "realpath");
    OK(chdir(argv[1]));
    put(1, "begin\n", 6);
    sorting();
    mapping();
    pipeline(self);
    directories();
    family();
    put(1, "end\n", 4);
    return 0;
}
