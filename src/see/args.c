#include "see/args.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "abi/fs_abi.h"
#include "abi/mount_abi.h"
#include "kernel/syscall.h"
#include "mm/uaccess.h"
#include "see/print.h"

#define SHOWN 32u   // bytes of a string, as strace's -s
#define ARGS_MAX 6u

// ---- names ---------------------------------------------------------------------------------------

static const struct name {
    const char *set, *name;
    u64 value;
} names[] = {
#define NAME(set, name, value) {#set, #name, (u64)(value)},
#include "abi/names.def"
#undef NAME
};

static const struct name *first_name(const char *set)
{
    for (u32 i = 0; i < ARRAY_LEN(names); i++)
        if (strcmp(names[i].set, set) == 0)
            return &names[i];
    return NULL;
}

static const struct name *next_name(const struct name *n)
{
    const struct name *next = n + 1;
    return next < names + ARRAY_LEN(names) && strcmp(next->set, n->set) == 0 ? next : NULL;
}

const char *name_of(const char *set, u64 v)
{
    for (const struct name *n = first_name(set); n; n = next_name(n))
        if (n->value == v || (u32)n->value == v || n->value == (u64)(i64)(i32)v)
            return n->name;
    return NULL;
}

void print_enum(struct printer *p, const char *set, u64 v)
{
    const char *name = name_of(set, (u32)v);
    if (name)
        text_puts(p->out, name);
    else if ((u32)v < 64)
        text_printf(p->out, "%u", (u32)v);
    else
        text_printf(p->out, "%#x", (u32)v);
}

void print_flags(struct printer *p, const char *set, u64 v)
{
    bool any = false;
    u64 left = v;
    if (!v) {
        const char *none = name_of(set, 0);
        text_puts(p->out, none ? none : "0");
        return;
    }
    for (const struct name *n = first_name(set); n; n = next_name(n)) {
        if (!n->value || (left & n->value) != n->value)
            continue;
        text_printf(p->out, "%s%s", any ? "|" : "", n->name);
        left &= ~n->value;
        any = true;
    }
    if (left)
        text_printf(p->out, "%s%#llx", any ? "|" : "", (unsigned long long)left);
}

void print_signal(struct text *out, u32 n)
{
    const char *name = name_of("signal", n);
    if (name && n)
        text_puts(out, name);
    else if (n == 32)
        text_puts(out, "SIGRTMIN");
    else if (n > 32 && n <= 64)
        text_printf(out, "SIGRT_%u", n - 32);
    else
        text_printf(out, "%u", n);
}

// More than half of them: what is missing is said.
void print_sigset(struct text *out, u64 set)
{
    bool inverted = __builtin_popcountll(set) > 42;
    const char *between = inverted ? "~[" : "[";
    if (inverted)
        set = ~set;
    if (!set)
        text_puts(out, between);
    for (u32 n = 1; n <= 64; n++) {
        struct text one = {0};
        if (!(set & SIGBIT(n)))
            continue;
        print_signal(&one, n);
        text_printf(out, "%s%s", between, one.at ? one.at + 3 : "");
        text_free(&one);
        between = " ";
    }
    text_puts(out, "]");
}

// ---- pointers and strings ------------------------------------------------------------------------

void print_pointer(struct printer *p, u64 v)
{
    if (v)
        text_printf(p->out, "%#llx", (unsigned long long)v);
    else
        text_puts(p->out, "NULL");
}

bool print_load(struct printer *p, gva_t v, void *to, size_t size)
{
    if (v && p->t->mm && uaccess_read(p->t->mm, to, v, size) == 0)
        return true;
    print_pointer(p, v);
    return false;
}

static void print_byte(struct text *out, u8 c, bool digit_follows)
{
    static const char letters[] = "tnvfr"; // 9 to 13
    if (c == '"' || c == '\\')
        text_printf(out, "\\%c", c);
    else if (c >= 9 && c <= 13)
        text_printf(out, "\\%c", letters[c - 9]);
    else if (c >= 32 && c < 127)
        text_printf(out, "%c", c);
    else
        text_printf(out, digit_follows ? "\\%03o" : "\\%o", c);
}

void print_bytes(struct text *out, const u8 *bytes, u64 n, bool more)
{
    text_puts(out, "\"");
    for (u64 i = 0; i < n; i++)
        print_byte(out, bytes[i], i + 1 < n && bytes[i + 1] >= '0' && bytes[i + 1] <= '7');
    text_puts(out, more ? "\"..." : "\"");
}

