/*
 * diagnose.c - from bytes that are not as they should be to the words for it.
 *
 * Where the damage lies decides: the zone between two blocks belongs to both, so bytes near the end
 * of one are its overflow, near the start of the next that one's underflow. A verdict that has to
 * choose between two says so (is_certain).
 */
#include "image/image.h"

#include "image/pattern.h"
#include "image/seal.h"
#include "image/spans.h"

#include <string.h>

/* Bytes that should hold a pattern. */
struct range {
    uint64_t start;
    uint64_t bytes;
    bool is_zone;    /* the zone pattern, else `fill` */
    uint32_t fill;
};

/* Seen in parts that are small: each page of stack that the last look is the first to use is a fault in every child. */
enum { MAX_RANGES = 4, LOOKS = 64, PART_BYTES = 512 };

static uint8_t expected_byte(const struct pw_image *image, const struct range *range, uint64_t address)
{
    return range->is_zone ? pw_zone_byte(image->root->zone_pattern, address) : (uint8_t)range->fill;
}

static PW_RACES bool range_holds(const struct pw_image *image, const struct range *range)
{
    char scratch[PART_BYTES];
    uint64_t word = range->is_zone ? pw_zone_word(image->root->zone_pattern, range->start)
                                   : pw_fill_word(range->fill);
    for (uint64_t done = 0; done < range->bytes; done += PART_BYTES) {
        uint64_t part = range->bytes - done < PART_BYTES ? range->bytes - done : PART_BYTES;
        const void *seen = image->view(image->context, range->start + done, part, scratch);
        if (seen != NULL && !pw_pattern_holds(seen, part, word))
            return false;
    }
    return true;
}

/* The first and the last wrong byte of a range; false: there is none. */
static PW_RACES bool measure_damage(const struct pw_image *image, const struct range *range,
                           struct pw_damage *damage)
{
    char scratch[PART_BYTES];
    uint64_t last = 0;
    damage->damaged = 0;
    for (uint64_t done = 0; done < range->bytes; done += PART_BYTES) {
        uint64_t part = range->bytes - done < PART_BYTES ? range->bytes - done : PART_BYTES;
        const uint8_t *seen = image->view(image->context, range->start + done, part, scratch);
        for (uint64_t i = 0; seen != NULL && i < part; i++) {
            uint64_t address = range->start + done + i;
            if (seen[i] == expected_byte(image, range, address))
                continue;
            if (damage->damaged++ == 0)
                damage->start = address;
            last = address;
        }
    }
    damage->length = damage->damaged == 0 ? 0 : last - damage->start + 1;
    return damage->damaged > 0;
}

/* What is written to a freed node of a list is mostly the address of another. */
static void follow_pointer(const struct pw_image *image, struct pw_damage *damage)
{
    struct pw_block_info info;
    uint64_t value, at = damage->start - damage->window;
    if (damage->start % sizeof value != 0 || at + sizeof value > damage->window_bytes)
        return;
    memcpy(&value, damage->found + at, sizeof value);
    if (!pw_inspect_address(image, value, &info) || !info.sealed)
        return;
    pw_inspect_freed_size(image, &info);
    damage->pointee = (struct pw_pointee){true, info.state, info.address, info.size};
}

/* Take the picture: whole rows of 16 bytes around the first damage, within the block and its zone. */
static PW_RACES void picture(const struct pw_image *image, const struct range *range,
                             struct pw_damage *damage)
{
    uint64_t start = PW_ALIGN_DOWN(damage->start, (uint64_t)16);
    if (start % PW_PAGE_BYTES != 0) /* the row before, but not of another page, which may be a guard */
        start -= 16;
    uint64_t limit = PW_ALIGN_UP(range->start + range->bytes, (uint64_t)16);
    uint64_t bytes = limit - start < PW_DAMAGE_WINDOW ? limit - start : PW_DAMAGE_WINDOW;
    uint8_t scratch[PW_DAMAGE_WINDOW];
    const uint8_t *seen = image->view(image->context, start, bytes, scratch);
    if (seen == NULL)
        return;
    damage->window = start;
    damage->window_bytes = (uint32_t)bytes;
    for (uint64_t i = 0; i < bytes; i++) {
        uint64_t address = start + i;
        bool is_known = address >= range->start && address < range->start + range->bytes;
        damage->found[i] = seen[i];
        damage->is_known[i] = is_known;
        damage->expected[i] = is_known ? expected_byte(image, range, address) : 0;
    }
    follow_pointer(image, damage);
}

