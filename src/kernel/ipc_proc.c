// /proc/sysvipc: the tables that ipcs(1) reads (proc(5)).
#include "kernel/machine.h"

#define LL(x) ((unsigned long long)(x))

int ipc_show_msg(struct machine *m, struct strbuf *out)
{
    struct pool *pool = &m->ipc.msg.pool;
    (void)strbuf_puts(out, "       key      msqid perms      cbytes       qnum lspid lrpid   uid   gid  cuid "
                           " cgid      stime      rtime      ctime\n");
    for (u32 id = pool_next(pool, 0); id; id = pool_next(pool, id)) {
        const struct msgqueue *q = pool_at(pool, id);
        const struct ipc_perm *p = &q->perm;
        (void)strbuf_printf(out,
                            "%10d %10u  %4o  %10llu %10u %5u %5u %5u %5u %5u %5u %10lld %10lld %10lld\n",
                            p->key, p->id, p->mode, LL(q->bytes), q->count, q->lspid, q->lrpid, p->uid,
                            p->gid, p->cuid, p->cgid, (long long)q->stime, (long long)q->rtime,
                            (long long)q->ctime);
    }
    return 0;
}

int ipc_show_sem(struct machine *m, struct strbuf *out)
{
    struct pool *pool = &m->ipc.sem.pool;
    (void)strbuf_puts(out, "       key      semid perms      nsems   uid   gid  cuid  cgid      otime      "
                           "ctime\n");
    for (u32 id = pool_next(pool, 0); id; id = pool_next(pool, id)) {
        const struct semset *s = pool_at(pool, id);
        const struct ipc_perm *p = &s->perm;
        (void)strbuf_printf(out, "%10d %10u  %4o %10u %5u %5u %5u %5u %10lld %10lld\n", p->key, p->id,
                            p->mode, s->nsems, p->uid, p->gid, p->cuid, p->cgid, (long long)s->otime,
                            (long long)s->ctime);
    }
    return 0;
}

int ipc_show_shm(struct machine *m, struct strbuf *out)
{
    struct pool *pool = &m->ipc.shm.pool;
    shm_reap(m);
    (void)strbuf_puts(out, "       key      shmid perms                  size  cpid  lpid nattch   uid   gid "
                           " cuid  cgid      atime      dtime      ctime                   rss            "
                           "      swap\n");
    for (u32 id = pool_next(pool, 0); id; id = pool_next(pool, id)) {
        const struct shm *s = pool_at(pool, id);
        const struct ipc_perm *p = &s->perm;
        (void)strbuf_printf(out, "%10d %10u  %4o %21llu %5u %5u  %5llu %5u %5u %5u %5u ", p->key, p->id,
                            p->mode, LL(s->size), s->cpid, s->lpid, LL(shm_attached(m, s)), p->uid, p->gid,
                            p->cuid, p->cgid);
        (void)strbuf_printf(out, "%10lld %10lld %10lld %21llu %21llu\n", (long long)s->atime,
                            (long long)s->dtime, (long long)s->ctime, LL(shm_resident(s) * PAGE_SIZE), LL(0));
    }
    return 0;
}
