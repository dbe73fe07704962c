/* Ways out of --root. Each runs in a process of its own; none may see the word that stands in the files
 * outside, or change anything there (the caller looks afterwards).
 *
 *     escape DIR    DIR = the host's name of the directory around the root: it holds `secret`, `sock`, ... */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *outside; /* DIR */
static char buffer[8192];

static const char *out(const char *name)
{
    static char path[8][4096];
    static int turn;
    turn = (turn + 1) % 8;
    snprintf(path[turn], sizeof path[turn], "%s/%s", outside, name);
    return path[turn];
}

static void escaped(const char *how)
{
    printf("ESCAPED: %s\n", how);
    fflush(stdout);
    _exit(1);
}

static void look(int fd, const char *how)
{
    ssize_t n = fd < 0 ? -1 : read(fd, buffer, sizeof buffer - 1);
    buffer[n < 0 ? 0 : n] = 0;
    if (n > 0 && strstr(buffer, "OUTSIDE"))
        escaped(how);
    if (fd >= 0)
        close(fd);
}

static void reads(const char *path)
{
    struct stat st;
    look(open(path, O_RDONLY), path);
    look(open(path, O_RDONLY | O_NOFOLLOW), path);
    int fd = open(path, O_PATH);
    if (fd >= 0) {
        char self[64];
        snprintf(self, sizeof self, "/proc/self/fd/%d", fd);
        look(open(self, O_RDONLY), path);
        if (fstat(fd, &st) == 0 && st.st_size == 4242)
            escaped(path);
        close(fd);
    }
    if (stat(path, &st) == 0 && st.st_size == 4242) /* the secret's size */
        escaped(path);
}

static void reads_at(int dir, const char *path)
{
    if (dir >= 0)
        look(openat(dir, path, O_RDONLY), path);
}

/* ---- ways */