/* Which bytes of a block should hold which pattern, in its state and at its level. */
static unsigned plan_ranges(const struct pw_image *image, const struct pw_block_info *info,
                            struct range ranges[MAX_RANGES])
{
    const struct pw_root *root = image->root;
    bool is_mapped = (info->flags & PW_HEAP_MAPPED) != 0;
    uint64_t end = info->address + info->block_size - (is_mapped ? PW_PAGE_BYTES : 0);
    uint64_t body_end = end - (is_mapped ? 0 : PW_TAIL_BYTES);
    unsigned count = 0;
    if (root->level == PW_LEVEL_OFF || info->state == PW_STATE_PENDING ||
        (info->state == PW_STATE_RETIRED && is_mapped))
        return 0;
    if (info->state == PW_STATE_RETIRED) { /* nobody's, but what lies before the next block is its zone */
        ranges[count++] = (struct range){body_end, PW_TAIL_BYTES, true, 0};
        return count;
    }
    if (info->kind == PW_REGION_GUARD && info->size == 0)
        return 0; /* has no page to look at */
    if (info->state == PW_STATE_LIVE) {
        uint64_t zone = info->address + info->size;
        uint64_t bytes = end - zone;
        if (root->level == PW_LEVEL_FAST && bytes > PW_TAIL_BYTES)
            bytes = PW_TAIL_BYTES;
        ranges[count++] = (struct range){zone, bytes, true, 0};
        if (!is_mapped && root->level == PW_LEVEL_FAST && end - zone > PW_TAIL_BYTES)
            ranges[count++] = (struct range){body_end, PW_TAIL_BYTES, true, 0};
        uint64_t page = PW_ALIGN_DOWN(info->address, PW_PAGE_BYTES);
        if ((info->flags & PW_HEAP_RIGHT) != 0 && is_mapped && page < info->address)
            ranges[count++] = (struct range){page, info->address - page, true, 0};
        return count;
    }
    bool is_zeroed = (info->flags & PW_HEAP_ZEROED) != 0;
    uint64_t bytes = body_end - info->address;
    /* A FREE block may be cut from one that was filled in part: known is only what was filled whole. Slabs aren't cut. */
    bool is_whole =
        info->kind == PW_REGION_SLABS ||
        (root->level >= PW_LEVEL_FULL && root->free_fill_max >= PW_HEAP_LARGE_ALLOC_THRESHOLD);
    bool is_filled = is_mapped ? (info->flags & PW_HEAP_POISONED) != 0 && !is_zeroed
                               : is_zeroed || info->state != PW_STATE_FREE || is_whole;
    uint64_t cap = is_zeroed                      ? (uint64_t)PW_ZEROED_CHECK_BYTES
                   : root->level == PW_LEVEL_FAST ? PW_LINE_BYTES
                                                  : root->free_fill_max;
    if (is_filled)
        ranges[count++] = (struct range){info->address, bytes < cap ? bytes : cap, false,
                                         is_zeroed ? 0 : root->free_fill};
    if (!is_mapped)
        ranges[count++] = (struct range){body_end, PW_TAIL_BYTES, true, 0};
    return count;
}

/* Of a FREE block whose span has pages that are hidden, what is in the others: a block has at most three, and its tail. */
static unsigned leave_hidden_out(const struct pw_image *image, const struct pw_block_info *info, unsigned count,
                                 struct range ranges[MAX_RANGES])
{
    struct range all[MAX_RANGES];
    struct pw_region region;
    struct pw_span span;
    unsigned left = 0;
    if (!pw_image_region(image, info->region, &region) || !pw_image_span(image, &region, pw_span_of(info->granule), &span))
        return 0; /* which these are is not known */
    memcpy(all, ranges, sizeof all);
    for (unsigned i = 0; i < count; i++)
        for (uint64_t at = all[i].start, end = at + all[i].bytes, next; at < end; at = next) {
            next = PW_ALIGN_DOWN(at, PW_PAGE_BYTES) + PW_PAGE_BYTES;
            next = next < end ? next : end;
            if ((span.hidden & pw_span_pages(at, next)) == 0 && left < MAX_RANGES)
                ranges[left++] = (struct range){at, next - at, all[i].is_zone, all[i].fill};
        }
    return left;
}

static void blame_underflow(struct pw_fault *fault, const struct pw_block_info *next)
{
    fault->kind = PW_KIND_UNDERFLOW;
    fault->block = *next;
    fault->relation = PW_RELATION_BEFORE;
    fault->offset = next->address - fault->damage.start;
}

/* Damage in a block that nobody had: of the LIVE block before it, if that ends within a page of it, or of who knows. */
static void blame_in_fresh(struct pw_fault *fault, const struct pw_block_info *before)
{
    uint64_t end = before->address + before->size;
    fault->is_certain = false;
    if (!before->known || !before->sealed || before->state != PW_STATE_LIVE ||
        fault->damage.start - end > PW_PAGE_BYTES)
        return;
    fault->kind = PW_KIND_OVERFLOW;
    fault->block = *before;
    fault->relation = PW_RELATION_AFTER;
    fault->offset = fault->damage.start - end;
}

