// What the files behind /proc share. Internal to the kernel; proc_attach is in machine.h.
#ifndef KERNEL_PROC_H
#define KERNEL_PROC_H

#include "kernel/machine.h"

#define TINE_RELEASE "6.1.0-tine"
#define TINE_VERSION "#1 SMP tine"

// The host's name, NUL-terminated.
void proc_hostname(struct machine *m, char *buf, size_t cap);

// What a path below /proc/PID is about: a thread group, and one of its threads (NULL once it has
// ended, or for tine's own pid 1).
struct proc_target {
    struct group *g;
    struct task *t;
    bool thread; // below task/TID: the numbers are the thread's alone
};

// ---- proc_task.c: `name` is what follows "12/" or "12/task/13/"
int proc_task_kind(struct machine *m, const struct proc_target *p, const char *name, u32 *mode);
i64 proc_task_link(struct machine *m, const struct proc_target *p, const char *name, char *buf,
                   size_t cap);
int proc_task_ns(const struct proc_target *p, const char *name, u32 *type, u32 *mounts, char *text); // proc_ops.ns
i64 proc_task_file(struct machine *m, const struct proc_target *p, const char *name);
int proc_task_read(struct machine *m, const struct proc_target *p, const char *name,
                   struct strbuf *out);
i64 proc_task_write(struct machine *m, const struct proc_target *p, const char *name,
                    const char *text, size_t n);
int proc_task_list(struct machine *m, const struct proc_target *p, const char *name,
                   struct strbuf *out);
u64 proc_instructions(struct machine *m, const struct proc_target *p);

int proc_auxv(struct machine *m, const struct proc_target *p, struct strbuf *s);

// ---- proc_mem.c; -ENOSYS: a file of text
i64 proc_task_read_at(struct machine *m, const struct proc_target *p, const char *name, u64 offset,
                      void *to, size_t n);
i64 proc_task_write_at(struct machine *m, const struct proc_target *p, const char *name, u64 offset,
                       const void *from, size_t n);

// ---- proc_maps.c
int proc_maps(struct machine *m, const struct proc_target *p, struct strbuf *out);
int proc_smaps(struct machine *m, const struct proc_target *p, struct strbuf *out);
int proc_smaps_rollup(struct machine *m, const struct proc_target *p, struct strbuf *out);

// ---- proc_net.c
int proc_net_unix(struct machine *m, struct strbuf *out);
int proc_net_sockstat(struct machine *m, struct strbuf *out);

// ---- proc_system.c: the files that are about the whole machine ("cpuinfo", "sys/kernel/osrelease")
int proc_system_kind(struct machine *m, const char *rel, u32 *mode);
int proc_system_read(struct machine *m, const char *rel, struct strbuf *out);
i64 proc_system_write(struct machine *m, const char *rel, const char *text, size_t n);
int proc_system_list(struct machine *m, const char *rel, struct strbuf *out); // -ENOENT: no such directory

#endif
