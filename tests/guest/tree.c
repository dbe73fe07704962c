/*
 * tree.c - ten processes in a ring that send each other checksummed messages, over pipes, socket pairs,
 * message queues, a memfd that they all map, and eventfds, and sleep now and then. Each adds up what it got; the first one knows what the
 * sums must be. tests/unit/machine_fork_test copies the whole of it in mid-flight.
 *
 *     tree [ROUNDS]
 */
#define _GNU_SOURCE
#include <linux/futex.h>
#include <mqueue.h>
#include <stddef.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include "check.h"

#define PROCESSES 10
#define BYTES_MOST 3000

struct message {
    uint32_t from, round, length, sum;
    unsigned char bytes[BYTES_MOST];
};

/* One message at a time from a process to the next; full is a futex. */
struct box {
    uint32_t full;
    uint32_t sum;
    unsigned char bytes[256];
};

struct shared {
    struct box box[PROCESSES];
    uint64_t total;      /* of all, added atomically */
    char far[64 * 4096]; /* so that it is more than a page or two */
};

/* What a process tells the next one of a message, besides. */
struct note {
    uint32_t round, sum;
};

static struct shared *shared;
static int shared_fd;
static mqd_t queue[PROCESSES]; /* to process i */
static int event[PROCESSES];   /* how many notes came to process i */
static unsigned rounds = 12;

static uint32_t mix(uint32_t h, uint32_t value)
{
    h = (h ^ value) * 0x01000193u;
    return h ^ h >> 15;
}

static uint32_t sum_of(const unsigned char *bytes, uint32_t n)
{
    uint32_t h = 0x811c9dc5u;
    for (uint32_t i = 0; i < n; i++)
        h = mix(h, bytes[i]);
    return h;
}

static void compose(struct message *m, uint32_t from, uint32_t round)
{
    uint32_t x = mix(from * 7919 + 1, round);
    m->from = from;
    m->round = round;
    m->length = 1 + x % BYTES_MOST;
    for (uint32_t i = 0; i < m->length; i++)
        m->bytes[i] = (unsigned char)((x = x * 1664525 + 1013904223) >> 24);
    m->sum = sum_of(m->bytes, m->length);
}

static void put(int fd, const void *bytes, size_t n)
{
    for (const char *p = bytes; n;) {
        ssize_t r = write(fd, p, n);
        CHECK(r > 0);
        p += r;
        n -= (size_t)r;
    }
}

static void get(int fd, void *bytes, size_t n)
{
    for (char *p = bytes; n;) {
        ssize_t r = read(fd, p, n);
        CHECK(r > 0);
        p += r;
        n -= (size_t)r;
    }
}

static void wait_until(uint32_t *word, uint32_t wanted)
{
    for (;;) {
        uint32_t now = __atomic_load_n(word, __ATOMIC_SEQ_CST);
        if (now == wanted)
            return;
        syscall(SYS_futex, word, FUTEX_WAIT, now, NULL, NULL, 0);
    }
}

static void set(uint32_t *word, uint32_t value)
{
    __atomic_store_n(word, value, __ATOMIC_SEQ_CST);
    syscall(SYS_futex, word, FUTEX_WAKE, 10, NULL, NULL, 0);
}

static uint32_t take_box(uint32_t self, const struct message *sent, uint32_t round)
{
    struct box *in = &shared->box[self], *out = &shared->box[(self + 1) % PROCESSES];
    uint32_t n = sent->length < sizeof out->bytes ? sent->length : sizeof out->bytes;
    wait_until(&out->full, 0);
    memset(out->bytes, (int)round, sizeof out->bytes);
    memcpy(out->bytes, sent->bytes, n);
    out->sum = sum_of(out->bytes, sizeof out->bytes);
    set(&out->full, 1);
    wait_until(&in->full, 1);
    uint32_t sum = sum_of(in->bytes, sizeof in->bytes);
    CHECK_EQ(sum, in->sum);
    off_t at = (char *)&in->sum - (char *)shared;
    CHECK_EQ(pread(shared_fd, &sum, sizeof sum, at), sizeof sum);
    CHECK_EQ(sum, in->sum);
    set(&in->full, 0);
    return sum;
}

/* Its fate in the queue is counted by the eventfd. */
static void exchange_notes(uint32_t self, uint32_t round, uint32_t sent, uint32_t got)
{
    struct note note = {round, sent};
    uint32_t next = (self + 1) % PROCESSES;
    uint64_t one = 1;
    CHECK_EQ(mq_send(queue[next], (char *)&note, sizeof note, 0), 0);
    CHECK_EQ(write(event[next], &one, sizeof one), sizeof one);
    CHECK_EQ(read(event[self], &one, sizeof one), sizeof one);
    CHECK_EQ(one, 1);
    CHECK_EQ(mq_receive(queue[self], (char *)&note, sizeof note, NULL), sizeof note);
    CHECK_EQ(note.round, round);
    CHECK_EQ(note.sum, got);
}

