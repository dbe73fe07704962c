#include "host/lock.h"

#include <pthread.h>
#include <sched.h>

#include "base/alloc.h"

#define YIELD_TRIES 200

struct host_lock {
    pthread_mutex_t mutex;
    u32 waiting; // threads in host_lock_take
    u32 turns;   // how often one of them got it
};

struct host_lock *host_lock_new(void)
{
    struct host_lock *l = mem_zalloc(sizeof *l);
    if (l && pthread_mutex_init(&l->mutex, NULL)) {
        mem_free(l);
        return NULL;
    }
    return l;
}

void host_lock_free(struct host_lock *l)
{
    pthread_mutex_destroy(&l->mutex);
    mem_free(l);
}

void host_lock_take(struct host_lock *l)
{
    if (pthread_mutex_trylock(&l->mutex) == 0)
        return;
    __atomic_add_fetch(&l->waiting, 1, __ATOMIC_RELAXED);
    pthread_mutex_lock(&l->mutex);
    __atomic_sub_fetch(&l->waiting, 1, __ATOMIC_RELAXED);
    __atomic_add_fetch(&l->turns, 1, __ATOMIC_RELAXED);
}

void host_lock_give(struct host_lock *l)
{
    pthread_mutex_unlock(&l->mutex);
}

void host_lock_yield(struct host_lock *l)
{
    if (!__atomic_load_n(&l->waiting, __ATOMIC_RELAXED))
        return;
    u32 turns = __atomic_load_n(&l->turns, __ATOMIC_RELAXED);
    pthread_mutex_unlock(&l->mutex);
    for (int i = 0; i < YIELD_TRIES && __atomic_load_n(&l->turns, __ATOMIC_RELAXED) == turns; i++)
        sched_yield();
    pthread_mutex_lock(&l->mutex);
}
