/* reach.c - see reach.h */
#include "image/reach.h"

enum {
    PAGES_A_SLOT = 1 << (PW_SLOT_SHIFT - PW_PAGE_SHIFT),
    MOST_BLOCKS_A_PAGE = 512, /* at least one more than a page can hold and one that reaches into it */
    WORD = sizeof(uint64_t),
};

/* ---- the table ---- */

static bool grow(struct pw_reach *reach)
{
    uint32_t chunk = reach->count >> PW_REACH_CHUNK_SHIFT;
    if (chunk >= PW_REACH_MAX_CHUNKS)
        return false;
    if (reach->chunks[chunk] == NULL)
        reach->chunks[chunk] = reach->map(PW_REACH_CHUNK_BLOCKS * sizeof(struct pw_reach_block));
    return reach->chunks[chunk] != NULL;
}

/* Note in the index that `block` reaches into the page of `address`. */
static bool note_page(struct pw_reach *reach, uint64_t address, uint32_t block)
{
    uintptr_t *slot = &reach->slots[address >> PW_SLOT_SHIFT];
    if (*slot == 0)
        *slot = (uintptr_t)reach->map(PAGES_A_SLOT * sizeof(uint32_t));
    if (*slot == 0)
        return false;
    uint32_t *entry = (uint32_t *)*slot + (address >> PW_PAGE_SHIFT) % PAGES_A_SLOT;
    if (*entry == 0)
        *entry = block + 1;
    return true;
}

/* The same for all of its pages. */
static bool note_pages(struct pw_reach *reach, uint64_t start, uint64_t end, uint32_t block)
{
    uint64_t at = PW_ALIGN_DOWN(start, PW_PAGE_BYTES);
    while (at < end && at >> PW_ADDRESS_BITS == 0) {
        uintptr_t *slot = &reach->slots[at >> PW_SLOT_SHIFT];
        if (*slot == 0 && at % PW_SLOT_BYTES == 0 && end - at >= PW_SLOT_BYTES) {
            *slot = ((uintptr_t)block + 1) << 1 | 1;
            at += PW_SLOT_BYTES;
            continue;
        }
        if (!note_page(reach, at, block))
            return false;
        at += PW_PAGE_BYTES;
    }
    return true;
}

/* A block of no bytes is found by its address. */
static uint64_t reach_of(const struct pw_reach_block *block)
{
    return block->size > 0 ? block->size : 1;
}

/*
 * What is not LIVE for sure but may be in use is searched, and never lost: RETIRED and PENDING blocks,
 * those whose header is damaged, and those of a heap instance, which go with it.
 */
static bool is_searched(const struct pw_block_info *info)
{
    return !info->sealed || info->state == PW_STATE_LIVE || info->state == PW_STATE_RETIRED ||
           info->state == PW_STATE_PENDING;
}

static bool can_be_lost(const struct pw_block_info *info)
{
    return info->sealed && info->state == PW_STATE_LIVE && info->family != PW_FAMILY_INSTANCE;
}

/* Nobody's, and not asked for; not the program's; or of a damaged image, not in order. */
static bool is_left_out(const struct pw_reach *reach, const struct pw_block_info *info)
{
    static const uint64_t end = (uint64_t)1 << PW_ADDRESS_BITS;
    bool is_asked_for = reach->dead != 0 && info->address == reach->dead;
    return (!is_searched(info) && !is_asked_for) || info->address < reach->high || info->address >= end ||
           info->size > info->block_size || info->size > end - info->address;
}

static void reached(struct pw_reach *reach, uint32_t index, uint64_t place);

