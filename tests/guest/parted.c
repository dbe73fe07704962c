// What two copies of a machine must not share. Each case makes something, waits for a letter from outside,
// during which tests/unit/machine_parted_test.c copies the machine and tells each copy another one, marks what
// it made with that letter, waits for the other copy to have done so, and finds its own mark alone.
// On its own, at the end of its input, the letter is 'n'.
#include "check.h"

#include <mqueue.h>
#include <poll.h>
#include <pty.h>
#include <stdbool.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/ipc.h>
#include <sys/mount.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/un.h>
#include <sys/xattr.h>

static char letter(void)
{
    char c = 'n';

    return read(0, &c, 1) == 1 ? c : 'n';
}

// The other copy makes its marks meanwhile.
static void meanwhile(void)
{
    (void)letter();
}

static char byte_at(int fd, off_t offset)
{
    char c = '?';

    CHECK_EQ(pread(fd, &c, 1, offset), 1);
    return c;
}

static int memfd(size_t size)
{
    int fd = memfd_create("parted", MFD_ALLOW_SEALING);

    CHECK(fd >= 0);
    for (size_t i = 0; i < size; i += PAGE)
        CHECK_EQ(pwrite(fd, "s", 1, (off_t)i), 1);
    CHECK_EQ(ftruncate(fd, (off_t)size), 0);
    return fd;
}

static void memfd_written(void)
{
    int fd = memfd(8 * PAGE);
    char l = letter();

    for (int i = 0; i < 8; i += 2)
        CHECK_EQ(pwrite(fd, &l, 1, i * (off_t)PAGE), 1);
    CHECK_EQ(ftruncate(fd, l == 'a' ? 7 * PAGE : 9 * PAGE), 0);
    meanwhile();
    for (int i = 0; i < 7; i++)
        CHECK_EQ(byte_at(fd, i * (off_t)PAGE), i % 2 ? 's' : l);
    CHECK_EQ(lseek(fd, 0, SEEK_END), l == 'a' ? 7 * PAGE : 9 * PAGE);
}

// The letter stands at p[0], and at p[to], where another process copies it to; p is shared.
static char letter_by_two(char *p, long to)
{
    struct gate go = gate_new();
    pid_t child = fork();

    CHECK(child >= 0);
    if (child == 0) {
        gate_wait(go);
        p[to] = p[0];
        _exit(0);
    }
    char l = letter();
    p[0] = l;
    gate_open(go);
    CHECK_EQ(waitpid(child, NULL, 0), child);
    meanwhile();
    return l;
}

// A mapping, in two processes, and a descriptor show the same bytes, of this machine.
static void memfd_mapped(void)
{
    int fd = memfd(4 * PAGE);
    char *p = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    char *copy = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);

    CHECK(p != MAP_FAILED && copy != MAP_FAILED);
    copy[PAGE] = 'p';
    p[2 * PAGE] = 'm';
    char l = letter_by_two(p, 3 * PAGE);
    CHECK_EQ(p[0], l);
    CHECK_EQ(p[3 * PAGE], l);
    CHECK_EQ(byte_at(fd, 0), l);
    CHECK_EQ(byte_at(fd, 3 * PAGE), l);
    CHECK_EQ(p[2 * PAGE], 'm');
    CHECK_EQ(p[PAGE], 's');
    CHECK_EQ(copy[PAGE], 'p');
}

// Mapped, with no descriptor left.
static void memfd_closed(void)
{
    int fd = memfd(2 * PAGE);
    char *p = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

    CHECK(p != MAP_FAILED);
    close(fd);
    char l = letter();
    p[PAGE] = l;
    meanwhile();
    CHECK_EQ(p[PAGE], l);
    CHECK_EQ(p[0], 's');
}