void print_memory(struct printer *p, gva_t at, u64 n)
{
    u8 bytes[SHOWN];
    u64 shown = MIN(n, SHOWN);
    if (!n && at)
        text_puts(p->out, "\"\"");
    else if (print_load(p, at, bytes, shown))
        print_bytes(p->out, bytes, shown, n > shown);
}

// A path is shown whole, as strace does.
static void print_path(struct printer *p, gva_t at)
{
    char path[PATH_ROOM];
    i64 n = at && p->t->mm ? uaccess_string(p->t->mm, path, at, sizeof path) : -EFAULT;
    if (n == -ENAMETOOLONG)
        print_bytes(p->out, (u8 *)path, sizeof path - 1, true);
    else if (n < 0)
        print_pointer(p, at);
    else
        print_bytes(p->out, (u8 *)path, (u64)n, false);
}

void print_string(struct printer *p, gva_t at)
{
    char s[SHOWN + 1];
    i64 n = at && p->t->mm ? uaccess_string(p->t->mm, s, at, sizeof s) : -EFAULT;
    if (n == -ENAMETOOLONG)
        print_bytes(p->out, (u8 *)s, SHOWN, true);
    else if (n < 0)
        print_pointer(p, at);
    else
        print_bytes(p->out, (u8 *)s, (u64)n, false);
}

// ---- the plain types -----------------------------------------------------------------------------

static void print_int(struct printer *p, const char *detail, u64 v)
{
    (void)detail;
    text_printf(p->out, "%d", (i32)v);
}

static void print_uint(struct printer *p, const char *detail, u64 v)
{
    (void)detail;
    text_printf(p->out, "%u", (u32)v);
}

static void print_long(struct printer *p, const char *detail, u64 v)
{
    (void)detail;
    text_printf(p->out, "%lld", (long long)v);
}

static void print_size(struct printer *p, const char *detail, u64 v)
{
    (void)detail;
    text_printf(p->out, "%llu", (unsigned long long)v);
}

static void print_hex(struct printer *p, const char *detail, u64 v)
{
    (void)detail;
    text_printf(p->out, v ? "%#llx" : "0", (unsigned long long)v);
}

static void print_octal(struct printer *p, const char *detail, u64 v)
{
    (void)detail;
    text_printf(p->out, (u32)v ? "%#03o" : "000", (u32)v);
}

static void print_ptr(struct printer *p, const char *detail, u64 v)
{
    (void)detail;
    print_pointer(p, v);
}

static void print_dirfd(struct printer *p, const char *detail, u64 v)
{
    if ((i32)v == ABI_AT_FDCWD)
        text_puts(p->out, "AT_FDCWD");
    else
        print_int(p, detail, v);
}

static void print_sig(struct printer *p, const char *detail, u64 v)
{
    (void)detail;
    print_signal(p->out, (u32)v);
}

static void print_file_mode(struct printer *p, const char *detail, u64 v)
{
    (void)detail;
    print_mode(p->out, (u32)v);
}

static void print_dev(struct printer *p, const char *detail, u64 v)
{
    (void)detail;
    text_printf(p->out, "makedev(%#x, %#x)", ABI_MAJOR(v), ABI_MINOR(v));
}

static void print_enum_type(struct printer *p, const char *detail, u64 v)
{
    print_enum(p, detail, v);
}

static void print_flags_type(struct printer *p, const char *detail, u64 v)
{
    print_flags(p, detail, (u32)v);
}

static void print_path_type(struct printer *p, const char *detail, u64 v)
{
    (void)detail;
    print_path(p, v);
}

static void print_str(struct printer *p, const char *detail, u64 v)
{
    (void)detail;
    print_memory(p, v, p->index + 1 < ARGS_MAX ? p->arg[p->index + 1] : 0);
}

static void print_buf(struct printer *p, const char *detail, u64 v)
{
    (void)detail;
    u64 n = (u64)p->result;
    if (p->number == 17 && n) // getcwd counts the NUL
        n--;
    print_memory(p, v, n);
}

// ---- words that depend on others -----------------------------------------------------------------

static void print_open_flags(struct printer *p, u64 v)
{
    static const char *const mode[] = {"O_RDONLY", "O_WRONLY", "O_RDWR", "O_ACCMODE"};
    text_puts(p->out, mode[v & ABI_O_ACCMODE]);
    v &= ~(u64)ABI_O_ACCMODE;
    if (v) {
        text_puts(p->out, "|");
        print_flags(p, "open", (u32)v);
    }
}

