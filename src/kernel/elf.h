// The parts of an ELF-64 file that a loader reads (elf(5)), and file backings for mappings.
#ifndef KERNEL_ELF_H
#define KERNEL_ELF_H

#include "kernel/machine.h"
#include "kernel/syscall.h"

enum { ELF_EXEC = 2, ELF_DYN = 3, ELF_RISCV = 243, ELF_LOAD = 1, ELF_INTERP = 3, ELF_PHDR = 6, ELF_GNU_STACK = 0x6474e551,
       ELF_MAX_SEGMENTS = 64 };

struct elf_header {
    u8 magic[4], class, data, version, abi, pad[8];
    u16 type, machine;
    u32 elf_version;
    u64 entry, phoff, shoff;
    u32 flags;
    u16 ehsize, phentsize, phnum, shentsize, shnum, shstrndx;
};

struct elf_segment {
    u32 type, flags;
    u64 offset, vaddr, paddr, filesz, memsz, align;
};

enum { SHT_PROGBITS = 1, SHT_SYMTAB, SHT_STRTAB, SHT_HASH = 5, SHT_DYNAMIC, SHT_NOBITS = 8, SHT_DYNSYM = 11,
       SHT_GNU_HASH = 0x6ffffff6, SHT_VERDEF = 0x6ffffffd, SHT_VERSYM = 0x6fffffff };
enum { STT_NOTYPE, STT_OBJECT, STT_FUNC, STT_GNU_IFUNC = 10 };

struct elf_section {
    u32 name, type;
    u64 flags, addr, offset, size;
    u32 link, info;
    u64 align, entsize;
};

struct elf_symbol {
    u32 name;
    u8 info, other;
    u16 section;
    u64 value, size;
};

// An executable file, opened. What it holds is read through the page cache, so that execve of a warm
// file asks the host only to open it, what it is now, and to close it.
struct program {
    file_t file;
    struct backing *backing;
    char path[PATH_ROOM]; // absolute guest path
    bool nameless;        // it is known by a descriptor alone (AT_EMPTY_PATH)
    bool hidden;          // ... or below one, which is closed by the exec: no interpreter could open it
};
// -EACCES unless it is a regular file that may be executed. Not to be closed after an error.
MUST_CHECK int program_open(struct machine *m, struct fsctx *c, file_t dir, const char *path,
                            u32 flags, struct program *out);
void program_close(struct machine *m, struct program *p);
// Like pread(2).
i64 program_read(struct machine *m, const struct program *p, void *to, u64 n, u64 at);

// The page-cache backing of an open file; one reference for the caller. -ENODEV: not mappable.
MUST_CHECK int file_backing(struct machine *m, file_t f, struct backing **out);

#endif