static void memfd_names_and_seals(void)
{
    char name[100] = "";
    struct stat before, after;
    int fd = memfd(PAGE), second = dup(fd), third = open("/proc/self/fd/3", O_RDONLY);

    CHECK_EQ(fd, 3);
    CHECK(second >= 0 && third >= 0);
    CHECK_EQ(fchmod(fd, 0640), 0);
    CHECK_EQ(fstat(fd, &before), 0);
    char l = letter();
    CHECK_EQ(fchmod(fd, l == 'a' ? 0600 : 0644), 0);
    if (l == 'a')
        CHECK_EQ(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), 0);
    meanwhile();
    CHECK_EQ(fstat(second, &after), 0);
    CHECK_EQ(after.st_mode & 07777, l == 'a' ? 0600 : 0644);
    CHECK_EQ(after.st_ino, before.st_ino);
    CHECK_EQ(after.st_dev, before.st_dev);
    CHECK_EQ(after.st_size, (off_t)PAGE);
    CHECK_EQ(after.st_mtim.tv_nsec, before.st_mtim.tv_nsec);
    CHECK_EQ(fcntl(third, F_GET_SEALS), l == 'a' ? F_SEAL_WRITE : 0);
    CHECK_EQ(pwrite(second, &l, 1, 0), l == 'a' ? -1 : 1);
    CHECK_EQ(byte_at(third, 0), l == 'a' ? 's' : l);
    CHECK(readlink("/proc/self/fd/3", name, sizeof name - 1) > 0);
    CHECK(strcmp(name, "/memfd:parted (deleted)") == 0);
}

static void memfd_holes(void)
{
    int fd = memfd(4 * PAGE);
    char l = letter();

    if (l == 'a')
        CHECK_EQ(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 2 * PAGE), 0);
    meanwhile();
    CHECK_EQ(lseek(fd, 0, SEEK_DATA), l == 'a' ? 2 * PAGE : 0);
    CHECK_EQ(byte_at(fd, PAGE), l == 'a' ? 0 : 's');
    CHECK_EQ(byte_at(fd, 2 * PAGE), 's');
}

static void shared_memory(void)
{
    char *anonymous = check_shared(4);
    int id = shmget(IPC_PRIVATE, 4 * PAGE, 0600);
    char *segment = shmat(id, NULL, 0);

    CHECK(id >= 0 && segment != (void *)-1);
    anonymous[0] = segment[0] = anonymous[PAGE] = 's';
    char l = letter();
    anonymous[0] = segment[0] = l;
    anonymous[3 * PAGE] = segment[3 * PAGE] = l;
    meanwhile();
    CHECK_EQ(anonymous[0], l);
    CHECK_EQ(anonymous[PAGE], 's');
    CHECK_EQ(anonymous[3 * PAGE], l);
    CHECK_EQ(segment[0], l);
    CHECK_EQ(segment[3 * PAGE], l);
    CHECK_EQ(shmctl(id, IPC_RMID, NULL), 0);
}

static void queues(void)
{
    char got[64] = "";
    struct { long type; char text[8]; } message = {1, "before"};
    struct mq_attr attributes = {.mq_maxmsg = 4, .mq_msgsize = 64};
    int id = msgget(IPC_PRIVATE, 0600);
    mqd_t mq = mq_open("/tine-parted", O_CREAT | O_RDWR | O_NONBLOCK, 0600, &attributes);

    CHECK(id >= 0 && mq >= 0);
    CHECK_EQ(mq_unlink("/tine-parted"), 0);
    CHECK_EQ(msgsnd(id, &message, 8, 0), 0);
    CHECK_EQ(mq_send(mq, "before", 7, 0), 0);
    char l = letter();
    message.text[0] = l;
    CHECK_EQ(msgsnd(id, &message, 8, 0), 0);
    CHECK_EQ(mq_send(mq, &l, 1, 0), 0);
    meanwhile();
    CHECK_EQ(msgrcv(id, &message, 8, 0, IPC_NOWAIT), 8);
    CHECK_EQ(message.text[0], 'b');
    CHECK_EQ(msgrcv(id, &message, 8, 0, IPC_NOWAIT), 8);
    CHECK_EQ(message.text[0], l);
    CHECK_EQ(msgrcv(id, &message, 8, 0, IPC_NOWAIT), -1);
    CHECK_EQ(mq_receive(mq, got, sizeof got, NULL), 7);
    CHECK_EQ(mq_receive(mq, got, sizeof got, NULL), 1);
    CHECK_EQ(got[0], l);
    CHECK_EQ(mq_receive(mq, got, sizeof got, NULL), -1);
    CHECK_EQ(msgctl(id, IPC_RMID, NULL), 0);
}

