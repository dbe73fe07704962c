// The structures that system calls take and fill in, shown as strace shows them.

#include <stdio.h>
#include <string.h>

#include "abi/fs_abi.h"
#include "abi/socket.h"
#include "mm/uaccess.h"
#include "see/print.h"

#define SHOWN_ELEMENTS 32u // of an array

static long long ll(i64 v)
{
    return v;
}

static bool is_call(const struct printer *p, const char *name)
{
    return strcmp(syscall_name(p->number), name) == 0;
}

// ---- time ----------------------------------------------------------------------------------------

static void timespec(struct text *out, const struct g_timespec *t)
{
    text_printf(out, "{tv_sec=%lld, tv_nsec=%lld}", ll(t->sec), ll(t->nsec));
}

static void timeval(struct text *out, const struct g_timeval *t)
{
    text_printf(out, "{tv_sec=%lld, tv_usec=%lld}", ll(t->sec), ll(t->usec));
}

static void print_timespec(struct printer *p, const char *detail, u64 v)
{
    struct g_timespec t;
    (void)detail;
    if (print_load(p, v, &t, sizeof t))
        timespec(p->out, &t);
}

// What is left of an interrupted sleep: a result of 0 leaves it alone.
static void print_remaining(struct printer *p, const char *detail, u64 v)
{
    (void)detail;
    print_pointer(p, v);
}

static void print_timespecs(struct printer *p, const char *detail, u64 v)
{
    struct g_timespec t[2];
    (void)detail;
    if (!print_load(p, v, t, sizeof t))
        return;
    text_puts(p->out, "[");
    for (u32 i = 0; i < 2; i++) {
        text_puts(p->out, i ? ", " : "");
        if (t[i].nsec == ABI_UTIME_NOW || t[i].nsec == ABI_UTIME_OMIT)
            text_puts(p->out, t[i].nsec == ABI_UTIME_NOW ? "UTIME_NOW" : "UTIME_OMIT");
        else
            timespec(p->out, &t[i]);
    }
    text_puts(p->out, "]");
}

static void print_timeval(struct printer *p, const char *detail, u64 v)
{
    struct g_timeval t;
    (void)detail;
    if (print_load(p, v, &t, sizeof t))
        timeval(p->out, &t);
}

static void print_itimerspec(struct printer *p, const char *detail, u64 v)
{
    struct g_itimerspec t;
    (void)detail;
    if (!print_load(p, v, &t, sizeof t))
        return;
    text_puts(p->out, "{it_interval=");
    timespec(p->out, &t.interval);
    text_puts(p->out, ", it_value=");
    timespec(p->out, &t.value);
    text_puts(p->out, "}");
}

static void print_itimerval(struct printer *p, const char *detail, u64 v)
{
    struct g_itimerval t;
    (void)detail;
    if (!print_load(p, v, &t, sizeof t))
        return;
    text_puts(p->out, "{it_interval=");
    timeval(p->out, &t.interval);
    text_puts(p->out, ", it_value=");
    timeval(p->out, &t.value);
    text_puts(p->out, "}");
}

static void print_rusage(struct printer *p, const char *detail, u64 v)
{
    struct g_rusage u;
    (void)detail;
    if (!print_load(p, v, &u, sizeof u))
        return;
    text_puts(p->out, "{ru_utime=");
    timeval(p->out, &u.utime);
    text_puts(p->out, ", ru_stime=");
    timeval(p->out, &u.stime);
    text_puts(p->out, ", ...}");
}

// ---- files ---------------------------------------------------------------------------------------

