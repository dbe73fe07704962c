/*
 * spin.c - computes for a while, and makes no system call meanwhile. tests/unit/machine_fork_test looks on.
 *
 *     spin [ROUNDS]
 */
#include "check.h"

int main(int argc, char **argv)
{
    unsigned long rounds = argc > 1 ? strtoul(argv[1], NULL, 0) : 100000, x = 1;

    check_name = "spin";
    for (unsigned long i = 0; i < rounds; i++)
        x = x * 6364136223846793005UL + 1442695040888963407UL;
    CHECK(x != 0);
    check_say("ok spin\n");
    return 0;
}
