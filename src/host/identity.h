// Whom the host takes the calling thread for when it looks at a file's permissions.
#ifndef HOST_IDENTITY_H
#define HOST_IDENTITY_H

#include "base/types.h"

bool host_can_change_identity(void); // it runs as root
// Only this thread changes. As another than root it has these supplementary groups and none of root's
// powers over files; as root again it has all that it began with.
void host_assume(u32 uid, u32 gid, const u32 *groups, u32 count);
// Its supplementary groups: how many, with at most `room` of them in `to`.
u32 host_groups(u32 *to, u32 room);

#endif
