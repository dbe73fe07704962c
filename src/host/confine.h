// The process shuts itself in: Landlock for files, seccomp for calls. Both for good, both for the whole
// process, so only who owns the process asks for it (the command does, under --root).
//
// (CF1) These are a second wall. The first one is the walk over directory descriptors (fs/walk.c),
//       which does not count on them.
// (CF2) What src/host calls stands in one table, confine.c's `rows`: a new call needs a row.
#ifndef HOST_CONFINE_H
#define HOST_CONFINE_H

#include "base/types.h"

enum confine_right {
    CONFINE_TREE,      // all that can be done below a directory, device nodes aside
    CONFINE_READ_TREE, // only reading and executing
    CONFINE_FILE,      // reading, writing, truncating and the ioctls of one file
    CONFINE_RMDIR,     // removing empty directories below one
};

struct confine {
    int fd;  // the Landlock rules, or -1
    u32 abi; // version of Landlock
};

// -ENOSYS, -EOPNOTSUPP, -EPERM, ...: the host has no Landlock for us. -ECANCELED: a sanitizer's build.
MUST_CHECK int confine_begin(struct confine *c, bool net);
// A file of a kind that Landlock knows no rules for (a pipe) is no error.
MUST_CHECK int confine_allow(struct confine *c, int fd, enum confine_right right);
MUST_CHECK int confine_allow_path(struct confine *c, const char *path, enum confine_right right);
MUST_CHECK int confine_files(struct confine *c); // from now on
void confine_end(struct confine *c);
// From now on only the calls in the table, sockets only with `net`.
MUST_CHECK int confine_calls(bool net);

#endif
