// Backings: what the pages of a mapping come from. A file (its pages are the page cache), or
// anonymous memory shared by its mappings.
//
// (C1) refs counts the regions that use the backing. The cache keeps a file's backing with refs 0,
//      so that the next exec or mapping of the same file is warm; for a second or so it also keeps
//      the descriptors of a few.
// (C2) Each cached frame holds one reference of the cache's; so a private mapping copies before it
//      writes by the ordinary rule.
// (C3) For one (device, inode) at most one backing is current; a file that changed from outside
//      gets a new one, unless somebody maps the old one shared.
#ifndef MM_PAGECACHE_H
#define MM_PAGECACHE_H

#include "mm/frame.h"

struct forking;

struct file_key {
    u64 dev, ino, size;
    i64 mtime_ns, ctime_ns;
};

// (C4) Memory without a file is one machine's. A machine fork's copy gets a backing with the same table of
//      slots, by law 1: table and chunks are counted, and copied by who wants a page first. Where a chunk
//      is copied, each slot of both says SLOT_LENT from then on: who wants the page copies it, or takes it
//      over if the frame has no other reference by then.
//
//          backing A --> table --+--> chunk of 512 slots --> frame
//          backing B -----^      +--> chunk ...

struct tlb;

#define SLOT_LENT 0x80000000u // in a slot that is not FRAME_NONE

struct backing {
    u32 refs;
    u64 serial;          // a number that no other of the store has; a machine's copy keeps it
    bool anonymous;      // no file behind it
    bool constant;       // anonymous, and nobody ever writes it
    bool current;        // found by (dev, ino)
    bool shared_writes;  // some shared mapping may have stored to its pages
    bool executable;     // the host let it be executed, as long as the key is this
    bool idle;           // unused, but host_fd is still open
    int host_fd;         // -1 = none
    u32 executing;       // address spaces whose program it is: nobody opens it for writing (ETXTBSY)
    u32 segment;         // the kernel's: SysV segment whose memory it is, 0 = none
    struct file_key key;
    u64 pages;           // length of frame[] in pages
    struct quota *quota;      // what its pages count against, NULL = nothing; a reference
    struct slot_table *table; // frame numbers by page; NULL = none is cached
    char *name;           // the file's guest path, for /proc/PID/maps; may be NULL
    struct backing *next, *prev; // in the cache's list, of files or of anonymous ones
};

MUST_CHECK int pagecache_new(struct store *s);
void pagecache_drop(struct store *s); // forgets every file; nothing may be mapped any more
void pagecache_free(struct store *s);
bool pagecache_shrink(struct store *s); // gives frames of unused files back; true if any

// The backing of a file (one reference for the caller). Duplicates host_fd where it needs one.
MUST_CHECK int backing_file(struct store *s, int host_fd, const struct file_key *key,
                            struct backing **out);
// Before a shared mapping through a writable descriptor: write-back goes through host_fd.
MUST_CHECK int backing_allow_writes(struct backing *b, int host_fd);
MUST_CHECK int backing_anonymous(struct store *s, struct backing **out);
void backing_get(struct backing *b);
void backing_put(struct store *s, struct backing *b);
// The same, for an address space's program.
void backing_execute(struct backing *b);
void backing_executed(struct store *s, struct backing *b);
bool pagecache_executing(struct store *s, u64 dev, u64 ino);

// Each machine has its own: (C4).
static inline bool backing_per_machine(const struct backing *b)
{
    return b && b->anonymous && !b->constant;
}
// A reference for a machine fork's copy: to `b` itself, or to the copy's own. NULL for NULL, and f->error.
struct backing *backing_copy(struct forking *f, struct backing *b);

// The frame of a page, read or made if it is not cached (the cache keeps its own reference).
// -ENOMEM, -ENOSPC (its quota), -EFAULT beyond the end of the file (SIGBUS), or the read's error.
MUST_CHECK int backing_page(struct store *s, struct backing *b, u64 page, frame_t *out);
bool backing_cached(const struct backing *b, u64 page);
// The frame of a cached page, to be read; FRAME_NONE.
frame_t backing_peek(const struct backing *b, u64 page);
// Forgets what is cached from page number b->pages on, which nobody maps. Where there is something,
// backing_cut_ready has been called before, with that number. -ENOMEM
MUST_CHECK int backing_cut_ready(struct store *s, struct backing *b, u64 pages);
void backing_cut(struct store *s, struct backing *b);
// Forgets a page, unless somebody maps it: then false.
bool backing_give_back(struct store *s, struct backing *b, u64 page);
// Writes pages that shared mappings may have changed (FRAME_DIRTY) to the file. Host errors come back.
// `only` is the one TLB that may cache permissions to write to them: it loses those, and the pages count as
// clean until the next store. NULL: there may be others, and they stay dirty.
int backing_sync(struct store *s, struct backing *b, u64 from, u64 to, struct tlb *only);

// The guest read, wrote or truncated a file by system call: keep mappings and file in step.
void pagecache_before_read(struct store *s, u64 dev, u64 ino, struct tlb *only);
// Yields the backing if the file shrank below what it cached (*pages is its new length), else NULL.
struct backing *pagecache_after_write(struct store *s, u64 dev, u64 ino, u64 offset, u64 n,
                                      u64 *pages);
// Writes all that is to be written, and closes the files that nobody uses any more.
int pagecache_sync_all(struct store *s, struct tlb *only);
struct backing *backing_find(struct store *s, u64 dev, u64 ino); // borrowed, NULL: not cached
u64 backing_resident(const struct backing *b); // pages that have a frame
void pagecache_count(struct store *s, u32 *refs); // adds the cache's own references, by frame

#endif