bool pw_reach_add(struct pw_reach *reach, const struct pw_block_info *info)
{
    if (is_left_out(reach, info))
        return true;
    if (!grow(reach))
        return false;
    struct pw_reach_block *block = pw_reach_block(reach, reach->count);
    *block = (struct pw_reach_block){.address = info->address & (((uint64_t)1 << PW_REACH_ADDRESS_BITS) - 1),
                                     .size = info->size,
                                     .stack = can_be_lost(info) && info->has_evidence ? info->alloc_stack : 0};
    block->is_owned = can_be_lost(info);
    block->is_dead = !is_searched(info);
    uint64_t end = info->address + reach_of(block);
    if (!note_pages(reach, info->address, end, reach->count))
        return false;
    if (reach->count == 0)
        reach->low = info->address;
    reach->high = end;
    reach->count++;
    if (!block->is_owned && !block->is_dead)
        reached(reach, reach->count - 1, 0);
    return true;
}

static bool add_visited(void *context, const struct pw_block_info *info)
{
    struct pw_reach *reach = context;
    reach->is_full = !pw_reach_add(reach, info);
    return !reach->is_full;
}

bool pw_reach_begin(struct pw_reach *reach)
{
    reach->count = reach->first = reach->last = 0;
    reach->low = reach->high = 0;
    reach->chunks = reach->map(PW_REACH_MAX_CHUNKS * sizeof *reach->chunks);
    reach->slots = reach->map(PW_SLOT_COUNT * sizeof *reach->slots);
    reach->scratch = reach->map(PW_VIEW_MAX);
    reach->is_full = reach->chunks == NULL || reach->slots == NULL || reach->scratch == NULL;
    return !reach->is_full;
}

bool pw_reach_start(struct pw_reach *reach)
{
    if (!pw_reach_begin(reach))
        return false;
    (void)pw_image_walk(reach->image, add_visited, reach);
    return !reach->is_full;
}

/* ---- from a word to a block ---- */

/* The first block that reaches into the page of `word`, + 1; 0: none. */
static uint32_t first_in_page(const struct pw_reach *reach, uint64_t word)
{
    uintptr_t slot = reach->slots[word >> PW_SLOT_SHIFT];
    if (slot & 1)
        return (uint32_t)(slot >> 1);
    return slot == 0 ? 0 : ((const uint32_t *)slot)[(word >> PW_PAGE_SHIFT) % PAGES_A_SLOT];
}

uint32_t pw_reach_find(const struct pw_reach *reach, uint64_t word)
{
    if (word - reach->low >= reach->high - reach->low)
        return PW_REACH_NO_BLOCK;
    uint32_t entry = first_in_page(reach, word);
    if (entry == 0)
        return PW_REACH_NO_BLOCK;
    /* The last block from that one on that starts at or before the word. */
    uint32_t from = entry - 1, to = from + MOST_BLOCKS_A_PAGE;
    if (to > reach->count)
        to = reach->count;
    while (to - from > 1) {
        uint32_t middle = from + (to - from) / 2;
        if (pw_reach_block(reach, middle)->address <= word)
            from = middle;
        else
            to = middle;
    }
    const struct pw_reach_block *block = pw_reach_block(reach, from);
    uint64_t offset = word - block->address;
    if (word < block->address || offset >= reach_of(block) || (reach->starts_only && offset != 0))
        return PW_REACH_NO_BLOCK;
    return from;
}

/* ---- the search ---- */

/* Put a block at the end of the list of those to be searched. */
static void line_up(struct pw_reach *reach, uint32_t index)
{
    if (pw_reach_block(reach, index)->is_dead)
        return;
    pw_reach_block(reach, index)->next = 0;
    if (reach->last != 0)
        pw_reach_block(reach, reach->last - 1)->next = index + 1;
    else
        reach->first = index + 1;
    reach->last = index + 1;
}

static uint32_t take_first(struct pw_reach *reach)
{
    uint32_t index = reach->first - 1;
    reach->first = pw_reach_block(reach, index)->next;
    if (reach->first == 0)
        reach->last = 0;
    return index;
}

static void reached(struct pw_reach *reach, uint32_t index, uint64_t place)
{
    struct pw_reach_block *block = pw_reach_block(reach, index);
    if (block->mark == PW_REACH_REACHED)
        return;
    block->mark = PW_REACH_REACHED;
    block->place = place;
    line_up(reach, index);
}

