// The parts of an ELF-64 file that a loader reads (elf(5)), and file backings for mappings.
#ifndef KERNEL_ELF_H
#define KERNEL_ELF_H

#include "kernel/machine.h"

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

// The page-cache backing of an open file; one reference for the caller. -ENODEV: not mappable.
MUST_CHECK int file_backing(struct machine *m, file_t f, struct backing **out);

#endif
