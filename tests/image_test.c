/*
 * image_test.c - looking at a heap (image/image.h): the frozen structures, and that the validator finds every planted
 * corruption of headers and bins, that one only, and calls it by its name.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "image_scene.h"

/* ---- the frozen image ---- */

extern struct pw_root pwheap_image_root;

struct frozen {
    const char *what;
    uint64_t is, was;
};
#define SIZE(type, bytes) {"sizeof " #type, sizeof(struct type), bytes}
#define PLACE(type, member, offset) {#type "." #member, offsetof(struct type, member), offset}
#define VALUE(name, value) {#name, (uint64_t)(name), value}

static const struct frozen image_of_version_6[] = {
    VALUE(PW_IMAGE_VERSION, 6),
    SIZE(pw_header, 16), PLACE(pw_header, word, 0), PLACE(pw_header, size, 8), PLACE(pw_header, prev, 12),
    SIZE(pw_extension, 16), PLACE(pw_extension, requested, 0), PLACE(pw_extension, check, 8),
    SIZE(pw_evidence, 16), PLACE(pw_evidence, alloc_stack, 0), PLACE(pw_evidence, free_stack, 4),
    PLACE(pw_evidence, alloc_thread, 8), PLACE(pw_evidence, free_thread, 10), PLACE(pw_evidence, number, 12),
    SIZE(pw_free_links, 16), PLACE(pw_free_links, next, 8), PLACE(pw_free_links, previous, 12),
    SIZE(pw_page_links, 16), PLACE(pw_page_links, next, 0), PLACE(pw_page_links, previous, 8),
    SIZE(pw_region, 96), PLACE(pw_region, base, 0), PLACE(pw_region, headers, 8),
    PLACE(pw_region, evidence, 16), PLACE(pw_region, starts, 24), PLACE(pw_region, summary, 32),
    PLACE(pw_region, mapping, 40), PLACE(pw_region, mapping_bytes, 48), PLACE(pw_region, granules, 56),
    PLACE(pw_region, first, 60), PLACE(pw_region, limit, 64), PLACE(pw_region, shift, 68),
    PLACE(pw_region, heap, 72), PLACE(pw_region, kind, 76), PLACE(pw_region, spans, 80),
    PLACE(pw_region, free_bits, 88),
    SIZE(pw_span, 32), PLACE(pw_span, shape, 0), PLACE(pw_span, check, 8), PLACE(pw_span, fresh, 12),
    PLACE(pw_span, free, 14), PLACE(pw_span, slab_class, 16), PLACE(pw_span, flags, 18),
    PLACE(pw_span, next, 20), PLACE(pw_span, previous, 24), PLACE(pw_span, places, 28), PLACE(pw_span, hidden, 30),
    SIZE(pw_places, 3136), PLACE(pw_places, of_span, 0), PLACE(pw_places, taken, 1088), VALUE(PW_PLACES_SHIFT, 6),
    VALUE(PW_PLACES_LOTS, 16384),
    SIZE(pw_heap_image, 3688), PLACE(pw_heap_image, bin_bitmap, 0), PLACE(pw_heap_image, bins, 32),
    PLACE(pw_heap_image, page_bitmap, 1056), PLACE(pw_heap_image, page_bins, 1088),
    PLACE(pw_heap_image, spans, 3136), PLACE(pw_heap_image, empty_spans, 3648),
    PLACE(pw_heap_image, slab_region, 3652), PLACE(pw_heap_image, flags, 3656),
    PLACE(pw_heap_image, reserved, 3664),
    SIZE(pw_thread_image, 56), PLACE(pw_thread_image, tid, 0), PLACE(pw_thread_image, alive, 4),
    PLACE(pw_thread_image, name, 8), PLACE(pw_thread_image, allocations, 24),
    PLACE(pw_thread_image, frees, 32),
    SIZE(pw_module, 312), PLACE(pw_module, start, 0), PLACE(pw_module, end, 8), PLACE(pw_module, bias, 16),
    PLACE(pw_module, build_id_len, 24), PLACE(pw_module, unloaded, 28), PLACE(pw_module, build_id, 32),
    PLACE(pw_module, path, 56),
    SIZE(pw_stack, 16), PLACE(pw_stack, hash, 0), PLACE(pw_stack, count, 8), PLACE(pw_stack, own, 9), PLACE(pw_stack, skip, 10),
    PLACE(pw_stack, is_known, 11), PLACE(pw_stack, site, 12), PLACE(pw_stack, frames, 16),
    SIZE(pw_depot_image, 32776), PLACE(pw_depot_image, chunks, 0), PLACE(pw_depot_image, used, 32768),
    SIZE(pw_root, 200), PLACE(pw_root, magic, 0), PLACE(pw_root, version, 8), PLACE(pw_root, bytes, 12),
    PLACE(pw_root, level, 16), PLACE(pw_root, pid, 20), PLACE(pw_root, seal_key, 24),
    PLACE(pw_root, zone_pattern, 32), PLACE(pw_root, zone_min_bytes, 40), PLACE(pw_root, zone_shift, 44),
    PLACE(pw_root, zone_max_bytes, 48), PLACE(pw_root, free_fill, 52), PLACE(pw_root, free_fill_max, 56),
    PLACE(pw_root, regions, 64), PLACE(pw_root, heaps, 72), PLACE(pw_root, threads, 80),
    PLACE(pw_root, modules, 88), PLACE(pw_root, depot, 96), PLACE(pw_root, page_map, 104),
    PLACE(pw_root, region_count, 112), PLACE(pw_root, heap_count, 116), PLACE(pw_root, heap_stride, 120),
    PLACE(pw_root, thread_count, 124), PLACE(pw_root, module_count, 128), PLACE(pw_root, ready, 132),
    VALUE(PW_STATE_FREE, 0x02), VALUE(PW_STATE_CACHED, 0x04), VALUE(PW_STATE_PENDING, 0x09),
    VALUE(PW_STATE_LIVE, 0x11), VALUE(PW_STATE_QUARANTINED, 0x20), VALUE(PW_STATE_RETIRED, 0x40),
    VALUE(PW_HEAP_MAPPED, 0x01), VALUE(PW_HEAP_GUARDED, 0x02), VALUE(PW_HEAP_MOAT, 0x10), VALUE(PW_HEAP_ZEROED, 0x04),
    VALUE(PW_HEAP_ALIGNED, 0x08), VALUE(PW_HEAP_FAMILY_MASK, 0x30), VALUE(PW_HEAP_RIGHT, 0x40),
    VALUE(PW_HEAP_POISONED, 0x80), VALUE(PW_HEAP_HEADER_MAGIC, 0xDEADBEEF),
    VALUE(PW_FAMILY_MALLOC, 0), VALUE(PW_FAMILY_NEW, 1), VALUE(PW_FAMILY_NEW_ARRAY, 2),
    VALUE(PW_FAMILY_INSTANCE, 3),
    VALUE(PW_REGION_SMALL, 1), VALUE(PW_REGION_PAGES, 2), VALUE(PW_REGION_GUARD, 3), VALUE(PW_REGION_SLABS, 4), VALUE(PW_SLOT_SHIFT, 25),
    VALUE(PW_SLAB_SHIFT, 4), VALUE(PW_SPAN_SHIFT, 16), VALUE(PW_SPAN_BLOCKS_SHIFT, 11),
    VALUE(PW_SPAN_FRONT_BYTES, 64), VALUE(PW_SPAN_REF_BITS, 9), VALUE(PW_SPAN_DIRTY, 1), VALUE(PW_SPAN_FILLED, 2),
    VALUE(PW_GRANULE_SHIFT, 8), VALUE(PW_REF_GRANULE_BITS, 17), VALUE(PW_TAIL_BYTES, 16), VALUE(PW_MAX_REGIONS, 8192),
    VALUE(PW_MAX_FRAMES, 64), VALUE(PW_DEPOT_CHUNK_SHIFT, 22),
};

