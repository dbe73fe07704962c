/*
 * exec.c - execve(2): what the new program gets (arguments, environment, auxiliary vector,
 * descriptors, signals, ids), what it does not, and every way it can fail (design row M2).
 *
 * The program runs itself with `--role ...` to look at things from the other side.
 */
#include "check.h"
#include <elf.h>
#include <pthread.h>
#include <sys/sendfile.h>
#include <sys/auxv.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/time.h>

extern char **environ;

/* Forks, and in the child runs this program with the arguments given; returns the status. */
static int run_self(char *const args[], char *const env[])
{
    pid_t pid = check_fork();
    if (pid == 0) {
        execve(check_self, args, env);
        _exit(127);
    }
    int status = check_status(pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}
#define RUN_SELF(...) run_self((char *[]){ (char *)"tine-test", __VA_ARGS__, NULL }, environ)

static char *new_file(const char *contents, mode_t mode)
{
    static char path[32];
    strcpy(path, "/tmp/tine-exec-XXXXXX");
    int fd = mkstemp(path);
    CHECK(fd >= 0);
    CHECK_EQ(write(fd, contents, strlen(contents)), strlen(contents));
    CHECK_EQ(fchmod(fd, mode), 0);
    CHECK_EQ(close(fd), 0);
    return path;
}

static void arguments_and_environment(void)
{
    char *args[] = { (char *)"zero", (char *)"--argv", (char *)"", (char *)"two words",
                     (char *)"\xc3\xa9", NULL };
    char *env[] = { (char *)"A=1", (char *)"EMPTY=", (char *)"B=x=y", NULL };
    CHECK_EQ(run_self(args, env), 0);
}

static void long_arguments(void)
{
    enum { N = 2000, SIZE = 100000 };
    char **args = calloc(N + 3, sizeof *args), *one = malloc(SIZE);
    memset(one, 'L', SIZE - 1);
    one[SIZE - 1] = 0;
    args[0] = (char *)"x";
    args[1] = (char *)"--long";
    for (int i = 2; i < N + 1; i++)
        args[i] = (char *)"argument number something";
    args[N + 1] = one;                            /* more than one page, less than 128 KiB */
    CHECK_EQ(run_self(args, environ), 0);
}

static void too_long_is_e2big(void)
{
    enum { SIZE = 140000 };                       /* one string: at most 128 KiB */
    char *one = malloc(SIZE), *args[] = { (char *)"x", one, NULL };
    memset(one, 'L', SIZE - 1);
    one[SIZE - 1] = 0;
    CHECK_ERR(execve(check_self, args, environ), E2BIG);
    char **many = calloc(60, sizeof *many);       /* together: at most a quarter of the stack */
    one[100000] = 0;
    for (int i = 0; i < 59; i++)
        many[i] = one;
    CHECK_ERR(execve(check_self, many, environ), E2BIG);
}

static void bad_pointers_are_efault(void)
{
    void *volatile bad = (void *)16;              /* volatile: so that gcc does not object */
    char *args[] = { (char *)"x", bad, NULL };
    CHECK_ERR(execve(check_self, args, environ), EFAULT);
    CHECK_ERR(execve(check_self, bad, environ), EFAULT);
    CHECK_ERR(execve(bad, args, environ), EFAULT);
}

static void auxiliary_vector(void)
{
    CHECK_EQ(RUN_SELF((char *)"--auxv"), 0);
}

static void memory_is_new(void)
{
    char address[32];
    char *p = check_private(1);
    pid_t pid = check_fork();
    if (pid == 0) {
        p = mmap((void *)0x1230000000, PAGE, PROT_READ | PROT_WRITE,
                 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
        snprintf(address, sizeof address, "%ld", (long)p);
        execl(check_self, "x", "--unmapped", address, (char *)NULL);
        _exit(127);
    }
    CHECK_EXIT(pid, 0);
}

static void close_on_exec(void)
{
    int fd = check_file(1);
    CHECK_EQ(dup2(fd, 40), 40);
    CHECK_EQ(dup3(fd, 41, O_CLOEXEC), 41);
    CHECK_EQ(dup2(fd, 42), 42);
    CHECK_EQ(fcntl(42, F_SETFD, FD_CLOEXEC), 0);
    CHECK_EQ(lseek(fd, 123, SEEK_SET), 123);
    CHECK_EQ(RUN_SELF((char *)"--descriptors"), 0);
    CHECK(fcntl(41, F_GETFD) == FD_CLOEXEC);      /* ours is still open */
}

static void ignore_all(int number)
{
    (void)number;
}

static void signals_after_exec(void)
{
    pid_t pid = check_fork();
    if (pid == 0) {
        stack_t stack = { .ss_size = 8 * PAGE };
        stack.ss_sp = check_private(8);
        sigaltstack(&stack, NULL);
        check_handler(SIGUSR1, ignore_all, SA_ONSTACK);
        check_handler(SIGUSR2, SIG_IGN, 0);
        check_mask(SIG_BLOCK, SIGHUP);
        raise(SIGHUP);                            /* pending: stays pending */
        execl(check_self, "x", "--signals", (char *)NULL);
        _exit(127);
    }
    CHECK_EXIT(pid, 0);
}

static void attributes_survive(void)
{
    char pid_text[16], ppid_text[16];
    pid_t pid = check_fork();
    if (pid == 0) {
        CHECK_EQ(chdir("/tmp"), 0);
        umask(031);
        alarm(100);
        nice(1);
        struct rlimit limit = { 123, 1000 };
        CHECK_EQ(setrlimit(RLIMIT_NOFILE, &limit), 0);
        snprintf(pid_text, sizeof pid_text, "%d", getpid());
        snprintf(ppid_text, sizeof ppid_text, "%d", getppid());
        execl(check_self, "x", "--attributes", pid_text, ppid_text, (char *)NULL);
        _exit(127);
    }
    CHECK_EXIT(pid, 0);
}

static void failures_leave_the_caller_intact(void)
{
    char *args[] = { (char *)"x", NULL };
    int fd = check_file(0);
    CHECK_EQ(fcntl(fd, F_SETFD, FD_CLOEXEC), 0);
    check_handler(SIGUSR1, ignore_all, 0);

    CHECK_ERR(execve("/no/such/file", args, environ), ENOENT);
    CHECK_ERR(execve("", args, environ), ENOENT);
    CHECK_ERR(execve("/tmp", args, environ), EACCES);
    char *path = new_file("not executable", 0644);
    CHECK_ERR(execve(path, args, environ), EACCES);
    unlink(path);
    path = new_file("no known format", 0755);
    CHECK_ERR(execve(path, args, environ), ENOEXEC);
    unlink(path);
    path = new_file("", 0755);
    CHECK_ERR(execve(path, args, environ), ENOEXEC);
    unlink(path);
    path = new_file("\177ELF, but only so", 0755);
    CHECK_ERR(execve(path, args, environ), ENOEXEC);
    unlink(path);
    path = new_file("#!/no/such/interpreter\n", 0755);
    CHECK_ERR(execve(path, args, environ), ENOENT);
    char below[64];
    snprintf(below, sizeof below, "%s/x", path);
    CHECK_ERR(execve(below, args, environ), ENOTDIR);
    unlink(path);
    char name[5000];
    memset(name, 'n', sizeof name - 1);
    name[sizeof name - 1] = 0;
    CHECK_ERR(execve(name, args, environ), ENAMETOOLONG);

    CHECK(fcntl(fd, F_GETFD) == FD_CLOEXEC);      /* nothing was closed or reset */
    struct sigaction action;
    CHECK_EQ(sigaction(SIGUSR1, NULL, &action), 0);
    CHECK(action.sa_handler == ignore_all);
}

/* #!interpreter argument: argv becomes interpreter, argument, path, then the caller's argv[1]... */
static void script_with_an_argument(void)
{
    char text[300];
    snprintf(text, sizeof text, "#! %s  --script one two  \nthe rest is not read\n", check_self);
    char *path = new_file(text, 0755);
    pid_t pid = check_fork();
    if (pid == 0) {
        execl(path, "lost", "a", "b", (char *)NULL);
        _exit(127);
    }
    /* the argument is one string, "--script one two": so the role is recognised by prefix */
    CHECK_EXIT(pid, 51);
    unlink(path);
}

static void script_of_a_script(void)
{
    char inner[32], text[300];
    snprintf(text, sizeof text, "#!%s --nested\n", check_self);
    strcpy(inner, new_file(text, 0755));
    snprintf(text, sizeof text, "#!%s\n", inner);
    char *outer = new_file(text, 0755);
    pid_t pid = check_fork();
    if (pid == 0) {
        execl(outer, "lost", "a", (char *)NULL);
        _exit(127);
    }
    CHECK_EXIT(pid, 52);
    unlink(outer);
    unlink(inner);
}

static void execveat_of_a_descriptor(void)
{
    int fd = open(check_self, O_RDONLY | O_CLOEXEC);
    char *args[] = { (char *)"x", (char *)"--exit", (char *)"53", NULL };
    CHECK(fd >= 0);
    pid_t pid = check_fork();
    if (pid == 0) {
        syscall(SYS_execveat, fd, "", args, environ, 0x1000 /* AT_EMPTY_PATH */);
        _exit(127);
    }
    CHECK_EXIT(pid, 53);
    CHECK_ERR(syscall(SYS_execveat, fd, "x", args, environ, 0), ENOTDIR);
}

/* The interpreter opens /dev/fd/N: it cannot if the descriptor is closed by the exec, but needs no name. */
static void execveat_of_a_script(void)
{
    char text[300], *args[] = { (char *)"x", NULL };
    snprintf(text, sizeof text, "#!%s --by-descriptor\n", check_self);
    char *path = new_file(text, 0755);
    int fd = open(path, O_RDONLY), closed = open(path, O_RDONLY | O_CLOEXEC);
    CHECK_EQ(unlink(path), 0);
    CHECK_ERR(syscall(SYS_execveat, closed, "", args, environ, 0x1000), ENOENT);
    pid_t pid = check_fork();
    if (pid == 0) {
        syscall(SYS_execveat, fd, "", args, environ, 0x1000);
        _exit(127);
    }
    CHECK_EXIT(pid, 55);
}

/* A script's process has the script's name, not its interpreter's. */
static void name_of_a_script(void)
{
    char text[300];
    snprintf(text, sizeof text, "#!%s --my-name\n", check_self);
    char *path = new_file(text, 0755);
    pid_t pid = check_fork();
    if (pid == 0) {
        execl(path, "other", (char *)NULL);
        _exit(127);
    }
    CHECK_EXIT(pid, 56);
    unlink(path);
}

static void search_in_path(void)
{
    CHECK_EQ(setenv("PATH", "/no/such/dir:/tmp", 1), 0);
    CHECK_ERR(execlp("no-such-program-at-all", "x", (char *)NULL), ENOENT);
}

/* exec again and again, each a little further: 20 generations of one process. */
static void chain_of_execs(void)
{
    CHECK_EQ(RUN_SELF((char *)"--chain", (char *)"20"), 54);
}

static void process_name(void)
{
    CHECK_EQ(RUN_SELF((char *)"--name"), 0);
}

/* A forked family's shared pages, the exec of one, and the others' memory. */
static void exec_drops_only_its_own_share(void)
{
    char *p = check_private(16);
    memset(p, 'e', 16 * PAGE);
    for (int i = 0; i < 5; i++) {
        pid_t pid = check_fork();
        if (pid == 0) {
            p[0] = 'c';
            execl(check_self, "x", "--exit", "0", (char *)NULL);
            _exit(127);
        }
        CHECK_EXIT(pid, 0);
        for (size_t k = 0; k < 16 * PAGE; k += 511)
            CHECK_EQ(p[k], 'e');
    }
}

/* A running program is not written to, and a file that is open for writing is not run. */
static void text_file_busy(void)
{
    char path[] = "/tmp/tine-busy-XXXXXX", *args[] = { path, (char *)"--pause", NULL };
    int fd = mkstemp(path), self = open("/proc/self/exe", O_RDONLY);
    struct stat st;
    CHECK(fd >= 0 && self >= 0);
    CHECK_EQ(fstat(self, &st), 0);
    CHECK_EQ(sendfile(fd, self, NULL, (size_t)st.st_size), st.st_size);
    CHECK_EQ(fchmod(fd, 0700), 0);
    CHECK_ERR(execv(path, args), ETXTBSY);
    close(fd);
    struct gate gate = gate_new();
    pid_t pid = check_fork();
    if (pid == 0) {
        dup2(gate.end[1], 1);
        execv(path, args);
        _exit(127);
    }
    gate_wait(gate);
    CHECK_ERR(open(path, O_WRONLY), ETXTBSY);
    CHECK_ERR(open(path, O_RDWR | O_CREAT | O_TRUNC, 0600), ETXTBSY);
    CHECK_ERR(truncate(path, 0), ETXTBSY);
    CHECK_EQ(stat(path, &st), 0);
    CHECK(st.st_size > 0);
    close(open(path, O_RDONLY));
    CHECK_EQ(kill(pid, SIGKILL), 0);
    CHECK_KILLED(pid, SIGKILL);
    CHECK((fd = open(path, O_WRONLY | O_TRUNC)) >= 0);
    CHECK_EQ(fstat(fd, &st), 0);
    CHECK_EQ(st.st_size, 0);
    CHECK_EQ(unlink(path), 0);
}

static const struct check_case cases[] = {
    CASE(arguments_and_environment),
    CASE(long_arguments),
    CASE(too_long_is_e2big),
    CASE(bad_pointers_are_efault),
    CASE(auxiliary_vector),
    CASE(memory_is_new),
    CASE(close_on_exec),
    CASE(signals_after_exec),
    CASE(attributes_survive),
    CASE(failures_leave_the_caller_intact),
    CASE(script_with_an_argument),
    CASE(script_of_a_script),
    CASE(execveat_of_a_descriptor),
    CASE(execveat_of_a_script),
    CASE(name_of_a_script),
    CASE(search_in_path),
    CASE(chain_of_execs),
    CASE(process_name),
    CASE(text_file_busy),
    CASE(exec_drops_only_its_own_share),
};

/* ---- the other side: each role returns 0, or the number of what is wrong ---- */

static int same(const char *a, const char *b)
{
    return a != NULL && strcmp(a, b) == 0;
}

static int role_argv(int argc, char **argv)
{
    if (argc != 5 || argv[5] != NULL || !same(argv[0], "zero") || !same(argv[2], "") ||
        !same(argv[3], "two words") || !same(argv[4], "\xc3\xa9"))
        return 1;
    if (!same(environ[0], "A=1") || !same(environ[1], "EMPTY=") || !same(environ[2], "B=x=y") ||
        environ[3] != NULL)
        return 2;
    return same(getenv("B"), "x=y") ? 0 : 3;
}

static int role_auxv(char **argv)
{
    const unsigned char *random = (const void *)getauxval(AT_RANDOM);
    int zeros = 0;

    for (int i = 0; random != NULL && i < 16; i++)
        zeros += random[i] == 0;
    if (random == NULL || zeros > 8)
        return 1;
    if (getauxval(AT_PAGESZ) != PAGE)
        return 2;
    const Elf64_Phdr *header = (const void *)getauxval(AT_PHDR);
    int loads = 0;
    for (unsigned long i = 0; i < getauxval(AT_PHNUM); i++)
        loads += header[i].p_type == PT_LOAD;
    if (loads == 0 || getauxval(AT_PHENT) != sizeof *header)
        return 3;
    if (getauxval(AT_UID) != getuid() || getauxval(AT_EGID) != getegid())
        return 4;
    if (getauxval(AT_SECURE) != 0 || getauxval(AT_CLKTCK) != 100)
        return 5;
    if (!same((const char *)getauxval(AT_EXECFN), check_self) &&
        access((const char *)getauxval(AT_EXECFN), X_OK) != 0)
        return 6;
    if (getauxval(AT_ENTRY) == 0)
        return 7;
#ifdef __riscv
    unsigned long wanted = 1 << ('I' - 'A') | 1 << ('M' - 'A') | 1 << ('A' - 'A') |
                           1 << ('F' - 'A') | 1 << ('D' - 'A') | 1 << ('C' - 'A');
    if ((getauxval(AT_HWCAP) & wanted) != wanted)
        return 8;
#endif
    return (uintptr_t)argv % 8 != 0 || (uintptr_t)&argv[-1] % 16 != 0 ? 9 : 0;
}

static int role_signals(void)
{
    struct sigaction action;
    sigset_t set;
    stack_t stack;

    sigaction(SIGUSR1, NULL, &action);
    if (action.sa_handler != SIG_DFL)
        return 1;
    sigaction(SIGUSR2, NULL, &action);
    if (action.sa_handler != SIG_IGN)
        return 2;
    sigprocmask(SIG_BLOCK, NULL, &set);
    if (!sigismember(&set, SIGHUP) || sigismember(&set, SIGUSR1))
        return 3;
    sigpending(&set);
    if (!sigismember(&set, SIGHUP))
        return 4;
    sigaltstack(NULL, &stack);
    return stack.ss_flags == SS_DISABLE ? 0 : 5;
}

static int role_attributes(char **argv)
{
    char cwd[100];
    struct rlimit limit;

    if (getpid() != atoi(argv[2]) || getppid() != atoi(argv[3]))
        return 1;
    if (getcwd(cwd, sizeof cwd) == NULL || !same(cwd, "/tmp"))
        return 2;
    if (umask(0) != 031)
        return 3;
    if (alarm(0) < 90)
        return 4;
    getrlimit(RLIMIT_NOFILE, &limit);
    return limit.rlim_cur == 123 ? 0 : 5;
}

static int role_chain(int left)
{
    char text[16];
    if (left == 0)
        return 54;
    snprintf(text, sizeof text, "%d", left - 1);
    execl(check_self, check_self, "--chain", text, (char *)NULL);
    return 127;
}

static int role(int argc, char **argv)
{
    unsigned char in_core;
    char name[16] = "";
    const char *base;

    if (same(argv[1], "--by-descriptor"))
        return argc == 3 && strncmp(argv[2], "/dev/fd/", 8) == 0 && access(argv[2], R_OK) == 0 ? 55 : 1;
    if (same(argv[1], "--my-name")) {
        const char *last = strrchr(argv[2], '/');
        return prctl(PR_GET_NAME, name) == 0 && strncmp(last + 1, name, 15) == 0 ? 56 : 1;
    }
    if (same(argv[1], "--pause"))
        return write(1, "x", 1) == 1 ? pause() : 1;
    if (same(argv[1], "--argv"))
        return role_argv(argc, argv);
    if (same(argv[1], "--long"))
        return argc == 2002 && strlen(argv[2001]) == 99999 && argv[2001][99998] == 'L' ? 0 : 1;
    if (same(argv[1], "--auxv"))
        return role_auxv(argv);
    if (same(argv[1], "--unmapped"))
        return mincore((void *)atol(argv[2]), PAGE, &in_core) == -1 && errno == ENOMEM ? 0 : 1;
    if (same(argv[1], "--descriptors"))
        return fcntl(40, F_GETFD) == 0 && lseek(40, 0, SEEK_CUR) == 123 &&
               fcntl(41, F_GETFD) < 0 && fcntl(42, F_GETFD) < 0 ? 0 : 1;
    if (same(argv[1], "--signals"))
        return role_signals();
    if (same(argv[1], "--attributes"))
        return role_attributes(argv);
    if (same(argv[1], "--script one two"))
        return argc == 5 && strncmp(argv[2], "/tmp/", 5) == 0 && same(argv[3], "a") &&
               same(argv[4], "b") ? 51 : 1;
    if (same(argv[1], "--nested"))
        return argc == 5 && strncmp(argv[2], "/tmp/", 5) == 0 &&
               strncmp(argv[3], "/tmp/", 5) == 0 && same(argv[4], "a") ? 52 : 1;
    if (same(argv[1], "--exit"))
        return atoi(argv[2]);
    if (same(argv[1], "--chain"))
        return role_chain(atoi(argv[2]));
    if (same(argv[1], "--name")) {
        prctl(PR_GET_NAME, name);
        base = strrchr((const char *)getauxval(AT_EXECFN), '/') + 1;
        return strncmp(name, base, 15) == 0 ? 0 : 1;
    }
    return 126;
}

int main(int argc, char **argv)
{
    if (argc > 1 && strncmp(argv[1], "--", 2) == 0) {
        check_self = (const char *)getauxval(AT_EXECFN);
        return role(argc, argv);
    }
    return check_main(argc, argv, cases, COUNT(cases));
}
