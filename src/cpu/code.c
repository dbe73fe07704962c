// Decodes pages into slots, and finds them again.
#include "cpu/code.h"

#include <string.h>

#include "base/alloc.h"
#include "base/panic.h"

#define DROPS_MAX  16 // a frame whose code was thrown away more often is not cached any more
#define N_MAX      255
#define LIMIT_LEAST (8UL << 20)             // bytes of decoded code (C9)
#define ROOM_FIRST 120                      // slots of a new page
#define ROOM_MOST  (2 * PAGE_SIZE / 2 + 16) // 2048 instructions, as many LINKs and ENDs, 8 splits

static u64 page_bytes(u32 room)
{
    return sizeof(struct code_page) + room * sizeof(struct slot);
}

static void list_add(struct code_arena *a, struct code_page *p)
{
    p->next = NULL;
    p->prev = a->newest;
    *(a->newest ? &a->newest->next : &a->oldest) = p;
    a->newest = p;
}

static void list_remove(struct code_arena *a, struct code_page *p)
{
    *(p->prev ? &p->prev->next : &a->oldest) = p->next;
    *(p->next ? &p->next->prev : &a->newest) = p->prev;
}

static void page_count(struct code_arena *a, struct code_page *p)
{
    list_add(a, p);
    a->pages++;
    a->bytes += page_bytes(p->room);
}

// The hook of store->code_free.
static void page_free(struct store *s, void *code)
{
    struct code_arena *a = s->code_arena;
    struct code_page *p = code;
    if (p->native && a)
        a->native_free(s, p->native);
    p->native = NULL;
    if (a) {
        list_remove(a, p);
        a->pages--;
        a->bytes -= page_bytes(p->room);
        a->freed_bytes += page_bytes(p->room);
        p->next = a->freed[a->generation & 1];
        a->freed[a->generation & 1] = p;
    } else {
        mem_free(p);
    }
}

static void free_list(struct code_arena *a, struct code_page **list)
{
    struct code_page *p;
    while ((p = *list) != NULL) {
        *list = p->next;
        a->freed_bytes -= page_bytes(p->room);
        mem_free(p);
    }
}

// What the generation before this one has freed, its readers alone have seen.
static void free_freed(struct code_arena *a)
{
    u32 before = (a->generation + 1) & 1;
    if (a->readers[before])
        return;
    free_list(a, &a->freed[before]);
    if (!a->readers[before ^ 1])
        free_list(a, &a->freed[before ^ 1]);
    else if (a->freed[before ^ 1])
        a->generation++;
}

// Whether `more` bytes of decoded code fit, when the pages that nobody looked up lately have gone (C9). `keep`
// stays.
static bool make_room(struct code_arena *a, struct store *s, u64 more, const struct code_page *keep)
{
    for (u32 left = 2 * a->pages; a->bytes + more > a->limit && left; left--) {
        struct code_page *p = a->oldest;
        if (p == keep || p->looked_up) {
            p->looked_up = false;
            list_remove(a, p);
            list_add(a, p);
            continue;
        }
        s->meta[p->frame].flags |= FRAME_CODE_LEFT;
        frame_set_code(s, p->frame, NULL);
        page_free(s, p);
    }
    return a->bytes + more <= a->limit && a->freed_bytes <= a->limit / 4;
}

static struct code_page *page_new(struct code_arena *a, frame_t f)
{
    struct code_page *p = mem_alloc(page_bytes(ROOM_FIRST));
    if (p) {
        memset(p, 0, sizeof *p);
        p->frame = f;
        p->room = ROOM_FIRST;
        page_count(a, p);
    }
    return p;
}

// Makes room for `more` slots. The page may move (C6); NULL when there is no memory.
static struct code_page *page_grow(struct code_arena *a, struct store *s, struct code_page *p, u32 more)
{
    u32 need = p->used + more;
    if (need <= p->room)
        return p;
    ASSERT_THAT(need <= ROOM_MOST, "C2");
    u32 room = MIN(MAX(2 * p->room, need), ROOM_MOST);
    if (!make_room(a, s, page_bytes(room), p))
        return NULL;
    struct code_page *moved = mem_alloc(page_bytes(room));
    if (!moved)
        return NULL;
    memcpy(moved, p, sizeof *p + p->used * sizeof p->slot[0]);
    moved->room = room;
    page_count(a, moved);
    frame_set_code(s, p->frame, moved);
    p->native = NULL;
    page_free(s, p);
    return moved;
}

