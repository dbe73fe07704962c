#include "kernel/hart.h"

#include "base/alloc.h"
#include "host/clock.h"
#include "mm/frame.h"

struct hart *hart_take(struct store *s, const void *user)
{
    struct hart *h, *free = NULL;
    for (h = s->harts; h; h = h->next) {
        if (!h->taken && (!free || h->user == user))
            free = h;
    }
    h = free;
    if (!h) {
        h = mem_zalloc(sizeof *h);
        if (!h)
            return NULL;
        h->next = s->harts;
        h->event = -1;
        tlb_init(&h->cpu.tlb);
        s->harts = h;
    }
    h->taken = true;
    h->user = user;
    return h;
}

void hart_give(struct hart *h)
{
    h->taken = false;
}

int hart_event(struct hart *h)
{
    if (h->event < 0)
        h->event = host_event_new();
    return h->event;
}

void harts_free(struct store *s)
{
    while (s->harts) {
        struct hart *h = s->harts;
        s->harts = h->next;
        if (h->event >= 0)
            host_event_free(h->event);
        cpu_free(&h->cpu);
        mem_free(h);
    }
}