static void semaphores(void)
{
    int id = semget(IPC_PRIVATE, 2, 0600);
    struct sembuf up = {0, 1, SEM_UNDO}, down = {0, -3, 0};
    pid_t child;

    CHECK(id >= 0);
    CHECK_EQ(semop(id, &up, 1), 0);
    child = fork();
    CHECK(child >= 0);
    if (child == 0) // waits while the machine is copied
        _exit(semop(id, &down, 1) == 0 ? 7 : 1);
    char l = letter();
    int status;
    up.sem_op = l == 'a' ? 2 : 5;
    CHECK_EQ(semop(id, &up, 1), 0);
    CHECK_EQ(waitpid(child, &status, 0), child);
    CHECK_EQ(WEXITSTATUS(status), 7);
    meanwhile();
    CHECK_EQ(semctl(id, 0, GETVAL), l == 'a' ? 0 : 3);
    CHECK_EQ(semctl(id, 0, IPC_RMID), 0);
}

// Bytes in flight, and more of them.
static void channel(int in, int out)
{
    char got[16] = "";

    CHECK_EQ(write(out, "before", 6), 6);
    char l = letter();
    CHECK_EQ(write(out, &l, 1), 1);
    meanwhile();
    CHECK_EQ(read(in, got, sizeof got), 7);
    CHECK(memcmp(got, "before", 6) == 0);
    CHECK_EQ(got[6], l);
    CHECK_EQ(fcntl(in, F_SETFL, O_NONBLOCK), 0);
    CHECK_EQ(read(in, got, sizeof got), -1);
}

static void pipes(void)
{
    int ends[2];

    CHECK_EQ(pipe(ends), 0);
    channel(ends[0], ends[1]);
}

static void sockets(void)
{
    int ends[2];

    CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    channel(ends[0], ends[1]);
}

// A pipe, passed inside a message that nobody has received yet.
static void passed_descriptor(void)
{
    int ends[2], inner[2];
    char c = 'x', control[CMSG_SPACE(sizeof(int))] = {0};
    struct iovec part = {&c, 1};
    struct msghdr m = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    struct cmsghdr *head = CMSG_FIRSTHDR(&m);

    CHECK_EQ(socketpair(AF_UNIX, SOCK_DGRAM, 0, ends), 0);
    CHECK_EQ(pipe(inner), 0);
    head->cmsg_level = SOL_SOCKET;
    head->cmsg_type = SCM_RIGHTS;
    head->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(head), &inner[0], sizeof(int));
    CHECK_EQ(sendmsg(ends[0], &m, 0), 1);
    close(inner[0]);
    char l = letter(), got = 0;
    CHECK_EQ(write(inner[1], &l, 1), 1);
    meanwhile();
    CHECK_EQ(recvmsg(ends[1], &m, 0), 1);
    int in;
    memcpy(&in, CMSG_DATA(CMSG_FIRSTHDR(&m)), sizeof in);
    CHECK_EQ(read(in, &got, 1), 1);
    CHECK_EQ(got, l);
}

static void terminals(void)
{
    int master, slave;
    char got[32] = "";

    CHECK_EQ(openpty(&master, &slave, NULL, NULL, NULL), 0);
    CHECK_EQ(write(master, "half a li", 9), 9); // not a line yet
    char l = letter();
    CHECK_EQ(write(master, &l, 1), 1);
    CHECK_EQ(write(master, "\n", 1), 1);
    meanwhile();
    CHECK_EQ(read(slave, got, sizeof got), 11);
    CHECK_EQ(got[8], 'i');
    CHECK_EQ(got[9], l);
}

static void events(void)
{
    int fd = eventfd(5, EFD_NONBLOCK), set = epoll_create1(0);
    struct epoll_event e = {.events = EPOLLIN | EPOLLET, .data.u32 = 77};
    uint64_t n;

    CHECK(fd >= 0 && set >= 0);
    CHECK_EQ(epoll_ctl(set, EPOLL_CTL_ADD, fd, &e), 0);
    char l = letter();
    n = l == 'a' ? 1 : 10;
    CHECK_EQ(write(fd, &n, 8), 8);
    meanwhile();
    CHECK_EQ(epoll_wait(set, &e, 1, 0), 1);
    CHECK_EQ(e.data.u32, 77);
    CHECK_EQ(epoll_wait(set, &e, 1, 0), 0);
    CHECK_EQ(read(fd, &n, 8), 8);
    CHECK_EQ(n, l == 'a' ? 6 : 15);
}

