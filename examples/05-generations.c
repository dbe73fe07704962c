/*
 * 05-generations.c - one page, shared by a family.
 *
 * Sharing does not stop at two: a grandparent, its child, and two grandchildren hold the same
 * page, until each one writes to it for the first time. Whoever writes leaves the circle with a
 * copy; the others stay. A child inherits what its parent saw at the moment of the fork.
 *
 *                grandmother  "shared"
 *                     |
 *                  mother     "shared", then writes "mother"
 *                  /     \
 *           anna           bert
 *     forked before:     forked after:
 *        "shared"          "mother"
 */
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

static char *page;      /* the page that this is all about */

static void say(const char *who, const char *what)
{
    printf("%-11s %s \"%s\"\n", who, what, page);
    fflush(stdout);
}

/* A grandchild: waits for its turn, looks, writes, looks again. */
static void grandchild(const char *name, int turn)
{
    char byte;
    if (read(turn, &byte, 1) != 1)
        _exit(1);
    say(name, "inherited");
    strcpy(page, name);
    say(name, "now sees ");
    _exit(0);
}

int main(void)
{
    int turn[2];
    page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (page == MAP_FAILED || pipe(turn) < 0)
        return 1;
    strcpy(page, "shared");

    pid_t mother = fork();
    if (mother == 0) {
        say("mother", "inherited");
        pid_t anna = fork();                    /* now three hold the page */
        if (anna == 0)
            grandchild("anna", turn[0]);

        strcpy(page, "mother");                 /* she leaves; grandmother and anna stay */
        say("mother", "now sees ");
        pid_t bert = fork();                    /* her copy is now shared in its turn */
        if (bert == 0)
            grandchild("bert", turn[0]);

        /* one byte, one grandchild: this keeps the output in order */
        int fine = write(turn[1], "a", 1) == 1 && wait(NULL) > 0 &&
                   write(turn[1], "b", 1) == 1 && wait(NULL) > 0;
        say("mother", "still sees");
        _exit(fine ? 0 : 1);
    }
    waitpid(mother, NULL, 0);
    say("grandmother", "still sees");
    return strcmp(page, "shared") == 0 ? 0 : 1;
}
