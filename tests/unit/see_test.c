// What names guest addresses: symbols of a program that runs, and of thousands of damaged files.
//
//     see_test [GUEST [ROUNDS]]     a static riscv64 program; without one, the test is skipped
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "kernel/machine.h"
#include "mm/pagecache.h"
#include "mm/region.h"
#include "see/cfi.h"
#include "see/object.h"
#include "see/symbols.h"

static int failures;

#define CHECK(c)                                                                                   \
    do {                                                                                           \
        if (!(c)) {                                                                                \
            fprintf(stderr, "FAIL see_test:%d: %s\n", __LINE__, #c);                               \
            failures++;                                                                            \
        }                                                                                          \
    } while (0)

static const struct object_symbol *named(const struct object *o, const char *name)
{
    for (u32 i = 0; i < o->symbols; i++)
        if (strcmp(o->strings + o->symbol[i].name, name) == 0)
            return &o->symbol[i];
    return NULL;
}

// A function, a variable with a value (.data), one without (.bss), a place on the stack, nowhere.
static void check_names(struct mm *mm, gva_t entry, gva_t sp)
{
    struct symbols *s;
    struct symbol y;
    u64 bias = 1;
    char text[256];
    CHECK(symbols_new(&s) == 0);
    const struct object *o = symbols_object(s, mm, entry, &bias);
    CHECK(o && bias == 0);
    const struct object_symbol *f = o ? named(o, "main") : NULL, *d = o ? named(o, "stdout") : NULL,
                               *b = o ? named(o, "environ") : NULL;
    CHECK(f && d && b);
    if (f && d && b) {
        CHECK(symbols_find(s, mm, f->value + 4, &y) && y.name && strcmp(y.name, "main") == 0);
        CHECK(y.offset == 4 && y.size == f->size && y.start == f->value && !y.data && y.code);
        CHECK(symbol_text(&y, f->value + 4, text, sizeof text) == 8 && strcmp(text, "main+0x4") == 0);
        CHECK(symbols_find(s, mm, d->value, &y) && y.data && y.name && strcmp(y.name, "stdout") == 0);
        CHECK(!y.code && y.size == 8 && y.offset == 0 && y.file);
        CHECK(symbols_find(s, mm, b->value + 7, &y) && y.data && y.offset == 7);
        CHECK(y.name && strcmp(y.name, "environ") == 0);
    }
    CHECK(symbols_find(s, mm, entry, &y) && y.name && strcmp(y.name, "_start") == 0);
    CHECK(!symbols_find(s, mm, sp, &y) && !y.name && !y.code);
    CHECK(!symbols_find(s, mm, 8, &y) && symbols_text(s, mm, 8, text, sizeof text) == 3);
    symbols_free(s);
}

// Everything that can be asked of an object, at addresses in and around it.
static u64 ask(const struct object *o, u64 from)
{
    u64 found = 0;
    for (u64 at = from; at < from + 0x8000; at += 0x1f6) {
        const struct unwind_entry *e = object_unwind_at(o, at);
        const struct object_symbol *y = object_symbol_at(o, at);
        struct cfi_row row;
        found += e && cfi_find(o, e, at, &row);
        found += y && strlen(o->strings + y->name) < o->strings_size;
    }
    return found;
}

static u64 rng = 88172645463325252ULL;

static u64 random_number(void)
{
    rng ^= rng << 13;
    rng ^= rng >> 7;
    return rng ^= rng << 17;
}

// Bytes of the header, of the tables it names and of the unwind section change; nothing may crash.
static void check_damage(const char *program, int rounds)
{
    int from = open(program, O_RDONLY | O_CLOEXEC), fd = memfd_create("damaged", MFD_CLOEXEC);
    struct stat st;
    CHECK(from >= 0 && fd >= 0 && fstat(from, &st) == 0);
    size_t size = (size_t)st.st_size;
    u8 *whole = malloc(size), saved[32];
    size_t places[32];
    struct backing b = {.host_fd = fd};
    struct object *o;
    CHECK(whole && read(from, whole, size) == (ssize_t)size);
    CHECK(pwrite(fd, whole, size, 0) == (ssize_t)size);
    CHECK(object_load(&b, &o) == 0 && o->symbols > 500 && o->entries > 50);
    u64 base = o->entry[0].start;
    CHECK(ask(o, base) > 20);
    size_t unwind = (size_t)(o->unwind_address - o->segment[0].vaddr + o->segment[0].offset);
    size_t unwind_size = o->unwind_size, sections = ((struct elf_header *)whole)->shoff;
    object_free(o);
    for (int round = 0; round < rounds; round++) {
        u32 n = 1 + (u32)(random_number() % ARRAY_LEN(places));
        for (u32 i = 0; i < n; i++) {
            size_t area[][2] = {{0, 64 + 56 * 8}, {sections, size - sections}, {unwind, unwind_size},
                                {0, size}};
            size_t *in = area[random_number() % ARRAY_LEN(area)];
            places[i] = in[0] + random_number() % in[1];
            saved[i] = whole[places[i]];
            u8 bad = (u8)(random_number() & 1 ? random_number() : 0xff * (random_number() & 1));
            whole[places[i]] = bad;
            CHECK(pwrite(fd, &bad, 1, (off_t)places[i]) == 1);
        }
        if (object_load(&b, &o) == 0) {
            ask(o, base);
            object_free(o);
        }
        while (n-- > 0) {
            whole[places[n]] = saved[n];
            CHECK(pwrite(fd, &saved[n], 1, (off_t)places[n]) == 1);
        }
    }
    free(whole);
    close(from);
    close(fd);
}

int main(int argc, char **argv)
{
    char *program = argc > 1 ? argv[1] : getenv("TINE_TEST_GUEST");
    if (!program || access(program, X_OK)) {
        printf("skipped see_test: no riscv64 program given\n");
        return 77;
    }
    struct machine_options o = {.memory = 64 << 20, .seed = 1, .virtual_time = true};
    char *args[] = {program, NULL}, *envp[] = {NULL};
    struct machine *m;
    u64 live = mem_live();
    int out = dup(1); // the machine closes what it was given
    CHECK(machine_new(&m, &o) == 0);
    CHECK(machine_start(m, program, args, envp, NULL) == 0);
    struct task *t = task_at(m, m->run_head);
    check_names(t->mm, t->regs.pc, t->regs.x[2]);
    machine_free(m);
    dup2(out, 1);
    check_damage(program, argc > 2 ? atoi(argv[2]) : getenv("TINE_TEST_LONG") ? 20000 : 1000);
    CHECK(mem_live() == live);
    printf("%s see_test\n", failures ? "FAIL" : "ok");
    return failures > 0;
}