// Positions, open files and the process's own state.
static void descriptions(void)
{
    int fd = open("/proc/self/exe", O_RDONLY), copy = dup(fd);
    char l = letter();

    CHECK(fd >= 0 && copy >= 0);
    CHECK_EQ(lseek(fd, l, SEEK_SET), l);
    umask(l == 'a' ? 011 : 022);
    int opened = l == 'a' ? open("/dev/null", O_RDONLY) : copy;
    CHECK_EQ(fcntl(copy, F_SETFD, l == 'a' ? FD_CLOEXEC : 0), 0);
    meanwhile();
    CHECK_EQ(lseek(copy, 0, SEEK_CUR), l);
    CHECK_EQ(umask(0), l == 'a' ? 011 : 022);
    CHECK(fcntl(opened, F_GETFD) >= 0);
    CHECK_EQ(fcntl(copy, F_GETFD), l == 'a' ? FD_CLOEXEC : 0);
}

static volatile sig_atomic_t caught;

static void catch(int signal)
{
    caught = signal;
}

// A pending signal, and a timer that is armed.
static void signals_and_timers(void)
{
    sigset_t set;
    struct itimerspec when = {.it_value = {0, 20000000}};
    int timer = timerfd_create(CLOCK_MONOTONIC, 0);
    uint64_t n = 0;

    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigaddset(&set, SIGUSR2);
    CHECK_EQ(sigprocmask(SIG_BLOCK, &set, NULL), 0);
    signal(SIGUSR1, catch);
    signal(SIGUSR2, catch);
    CHECK_EQ(raise(SIGUSR1), 0);
    CHECK_EQ(timerfd_settime(timer, 0, &when, NULL), 0);
    char l = letter();
    if (l == 'a')
        CHECK_EQ(raise(SIGUSR2), 0);
    meanwhile();
    CHECK_EQ(read(timer, &n, 8), 8);
    CHECK_EQ(n, 1);
    CHECK_EQ(sigpending(&set), 0);
    CHECK_EQ(sigismember(&set, SIGUSR1), 1);
    CHECK_EQ(sigismember(&set, SIGUSR2), l == 'a');
}

// A record lock and a flock: locks are the machine's.
static void locks(void)
{
    int fd = check_file(100);
    struct flock lock = {.l_type = F_WRLCK, .l_start = 0, .l_len = 10};

    CHECK_EQ(fcntl(fd, F_SETLK, &lock), 0);
    char l = letter();
    lock.l_type = l == 'a' ? F_UNLCK : F_WRLCK;
    CHECK_EQ(fcntl(fd, F_SETLK, &lock), 0);
    meanwhile();
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        lock.l_type = F_WRLCK;
        _exit(fcntl(fd, F_SETLK, &lock) == 0 ? 1 : 2);
    }
    int status;
    CHECK_EQ(waitpid(child, &status, 0), child);
    CHECK_EQ(WEXITSTATUS(status), l == 'a' ? 1 : 2);
}

// Children that are stopped, that wait in a pipe and in vfork; who is killed is killed here alone.
static void processes(void)
{
    int status, ends[2];
    pid_t stopped = fork();

    CHECK(stopped >= 0);
    if (stopped == 0) {
        raise(SIGSTOP);
        _exit(4);
    }
    CHECK_EQ(waitpid(stopped, &status, WUNTRACED), stopped);
    CHECK(WIFSTOPPED(status));
    CHECK_EQ(pipe(ends), 0);
    pid_t suspended = fork();
    CHECK(suspended >= 0);
    if (suspended == 0) {
        pid_t child = vfork();
        char c;
        if (child == 0)
            _exit(read(ends[0], &c, 1) == 1 ? c : 0); // its parent stands still
        _exit(child > 0 && waitpid(child, &status, 0) == child ? WEXITSTATUS(status) : 1);
    }
    sched_yield();
    char l = letter();
    CHECK_EQ(kill(stopped, l == 'a' ? SIGKILL : SIGCONT), 0);
    CHECK_EQ(write(ends[1], &l, 1), 1);
    meanwhile();
    CHECK_EQ(waitpid(stopped, &status, 0), stopped);
    CHECK(l == 'a' ? WIFSIGNALED(status) : WIFEXITED(status) && WEXITSTATUS(status) == 4);
    CHECK_EQ(waitpid(suspended, &status, 0), suspended);
    CHECK_EQ(WEXITSTATUS(status), l);
}

// ---- files in memory

static char shm_room[64];