/* What to do with a pointer to `index` that was found in the block `from` (or in no block). */
typedef void meet(struct pw_reach *reach, uint32_t from, uint32_t index, uint64_t place);

static void meet_reached(struct pw_reach *reach, uint32_t from, uint32_t index, uint64_t place)
{
    (void)from;
    if (reach->found != NULL)
        reach->found(reach->context, place, index);
    reached(reach, index, place);
}

static void search_words(struct pw_reach *reach, uint32_t from, const char *bytes, uint64_t start,
                         uint64_t length, meet *meets)
{
    for (uint64_t at = 0; at + WORD <= length; at += WORD) {
        uint64_t word;
        __builtin_memcpy(&word, bytes + at, sizeof word);
        uint32_t index = pw_reach_find(reach, word);
        if (index != PW_REACH_NO_BLOCK)
            meets(reach, from, index, start + at);
    }
}

/* After a page that can't be read: where to go on. */
static uint64_t skip_hole(const struct pw_reach *reach, uint64_t at, uint64_t end)
{
    uint64_t next = reach->next_memory != NULL ? reach->next_memory(reach->image->context, at, end) : at;
    return PW_ALIGN_UP(next > at ? next : at, (uint64_t)WORD);
}

/* Page by page, so that one that can't be read hides no other. */
static void search(struct pw_reach *reach, uint32_t from, uint64_t start, uint64_t end, meet *meets)
{
    uint64_t at = PW_ALIGN_UP(start, (uint64_t)WORD);
    while (at < end) {
        uint64_t stop = PW_ALIGN_DOWN(at, PW_PAGE_BYTES) + PW_PAGE_BYTES;
        stop = stop < end ? stop : end;
        const char *bytes = reach->image->view(reach->image->context, at, stop - at, reach->scratch);
        if (bytes != NULL)
            search_words(reach, from, bytes, at, stop - at, meets);
        at = bytes != NULL ? stop : skip_hole(reach, stop, end);
    }
}

static void search_block(struct pw_reach *reach, uint32_t index, meet *meets)
{
    const struct pw_reach_block *block = pw_reach_block(reach, index);
    search(reach, index, block->address, block->address + block->size, meets);
}

static void spread(struct pw_reach *reach, meet *meets)
{
    while (reach->first != 0)
        search_block(reach, take_first(reach), meets);
}

void pw_reach_range(struct pw_reach *reach, uint64_t start, uint64_t end)
{
    search(reach, PW_REACH_NO_BLOCK, start, end, meet_reached);
}

void pw_reach_value(struct pw_reach *reach, uint64_t word, uint64_t place)
{
    uint32_t index = pw_reach_find(reach, word);
    if (index != PW_REACH_NO_BLOCK)
        meet_reached(reach, PW_REACH_NO_BLOCK, index, place);
}

void pw_reach_thread(struct pw_reach *reach, uint64_t thread_pointer)
{
    enum { WORDS = 2, ENTRY_BYTES = 16 };
    for (uint64_t i = 0; thread_pointer % WORD == 0 && thread_pointer != 0 && i < WORDS; i++) {
        uint64_t place = thread_pointer + i * WORD;
        const char *bytes = reach->image->view(reach->image->context, place, WORD, reach->scratch);
        uint64_t word = 0;
        if (bytes != NULL)
            __builtin_memcpy(&word, bytes, sizeof word);
        pw_reach_value(reach, word - ENTRY_BYTES, place);
    }
}

bool pw_is_ignored_still(const struct pw_image *image, const struct pw_ignored *entry)
{
    struct pw_block_info info;
    return pw_inspect_address(image, entry->address, &info) && info.state == PW_STATE_LIVE &&
           info.address == entry->address &&
           (!info.has_evidence || (info.number == entry->number && info.alloc_thread == entry->thread));
}

