// The options are rows of a table: it is read by the parser and by --help.
#include "options.h"
#include "qemu.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/stat.h>

enum value { VALUE_NONE, VALUE_NEEDED, VALUE_OPTIONAL }; // optional: only as --name=value

struct option {
    const char *name; // "--root", or "-L"
    enum value value;
    bool (*set)(struct command *c, char *value); // false: not a good value
    const char *help_value;
    const char *help;
};

static bool fail_memory(void)
{
    fprintf(stderr, "tine: out of memory\n");
    exit(EXIT_TINE);
}

// ---- Values ---------------------------------------------------------------------------------

// A whole number in decimal, or hexadecimal after 0x; `*end` is what follows.
static bool read_number(const char *text, uint64_t *out, char **end)
{
    if (*text < '0' || *text > '9')
        return false;
    errno = 0;
    *out = strtoull(text, end, strncmp(text, "0x", 2) == 0 ? 16 : 10);
    return errno == 0;
}

static bool read_u64(const char *text, uint64_t *out)
{
    char *end;

    return read_number(text, out, &end) && !*end;
}

static bool read_size(const char *text, uint64_t *out)
{
    uint64_t unit = 1;
    char *end;

    if (!read_number(text, out, &end))
        return false;
    switch (*end) {
    case 'k':
    case 'K':
        unit = 1UL << 10;
        break;
    case 'm':
    case 'M':
        unit = 1UL << 20;
        break;
    case 'g':
    case 'G':
        unit = 1UL << 30;
        break;
    case 't':
    case 'T':
        unit = 1UL << 40;
        break;
    default:
        break;
    }
    if (unit > 1)
        end++;
    return !*end && !__builtin_mul_overflow(*out, unit, out);
}

static bool set_root(struct command *c, char *value)
{
    c->machine.root = value;
    return *value;
}

static bool set_bind(struct command *c, char *value)
{
    struct tine_bind *bind = &c->machine.binds[c->machine.nbinds];
    char *guest = strchr(value, ':');
    char *mode;

    if (c->machine.nbinds == TINE_MAX_BINDS || !guest)
        return false;
    *guest++ = '\0';
    mode = strchr(guest, ':');
    if (mode)
        *mode++ = '\0';
    if (!*value || *guest != '/' || (mode && strcmp(mode, "ro") != 0 && strcmp(mode, "rw") != 0))
        return false;
    *bind = (struct tine_bind){value, guest, mode && strcmp(mode, "ro") == 0};
    c->machine.nbinds++;
    return true;
}

// size=N or mode=M
static bool set_tmpfs_option(struct tine_tmpfs *tmpfs, const char *word)
{
    char *end;

    if (strncmp(word, "size=", 5) == 0)
        return read_size(word + 5, &tmpfs->size) && tmpfs->size;
    if (strncmp(word, "mode=", 5) != 0)
        return false;
    unsigned long mode = strtoul(word + 5, &end, 8);

    tmpfs->mode = (uint32_t)mode;
    return end != word + 5 && !*end && mode && mode <= 07777;
}

// DIR[:size=N,mode=M]
static bool set_tmpfs(struct command *c, char *value)
{
    struct tine_tmpfs *tmpfs = &c->machine.tmpfses[c->machine.ntmpfses];
    char *word = strchr(value, ':');
    bool good = true;

    if (c->machine.ntmpfses == TINE_MAX_TMPFSES || *value != '/')
        return false;
    if (word)
        *word++ = '\0';
    *tmpfs = (struct tine_tmpfs){.guest = value};
    while (word && good) {
        char *comma = strchr(word, ',');

        if (comma)
            *comma++ = '\0';
        good = set_tmpfs_option(tmpfs, word);
        word = comma;
    }
    c->machine.ntmpfses++;
    return good;
}

bool options_set_prefix(struct command *c, char *value)
{
    c->machine.prefix = value;
    return *value;
}

bool options_set_argv0(struct command *c, char *value)
{
    c->argv0 = value;
    return true;
}

static bool set_cwd(struct command *c, char *value)
{
    c->cwd = value;
    return *value;
}

static bool set_memory(struct command *c, char *value)
{
    return read_size(value, &c->machine.memory) && c->machine.memory;
}

