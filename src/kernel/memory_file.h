// Files whose bytes are the machine's own: those of fs/tmpfs.h, memfds among them.
//
//     struct file --inode--> struct inode --memory--> memory_file --> backing <-- regions that map it
//                                                           (pages of the machine, as of anonymous shared memory)
//
// So a machine fork parts their bytes page by page, as it does all memory.
//
// (MF1) backing.key.size is the size of the file. No page beyond it is cached or mapped, and what lies behind it
//       in its last page is zero, but for what mappings have stored there.
#ifndef KERNEL_MEMORY_FILE_H
#define KERNEL_MEMORY_FILE_H

#include "kernel/machine.h"

struct memory_file { // one for each inode
    struct backing *pages;
};

void memory_files_attach(struct machine *m); // fills fs's hooks
// The pages of a file, one reference; NULL: they are not the machine's.
struct backing *memory_file_backing(struct machine *m, file_t file);

#endif