static void the_image_of_version_6_has_its_bytes_where_readers_look_for_them(void **state)
{
    (void)state;
    for (size_t i = 0; i < PW_ARRAY_SIZE(image_of_version_6); i++)
        CHECK(image_of_version_6[i].is == image_of_version_6[i].was, "%s is %llu, not %llu",
              image_of_version_6[i].what, (unsigned long long)image_of_version_6[i].is,
              (unsigned long long)image_of_version_6[i].was);
    assert_memory_equal(pw_root.magic, "PWHEAP\n", 8);
    assert_ptr_equal(&pwheap_image_root, &pw_root);
    assert_int_equal(pw_root.version, PW_IMAGE_VERSION);
    assert_int_equal(pw_root.bytes, 200);
}

static void every_kind_state_family_and_operation_has_its_name(void **state)
{
    (void)state;
    for (unsigned kind = 0; kind < PW_KIND_COUNT; kind++)
        for (unsigned other = 0; other < kind; other++)
            assert_string_not_equal(pw_kind_name(kind), pw_kind_name(other));
    for (unsigned operation = 0; operation < PW_OP_COUNT; operation++)
        for (unsigned other = 0; other < operation; other++)
            assert_string_not_equal(pw_operation_name(operation), pw_operation_name(other));
    assert_string_equal(pw_kind_name(PW_KIND_OVERFLOW), "heap-buffer-overflow");
    assert_string_equal(pw_kind_name(PW_KIND_HEADER), "header-corruption");
    assert_string_equal(pw_kind_name(PW_KIND_COUNT), "none");
    assert_string_equal(pw_state_name(PW_STATE_QUARANTINED), "quarantined");
    assert_string_equal(pw_family_name(PW_FAMILY_NEW_ARRAY), "new[]");
    assert_string_equal(pw_family_release_name(PW_FAMILY_NEW), "operator delete");
    assert_string_equal(pw_operation_name(PW_OP_COUNT), "nothing");
    unsigned known = 0;
    for (unsigned byte = 0; byte < 256; byte++)
        known += strcmp(pw_state_name(byte), "damaged") != 0;
    assert_int_equal(known, 6);
}

