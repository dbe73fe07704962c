/*
 * memory_file.c - mappings of files: what read(2) and write(2) see of them and they of it, what
 * truncation does, and which protections a descriptor allows.
 */
#include "check.h"

static char *map(int fd, size_t pages, int protection, int flags, off_t offset)
{
    char *p = mmap(NULL, pages * PAGE, protection, flags, fd, offset);
    CHECK(p != MAP_FAILED);
    return p;
}

static void put(int fd, const char *text, off_t offset)
{
    CHECK_EQ(pwrite(fd, text, strlen(text), offset), strlen(text));
}

static int has(int fd, const char *text, off_t offset)
{
    char got[64] = "";
    return pread(fd, got, strlen(text), offset) == (ssize_t)strlen(text) &&
           memcmp(got, text, strlen(text)) == 0;
}

static void private_mapping_reads_the_file(void)
{
    int fd = check_file(0);
    put(fd, "first", 0);
    put(fd, "second", PAGE);
    char *p = map(fd, 2, PROT_READ | PROT_WRITE, MAP_PRIVATE, 0);
    CHECK_EQ(memcmp(p, "first", 6), 0);
    CHECK_EQ(memcmp(p + PAGE, "second", 7), 0);   /* and zeros to the page's end */
    for (unsigned i = PAGE + 6; i < 2 * PAGE; i++)
        CHECK_EQ(p[i], 0);
    strcpy(p, "mine");
    CHECK(has(fd, "first", 0));                   /* the file does not change */
    char *q = map(fd, 1, PROT_READ, MAP_PRIVATE, PAGE);
    CHECK_EQ(memcmp(q, "second", 6), 0);
}

static void shared_mapping_is_the_file(void)
{
    int fd = check_file(2 * PAGE);
    char *p = map(fd, 2, PROT_READ | PROT_WRITE, MAP_SHARED, 0);
    char *q = map(fd, 1, PROT_READ | PROT_WRITE, MAP_SHARED, PAGE);
    strcpy(p + PAGE, "store");
    CHECK(has(fd, "store", PAGE));                /* read sees the store at once */
    CHECK_EQ(strcmp(q, "store"), 0);              /* so does the other mapping */
    put(fd, "write", PAGE);
    CHECK_EQ(strcmp(p + PAGE, "write"), 0);       /* the mapping sees write at once */
    q[0] = 'W';
    CHECK(has(fd, "Write", PAGE));
}

static void private_page_sees_writes_until_it_is_copied(void)
{
    int fd = check_file(2 * PAGE);
    char *p = map(fd, 2, PROT_READ | PROT_WRITE, MAP_PRIVATE, 0);
    p[PAGE] = 'm';                                /* this page is its own from now on */
    put(fd, "x", PAGE);
    CHECK_EQ(p[PAGE], 'm');
    CHECK_EQ(p[PAGE + 1], 0);
}

static void written_back_at_msync_and_munmap(void)
{
    char path[] = "/tmp/tine-map-XXXXXX";
    int fd = mkstemp(path), again;
    CHECK(fd >= 0);
    CHECK_EQ(ftruncate(fd, 3 * PAGE), 0);
    char *p = map(fd, 3, PROT_READ | PROT_WRITE, MAP_SHARED, 0);
    CHECK_EQ(close(fd), 0);                       /* the mapping outlives the descriptor */
    strcpy(p, "synced");
    CHECK_EQ(msync(p, PAGE, MS_SYNC), 0);
    CHECK((again = open(path, O_RDONLY)) >= 0);
    CHECK(has(again, "synced", 0));
    strcpy(p + 2 * PAGE, "unmapped");
    CHECK_EQ(munmap(p, 3 * PAGE), 0);
    CHECK(has(again, "unmapped", 2 * PAGE));
    close(again);
    CHECK((fd = open(path, O_RDWR)) >= 0);
    pid_t pid = check_fork();
    if (pid == 0) {
        strcpy(map(fd, 1, PROT_READ | PROT_WRITE, MAP_SHARED, PAGE), "at exit");
        _exit(0);
    }
    CHECK_EXIT(pid, 0);
    CHECK(has(fd, "at exit", PAGE));
    CHECK_EQ(unlink(path), 0);
    CHECK_ERR(msync((void *)(PAGE * 8), PAGE, MS_SYNC), ENOMEM);
    CHECK_ERR(msync(p, PAGE, MS_SYNC | MS_ASYNC), EINVAL);
}