static void print_open(struct printer *p, const char *detail, u64 v)
{
    (void)detail;
    print_open_flags(p, v);
    if (!(v & ABI_O_CREAT) && (v & ABI_O_TMPFILE) != ABI_O_TMPFILE)
        p->skip = 1;
}

static void print_open_how(struct printer *p, const char *detail, u64 v)
{
    u64 w[3];
    (void)detail;
    if (p->arg[3] < sizeof w || !print_load(p, v, w, sizeof w)) {
        if (p->arg[3] < sizeof w)
            print_pointer(p, v);
        return;
    }
    text_puts(p->out, "{flags=");
    print_open_flags(p, w[0]);
    if (w[1])
        text_printf(p->out, ", mode=%#llo", (unsigned long long)w[1]);
    text_puts(p->out, ", resolve=");
    print_flags(p, "resolve", w[2]);
    text_puts(p->out, "}");
}

static void print_fs_value(struct printer *p, const char *detail, u64 v)
{
    u32 command = (u32)p->arg[1];
    (void)detail;
    if (command == ABI_FSCONFIG_SET_STRING || command == ABI_FSCONFIG_SET_PATH || command == ABI_FSCONFIG_SET_PATH_EMPTY)
        print_path(p, v);
    else
        print_pointer(p, v);
}

static void print_mount_attr(struct printer *p, const char *detail, u64 v)
{
    struct abi_mount_attr attr;
    (void)detail;
    if (p->arg[4] < sizeof attr || !print_load(p, v, &attr, sizeof attr)) {
        if (p->arg[4] < sizeof attr)
            print_pointer(p, v);
        return;
    }
    text_puts(p->out, "{attr_set=");
    print_flags(p, "mount_attr", attr.attr_set);
    text_puts(p->out, ", attr_clr=");
    print_flags(p, "mount_attr", attr.attr_clr);
    text_puts(p->out, ", propagation=");
    print_flags(p, "mount", attr.propagation);
    text_printf(p->out, ", userns_fd=%llu}", (unsigned long long)attr.userns_fd);
}

static void print_socktype(struct printer *p, const char *detail, u64 v)
{
    (void)detail;
    print_enum(p, "socktype", v & 15);
    if (v & ~15ULL) {
        text_puts(p->out, "|");
        print_flags(p, "socket", (u32)v & ~15u);
    }
}

static void print_flock(struct printer *p, u64 v)
{
    struct abi_flock lk;
    if (!print_load(p, v, &lk, sizeof lk))
        return;
    text_puts(p->out, "{l_type=");
    print_enum(p, "locktype", (u16)lk.l_type);
    text_puts(p->out, ", l_whence=");
    print_enum(p, "whence", (u16)lk.l_whence);
    text_printf(p->out, ", l_start=%lld, l_len=%lld}", (long long)lk.l_start, (long long)lk.l_len);
}

static void print_fcntl(struct printer *p, const char *detail, u64 v)
{
    (void)detail;
    u64 arg = p->arg[2];
    print_enum(p, "fcntl", v);
    p->complete = true;
    switch ((u32)v) {
    case ABI_F_GETFD: case ABI_F_GETFL: case ABI_F_GETOWN: case ABI_F_GETSIG: case ABI_F_GETLEASE:
    case ABI_F_GETPIPE_SZ: case ABI_F_GET_SEALS:
        return;
    default:
        break;
    }
    text_puts(p->out, ", ");
    switch ((u32)v) {
    case ABI_F_SETFD:
        print_flags(p, "fd", (u32)arg);
        break;
    case ABI_F_SETFL:
        print_open_flags(p, arg);
        break;
    case ABI_F_ADD_SEALS:
        print_flags(p, "seal", (u32)arg);
        break;
    case ABI_F_NOTIFY:
        print_flags(p, "dnotify", (u32)arg);
        break;
    case ABI_F_SETSIG:
        print_signal(p->out, (u32)arg);
        break;
    case ABI_F_GETLK: case ABI_F_SETLK: case ABI_F_SETLKW:
    case ABI_F_OFD_GETLK: case ABI_F_OFD_SETLK: case ABI_F_OFD_SETLKW:
        print_flock(p, arg);
        break;
    default:
        text_printf(p->out, "%d", (i32)arg);
    }
}

