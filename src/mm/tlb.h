// The software TLB: a direct-mapped cache of the page table, one for each hart.
//
//   entry:  | read tag | write tag | host | exec tag |        tag = page address, or TLB_NONE
//
// (T1) A write tag exists only for a page whose frame is owned alone by this address space, or is a
//      shared mapping's (law L1); it is revoked before sharing begins.
// (T2) A frame is never cached for writing and for executing at once: self-modifying code is a miss.
// (T3) An access hits when (address & (TLB_PAGE_MASK | size - 1)) == tag: misaligned ones miss
//      (a miss then splits the access or, inside a page, performs it). Or, the same in other words,
//      when (address ^ tag) <= PAGE_SIZE - size: then that is the offset in the page.
// (T4) Every entry with a tag is in filled[], every one with a write tag in written[], or the list
//      has overflowed: so that a flush costs what was filled, not the size.
// (T5) A window is an entry's copy that code which keeps going to the same page finds without an index:
//      page, and host - page. It is forgotten whenever the entry would be, but for evictions (windowed, windowed_slot
//      and window_slot say where to look). Its page may be
//      written if its number is even, and then (T1) and (T2) hold for it.
// (T6) The page of an empty window is tlb.nowhere and leads to tlb.sink. It is where no region can be, one of
//      2^51 pages, chosen by the host's randomness: no guest finds it to see that an access there does not fault.
#ifndef MM_TLB_H
#define MM_TLB_H

#include "base/types.h"

struct mm;

#define TLB_BITS 12
#define TLB_SIZE (1u << TLB_BITS)
#define TLB_NONE (~(gva_t)0) // of the last entry: TLB_NONE ^ PAGE_SIZE, or the top page would hit (T3)
#define TLB_PAGE_MASK (~(gva_t)PAGE_MASK)

struct tlb_entry {
    gva_t read, write;
    u8 *host; // of the page's first byte
    gva_t exec;
};

struct tlb_window {
    gva_t page;
    u64 distance; // host - page
};

#define TLB_NEAR    2   // windows within a byte's distance of generated code's base
#define TLB_WINDOWS 512 // all

struct tlb {
    struct tlb_window near[TLB_NEAR];
    struct tlb_entry entry[TLB_SIZE];
    struct mm *mm; // whose page table this caches; NULL = nobody's, and then it is empty
    u32 nfilled, nwritten; // (T4) TLB_SIZE + 1: overflowed
    u16 filled[TLB_SIZE], written[TLB_SIZE];
    u64 windowed[TLB_WINDOWS / 64];        // bits of the windows that may be filled
    u64 windowed_slot[TLB_SIZE / 64];      // bits of the entries that a filled window may be a copy of
    u8 window_slot[TLB_WINDOWS];           // the low byte of the entry's number that a filled window is a copy of
    struct tlb_window far[TLB_WINDOWS - TLB_NEAR];
    gva_t nowhere;          // (T6)
    u8 sink[PAGE_SIZE];
};

static inline gva_t tlb_none(u32 slot)
{
    return slot == TLB_SIZE - 1 ? TLB_NONE ^ PAGE_SIZE : TLB_NONE;
}

static inline struct tlb_entry *tlb_slot(struct tlb *t, gva_t va)
{
    return &t->entry[(va >> PAGE_SHIFT) & (TLB_SIZE - 1)];
}

static inline struct tlb_window *tlb_window(struct tlb *t, u32 i)
{
    return i < TLB_NEAR ? &t->near[i] : &t->far[i - TLB_NEAR];
}

void tlb_init(struct tlb *t);
void tlb_flush(struct tlb *t);              // forgets everything
void tlb_flush_range(struct tlb *t, gva_t from, gva_t to); // at least the pages between
// The page is in another frame: no window shows the old one. Its entry is to be filled anew.
void tlb_page_moved(struct tlb *t, gva_t va);
// Enters a page; exec and write exclude each other (T2).
void tlb_fill(struct tlb *t, gva_t va, bool write, bool exec, u8 *host);
void tlb_flush_page(struct tlb *t, gva_t va);
void tlb_revoke_writes(struct tlb *t);      // forgets every write permission (fork does, T1)
void tlb_revoke_exec(struct tlb *t);        // forgets every exec permission

#endif