/* ---- nothing wrong ---- */

static void in_a_healthy_heap_nothing_is_found_at_any_level(void **state)
{
    (void)state;
    for (enum pw_level level = PW_LEVEL_OFF; level <= PW_LEVEL_FULL; level++) {
        set_the_scene(level);
        assert_nothing_found("in the scene");
        check_shape(&pw_heaps[0]);
        check_shape(&pw_heaps[1]);
    }
}

static void small_steps_come_to_the_same_end_as_one_large_one(void **state)
{
    (void)state;
    set_the_scene(PW_LEVEL_FULL);
    struct pw_image image = pw_image_self();
    /* One damaged block among others, found in whatever portions. */
    ((uint8_t *)header_of(scene.small[LIVE_96]))[0] ^= 1;
    for (uint64_t blocks = 1; blocks < 50; blocks += 1 + blocks / 4)
        for (uint64_t bytes = 1; bytes < 1000000; bytes *= 9) {
            struct pw_validate_cursor cursor = {.region = 0};
            uint32_t steps = 0, faults = 0;
            while (!cursor.is_done && steps++ < 1000) {
                struct pw_fault fault = {.kind = PW_KIND_NONE};
                if (pw_validate_step(&image, &cursor, blocks, bytes, &fault)) {
                    assert_int_equal(fault.kind, PW_KIND_HEADER);
                    assert_int_equal(fault.address, (uint64_t)scene.small[LIVE_96]);
                    faults++;
                }
            }
            CHECK(cursor.is_done && faults == 1, "%u blocks, %u bytes a step: %u faults in %u steps",
                  (unsigned)blocks, (unsigned)bytes, faults, steps);
        }
}