static void print_ioctl(struct printer *p, const char *detail, u64 v)
{
    (void)detail;
    const char *name = name_of("ioctl", (u32)v);
    u64 arg = p->arg[2];
    struct abi_winsize w;
    if (name)
        text_puts(p->out, name);
    else
        text_printf(p->out, "_IOC(%s%s%s, %#x, %#x, %#x)", v >> 30 & 3 ? "" : "_IOC_NONE",
                    v >> 31 & 1 ? "_IOC_READ" : "",
                    (v >> 30 & 3) == 3 ? "|_IOC_WRITE" : v >> 30 & 1 ? "_IOC_WRITE" : "",
                    (u32)(v >> 8 & 0xff), (u32)(v & 0xff), (u32)(v >> 16 & 0x3fff));
    text_puts(p->out, ", ");
    p->complete = true;
    if ((u32)v == ABI_TIOCSWINSZ && print_load(p, arg, &w, sizeof w))
        text_printf(p->out, "{ws_row=%u, ws_col=%u, ws_xpixel=%u, ws_ypixel=%u}", w.ws_row, w.ws_col,
                    w.ws_xpixel, w.ws_ypixel);
    else if ((u32)v != ABI_TIOCSWINSZ)
        print_hex(p, "", arg);
}

static void print_relative(struct printer *p, u64 v)
{
    struct g_timespec ts;
    if (print_load(p, v, &ts, sizeof ts))
        text_printf(p->out, "{tv_sec=%lld, tv_nsec=%lld}", (long long)ts.sec, (long long)ts.nsec);
}

// futex(addr, op, value, timeout or count, addr2, value3): the operation says which there are.
static void print_futex(struct printer *p, const char *detail, u64 v)
{
    (void)detail;
    u32 op = (u32)v & 127;
    const char *name = name_of("futex", op);
    bool waits = op == 0 || op == 9 || op == 6 || op == 11 || op == 13;
    text_puts(p->out, name ? name : "FUTEX_???");
    text_printf(p->out, "%s%s, ", v & 128 ? "_PRIVATE" : "", v & 256 ? "|FUTEX_CLOCK_REALTIME" : "");
    p->complete = true;
    text_printf(p->out, "%u", (u32)p->arg[2]);
    if (waits) {
        text_puts(p->out, ", ");
        print_relative(p, p->arg[3]);
    } else if (op == 3 || op == 4 || op == 5 || op == 12) {
        text_printf(p->out, ", %u, ", (u32)p->arg[3]);
    }
    if (op == 9)
        text_puts(p->out, ", NULL, ");
    if (op == 3 || op == 4 || op == 5 || op == 11 || op == 12)
        print_pointer(p, p->arg[4]);
    if (op == 4 || op == 5 || op == 12)
        text_puts(p->out, ", ");
    if (op == 10)
        text_puts(p->out, ", ");
    if ((op == 9 || op == 10) && (u32)p->arg[5] == ~0u)
        text_puts(p->out, "FUTEX_BITSET_MATCH_ANY");
    else if (op == 9 || op == 10 || op == 4 || op == 5 || op == 12)
        text_printf(p->out, "%#x", (u32)p->arg[5]);
}

static void print_clone(struct printer *p, const char *detail, u64 v)
{
    (void)detail;
    u32 flags = (u32)v & ~(u32)G_CSIGNAL, signal = (u32)v & G_CSIGNAL;
    text_puts(p->out, "child_stack=");
    print_pointer(p, p->arg[1]);
    text_puts(p->out, ", flags=");
    if (flags || !signal)
        print_flags(p, "clone", flags);
    if (signal) {
        text_puts(p->out, flags ? "|" : "");
        print_signal(p->out, signal);
    }
    if (flags & (G_CLONE_PARENT_SETTID | G_CLONE_PIDFD)) {
        text_puts(p->out, flags & G_CLONE_PIDFD ? ", pidfd=" : ", parent_tid=");
        print_pointer(p, p->arg[2]);
    }
    if (flags & G_CLONE_SETTLS)
        text_printf(p->out, ", tls=%#llx", (unsigned long long)p->arg[3]);
    if (flags & (G_CLONE_CHILD_SETTID | G_CLONE_CHILD_CLEARTID)) {
        text_puts(p->out, ", child_tidptr=");
        print_pointer(p, p->arg[4]);
    }
    p->complete = true;
}