static void dot_dot(void) { reads("../secret"); }
static void slash_dot_dot(void) { reads("/../secret"); }
static void odd_slashes(void) { reads("//..//.././///../secret"); reads("/./../secret"); }
static void absolute(void) { reads(out("secret")); }
static void many_dots(void)
{
    char path[4000] = "/";
    for (int i = 0; i < 1200; i++)
        strcat(path, "../");
    strcat(path, "secret");
    reads(path);
}
static void climb(void)
{
    for (int i = 0; i < 64; i++)
        if (chdir("..") < 0)
            break;
    reads("secret");
    reads(out("secret") + 1);
}
static void dirfd_up(void) { reads_at(open("/", O_RDONLY | O_DIRECTORY), "../secret"); }
static void path_dirfd_up(void) { reads_at(open("/dir", O_PATH | O_DIRECTORY), "../../secret"); }
static void prepared_absolute_link(void) { reads("/links/absolute"); }
static void prepared_relative_link(void) { reads("/links/relative"); }
static void prepared_directory_link(void) { reads("/links/directory/secret"); }
static void own_absolute_link(void) { (void)!symlink(out("secret"), "/tmp/own"); reads("/tmp/own"); }
static void own_relative_link(void)
{
    (void)!symlink("../../../../../../secret", "/tmp/own-relative");
    reads("/tmp/own-relative");
}
static void link_to_parent(void) { (void)!symlink("/..", "/tmp/parent"); reads("/tmp/parent/secret"); }
static void chain_of_links(void)
{
    (void)!symlink("/tmp/chain2", "/tmp/chain1");
    (void)!symlink("../links/absolute", "/tmp/chain2");
    reads("/tmp/chain1");
}
static void link_by_descriptor(void)
{
    int fd = open("/links/absolute", O_PATH | O_NOFOLLOW);
    char self[64];
    snprintf(self, sizeof self, "/proc/self/fd/%d", fd);
    reads(self);
    reads_at(fd, "");
    (void)!fchdir(fd);
}
static void proc_root(void) { reads("/proc/self/root/../secret"); reads("/proc/1/root/../secret"); }
static void proc_cwd(void) { reads("/proc/self/cwd/../../secret"); reads("/proc/1/cwd/../secret"); }
static void proc_fd(void)
{
    char path[64];
    int fd = open("/dir", O_RDONLY | O_DIRECTORY);
    snprintf(path, sizeof path, "/proc/self/fd/%d/../../secret", fd);
    reads(path);
    snprintf(path, sizeof path, "/dev/fd/%d/../../secret", fd);
    reads(path);
}
static void proc_exe(void) { reads("/proc/self/exe/../../secret"); }
static void proc_dots(void) { reads("/proc/../../secret"); reads("/proc/self/../../../secret"); }
static void sys_dots(void) { reads("/sys/../../secret"); reads("/dev/../../secret"); }
static void dev_dots(void) { reads("/dev/pts/../../../secret"); reads("/dev/shm/../../../secret"); }
static void chroot_and_back(void)
{
    int fd = open("/", O_RDONLY | O_DIRECTORY);
    (void)!chroot("/dir");
    (void)!fchdir(fd);
    for (int i = 0; i < 32; i++)
        (void)!chdir("..");
    reads("secret");
    (void)!chroot(".");
    reads("/secret");
    reads("../secret");
}
static void chroot_up(void) { (void)!chroot("/.."); reads("/secret"); (void)!chroot("/links/directory"); reads("/secret"); }
static void moved_directory(void)
{
    (void)!mkdir("/tmp/m1", 0755);
    (void)!mkdir("/tmp/m1/m2", 0755);
    (void)!mkdir("/tmp/m1/m2/m3", 0755);
    if (chdir("/tmp/m1/m2/m3") < 0)
        return;
    (void)!rename("/tmp/m1/m2/m3", "/m3");
    reads("../secret");
    reads("../../secret");
    reads("../../../secret");
}
/* The name of where we are is longer than the host can say. */
static void names_too_long(void)
{
    char name[201];
    memset(name, 'n', 200);
    name[200] = 0;
    for (int i = 0; i < 25; i++)
        if ((mkdir(name, 0755) && errno != EEXIST) || chdir(name))
            _exit(4);
    if (chdir("..") || mkdir("sideways", 0755)) /* must not shut us in, either */
        _exit(5);
    (void)!rename("sideways", "/sideways");
    for (int i = 0; i < 40; i++) {
        reads("../secret");
        reads("secret");
        (void)!chdir("..");
    }
    struct stat at, root;
    if (stat(".", &at) || stat("/", &root) || at.st_ino != root.st_ino)
        _exit(6);
}
static void rename_race(void)
{
    (void)!mkdir("/tmp/r1", 0755);
    (void)!mkdir("/tmp/r1/r2", 0755);
    (void)!mkdir("/tmp/r1/r2/deep", 0755);
    pid_t child = fork();
    if (!child)
        for (;;) {
            (void)!rename("/tmp/r1/r2/deep", "/shallow");
            (void)!rename("/shallow", "/tmp/r1/r2/deep");
        }
    for (int i = 0; i < 3000; i++) {
        look(open("/tmp/r1/r2/deep/../../../../secret", O_RDONLY), "rename race");
        look(open("/shallow/../secret", O_RDONLY), "rename race");
    }
    kill(child, SIGKILL);
}
static void link_race(void)
{
    (void)!mkdir("/tmp/plain", 0755);
    (void)!symlink(outside, "/tmp/evil");
    (void)!symlink("plain", "/tmp/good");
    pid_t child = fork();
    if (!child)
        for (;;) {
            (void)!syscall(SYS_renameat2, AT_FDCWD, "/tmp/evil", AT_FDCWD, "/tmp/plain", 2);
        }
    for (int i = 0; i < 3000; i++)
        look(open("/tmp/plain/secret", O_RDONLY), "link race");
    kill(child, SIGKILL);
}
static void bind_up(void) { reads("/bind/../../secret"); (void)!chdir("/bind"); reads("../secret"); reads("../../secret"); }
static void bind_link(void) { reads("/bind/link"); reads("/bind/up/secret"); }
static void out_of_bind(void)
{
    if (rename("/bind/inner", "/inner") == 0)
        escaped("a directory moved from one mount to another");
    if (chdir("/bind/inner") == 0)
        reads("../../secret");
}
static void bind_read_only(void)
{
    if (open("/bind/file", O_WRONLY) >= 0 || open("/bind/new", O_CREAT | O_WRONLY, 0644) >= 0 ||
        unlink("/bind/file") == 0 || chmod("/bind/file", 0600) == 0 || truncate("/bind/file", 0) == 0 ||
        rename("/bind/file", "/bind/file2") == 0 || link("/bind/file", "/bind/file3") == 0)
        escaped("a read-only bind was changed");
    int fd = open("/bind/file", O_RDONLY);
    char self[64];
    snprintf(self, sizeof self, "/proc/self/fd/%d", fd);
    if (open(self, O_RDWR) >= 0 || fchmod(fd, 0600) == 0 || ftruncate(fd, 0) == 0)
        escaped("a read-only bind was changed through a descriptor");
    if (mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) != MAP_FAILED)
        escaped("a read-only bind was mapped for writing");
}
static void hard_link_of_link(void)
{
    (void)!linkat(AT_FDCWD, "/links/absolute", AT_FDCWD, "/tmp/hard", AT_SYMLINK_FOLLOW);
    reads("/tmp/hard");
    (void)!link("../secret", "/tmp/hard2");
    reads("/tmp/hard2");
    (void)!link(out("secret"), "/tmp/hard3");
    reads("/tmp/hard3");
}
static void passed_descriptor(void)
{
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) < 0)
        return;
    char control[CMSG_SPACE(sizeof(int))] = { 0 }, byte = 0;
    struct iovec v = { &byte, 1 };
    struct msghdr m = { .msg_iov = &v, .msg_iovlen = 1, .msg_control = control,
                        .msg_controllen = sizeof control };
    struct cmsghdr *c = CMSG_FIRSTHDR(&m);
    *c = (struct cmsghdr){ .cmsg_len = CMSG_LEN(sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS };
    *(int *)CMSG_DATA(c) = open("/dir", O_PATH | O_DIRECTORY);
    (void)!sendmsg(pair[0], &m, 0);
    if (recvmsg(pair[1], &m, 0) == 1)
        reads_at(*(int *)CMSG_DATA(CMSG_FIRSTHDR(&m)), "../../secret");
}
static void inherited(void)
{
    for (int fd = 3; fd < 64; fd++) {
        reads_at(fd, "secret");
        reads_at(fd, "../secret");
        look(fcntl(fd, F_DUPFD, 100), "inherited descriptor");
    }
}
static void inherited_input(void)
{
    char path[64];
    for (int fd = 0; fd < 3; fd++) {
        reads_at(fd, "secret");
        snprintf(path, sizeof path, "/proc/self/fd/%d/secret", fd);
        reads(path);
        (void)!fchdir(fd);
        reads("secret");
    }
}
static int connects(const char *path)
{
    struct sockaddr_un a = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    strncpy(a.sun_path, path, sizeof a.sun_path - 1);
    return fd >= 0 && connect(fd, (struct sockaddr *)&a, sizeof a) == 0;
}
static void unix_connect(void)
{
    (void)!symlink(out("sock"), "/tmp/socklink");
    if (connects("../sock") || connects("/../sock") || connects(out("sock")) || connects("/tmp/socklink"))
        escaped("connected to a socket outside");
}
static void unix_bind(void)
{
    struct sockaddr_un a = { .sun_family = AF_UNIX, .sun_path = "../evil-sock" };
    (void)!bind(socket(AF_UNIX, SOCK_STREAM, 0), (struct sockaddr *)&a, sizeof a);
    strncpy(a.sun_path, out("evil-sock2"), sizeof a.sun_path - 1);
    (void)!bind(socket(AF_UNIX, SOCK_STREAM, 0), (struct sockaddr *)&a, sizeof a);
}
static void unix_abstract(void)
{
    struct sockaddr_un a = { .sun_family = AF_UNIX };
    memcpy(a.sun_path, "\0tine-escape-test", 17);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    if (connect(fd, (struct sockaddr *)&a, sizeof(sa_family_t) + 17) == 0)
        escaped("connected to an abstract name of the host");
}
static void internet(void)
{
    for (int family = 2; family <= 17; family++)
        if (socket(family, SOCK_STREAM, 0) >= 0 && (family == AF_INET || family == AF_INET6))
            escaped("internet socket");
}
static void executes(const char *path)
{
    pid_t child = fork();
    if (!child) {
        execl(path, path, (char *)0);
        _exit(7);
    }
    int status;
    waitpid(child, &status, 0);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 55)
        escaped(path);
}
static void exec_outside(void) { executes("../program"); executes(out("program")); }
static void exec_link(void) { (void)!symlink(out("program"), "/tmp/plink"); executes("/tmp/plink"); }
static void exec_at(void)
{
    pid_t child = fork();
    if (!child) {
        char *argv[] = { "x", NULL };
        syscall(SYS_execveat, open("/", O_PATH), "../program", argv, argv + 1, 0);
        syscall(SYS_execveat, open("/dir", O_PATH), "../../program", argv, argv + 1, 0);
        _exit(7);
    }
    int status;
    waitpid(child, &status, 0);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 55)
        escaped("execveat");
}
static void script_interpreter(void)
{
    int fd = open("/tmp/script", O_CREAT | O_WRONLY | O_TRUNC, 0755);
    dprintf(fd, "#!%s\n", out("program"));
    close(fd);
    executes("/tmp/script");
    fd = open("/tmp/script2", O_CREAT | O_WRONLY | O_TRUNC, 0755);
    dprintf(fd, "#!../program\n");
    close(fd);
    executes("/tmp/script2");
}
static void elf_interpreter(void) { executes("/elf-interp"); }
static void memfd_script(void)
{
    char path[64];
    int fd = (int)syscall(SYS_memfd_create, "x", 0);
    dprintf(fd, "#!%s\n", out("program"));
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    executes(path);
}
static void host_proc(void)
{
    reads("/hostproc/self/environ");
    reads("/hostproc/self/root/secret");
    reads("/hostproc/self/cwd/secret");
    if (open("/hostproc/self/mem", O_RDWR) >= 0 || open("/hostproc/version", O_RDONLY) >= 0 ||
        open("/hostproc/self/maps", O_RDONLY) >= 0)
        escaped("the host's procfs");
}
static void device_nodes(void)
{
    if (mknod("/tmp/node", S_IFBLK | 0600, makedev(254, 0)) == 0 || mknod("/tmp/node2", S_IFCHR | 0600, makedev(1, 1)) == 0)
        escaped("mknod");
    reads("/dev/mem");
    reads("/dev/kmsg");
    reads("/dev/vda");
    reads("/dev/sda");
}
static void core_file(void)
{
    struct rlimit r = { 1 << 20, RLIM_INFINITY };
    (void)!setrlimit(RLIMIT_CORE, &r);
    r.rlim_cur = r.rlim_max;
    (void)!chdir("/tmp");
    (void)!symlink(out("evil-core"), "/tmp/core");
    pid_t child = fork();
    if (!child)
        abort();
    waitpid(child, NULL, 0);
}
static void mounts(void)
{
    (void)!mkdir("/tmp/mnt", 0755);
    if (mount(out(""), "/tmp/mnt", NULL, MS_BIND, NULL) == 0)
        reads("/tmp/mnt/secret");
    if (syscall(SYS_pivot_root, "/tmp", "/tmp") == 0 || syscall(SYS_unshare, 0x10000000) == 0)
        reads("/secret");
    (void)!syscall(SYS_setns, open("/proc/1/ns/mnt", O_RDONLY), 0);
    reads("/../secret");
}
static void file_handles(void)
{
    struct { unsigned bytes; int type; char data[128]; } h = { 128, 0, { 0 } };
    int id;
    if (syscall(SYS_name_to_handle_at, AT_FDCWD, "/..", &h, &id, 0) == 0)
        reads_at((int)syscall(SYS_open_by_handle_at, open("/", O_RDONLY), &h, O_RDONLY), "secret");
}
static void temporary_file(void)
{
    char self[64];
    int fd = open("/tmp", O_TMPFILE | O_RDWR, 0600);
    snprintf(self, sizeof self, "/proc/self/fd/%d", fd);
    (void)!linkat(AT_FDCWD, self, AT_FDCWD, "../evil-tmp", AT_SYMLINK_FOLLOW);
    (void)!linkat(AT_FDCWD, self, AT_FDCWD, out("evil-tmp2"), AT_SYMLINK_FOLLOW);
    if (open("/..", O_TMPFILE | O_RDWR, 0600) >= 0 && 0)
        return;
}
static void creates(void)
{
    close(open("../evil-file", O_CREAT | O_WRONLY, 0600));
    close(open(out("evil-file2"), O_CREAT | O_WRONLY, 0600));
    close(open("/links/evil", O_CREAT | O_WRONLY, 0600)); /* a dangling link outwards */
    (void)!mkdir("../evil-dir", 0700);
    (void)!mkdir(out("evil-dir2"), 0700);
    (void)!symlink("x", "../evil-link");
    (void)!mknod(out("evil-fifo"), S_IFIFO | 0600, 0);
}
static void changes(void)
{
    const char *names[] = { "../secret", "/../secret", out("secret"), "/links/absolute", "/links/relative" };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        (void)!truncate(names[i], 0);
        (void)!chmod(names[i], 0777);
        (void)!utimensat(AT_FDCWD, names[i], NULL, 0);
        close(open(names[i], O_WRONLY | O_TRUNC));
        if (i < 3)
            (void)!unlink(names[i]);
        if (i < 3)
            (void)!rename(names[i], "/tmp/stolen");
    }
    reads("/tmp/stolen");
    (void)!rename("/dir", "../evil-moved");
}
static void attributes(void)
{
    (void)!syscall(SYS_setxattr, out("secret"), "user.evil", "x", 1, 0);
    (void)!chown(out("secret"), 1, 1);
    if (inotify_add_watch(inotify_init1(0), out("secret"), IN_ALL_EVENTS) >= 0)
        escaped("inotify");
}
static void accounting(void)
{
    (void)!syscall(SYS_acct, out("evil-acct"));
    (void)!syscall(SYS_swapon, out("secret"), 0);
    (void)!syscall(SYS_quotactl, 0, out("secret"), 0, 0);
}
static void openat2_flags(void)
{
    struct { unsigned long long flags, mode, resolve; } how = { O_RDONLY, 0, 0x10 };
    look((int)syscall(437, AT_FDCWD, out("secret"), &how, sizeof how), "openat2");
    how.resolve = 0;
    look((int)syscall(437, open("/dir", O_PATH), "../../secret", &how, sizeof how), "openat2");
}
static void trailing_links(void)
{
    reads("/links/directory/./secret");
    reads("/links/directory/");
    look(open("/links/directory", O_RDONLY | O_DIRECTORY), "directory link");
    reads_at(open("/links/directory", O_RDONLY | O_DIRECTORY), "secret");
}
static void shared_memory(void) { reads("/dev/shm/../shm/../../../secret"); reads("/dev/shm/secret"); }
static void signals_out(void)
{
    for (pid_t pid = 1; pid < 70000; pid++) /* only our own can be seen */
        if (pid > 200 && kill(pid, 0) == 0)
            escaped("a process of the host");
}
static void terminal_input(void)
{
    char c = 'x';
    (void)!syscall(SYS_ioctl, 0, 0x5412, &c);
    (void)!syscall(SYS_ioctl, 2, 0x5412, &c);
}
static void old_root(void)
{
    int fd = open("/", O_PATH | O_DIRECTORY);
    (void)!fchdir(fd);
    (void)!chdir("../..");
    reads("secret");
    reads_at(fd, "../../../secret");
}

