/* splice, tee, vmsplice, preadv2 and pwritev2, memfd seals. */
#include "check.h"

#include <sys/uio.h>

static void fill(int fd, const char *text)
{
    CHECK_EQ(write(fd, text, strlen(text)), (long)strlen(text));
}

static void expect(int fd, const char *text)
{
    char buf[64];
    CHECK_EQ(read(fd, buf, sizeof buf), (long)strlen(text));
    CHECK_EQ(memcmp(buf, text, strlen(text)), 0);
}

static void file_to_pipe_to_file(void)
{
    int in = check_file(0), out = check_file(0), p[2];
    char *big = check_private(25), *back = check_private(25);
    CHECK_EQ(pipe(p), 0);
    for (size_t i = 0; i < 100000; i++)
        big[i] = (char)(i * 7 + i / 251);
    CHECK_EQ(write(in, big, 100000), 100000);
    loff_t from = 10, to = 5;
    size_t moved = 0;
    while (moved < 99990) {
        ssize_t n = splice(in, &from, p[1], NULL, 99990 - moved, SPLICE_F_MORE);
        CHECK(n > 0 && n <= 65536);
        moved += (size_t)n;
        while (n > 0) {
            ssize_t k = splice(p[0], NULL, out, &to, (size_t)n, SPLICE_F_MOVE);
            CHECK(k > 0);
            n -= k;
        }
    }
    CHECK_EQ(from, 100000);
    CHECK_EQ(to, 99995);
    CHECK_EQ(lseek(in, 0, SEEK_CUR), 100000); /* not moved by an offset of the caller's */
    CHECK_EQ(pread(out, back, 99990, 5), 99990);
    CHECK_EQ(memcmp(back, big + 10, 99990), 0);
    CHECK_EQ(splice(in, NULL, p[1], NULL, 10, 0), 0); /* the end */
}

static void splice_errors(void)
{
    int file = check_file(10), p[2];
    loff_t at = 0;
    CHECK_EQ(pipe(p), 0);
    CHECK_ERR(splice(file, NULL, file, NULL, 10, 0), EINVAL);
    CHECK_ERR(splice(p[0], &at, file, NULL, 10, 0), ESPIPE);
    CHECK_ERR(splice(p[0], NULL, p[1], NULL, 10, 0), EINVAL);
    CHECK_ERR(splice(file, NULL, p[1], NULL, 10, 0x100), EINVAL);
    CHECK_ERR(splice(p[1], NULL, file, NULL, 10, 0), EBADF);
    CHECK_ERR(splice(p[0], NULL, file, NULL, 10, SPLICE_F_NONBLOCK), EAGAIN);
    CHECK_EQ(fcntl(file, F_SETFL, O_APPEND), 0);
    fill(p[1], "x");
    CHECK_ERR(splice(p[0], NULL, file, NULL, 10, 0), EINVAL);
    close(p[1]);
    expect(p[0], "x");
    CHECK_EQ(fcntl(file, F_SETFL, 0), 0);
    CHECK_EQ(splice(p[0], NULL, file, NULL, 10, 0), 0); /* no writer is left */
}

static void splice_waits(void)
{
    int p[2], q[2];
    CHECK_EQ(pipe(p), 0);
    CHECK_EQ(pipe(q), 0);
    pid_t pid = check_fork();
    if (pid == 0)
        _exit((int)splice(p[0], NULL, q[1], NULL, 100, 0));
    check_sleep_ms(10);
    fill(p[1], "hello");
    CHECK_EXIT(pid, 5);
    expect(q[0], "hello");
    signal(SIGPIPE, SIG_IGN);
    fill(p[1], "lost?");
    close(q[0]);
    CHECK_ERR(splice(p[0], NULL, q[1], NULL, 100, 0), EPIPE);
    expect(p[0], "lost?");
}

