/*
 * 12-tiny-shell.c - a shell in a hundred lines: what fork, exec, pipe, dup2 and wait are for.
 *
 * It reads commands from standard input and knows
 *
 *     words               run a program:            ls -l /
 *     a | b | c           pipelines:                ls / | sort -r | head -3
 *     < file  > file      redirection:              sort < in > out
 *     command &           do not wait for it
 *     cd directory, wait, exit [status]             the three that cannot be programs of their own
 *
 * Why those three: a child that changes its directory changes only its own.
 *
 * Two little programs are in here too, so that it runs where there is nothing else: `say` prints its
 * arguments, `upper` turns its input to capitals. They are still executed, like any program.
 *
 *     echo 'say hello | upper' | tine run 12-tiny-shell
 */
#include <ctype.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MAX_WORDS = 64 };

static int last_status;

/* Cuts one command out of a line: its words, and where its input and output go. */
struct command {
    char *word[MAX_WORDS + 1];
    int words;
    char *input, *output;
};

static void parse(char *text, struct command *command)
{
    char **target = NULL;       /* set after < and >: the next word is a file name */

    memset(command, 0, sizeof *command);
    for (;;) {
        while (isspace((unsigned char)*text))
            *text++ = '\0';
        if (*text == '\0')
            return;
        if (*text == '<' || *text == '>') {
            target = *text == '<' ? &command->input : &command->output;
            *text++ = '\0';
            continue;
        }
        if (target != NULL)
            *target = text;
        else if (command->words < MAX_WORDS)
            command->word[command->words++] = text;
        target = NULL;
        while (*text != '\0' && !isspace((unsigned char)*text) && *text != '<' && *text != '>')
            text++;
    }
}

/* In the child: makes `file` its descriptor `number`. */
static void redirect(const char *file, int flags, int number)
{
    int fd = open(file, flags, 0666);
    if (fd < 0 || dup2(fd, number) < 0) {
        perror(file);
        _exit(1);
    }
    close(fd);
}

/* The two programs in this file; which one is told by argv[0], as busybox does it. */
static int is_applet(const char *name)
{
    return strcmp(name, "say") == 0 || strcmp(name, "upper") == 0;
}

static int applet(char **argv)
{
    int c;
    if (strcmp(argv[0], "say") == 0) {
        for (int i = 1; argv[i] != NULL; i++)
            printf("%s%s", i > 1 ? " " : "", argv[i]);
        putchar('\n');
    } else {
        while ((c = getchar()) != EOF)
            putchar(toupper(c));
    }
    return 0;
}

/* Starts one command between two pipes; returns its process id. */
static pid_t start(struct command *command, int input, int output, int unused)
{
    pid_t pid = fork();

    if (pid != 0)
        return pid;
    if (input != STDIN_FILENO) {
        dup2(input, STDIN_FILENO);
        close(input);
    }
    if (output != STDOUT_FILENO) {
        dup2(output, STDOUT_FILENO);
        close(output);
    }
    if (unused >= 0)
        close(unused);          /* the other end of our pipe: or we would never see its end */
    if (command->input != NULL)
        redirect(command->input, O_RDONLY, STDIN_FILENO);
    if (command->output != NULL)
        redirect(command->output, O_WRONLY | O_CREAT | O_TRUNC, STDOUT_FILENO);
    if (is_applet(command->word[0]))
        execv("/proc/self/exe", command->word);
    else
        execvp(command->word[0], command->word);
    perror(command->word[0]);
    _exit(127);
}

/* Runs a line: a pipeline, each stage reading what the one before it writes. */
static void run(char *line, int in_background)
{
    int input = STDIN_FILENO;
    pid_t last = 0;
    char *rest = line, *stage;

    while ((stage = strsep(&rest, "|")) != NULL) {
        struct command command;
        int end[2] = { -1, STDOUT_FILENO };

        parse(stage, &command);
        if (command.words == 0)
            break;
        if (rest != NULL && pipe(end) < 0)
            break;
        last = start(&command, input, end[1], end[0]);
        if (input != STDIN_FILENO)
            close(input);
        if (end[1] != STDOUT_FILENO)
            close(end[1]);
        input = end[0];
    }
    if (last <= 0 || in_background)
        return;

    int status;
    pid_t pid;
    while ((pid = wait(&status)) > 0)           /* background jobs that end meanwhile, too */
        if (pid == last) {
            last_status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
            break;
        }
}

/* The commands that the shell must do itself; returns 0 if this is none of them. */
static int builtin(char *line)
{
    char copy[1024], *name, *argument;

    snprintf(copy, sizeof copy, "%s", line);
    name = strtok(copy, " \t\n");
    argument = strtok(NULL, " \t\n");
    if (name == NULL || name[0] == '#')
        return 1;
    if (strcmp(name, "exit") == 0)
        exit(argument != NULL ? atoi(argument) : last_status);
    if (strcmp(name, "wait") == 0) {
        while (wait(NULL) > 0)
            continue;
        return 1;
    }
    if (strcmp(name, "cd") == 0) {
        if (chdir(argument != NULL ? argument : "/") < 0)
            perror(argument);
        return 1;
    }
    return 0;
}

int main(int argc, char **argv)
{
    char line[1024];

    if (argc > 0 && is_applet(argv[0]))
        return applet(argv);

    setvbuf(stdin, NULL, _IONBF, 0);            /* read no further than the line: the rest of */
    for (;;) {                                  /* the input belongs to whoever runs next */
        if (isatty(STDIN_FILENO)) {
            printf("tiny$ ");
            fflush(stdout);
        }
        if (fgets(line, sizeof line, stdin) == NULL)
            break;
        if (builtin(line))
            continue;
        char *ampersand = strrchr(line, '&');
        if (ampersand != NULL)
            *ampersand = '\0';
        run(line, ampersand != NULL);
    }
    return last_status;
}
