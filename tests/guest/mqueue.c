/* POSIX message queues (mq_overview(7)), with libc's own functions. */
#include "check.h"

#include <mqueue.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>

static const char *name_of(const char *what)
{
    static char name[64];
    snprintf(name, sizeof name, "/tine-%s-%d", what, (int)getpid());
    return name;
}

static mqd_t queue(long maxmsg, long msgsize, int flags)
{
    struct mq_attr attr = { .mq_maxmsg = maxmsg, .mq_msgsize = msgsize };
    const char *name = name_of("queue");
    mqd_t q = mq_open(name, O_CREAT | O_EXCL | O_RDWR | flags, 0600, &attr);
    CHECK(q >= 0);
    CHECK_EQ(mq_unlink(name), 0);
    return q;
}

static void names(void)
{
    const char *name = name_of("name");
    CHECK_ERR(mq_open(name, O_RDWR), ENOENT);
    mqd_t q = mq_open(name, O_CREAT | O_RDWR, 0600, NULL);
    CHECK(q >= 0);
    CHECK_ERR(mq_open(name, O_CREAT | O_EXCL | O_RDWR, 0600, NULL), EEXIST);
    struct mq_attr attr;
    CHECK_EQ(mq_getattr(q, &attr), 0);
    CHECK(attr.mq_maxmsg > 0 && attr.mq_msgsize > 0 && attr.mq_curmsgs == 0);
    CHECK_EQ(mq_unlink(name), 0);
    CHECK_ERR(mq_unlink(name), ENOENT);
    CHECK_EQ(mq_send(q, "x", 1, 0), 0); /* lives on without a name */
    CHECK_ERR(mq_open("no-slash", O_RDWR), EINVAL);
    CHECK_ERR(mq_open("/a/b", O_RDWR), EACCES);
    attr = (struct mq_attr){ .mq_maxmsg = 0, .mq_msgsize = 1 };
    CHECK_ERR(mq_open(name, O_CREAT | O_RDWR, 0600, &attr), EINVAL);
    CHECK_EQ(fcntl(q, F_GETFD), FD_CLOEXEC);
    struct stat st;
    CHECK_EQ(fstat(q, &st), 0);
    CHECK(S_ISREG(st.st_mode) && (st.st_mode & 0777) == 0600);
    CHECK_EQ(mq_close(q), 0);
}

static void priorities(void)
{
    mqd_t q = queue(4, 16, O_NONBLOCK);
    char text[16];
    unsigned prio;
    CHECK_EQ(mq_send(q, "low", 4, 1), 0);
    CHECK_EQ(mq_send(q, "high", 5, 9), 0);
    CHECK_EQ(mq_send(q, "high2", 6, 9), 0);
    CHECK_EQ(mq_send(q, "", 0, 3), 0);
    CHECK_ERR(mq_send(q, "full", 4, 0), EAGAIN);
    CHECK_ERR(mq_send(q, "0123456789abcdefg", 17, 0), EMSGSIZE);
    CHECK_ERR(mq_receive(q, text, 15, NULL), EMSGSIZE);
    CHECK_EQ(mq_receive(q, text, 16, &prio), 5);
    CHECK(prio == 9 && !strcmp(text, "high"));
    CHECK_EQ(mq_receive(q, text, 16, &prio), 6);
    CHECK_EQ(mq_receive(q, text, 16, &prio), 0);
    CHECK_EQ(prio, 3);
    CHECK_EQ(mq_receive(q, text, 16, &prio), 4);
    CHECK_ERR(mq_receive(q, text, 16, &prio), EAGAIN);
    CHECK_ERR(mq_send(q, "x", 1, 32768), EINVAL);
    int closed = dup(q);
    close(closed);
    CHECK_ERR(mq_send(closed, "x", 1, 0), EBADF);
}

static void waiting(void)
{
    mqd_t q = queue(1, 8, 0);
    char text[8];
    pid_t pid = check_fork(); /* the descriptor is inherited */
    if (pid == 0) {
        CHECK_EQ(mq_receive(q, text, 8, NULL), 2);
        _exit(text[0]);
    }
    check_sleep_ms(5);
    CHECK_EQ(mq_send(q, "k", 2, 0), 0);
    CHECK_EXIT(pid, 'k');
    struct timespec when;
    clock_gettime(CLOCK_REALTIME, &when);
    when.tv_nsec += 30000000;
    when.tv_sec += when.tv_nsec / 1000000000;
    when.tv_nsec %= 1000000000;
    long begin = check_now_ms();
    CHECK_ERR(mq_timedreceive(q, text, 8, NULL, &when), ETIMEDOUT);
    CHECK(check_now_ms() - begin >= 25);
    when.tv_nsec = -1;
    CHECK_ERR(mq_timedreceive(q, text, 8, NULL, &when), EINVAL);
    CHECK_EQ(mq_send(q, "1", 2, 0), 0);
    when = (struct timespec){ 1, 0 };
    CHECK_ERR(mq_timedsend(q, "2", 2, 0, &when), ETIMEDOUT);
    pid = check_fork();
    if (pid == 0)
        _exit(mq_send(q, "3", 2, 0) ? 1 : 0);
    check_sleep_ms(5);
    CHECK_EQ(mq_receive(q, text, 8, NULL), 2);
    CHECK_EXIT(pid, 0);
}