/* The fill of freed memory is an option; what is not filled may hold anything. */
static void validate_with_fill_of(enum pw_level level, uint64_t most)
{
    start_heaps_with(level, pw_hooks_of(level, most >= PW_HEAP_LARGE_ALLOC_THRESHOLD));
    pw_root.free_fill_max = most;
    void *blocks[64], *kept[64];
    uint64_t random = most + 1;
    for (uint32_t i = 0; i < 64; i++) {
        uint64_t size = 1 + pw_random_next(&random) % (i % 2 == 0 ? 200 : 4000);
        blocks[i] = new_block(&pw_heaps[0], size);
        memset(blocks[i], 0x42, size);
        kept[i] = i % 8 == 0 ? new_block(&pw_heaps[0], 1) : NULL;
    }
    for (uint32_t i = 0; i < 64; i++)
        make_dead(blocks[i], i % 3 == 0 ? PW_STATE_QUARANTINED : PW_STATE_CACHED);
    assert_nothing_found("with blocks that were freed");
    for (uint32_t i = 0; i < 64; i++) {
        set_state(blocks[i], PW_STATE_CACHED, 0, 0);
        pw_heap_give(&blocks[i], 1);
    }
    assert_nothing_found("with free blocks");
    for (uint32_t i = 0; i < 64; i++) {
        assert_int_equal(pw_heap_take(&pw_heaps[0], 1 + (uint32_t)(pw_random_next(&random) % 20), 1, &blocks[i]), 1);
        if (i % 2 == 0)
            make_live(blocks[i], 1);
    }
    assert_nothing_found("with free blocks that were cut");
    (void)kept;
}

static void whatever_part_of_freed_memory_is_filled_nothing_is_found(void **state)
{
    (void)state;
    static const uint64_t most[] = {0, 1, 48, 64, 100, 1000, 4096, UINT64_MAX};
    for (size_t i = 0; i < PW_ARRAY_SIZE(most); i++)
        for (enum pw_level level = PW_LEVEL_OFF; level <= PW_LEVEL_FULL; level++) {
            validate_with_fill_of(level, most[i]);
        }
}

/* ---- headers ---- */

static void flip_header(struct pw_block block, size_t from, size_t to, const char *what)
{
    for (size_t byte = from; byte < to; byte++)
        for (unsigned bit = 0; bit < 8; bit++) {
            struct expected expected = header_fault(pw_block_address(block));
            assert_byte_found((uint64_t)pw_block_header(block) + byte, (uint8_t)(1u << bit), &expected, what);
        }
}

static void every_flipped_bit_of_a_headers_word_and_size_is_found_once_in_its_block(void **state)
{
    (void)state;
    for (enum pw_level level = PW_LEVEL_OFF; level <= PW_LEVEL_FULL; level++) {
        set_the_scene(level);
        for (uint32_t i = 0; i < scene.count; i++)
            flip_header(scene.all[i], 0, 12, "a header's word or size");
        assert_nothing_found("in the end");
    }
}

static void every_flipped_bit_of_a_headers_prev_is_found_once_in_its_block(void **state)
{
    (void)state;
    set_the_scene(PW_LEVEL_FULL);
    for (uint32_t i = 0; i < scene.count; i++)
        flip_header(scene.all[i], 12, 16, "a header's prev");
    assert_nothing_found("in the end");
}

static void the_rule_that_a_header_breaks_is_said_in_words(void **state)
{
    (void)state;
    set_the_scene(PW_LEVEL_FULL);
    struct pw_header *header = header_of(scene.small[LIVE_96]);
    header->size ^= 1;
    assert_non_null(strstr(validate()->faults[0].broken_rule, "seal"));
    header->size ^= 1;
    header->prev ^= 1;
    assert_non_null(strstr(validate()->faults[0].broken_rule, "before it"));
    header->prev ^= 1;
    header_of(scene.small[FIRST_LIVE])->prev = 1;
    assert_non_null(strstr(validate()->faults[0].broken_rule, "first block"));
    header_of(scene.small[FIRST_LIVE])->prev = 0;
    uint64_t word = header->word;
    header->word = pw_word_make(pw_root.seal_key, (uint64_t)scene.small[LIVE_96], 0x55, 0, 0, header->size);
    assert_non_null(strstr(validate()->faults[0].broken_rule, "state"));
    header->word = word;
    assert_nothing_found("in the end");
}