static void two_processes_share_through_the_file(void)
{
    char path[] = "/tmp/tine-map-XXXXXX";
    int fd = mkstemp(path);
    struct gate go = gate_new(), done = gate_new();
    CHECK(fd >= 0);
    CHECK_EQ(ftruncate(fd, PAGE), 0);
    pid_t pid = check_fork();
    if (pid == 0) {
        int own = open(path, O_RDWR);             /* a description of its own */
        char *p = map(own, 1, PROT_READ | PROT_WRITE, MAP_SHARED, 0);
        gate_wait(go);
        CHECK_EQ(strcmp(p, "from parent"), 0);
        strcpy(p, "from child");
        gate_open(done);
        _exit(0);
    }
    char *p = map(fd, 1, PROT_READ | PROT_WRITE, MAP_SHARED, 0);
    strcpy(p, "from parent");
    gate_open(go);
    gate_wait(done);
    CHECK_EQ(strcmp(p, "from child"), 0);
    CHECK_EXIT(pid, 0);
    CHECK_EQ(unlink(path), 0);
}

static void truncated_and_grown(void)
{
    int fd = check_file(3 * PAGE);
    char *p = map(fd, 3, PROT_READ | PROT_WRITE, MAP_SHARED, 0);
    memset(p, 'a', 3 * PAGE);
    CHECK_EQ(ftruncate(fd, 100), 0);
    CHECK_EQ(p[99], 'a');
    CHECK_EQ(p[100], 0);                          /* the tail of the page was cleared */
    CHECK_EQ(ftruncate(fd, 3 * PAGE), 0);
    CHECK_EQ(p[100], 0);
    CHECK_EQ(p[PAGE], 0);                         /* grown again: zeros, not the old data */
    CHECK_EQ(p[2 * PAGE], 0);
    p[2 * PAGE] = 'n';
    CHECK(has(fd, "n", 2 * PAGE));
    struct stat st;
    CHECK_EQ(fstat(fd, &st), 0);
    CHECK_EQ(st.st_size, 3 * PAGE);
}

static void protections_of_the_descriptor(void)
{
    char path[] = "/tmp/tine-map-XXXXXX";
    int fd = mkstemp(path);
    CHECK(fd >= 0);
    CHECK_EQ(ftruncate(fd, PAGE), 0);
    int in = open(path, O_RDONLY), out = open(path, O_WRONLY);
    CHECK_ERR((long)mmap(NULL, PAGE, PROT_WRITE, MAP_SHARED, in, 0), EACCES);
    CHECK_ERR((long)mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, out, 0), EACCES);
    CHECK_ERR((long)mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 100), EINVAL);
    char *p = map(in, 1, PROT_READ | PROT_WRITE, MAP_PRIVATE, 0); /* private: may be written */
    p[0] = 'x';
    char *q = map(in, 1, PROT_READ, MAP_SHARED, 0);
    CHECK_ERR(mprotect(q, PAGE, PROT_READ | PROT_WRITE), EACCES);
    CHECK_EQ(mprotect(q, PAGE, PROT_NONE), 0);
    CHECK_EQ(mprotect(q, PAGE, PROT_READ), 0);
    int end[2];
    CHECK_EQ(pipe(end), 0);
    CHECK_ERR((long)mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, end[0], 0), ENODEV);
    CHECK_EQ(unlink(path), 0);
}