static const char *shm(const char *name)
{
    static char path[4][96];
    static int at;

    if (!shm_room[0]) {
        strcpy(shm_room, "/dev/shm/tine-parted-XXXXXX");
        CHECK(mkdtemp(shm_room) != NULL);
    }
    at = (at + 1) % 4;
    snprintf(path[at], sizeof path[at], "%s%s%s", shm_room, *name ? "/" : "", name);
    return path[at];
}

static int shm_file(const char *name, const char *text)
{
    int fd = open(shm(name), O_CREAT | O_EXCL | O_RDWR, 0644);

    CHECK(fd >= 0);
    CHECK_EQ(write(fd, text, strlen(text)), (long)strlen(text));
    return fd;
}

static int is_there(const char *name)
{
    struct stat s;

    return lstat(shm(name), &s) == 0;
}

// Bytes, sizes, modes, names, attributes: all that a file is.
static void shm_files(void)
{
    char text[100] = "", value[8] = "";
    struct stat s;
    int fd = shm_file("file", "same"), gone = shm_file("gone", "gone");

    CHECK_EQ(mkdir(shm("dir"), 0755), 0);
    CHECK_EQ(unlink(shm("gone")), 0);
    char l = letter();
    CHECK_EQ(pwrite(fd, &l, 1, 1), 1);
    CHECK_EQ(pwrite(gone, &l, 1, 0), 1);
    CHECK_EQ(ftruncate(fd, l == 'a' ? 3 : 9), 0);
    CHECK_EQ(chmod(shm("file"), l == 'a' ? 0600 : 0640), 0);
    CHECK_EQ(fsetxattr(fd, "user.l", &l, 1, 0), 0);
    char name[] = {'d', 'i', 'r', '/', l, 0};
    CHECK_EQ(rename(shm("file"), shm(name)), 0);
    CHECK_EQ(symlink(l == 'a' ? "to-a" : "to-b", shm("link")), 0);
    close(shm_file(l == 'a' ? "only-a" : "only-b", "new"));
    meanwhile();
    CHECK_EQ(byte_at(fd, 1), l);
    CHECK_EQ(byte_at(gone, 0), l);
    CHECK_EQ(byte_at(gone, 1), 'o');
    CHECK_EQ(stat(shm(name), &s), 0);
    CHECK_EQ(s.st_size, l == 'a' ? 3 : 9);
    CHECK_EQ(s.st_mode & 07777, l == 'a' ? 0600 : 0640);
    CHECK_EQ(getxattr(shm(name), "user.l", value, sizeof value), 1);
    CHECK_EQ(value[0], l);
    CHECK_EQ(readlink(shm("link"), text, sizeof text), 4);
    CHECK_EQ(text[3], l == 'a' ? 'a' : 'b');
    CHECK(is_there(l == 'a' ? "only-a" : "only-b"));
    CHECK(!is_there(l == 'a' ? "only-b" : "only-a"));
    CHECK(!is_there("file"));
    CHECK(!is_there("dir/a") || l == 'a');
    CHECK_EQ(unlink(shm(name)), 0);
    CHECK_EQ(rmdir(shm("dir")), 0);
    CHECK_EQ(unlink(shm("link")), 0);
    CHECK_EQ(unlink(shm(l == 'a' ? "only-a" : "only-b")), 0);
    CHECK_EQ(rmdir(shm("")), 0);
}