void print_mode(struct text *out, u32 mode)
{
    static const struct { u32 bits; const char *name; } kinds[] = {
        {ABI_S_IFREG, "S_IFREG"}, {ABI_S_IFDIR, "S_IFDIR"}, {ABI_S_IFLNK, "S_IFLNK"},
        {ABI_S_IFCHR, "S_IFCHR"}, {ABI_S_IFBLK, "S_IFBLK"}, {ABI_S_IFIFO, "S_IFIFO"},
        {ABI_S_IFSOCK, "S_IFSOCK"},
    };
    for (u32 i = 0; i < ARRAY_LEN(kinds); i++)
        if ((mode & ABI_S_IFMT) == kinds[i].bits)
            text_printf(out, "%s|", kinds[i].name);
    if (mode & ABI_S_ISUID)
        text_puts(out, "S_ISUID|");
    if (mode & ABI_S_ISGID)
        text_puts(out, "S_ISGID|");
    if (mode & 01000)
        text_puts(out, "S_ISVTX|");
    text_printf(out, "%#03o", mode & 0777);
}

static void print_stat(struct printer *p, const char *detail, u64 v)
{
    struct abi_stat s;
    (void)detail;
    if (!print_load(p, v, &s, sizeof s))
        return;
    text_puts(p->out, "{st_mode=");
    print_mode(p->out, s.st_mode);
    if ((s.st_mode & ABI_S_IFMT) == ABI_S_IFCHR || (s.st_mode & ABI_S_IFMT) == ABI_S_IFBLK)
        text_printf(p->out, ", st_rdev=makedev(%#x, %#x), ...}", ABI_MAJOR(s.st_rdev),
                    ABI_MINOR(s.st_rdev));
    else
        text_printf(p->out, ", st_size=%lld, ...}", ll(s.st_size));
}

static void print_statx(struct printer *p, const char *detail, u64 v)
{
    struct abi_statx s;
    (void)detail;
    if (!print_load(p, v, &s, sizeof s))
        return;
    text_printf(p->out, "{stx_mask=%#x, stx_attributes=%#llx, stx_mode=", s.stx_mask,
                (unsigned long long)s.stx_attributes);
    print_mode(p->out, s.stx_mode);
    text_printf(p->out, ", stx_size=%llu, ...}", (unsigned long long)s.stx_size);
}

static void print_statfs(struct printer *p, const char *detail, u64 v)
{
    struct abi_statfs s;
    (void)detail;
    if (print_load(p, v, &s, sizeof s))
        text_printf(p->out, "{f_type=%#llx, f_bsize=%lld, f_blocks=%llu, f_bfree=%llu, ...}",
                    (unsigned long long)s.f_type, ll(s.f_bsize), (unsigned long long)s.f_blocks,
                    (unsigned long long)s.f_bfree);
}

static void print_offset(struct printer *p, const char *detail, u64 v)
{
    i64 at;
    (void)detail;
    if (print_load(p, v, &at, sizeof at))
        text_printf(p->out, "[%lld]", ll(at));
}

static void print_fds(struct printer *p, const char *detail, u64 v)
{
    i32 fd[2];
    (void)detail;
    if (print_load(p, v, fd, sizeof fd))
        text_printf(p->out, "[%d, %d]", fd[0], fd[1]);
}

static void print_dirents(struct printer *p, const char *detail, u64 v)
{
    u32 n = 0;
    u16 length = 0;
    (void)detail;
    print_pointer(p, v);
    for (i64 at = 0; at + 19 <= p->result; at += length, n++)
        if (uaccess_read(p->t->mm, &length, v + (u64)at + 16, sizeof length) || length < 19)
            break;
    text_printf(p->out, " /* %u entries */", n);
}

// {iov_base="abc", iov_len=3}, ..: the next argument counts them. What is read shows as many bytes
// as the result says.
static void iovecs(struct printer *p, u64 v, u64 count, u64 bytes)
{
    struct abi_iovec iov;
    u64 at = v;
    if (!count || !v) {
        text_puts(p->out, v ? "[]" : "NULL");
        return;
    }
    for (u64 i = 0; i < count && i < SHOWN_ELEMENTS; i++, at += sizeof iov) {
        if (uaccess_read(p->t->mm, &iov, at, sizeof iov)) {
            text_puts(p->out, i ? ", ..." : "");
            if (!i)
                print_pointer(p, v);
            break;
        }
        u64 n = MIN(iov.iov_len, bytes);
        bytes -= n;
        text_puts(p->out, i ? ", {iov_base=" : "[{iov_base=");
        print_memory(p, iov.iov_base, n);
        text_printf(p->out, ", iov_len=%llu}", (unsigned long long)iov.iov_len);
    }
    text_puts(p->out, count > SHOWN_ELEMENTS ? ", ...]" : at > v ? "]" : "");
}

