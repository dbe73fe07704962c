// Source: pthreads(7), preadv2(2).
#include "host/helpers.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include "base/alloc.h"
#include "host/file.h"
#include "host/retry.h"

enum { THREADS = 8, STACK = 128 << 10, FETCH = 64 << 10 };

struct item {
    struct item *next;
    struct host_job job;
};

struct host_helpers {
    pthread_mutex_t lock;
    pthread_cond_t work, rest;
    struct item *first, **last; // to be done, in order
    struct item *done;
    u32 threads, idle, busy;    // busy: jobs that are begun or queued
    bool ready, ending;
    void (*notify)(void *arg);
    void *arg;
    pthread_t thread[THREADS];
};

static i64 fetch(const struct host_job *job)
{
    u8 *scratch = mem_alloc(FETCH);
    i64 got = 1;
    if (!scratch)
        return -ENOMEM;
    for (u64 at = 0; at < job->length && got > 0; at += (u64)got)
        got = host_pread(job->fd, scratch, MIN(job->length - at, (u64)FETCH), job->offset + (i64)at);
    mem_free(scratch);
    return got < 0 ? got : 0; // who asked reads it himself in any case
}

i64 host_job_do(const struct host_job *job)
{
    switch (job->kind) {
    case HOST_SYNC_FILE:
    case HOST_SYNC_DATA:
        return host_fsync(job->fd, job->kind == HOST_SYNC_DATA);
    case HOST_SYNC_RANGE:
        return RETRY(sync_file_range(job->fd, job->offset, (off_t)job->length, job->flags)) ? -errno : 0;
    case HOST_SYNC_FS:
        return RETRY(syncfs(job->fd)) ? -errno : 0;
    case HOST_SYNC_ALL:
        sync();
        return 0;
    case HOST_FETCH:
        return fetch(job);
    }
    return -EINVAL;
}

static void *helper(void *arg)
{
    struct host_helpers *h = arg;
    pthread_mutex_lock(&h->lock);
    for (;;) {
        struct item *i = h->first;
        if (!i && h->ending)
            break;
        if (!i) {
            h->idle++;
            pthread_cond_wait(&h->work, &h->lock);
            h->idle--;
            continue;
        }
        h->first = i->next;
        if (!h->first)
            h->last = &h->first;
        pthread_mutex_unlock(&h->lock);
        i->job.result = host_job_do(&i->job);
        if (i->job.fd >= 0)
            close(i->job.fd);
        pthread_mutex_lock(&h->lock);
        i->next = h->done;
        h->done = i;
        __atomic_store_n(&h->ready, true, __ATOMIC_SEQ_CST);
        if (--h->busy == 0)
            pthread_cond_broadcast(&h->rest);
        h->notify(h->arg);
    }
    pthread_mutex_unlock(&h->lock);
    return NULL;
}

// One thread more, if all are busy. With the lock.
static int add_thread(struct host_helpers *h)
{
    pthread_attr_t attr;
    sigset_t all, before;
    if (h->idle || h->threads == THREADS)
        return 0;
    sigfillset(&all);
    if (pthread_attr_init(&attr))
        return h->threads ? 0 : -ENOMEM;
    (void)pthread_attr_setstacksize(&attr, STACK);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int r = pthread_create(&h->thread[h->threads], &attr, helper, h);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attr);
    if (r)
        return h->threads ? 0 : -r;
    h->threads++;
    return 0;
}

static struct host_helpers *helpers_new(void (*notify)(void *arg), void *arg)
{
    struct host_helpers *h = mem_zalloc(sizeof *h);
    if (!h)
        return NULL;
    pthread_mutex_init(&h->lock, NULL);
    pthread_cond_init(&h->work, NULL);
    pthread_cond_init(&h->rest, NULL);
    h->last = &h->first;
    h->notify = notify;
    h->arg = arg;
    return h;
}

int host_helpers_start(struct host_helpers **out, const struct host_job *job, void (*notify)(void *arg),
                       void *arg)
{
    struct item *i = mem_alloc(sizeof *i);
    if (!*out)
        *out = helpers_new(notify, arg);
    struct host_helpers *h = *out;
    int r = i && h ? 0 : -ENOMEM;
    if (r == 0) {
        *i = (struct item){.job = *job};
        if (job->fd >= 0 && (i->job.fd = fcntl(job->fd, F_DUPFD_CLOEXEC, 0)) < 0)
            r = -errno;
    }
    if (r) {
        mem_free(i);
        return r;
    }
    pthread_mutex_lock(&h->lock);
    r = add_thread(h);
    if (r == 0) {
        *h->last = i;
        h->last = &i->next;
        h->busy++;
        pthread_cond_signal(&h->work);
    }
    pthread_mutex_unlock(&h->lock);
    if (r) {
        if (i->job.fd >= 0)
            close(i->job.fd);
        mem_free(i);
    }
    return r;
}

bool host_helpers_ready(const struct host_helpers *h)
{
    return __atomic_load_n(&h->ready, __ATOMIC_SEQ_CST);
}

bool host_helpers_take(struct host_helpers *h, struct host_job *out)
{
    pthread_mutex_lock(&h->lock);
    struct item *i = h->done;
    if (i) {
        h->done = i->next;
        *out = i->job;
    }
    if (!h->done)
        __atomic_store_n(&h->ready, false, __ATOMIC_SEQ_CST);
    pthread_mutex_unlock(&h->lock);
    mem_free(i);
    return i != NULL;
}

void host_helpers_drain(struct host_helpers *h)
{
    pthread_mutex_lock(&h->lock);
    while (h->busy)
        pthread_cond_wait(&h->rest, &h->lock);
    pthread_mutex_unlock(&h->lock);
}

void host_helpers_free(struct host_helpers *h)
{
    struct host_job unused;
    if (!h)
        return;
    pthread_mutex_lock(&h->lock);
    h->ending = true;
    pthread_cond_broadcast(&h->work);
    pthread_mutex_unlock(&h->lock);
    for (u32 i = 0; i < h->threads; i++)
        pthread_join(h->thread[i], NULL);
    while (host_helpers_take(h, &unused))
        ;
    pthread_cond_destroy(&h->rest);
    pthread_cond_destroy(&h->work);
    pthread_mutex_destroy(&h->lock);
    mem_free(h);
}