// Mapped by two processes; one has no descriptor left.
static void shm_mapped(void)
{
    int fd = shm_file("mapped", "s");

    CHECK_EQ(ftruncate(fd, 3 * PAGE), 0);
    char *p = mmap(NULL, 3 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    CHECK(p != MAP_FAILED);
    p[PAGE] = 's';
    close(fd);
    char l = letter_by_two(p, 2 * PAGE);
    fd = open(shm("mapped"), O_RDONLY);
    CHECK(fd >= 0);
    CHECK_EQ(byte_at(fd, 0), l);
    CHECK_EQ(byte_at(fd, PAGE), 's');
    CHECK_EQ(byte_at(fd, 2 * PAGE), l);
    CHECK_EQ(unlink(shm("mapped")), 0);
    CHECK_EQ(rmdir(shm("")), 0);
}

// Pipes with a name, directories that are read and stood in, locks.
static void shm_places(void)
{
    char text[200] = "";
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 1};
    int fd = shm_file("locked", "x");

    CHECK_EQ(mkfifo(shm("fifo"), 0600), 0);
    int pipe_fd = open(shm("fifo"), O_RDWR | O_NONBLOCK);
    CHECK(pipe_fd >= 0);
    CHECK_EQ(write(pipe_fd, "s", 1), 1);
    CHECK_EQ(mkdir(shm("here"), 0700), 0);
    CHECK_EQ(chdir(shm("here")), 0);
    char l = letter();
    CHECK_EQ(fcntl(fd, F_SETLK, &lock), 0);
    CHECK_EQ(write(pipe_fd, &l, 1), 1);
    CHECK_EQ(rename(shm("here"), shm(l == 'a' ? "to-a" : "to-b")), 0);
    meanwhile();
    CHECK(getcwd(text, sizeof text) == text);
    CHECK_EQ(strcmp(text, shm(l == 'a' ? "to-a" : "to-b")), 0);
    CHECK_EQ(read(pipe_fd, text, sizeof text), 2);
    CHECK_EQ(text[1], l);
    CHECK_EQ(unlink(shm("fifo")), 0);
    CHECK_EQ(unlink(shm("locked")), 0);
    CHECK_EQ(chdir("/"), 0);
    CHECK_EQ(rmdir(shm(l == 'a' ? "to-a" : "to-b")), 0);
    CHECK_EQ(rmdir(shm("")), 0);
}

// A lease that one gives up is kept by the other.
static void shm_leases(void)
{
    int fd = shm_file("leased", "x"), status;

    signal(SIGIO, SIG_IGN);
    CHECK_EQ(fcntl(fd, F_SETLEASE, F_WRLCK), 0);
    char l = letter();
    if (l == 'a')
        CHECK_EQ(fcntl(fd, F_SETLEASE, F_UNLCK), 0);
    meanwhile();
    CHECK_EQ(fcntl(fd, F_GETLEASE), l == 'a' ? F_UNLCK : F_WRLCK);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        close(fd);
        int other = open(shm("leased"), O_RDWR | O_NONBLOCK);
        _exit(other >= 0 ? 1 : errno == EWOULDBLOCK ? 2 : 3);
    }
    CHECK_EQ(waitpid(child, &status, 0), child);
    CHECK_EQ(WEXITSTATUS(status), l == 'a' ? 1 : 2);
    CHECK_EQ(unlink(shm("leased")), 0);
    CHECK_EQ(rmdir(shm("")), 0);
}

// The host's queue is one for both (docs/design.md); who closes it does not take it from the other.
// Each copy is told of what was before, and of what itself does.
static void shm_watched(void)
{
    char own[2] = "", events[4096];
    int queue = inotify_init1(IN_NONBLOCK), wd;

    CHECK((wd = inotify_add_watch(queue, shm(""), IN_CREATE)) > 0);
    CHECK_EQ(mkdir(shm("before"), 0700), 0);
    own[0] = letter();
    CHECK_EQ(mkdir(shm(own), 0700), 0);
    meanwhile();
    CHECK_EQ(read(queue, events, sizeof events), 64);
    CHECK_EQ(strcmp(((struct inotify_event *)events)->name, "before"), 0);
    CHECK_EQ(strcmp(((struct inotify_event *)(events + 32))->name, own), 0);
    CHECK_EQ(inotify_rm_watch(queue, wd), 0);
    CHECK_EQ(rmdir(shm("before")) | rmdir(shm(own)) | rmdir(shm("")), 0);
    CHECK_EQ(read(queue, events, sizeof events), 16);
    CHECK_EQ(((struct inotify_event *)events)->mask, IN_IGNORED);
}

static volatile int notes;

static void note(int number)
{
    (void)number;
    notes++;
}

// F_NOTIFY: one that gives it up does not end it for the other, who hears of its own files alone.
static void shm_notified(void)
{
    char own[2] = "";
    int dir = open(shm(""), O_RDONLY | O_DIRECTORY);

    check_handler(SIGRTMIN, note, SA_RESTART);
    CHECK_EQ(fcntl(dir, F_SETSIG, SIGRTMIN), 0);
    CHECK_EQ(fcntl(dir, F_NOTIFY, DN_CREATE | DN_MULTISHOT), 0);
    own[0] = letter();
    if (own[0] == 'a')
        CHECK_EQ(close(dir), 0);
    CHECK_EQ(mkdir(shm(own), 0700), 0);
    meanwhile();
    CHECK_EQ(notes, own[0] != 'a');
    CHECK_EQ(mkdir(shm("more"), 0700), 0);
    CHECK_EQ(notes, 2 * (own[0] != 'a'));
    CHECK_EQ(rmdir(shm(own)) | rmdir(shm("more")) | rmdir(shm("")), 0);
}

