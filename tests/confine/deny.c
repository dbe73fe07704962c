/* A host that lacks something:  deny ERRNO CALL[,CALL...] PROGRAM [ARGUMENT...]
 * runs PROGRAM under a filter that answers these calls with ERRNO: those of `calls`, which old hosts, default
 * containers and CI jobs may lack. */
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    static const struct { const char *name; unsigned nr; } calls[] = {
        { "openat2", 437 }, { "landlock", 444 }, { "seccomp", SYS_seccomp }, { "faccessat2", 439 },
        { "statx", SYS_statx }, { "memfd_create", SYS_memfd_create }, { "preadv2", SYS_preadv2 },
        { "pwritev2", SYS_pwritev2 }, { "renameat2", SYS_renameat2 }, { "inotify_init1", SYS_inotify_init1 },
        { "setgroups", SYS_setgroups }, { "madvise", SYS_madvise }, { "timer_create", SYS_timer_create },
    };
    struct sock_filter p[64];
    unsigned short n = 0;
    if (argc < 4)
        return 2;
    unsigned error = !strcmp(argv[1], "EPERM") ? EPERM : ENOSYS;
    p[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
    for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++) {
        if (!strstr(argv[2], calls[i].name))
            continue;
        p[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, calls[i].nr, 0, 1);
        p[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | error);
    }
    p[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    struct sock_fprog program = { n, p };
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program)) {
        perror("deny");
        return 77;
    }
    execv(argv[3], argv + 3);
    perror(argv[3]);
    return 127;
}
