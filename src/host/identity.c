#include "host/identity.h"

#include <grp.h>
#include <sys/fsuid.h>
#include <sys/syscall.h>
#include <unistd.h>

bool host_can_change_identity(void)
{
    return geteuid() == 0;
}

void host_assume(u32 uid, u32 gid, const u32 *groups, u32 count)
{
    // The raw call: libc's would change every thread of the process. Root needs no group to pass.
    (void)!syscall(SYS_setgroups, (size_t)count, groups);
    setfsgid(gid);
    setfsuid(uid);
}

u32 host_groups(u32 *to, u32 room)
{
    int n = getgroups(room < 65536 ? (int)room : 65536, to);
    return n > 0 ? (u32)n : 0;
}
