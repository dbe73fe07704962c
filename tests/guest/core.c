/*
 * core.c - core files: when there is one, what its status says, and that it is an ELF file with the
 * registers of every thread and the memory of the process.
 */
#include "check.h"
#include <elf.h>
#include <pthread.h>
#include <sys/prctl.h>
#include <sys/procfs.h>
#include <sys/resource.h>
#include <sys/utsname.h>

#ifndef NT_SIGINFO
#define NT_SIGINFO 0x53494749
#endif
#ifndef NT_FILE
#define NT_FILE 0x46494c45
#endif

static char here[64];
static unsigned char *core;
static size_t core_bytes;
static long core_blocks;

/* A directory of one's own; the host's pattern has to be the plain one. */
static void enter_directory(void)
{
    char pattern[256] = "";
    int fd = open("/proc/sys/kernel/core_pattern", O_RDONLY);
    if (fd >= 0 && read(fd, pattern, sizeof pattern - 1) < 0)
        pattern[0] = 0;
    close(fd);
    if (strcmp(pattern, "core\n") != 0)
        check_skip("core files have another name here");
    strcpy(here, "/tmp/tine-core-XXXXXX");
    CHECK(mkdtemp(here) != NULL);
    CHECK_EQ(chdir(here), 0);
}

static void leave_directory(void)
{
    unlink("core");
    rmdir("core");
    CHECK_EQ(chdir("/"), 0);
    CHECK_EQ(rmdir(here), 0);
}

static void allow(rlim_t bytes)
{
    struct rlimit limit = { bytes, RLIM_INFINITY };
    getrlimit(RLIMIT_CORE, &limit);
    if (limit.rlim_max < bytes)
        check_skip("the hard limit of core files is too low");
    limit.rlim_cur = bytes;
    CHECK_EQ(setrlimit(RLIMIT_CORE, &limit), 0);
}

static void read_core(const char *name)
{
    struct stat st;
    int fd = open(name, O_RDONLY);
    CHECK(fd >= 0);
    CHECK_EQ(fstat(fd, &st), 0);
    CHECK_EQ(st.st_mode & 0777, 0600);
    core_bytes = (size_t)st.st_size;
    core_blocks = st.st_blocks;
    core = mmap(NULL, core_bytes, PROT_READ, MAP_PRIVATE, fd, 0);
    CHECK(core != MAP_FAILED);
    close(fd);
}

/* The n-th note of a type; NULL. */
static void *find_note(unsigned type, int n)
{
    const Elf64_Ehdr *h = (void *)core;
    const Elf64_Phdr *p = (void *)(core + h->e_phoff);
    CHECK_EQ(p[0].p_type, PT_NOTE);
    for (size_t at = p[0].p_offset; at < p[0].p_offset + p[0].p_filesz;) {
        Elf64_Nhdr *note = (void *)(core + at);
        if (note->n_type == type && n-- == 0)
            return core + at + 12 + ((note->n_namesz + 3) & ~3u);
        at += 12 + ((note->n_namesz + 3) & ~3u) + ((note->n_descsz + 3) & ~3u);
    }
    return NULL;
}

/* The byte of the core file that was at that address; NULL. */
static unsigned char *memory(const volatile void *address)
{
    const Elf64_Ehdr *h = (void *)core;
    const Elf64_Phdr *p = (void *)(core + h->e_phoff);
    uintptr_t at = (uintptr_t)address;
    for (int i = 1; i < h->e_phnum; i++)
        if (p[i].p_type == PT_LOAD && at >= p[i].p_vaddr && at < p[i].p_vaddr + p[i].p_filesz)
            return core + p[i].p_offset + (at - p[i].p_vaddr);
    return NULL;
}

static volatile int waiting;
static char mark[] = "a mark in the data segment";

static void *stand(void *unused)
{
    __atomic_fetch_add(&waiting, 1, __ATOMIC_SEQ_CST);
    for (;;)
        pause();
    return unused;
}

struct seen { char *anonymous, *large, *secret, *shared; pid_t tid; };