static void print_iov(struct printer *p, const char *detail, u64 v)
{
    (void)detail;
    iovecs(p, v, (u32)p->arg[2], p->leaving && (is_call(p, "readv") || is_call(p, "preadv"))
                                            ? (u64)p->result : ~0ULL);
}

// ---- vectors of exec -----------------------------------------------------------------------------

static void print_argv(struct printer *p, const char *detail, u64 v)
{
    u64 string = 0;
    (void)detail;
    if (!print_load(p, v, &string, sizeof string))
        return;
    text_puts(p->out, "[");
    for (u32 i = 0; string; i++) {
        text_puts(p->out, i ? ", " : "");
        if (i == SHOWN_ELEMENTS) {
            text_puts(p->out, "...");
            break;
        }
        print_string(p, string);
        if (uaccess_read_u64(p->t->mm, &string, v + 8 * (i + 1)))
            break;
    }
    text_puts(p->out, "]");
}

static void print_envp(struct printer *p, const char *detail, u64 v)
{
    u64 string, n = 0;
    (void)detail;
    print_pointer(p, v);
    while (v && n < 65536 && uaccess_read_u64(p->t->mm, &string, v + 8 * n) == 0 && string)
        n++;
    if (v)
        text_printf(p->out, " /* %llu var%s */", (unsigned long long)n, n == 1 ? "" : "s");
}

// ---- processes and signals -----------------------------------------------------------------------

static void print_wstatus(struct printer *p, const char *detail, u64 v)
{
    i32 s;
    (void)detail;
    if (p->result == 0) { // WNOHANG, and nothing has ended
        print_pointer(p, v);
        return;
    }
    if (!print_load(p, v, &s, sizeof s))
        return;
    if ((s & 0x7f) == 0) {
        text_printf(p->out, "[{WIFEXITED(s) && WEXITSTATUS(s) == %d}]", s >> 8 & 0xff);
    } else if ((s & 0xff) == 0x7f) {
        text_puts(p->out, "[{WIFSTOPPED(s) && WSTOPSIG(s) == ");
        print_signal(p->out, (u32)s >> 8 & 0xff);
        text_puts(p->out, "}]");
    } else if (s == 0xffff) {
        text_puts(p->out, "[{WIFCONTINUED(s)}]");
    } else {
        text_puts(p->out, "[{WIFSIGNALED(s) && WTERMSIG(s) == ");
        print_signal(p->out, (u32)s & 0x7f);
        text_puts(p->out, s & 0x80 ? " && WCOREDUMP(s)}]" : "}]");
    }
}

static const char *code_name(const struct g_siginfo *info)
{
    const char *set = info->signo == G_SIGCHLD  ? "si_chld"
                      : info->signo == G_SIGSEGV ? "si_segv"
                      : info->signo == G_SIGBUS  ? "si_bus"
                      : info->signo == G_SIGILL  ? "si_ill"
                      : info->signo == G_SIGFPE  ? "si_fpe"
                      : info->signo == G_SIGTRAP ? "si_trap"
                                                 : "si_code";
    const char *name = info->code > 0 && info->code < G_SI_KERNEL ? name_of(set, (u32)info->code) : NULL;
    return name ? name : name_of("si_code", (u32)info->code);
}

static bool is_fault(const struct g_siginfo *info)
{
    return (info->signo == G_SIGSEGV || info->signo == G_SIGBUS || info->signo == G_SIGILL ||
            info->signo == G_SIGFPE || info->signo == G_SIGTRAP) &&
           info->code > 0 && info->code < G_SI_KERNEL;
}

