#include "host/code_file.h"

#include <errno.h>
#include <link.h>
#include <string.h>
#include <sys/file.h>
#ifdef __x86_64__
#include <cpuid.h>
#endif

#define FACTOR 0x9e3779b97f4a7c15UL

static u64 mix(u64 h, u64 v)
{
    h = (h ^ v) * FACTOR;
    return h ^ h >> 32;
}

// host_build_hash reads what AddressSanitizer puts between our constants as well.
__attribute__((no_sanitize("address"))) u64 host_hash(const void *data, size_t n)
{
    typedef u64 word __attribute__((may_alias, aligned(1)));
    const u8 *at = data;
    u64 lane[4] = {1, 2, 3, 4}, v[4];
    u64 h = n;
    for (; n >= sizeof v; n -= sizeof v, at += sizeof v) { // four at a time keep the multiplier busy
        for (int i = 0; i < 4; i++)
            lane[i] = mix(lane[i], ((const word *)at)[i]);
    }
    memset(v, 0, sizeof v);
    memcpy(v, at, n);
    for (int i = 0; i < 4; i++)
        h = mix(mix(h, lane[i]), v[i]);
    return h;
}

struct search {
    uintptr_t inside;
    u64 hash;
};

static int object(struct dl_phdr_info *o, size_t size, void *arg)
{
    struct search *s = arg;
    bool ours = false;
    (void)size;
    for (u32 i = 0; i < o->dlpi_phnum; i++) {
        const ElfW(Phdr) *p = &o->dlpi_phdr[i];
        ours |= p->p_type == PT_LOAD && s->inside - o->dlpi_addr - p->p_vaddr < p->p_memsz;
    }
    for (u32 i = 0; ours && i < o->dlpi_phnum; i++) {
        const ElfW(Phdr) *p = &o->dlpi_phdr[i];
        if (p->p_type == PT_LOAD && !(p->p_flags & PF_W))
            s->hash = mix(s->hash, host_hash((const void *)(o->dlpi_addr + p->p_vaddr), p->p_filesz));
    }
    return ours;
}

u64 host_build_hash(void)
{
    struct search s = {.inside = (uintptr_t)host_hash};
    dl_iterate_phdr(object, &s);
    return s.hash;
}

u64 host_cpu_hash(void)
{
    u64 h = 0;
#ifdef __x86_64__
    unsigned a, b, c, d;
    if (__get_cpuid(1, &a, &b, &c, &d)) // b has the number of the core that we happen to be on
        h = mix(mix(h, c), d);
    if (__get_cpuid_count(7, 0, &a, &b, &c, &d))
        h = mix(mix(mix(h, b), c), d);
    if (__get_cpuid(0x80000001, &a, &b, &c, &d))
        h = mix(mix(h, c), d);
#endif
    return h;
}

int host_file_share(int fd)
{
    return flock(fd, LOCK_SH | LOCK_NB) ? -errno : 0;
}

int host_file_alone(int fd)
{
    return flock(fd, LOCK_EX | LOCK_NB) ? -errno : 0;
}