static void die_with_threads(struct seen *seen)
{
    pthread_t t;
    seen->anonymous = check_private(3);
    seen->large = check_private(16384);
    seen->secret = check_private(1);
    seen->shared = check_shared(1);
    strcpy(seen->anonymous + PAGE, "the middle one");
    seen->large[8192 * PAGE] = 'L';
    strcpy(seen->shared, "shared");
    strcpy(seen->secret, "not to be seen");
    CHECK_EQ(madvise(seen->secret, PAGE, MADV_DONTDUMP), 0);
    for (int i = 0; i < 3; i++)
        CHECK_EQ(pthread_create(&t, NULL, stand, NULL), 0);
    while (waiting < 3)
        sched_yield();
    seen->tid = (pid_t)syscall(SYS_gettid);
    *(volatile int *)8 = 1;
}

static void what_is_in_it(void)
{
    enter_directory();
    struct seen *seen = check_shared(1);
    pid_t pid = check_fork();
    if (pid == 0) {
        allow(RLIM_INFINITY);
        die_with_threads(seen);
    }
    int status = check_status(pid);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
    CHECK(WCOREDUMP(status));
    read_core("core");
    const Elf64_Ehdr *h = (void *)core;
    CHECK_EQ(memcmp(h->e_ident, ELFMAG, SELFMAG), 0);
    CHECK_EQ(h->e_type, ET_CORE);
#ifdef __riscv
    CHECK_EQ(h->e_machine, EM_RISCV);
    CHECK_EQ(sizeof(struct elf_prstatus), 376);
#endif
    struct elf_prstatus *first = find_note(NT_PRSTATUS, 0);
    CHECK(first != NULL);
    CHECK_EQ(first->pr_pid, seen->tid);
    CHECK_EQ(first->pr_info.si_signo, SIGSEGV);
    CHECK_EQ(first->pr_cursig, SIGSEGV);
    CHECK(find_note(NT_PRSTATUS, 3) != NULL && find_note(NT_PRSTATUS, 4) == NULL);
    CHECK(find_note(NT_FPREGSET, 3) != NULL);
    struct elf_prpsinfo *process = find_note(NT_PRPSINFO, 0);
    CHECK_EQ(process->pr_pid, pid);
    CHECK_EQ(process->pr_uid, getuid());
    CHECK(strstr(process->pr_psargs, "core") != NULL);
    siginfo_t *info = find_note(NT_SIGINFO, 0);
    CHECK_EQ(info->si_signo, SIGSEGV);
    CHECK_EQ(info->si_code, SEGV_MAPERR);
    CHECK_EQ((long)info->si_addr, 8);
    unsigned long *auxv = find_note(NT_AUXV, 0);
    while (*auxv && *auxv != AT_PAGESZ)
        auxv += 2;
    CHECK_EQ(auxv[1], PAGE);
    unsigned long *files = find_note(NT_FILE, 0);
    CHECK(files[0] > 0);
    CHECK_EQ(files[1], PAGE);
    CHECK(strstr((char *)(files + 2 + 3 * files[0]), "core") != NULL);
    CHECK(memory(mark) && strcmp((char *)memory(mark), mark) == 0);
    CHECK(strcmp((char *)memory(seen->anonymous + PAGE), "the middle one") == 0);
    CHECK_EQ(*memory(seen->anonymous), 0);
    CHECK_EQ(*memory(seen->large + 8192 * PAGE), 'L');
    CHECK_EQ(*memory(seen->large + 16384 * PAGE - 1), 0);
    CHECK(strcmp((char *)memory(seen->shared), "shared") == 0);
    CHECK(memory(seen->secret) == NULL);
    CHECK(core_bytes > 64u << 20);
    CHECK(core_blocks * 512 < 16 << 20);
    leave_directory();
}

/* The status of a child that limits itself and dies. */
static int dies(rlim_t limit, int dumpable, int number)
{
    pid_t pid = check_fork();
    if (pid == 0) {
        allow(limit);
        CHECK_EQ(prctl(PR_SET_DUMPABLE, dumpable), 0);
        kill(getpid(), number);
        _exit(1);
    }
    int status = check_status(pid);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == number);
    return status;
}