void pw_reach_kept(struct pw_reach *reach)
{
    const struct pw_image *image = reach->image;
    const struct pw_root *root = image->root;
    pw_reach_value(reach, root->callback_context, 0);
    for (uint64_t i = 0; root->ignored != 0 && i < root->ignored_count && i < PW_MAX_IGNORED; i++) {
        struct pw_ignored scratch;
        const struct pw_ignored *entry =
            image->view(image->context, root->ignored + i * sizeof scratch, sizeof scratch, &scratch);
        if (entry != NULL && pw_is_ignored_still(image, entry))
            pw_reach_value(reach, entry->address, 0);
    }
}

void pw_reach_spread(struct pw_reach *reach)
{
    spread(reach, meet_reached);
}

/* ---- what is lost: direct or indirect ---- */

/*
 * A lost block that no other lost one points at is direct, and all that these lead to is indirect.
 * What is left lies on rings, or behind them. Of those, in address order, each that was not met yet
 * becomes a candidate and spreads: a later candidate may lead to an earlier one, never the other way
 * round. So the same again from the last candidate to the first, all else forgotten: who is not met
 * then is met by none of the others, and speaks for its ring.
 */
static void meet_pointed(struct pw_reach *reach, uint32_t from, uint32_t index, uint64_t place)
{
    if (reach->found != NULL)
        reach->found(reach->context, place, index);
    if (from != index)
        pw_reach_block(reach, index)->is_pointed = 1;
}

static void meet_lost(struct pw_reach *reach, uint32_t from, uint32_t index, uint64_t place)
{
    struct pw_reach_block *block = pw_reach_block(reach, index);
    (void)from;
    if (block->mark != PW_REACH_LOST)
        return;
    block->mark = PW_REACH_INDIRECT;
    block->place = place;
    line_up(reach, index);
}

static void lead_from(struct pw_reach *reach, uint32_t index)
{
    pw_reach_block(reach, index)->mark = PW_REACH_DIRECT;
    pw_reach_block(reach, index)->place = 0;
    line_up(reach, index);
    spread(reach, meet_lost);
}

static bool is_lost(const struct pw_reach *reach, uint32_t index)
{
    return pw_reach_block(reach, index)->mark == PW_REACH_LOST && !pw_reach_block(reach, index)->is_dead;
}

static void lead_from_those_without_pointers(struct pw_reach *reach)
{
    for (uint32_t i = 0; i < reach->count; i++)
        if (is_lost(reach, i))
            search_block(reach, i, meet_pointed);
    for (uint32_t i = 0; i < reach->count; i++)
        if (is_lost(reach, i) && !pw_reach_block(reach, i)->is_pointed)
            lead_from(reach, i);
}

/* `is_pointed` says of the rest what it said of all of it: it is used for "belongs to the rest". */
static void lead_from_rings(struct pw_reach *reach)
{
    uint32_t none = reach->count, last = none;
    for (uint32_t i = 0; i < reach->count; i++)
        pw_reach_block(reach, i)->is_pointed = is_lost(reach, i);
    for (uint32_t i = 0; i < reach->count; i++)
        if (is_lost(reach, i)) {
            lead_from(reach, i);
            last = i;
        }
    if (last == none)
        return;
    /* `place` keeps, of each of the rest, whether it was a candidate: marks are needed anew. */
    for (uint32_t i = 0; i < reach->count; i++) {
        struct pw_reach_block *block = pw_reach_block(reach, i);
        if (!block->is_pointed)
            continue;
        block->place = block->mark == PW_REACH_DIRECT;
        block->mark = PW_REACH_LOST;
    }
    for (uint32_t i = last + 1; i-- > 0;) {
        struct pw_reach_block *block = pw_reach_block(reach, i);
        if (block->is_pointed && block->mark == PW_REACH_LOST && block->place == 1)
            lead_from(reach, i);
    }
}

void pw_reach_finish(struct pw_reach *reach)
{
    pw_reach_spread(reach);
    lead_from_those_without_pointers(reach);
    lead_from_rings(reach);
}
