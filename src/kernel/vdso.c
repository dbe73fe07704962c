#include "kernel/vdso.h"

#include <string.h>

#include "base/panic.h"
#include "kernel/elf.h"

// The page, from its start: ELF header, program headers; what the dynamic loader reads (symbols, names,
// hash, versions, dynamic section); unwind tables; section headers, which debuggers read; the code last.

struct dynamic {
    u64 tag, value;
};

struct version_definition { // Elf64_Verdef with its one Elf64_Verdaux
    u16 version, flags, index, count;
    u32 hash, aux, next;
    u32 name, aux_next;
};

// The functions of Linux's vDSO for riscv, their version, and the system call that each one is.
static const struct {
    const char *name;
    u32 call;
    bool returns;
} functions[] = {
    {"__vdso_rt_sigreturn", 139, false}, {"__vdso_clock_gettime", 113, true},
    {"__vdso_gettimeofday", 169, true},  {"__vdso_clock_getres", 114, true},
    {"__vdso_getcpu", 168, true},        {"__vdso_flush_icache", 259, true},
    {"__vdso_riscv_hwprobe", 258, true},
};
static const char soname[] = "linux-vdso.so.1", version[] = "LINUX_4.15";

enum {
    FUNCTIONS = sizeof functions / sizeof *functions,
    SYMBOLS = 1 + FUNCTIONS, // the first is no symbol
    FUNCTION_BYTES = 12,
    SECTIONS = 12,
};

enum {
    DT_HASH = 4, DT_STRTAB = 5, DT_SYMTAB = 6, DT_STRSZ = 10, DT_SYMENT = 11, DT_SONAME = 14,
    DT_GNU_HASH = 0x6ffffef5, DT_VERSYM = 0x6ffffff0, DT_VERDEF = 0x6ffffffc, DT_VERDEFNUM = 0x6ffffffd,
    PT_DYNAMIC = 2, PT_EH_FRAME = 0x6474e550,
    SHF_ALLOC = 2, SHF_EXEC = 4, STB_GLOBAL = 1,
};

struct builder {
    u8 *page;
    u32 at;                // the next free byte
    struct elf_section *section;
    u32 sections;
    u32 names;             // length of the section names so far
    char section_names[160];
};

// Room for n bytes, aligned to 8.
static void *take(struct builder *b, u32 n)
{
    void *p = b->page + ALIGN_UP(b->at, 8);
    b->at = (u32)ALIGN_UP(b->at, 8) + n;
    return p;
}

static u32 offset_of(const struct builder *b, const void *p)
{
    return (u32)((const u8 *)p - b->page);
}

// Names a piece of the page; the number of the section.
static u32 name_section(struct builder *b, const char *name, struct elf_section s)
{
    s.name = b->names;
    s.addr = s.flags & SHF_ALLOC ? s.offset : 0;
    s.align = s.align ? s.align : 8;
    u32 length = (u32)strlen(name) + 1;
    ASSERT(b->names + length <= sizeof b->section_names && b->sections < SECTIONS);
    memcpy(b->section_names + b->names, name, length);
    b->names += length;
    b->section[b->sections] = s;
    return b->sections++;
}

struct tables {
    struct elf_symbol *symbols;
    char *strings;
    u32 *hash, *gnu_hash;
    u16 *versions;
    struct version_definition *definitions;
    u8 *frames;
    i32 *frame_index;
    struct dynamic *dynamic;
    u32 strings_size, frames_size, dynamic_size;
};

enum { HASH_BYTES = (2 + 1 + SYMBOLS) * 4, GNU_HASH_BYTES = (4 + 2 + 1 + FUNCTIONS) * 4, INDEX_BYTES = 5 * 4 };

// System V ABI, "Hash Table".
static u32 elf_hash(const char *s)
{
    u32 h = 0;
    for (; *s; s++) {
        h = (h << 4) + (u8)*s;
        u32 high = h & 0xf0000000;
        h ^= high >> 24;
        h &= ~high;
    }
    return h;
}

static u32 gnu_hash(const char *s)
{
    u32 h = 5381;
    for (; *s; s++)
        h = h * 33 + (u8)*s;
    return h;
}

// One bucket each: a chain through all symbols. glibc reads the second, which also tells it quickly what
// is not there; musl reads the first.
static void put_hashes(struct builder *b, struct tables *t)
{
    t->hash = take(b, HASH_BYTES);
    t->hash[0] = 1; // buckets
    t->hash[1] = SYMBOLS;
    t->hash[2] = 1;
    for (u32 i = 1; i < SYMBOLS - 1; i++)
        t->hash[3 + i] = i + 1;
    t->gnu_hash = take(b, GNU_HASH_BYTES);
    const u32 head[] = {1, 1, 1, 6}; // buckets, first symbol, words of the filter, its shift
    memcpy(t->gnu_hash, head, sizeof head);
    t->gnu_hash[6] = 1;
    u64 filter = 0;
    for (u32 i = 0; i < FUNCTIONS; i++) {
        u32 h = gnu_hash(functions[i].name);
        filter |= 1ULL << h % 64 | 1ULL << (h >> 6) % 64;
        t->gnu_hash[7 + i] = (h & ~1u) | (i == FUNCTIONS - 1); // the last bit ends a chain
    }
    memcpy(t->gnu_hash + 4, &filter, sizeof filter);
}

