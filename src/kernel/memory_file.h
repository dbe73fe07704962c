// Files whose bytes are the machine's own: memfds (memfd_create(2)).
//
//     struct file --memory--> memory_file --> backing <-- regions that map it
//          |                                 (pages of the machine, as of anonymous shared memory)
//          +--host_fd--> a memfd of the host's: name, mode, owner, times, seals, size, and no bytes
//
// So a machine fork parts their bytes page by page, as it does all memory; and each copy of the machine gets an
// empty memfd of the host's.
//
// (MF1) backing.key.size is the size of the host's file. No page beyond it is cached or mapped, and what lies
//       behind it in its last page is zero, but for what mappings have stored there.
// (MF2) struct file.dev and ino are those of the first host file, in all copies: so a file keeps its identity.
#ifndef KERNEL_MEMORY_FILE_H
#define KERNEL_MEMORY_FILE_H

#include "kernel/machine.h"

struct memory_file {
    u32 refs; // open file descriptions
    int host; // during a machine fork: the copy's first descriptor, -1 = not made yet
    struct backing *pages;
};

void memory_files_attach(struct machine *m); // fills fs's hooks
// A machine fork, when all pools are copied: the copy's files get host files of their own. -E...
MUST_CHECK int memory_files_copied(struct machine *m, struct machine *from);
// The pages of a file, one reference; NULL: they are not the machine's.
struct backing *memory_file_backing(struct machine *m, file_t file);

#endif