void print_siginfo(struct text *out, const struct g_siginfo *info)
{
    const char *code = code_name(info);
    text_puts(out, "{si_signo=");
    print_signal(out, (u32)info->signo);
    if (code)
        text_printf(out, ", si_code=%s", code);
    else
        text_printf(out, ", si_code=%#x", (u32)info->code);
    if (info->signo == G_SIGCHLD && info->code > 0) {
        text_printf(out, ", si_pid=%d, si_uid=%u, si_status=", info->child.pid, info->child.uid);
        if (info->code == G_CLD_EXITED)
            text_printf(out, "%d", info->child.status);
        else
            print_signal(out, (u32)info->child.status);
        text_printf(out, ", si_utime=%llu, si_stime=%llu", (unsigned long long)info->child.utime,
                    (unsigned long long)info->child.stime);
    } else if (is_fault(info)) {
        text_printf(out, info->fault.address ? ", si_addr=%#llx" : ", si_addr=NULL",
                    (unsigned long long)info->fault.address);
    } else if (info->code == G_SI_TIMER) {
        text_printf(out, ", si_timerid=%#x, si_overrun=%d, si_int=%d, si_ptr=%#llx",
                    (u32)info->timer.timer, info->timer.overrun, (i32)info->timer.value,
                    (unsigned long long)info->timer.value);
    } else if (info->code != G_SI_KERNEL) {
        text_printf(out, ", si_pid=%d, si_uid=%u", info->user.pid, info->user.uid);
        if (info->code == G_SI_QUEUE)
            text_printf(out, ", si_int=%d, si_ptr=%#llx", (i32)info->user.value,
                        (unsigned long long)info->user.value);
    }
    text_puts(out, "}");
}

static void print_siginfo_type(struct printer *p, const char *detail, u64 v)
{
    struct g_siginfo info;
    (void)detail;
    if (!print_load(p, v, &info, sizeof info))
        return;
    if (info.signo)
        print_siginfo(p->out, &info);
    else
        text_puts(p->out, "{}");
}

static void print_sigset_type(struct printer *p, const char *detail, u64 v)
{
    u64 set;
    (void)detail;
    if (print_load(p, v, &set, sizeof set))
        print_sigset(p->out, set);
}

// rt_sigreturn has no argument: the frame lies at the stack pointer, the mask 40 bytes into its
// ucontext, which follows 128 bytes of siginfo.
static void print_sigframe(struct printer *p, const char *detail, u64 v)
{
    u64 mask;
    (void)detail;
    (void)v;
    if (uaccess_read_u64(p->t->mm, &mask, p->t->regs.x[2] + 128 + 40) == 0) {
        text_puts(p->out, "{mask=");
        print_sigset(p->out, mask);
        text_puts(p->out, "}");
    }
}

static void print_sigaction(struct printer *p, const char *detail, u64 v)
{
    struct g_sigaction a;
    (void)detail;
    if (!print_load(p, v, &a, sizeof a))
        return;
    text_puts(p->out, "{sa_handler=");
    if (a.handler == 0 || a.handler == 1)
        text_puts(p->out, a.handler ? "SIG_IGN" : "SIG_DFL");
    else
        print_pointer(p, a.handler);
    text_puts(p->out, ", sa_mask=");
    print_sigset(p->out, a.mask);
    text_puts(p->out, ", sa_flags=");
    print_flags(p, "sigaction", a.flags);
    text_puts(p->out, "}");
}

static void print_stack(struct printer *p, const char *detail, u64 v)
{
    struct g_stack s;
    (void)detail;
    if (!print_load(p, v, &s, sizeof s))
        return;
    text_puts(p->out, "{ss_sp=");
    print_pointer(p, s.sp);
    text_puts(p->out, ", ss_flags=");
    print_flags(p, "sigaltstack", (u32)s.flags);
    text_printf(p->out, ", ss_size=%llu}", (unsigned long long)s.size);
}

