/*
 * vdso.c - the object that AT_SYSINFO_EHDR names: its tables, its functions (vdso(7)).
 */
#include "check.h"
#include <elf.h>
#include <link.h>
#include <sys/auxv.h>
#include <ucontext.h>

#ifdef __riscv
#define PREFIX  "__vdso_"
#define VERSION "LINUX_4.15"
#else
#define PREFIX  "__vdso_"
#define VERSION "LINUX_2.6"
#endif

static const char *base;
static const Elf64_Sym *symbols;
static const char *strings;
static const uint32_t *hash;
static const uint16_t *versions;
static const char *definitions;

static void open_vdso(void)
{
    base = (const char *)getauxval(AT_SYSINFO_EHDR);
    if (!base)
        check_skip("no vDSO");
    const Elf64_Ehdr *h = (const void *)base;
    const Elf64_Phdr *p = (const void *)(base + h->e_phoff);
    const Elf64_Dyn *d = NULL;
    CHECK(memcmp(h->e_ident, ELFMAG, 4) == 0);
    CHECK_EQ(h->e_type, ET_DYN);
    for (int i = 0; i < h->e_phnum; i++)
        if (p[i].p_type == PT_DYNAMIC)
            d = (const void *)(base + p[i].p_vaddr);
    CHECK(d != NULL);
    for (; d->d_tag; d++) {
        const void *at = base + d->d_un.d_ptr;
        if (d->d_tag == DT_HASH)
            hash = at;
        else if (d->d_tag == DT_SYMTAB)
            symbols = at;
        else if (d->d_tag == DT_STRTAB)
            strings = at;
        else if (d->d_tag == DT_VERSYM)
            versions = at;
        else if (d->d_tag == DT_VERDEF)
            definitions = at;
    }
    CHECK(symbols && strings && versions && definitions);
    if (!hash)
        check_skip("no DT_HASH");
}

static uint32_t hash_of(const char *s)
{
    uint32_t h = 0;
    for (; *s; s++) {
        h = (h << 4) + (unsigned char)*s;
        h = (h ^ (h >> 24 & 0xf0)) & 0xfffffff;
    }
    return h;
}

static const char *version_of(uint32_t symbol)
{
    for (const char *at = definitions;;) {
        const Elf64_Verdef *v = (const void *)at;
        const Elf64_Verdaux *a = (const void *)(at + v->vd_aux);
        if (v->vd_ndx == (versions[symbol] & 0x7fff)) {
            CHECK_EQ(v->vd_hash, hash_of(strings + a->vda_name));
            return strings + a->vda_name;
        }
        CHECK(v->vd_next != 0);
        at += v->vd_next;
    }
}

// As the dynamic loader looks it up: by the hash of its name.
static void *find(const char *name)
{
    for (uint32_t i = hash[2 + hash_of(name) % hash[0]]; i; i = hash[2 + hash[0] + i])
        if (strcmp(strings + symbols[i].st_name, name) == 0) {
            CHECK_EQ(strcmp(version_of(i), VERSION), 0);
            CHECK(symbols[i].st_shndx != SHN_UNDEF);
            return (void *)(base + symbols[i].st_value);
        }
    return NULL;
}

static void functions_answer_like_the_calls(void)
{
    open_vdso();
    int (*get)(clockid_t, struct timespec *) = find(PREFIX "clock_gettime");
    int (*resolution)(clockid_t, struct timespec *) = find(PREFIX "clock_getres");
    int (*day)(struct timeval *, void *) = find(PREFIX "gettimeofday");
    int (*cpu)(unsigned *, unsigned *, void *) = find(PREFIX "getcpu");
    struct timespec before, now, after;
    struct timeval tv;
    unsigned c = ~0u;
    CHECK(get && day && cpu);
    CHECK(find(PREFIX "no_such_function") == NULL);
    for (int i = 0; i < 2; i++) {
        clockid_t clock = i ? CLOCK_REALTIME : CLOCK_MONOTONIC;
        CHECK_EQ(syscall(SYS_clock_gettime, clock, &before), 0);
        CHECK_EQ(get(clock, &now), 0);
        CHECK_EQ(syscall(SYS_clock_gettime, clock, &after), 0);
        CHECK(now.tv_sec > before.tv_sec || (now.tv_sec == before.tv_sec && now.tv_nsec >= before.tv_nsec));
        CHECK(after.tv_sec > now.tv_sec || (after.tv_sec == now.tv_sec && after.tv_nsec >= now.tv_nsec));
    }
    CHECK_EQ(get(1000, &now), -EINVAL);
    CHECK_EQ(day(&tv, NULL), 0);
    CHECK(labs(tv.tv_sec - after.tv_sec) <= 1);
    CHECK_EQ(cpu(&c, NULL, NULL), 0);
    CHECK(c < 4096);
    if (resolution) {
        CHECK_EQ(resolution(CLOCK_MONOTONIC, &now), 0);
        CHECK_EQ(now.tv_sec, 0);
    }
}

static int found;

static int look(struct dl_phdr_info *info, size_t size, void *arg)
{
    (void)size;
    (void)arg;
    found += (const char *)info->dlpi_phdr == base + ((const Elf64_Ehdr *)(const void *)base)->e_phoff;
    return 0;
}

static void the_loader_lists_it(void)
{
    open_vdso();
    dl_iterate_phdr(look, NULL);
    CHECK_EQ(found, 1);
}

static void it_cannot_be_written(void)
{
    open_vdso();
    int fd[2];
    CHECK_EQ(pipe(fd), 0);
    CHECK_EQ(write(fd[1], "x", 1), 1);
    CHECK_ERR(read(fd[0], (void *)base, 1), EFAULT);
}

#ifdef __riscv
static uintptr_t returns_to;

static void note(int number)
{
    (void)number;
    returns_to = (uintptr_t)__builtin_return_address(0);
}

static void handlers_return_through_it(void)
{
    open_vdso();
    check_handler(SIGUSR1, note, 0);
    raise(SIGUSR1);
    CHECK_EQ(returns_to, (uintptr_t)find("__vdso_rt_sigreturn"));
    const uint32_t *code = (const void *)returns_to;
    CHECK_EQ(code[0], 0x08b00893u); // unwinders know a signal frame by these two
    CHECK_EQ(code[1], 0x00000073u);
}

static void riscv_functions(void)
{
    open_vdso();
    long (*flush)(void *, void *, unsigned long) = find("__vdso_flush_icache");
    long (*probe)(void *, size_t, size_t, unsigned long *, unsigned) = find("__vdso_riscv_hwprobe");
    struct {
        int64_t key;
        uint64_t value;
    } pair = { 4, 0 }; // IMA extensions
    CHECK(flush && probe);
    CHECK_EQ(flush(NULL, NULL, 0), 0);
    CHECK_EQ(probe(&pair, 1, 0, NULL, 0), 0);
    CHECK_EQ(pair.value & 3, 3); // F and D, C
}
#endif

static const struct check_case cases[] = {
    CASE(functions_answer_like_the_calls),
    CASE(the_loader_lists_it),
    CASE(it_cannot_be_written),
#ifdef __riscv
    CASE(handlers_return_through_it),
    CASE(riscv_functions),
#endif
};
CHECK_MAIN(cases)