static void polling(void)
{
    mqd_t q = queue(1, 8, 0);
    struct pollfd p = { .fd = q, .events = POLLIN | POLLOUT };
    CHECK_EQ(poll(&p, 1, 0), 1);
    CHECK_EQ(p.revents, POLLOUT);
    CHECK_EQ(mq_send(q, "x", 1, 0), 0);
    CHECK_EQ(poll(&p, 1, 0), 1);
    CHECK_EQ(p.revents, POLLIN);
    char text[8];
    CHECK_EQ(mq_receive(q, text, 8, NULL), 1);
    pid_t pid = check_fork();
    if (pid == 0) {
        p.events = POLLIN;
        _exit(poll(&p, 1, 5000) == 1 ? 0 : 1);
    }
    check_sleep_ms(5);
    CHECK_EQ(mq_send(q, "x", 1, 0), 0);
    CHECK_EXIT(pid, 0);
}

static volatile int told, told_code, told_value;

static void tell(int number, siginfo_t *info, void *context)
{
    (void)number, (void)context;
    told++;
    told_code = info->si_code;
    told_value = info->si_value.sival_int;
}

static void notify_by_signal(void)
{
    mqd_t q = queue(4, 8, 0);
    char text[8];
    struct sigevent event = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1,
                              .sigev_value.sival_int = 77 };
    check_action(SIGUSR1, tell, 0);
    CHECK_EQ(mq_notify(q, &event), 0);
    CHECK_ERR(mq_notify(q, &event), EBUSY);
    pid_t pid = check_fork();
    if (pid == 0) {
        CHECK_ERR(mq_notify(q, &event), EBUSY);
        CHECK_EQ(mq_notify(q, NULL), 0); /* not ours: nothing happens */
        CHECK_EQ(mq_send(q, "a", 1, 0), 0);
        _exit(0);
    }
    CHECK_EXIT(pid, 0);
    CHECK_SOON(told == 1);
    CHECK_EQ(told_code, SI_MESGQ);
    CHECK_EQ(told_value, 77);
    CHECK_EQ(mq_send(q, "b", 1, 0), 0); /* once only */
    CHECK_EQ(told, 1);
    CHECK_EQ(mq_notify(q, &event), 0);
    CHECK_EQ(mq_send(q, "c", 1, 0), 0); /* not empty */
    CHECK_EQ(told, 1);
    while (told_code) {
        struct mq_attr attr;
        CHECK_EQ(mq_getattr(q, &attr), 0);
        if (!attr.mq_curmsgs)
            break;
        CHECK_EQ(mq_receive(q, text, 8, NULL), 1);
    }
    pid = check_fork(); /* a receiver that waits gets it instead */
    if (pid == 0)
        _exit(mq_receive(q, text, 8, NULL) == 1 ? 0 : 1);
    check_sleep_ms(20);
    CHECK_EQ(mq_send(q, "d", 1, 0), 0);
    CHECK_EXIT(pid, 0);
    CHECK_EQ(told, 1);
    CHECK_EQ(mq_send(q, "e", 1, 0), 0);
    CHECK_EQ(told, 2);
    /* an end of the process unregisters it */
    CHECK_EQ(mq_receive(q, text, 8, NULL), 1);
    pid = check_fork();
    if (pid == 0)
        _exit(mq_notify(q, &event) ? 1 : 0);
    CHECK_EXIT(pid, 0);
    CHECK_EQ(mq_notify(q, &event), 0);
    close(dup(q)); /* so does closing any descriptor of it */
    CHECK_EQ(mq_notify(q, &event), 0);
}

static sem_t thread_told;

static void in_thread(union sigval value)
{
    CHECK_EQ(value.sival_int, 5);
    sem_post(&thread_told);
}

static void notify_by_thread(void)
{
    mqd_t q = queue(4, 8, 0);
    struct sigevent event = { .sigev_notify = SIGEV_THREAD, .sigev_value.sival_int = 5 };
    CHECK_EQ(sem_init(&thread_told, 0, 0), 0);
    event.sigev_notify_function = in_thread;
    CHECK_EQ(mq_notify(q, &event), 0);
    CHECK_EQ(mq_send(q, "a", 1, 0), 0);
    CHECK_EQ(sem_wait(&thread_told), 0);
}

static void attributes(void)
{
    mqd_t q = queue(2, 8, 0);
    struct mq_attr attr = { .mq_flags = O_NONBLOCK, .mq_maxmsg = 99 }, old;
    char text[8];
    CHECK_EQ(mq_setattr(q, &attr, &old), 0);
    CHECK_EQ(old.mq_flags, 0);
    CHECK_EQ(old.mq_maxmsg, 2);
    CHECK_EQ(mq_getattr(q, &old), 0);
    CHECK(old.mq_flags == O_NONBLOCK && old.mq_maxmsg == 2);
    CHECK_ERR(mq_receive(q, text, 8, NULL), EAGAIN);
}

static const struct check_case cases[] = {
    CASE(names), CASE(priorities), CASE(waiting), CASE(polling), CASE(notify_by_signal),
    CASE(notify_by_thread), CASE(attributes),
};
CHECK_MAIN(cases)
