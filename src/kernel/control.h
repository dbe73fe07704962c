// What the machine's owner can see and do from outside, while the machine is at rest.
#ifndef KERNEL_CONTROL_H
#define KERNEL_CONTROL_H

#include "kernel/machine.h"

struct process_info {
    u32 pid, ppid, pgid, sid, threads;
    char state;        // as in /proc/PID/stat: R S T Z
    i32 status;        // of a zombie, as in wait4
    u64 instructions;  // of all threads so far
    u64 resident;      // pages present
    char name[16];
};

MUST_CHECK int machine_kill(struct machine *m, u32 pid, int signal); // -ESRCH, -EINVAL
MUST_CHECK int machine_memory_read(struct machine *m, u32 pid, gva_t from, void *to, size_t n); // -ESRCH, -EFAULT
// All or nothing; memory that the process may write. -ESRCH, -EFAULT, -ENOMEM
MUST_CHECK int machine_memory_write(struct machine *m, u32 pid, gva_t to, const void *from, size_t n);
struct regs *machine_regs(struct machine *m, u32 tid); // NULL: no such thread
// Fills at most `room`; how many there are.
u32 machine_processes(struct machine *m, struct process_info *out, u32 room);

#endif