static u32 code_of(u32 function)
{
    return VDSO_SIGRETURN + function * FUNCTION_BYTES;
}

static void put_code(struct builder *b)
{
    for (u32 i = 0; i < FUNCTIONS; i++) {
        u32 code[] = {0x00000893 | functions[i].call << 20, // li a7, call
                      0x00000073,                           // ecall
                      0x00008067};                          // ret
        memcpy(b->page + code_of(i), code, functions[i].returns ? 12 : 8);
    }
}

static void put_symbols(struct builder *b, struct tables *t)
{
    t->symbols = take(b, SYMBOLS * sizeof *t->symbols);
    t->versions = take(b, SYMBOLS * sizeof *t->versions);
    t->definitions = take(b, 2 * sizeof *t->definitions);
    t->strings = take(b, 0);
    char *s = t->strings + 1;
    for (u32 i = 0; i < FUNCTIONS; i++) {
        u32 n = (u32)strlen(functions[i].name) + 1;
        memcpy(s, functions[i].name, n);
        t->symbols[1 + i] = (struct elf_symbol){.name = (u32)(s - t->strings), .info = STB_GLOBAL << 4 | STT_FUNC,
                                            .value = code_of(i), .size = functions[i].returns ? 12 : 8};
        t->versions[1 + i] = 2;
        s += n;
    }
    memcpy(s, soname, sizeof soname);
    memcpy(s + sizeof soname, version, sizeof version);
    u32 soname_at = (u32)(s - t->strings), version_at = soname_at + (u32)sizeof soname;
    t->definitions[0] = (struct version_definition){.version = 1, .flags = 1 /* the file's own */, .index = 1,
        .count = 1, .hash = elf_hash(soname), .aux = 20, .next = sizeof *t->definitions, .name = soname_at};
    t->definitions[1] = (struct version_definition){.version = 1, .index = 2, .count = 1,
        .hash = elf_hash(version), .aux = 20, .name = version_at};
    t->strings_size = version_at + (u32)sizeof version;
    b->at += t->strings_size;
}

// Unwind tables: all functions but the first are leaves without a frame. The first has no entry, as a
// signal frame is known by its code (gdb, libgcc and libunwind look for those two instructions).
static void put_unwind(struct builder *b, struct tables *t)
{
    static const u8 cie[] = {
        20, 0, 0, 0,  0, 0, 0, 0,  1, 'z', 'R', 0,
        1, 0x7c, 1, // code alignment, data alignment -4, return address in ra
        1, 0x1b,    // pointers: relative to their own place, 4 bytes, signed
        0x0c, 2, 0, // the caller's sp is sp + 0
        0, 0, 0, 0,
    };
    struct {
        u32 length, cie;
        i32 start;
        u32 size;
        u8 rest[4];
    } fde = {.length = 16};
    t->frames_size = sizeof cie + sizeof fde + 4; // a zero word is the end
    t->frames = take(b, t->frames_size);
    u32 at = offset_of(b, t->frames) + (u32)sizeof cie;
    memcpy(t->frames, cie, sizeof cie);
    fde.cie = (u32)sizeof cie + 4;
    fde.start = (i32)code_of(1) - (i32)(at + 8);
    fde.size = (FUNCTIONS - 1) * FUNCTION_BYTES;
    memcpy(t->frames + sizeof cie, &fde, sizeof fde);

    i32 *index = t->frame_index = take(b, INDEX_BYTES);
    u32 base = offset_of(b, index);
    const u8 encodings[] = {1, 0x1b, 3, 0x3b}; // version; frame, count, table
    memcpy(index, encodings, 4);
    index[1] = (i32)offset_of(b, t->frames) - (i32)(base + 4);
    index[2] = 1;
    index[3] = (i32)code_of(1) - (i32)base;
    index[4] = (i32)at - (i32)base;
}

static void put_dynamic(struct builder *b, struct tables *t)
{
    const struct dynamic rows[] = {
        {DT_SONAME, t->definitions[0].name},
        {DT_HASH, offset_of(b, t->hash)},
        {DT_GNU_HASH, offset_of(b, t->gnu_hash)},
        {DT_STRTAB, offset_of(b, t->strings)},
        {DT_SYMTAB, offset_of(b, t->symbols)},
        {DT_STRSZ, t->strings_size},
        {DT_SYMENT, sizeof *t->symbols},
        {DT_VERSYM, offset_of(b, t->versions)},
        {DT_VERDEF, offset_of(b, t->definitions)},
        {DT_VERDEFNUM, 2},
        {0, 0},
    };
    t->dynamic_size = sizeof rows;
    t->dynamic = take(b, sizeof rows);
    memcpy(t->dynamic, rows, sizeof rows);
}

