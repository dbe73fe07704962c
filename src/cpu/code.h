// Decoded code: what the interpreter executes. It hangs on frames, so that every process that maps
// a frame, under whatever address, runs what was decoded once.
//
//   code page of a frame:  | map: slot of each halfword, + 1 | head | slot | slot | slot | ...
//
// (C1) Slots say nothing about addresses beyond the offset in the page: jumps out of the page are
//      looked up, jumps inside it are distances between slots.
// (C2) An instruction is decoded once: code that runs into decoded code continues there by a LINK.
// (C3) slot.n is the number of instructions from this slot to the end of its basic block, itself
//      included. LINK, END, STRADDLE and STOP are no instructions and have n = 0; a basic block
//      ends before them. So whoever enters at a slot knows what to subtract from the budget.
// (C4) What a TLB entry with an exec tag leads to is found through its host pointer: the frame, and
//      with it the code page.
// (C5) A freed code page stays intact until the next code_find: a handler that loses its code by its
//      own store can still finish. In a store of several machines it stays until every reader, a hart that
//      interprets without the store's lock, has come in anew since.
// (C6) A code page moves when it grows (C1 lets it); only page_find does that. Nobody but its frame
//      keeps a pointer to it.
// (C8) What readers see is published whole: a map entry after its slots, a link (handler and imm) by one store
//      of 8 bytes. The rest of a slot never changes.
// (C7) heat counts how often a place was jumped to while another engine made the interpreter count;
//      native is that engine's own for this frame, and lives as long as the code page; so does what it found
//      out: wanders has bits of the instructions whose accesses go from page to page.
// (C9) All code pages together have at most arena->limit bytes, and the freed ones a quarter of that more. Beyond
//      it the pages that were not looked up lately go, with what hangs on them. Their frames keep
//      FRAME_CODE_LEFT: a store there is still a store to code that may be executed (E5).
#ifndef CPU_CODE_H
#define CPU_CODE_H

#include "base/types.h"
#include "cpu/cpu.h"
#include "isa/decode.h"
#include "mm/mm.h"
#include "mm/tlb.h"

// What a slot can hold besides the instructions of rv64.def; a linked branch or jal of op is
// CODE_LINKED + op.
enum {
    CODE_END = OP_COUNT, // goes to the pc at slot.off, looked up
    CODE_LINK,           // goes to the slot at distance imm
    CODE_STRADDLE,       // an instruction that begins in this page and ends in the next
    CODE_STOP,           // the budget's end
    CODE_LINKED,
    CODE_HANDLERS = CODE_LINKED + OP_COUNT
};

struct slot {
    _Alignas(8) u32 handler; // distance of its code from the engine's base label
    i32 imm;              // or the rounding mode, or an illegal instruction's word
    u8 rd, rs1, rs2, rs3; // rd of an integer instruction: 32 instead of x0
    u16 off;              // pc - address of the page; up to 4098
    u8 n;                 // (C3)
    u8 len;               // bytes of the instruction
};
_Static_assert(sizeof(struct slot) == 16 && offsetof(struct slot, imm) == 4, "slots are dense (C8)");

// handler, and imm above it.
static inline u64 slot_link(const struct slot *s)
{
    return __atomic_load_n((const u64 __attribute__((may_alias)) *)(const void *)s, __ATOMIC_ACQUIRE);
}

static inline void slot_set_link(struct slot *s, u32 handler, i32 imm)
{
    u64 word = (u64)(u32)imm << 32 | handler;
    __atomic_store_n((u64 __attribute__((may_alias)) *)(void *)s, word, __ATOMIC_RELEASE);
}

struct code_page {
    u16 map[PAGE_SIZE / 2];
    u8 heat[PAGE_SIZE / 2]; // (C7)
    u64 wanders[PAGE_SIZE / 2 / 64]; // (C7)
    u8 slices;    // that ended here: another engine's measure of how hot the page is
    void *native;
    frame_t frame;
    u32 used, room;         // slots
    bool looked_up;         // since the last search for room came by (C9)
    struct code_page *next, *prev; // among the arena's, the oldest first; next: among the freed ones
    struct slot slot[];
};