static void every_flipped_bit_of_a_requested_size_or_its_check_is_found(void **state)
{
    (void)state;
    static const int live[] = {MAPPED_20000, MAPPED_50000, MAPPED_17000};
    for (enum pw_level level = PW_LEVEL_OFF; level <= PW_LEVEL_FULL; level++) {
        set_the_scene(level);
        for (size_t i = 0; i < PW_ARRAY_SIZE(live); i++) {
            uint8_t *block = scene.mapped[live[i]];
            struct expected expected = header_fault((uint64_t)block);
            uint64_t place = (uint64_t)pw_block_extension(block_at(block));
            for (unsigned bit = 0; bit < 128; bit++)
                assert_byte_found(place + bit / 8, (uint8_t)(1u << bit % 8), &expected, "an extension");
        }
    }
}

static void every_wrong_bit_of_the_starts_is_found_in_the_block_that_it_is_about(void **state)
{
    (void)state;
    set_the_scene(PW_LEVEL_FAST);
    for (uint32_t i = 0; i < scene.count; i++) {
        struct pw_block block = scene.all[i];
        uint32_t size = pw_block_header(block)->size;
        struct expected expected = header_fault(pw_block_address(block));
        for (uint32_t k = 0; k < size; k += k < 70 ? 1 : 1 + size / 50) {
            uint32_t granule = block.granule + k;
            assert_byte_found(block.region->starts + granule / 8, (uint8_t)(1u << granule % 8), &expected,
                              k == 0 ? "the bit of a block's start" : "a bit inside a block");
        }
    }
}

static void a_missing_start_is_found_also_where_a_step_of_the_validator_ends(void **state)
{
    (void)state;
    start_heaps(PW_LEVEL_FAST);
    enum { COUNT = 2000 };
    static uint8_t *blocks[COUNT];
    for (uint32_t i = 0; i < COUNT; i++)
        blocks[i] = new_block(&pw_heaps[0], 10);
    for (uint32_t i = 0; i < COUNT; i += i > 500 && i < 530 ? 1 : 37) {
        struct pw_block block = block_at(blocks[i]);
        struct expected expected = header_fault((uint64_t)blocks[i]);
        assert_byte_found(block.region->starts + block.granule / 8, (uint8_t)(1u << block.granule % 8),
                          &expected, "the start of block");
    }
}

static void a_wrong_bit_of_the_summary_of_starts_is_found(void **state)
{
    (void)state;
    set_the_scene(PW_LEVEL_FAST);
    for (uint32_t i = 0; i < scene.count; i++) {
        struct pw_block block = scene.all[i];
        uint32_t word = block.granule / 64;
        uint8_t *byte = (uint8_t *)block.region->summary + word / 8;
        *byte ^= (uint8_t)(1u << word % 8);
        struct findings *findings = validate();
        CHECK(findings->count == 1 && findings->faults[0].kind == PW_KIND_HEADER &&
                  findings->faults[0].block.region == pw_region_index(block.region) &&
                  findings->faults[0].block.granule / 64 == word,
              "the summary's bit of block %u: %u faults", i, (unsigned)findings->count);
        *byte ^= (uint8_t)(1u << word % 8);
    }
    /* Bits for words that no block starts in. */
    struct pw_block rest = block_at(scene.rest);
    struct expected expected = header_fault((uint64_t)scene.rest);
    for (uint32_t word = rest.granule / 64 + 1; word < rest.region->limit / 64; word += 37)
        assert_byte_found(rest.region->summary + word / 8, (uint8_t)(1u << word % 8), &expected,
                          "a bit of the summary inside a block");
}

/* ---- bins ---- */

