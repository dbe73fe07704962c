/* A host that lacks something:  deny ERRNO CALL[,CALL...] PROGRAM [ARGUMENT...]
 * runs PROGRAM under a filter that answers these calls with ERRNO. CALL: openat2, landlock, seccomp. */
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
        { "openat2", 437 }, { "landlock", 444 }, { "seccomp", SYS_seccomp },
    };
    struct sock_filter p[16];
    unsigned short n = 0;
    if (argc < 4)
        return 2;
    unsigned error = !strcmp(argv[1], "EPERM") ? EPERM : ENOSYS;
    p[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
    for (size_t i = 0; i < 3; i++) {
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