struct code_arena {
    const i32 *handlers;     // CODE_HANDLERS distances
    struct code_page *freed[2]; // (C5) in this generation and the one before
    u32 readers[2];             // who came in then; by the generation's lowest bit
    u32 generation;
    struct code_page *oldest, *newest;
    u32 pages;
    u64 limit, bytes, freed_bytes; // (C9)
    // Set by the engine that uses it, or NULL: a page loses its code; a page is executed for the first time.
    void (*native_free)(struct store *s, void *native);
    void (*native_new)(struct cpu *cpu, struct code_page *p, gva_t page_va);
};

// What an engine made of guest code, for those who look on (store->code_watch). The lines are in the
// order of the host code.
struct code_line {
    gva_t pc;
    u32 word;   // the instruction
    u32 offset; // where its host code begins
};
struct code_unit {
    gva_t pc;
    u32 guest_size;
    const u8 *bytes; // the host code, to be read
    const u8 *host;  // and where it runs
    u32 size, cold;  // cold: offset of what is reached seldom
    u32 lines;
    const struct code_line *line;
};
struct code_watch {
    void *arg;
    // Called with the store's lock held.
    void (*translated)(void *arg, struct mm *mm, const struct code_unit *u);
};

// The store's arena, made on first use; NULL when there is no memory.
MUST_CHECK struct code_arena *code_arena_of(struct store *s, const i32 *handlers);
void code_arena_free(struct store *s); // before store_free; nothing runs any more

// The code page behind a TLB entry that has an exec tag; NULL if there is none.
static inline struct code_page *code_page_of(const struct store *s, const struct tlb_entry *e)
{
    return frame_code(s, (u64)(e->host - s->arena) >> PAGE_SHIFT);
}

// How often the place at an offset was jumped to (C7). Readers count too: a jump that gets lost does not matter.
static inline u8 code_heat(const struct code_page *p, u32 off)
{
    return __atomic_load_n(&p->heat[off / 2], __ATOMIC_RELAXED);
}

static inline void code_set_heat(struct code_page *p, u32 off, u8 count)
{
    __atomic_store_n(&p->heat[off / 2], count, __ATOMIC_RELAXED);
}

static inline bool code_wanders(const struct code_page *p, u32 off)
{
    return p->wanders[off / 128] >> off / 2 % 64 & 1;
}

static inline void code_set_wanders(struct code_page *p, u32 off)
{
    p->wanders[off / 128] |= 1ULL << off / 2 % 64;
}

// A reader comes in, with the store's lock, and goes out (C5): what it came in as.
static inline u32 code_read_begin(struct code_arena *a)
{
    a->readers[a->generation & 1]++;
    return a->generation & 1;
}

static inline void code_read_end(struct code_arena *a, u32 reader)
{
    a->readers[reader]--;
}

// The frame behind pc, made executable, and its code page: NULL if it shall not have one.
MUST_CHECK enum mm_fault code_page_at(struct cpu *cpu, struct code_arena *a, gva_t pc, frame_t *f,
                                      struct code_page **page);

// Where execution continues at pc: a slot of the frame's code page, *page, or, for what is not
// cached, of `scratch`, decoded anew (CODE_SCRATCH slots).
#define CODE_SCRATCH 40
MUST_CHECK enum mm_fault code_find(struct cpu *cpu, struct code_arena *a, gva_t pc,
                                   struct slot *scratch, struct code_page **page,
                                   struct slot **out);

// The same for offset `off` of the page in which `from` is. Links `from`, a branch, to what it finds
// and makes its handler `linked`. The page may move: *page. NULL: no memory, look it up.
MUST_CHECK struct slot *code_link(struct code_arena *a, struct store *s, struct code_page **page,
                                  struct slot *from, u32 off, i32 linked);

// The instruction that straddles two pages at pc, decoded to scratch. Faults at *fault_at.
MUST_CHECK enum mm_fault code_straddle(struct cpu *cpu, struct code_arena *a, gva_t pc,
                                       struct slot *scratch, gva_t *fault_at);

// The bits at pc once more, for a trap that reports them.
u32 code_word(struct cpu *cpu, gva_t pc);

#endif