/* At least one fault, each a header's and about one of the (up to four) blocks given. */
static void assert_found_among(const uint64_t *blocks, uint32_t count, uint64_t most, const char *what,
                               uint64_t which)
{
    struct findings *findings = validate();
    bool is_right = findings->count >= 1 && findings->count <= most;
    for (uint64_t i = 0; i < findings->count && i < MOST_FAULTS; i++) {
        bool is_known = false;
        for (uint32_t k = 0; k < count; k++)
            is_known |= findings->faults[i].block.address == blocks[k];
        is_right &= is_known && findings->faults[i].kind == PW_KIND_HEADER;
    }
    if (is_right)
        return;
    print_findings(findings);
    fail_msg("%s %llu: %llu faults", what, (unsigned long long)which, (unsigned long long)findings->count);
}

static void every_flipped_bit_of_a_bins_links_is_found_once_at_one_end_of_the_link(void **state)
{
    (void)state;
    set_the_scene(PW_LEVEL_FULL);
    /* FREE_C is the newest of the three, then B, then A. */
    uint64_t in_bin[] = {(uint64_t)scene.small[FREE_A], (uint64_t)scene.small[FREE_B],
                         (uint64_t)scene.small[FREE_C]};
    for (int i = 0; i < 3; i++) {
        struct pw_block block = block_at((void *)in_bin[i]);
        uint8_t *links = (uint8_t *)pw_region_evidence(block.region, block.granule);
        for (unsigned bit = 64; bit < 128; bit++) {
            links[bit / 8] ^= (uint8_t)(1u << bit % 8);
            assert_found_among(in_bin, 3, 1, "bit of a bin's link", bit);
            links[bit / 8] ^= (uint8_t)(1u << bit % 8);
        }
    }
    assert_nothing_found("in the end");
}

/* One fault, about the head of a bin at `place`, which is no block; or the block that should be there. */
static void assert_head_found(const void *place, const uint8_t *block, const char *what, uint64_t which)
{
    struct findings *findings = validate();
    const struct pw_fault *fault = &findings->faults[0];
    bool is_at_head = fault->address == (uint64_t)place && !fault->block.known;
    bool is_at_block = block != NULL && fault->address == (uint64_t)block;
    if (findings->count == 1 && fault->kind == PW_KIND_HEADER && fault->broken_rule != NULL &&
        (is_at_head || is_at_block))
        return;
    print_findings(findings);
    fail_msg("%s %llu: %llu faults", what, (unsigned long long)which, (unsigned long long)findings->count);
}

static void every_flipped_bit_of_a_bins_head_is_found(void **state)
{
    (void)state;
    set_the_scene(PW_LEVEL_FULL);
    struct pw_heap_image *image = &pw_heaps[0].image;
    uint32_t bin = header_of(scene.small[FREE_C])->size - 1;
    for (unsigned bit = 0; bit < 32; bit++) {
        image->bins[bin] ^= 1u << bit;
        assert_head_found(&image->bins[bin], scene.small[FREE_C], "bit of a bin's head", bit);
        image->bins[bin] ^= 1u << bit;
        image->bins[255] ^= 1u << bit;
        assert_head_found(&image->bins[255], scene.rest, "bit of the last bin's head", bit);
        image->bins[255] ^= 1u << bit;
    }
    image->bin_bitmap[bin / 64] ^= (uint64_t)1 << bin % 64;
    assert_head_found(&image->bins[bin], scene.small[FREE_C], "the bit of bin", bin);
    image->bin_bitmap[bin / 64] ^= (uint64_t)1 << bin % 64;
    assert_nothing_found("in the end");
}