static bool set_max_procs(struct command *c, char *value)
{
    uint64_t n;

    if (!read_u64(value, &n) || n == 0 || n > UINT32_MAX)
        return false;
    c->machine.max_procs = (uint32_t)n;
    return true;
}

static bool set_timeout(struct command *c, char *value)
{
    char *end;
    double seconds = strtod(value, &end);

    if (end == value || *end || !(seconds > 0) || seconds > 1e9)
        return false;
    c->machine.timeout_ns = (uint64_t)(seconds * 1e9);
    return true;
}

static bool set_fuel(struct command *c, char *value)
{
    return read_u64(value, &c->machine.fuel) && c->machine.fuel;
}

static bool set_slice(struct command *c, char *value)
{
    return read_u64(value, &c->machine.slice) && c->machine.slice;
}

static bool set_seed(struct command *c, char *value)
{
    return read_u64(value, &c->machine.seed);
}

static bool set_time(struct command *c, char *value)
{
    c->machine.virtual_time = strcmp(value, "virtual") == 0;
    return c->machine.virtual_time || strcmp(value, "real") == 0;
}

static bool set_jit(struct command *c, char *value)
{
    static const char *const names[] = {
        [TINE_JIT_ON] = "on", [TINE_JIT_OFF] = "off", [TINE_JIT_LOCKSTEP] = "lockstep",
    };

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (names[i] && strcmp(value, names[i]) == 0) {
            c->machine.jit = (enum tine_jit)i;
            return true;
        }
    }
    return false;
}

static bool set_jit_memory(struct command *c, char *value)
{
    return read_size(value, &c->machine.jit_memory);
}

static bool set_code_cache(struct command *c, char *value)
{
    c->code_cache = value;
    return *value;
}

static bool set_order(struct command *c, char *value)
{
    if (strncmp(value, "random", 6) == 0) {
        c->machine.order = TINE_ORDER_RANDOM;
        return !value[6] || (value[6] == ':' && read_u64(value + 7, &c->machine.seed));
    }
    c->machine.order = strcmp(value, "child") == 0 ? TINE_ORDER_CHILD : TINE_ORDER_PARENT;
    return strcmp(value, "child") == 0 || strcmp(value, "parent") == 0;
}

static bool set_fork(struct command *c, char *value)
{
    c->machine.eager_fork = strcmp(value, "eager") == 0;
    return c->machine.eager_fork || strcmp(value, "cow") == 0;
}

static bool set_vfork(struct command *c, char *value)
{
    static const char *const names[] = {
        [TINE_VFORK_SHARE] = "share", [TINE_VFORK_FORK] = "fork", [TINE_VFORK_COPY] = "copy",
        [TINE_VFORK_LINT] = "lint",   [TINE_VFORK_DENY] = "deny",
    };

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (strcmp(value, names[i]) == 0) {
            c->machine.vfork = (enum tine_vfork)i;
            return true;
        }
    }
    return false;
}

static bool set_vfork_deadlock(struct command *c, char *value)
{
    c->machine.vfork_hang = strcmp(value, "hang") == 0;
    return c->machine.vfork_hang || strcmp(value, "report") == 0;
}

static bool set_strace(struct command *c, char *value)
{
    c->machine.strace = true;
    c->machine.strace_filter = value;
    return !value || tine_strace_filter_ok(value);
}

static bool set_output(struct command *c, char *value)
{
    c->output = value;
    return *value;
}

static bool set_dump_jit(struct command *c, char *value)
{
    c->dump_jit = value ? value : "";
    return !value || *value;
}

static bool set_perf(struct command *c, char *value)
{
    (void)value;
    return c->perf = true;
}

static bool set_verbose(struct command *c, char *value)
{
    (void)value;
    return c->machine.verbose = true;
}

static bool set_stats(struct command *c, char *value)
{
    c->stats = value ? STATS_JSON : STATS_LINE;
    c->machine.walk_counters = true;
    return !value || strcmp(value, "json") == 0;
}

static bool set_json(struct command *c, char *value)
{
    (void)value;
    return c->json = true;
}

static bool set_init(struct command *c, char *value)
{
    (void)value;
    return c->machine.init = true;
}

