// Descriptors of the host that several machines of a family have together: the copies' tables say who
// else still needs one before it is closed. Internal to src/fs.
#ifndef FS_HOSTFDS_H
#define FS_HOSTFDS_H

#include "base/types.h"

struct forking;
struct fs;
struct hostfds;

// `to` shares the table of `from`, which is made if there is none.
void hostfds_share(struct forking *f, struct fs *to, struct fs *from);
void hostfds_put(struct hostfds *h); // NULL is fine
// One holder more of fd, for the copy. False: it could not be counted, and is not the copy's.
bool hostfds_get(struct forking *f, int fd);

#endif
