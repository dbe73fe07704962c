// The riscv64 programs that unit tests run: built from tests/guest, in the directory $TINE_TEST_GUESTS.
#ifndef UNIT_GUESTS_H
#define UNIT_GUESTS_H

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

// The one that was given, or else the one built from NAME.c, whose path is made in `path`. NULL: it can't be run.
static inline const char *guest_program(char path[PATH_MAX], const char *given, const char *name)
{
    const char *directory = getenv("TINE_TEST_GUESTS");

    snprintf(path, PATH_MAX, "%s/%s", directory ? directory : "", name);
    if (!given)
        given = path;
    return access(given, X_OK) == 0 ? given : NULL;
}

#endif