/* An empty bin that claims to have blocks makes the next allocation follow a wild link. */
static void an_empty_bin_that_claims_blocks_is_found(void **state)
{
    (void)state;
    set_the_scene(PW_LEVEL_FULL);
    struct pw_heap_image *image = &pw_heaps[0].image;
    for (uint32_t bin = 0; bin < PW_HEAP_NUM_BINS; bin++) {
        if (image->bins[bin] != 0)
            continue;
        image->bin_bitmap[bin / 64] ^= (uint64_t)1 << bin % 64;
        assert_head_found(&image->bins[bin], NULL, "a bit without blocks, bin", bin);
        image->bins[bin] = 1u << PW_REF_GRANULE_BITS | block_at(scene.small[LIVE_96]).granule;
        assert_head_found(&image->bins[bin], NULL, "a LIVE block as the head of bin", bin);
        image->bin_bitmap[bin / 64] ^= (uint64_t)1 << bin % 64;
        assert_head_found(&image->bins[bin], NULL, "a head without its bit, bin", bin);
        image->bins[bin] = 0;
    }
    for (uint32_t bin = 0; bin < PW_PAGE_BINS; bin++) {
        if (image->page_bins[bin] != 0)
            continue;
        image->page_bitmap[bin / 64] ^= (uint64_t)1 << bin % 64;
        assert_head_found(&image->page_bins[bin], NULL, "a bit without runs, bin", bin);
        image->page_bitmap[bin / 64] ^= (uint64_t)1 << bin % 64;
    }
    assert_nothing_found("in the end");
}

static void every_flipped_bit_of_the_links_of_free_runs_is_found(void **state)
{
    (void)state;
    set_the_scene(PW_LEVEL_FULL);
    uint64_t in_bin[] = {(uint64_t)scene.mapped[RUN_A], (uint64_t)scene.mapped[RUN_B]};
    for (int i = 0; i < 2; i++) {
        struct pw_block run = block_at((void *)in_bin[i]);
        uint8_t *links = (uint8_t *)pw_region_evidence(run.region, run.granule + 1);
        for (unsigned bit = 0; bit < 128; bit++) {
            links[bit / 8] ^= (uint8_t)(1u << bit % 8);
            assert_found_among(in_bin, 2, 1, "bit of a run's link", bit);
            links[bit / 8] ^= (uint8_t)(1u << bit % 8);
        }
    }
    struct pw_heap_image *image = &pw_heaps[0].image;
    uint32_t bin = 0;
    while (image->page_bins[bin] == 0)
        bin++;
    for (unsigned bit = 0; bit < 64; bit++) {
        image->page_bins[bin] ^= (uint64_t)1 << bit;
        assert_head_found(&image->page_bins[bin], scene.mapped[RUN_B], "bit of a page bin's head", bit);
        image->page_bins[bin] ^= (uint64_t)1 << bit;
    }
    image->page_bitmap[bin / 64] ^= (uint64_t)1 << bin % 64;
    assert_head_found(&image->page_bins[bin], scene.mapped[RUN_B], "the bit of page bin", bin);
    image->page_bitmap[bin / 64] ^= (uint64_t)1 << bin % 64;
    assert_nothing_found("in the end");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_image_of_version_6_has_its_bytes_where_readers_look_for_them),
        cmocka_unit_test(every_kind_state_family_and_operation_has_its_name),
        cmocka_unit_test(in_a_healthy_heap_nothing_is_found_at_any_level),
        cmocka_unit_test(small_steps_come_to_the_same_end_as_one_large_one),
        cmocka_unit_test(whatever_part_of_freed_memory_is_filled_nothing_is_found),
        cmocka_unit_test(every_flipped_bit_of_a_headers_word_and_size_is_found_once_in_its_block),
        cmocka_unit_test(every_flipped_bit_of_a_headers_prev_is_found_once_in_its_block),
        cmocka_unit_test(the_rule_that_a_header_breaks_is_said_in_words),
        cmocka_unit_test(every_flipped_bit_of_a_requested_size_or_its_check_is_found),
        cmocka_unit_test(every_wrong_bit_of_the_starts_is_found_in_the_block_that_it_is_about),
        cmocka_unit_test(a_missing_start_is_found_also_where_a_step_of_the_validator_ends),
        cmocka_unit_test(a_wrong_bit_of_the_summary_of_starts_is_found),
        cmocka_unit_test(every_flipped_bit_of_a_bins_links_is_found_once_at_one_end_of_the_link),
        cmocka_unit_test(every_flipped_bit_of_a_bins_head_is_found),
        cmocka_unit_test(an_empty_bin_that_claims_blocks_is_found),
        cmocka_unit_test(every_flipped_bit_of_the_links_of_free_runs_is_found),
    };
    (void)alarm(200);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
