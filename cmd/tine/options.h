// The command line, read.
#ifndef CMD_OPTIONS_H
#define CMD_OPTIONS_H

#include <tine/tine.h>

enum stats_format { STATS_NONE, STATS_LINE, STATS_JSON };

// Whether tine shuts itself in under --root: as far as the host lets it; or not at all otherwise.
enum confine { CONFINE_AUTO, CONFINE_REQUIRE, CONFINE_OFF };

struct command {
    struct tine_options machine;
    enum stats_format stats;
    const char *cwd;     // --cwd, or NULL
    const char *output;  // -o, or NULL
    const char *code_cache; // --code-cache's directory, or NULL
    const char *dump_jit; // --dump-jit's file, "": stderr, or NULL
    bool perf;
    const char *program; // as it was named
    char *argv0;         // -0, or NULL
    char **argv;         // what the program gets, NULL at the end; argv[0] is argv0 if there is one
    char **env;        // the program's environment, NULL at the end
    size_t env_count, env_room;
    bool compare; // the word before the options was "compare"
    bool json;
    enum confine confine;
    bool help, version;
    bool qemu; // called by qemu's name
    char *copies[32]; // strings that the environment may point to
    size_t copies_count;
};

// Exit status for tine's own errors.
#define EXIT_TINE 125

// Fills *c from the command line and the environment. 0, or EXIT_TINE after one line on stderr.
int options_parse(struct command *c, int argc, char **argv, char **environment);
void options_free(struct command *c);
void options_help(void);

// One row of the table of options; false: there is no such row.
struct option_row {
    const char *name, *value, *help; // value: what it takes, or NULL
    bool optional;                   // ... if anything
};
bool options_row(size_t i, struct option_row *row);

// What options do that another name's command line has, too. False: not a good value.
bool options_set_prefix(struct command *c, char *value);
bool options_set_argv0(struct command *c, char *value);
bool options_set_version(struct command *c, char *value);
bool options_set_help(struct command *c, char *value);

// Sets NAME=VALUE, which is borrowed; removes NAME. False: that is not what it is.
bool options_setenv(struct command *c, char *setting);
bool options_unsetenv(struct command *c, char *name);
// A copy that lives as long as the command.
char *options_copy(struct command *c, const char *text);

// The value of a variable in c->env, or NULL.
const char *options_getenv(const struct command *c, const char *name);

#endif