static void print_sigevent(struct printer *p, const char *detail, u64 v)
{
    struct g_sigevent e;
    (void)detail;
    if (!print_load(p, v, &e, sizeof e))
        return;
    text_printf(p->out, "{sigev_value={sival_int=%d, sival_ptr=%#llx}, sigev_signo=", (i32)e.value,
                (unsigned long long)e.value);
    print_signal(p->out, (u32)e.signo);
    text_puts(p->out, ", sigev_notify=");
    print_enum(p, "sigev", (u32)e.notify);
    text_puts(p->out, "}");
}

// struct clone_args of clone(2): as many of its eleven words as the size says.
static void print_clone_args(struct printer *p, const char *detail, u64 v)
{
    u64 w[11] = {0}, size = MIN(p->arg[1], sizeof w);
    (void)detail;
    if (size < 64 || !print_load(p, v, w, size)) {
        if (size < 64)
            print_pointer(p, v);
        return;
    }
    text_puts(p->out, "{flags=");
    print_flags(p, "clone", w[0]);
    if (w[0] & G_CLONE_PIDFD)
        text_printf(p->out, ", pidfd=%#llx", (unsigned long long)w[1]);
    if (w[0] & (G_CLONE_CHILD_SETTID | G_CLONE_CHILD_CLEARTID))
        text_printf(p->out, ", child_tid=%#llx", (unsigned long long)w[2]);
    if (w[0] & G_CLONE_PARENT_SETTID)
        text_printf(p->out, ", parent_tid=%#llx", (unsigned long long)w[3]);
    text_puts(p->out, ", exit_signal=");
    print_signal(p->out, (u32)w[4]);
    text_puts(p->out, ", stack=");
    print_pointer(p, w[5]);
    text_printf(p->out, w[6] ? ", stack_size=%#llx" : ", stack_size=0", (unsigned long long)w[6]);
    if (w[0] & G_CLONE_SETTLS)
        text_printf(p->out, ", tls=%#llx", (unsigned long long)w[7]);
    text_puts(p->out, "}");
}

static void limit(struct text *out, u64 v)
{
    if (v == G_RLIM_INFINITY)
        text_puts(out, "RLIM64_INFINITY");
    else if (v >= 1024 && v % 1024 == 0)
        text_printf(out, "%llu*1024", (unsigned long long)(v / 1024));
    else
        text_printf(out, "%llu", (unsigned long long)v);
}

static void print_rlimit(struct printer *p, const char *detail, u64 v)
{
    u64 l[2];
    (void)detail;
    if (!print_load(p, v, l, sizeof l))
        return;
    text_puts(p->out, "{rlim_cur=");
    limit(p->out, l[0]);
    text_puts(p->out, ", rlim_max=");
    limit(p->out, l[1]);
    text_puts(p->out, "}");
}

static void print_utsname(struct printer *p, const char *detail, u64 v)
{
    char u[6][65];
    (void)detail;
    if (print_load(p, v, u, sizeof u))
        text_printf(p->out, "{sysname=\"%.64s\", nodename=\"%.64s\", ...}", u[0], u[1]);
}

static void print_sysinfo(struct printer *p, const char *detail, u64 v)
{
    u64 s[14];
    (void)detail;
    if (print_load(p, v, s, sizeof s))
        text_printf(p->out, "{uptime=%llu, loads=[%llu, %llu, %llu], totalram=%llu, freeram=%llu, ...}",
                    (unsigned long long)s[0], (unsigned long long)s[1], (unsigned long long)s[2],
                    (unsigned long long)s[3], (unsigned long long)s[4], (unsigned long long)s[5]);
}

// ---- readiness -----------------------------------------------------------------------------------

