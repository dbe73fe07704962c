// The vDSO: a page of guest code in the shape of a shared object, mapped into every process (vdso(7)).
//
// Signal handlers return through it; libraries find it by AT_SYSINFO_EHDR and call what stands in its
// table of symbols. The kernel is a function call away here, so its functions are plain system calls.
#ifndef KERNEL_VDSO_H
#define KERNEL_VDSO_H

#include "base/types.h"

// Offset of __vdso_rt_sigreturn from the start of the page.
#define VDSO_SIGRETURN 0xf00u

// Writes the object, 4096 bytes, the same each time.
void vdso_build(u8 *page);

#endif
