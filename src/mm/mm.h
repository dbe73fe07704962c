// Address spaces: what fork, the fault handler and the memory system calls work on.
//
//     mm A --> root --+--> node --+--> frame     after mm_fork(B, A) both hold the SAME root,
//                     |           +--> frame     refs 2; the first store in either copies one
//                     +--> node -----> ...       path (small nodes) and one page, nothing else.
//
// (M1) holders counts the tasks that hold this address space (CLONE_VM); the root's and the region
//      list's own counts say how many address spaces share the content.
// (M2) Permissions live in the region list alone; table entries say only which frame is there.
// (M3) Anonymous shared memory belongs to one machine. A machine fork copies its backing (pagecache.h)
//      and empties the mappings of it first, so that both machines find their own pages at the next
//      touch. Shared mappings of files stay what they are: the file is the host's.
// (M4) While its code_space stays the same, every executable page that has a frame keeps it, in all address spaces that
//      have that number: so whoever has found code by it need not look again. A fork hands it on, until
//      either of the two maps, fills or copies an executable page. It is random: no guest finds another's.
#ifndef MM_MM_H
#define MM_MM_H

#include "base/types.h"
#include "mm/frame.h"

struct node;
struct regions;
struct tlb;
struct stats;
struct forking;

#define MM_TOP (1ULL << 38) // user addresses end here, as under Sv39

enum mm_access { MM_READ = 1, MM_WRITE = 2, MM_EXEC = 4 }; // the bits of PROT_READ/WRITE/EXEC

// Why an access failed. 0 = it did not.
enum mm_fault {
    FAULT_NONE,
    FAULT_MAPERR, // nothing is mapped there: SIGSEGV, SEGV_MAPERR
    FAULT_ACCERR, // the mapping forbids it: SIGSEGV, SEGV_ACCERR
    FAULT_BUS,    // beyond the end of a mapped file: SIGBUS, BUS_ADRERR
    FAULT_NOMEM,  // no frame is left: the process is killed
    FAULT_WATCHED, // a store that the kernel wants to see first (struct mm_watch)
};

// While a watched vfork child runs, its address space has one: a page of its parent's data gets no
// write permission cached, so that every store to it stops with FAULT_WATCHED. A system call's write
// is noted, or refused. Shared mappings are not watched: fork would share them just as well.
#define WATCH_NOTES 8u
struct mm_watch {
    bool armed, refuse;
    struct { gva_t start, end; } own[2]; // the child's: its part of the stack, its signal stack
    u32 notes; // of writes by system calls
    struct { gva_t va; u64 len; } note[WATCH_NOTES];
};

struct mm {
    u32 holders;
    u64 serial;          // a number that no other of the store has; a machine's copy keeps it
    struct store *store;
    struct node *root;
    struct regions *regions;
    struct tlb *tlb;     // the TLB that caches this mm now, or NULL
    struct stats *stats; // the machine's counters
    struct mm_watch *watch; // of the running task; NULL = none
    u64 code_space;      // (M4)
    bool code_shared;    // (M4) another address space may have the same
    u32 last;            // index of the region found last
    bool eager;          // --fork=eager: fork copies everything at once
    bool advised;        // some region has MADV_DONTFORK or MADV_WIPEONFORK
    bool shares;         // some region may map memory that the machine's processes share (M3)
    u64 brk_start, brk;
    u64 stack_limit;     // bytes the stack may grow to (RLIMIT_STACK)
    u64 data_limit, as_limit; // RLIMIT_DATA, RLIMIT_AS in bytes, ~0 = none
    u64 total_pages;     // of all regions
    bool locked;         // REGION_LOCKED counts: locks are not inherited, though the list is shared
    u8 lock_future;      // mlockall(MCL_FUTURE): what is mapped from now on is locked
    u16 barriers;        // membarrier's registrations
    u64 touched;         // pages ever filled in: a bound of the resident set's peak
    u64 start_code, end_code, start_stack, arg_start, arg_end, env_start, env_end; // for /proc
    gva_t vdso;
    struct backing *exe; // the program, a reference (backing_execute); NULL = none
    u64 map_slide;       // --aslr: bytes that mappings start lower
};

MUST_CHECK int mm_new(struct store *s, struct stats *stats, struct mm **out);
// A new address space with the content of `parent`; copies nothing (law L2). -ENOMEM
MUST_CHECK int mm_fork(struct mm *parent, struct mm **out);
// The same for a vfork that shall not touch its parent's memory: never eager, and what madvise says
// about forks does not hold. -ENOMEM
MUST_CHECK int mm_copy(struct mm *parent, struct mm **out);
// A machine fork: empties what maps anonymous shared memory. To be done for all address spaces of the
// machine before the first mm_machine_fork. -ENOMEM: some may be emptied, which nobody notices.
MUST_CHECK int mm_forget_shared(struct mm *m);
// The copy's address space, one more holder of it. NULL: f->error.
struct mm *mm_machine_fork(struct forking *f, struct mm *from, struct stats *stats);
// (M4) What was executable may be something else now.
void mm_code_moved(struct mm *m);
void mm_get(struct mm *m);
void mm_put(struct mm *m); // the last holder's put frees it

// Makes `t` cache `m` (and nobody else's); flushes if it cached another.
void mm_switch(struct mm *m, struct tlb *t);

// The one gate to a page (law L7). Checks the region, resolves holes, copies or takes over a shared
// frame for MM_WRITE. On success *host points at va's byte, good to the end of its page until the
// next call into mm. Fills m->tlb if there is one.
MUST_CHECK enum mm_fault mm_access(struct mm *m, gva_t va, enum mm_access want, u8 **host);

// Whether `watch` leaves a write to [va, va + len) alone.
bool mm_watch_owns(const struct mm_watch *w, gva_t va, u64 len);

// A debugger's access: permissions do not matter. What it writes to a private page is the address space's
// own copy; a shared mapping that is not writable stays as it is. Nothing is cached.
MUST_CHECK enum mm_fault mm_access_forced(struct mm *m, gva_t va, enum mm_access want, u8 **host);

// The frame behind an executable address, for the decoded-code cache. Like mm_access(MM_EXEC), but
// yields the frame number. Write permissions cached for that frame are revoked (T2).
MUST_CHECK enum mm_fault mm_exec_frame(struct mm *m, gva_t va, frame_t *out);

#endif
