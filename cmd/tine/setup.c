// tine binfmt, tine completion: text for others to read. Completion is made of the table of options.
#include "setup.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "options.h"

// ---- binfmt_misc (Documentation/admin-guide/binfmt-misc.rst) ---------------------------------

// The head of an ELF file: 64 bits, little-endian, version 1; the ABI may be any (8th byte); type
// ET_EXEC or ET_DYN (2 or 3: the last bit does not count); machine EM_RISCV (0xf3).
#define MAGIC                                                                                         \
    "\\x7fELF\\x02\\x01\\x01\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x02\\x00\\xf3\\x00"
#define MASK                                                                                          \
    "\\xff\\xff\\xff\\xff\\xff\\xff\\xff\\x00\\xff\\xff\\xff\\xff\\xff\\xff\\xff\\xff\\xfe\\xff\\xff\\xff"

#define INTERPRETER_MAX 127 // bytes; the kernel's limit

int binfmt_show(void)
{
    char self[4096];
    ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

    if (n < 0) {
        fprintf(stderr, "tine: /proc/self/exe: %s\n", strerror(errno));
        return EXIT_TINE;
    }
    self[n] = '\0';
    if (n > INTERPRETER_MAX || strchr(self, ':')) {
        fprintf(stderr, "tine: binfmt_misc takes no path with a colon or of more than %d bytes: %s\n",
                INTERPRETER_MAX, self);
        return EXIT_TINE;
    }
    printf(":tine-riscv64:M::" MAGIC ":" MASK ":%s:P\n", self);
    fprintf(stderr,
            "Nothing was changed. To have this host's kernel start riscv64 programs by tine, until it\n"
            "restarts (as root; binfmt_misc has to be mounted):\n"
            "    tine binfmt > /proc/sys/fs/binfmt_misc/register\n"
            "For good, where systemd is: tine binfmt > /etc/binfmt.d/tine-riscv64.conf\n"
            "To undo it: echo -1 > /proc/sys/fs/binfmt_misc/tine-riscv64\n"
            "P keeps the program's argv[0]. Add F to open tine now, for containers and other roots that do\n"
            "not have it; that takes a tine without shared libraries. O and C (an open file, credentials\n"
            "of set-user-ID programs) are not for tine. Another entry for riscv64, such as qemu's, has to\n"
            "go first.\n");
    return 0;
}

// ---- Completion -----------------------------------------------------------------------------

// The words that a value can be, when it is a choice ("on|off"); else NULL.
static const char *choices(const char *value)
{
    return value && strchr(value, '|') ? value : NULL;
}

static void put_choices(const char *value)
{
    for (; *value; value++)
        putchar(*value == '|' ? ' ' : *value);
}

static bool is_directory(const char *value)
{
    return value && (strcmp(value, "DIR") == 0 || strcmp(value, "PREFIX") == 0);
}

static void bash(void)
{
    struct option_row o;

    printf("# bash completion for tine; made by 'tine completion bash'\n"
           "_tine()\n{\n"
           "    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} i\n"
           "    [[ $cur == '=' ]] && cur=\n"
           "    [[ $prev == '=' ]] && prev=${COMP_WORDS[COMP_CWORD-2]}\n"
           "    COMPREPLY=()\n"
           "    case $prev in\n");
    for (size_t i = 0; options_row(i, &o); i++) {
        if (choices(o.value)) {
            printf("    %s) COMPREPLY=($(compgen -W '", o.name);
            put_choices(o.value);
            printf("' -- \"$cur\")); return;;\n");
        } else if (o.value && !o.optional) {
            printf("    %s) COMPREPLY=($(compgen %s -- \"$cur\")); return;;\n", o.name,
                   is_directory(o.value) ? "-d" : "-f");
        }
    }
    printf("    esac\n"
           "    if [[ $cur == -* ]]; then\n"
           "        COMPREPLY=($(compgen -W '");
    for (size_t i = 0; options_row(i, &o); i++)
        printf("%s%s", i ? " " : "", o.name);
    printf("' -- \"$cur\"))\n"
           "    else\n"
           "        COMPREPLY=($(compgen -c -f -- \"$cur\"))\n"
           "        [[ $COMP_CWORD == 1 ]] &&\n"
           "            COMPREPLY+=($(compgen -W 'run compare binfmt completion' -- \"$cur\"))\n"
           "    fi\n}\n"
           "complete -o filenames -F _tine tine\n");
}

// Text inside '...', where zsh's _arguments also gives [ ] and : a meaning.
static void put_quoted(const char *text, const char *special)
{
    for (; *text; text++) {
        if (*text == '\'')
            fputs("'\\''", stdout);
        else if (strchr(special, *text))
            printf("\\%c", *text);
        else
            putchar(*text);
    }
}

static void zsh(void)
{
    struct option_row o;

    printf("#compdef tine\n# zsh completion for tine; made by 'tine completion zsh'\n"
           "_arguments -S \\\n");
    for (size_t i = 0; options_row(i, &o); i++) {
        bool joined = o.value && o.name[1] == '-';

        printf("    '*%s%s[", o.name, !joined ? "" : o.optional ? "=-" : "=");
        put_quoted(o.help, "[]:");
        putchar(']');
        if (o.value) {
            fputs(o.optional ? "::" : ":", stdout);
            put_quoted(o.value, "[]:");
            putchar(':');
            if (choices(o.value)) {
                putchar('(');
                put_choices(o.value);
                putchar(')');
            } else {
                fputs(is_directory(o.value) ? "_directories" : "_files", stdout);
            }
        }
        printf("' \\\n");
    }
    printf("    '1:program:{ _alternative \"words:word:(run compare binfmt completion)\" "
           "\"files:program:_files\" \"commands:program:_command_names -e\" }' \\\n"
           "    '*::argument:_files'\n");
}

static void fish(void)
{
    struct option_row o;

    printf("# fish completion for tine; made by 'tine completion fish'\n"
           "complete -c tine -n __fish_use_subcommand -a 'run compare binfmt completion'\n");
    for (size_t i = 0; options_row(i, &o); i++) {
        printf("complete -c tine %s %s", o.name[1] == '-' ? "-l" : "-s",
               o.name + (o.name[1] == '-' ? 2 : 1));
        if (o.value && !o.optional)
            printf(" -r");
        if (choices(o.value)) {
            printf(" -f -a '");
            put_choices(o.value);
            putchar('\'');
        } else if (is_directory(o.value)) {
            printf(" -f -a '(__fish_complete_directories)'");
        }
        printf(" -d '");
        for (const char *c = o.help; *c; c++)
            printf(*c == '\'' ? "\\%c" : "%c", *c);
        printf("'\n");
    }
}

int completion_show(char **argv)
{
    static const struct {
        const char *name;
        void (*show)(void);
    } shells[] = {{"bash", bash}, {"zsh", zsh}, {"fish", fish}};

    for (size_t i = 0; argv[0] && !argv[1] && i < sizeof(shells) / sizeof(shells[0]); i++) {
        if (strcmp(argv[0], shells[i].name) == 0) {
            shells[i].show();
            return 0;
        }
    }
    fprintf(stderr, "tine: usage: tine completion bash|zsh|fish\n");
    return EXIT_TINE;
}