struct code_arena *code_arena_of(struct store *s, const i32 *handlers)
{
    struct code_arena *a = s->code_arena;
    if (likely(a))
        return a;
    a = mem_zalloc(sizeof *a);
    if (!a)
        return NULL;
    a->handlers = handlers;
    a->limit = MAX((u64)s->limit * PAGE_SIZE / 4, LIMIT_LEAST);
    s->code_arena = a;
    s->code_free = page_free;
    return a;
}

void code_arena_free(struct store *s)
{
    struct code_arena *a = s->code_arena;
    if (!a)
        return;
    free_list(a, &a->freed[0]);
    free_list(a, &a->freed[1]);
    mem_free(a);
    s->code_arena = NULL; // what frames still have, page_free frees at once
}

// ---- Decoding -------------------------------------------------------------------------------

static void fill(const struct code_arena *a, struct slot *to, const struct insn *in, u32 word,
                 u32 off)
{
    u8 flags = rv_flags[in->op];
    *to = (struct slot){
        .handler = (u32)a->handlers[in->op],
        .imm = in->imm,
        .rd = flags & RV_WRITES_X && in->rd == 0 ? 32 : in->rd,
        .rs1 = in->rs1,
        .rs2 = in->rs2,
        .rs3 = in->rs3,
        .off = (u16)off,
        .len = in->len,
    };
    if (flags & RV_ROUNDS)
        to->imm = in->rm;
    if (in->op == OP_illegal)
        to->imm = (i32)(in->len == 2 ? word & 0xffff : word);
}

static void fill_special(const struct code_arena *a, struct slot *to, unsigned kind, i32 imm,
                         u32 off)
{
    *to = (struct slot){.handler = (u32)a->handlers[kind], .imm = imm, .off = (u16)off};
}

static u32 halfword(const u8 *code, u32 off)
{
    return (u32)code[off] | (u32)code[off + 1] << 8;
}

static bool ends_block(const struct insn *in)
{
    return in->op == OP_illegal || rv_flags[in->op] & RV_ENDS_BLOCK;
}

static bool ends_basic_block(const struct insn *in)
{
    return ends_block(in) || rv_flags[in->op] & RV_BRANCHES;
}

// Sets n of the basic block [from, to) (C3).
static void count_back(struct slot *from, const struct slot *to)
{
    for (u8 n = (u8)(to - from); from < to; from++)
        from->n = n--;
}

// Decodes from `off` until the code ends, leaves the page or meets decoded code. With `map`, which
// may be NULL, every instruction is entered there, and numbering starts at `index`. At most `max`
// instructions; the end of the slots is returned.
static struct slot *decode_run(const struct code_arena *a, const u8 *code, u32 off, u16 *map,
                               u32 index, struct slot *slot, u32 max)
{
    struct slot *at = slot, *block = slot;
    for (;;) {
        struct insn in;
        u32 word;
        if (off >= PAGE_SIZE || max-- == 0) {
            count_back(block, at);
            fill_special(a, at++, CODE_END, 0, off);
            return at;
        }
        if (map && map[off / 2]) {
            count_back(block, at);
            i32 distance = (i32)map[off / 2] - 1 - (i32)(index + (u32)(at - slot));
            fill_special(a, at++, CODE_LINK, distance, off);
            return at;
        }
        word = halfword(code, off);
        if (rv_length(word) == 4) {
            if (off == PAGE_SIZE - 2) {
                count_back(block, at);
                if (map)
                    map[off / 2] = (u16)(index + (u32)(at - slot) + 1);
                fill_special(a, at++, CODE_STRADDLE, 0, off);
                return at;
            }
            word |= halfword(code, off + 2) << 16;
        }
        if (at - block == N_MAX) {
            count_back(block, at);
            fill_special(a, at++, CODE_LINK, 1, off);
            block = at;
        }
        if (!rv_decode(word, &in))
            in.op = OP_illegal;
        if (map)
            map[off / 2] = (u16)(index + (u32)(at - slot) + 1);
        fill(a, at++, &in, word, off);
        if (ends_basic_block(&in)) {
            count_back(block, at);
            block = at;
        }
        if (ends_block(&in))
            return at;
        off += in.len;
    }
}

// Takes back what the map says of slots from `start` on.
static void page_unmap(struct code_page *p, u32 start)
{
    for (u32 i = 0; i < ARRAY_LEN(p->map); i++)
        if (p->map[i] > start)
            p->map[i] = 0;
}

static void publish(struct code_page *p, const u16 *map)
{
    for (u32 i = 0; i < ARRAY_LEN(p->map); i++)
        if (p->map[i] != map[i])
            __atomic_store_n(&p->map[i], map[i], __ATOMIC_RELEASE);
}