/* Decide whose fault damaged bytes of `range`, which belongs to `damaged`, are. */
static void blame(const struct pw_image *image, const struct pw_block_info *damaged,
                  const struct range *range, struct pw_fault *fault)
{
    struct pw_block_info whole, before, next;
    const struct pw_block_info *info = &whole;
    pw_inspect_block(image, damaged->region, damaged->granule, &whole);
    pw_inspect_freed_size(image, &whole);
    pw_inspect_neighbours(image, info, &before, &next);
    /* At fast the range is but a part of what is between the two. */
    bool is_between = range->is_zone && info->state == PW_STATE_LIVE && range->start >= info->address;
    uint64_t zone = is_between ? info->address + info->size : range->start;
    uint64_t zone_end = is_between && (info->flags & PW_HEAP_MAPPED) == 0 ? info->address + info->block_size
                                                                          : range->start + range->bytes;
    uint64_t from_start = fault->damage.start - zone;
    uint64_t to_end = zone_end - (fault->damage.start + fault->damage.length);
    bool reaches_next = zone_end == info->address + info->block_size;
    bool next_is_live = next.known && next.sealed && next.state == PW_STATE_LIVE && reaches_next;
    fault->address = fault->damage.start;
    fault->block = *info;
    fault->is_certain = true;
    if (range->start < info->address) {
        blame_underflow(fault, info);
    } else if (range->is_zone && info->state == PW_STATE_LIVE) {
        if (next_is_live && to_end < from_start) {
            blame_underflow(fault, &next);
        } else {
            fault->kind = PW_KIND_OVERFLOW;
            fault->relation = PW_RELATION_AFTER;
            fault->offset = fault->damage.start - (info->address + info->size);
        }
        fault->is_certain = from_start == 0 || to_end == 0 || !next_is_live;
    } else if (range->is_zone && next_is_live) {
        fault->is_certain = info->state != PW_STATE_RETIRED; /* who wrote there before may have gone on */
        blame_underflow(fault, &next);
    } else {
        fault->kind = PW_KIND_USE_AFTER_FREE;
        fault->relation = PW_RELATION_INSIDE;
        fault->offset = fault->damage.start - info->address;
        if (pw_block_is_fresh(info))
            blame_in_fresh(fault, &before);
    }
    pw_inspect_neighbours(image, &fault->block, &fault->before, &fault->after);
}

/* Look at a range until it holds, the block is another's, or looking again makes no sense. */
static bool settles(const struct pw_image *image, const struct range *range, uint32_t index,
                    uint32_t granule, uint64_t word)
{
    struct pw_region region;
    struct pw_header_copy header;
    for (unsigned attempt = 0; image->look_again != NULL && attempt < LOOKS; attempt++) {
        if (!image->look_again(image->context, attempt))
            break;
        if (!pw_image_region(image, index, &region) ||
            !pw_image_header(image, &region, granule, &header) || header.word != word)
            return true;
        if (range_holds(image, range))
            return true;
    }
    return false;
}

static bool check_patterns(const struct pw_image *image, const struct pw_block_info *info,
                           uint64_t word, bool is_first, struct pw_fault *fault)
{
    struct range ranges[MAX_RANGES];
    unsigned count = plan_ranges(image, info, ranges);
    if (pw_unlikely(info->is_hidden))
        count = leave_hidden_out(image, info, count, ranges);
    for (unsigned i = 0; i < count; i++) {
        if (range_holds(image, &ranges[i]) ||
            settles(image, &ranges[i], info->region, info->granule, word) ||
            !measure_damage(image, &ranges[i], &fault->damage))
            continue;
        picture(image, &ranges[i], &fault->damage);
        blame(image, info, &ranges[i], fault);
        return false;
    }
    struct range front = {info->address - PW_TAIL_BYTES, PW_TAIL_BYTES, true, 0};
    if (is_first && count > 0 && (info->flags & PW_HEAP_MAPPED) == 0 &&
        measure_damage(image, &front, &fault->damage)) {
        picture(image, &front, &fault->damage);
        fault->address = fault->damage.start;
        fault->is_certain = true;
        struct pw_block_info whole;
        pw_inspect_block(image, info->region, info->granule, &whole);
        blame_underflow(fault, &whole);
        pw_inspect_neighbours(image, &whole, &fault->before, &fault->after);
        return false;
    }
    return true;
}