static bool set_wait_all(struct command *c, char *value)
{
    (void)value;
    return c->machine.wait_all = true;
}

bool options_set_version(struct command *c, char *value)
{
    (void)value;
    return c->version = true;
}

bool options_set_help(struct command *c, char *value)
{
    (void)value;
    return c->help = true;
}

static bool set_net(struct command *c, char *value)
{
    c->machine.net = strcmp(value, "host") == 0 ? TINE_NET_HOST : TINE_NET_NONE;
    return strcmp(value, "host") == 0 || strcmp(value, "none") == 0;
}

static bool set_confine(struct command *c, char *value)
{
    static const char *const names[] = {[CONFINE_AUTO] = "auto", [CONFINE_REQUIRE] = "require",
                                        [CONFINE_OFF] = "off"};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (strcmp(value, names[i]) == 0) {
            c->confine = (enum confine)i;
            return true;
        }
    }
    return false;
}

static bool set_read_only(struct command *c, char *value)
{
    (void)value;
    return c->machine.read_only = true;
}

static bool set_aslr(struct command *c, char *value)
{
    (void)value;
    return c->machine.random_layout = true;
}

// ---- The environment ------------------------------------------------------------------------

// The place of NAME in the environment; env_count when it is not there.
static size_t env_index(const struct command *c, const char *name, size_t length)
{
    size_t i;

    for (i = 0; i < c->env_count; i++)
        if (strncmp(c->env[i], name, length) == 0 && c->env[i][length] == '=')
            break;
    return i;
}

// Puts `setting`, NAME=VALUE, in the place of an older one. The string is borrowed.
static void env_put(struct command *c, char *setting, size_t name_length)
{
    size_t i = env_index(c, setting, name_length);

    if (i == c->env_count) {
        if (c->env_count + 2 > c->env_room) {
            size_t room = c->env_room * 2 + 64;
            char **env = realloc(c->env, room * sizeof(*env));

            if (!env)
                fail_memory();
            c->env = env;
            c->env_room = room;
        }
        c->env[++c->env_count] = NULL;
    }
    c->env[i] = setting;
}

bool options_setenv(struct command *c, char *value)
{
    char *equals = strchr(value, '=');

    if (!equals || equals == value)
        return false;
    env_put(c, value, (size_t)(equals - value));
    return true;
}

bool options_unsetenv(struct command *c, char *value)
{
    size_t i = env_index(c, value, strlen(value));

    if (!*value || strchr(value, '='))
        return false;
    if (i < c->env_count) {
        memmove(c->env + i, c->env + i + 1, (c->env_count - i) * sizeof(*c->env));
        c->env_count--;
    }
    return true;
}

char *options_copy(struct command *c, const char *text)
{
    char *copy = strdup(text);

    if (!copy || c->copies_count == sizeof(c->copies) / sizeof(c->copies[0]))
        fail_memory();
    return c->copies[c->copies_count++] = copy;
}

const char *options_getenv(const struct command *c, const char *name)
{
    size_t length = strlen(name);
    size_t i = env_index(c, name, length);

    return i < c->env_count ? c->env[i] + length + 1 : NULL;
}

// ---- The table ------------------------------------------------------------------------------

