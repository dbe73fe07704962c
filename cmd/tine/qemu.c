// qemu-riscv64's command line. An option is a row: its name, its variable, and what it does here. Options
// that steer an emulator's insides have no meaning in tine and are taken without effect.
#include "qemu.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct qemu_option {
    const char *name, *variable; // without its dash; NULL: no variable
    const char *value;           // what it takes, or NULL
    bool (*set)(struct command *c, char *value);
    const char *help;
};

bool qemu_is_name(const char *argv0)
{
    const char *slash = argv0 ? strrchr(argv0, '/') : NULL;
    const char *name = slash ? slash + 1 : argv0;

    return name && (strcmp(name, "qemu-riscv64") == 0 || strcmp(name, "qemu-riscv64-static") == 0);
}

// NAME=VALUE,NAME=VALUE: the commas become ends.
static bool set_variables(struct command *c, char *value)
{
    char *one;

    while ((one = strsep(&value, ",")))
        if (!options_setenv(c, one))
            return false;
    return true;
}

static bool unset_variables(struct command *c, char *value)
{
    char *one;

    while ((one = strsep(&value, ",")))
        if (!options_unsetenv(c, one))
            return false;
    return true;
}

static bool set_strace(struct command *c, char *value)
{
    (void)value;
    return c->machine.strace = true;
}

// A list of what to log; of that there is only one thing here.
static bool set_log(struct command *c, char *value)
{
    while (value) {
        size_t length = strcspn(value, ",");

        if (length == 6 && strncmp(value, "strace", 6) == 0)
            c->machine.strace = true;
        value = value[length] ? value + length + 1 : NULL;
    }
    return true;
}

static bool set_log_file(struct command *c, char *value)
{
    c->output = value;
    return *value;
}

static bool set_seed(struct command *c, char *value)
{
    char *end;

    c->machine.seed = strtoull(value, &end, 0);
    return *value && !*end;
}

// A stack grows as far as the limit says, which the program starts with; there is nothing to set aside.
static bool set_stack(struct command *c, char *value)
{
    char *end;

    (void)c;
    (void)!strtoull(value, &end, 0);
    return end != value && (!*end || (strchr("kKmMgG", *end) && !end[1]));
}

static bool ignore(struct command *c, char *value)
{
    (void)c;
    (void)value;
    return true;
}

static bool refuse(struct command *c, char *value)
{
    (void)c;
    (void)value;
    return false;
}

static const struct qemu_option options[] = {
    {"h", NULL, NULL, options_set_help, "show this"},
    {"help", NULL, NULL, options_set_help, "show this"},
    {"version", NULL, NULL, options_set_version, "show the version"},
    {"L", "QEMU_LD_PREFIX", "PATH", options_set_prefix, "look absolute paths up below PATH first"},
    {"E", "QEMU_SET_ENV", "VAR=VALUE[,...]", set_variables, "set variables of the environment"},
    {"U", "QEMU_UNSET_ENV", "VAR[,...]", unset_variables, "remove variables of the environment"},
    {"0", "QEMU_ARGV0", "ARGV0", options_set_argv0, "what the program sees as its own name"},
    {"strace", "QEMU_STRACE", NULL, set_strace, "show system calls, as strace -f does"},
    {"d", "QEMU_LOG", "ITEM[,...]", set_log, "'strace' is known, others have no effect"},
    {"D", "QEMU_LOG_FILENAME", "FILE", set_log_file, "show system calls in FILE, not on stderr"},
    {"seed", "QEMU_RAND_SEED", "N", set_seed, "seed of everything random"},
    {"s", "QEMU_STACK_SIZE", "SIZE", set_stack, "no effect: stacks grow up to the limit"},
    {"g", "QEMU_GDB", "PORT", refuse, "not there"},
    {"cpu", "QEMU_CPU", "MODEL", ignore, "no effect: RV64GC"},
    {"B", "QEMU_GUEST_BASE", "ADDRESS", ignore, "no effect"},
    {"R", "QEMU_RESERVED_VA", "SIZE", ignore, "no effect"},
    {"p", "QEMU_PAGESIZE", "SIZE", ignore, "no effect: 4096"},
    {"t", "QEMU_RTSIG_MAP", "MAP", ignore, "no effect"},
    {"dfilter", "QEMU_DFILTER", "RANGE", ignore, "no effect"},
    {"one-insn-per-tb", "QEMU_ONE_INSN_PER_TB", NULL, ignore, "no effect"},
    {"singlestep", "QEMU_SINGLESTEP", NULL, ignore, "no effect"},
    {"tb-size", "QEMU_TB_SIZE", "SIZE", ignore, "no effect"},
    {"trace", "QEMU_TRACE", "EVENTS", ignore, "no effect"},
    {"plugin", "QEMU_PLUGIN", "FILE", ignore, "no effect"},
    {"perfmap", "QEMU_PERFMAP", NULL, ignore, "no effect"},
    {"jitdump", "QEMU_JITDUMP", NULL, ignore, "no effect"},
};

#define OPTIONS (sizeof(options) / sizeof(options[0]))

void qemu_help(void)
{
    printf("usage: qemu-riscv64 [options] PROGRAM [ARGUMENT...]\n"
           "Runs a riscv64 Linux program. This is tine, which takes qemu's options under qemu's name;\n"
           "'tine --help' shows its own.\n\n");
    for (size_t i = 0; i < OPTIONS; i++) {
        const struct qemu_option *o = &options[i];
        char left[64];

        snprintf(left, sizeof(left), "-%s%s%s", o->name, o->value ? " " : "", o->value ? o->value : "");
        printf("  %-22s %-21s %s\n", left, o->variable ? o->variable : "", o->help);
    }
}

static int fail(const char *what, const char *name)
{
    fprintf(stderr, "qemu-riscv64: %s%s (this is tine; try 'qemu-riscv64 -h')\n", what, name);
    return EXIT_QEMU;
}

int qemu_no_program(void)
{
    return fail("no program given", "");
}

// The variables. A list is cut up where it stands, so it is a copy that is.
static int take_variables(struct command *c)
{
    for (size_t i = 0; i < OPTIONS; i++) {
        const struct qemu_option *o = &options[i];
        const char *value = o->variable ? getenv(o->variable) : NULL;
        char *copy = value ? options_copy(c, value) : NULL;

        if (copy && !o->set(c, copy))
            return fail("not a good value: ", o->variable);
    }
    return 0;
}

int qemu_parse(struct command *c, char **argv, int *at)
{
    int err = take_variables(c);

    while (!err && argv[*at] && argv[*at][0] == '-') {
        const char *name = argv[(*at)++] + 1;
        const struct qemu_option *o = options;
        char *value = NULL;

        if (strcmp(name, "-") == 0)
            break;
        name += *name == '-'; // two dashes are as good as one
        while (o < options + OPTIONS && strcmp(o->name, name) != 0)
            o++;
        if (o == options + OPTIONS)
            return fail("unknown option -", name);
        if (o->value && !(value = argv[*at]))
            return fail("no value for -", name);
        *at += o->value != NULL;
        if (!o->set(c, value))
            return fail(o->set == refuse ? "there is no -" : "not a good value for -", name);
    }
    return err;
}