static void a_system_call_between_mapping_and_file(void)
{
    int fd = check_file(4 * PAGE);
    char *p = map(fd, 4, PROT_READ | PROT_WRITE, MAP_SHARED, 0);
    memset(p, 'a', PAGE);
    CHECK_EQ(pwrite(fd, p, PAGE, 2 * PAGE), PAGE); /* from the mapping into the file */
    CHECK_EQ(p[2 * PAGE + 5], 'a');
    CHECK_EQ(pread(fd, p + 3 * PAGE, PAGE, 0), PAGE); /* and back */
    CHECK_EQ(p[4 * PAGE - 1], 'a');
    CHECK(has(fd, "aaaa", 3 * PAGE));
}

static void memfd(void)
{
    int fd = (int)syscall(SYS_memfd_create, "check", 1u /* MFD_CLOEXEC */);
    if (fd < 0 && errno == ENOSYS)
        check_skip("no memfd here");
    CHECK(fd >= 0);
    CHECK_EQ(ftruncate(fd, 2 * PAGE), 0);
    char *p = map(fd, 2, PROT_READ | PROT_WRITE, MAP_SHARED, 0);
    strcpy(p + PAGE, "memfd");
    CHECK(has(fd, "memfd", PAGE));
    pid_t pid = check_fork();
    if (pid == 0) {
        strcpy(p + PAGE, "child");
        _exit(0);
    }
    CHECK_EXIT(pid, 0);
    CHECK_EQ(strcmp(p + PAGE, "child"), 0);
}

/* The program's own text and data are a file mapping too: a store into .data stays private. */
static int in_data = 12345;
static void data_segment_is_private(void)
{
    pid_t pid = check_fork();
    if (pid == 0) {
        in_data = 54321;
        execl(check_self, check_self, "--data", (char *)NULL);
        _exit(127);
    }
    CHECK_EXIT(pid, 0);
    CHECK_EQ(in_data, 12345);
}

/* What is stored to a shared mapping is in the file for who reads that, each time anew; and a read costs
 * what was stored since the last one, not the size of the mapping. */
static void stores_seen_by_reads(void)
{
    size_t pages = 16384;
    int fd = check_file(pages * PAGE);
    signed char *p = mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0), got = 0;
    CHECK(p != MAP_FAILED);
    for (size_t i = 0; i < pages; i++)
        p[i * PAGE] = 1;
    for (int i = 2; i < 100; i++) {
        p[7 * PAGE] = (signed char)i;
        CHECK_EQ(pread(fd, &got, 1, 7 * (off_t)PAGE), 1);
        CHECK_EQ(got, i);
        p[7 * PAGE] = (signed char)-i;
        CHECK_EQ(msync(p + 7 * PAGE, PAGE, MS_SYNC), 0);
        CHECK_EQ(pread(fd, &got, 1, 7 * (off_t)PAGE), 1);
        CHECK_EQ(got, -i);
    }
    pid_t pid = check_fork();
    if (pid == 0) {
        p[9 * PAGE] = 42;
        CHECK_EQ(pread(fd, &got, 1, 9 * (off_t)PAGE), 1);
        CHECK_EQ(got, 42);
        p[9 * PAGE] = 43;
        _exit(0);
    }
    CHECK_EXIT(pid, 0);
    CHECK_EQ(pread(fd, &got, 1, 9 * (off_t)PAGE), 1);
    CHECK_EQ(got, 43);
    p[9 * PAGE] = 44;
    CHECK_EQ(pread(fd, &got, 1, 9 * (off_t)PAGE), 1);
    CHECK_EQ(got, 44);
}

static const struct check_case cases[] = {
    CASE(stores_seen_by_reads),
    CASE(private_mapping_reads_the_file),
    CASE(shared_mapping_is_the_file),
    CASE(private_page_sees_writes_until_it_is_copied),
    CASE(written_back_at_msync_and_munmap),
    CASE(two_processes_share_through_the_file),
    CASE(truncated_and_grown),
    CASE(protections_of_the_descriptor),
    CASE(a_system_call_between_mapping_and_file),
    CASE(memfd),
    CASE(data_segment_is_private),
};

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "--data") == 0)
        return in_data != 12345;
    return check_main(argc, argv, cases, COUNT(cases));
}