static const struct value plain[] = {
    {"FD", print_int}, {"DIRFD", print_dirfd}, {"INT", print_int}, {"PID", print_int},
    {"UID", print_int}, {"UINT", print_uint}, {"LONG", print_long}, {"SIZE", print_size},
    {"HEX", print_hex}, {"OCT", print_octal}, {"MODE", print_octal}, {"PTR", print_ptr},
    {"SIG", print_sig}, {"FILEMODE", print_file_mode}, {"DEV", print_dev}, {"ENUM", print_enum_type},
    {"FLAGS", print_flags_type}, {"PATH", print_path_type}, {"STR", print_str}, {"BUF", print_buf},
    {"OPEN", print_open}, {"OPEN_HOW", print_open_how}, {"FSVALUE", print_fs_value},
    {"MOUNT_ATTR", print_mount_attr}, {"SOCKTYPE", print_socktype}, {"FCNTL", print_fcntl},
    {"IOCTL", print_ioctl}, {"FUTEX", print_futex}, {"CLONE", print_clone},
};

// ---- whole calls ---------------------------------------------------------------------------------

struct word { // of a signature
    char type[24];
    const char *detail;
    bool out;
};

// The next word of a signature. False: there is none (a result's type is none).
static bool next_word(const char **at, struct word *w)
{
    const char *s = *at + strspn(*at, " ");
    size_t n = strcspn(s, " ");
    if (!n || *s == '=')
        return false;
    w->out = *s == '>';
    snprintf(w->type, sizeof w->type, "%.*s", (int)(n - w->out), s + w->out);
    char *colon = strchr(w->type, ':');
    w->detail = "";
    if (colon) {
        *colon = 0;
        w->detail = colon + 1;
    }
    *at = s + n;
    return true;
}

static const char *signature(u32 number)
{
    const char *s = syscall_arguments(number);
    return s ? s : "HEX HEX HEX HEX HEX HEX";
}

static void print_word(struct printer *p, const struct word *w, u64 v)
{
    bool known = !w->out || (p->leaving && p->result >= 0);
    for (u32 i = 0; known && i < ARRAY_LEN(plain); i++)
        if (strcmp(plain[i].name, w->type) == 0) {
            plain[i].print(p, w->detail, v);
            return;
        }
    for (const struct value *s = structures; known && s->name; s++)
        if (strcmp(s->name, w->type) == 0) {
            s->print(p, w->detail, v);
            return;
        }
    print_pointer(p, v);
}

static u32 print_args(struct printer *p, u32 from, bool stop_at_out)
{
    const char *at = signature(p->number);
    struct word w;
    for (u32 i = 0; i < ARGS_MAX && next_word(&at, &w); i++) {
        if (i < from)
            continue;
        if (stop_at_out && w.out) {
            text_puts(p->out, i ? ", " : "");
            return i;
        }
        if (p->skip) {
            p->skip--;
            continue;
        }
        if (i > from)
            text_puts(p->out, ", ");
        p->index = i;
        print_word(p, &w, p->arg[i]);
        if (p->complete)
            break;
    }
    return ARGS_MAX;
}

static struct printer printer_of(struct machine *m, struct task *t, const struct call *c,
                                 struct text *out)
{
    return (struct printer){.out = out, .m = m, .t = t, .number = c->number, .arg = c->arg};
}

static void begin(const struct call *c, struct text *out)
{
    const char *name = syscall_name(c->number);
    if (syscall_arguments(c->number))
        text_printf(out, "%s(", name);
    else
        text_printf(out, "syscall_%#x(", c->number);
}

void call_text(struct machine *m, struct task *t, const struct call *c, struct text *out)
{
    struct printer p = printer_of(m, t, c, out);
    begin(c, out);
    (void)print_args(&p, 0, false);
    text_puts(out, ")");
}

u32 call_text_enter(struct machine *m, struct task *t, const struct call *c, struct text *out)
{
    struct printer p = printer_of(m, t, c, out);
    begin(c, out);
    return print_args(&p, 0, true);
}

void call_text_leave(struct machine *m, struct task *t, const struct call *c, u32 from, i64 result,
                     struct text *out)
{
    struct printer p = printer_of(m, t, c, out);
    p.leaving = true;
    p.result = result;
    (void)print_args(&p, from, false);
    text_puts(out, ")");
}

