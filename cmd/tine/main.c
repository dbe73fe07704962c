// tine: runs a riscv64 Linux program. The command line is options.c; this is what becomes of it.
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "compare.h"
#include "host.h"
#include "options.h"
#include "qemu.h"
#include "setup.h"

enum { EXIT_DEADLOCK = 123, EXIT_LIMIT = 124, EXIT_NOT_EXECUTABLE = 126, EXIT_NOT_FOUND = 127,
       EXIT_BY_SIGNAL = 256 }; // + its number: to end as the program did

static double seconds(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

// ---- Starting -------------------------------------------------------------------------------

// Which option kept the machine from being made, as far as can be told from here.
static int new_failed(const struct command *c, int err)
{
    const char *what = "cannot make a machine";
    const char *path = "";

    if ((err == -ENOENT || err == -ENOTDIR) && c->machine.nbinds + c->machine.ntmpfses)
        what = "--bind or --tmpfs: the directory for it is missing inside";
    if (c->machine.root && access(c->machine.root, X_OK) < 0)
        what = "--root ", path = c->machine.root;
    for (int i = 0; i < c->machine.nbinds; i++)
        if (access(c->machine.binds[i].host, F_OK) < 0)
            what = "--bind ", path = c->machine.binds[i].host;
    if (c->machine.prefix && access(c->machine.prefix, X_OK) < 0)
        what = "-L ", path = c->machine.prefix;
    fprintf(stderr, "tine: %s%s: %s\n", what, path, strerror(-err));
    return EXIT_TINE;
}

static int start_failed(const struct tine_machine *machine, const char *program, int err)
{
    const char *text = tine_machine_error(machine);

    if (text)
        fprintf(stderr, "tine: %s\n", text);
    else
        fprintf(stderr, "tine: %s: %s\n", program, strerror(-err));
    switch (-err) {
    case ENOENT:
    case ENOTDIR:
        return EXIT_NOT_FOUND;
    case EACCES:
    case ENOEXEC:
    case EISDIR:
    case EPERM:
    case ETXTBSY:
    case ELOOP:
    case ELIBBAD:
    case EINVAL:
        return EXIT_NOT_EXECUTABLE;
    default:
        return EXIT_TINE;
    }
}

// A machine in which the program has been started; also when that failed there is a machine, which
// says why, unless *machine is NULL.
static int start_path(struct tine_machine **machine, const struct command *c, const char *path)
{
    int err = *machine ? 0 : tine_machine_new(machine, &c->machine);

    if (err < 0)
        return err;
    return tine_machine_start(*machine, path, c->argv, c->env, c->cwd);
}

// Starts the program as it is named; a name without a slash that is not there is looked for along
// the guest's PATH, as a shell would.
static int start(struct tine_machine **machine, const struct command *c)
{
    const char *path = options_getenv(c, "PATH");
    int err = start_path(machine, c, c->program);
    int denied = 0;

    if (err != -ENOENT || strchr(c->program, '/'))
        return err;
    if (!path)
        path = "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin";
    while (*path) {
        size_t length = strcspn(path, ":");
        char name[4096];
        int n = snprintf(name, sizeof(name), "%.*s/%s", (int)length, path, c->program);

        path += length + (path[length] == ':');
        if (!length || n < 0 || (size_t)n >= sizeof(name))
            continue;
        err = start_path(machine, c, name);
        if (err == -EACCES)
            denied = err;
        else if (err != -ENOENT && err != -ENOTDIR)
            return err;
    }
    return denied ? denied : -ENOENT;
}

// ---- Ending ---------------------------------------------------------------------------------

// One line: what is not zero, in words.
static void print_line(const struct tine_machine *machine, double time)
{
    fprintf(stderr, "tine: %.3f s", time);
    for (size_t i = 0; i < tine_counter_count(); i++)
        if (tine_machine_counter(machine, i))
            fprintf(stderr, ", %" PRIu64 " %s", tine_machine_counter(machine, i),
                    tine_counter_text(i));
    fputc('\n', stderr);
}

static void print_json(const struct tine_machine *machine, double time, int status)
{
    fprintf(stderr, "{\"seconds\":%.6f,\"status\":%d", time, status);
    for (size_t i = 0; i < tine_counter_count(); i++)
        fprintf(stderr, ",\"%s\":%" PRIu64, tine_counter_name(i), tine_machine_counter(machine, i));
    fprintf(stderr, "}\n");
}

static int exit_status(const struct command *c, const struct tine_result *result)
{
    switch (result->end) {
    case TINE_EXITED:
        return result->code;
    case TINE_SIGNALLED:
        if (c->machine.verbose)
            fprintf(stderr, "tine: %s: killed by signal %d (%s)\n", c->program, result->code,
                    strsignal(result->code));
        return (c->qemu ? EXIT_BY_SIGNAL : 128) + result->code;
    case TINE_OUT_OF_FUEL:
        fprintf(stderr, "tine: %s: out of fuel after %" PRIu64 " instructions, at %#" PRIx64 "\n",
                c->program, c->machine.fuel, result->pc);
        return EXIT_LIMIT;
    case TINE_DEADLOCK:
        return EXIT_DEADLOCK;
    case TINE_STOPPED: // finish() never leaves it at that
    case TINE_BUDGET_USED: // these are for those who ask for them
    case TINE_IDLE:
    case TINE_CANCELLED:
        break;
    case TINE_NO_MEMORY:
        fprintf(stderr, "tine: %s: out of memory\n", c->program);
        break;
    case TINE_TIMED_OUT:
        fprintf(stderr, "tine: %s: timed out after %g s\n", c->program,
                (double)c->machine.timeout_ns / 1e9);
        return EXIT_LIMIT;
    }
    return EXIT_TINE;
}

static int finish(struct tine_machine *machine, const struct command *c, double begin)
{
    struct tine_result result;
    int status;

    signals_forward(machine);
    tine_machine_run(machine, &result);
    while (result.end == TINE_STOPPED) {
        double left = begin + (double)c->machine.timeout_ns / 1e9 - seconds();

        stop_with_program(machine, !c->machine.timeout_ns ? 0 : left > 0.01 ? left : 0.01);
        tine_machine_run(machine, &result);
    }
    signals_stop();
    if (result.end == TINE_DEADLOCK)
        tine_machine_explain_deadlock(machine, STDERR_FILENO);
    status = exit_status(c, &result);
    if (c->stats == STATS_LINE)
        print_line(machine, seconds() - begin);
    if (c->stats == STATS_JSON)
        print_json(machine, seconds() - begin, status);
    return status;
}

int program_start(struct tine_machine **machine, const struct command *c)
{
    int err;

    *machine = NULL;
    err = start(machine, c);
    if (!*machine)
        return new_failed(c, err);
    return err < 0 ? start_failed(*machine, c->program, err) : 0;
}

// Under --root tine gives up what the program does not need. False: --confine=require, and it can't.
static bool confine(struct tine_machine *machine, const struct command *c)
{
    int files, calls;
    const char *what;

    if (!c->machine.root || c->confine == CONFINE_OFF)
        return true;
    tine_machine_confine(machine, &files, &calls);
    if (files == 0 && calls == 0)
        return true;
    if (c->confine == CONFINE_AUTO && files == -ECANCELED && calls == -ECANCELED)
        return true; // a build with a sanitizer
    what = files == 0 ? "seccomp" : calls == 0 ? "Landlock" : "Landlock and seccomp";
    fprintf(stderr, "tine: --root: the host has no %s for us (%s); %s\n", what,
            strerror(files ? -files : -calls),
            c->confine == CONFINE_REQUIRE ? "--confine=require ends it here"
                                          : "paths are confined by tine alone");
    return c->confine != CONFINE_REQUIRE;
}

static int run(const struct command *c)
{
    struct tine_machine *machine;
    double begin = seconds();
    int status = program_start(&machine, c);

    if (status == 0 && !confine(machine, c))
        status = EXIT_TINE;
    else if (status == 0)
        status = finish(machine, c, begin);
    tine_machine_free(machine);
    return status;
}

static void message(void *context, const char *line)
{
    (void)context;
    fprintf(stderr, "tine: %s\n", line);
}

// The process is the machine's: its descriptors are the program's.
static void own_process(struct tine_options *o)
{
    o->own_process = true;
    o->ignored_signals = signals_ignored();
    o->callbacks.message = message;
    for (int i = 0; i < 3; i++)
        o->streams[i].kind = TINE_STREAM_TAKE;
}

// With --net=host under --root, names are resolved as on the host, where the root says nothing of its own.
// A bind needs a directory to appear in; one that the user has made is in the way of none.
static void bind_resolver(struct tine_options *o)
{
    static const char *const files[] = {"/etc/resolv.conf", "/etc/hosts"};

    if (!o->root || o->net != TINE_NET_HOST)
        return;
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        struct tine_bind *bind = &o->binds[o->nbinds];
        char path[4096];
        struct stat there;
        bool bound = false;

        for (int j = 0; j < o->nbinds; j++)
            bound |= strcmp(o->binds[j].guest, files[i]) == 0 || strcmp(o->binds[j].guest, "/etc") == 0;
        if (bound || o->nbinds == TINE_MAX_BINDS || access(files[i], R_OK) < 0)
            continue;
        snprintf(path, sizeof(path), "%s/etc", o->root);
        if (lstat(path, &there) < 0 || !S_ISDIR(there.st_mode))
            continue;
        snprintf(path, sizeof(path), "%s%s", o->root, files[i]);
        if (lstat(path, &there) == 0)
            continue;
        *bind = (struct tine_bind){files[i], files[i], true};
        o->nbinds++;
    }
}