static int mounted(const char *name)
{
    struct stat s, up;

    return stat(shm(name), &s) == 0 && stat(shm(""), &up) == 0 && s.st_dev != up.st_dev;
}

static int mount_one(const char *name)
{
    return mount("none", shm(name), "tmpfs", 0, "size=64k");
}

// Each copy has a table of mounts, and file systems, with their limits, of its own.
static void shm_mounts(void)
{
    static char page[PAGE];

    CHECK_EQ(mkdir(shm("m"), 0700) | mkdir(shm("a"), 0700) | mkdir(shm("b"), 0700), 0);
    if (mount_one("m") && errno == EPERM) {
        (void)!(rmdir(shm("m")) | rmdir(shm("a")) | rmdir(shm("b")) | rmdir(shm("")));
        check_skip("not the privilege to mount");
    }
    int fd = open(shm("m/file"), O_CREAT | O_RDWR, 0600), i = 0;
    CHECK_EQ(mkdir(shm("m/in"), 0700), 0);
    CHECK_EQ(mount(shm("a"), shm("m/in"), NULL, MS_BIND, NULL), 0);
    for (; i < 4; i++)
        CHECK_EQ(write(fd, page, PAGE), (long)PAGE);
    char l = letter();
    const char *mine = l == 'a' ? "a" : "b", *other = l == 'a' ? "b" : "a";
    if (l == 'b')
        CHECK_EQ(umount(shm("m/in")), 0);
    CHECK_EQ(mount_one(mine), 0);
    close(open(shm(l == 'a' ? "a/own" : "b/own"), O_CREAT | O_RDWR, 0600));
    for (; l == 'a' && write(fd, page, PAGE) == (ssize_t)PAGE; i++)
        ;
    CHECK_EQ(i, (l == 'a' ? 16 : 4));
    meanwhile();
    CHECK(mounted(mine) && !mounted(other));
    CHECK_EQ(lseek(fd, 0, SEEK_END), i * (long)PAGE);
    for (; write(fd, page, PAGE) == (ssize_t)PAGE; i++)
        ;
    CHECK_EQ(i, 16);
    close(fd);
    CHECK_EQ(umount(shm("m/in")), (l == 'b' ? -1 : 0));
    CHECK_EQ(umount(shm("m")), 0);
    CHECK_EQ(umount(shm(mine)), 0);
    CHECK_EQ(rmdir(shm("m")) | rmdir(shm("a")) | rmdir(shm("b")) | rmdir(shm("")), 0);
}

// A mount that stands nowhere yet, and a file system that is being set up, are each copy's own.
static void shm_contexts(void)
{
    char text[100];
    struct stat s;
    int fs = fsopen("tmpfs", 0), other = fs < 0 ? -1 : fsopen("tmpfs", 0);

    CHECK_EQ(mkdir(shm("m"), 0700), 0);
    if (fs < 0 && errno == EPERM) {
        (void)!(rmdir(shm("m")) | rmdir(shm("")));
        check_skip("not the privilege to mount");
    }
    CHECK_EQ(fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0), 0);
    int tree = fsmount(fs, 0, 0);
    CHECK_EQ(mkdirat(tree, "before", 0700), 0);
    CHECK_EQ(fsconfig(other, FSCONFIG_SET_STRING, "source", "it", 0), 0);
    CHECK_EQ(fsconfig(other, FSCONFIG_SET_STRING, "nonsense", "it", 0), -1);
    char l = letter();
    if (l == 'a') {
        CHECK_EQ(move_mount(tree, "", AT_FDCWD, shm("m"), MOVE_MOUNT_F_EMPTY_PATH), 0);
        CHECK_EQ(fsconfig(other, FSCONFIG_SET_STRING, "mode", "711", 0), 0);
        CHECK(read(other, text, sizeof text) > 0);
    }
    CHECK_EQ(mkdirat(tree, l == 'a' ? "a" : "b", 0700), 0);
    meanwhile();
    CHECK_EQ(mounted("m"), l == 'a');
    CHECK_EQ(faccessat(tree, "before", F_OK, 0), 0);
    CHECK_EQ(faccessat(tree, "a", F_OK, 0), (l == 'a' ? 0 : -1));
    CHECK_EQ(faccessat(tree, "b", F_OK, 0), (l == 'a' ? -1 : 0));
    CHECK_EQ(read(other, text, sizeof text) > 0, l != 'a');
    CHECK_EQ(fsconfig(other, FSCONFIG_CMD_CREATE, NULL, NULL, 0), 0);
    int second = fsmount(other, 0, 0);
    CHECK_EQ(fstat(second, &s), 0);
    CHECK_EQ(s.st_mode, S_IFDIR | (l == 'a' ? 0711 : 01777));
    close(second);
    close(other);
    close(fs);
    close(tree);
    CHECK_EQ(umount(shm("m")), (l == 'a' ? 0 : -1));
    CHECK_EQ(rmdir(shm("m")) | rmdir(shm("")), 0);
}