static const struct option options[] = {
    {"--root", VALUE_NEEDED, set_root, "DIR", "this directory is / for the program"},
    {"--bind", VALUE_NEEDED, set_bind, "HOST:GUEST[:ro]", "show the host's HOST as GUEST"},
    {"--tmpfs", VALUE_NEEDED, set_tmpfs, "DIR[:size=N,mode=M]", "an empty file system in the machine's memory on DIR"},
    {"--read-only", VALUE_NONE, set_read_only, NULL, "the root cannot be changed (binds can)"},
    {"--net", VALUE_NEEDED, set_net, "host|none", "internet sockets; the default under --root is none"},
    {"--confine", VALUE_NEEDED, set_confine, "auto|require|off",
     "Landlock and seccomp for tine itself, under --root"},
    {"-L", VALUE_NEEDED, options_set_prefix, "PREFIX", "look absolute paths up below PREFIX first"},
    {"-E", VALUE_NEEDED, options_setenv, "VAR=VALUE", "set a variable of the environment"},
    {"-U", VALUE_NEEDED, options_unsetenv, "VAR", "remove a variable of the environment"},
    {"-0", VALUE_NEEDED, options_set_argv0, "ARGV0", "what the program sees as its own name"},
    {"--cwd", VALUE_NEEDED, set_cwd, "DIR", "start in DIR, as the program sees it"},
    {"--memory", VALUE_NEEDED, set_memory, "SIZE", "limit memory (K, M, G)"},
    {"--max-procs", VALUE_NEEDED, set_max_procs, "N", "limit live processes and threads"},
    {"--timeout", VALUE_NEEDED, set_timeout, "SEC", "stop after SEC seconds (status 124)"},
    {"--fuel", VALUE_NEEDED, set_fuel, "N", "stop after N instructions (status 124)"},
    {"--slice", VALUE_NEEDED, set_slice, "N", "instructions a thread runs before the next one"},
    {"--aslr", VALUE_NONE, set_aslr, NULL, "addresses are random (by the seed)"},
    {"--seed", VALUE_NEEDED, set_seed, "N", "seed of everything random"},
    {"--time", VALUE_NEEDED, set_time, "virtual|real", "virtual: instructions are the clock"},
    {"--order", VALUE_NEEDED, set_order, "parent|child|random:SEED", "who runs first after fork"},
    {"--fork", VALUE_NEEDED, set_fork, "eager|cow", "eager: fork copies every page"},
    {"--vfork", VALUE_NEEDED, set_vfork, "share|copy|fork|lint|deny", "what vfork means"},
    {"--vfork-deadlock", VALUE_NEEDED, set_vfork_deadlock, "report|hang", "report: end the run"},
    {"--strace", VALUE_OPTIONAL, set_strace, "FILTER", "show system calls, as strace -f does"},
    {"-e", VALUE_NEEDED, set_strace, "trace=FILTER", "the same: open,%file,%process,!futex, ..."},
    {"-o", VALUE_NEEDED, set_output, "FILE", "show them in FILE, not on stderr"},
    {"--jit", VALUE_NEEDED, set_jit, "on|off|lockstep", "off: interpret; lockstep: compare both"},
    {"--jit-memory", VALUE_NEEDED, set_jit_memory, "SIZE", "room for translated code, default 64M"},
    {"--code-cache", VALUE_NEEDED, set_code_cache, "DIR", "keep translated code there for the next run"},
    {"--dump-jit", VALUE_OPTIONAL, set_dump_jit, "FILE", "list translated code, guest and host"},
    {"--perf", VALUE_NONE, set_perf, NULL, "name translated code for perf: /tmp/perf-PID.map"},
    {"--verbose", VALUE_NONE, set_verbose, NULL, "show notices on stderr"},
    {"--stats", VALUE_OPTIONAL, set_stats, "json", "show counters on stderr at the end"},
    {"--json", VALUE_NONE, set_json, NULL, "compare: the table as JSON"},
    {"--init", VALUE_NONE, set_init, NULL, "the program is process 1"},
    {"--wait-all", VALUE_NONE, set_wait_all, NULL, "end with the last process"},
    {"--version", VALUE_NONE, options_set_version, NULL, "show the version"},
    {"--help", VALUE_NONE, options_set_help, NULL, "show this"},
};

#define OPTIONS (sizeof(options) / sizeof(options[0]))

bool options_row(size_t i, struct option_row *row)
{
    if (i >= OPTIONS)
        return false;
    *row = (struct option_row){options[i].name, options[i].help_value, options[i].help,
                               options[i].value == VALUE_OPTIONAL};
    return true;
}