static void tees(void)
{
    int p[2], q[2];
    CHECK_EQ(pipe(p), 0);
    CHECK_EQ(pipe(q), 0);
    fill(p[1], "twice");
    CHECK_EQ(tee(p[0], q[1], 3, 0), 3);
    expect(q[0], "twi");
    CHECK_EQ(tee(p[0], q[1], 100, 0), 5);
    expect(q[0], "twice");
    expect(p[0], "twice");
    CHECK_ERR(tee(p[0], q[1], 1, SPLICE_F_NONBLOCK), EAGAIN);
    CHECK_ERR(tee(p[0], p[1], 1, 0), EINVAL);
    CHECK_ERR(tee(check_file(1), q[1], 1, 0), EINVAL);
}

static void vmsplices(void)
{
    int p[2];
    char out[8] = { 0 };
    struct iovec v[2] = { { "abc", 3 }, { "defg", 4 } }, w = { out, 7 };
    CHECK_EQ(pipe(p), 0);
    CHECK_EQ(vmsplice(p[1], v, 2, 0), 7);
    CHECK_EQ(vmsplice(p[0], &w, 1, 0), 7);
    CHECK_EQ(memcmp(out, "abcdefg", 7), 0);
    CHECK_ERR(vmsplice(check_file(1), v, 1, 0), EBADF);
}

static void flags_of_vectors(void)
{
    int fd = check_file(0);
    char buf[8] = { 0 };
    struct iovec v = { "abcd", 4 }, w = { buf, 8 };
    CHECK_EQ(pwritev2(fd, &v, 1, 0, RWF_DSYNC), 4);
    CHECK_EQ(pwritev2(fd, &v, 1, 0, RWF_APPEND), 4); /* the offset does not count */
    CHECK_EQ(lseek(fd, 0, SEEK_CUR), 0);
    CHECK_EQ(preadv2(fd, &w, 1, 2, 0), 6);
    CHECK_EQ(memcmp(buf, "cdabcd", 6), 0);
    CHECK_EQ(preadv2(fd, &w, 1, -1, 0), 8); /* the file's own position */
    CHECK_EQ(lseek(fd, 0, SEEK_CUR), 8);
    CHECK_ERR(preadv2(fd, &w, 1, 0, 0x4000), EOPNOTSUPP);
    CHECK_ERR(preadv2(fd, &w, 1, -2, 0), EINVAL);
}

static void seals(void)
{
    int fd = memfd_create("sealed", MFD_ALLOW_SEALING), plain = memfd_create("plain", 0);
    CHECK(fd >= 0 && plain >= 0);
    CHECK_EQ(fcntl(plain, F_GET_SEALS), F_SEAL_SEAL);
    CHECK_ERR(fcntl(plain, F_ADD_SEALS, F_SEAL_WRITE), EPERM);
    CHECK_ERR(fcntl(check_file(1), F_ADD_SEALS, F_SEAL_WRITE), EINVAL);
    CHECK_EQ(ftruncate(fd, PAGE), 0);
    char *p = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    CHECK(p != MAP_FAILED);
    strcpy(p, "kept");
    CHECK_ERR(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), EBUSY);
    CHECK_EQ(munmap(p, PAGE), 0);
    CHECK_EQ(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK), 0);
    CHECK_EQ(fcntl(fd, F_GET_SEALS), F_SEAL_WRITE | F_SEAL_SHRINK);
    CHECK_ERR(write(fd, "x", 1), EPERM);
    CHECK_ERR(ftruncate(fd, 0), EPERM);
    CHECK_EQ(ftruncate(fd, 2 * PAGE), 0);
    CHECK_EQ(mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0), MAP_FAILED);
    CHECK_EQ(errno, EPERM);
    p = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
    CHECK(p != MAP_FAILED && !strcmp(p, "kept"));
    p[0] = 'x'; /* its own copy */
    CHECK_EQ(fcntl(fd, F_ADD_SEALS, F_SEAL_GROW | F_SEAL_SEAL), 0);
    CHECK_ERR(ftruncate(fd, 3 * PAGE), EPERM);
    CHECK_ERR(fcntl(fd, F_ADD_SEALS, F_SEAL_FUTURE_WRITE), EPERM);
}

static const struct check_case cases[] = {
    CASE(file_to_pipe_to_file), CASE(splice_errors), CASE(splice_waits), CASE(tees),
    CASE(vmsplices), CASE(flags_of_vectors), CASE(seals),
};
CHECK_MAIN(cases)