static void print_pollfds(struct printer *p, const char *detail, u64 v)
{
    struct abi_pollfd f;
    u64 n = (u32)p->arg[1];
    (void)detail;
    if (!n || !v) {
        text_puts(p->out, v ? "[]" : "NULL");
        return;
    }
    for (u64 i = 0; i < n && i < SHOWN_ELEMENTS; i++) {
        if (uaccess_read(p->t->mm, &f, v + i * sizeof f, sizeof f)) {
            text_puts(p->out, i ? ", ..." : "[...");
            break;
        }
        text_printf(p->out, i ? ", {fd=%d" : "[{fd=%d", f.fd);
        if (f.fd >= 0) {
            text_puts(p->out, ", events=");
            print_flags(p, "poll", (u16)f.events);
        }
        text_puts(p->out, "}");
    }
    text_puts(p->out, n > SHOWN_ELEMENTS ? ", ...]" : "]");
}

void print_fdset(struct printer *p, u64 v)
{
    u64 word = 0;
    u32 n = MIN((u32)p->arg[0], 1024u);
    const char *between = "[";
    if (!v) {
        text_puts(p->out, "NULL");
        return;
    }
    for (u32 fd = 0; fd < n; fd++) {
        if (fd % 64 == 0 && uaccess_read_u64(p->t->mm, &word, v + fd / 8))
            break;
        if (word >> fd % 64 & 1) {
            text_printf(p->out, "%s%u", between, fd);
            between = " ";
        }
    }
    text_puts(p->out, between[0] == '[' ? "[]" : "]");
}

static void print_fdset_type(struct printer *p, const char *detail, u64 v)
{
    (void)detail;
    print_fdset(p, v);
}

static void epoll_event(struct printer *p, const u8 *bytes)
{
    u32 events;
    u64 data;
    memcpy(&events, bytes, sizeof events);
    memcpy(&data, bytes + 8, sizeof data);
    text_puts(p->out, "{events=");
    print_flags(p, "epoll", events);
    if (data <= UINT32_MAX)
        text_printf(p->out, ", data=%llu}", (unsigned long long)data);
    else
        text_printf(p->out, ", data=%#llx}", (unsigned long long)data);
}

static void print_epoll_event(struct printer *p, const char *detail, u64 v)
{
    u8 bytes[16];
    (void)detail;
    if (print_load(p, v, bytes, sizeof bytes))
        epoll_event(p, bytes);
}

static void print_epoll_events(struct printer *p, const char *detail, u64 v)
{
    u8 bytes[16];
    (void)detail;
    text_puts(p->out, "[");
    for (u64 i = 0; i < (u64)p->result && i < SHOWN_ELEMENTS; i++) {
        if (uaccess_read(p->t->mm, bytes, v + i * sizeof bytes, sizeof bytes))
            break;
        text_puts(p->out, i ? ", " : "");
        epoll_event(p, bytes);
    }
    text_puts(p->out, p->result > SHOWN_ELEMENTS ? ", ...]" : "]");
}

// ---- sockets -------------------------------------------------------------------------------------

static void sockaddr(struct printer *p, u64 v, u64 length)
{
    u8 b[128] = {0};
    u16 family;
    if (length < 2 || length > sizeof b || !v) {
        print_pointer(p, v);
        return;
    }
    if (!print_load(p, v, b, length))
        return;
    memcpy(&family, b, sizeof family);
    text_puts(p->out, "{sa_family=");
    print_enum(p, "family", family);
    if (family == G_AF_UNIX && length > 2) {
        bool abstract = !b[2];
        u64 n = length - 2 - abstract;
        const u8 *end = abstract ? NULL : memchr(b + 2, 0, n);
        text_puts(p->out, abstract ? ", sun_path=@" : ", sun_path=");
        print_bytes(p->out, b + 2 + abstract, end ? (u64)(end - b - 2) : n, false);
    } else if (family == G_AF_INET && length >= 8) {
        text_printf(p->out, ", sin_port=htons(%u), sin_addr=inet_addr(\"%u.%u.%u.%u\")",
                    b[2] << 8 | b[3], b[4], b[5], b[6], b[7]);
    } else if (family == G_AF_INET6 && length >= 24) {
        text_printf(p->out, ", sin6_port=htons(%u), sin6_addr=\"", b[2] << 8 | b[3]);
        for (u32 i = 8; i < 24; i += 2)
            text_printf(p->out, i > 8 ? ":%x" : "%x", b[i] << 8 | b[i + 1]);
        text_puts(p->out, "\"");
    }
    text_puts(p->out, "}");
}