// A namespace that only a descriptor keeps.
static void shm_namespaces(void)
{
    char name[64], c;
    int ready[2], status;

    CHECK_EQ(mkdir(shm("m"), 0700), 0);
    CHECK_EQ(pipe(ready), 0);
    pid_t child = fork();
    if (child == 0) {
        bool made = unshare(CLONE_NEWNS) == 0 && mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 && mount_one("m") == 0;
        CHECK_EQ(write(ready[1], made ? "y" : "n", 1), 1);
        pause();
    }
    CHECK_EQ(read(ready[0], &c, 1), 1);
    snprintf(name, sizeof name, "/proc/%d/ns/mnt", child);
    int fd = open(name, O_RDONLY);
    CHECK_EQ(kill(child, SIGKILL), 0);
    CHECK_EQ(waitpid(child, &status, 0), child);
    if (c == 'n') {
        CHECK_EQ(rmdir(shm("m")) | rmdir(shm("")), 0);
        check_skip("no mount namespace to be had");
    }
    char l = letter();
    if (l == 'a')
        CHECK_EQ(close(fd), 0);
    meanwhile();
    CHECK(!mounted("m"));
    child = fork();
    if (child == 0)
        _exit(setns(fd, CLONE_NEWNS) == 0 ? mounted("m") ? 1 : 2 : errno == EBADF ? 3 : 4);
    CHECK_EQ(waitpid(child, &status, 0), child);
    CHECK_EQ(WEXITSTATUS(status), l == 'a' ? 3 : 1);
    close(fd);
    CHECK_EQ(rmdir(shm("m")) | rmdir(shm("")), 0);
}

static void watched(void)
{
    char where[] = "/tmp/tine-parted-XXXXXX", name[sizeof where + 2], events[4096];
    int queue = inotify_init1(IN_NONBLOCK);

    CHECK(queue >= 0 && mkdtemp(where) != NULL);
    CHECK(inotify_add_watch(queue, where, IN_CREATE) > 0);
    char l = letter();
    if (l == 'a')
        CHECK_EQ(close(queue), 0);
    meanwhile();
    if (l == 'a')
        return;
    snprintf(name, sizeof name, "%s/b", where);
    close(open(name, O_CREAT | O_RDWR, 0600));
    ssize_t n = read(queue, events, sizeof events);
    CHECK(n >= (ssize_t)sizeof(struct inotify_event));
    CHECK_EQ(((struct inotify_event *)events)->mask, IN_CREATE);
    CHECK_EQ(unlink(name), 0);
    CHECK_EQ(rmdir(where), 0);
}

static const struct check_case cases[] = {
    CASE(memfd_written), CASE(memfd_mapped), CASE(memfd_closed), CASE(memfd_names_and_seals), CASE(memfd_holes),
    CASE(shared_memory), CASE(queues), CASE(semaphores), CASE(pipes), CASE(sockets), CASE(passed_descriptor),
    CASE(terminals), CASE(events), CASE(descriptions), CASE(signals_and_timers), CASE(locks), CASE(processes),
    CASE(shm_files), CASE(shm_mapped), CASE(shm_places), CASE(shm_leases),
    CASE(shm_watched), CASE(shm_notified), CASE(shm_mounts), CASE(shm_contexts), CASE(shm_namespaces),
    CASE(watched),
};
CHECK_MAIN(cases)