// The slot of offset `off`, decoded if it isn't yet. The page may move: *page. NULL: no memory.
static struct slot *page_find(struct code_arena *a, struct store *s, struct code_page **page,
                              u32 off)
{
    struct code_page *p = *page;
    u32 i = p->map[off / 2];
    if (i)
        return &p->slot[i - 1];
    struct slot run[PAGE_SIZE / 2 + 16];
    u16 own[ARRAY_LEN(p->map)], *map = p->map;
    u32 start = p->used;
    if (s->lock) // readers are to see it when it is whole (C8)
        map = memcpy(own, p->map, sizeof own);
    u32 n = (u32)(decode_run(a, frame_data(s, p->frame), off, map, start, run, ~0u) - run);
    p = page_grow(a, s, p, n);
    if (!p) {
        if (map != own)
            page_unmap(*page, start);
        return NULL;
    }
    memcpy(&p->slot[start], run, n * sizeof run[0]);
    p->used += n;
    if (map == own)
        publish(p, own);
    *page = p;
    return &p->slot[start];
}

struct slot *code_link(struct code_arena *a, struct store *s, struct code_page **page,
                       struct slot *from, u32 off, i32 linked)
{
    if (frame_code(s, (*page)->frame) != *page)
        return NULL; // another machine has made it grow
    u32 i = (u32)(from - (*page)->slot);
    struct slot *to = page_find(a, s, page, off);
    if (!to)
        return NULL;
    from = &(*page)->slot[i];
    slot_set_link(from, (u32)linked, (i32)(to - from));
    return to;
}

enum mm_fault code_page_at(struct cpu *cpu, struct code_arena *a, gva_t pc, frame_t *f,
                           struct code_page **page)
{
    enum mm_fault fault = mm_exec_frame(cpu->mm, pc, f);
    if (fault)
        return fault;
    struct frame *meta = &cpu->store->meta[*f];
    bool wanted = !meta->code && *f != FRAME_ZERO && meta->code_drops <= DROPS_MAX &&
                  !(meta->flags & FRAME_WRITE_CACHED) && make_room(a, cpu->store, page_bytes(ROOM_FIRST), NULL);
    free_freed(a);
    if (wanted) {
        frame_set_code(cpu->store, *f, page_new(a, *f));
        if (unlikely(a->native_new != NULL) && meta->code)
            a->native_new(cpu, meta->code, pc & TLB_PAGE_MASK);
    } else if (meta->code) {
        ((struct code_page *)meta->code)->looked_up = true;
    }
    *page = meta->code;
    return FAULT_NONE;
}

enum mm_fault code_find(struct cpu *cpu, struct code_arena *a, gva_t pc, struct slot *scratch,
                        struct code_page **page, struct slot **out)
{
    struct store *s = cpu->store;
    struct code_page *p;
    frame_t f;
    u32 off = (u32)(pc & PAGE_MASK);
    enum mm_fault fault = code_page_at(cpu, a, pc, &f, &p);
    if (fault)
        return fault;
    *out = p ? page_find(a, s, &p, off) : NULL;
    if (!*out) {
        decode_run(a, frame_data(s, f), off, NULL, 0, scratch, CODE_SCRATCH - 8);
        *out = scratch;
    }
    *page = p;
    return FAULT_NONE;
}

// One halfword of code, fetched with all checks.
static enum mm_fault fetch(struct cpu *cpu, gva_t pc, u32 *out)
{
    frame_t f;
    enum mm_fault fault = mm_exec_frame(cpu->mm, pc, &f);
    if (fault)
        return fault;
    *out = halfword(frame_data(cpu->store, f), (u32)(pc & PAGE_MASK));
    return FAULT_NONE;
}

enum mm_fault code_straddle(struct cpu *cpu, struct code_arena *a, gva_t pc, struct slot *scratch,
                            gva_t *fault_at)
{
    u32 low, high;
    struct insn in;
    enum mm_fault fault = fetch(cpu, *fault_at = pc, &low);
    if (fault == FAULT_NONE)
        fault = fetch(cpu, *fault_at = pc + 2, &high);
    if (fault)
        return fault;
    u32 word = low | high << 16;
    u32 off = (u32)(pc & PAGE_MASK);
    if (!rv_decode(word, &in))
        in.op = OP_illegal;
    fill(a, scratch, &in, word, off);
    scratch->n = 1;
    fill_special(a, scratch + 1, CODE_END, 0, off + 4);
    return FAULT_NONE;
}

u32 code_word(struct cpu *cpu, gva_t pc)
{
    u32 low, high = 0;
    if (fetch(cpu, pc, &low))
        return 0;
    if (rv_length(low) == 4 && fetch(cpu, pc + 2, &high))
        return low;
    return low | high << 16;
}