static void who_leaves_none(void)
{
    enter_directory();
    CHECK(!WCOREDUMP(dies(0, 1, SIGABRT)));
    CHECK(!WCOREDUMP(dies(100, 1, SIGABRT)));
    CHECK(!WCOREDUMP(dies(RLIM_INFINITY, 0, SIGABRT)));
    CHECK(!WCOREDUMP(dies(RLIM_INFINITY, 1, SIGTERM)));
    CHECK_ERR(access("core", F_OK), ENOENT);
    CHECK_EQ(mkdir("core", 0755), 0); /* in the way */
    CHECK(!WCOREDUMP(dies(RLIM_INFINITY, 1, SIGQUIT)));
    leave_directory();
}

static void a_short_one(void)
{
    struct stat st;
    enter_directory();
    CHECK_EQ(close(open("core", O_CREAT | O_WRONLY, 0666)), 0); /* is replaced */
    CHECK(WCOREDUMP(dies(16384, 1, SIGQUIT)));
    CHECK_EQ(stat("core", &st), 0);
    CHECK(st.st_size > 0 && st.st_size <= 16384);
    CHECK_EQ(st.st_mode & 0777, 0600);
    leave_directory();
}

static void what_a_parent_hears(void)
{
    static const int numbers[] = { SIGQUIT, SIGILL, SIGTRAP, SIGABRT, SIGBUS,
                                   SIGFPE,  SIGSEGV, SIGXCPU, SIGXFSZ, SIGSYS };
    enter_directory();
    for (size_t i = 0; i < COUNT(numbers); i++)
        CHECK(WCOREDUMP(dies(1 << 20, 1, numbers[i])));
    pid_t pid = check_fork();
    if (pid == 0) {
        allow(1 << 20);
        abort();
    }
    siginfo_t info;
    CHECK_EQ(waitid(P_PID, (id_t)pid, &info, WEXITED), 0);
    CHECK_EQ(info.si_code, CLD_DUMPED);
    CHECK_EQ(info.si_status, SIGABRT);
    leave_directory();
}

/* Settings are the machine's own; a host's are left alone. */
static void other_names(void)
{
    struct utsname name;
    char expected[64];
    CHECK_EQ(uname(&name), 0);
    if (!strstr(name.release, "tine") || getuid() != 0)
        check_skip("not this host's");
    enter_directory();
    int fd = open("/proc/sys/kernel/core_uses_pid", O_RDWR);
    CHECK(fd >= 0);
    CHECK_EQ(write(fd, "1\n", 2), 2);
    pid_t pid = check_fork();
    if (pid == 0) {
        allow(1 << 20);
        abort();
    }
    CHECK(WCOREDUMP(check_status(pid)));
    snprintf(expected, sizeof expected, "core.%d", pid);
    CHECK_EQ(unlink(expected), 0);
    CHECK_EQ(pwrite(fd, "0\n", 2, 0), 2);
    int pattern = open("/proc/sys/kernel/core_pattern", O_WRONLY);
    CHECK_ERR(write(pattern, "|/bin/false", 11), EINVAL);
    CHECK_EQ(write(pattern, "%e-%s-%p%%\n", 11), 11);
    pid = check_fork();
    if (pid == 0) {
        allow(1 << 20);
        prctl(PR_SET_NAME, "a/b");
        abort();
    }
    CHECK(WCOREDUMP(check_status(pid)));
    snprintf(expected, sizeof expected, "a!b-6-%d%%", pid);
    CHECK_EQ(unlink(expected), 0);
    CHECK_EQ(write(pattern, "core\n", 5), 5);
    leave_directory();
}

/* While a large one is written others go on, and SIGKILL ends it. */
static void others_go_on(void)
{
    enter_directory();
    pid_t pid = check_fork();
    if (pid == 0) {
        char *p = check_private(16384);
        allow(RLIM_INFINITY);
        for (size_t i = 0; i < 16384; i++)
            p[i * PAGE] = 1;
        abort();
    }
    CHECK_SOON(access("core", F_OK) == 0);
    kill(pid, SIGKILL);
    int status = check_status(pid);
    CHECK(WIFSIGNALED(status));
    CHECK(WTERMSIG(status) == SIGABRT || WTERMSIG(status) == SIGKILL);
    leave_directory();
}

static const struct check_case cases[] = {
    CASE(what_is_in_it),   CASE(who_leaves_none), CASE(a_short_one), CASE(what_a_parent_hears),
    CASE(other_names), CASE(others_go_on),
};
CHECK_MAIN(cases)
