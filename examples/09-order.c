/*
 * 09-order.c - who runs first?
 *
 * After fork, nobody can say: parent and child are equals, and a program that relies on either
 * order is wrong. After vfork the answer is certain: the child, because the parent stands still.
 *
 *     tine run 09-order
 *     tine run --order=child 09-order         tine lets you choose, to find such mistakes:
 *     tine run --order=parent 09-order
 *     tine run --order=random:7 09-order      (the same number, the same order)
 *
 * The letters are written into memory that both share on purpose (MAP_SHARED).
 */
#include <stdatomic.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ROUNDS = 20 };

struct score {
    atomic_int next;
    char letter[2 * ROUNDS + 1];
};

static struct score *score;

static void mark(char who)
{
    score->letter[atomic_fetch_add(&score->next, 1)] = who;
}

/* Prints who was first in each round; returns how often it was the child. */
static int report(const char *call)
{
    int children = 0;

    printf("%-6s first: ", call);
    for (int i = 0; i < ROUNDS; i++) {
        putchar(score->letter[2 * i]);
        children += score->letter[2 * i] == 'c';
    }
    printf("   (c = child, p = parent)\n");
    score->next = 0;
    return children;
}

int main(void)
{
    score = mmap(NULL, sizeof *score, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (score == MAP_FAILED)
        return 1;

    for (int i = 0; i < ROUNDS; i++) {
        pid_t pid = fork();
        mark(pid == 0 ? 'c' : 'p');             /* both come by here */
        if (pid == 0)
            _exit(0);
        waitpid(pid, NULL, 0);
    }
    report("fork");

    for (int i = 0; i < ROUNDS; i++) {
        pid_t pid = vfork();
        if (pid == 0) {
            mark('c');
            _exit(0);
        }
        mark('p');
        waitpid(pid, NULL, 0);
    }
    int children = report("vfork");
    printf("After vfork the child was first in %d of %d rounds.\n", children, ROUNDS);
    return children == ROUNDS ? 0 : 1;
}