static void put_sections(struct builder *b, const struct tables *t)
{
    b->section = take(b, SECTIONS * sizeof *b->section);
    name_section(b, "", (struct elf_section){.align = 0});
    b->section[0].align = 0;
    name_section(b, ".hash", (struct elf_section){.type = SHT_HASH, .flags = SHF_ALLOC, .link = 2, .entsize = 4,
        .offset = offset_of(b, t->hash), .size = HASH_BYTES});
    name_section(b, ".dynsym", (struct elf_section){.type = SHT_DYNSYM, .flags = SHF_ALLOC, .link = 3, .info = 1,
        .offset = offset_of(b, t->symbols), .size = SYMBOLS * sizeof *t->symbols, .entsize = sizeof *t->symbols});
    name_section(b, ".dynstr", (struct elf_section){.type = SHT_STRTAB, .flags = SHF_ALLOC, .align = 1,
        .offset = offset_of(b, t->strings), .size = t->strings_size});
    name_section(b, ".gnu.version", (struct elf_section){.type = SHT_VERSYM, .flags = SHF_ALLOC, .link = 2,
        .offset = offset_of(b, t->versions), .size = SYMBOLS * 2, .entsize = 2});
    name_section(b, ".gnu.version_d", (struct elf_section){.type = SHT_VERDEF, .flags = SHF_ALLOC, .link = 3, .info = 2,
        .offset = offset_of(b, t->definitions), .size = 2 * sizeof *t->definitions});
    name_section(b, ".gnu.hash", (struct elf_section){.type = SHT_GNU_HASH, .flags = SHF_ALLOC, .link = 2,
        .offset = offset_of(b, t->gnu_hash), .size = GNU_HASH_BYTES});
    name_section(b, ".eh_frame", (struct elf_section){.type = SHT_PROGBITS, .flags = SHF_ALLOC,
        .offset = offset_of(b, t->frames), .size = t->frames_size});
    name_section(b, ".eh_frame_hdr", (struct elf_section){.type = SHT_PROGBITS, .flags = SHF_ALLOC,
        .offset = offset_of(b, t->frame_index), .size = INDEX_BYTES});
    name_section(b, ".dynamic", (struct elf_section){.type = SHT_DYNAMIC, .flags = SHF_ALLOC, .link = 3,
        .offset = offset_of(b, t->dynamic), .size = t->dynamic_size, .entsize = sizeof *t->dynamic});
    u32 text = name_section(b, ".text", (struct elf_section){.type = SHT_PROGBITS, .flags = SHF_ALLOC | SHF_EXEC,
        .offset = VDSO_SIGRETURN, .size = FUNCTIONS * FUNCTION_BYTES, .align = 4});
    for (u32 i = 1; i < SYMBOLS; i++)
        t->symbols[i].section = (u16)text;
    u32 names = name_section(b, ".shstrtab", (struct elf_section){.type = SHT_STRTAB, .align = 1});
    void *to = take(b, b->names);
    memcpy(to, b->section_names, b->names);
    b->section[names].offset = offset_of(b, to);
    b->section[names].size = b->names;
}

static struct elf_segment segment(u32 type, u32 at, u32 size, u64 align)
{
    return (struct elf_segment){.type = type, .flags = 4, .offset = at, .vaddr = at, .paddr = at,
                                .filesz = size, .memsz = size, .align = align};
}

void vdso_build(u8 *page)
{
    struct builder b = {.page = page};
    struct tables t;
    memset(page, 0, PAGE_SIZE);
    struct elf_header *h = take(&b, sizeof *h);
    struct elf_segment *s = take(&b, 3 * sizeof *s);
    put_hashes(&b, &t);
    put_symbols(&b, &t);
    put_unwind(&b, &t);
    put_dynamic(&b, &t);
    put_sections(&b, &t);
    ASSERT(b.at <= VDSO_SIGRETURN && code_of(FUNCTIONS) <= PAGE_SIZE);
    put_code(&b);
    s[0] = segment(ELF_LOAD, 0, PAGE_SIZE, PAGE_SIZE);
    s[0].flags = 5; // readable and executable
    s[1] = segment(PT_DYNAMIC, offset_of(&b, t.dynamic), t.dynamic_size, 8);
    s[2] = segment(PT_EH_FRAME, offset_of(&b, t.frame_index), INDEX_BYTES, 4);
    *h = (struct elf_header){.magic = {0x7f, 'E', 'L', 'F'}, .class = 2, .data = 1, .version = 1, .type = ELF_DYN,
        .machine = ELF_RISCV, .elf_version = 1, .entry = VDSO_SIGRETURN, .phoff = offset_of(&b, s),
        .shoff = offset_of(&b, b.section), .flags = 5 /* RVC, double floats */, .ehsize = sizeof *h,
        .phentsize = sizeof *s, .phnum = 3, .shentsize = sizeof *b.section, .shnum = (u16)b.sections,
        .shstrndx = (u16)(b.sections - 1)};
}