/* What a process has added up after all rounds, from its predecessor's messages. */
static uint32_t expected(uint32_t self)
{
    static struct message m;
    uint32_t total = self;
    unsigned char box[256];
    for (uint32_t r = 0; r < rounds; r++) {
        compose(&m, (self + PROCESSES - 1) % PROCESSES, r);
        uint32_t n = m.length < sizeof box ? m.length : sizeof box;
        memset(box, (int)r, sizeof box);
        memcpy(box, m.bytes, n);
        total = mix(mix(total, m.sum), sum_of(box, sizeof box));
    }
    return total;
}

static uint32_t work(uint32_t self, int in, int out)
{
    static struct message mine, theirs;
    uint32_t total = self;
    for (uint32_t r = 0; r < rounds; r++) {
        compose(&mine, self, r);
        put(out, &mine, offsetof(struct message, bytes) + mine.length);
        get(in, &theirs, offsetof(struct message, bytes));
        CHECK_EQ(theirs.round, r);
        CHECK(theirs.length <= BYTES_MOST);
        get(in, theirs.bytes, theirs.length);
        CHECK_EQ(sum_of(theirs.bytes, theirs.length), theirs.sum);
        exchange_notes(self, r, mine.sum, theirs.sum);
        total = mix(total, theirs.sum);
        total = mix(total, take_box(self, &mine, r));
        shared->far[(self * 6 + r % 6) * 4096] = (char)(self + r);
        if ((r + self) % 5 == 0)
            usleep(100);
    }
    for (uint32_t i = 0; i < 6 && i < rounds; i++) {
        uint32_t last = i + (rounds - 1 - i) / 6 * 6;
        CHECK_EQ(shared->far[(self * 6 + i) * 4096], (char)(self + last));
    }
    __atomic_add_fetch(&shared->total, total, __ATOMIC_SEQ_CST);
    return total;
}

/* ends[i]: from process i to process i + 1. */
static void make_channel(uint32_t i, int ends[2])
{
    if (i % 2) {
        int pair[2];
        CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
        ends[0] = pair[0];
        ends[1] = pair[1];
    } else {
        CHECK_EQ(pipe(ends), 0);
    }
}

static void make_notes(uint32_t i)
{
    struct mq_attr attributes = {.mq_maxmsg = 2, .mq_msgsize = sizeof(struct note)};
    char name[40];
    snprintf(name, sizeof name, "/tine-tree-%d-%u", (int)getpid(), i);
    queue[i] = mq_open(name, O_CREAT | O_EXCL | O_RDWR, 0600, &attributes);
    CHECK(queue[i] >= 0);
    CHECK_EQ(mq_unlink(name), 0);
    event[i] = eventfd(0, EFD_SEMAPHORE);
    CHECK(event[i] >= 0);
}

static void ring(void)
{
    int channel[PROCESSES][2], results[2];
    uint64_t all = 0;
    shared_fd = memfd_create("tree", 0);
    CHECK(shared_fd >= 0);
    CHECK_EQ(ftruncate(shared_fd, sizeof *shared), 0);
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED, shared_fd, 0);
    CHECK(shared != MAP_FAILED);
    for (uint32_t i = 0; i < PROCESSES; i++)
        make_notes(i);
    CHECK_EQ(pipe(results), 0);
    for (uint32_t i = 0; i < PROCESSES; i++)
        make_channel(i, channel[i]);
    for (uint32_t i = 1; i < PROCESSES; i++) {
        if (check_fork())
            continue;
        uint32_t got[2] = {i, work(i, channel[(i + PROCESSES - 1) % PROCESSES][0], channel[i][1])};
        put(results[1], got, sizeof got);
        _exit(0);
    }
    uint32_t mine = work(0, channel[PROCESSES - 1][0], channel[0][1]);
    CHECK_EQ(mine, expected(0));
    all = mine;
    for (uint32_t i = 1; i < PROCESSES; i++) {
        uint32_t got[2];
        get(results[0], got, sizeof got);
        CHECK(got[0] < PROCESSES);
        CHECK_EQ(got[1], expected(got[0]));
        all += got[1];
    }
    for (uint32_t i = 1; i < PROCESSES; i++) {
        int status;
        CHECK(wait(&status) > 0);
        CHECK_EQ(status, 0);
    }
    CHECK_EQ(shared->total, all);
}

int main(int argc, char **argv)
{
    check_name = "ring";
    if (argc > 1)
        rounds = (unsigned)atoi(argv[1]);
    ring();
    check_say("ok ring\n");
    return 0;
}