void options_help(void)
{
    printf("usage: tine [run] [options] [--] PROGRAM [ARGUMENT...]\n"
           "       tine compare [options] [--json] [--] PROGRAM [ARGUMENT...]\n"
           "       tine binfmt | completion bash|zsh|fish\n"
           "Runs a riscv64 Linux program.\n\n");
    for (size_t i = 0; i < OPTIONS; i++) {
        const struct option *o = &options[i];
        char left[64];

        snprintf(left, sizeof(left), o->value == VALUE_OPTIONAL ? "%s[=%s]" : "%s%s%s", o->name,
                 o->value == VALUE_OPTIONAL ? o->help_value
                 : o->value == VALUE_NONE   ? ""
                 : o->name[1] == '-'        ? "="
                                            : " ",
                 o->value == VALUE_NEEDED ? o->help_value : "");
        printf("  %-32s %s\n", left, o->help);
    }
    printf("\nThe exit status is the program's; 128+N when signal N killed it; 123 a vfork\n"
           "deadlock; 124 out of time or fuel; 125 tine's own errors; 126 not executable; 127 not\n"
           "found. More: man tine.\n");
}

static int fail(const char *format, const char *a, const char *b)
{
    fputs("tine: ", stderr);
    fprintf(stderr, format, a, b);
    fputs(" (try 'tine --help')\n", stderr);
    return EXIT_TINE;
}

// The row of an argument, and where a value that is joined to it begins (else NULL).
static const struct option *find_option(char *argument, char **joined)
{
    for (size_t i = 0; i < OPTIONS; i++) {
        size_t length = strlen(options[i].name);

        if (strncmp(argument, options[i].name, length) != 0)
            continue;
        *joined = NULL;
        if (!argument[length])
            return &options[i];
        if (options[i].name[1] != '-')
            *joined = argument + length; // -LPREFIX
        else if (argument[length] == '=')
            *joined = argument + length + 1; // --root=DIR
        else
            continue;
        return &options[i];
    }
    return NULL;
}

// Takes one option off the line; *at moves behind it.
static int parse_option(struct command *c, char **argv, int *at)
{
    char *argument = argv[(*at)++];
    char *value;
    const struct option *o = find_option(argument, &value);

    if (!o)
        return fail("unknown option %s%s", argument, "");
    if (value && o->value == VALUE_NONE)
        return fail("%s takes no value%s", o->name, "");
    if (!value && o->value == VALUE_NEEDED) {
        if (!argv[*at])
            return fail("%s needs a value: %s", o->name, o->help_value);
        value = argv[(*at)++];
    }
    if (!o->set(c, value))
        return fail("not a good value for %s, which takes %s", o->name, o->help_value);
    return 0;
}

static int parse_line(struct command *c, int argc, char **argv, int *at)
{
    c->compare = *at < argc && strcmp(argv[*at], "compare") == 0;
    if (*at < argc && (strcmp(argv[*at], "run") == 0 || c->compare))
        ++*at;
    while (*at < argc && argv[*at][0] == '-' && argv[*at][1]) {
        int err;

        if (strcmp(argv[*at], "--") == 0) {
            ++*at;
            break;
        }
        err = parse_option(c, argv, at);
        if (err)
            return err;
    }
    return 0;
}

// binfmt_misc with its flag P puts the program's own argv[0] behind its path, and says so.
static bool called_by_binfmt(void)
{
    return getauxval(AT_FLAGS) & 1;
}

static int take_program(struct command *c, char **argv, int at)
{
    c->program = argv[at];
    c->argv = argv + at;
    if (c->program && argv[at + 1] && called_by_binfmt())
        c->argv++;
    if (c->program && c->argv0)
        c->argv[0] = c->argv0;
    if (!c->program && !c->help && !c->version)
        return c->qemu ? qemu_no_program() : fail("no program given%s%s", "", "");
    return 0;
}

int options_parse(struct command *c, int argc, char **argv, char **environment)
{
    int at = 1;

    memset(c, 0, sizeof(*c));
    tine_options_init(&c->machine);
    for (; *environment; environment++)
        if (strchr(*environment, '='))
            env_put(c, *environment, (size_t)(strchr(*environment, '=') - *environment));
    if (!c->env && !(c->env = calloc(1, sizeof(*c->env))))
        fail_memory();
    c->qemu = qemu_is_name(argv[0]);
    if (c->qemu) {
        int err = qemu_parse(c, argv, &at);

        if (err)
            return err;
    } else {
        int err = parse_line(c, argc, argv, &at);

        if (err)
            return err;
    }
    return take_program(c, argv, at);
}

void options_free(struct command *c)
{
    free(c->env);
    for (size_t i = 0; i < c->copies_count; i++)
        free(c->copies[i]);
}