#define WAY(name) { #name, name }
static const struct { const char *name; void (*run)(void); } ways[] = {
    WAY(dot_dot), WAY(slash_dot_dot), WAY(odd_slashes), WAY(absolute), WAY(many_dots), WAY(climb),
    WAY(dirfd_up), WAY(path_dirfd_up), WAY(prepared_absolute_link), WAY(prepared_relative_link),
    WAY(prepared_directory_link), WAY(own_absolute_link), WAY(own_relative_link), WAY(link_to_parent),
    WAY(chain_of_links), WAY(link_by_descriptor), WAY(proc_root), WAY(proc_cwd), WAY(proc_fd),
    WAY(proc_exe), WAY(proc_dots), WAY(sys_dots), WAY(dev_dots), WAY(chroot_and_back), WAY(chroot_up),
    WAY(moved_directory), WAY(names_too_long), WAY(rename_race), WAY(link_race), WAY(bind_up), WAY(bind_link),
    WAY(out_of_bind), WAY(bind_read_only), WAY(hard_link_of_link), WAY(passed_descriptor),
    WAY(inherited), WAY(inherited_input), WAY(unix_connect), WAY(unix_bind), WAY(unix_abstract),
    WAY(internet), WAY(exec_outside), WAY(exec_link), WAY(exec_at), WAY(script_interpreter),
    WAY(elf_interpreter), WAY(memfd_script), WAY(host_proc), WAY(device_nodes), WAY(core_file),
    WAY(mounts), WAY(file_handles), WAY(temporary_file), WAY(creates), WAY(changes), WAY(attributes),
    WAY(accounting), WAY(openat2_flags), WAY(trailing_links), WAY(shared_memory), WAY(signals_out),
    WAY(terminal_input), WAY(old_root),
};

int main(int argc, char **argv)
{
    int bad = 0;
    if (argc != 2)
        return 2;
    outside = argv[1];
    for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++) {
        int status;
        pid_t child = fork();
        if (!child) {
            alarm(10);
            if (chdir("/") < 0)
                _exit(3);
            ways[i].run();
            _exit(0);
        }
        waitpid(child, &status, 0);
        if (status) {
            printf("FAIL %s (%#x)\n", ways[i].name, status);
            bad++;
        }
    }
    printf("%zu ways tried, %d work\n", sizeof ways / sizeof ways[0], bad);
    return bad != 0;
}