// In front of its length; filled in by accept and the like, of a pointer to its length.
static void print_sockaddr(struct printer *p, const char *detail, u64 v)
{
    u64 length = p->index < 5 ? p->arg[p->index + 1] : 0;
    u32 written = 0;
    (void)detail;
    bool filled = !is_call(p, "bind") && !is_call(p, "connect") && !is_call(p, "sendto");
    if (filled)
        length = v && uaccess_read_u32(p->t->mm, &written, length) == 0 ? written : 0;
    sockaddr(p, v, length);
}

static void print_msghdr(struct printer *p, const char *detail, u64 v)
{
    struct g_msghdr h;
    (void)detail;
    if (!print_load(p, v, &h, sizeof h))
        return;
    text_puts(p->out, "{msg_name=");
    sockaddr(p, h.name, h.namelen);
    text_printf(p->out, ", msg_namelen=%u, msg_iov=", h.namelen);
    iovecs(p, h.iov, h.iovlen, is_call(p, "recvmsg") ? (u64)p->result : ~0ULL);
    text_printf(p->out, ", msg_iovlen=%llu", (unsigned long long)h.iovlen);
    if (h.control)
        text_printf(p->out, ", msg_control=%#llx", (unsigned long long)h.control);
    text_printf(p->out, ", msg_controllen=%llu, msg_flags=", (unsigned long long)h.controllen);
    print_flags(p, "msg", h.flags);
    text_puts(p->out, "}");
}

// ---- numbers behind pointers ---------------------------------------------------------------------

static void print_int_at(struct printer *p, const char *detail, u64 v)
{
    i32 n;
    (void)detail;
    if (print_load(p, v, &n, sizeof n))
        text_printf(p->out, "[%d]", n);
}

static void print_pointer_at(struct printer *p, const char *detail, u64 v)
{
    u64 n;
    (void)detail;
    if (print_load(p, v, &n, sizeof n)) {
        text_puts(p->out, "[");
        print_pointer(p, n);
        text_puts(p->out, "]");
    }
}

const struct value structures[] = {
    {"TIMESPEC", print_timespec}, {"REMAINING", print_remaining}, {"TIMESPECS", print_timespecs},
    {"TIMEVAL", print_timeval}, {"ITIMERSPEC", print_itimerspec}, {"ITIMERVAL", print_itimerval},
    {"RUSAGE", print_rusage}, {"STAT", print_stat}, {"STATX", print_statx}, {"STATFS", print_statfs},
    {"OFFSET", print_offset}, {"FDS", print_fds}, {"DIRENTS", print_dirents}, {"IOV", print_iov},
    {"ARGV", print_argv}, {"ENVP", print_envp}, {"WSTATUS", print_wstatus},
    {"SIGINFO", print_siginfo_type}, {"SIGSET", print_sigset_type}, {"SIGACTION", print_sigaction},
    {"SIGFRAME", print_sigframe},
    {"STACK", print_stack}, {"SIGEVENT", print_sigevent}, {"CLONE_ARGS", print_clone_args},
    {"RLIMIT", print_rlimit}, {"UTSNAME", print_utsname}, {"SYSINFO", print_sysinfo},
    {"POLLFDS", print_pollfds}, {"FDSET", print_fdset_type}, {"EPOLL_EVENT", print_epoll_event},
    {"EPOLL_EVENTS", print_epoll_events}, {"SOCKADDR", print_sockaddr}, {"MSGHDR", print_msghdr},
    {"COUNT", print_int_at}, {"POINTER", print_pointer_at},
    {NULL, NULL},
};