// ---- results -------------------------------------------------------------------------------------

// " (what, left {...})" behind the result of a wait that was not in vain.
static void end_of_wait(struct printer *p, bool any, u64 timeout)
{
    struct g_timespec left;
    if (any && timeout && uaccess_read(p->t->mm, &left, timeout, sizeof left) == 0)
        text_printf(p->out, ", left {tv_sec=%lld, tv_nsec=%lld}", (long long)left.sec,
                    (long long)left.nsec);
    text_puts(p->out, any ? ")" : "");
}

static void poll_result(struct printer *p)
{
    struct abi_pollfd f;
    const char *between = " ([";
    bool any = false;
    for (u64 i = 0; i < MIN(p->arg[1], 1024u); i++) {
        if (uaccess_read(p->t->mm, &f, p->arg[0] + i * sizeof f, sizeof f) || !f.revents)
            continue;
        text_printf(p->out, "%s{fd=%d, revents=", between, f.fd);
        print_flags(p, "poll", (u16)f.revents);
        text_puts(p->out, "}");
        between = ", ";
        any = true;
    }
    text_puts(p->out, any ? "]" : "");
    end_of_wait(p, any, p->arg[2]);
}

static void select_result(struct printer *p)
{
    static const char *const kinds[] = {"in ", "out ", "except "};
    bool any = false;
    for (u32 i = 0; i < 3; i++) {
        if (!p->arg[i + 1])
            continue;
        text_puts(p->out, any ? ", " : " (");
        text_puts(p->out, kinds[i]);
        print_fdset(p, p->arg[i + 1]);
        any = true;
    }
    end_of_wait(p, any, p->arg[4]);
}

// What strace adds in parentheses.
static void comment(struct printer *p, const char *name)
{
    bool fcntl = strcmp(name, "fcntl") == 0, poll = strcmp(name, "ppoll") == 0;
    bool select = strcmp(name, "pselect6") == 0;
    if (fcntl && (u32)p->arg[1] == ABI_F_GETFL) {
        text_puts(p->out, " (flags ");
        print_open_flags(p, (u64)p->result);
        text_puts(p->out, ")");
    } else if (fcntl && (u32)p->arg[1] == ABI_F_GETFD && p->result == 1) {
        text_puts(p->out, " (flags FD_CLOEXEC)");
    } else if ((poll || select) && p->result == 0) {
        text_puts(p->out, " (Timeout)");
    } else if (poll) {
        poll_result(p);
    } else if (select) {
        select_result(p);
    }
}

static void print_error(struct text *out, i64 result)
{
    const char *name = strerrorname_np((int)-result);
    if (result == -ERESTARTSYS)
        text_puts(out, "? ERESTARTSYS (To be restarted if SA_RESTART is set)");
    else if (result == -ERESTARTNOHAND)
        text_puts(out, "? ERESTARTNOHAND (To be restarted if no handler)");
    else if (result == -ENORESULT)
        text_puts(out, "?");
    else if (name)
        text_printf(out, "-1 %s (%s)", name, strerror((int)-result));
    else
        text_printf(out, "-1 (errno %lld)", (long long)-result);
}

void call_text_result(struct machine *m, struct task *t, const struct call *c, i64 result,
                      struct text *out)
{
    struct printer p = printer_of(m, t, c, out);
    const char *name = syscall_name(c->number), *type = strchr(signature(c->number), '=');
    if (result < 0 && result >= -4095) {
        print_error(out, result);
        return;
    }
    p.leaving = true;
    p.result = result;
    struct word w = {.type = "LONG"};
    const char *at = type ? type + 1 : "";
    (void)next_word(&at, &w);
    if (strcmp(name, "fcntl") == 0 &&
        ((u32)c->arg[1] == ABI_F_GETFL || (u32)c->arg[1] == ABI_F_GETFD))
        snprintf(w.type, sizeof w.type, "HEX");
    print_word(&p, &w, (u64)result);
    if (t->mm)
        comment(&p, name);
}

bool call_takes(u32 number, const char *type)
{
    const char *at = signature(number);
    struct word w;
    while (syscall_arguments(number) && next_word(&at, &w))
        if (strcmp(w.type, type) == 0 || (strcmp(type, "FD") == 0 && strcmp(w.type, "DIRFD") == 0))
            return true;
    return false;
}

bool call_has_no_result(u32 number)
{
    return strstr(signature(number), "=NONE") != NULL;
}