// A file for one of tine's own outputs, out of the way of the program's descriptors.
static bool create(const char *option, const char *path, int *fd)
{
    *fd = file_create(path);
    if (*fd < 0)
        fprintf(stderr, "tine: %s%s: %s\n", option, path, strerror(errno));
    return *fd >= 0;
}

// --code-cache's file for this program.
static bool code_open(struct command *c)
{
    const char *slash = strrchr(c->program, '/');

    c->machine.jit_file = file_keep(c->code_cache, slash ? slash + 1 : c->program);
    if (c->machine.jit_file >= 0)
        return true;
    fprintf(stderr, "tine: --code-cache=%s: %s\n", c->code_cache, strerror(errno));
    return false;
}

// The files of -o, --dump-jit, --code-cache and --perf: before tine shuts itself in.
static bool outputs_open(struct command *c)
{
    char map[64];

    if (c->output && !create("-o ", c->output, &c->machine.strace_fd))
        return false;
    c->machine.strace_pids |= c->output != NULL;
    if (c->dump_jit && !*c->dump_jit)
        c->machine.jit_dump_fd = STDERR_FILENO;
    else if (c->dump_jit && !create("--dump-jit=", c->dump_jit, &c->machine.jit_dump_fd))
        return false;
    if (c->code_cache && !code_open(c))
        return false;
    snprintf(map, sizeof(map), "/tmp/perf-%d.map", (int)getpid());
    return !c->perf || create("--perf: ", map, &c->machine.jit_map_fd);
}

int main(int argc, char **argv, char **environment)
{
    struct command c;
    int status;

    if (!qemu_is_name(argv[0]) && argc == 2 && strcmp(argv[1], "binfmt") == 0)
        return binfmt_show();
    if (!qemu_is_name(argv[0]) && argc > 1 && strcmp(argv[1], "completion") == 0)
        return completion_show(argv + 2);
    status = options_parse(&c, argc, argv, environment);

    if (status) {
        options_free(&c);
        return status;
    }
    if (c.help) {
        c.qemu ? qemu_help() : options_help();
    } else if (c.version) {
        printf("tine %s\n", tine_version());
    } else {
        own_process(&c.machine);
        bind_resolver(&c.machine);
        terminal_keep();
        limits_raise();
        status = !outputs_open(&c) ? EXIT_TINE : c.compare ? compare(&c) : run(&c);
    }
    options_free(&c);
    if (status > EXIT_BY_SIGNAL)
        die_of_signal(status - EXIT_BY_SIGNAL);
    return status;
}