/*
 * True when the block before ends where this one starts. Whose own header is damaged is reported for
 * that; and only this block's `prev` is ever blamed for the link between the two.
 */
static bool names_block_before(const struct pw_image *image, const struct pw_region *region,
                               uint32_t granule, uint32_t prev)
{
    struct pw_header_copy other;
    if (prev == 0 || prev > granule - region->first)
        return false;
    if (!pw_image_header(image, region, granule - prev, &other))
        return true;
    return other.is_sealed ? other.size == prev
                           : pw_image_find_start(image, region, granule - 1) == granule - prev;
}

/* The rule that the header of a block breaks, or NULL. */
static const char *broken_rule(const struct pw_image *image, const struct pw_region *region,
                               uint32_t granule, const struct pw_header_copy *header)
{
    if (!header->is_sealed)
        return "the header's magic and seal do not fit what it says";
    if (!pw_state_is_known(header->state))
        return "the header's state is none that a block can have";
    if (region->kind == PW_REGION_SLABS) {
        bool is_free = pw_spans_free_bit(image, region, granule);
        if (is_free != (header->state == PW_STATE_FREE))
            return is_free ? "the bitmap of free blocks says that it is free"
                           : "it is free, and the bitmap of free blocks does not know it";
        return NULL;
    }
    if (granule == region->first && header->prev != 0)
        return "the first block of a region names a block before it";
    if (granule != region->first && !names_block_before(image, region, granule, header->prev))
        return "the block before it does not end where this one starts";
    return pw_image_broken_start_rule(image, region, granule, header->size);
}

/* Its thread may be writing the requested size of a mapped block: true when it fits, or the block changed. */
static bool extension_settles(const struct pw_image *image, const struct pw_region *region,
                              uint32_t index, uint32_t granule, uint64_t word)
{
    struct pw_header_copy header;
    struct pw_block_info info;
    for (unsigned attempt = 0; image->look_again != NULL && attempt < LOOKS; attempt++) {
        if (!image->look_again(image->context, attempt))
            break;
        if (!pw_image_header(image, region, granule, &header) || header.word != word)
            return true;
        pw_inspect_header(image, region, index, granule, &header, &info);
        if (info.sealed)
            return true;
    }
    return false;
}

/* What lies before the block is no other block's zone. */
static bool is_first(const struct pw_region *region, uint32_t granule)
{
    if (region->kind == PW_REGION_SLABS)
        return granule == pw_span_first(pw_span_of(granule));
    return granule == region->first;
}

bool pw_diagnose_header(const struct pw_image *image, const struct pw_region *region,
                        uint32_t index, uint32_t granule, const struct pw_header_copy *header,
                        struct pw_fault *fault)
{
    struct pw_block_info info;
    const char *rule = broken_rule(image, region, granule, header);
    pw_inspect_header(image, region, index, granule, header, &info);
    if (rule == NULL && !info.sealed && header->is_sealed) {
        if (extension_settles(image, region, index, granule, header->word))
            return true;
        rule = "the requested size of a mapped block and its check do not fit";
    }
    if (rule == NULL)
        return check_patterns(image, &info, header->word, is_first(region, granule), fault);
    pw_inspect_block(image, index, granule, &info);
    fault->kind = PW_KIND_HEADER;
    fault->broken_rule = rule;
    fault->is_certain = true;
    fault->block = info;
    fault->address = info.address;
    fault->relation = PW_RELATION_INSIDE;
    pw_inspect_neighbours(image, &info, &fault->before, &fault->after);
    return false;
}

bool pw_diagnose_block(const struct pw_image *image, uint32_t index, uint32_t granule,
                       struct pw_fault *fault)
{
    struct pw_region region;
    struct pw_header_copy header;
    if (!pw_image_region(image, index, &region) || granule < region.first ||
        granule >= region.limit || !pw_image_header(image, &region, granule, &header))
        return true;
    return pw_diagnose_header(image, &region, index, granule, &header, fault);
}

void pw_diagnose_zone(const struct pw_image *image, struct pw_fault *fault)
{
    struct range ranges[MAX_RANGES];
    const struct pw_block_info *block = &fault->block;
    if (!block->known || !block->sealed || block->state != PW_STATE_LIVE ||
        (fault->kind != PW_KIND_OVERFLOW && fault->kind != PW_KIND_UNDERFLOW))
        return;
    unsigned count = plan_ranges(image, block, ranges);
    for (unsigned i = 0; i < count; i++)
        if ((ranges[i].start < block->address) == (fault->kind == PW_KIND_UNDERFLOW) &&
            measure_damage(image, &ranges[i], &fault->damage)) {
            picture(image, &ranges[i], &fault->damage);
            return;
        }
}
