/* check_test.c - seals, red zones, poison (check/, image/seal.h, image/pattern.h). */
#include "check/poison.h"
#include "check/zone.h"

#include "base/random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static const uint64_t zone_pattern = 0xb6a4d2c89ee4ba92;
static const uint32_t fill = 0xef;

static int prepare(void **state)
{
    (void)state;
    pw_zone_set(zone_pattern);
    pw_fill_set(&pw_root, fill);
    pw_root.free_fill_max = UINT64_MAX;
    return 0;
}

/* ---- seal ---- */

struct header {
    uint64_t key, address, word;
    uint32_t size;
};

static const uint8_t states[] = {PW_STATE_FREE, PW_STATE_CACHED,      PW_STATE_PENDING,
                                 PW_STATE_LIVE, PW_STATE_QUARANTINED, PW_STATE_RETIRED};

static struct header any_header(uint64_t *random)
{
    struct header header = {.key = pw_random_next(random),
                            .address = pw_random_next(random) >> 17 & ~(uint64_t)63,
                            .size = 1 + (uint32_t)pw_random_next(random) % (1u << 20)};
    uint64_t r = pw_random_next(random);
    header.word = pw_word_make(header.key, header.address, states[r % sizeof states], (r >> 8) & 0xff,
                               (r >> 16) & 0xffff, header.size);
    return header;
}

static bool is_sealed(const struct header *header)
{
    return pw_word_is_sealed(header->key, header->address, header->word, header->size);
}

static void every_single_flipped_bit_of_a_header_is_seen(void **state)
{
    (void)state;
    uint64_t seed = 11;
    for (int round = 0; round < 2000; round++) {
        struct header header = any_header(&seed);
        assert_true(is_sealed(&header));
        for (unsigned bit = 0; bit < 64; bit++) {
            struct header word = header, address = header, key = header, size = header;
            word.word ^= (uint64_t)1 << bit;
            address.address ^= (uint64_t)1 << bit;
            key.key ^= (uint64_t)1 << bit;
            size.size ^= bit < 32 ? 1u << bit : 0;
            assert_false(is_sealed(&word) || is_sealed(&address) || is_sealed(&key));
            assert_true(is_sealed(&size) == (bit >= 32));
            assert_false(pw_word_is_sound(word.key, word.address, word.word, word.size));
        }
    }
}

static void a_header_says_what_was_packed_into_it(void **state)
{
    (void)state;
    uint64_t word = pw_word_make(1, 64, PW_STATE_LIVE, 0xa5, 0xbeef, 7);
    struct pw_fields fields = pw_word_fields(word);
    assert_int_equal(fields.state, PW_STATE_LIVE);
    assert_int_equal(fields.flags, 0xa5);
    assert_int_equal(fields.slack, 0xbeef);
    /* The low half is the magic, xor the seal. */
    uint32_t seal = pw_seal(1, 64, pw_meta(PW_STATE_LIVE, 0xa5, 0xbeef), 7);
    assert_int_equal((uint32_t)word ^ seal, PW_HEAP_HEADER_MAGIC);
}

static void nothing_that_memory_is_full_of_passes_for_a_header(void **state)
{
    (void)state;
    uint64_t seed = 12;
    for (int i = 0; i < 100000; i++) {
        struct header header = any_header(&seed);
        static const uint64_t words[] = {0, UINT64_MAX, 0xefefefefefefefef, 0xDEADBEEF, 0x11DEADBEEF};
        for (size_t k = 0; k < PW_ARRAY_SIZE(words); k++)
            assert_false(pw_word_is_sealed(header.key, header.address, words[k], header.size));
        /* Nor the header of another place. */
        assert_false(pw_word_is_sealed(header.key, header.address + 64, header.word, header.size));
        assert_false(pw_word_is_sealed(header.key + 1, header.address, header.word, header.size));
    }
}

static void no_state_is_a_flipped_bit_away_from_another(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof states; i++)
        for (size_t k = 0; k < i; k++)
            assert_true(__builtin_popcount(states[i] ^ states[k]) >= 2);
}

static void a_block_that_changes_hands_is_sound_and_a_damaged_one_is_not(void **state)
{
    (void)state;
    static const uint8_t handed_over[] = {PW_STATE_CACHED, PW_STATE_LIVE, PW_STATE_QUARANTINED};
    for (size_t i = 0; i < sizeof states; i++) {
        uint64_t word = pw_word_make(5, 4096, states[i], 3, 40, 2);
        uint64_t pending = pw_word_pending(word, states[i]);
        bool is_handed_over = memchr(handed_over, states[i], sizeof handed_over) != NULL;
        assert_int_equal(pw_word_fields(pending).state, PW_STATE_PENDING);
        assert_int_equal(pw_word_fields(pending).slack, 40);
        assert_true(pw_word_is_sound(5, 4096, word, 2));
        assert_true(pw_word_is_sound(5, 4096, pending, 2) ==
                    (is_handed_over || states[i] == PW_STATE_PENDING));
        assert_true(pw_word_is_sealed(5, 4096, pending, 2) == (states[i] == PW_STATE_PENDING));
        for (unsigned bit = 0; bit < 64; bit++)
            assert_false(pw_word_is_sound(5, 4096, pending ^ (uint64_t)1 << bit, 2));
    }
}

/* ---- patterns ---- */

enum { ROOM = 512, MIDDLE = 128 };
static uint8_t bytes[ROOM] __attribute__((aligned(64)));

static uint64_t at(size_t index)
{
    return (uint64_t)&bytes[index];
}

static void a_pattern_is_seen_to_hold_and_any_other_byte_is_seen_at_any_place_and_length(void **state)
{
    (void)state;
    static const uint64_t words[] = {0, 0xefefefefefefefef, 0x8877665544332211};
    for (size_t w = 0; w < PW_ARRAY_SIZE(words); w++)
        for (size_t offset = 0; offset < 17; offset++)
            for (size_t length = 0; length <= 200; length++) {
                memset(bytes, 0x3c, sizeof bytes);
                for (size_t i = 0; i < length; i++)
                    bytes[offset + i] = (uint8_t)(words[w] >> i % 8 * 8);
                assert_true(pw_pattern_holds(&bytes[offset], length, words[w]));
                for (size_t i = 0; i < length; i += length > 80 ? 3 : 1) {
                    uint8_t damage = (uint8_t)(1u << (i + length) % 8);
                    bytes[offset + i] ^= damage;
                    if (pw_pattern_holds(&bytes[offset], length, words[w]))
                        fail_msg("byte %zu of %zu at offset %zu", i, length, offset);
                    bytes[offset + i] ^= damage;
                }
            }
}

static void a_zone_lies_exactly_where_it_was_written_at_every_offset_and_length(void **state)
{
    (void)state;
    for (size_t offset = 0; offset < 64; offset++)
        for (size_t length = 16; length <= 160; length++) {
            size_t start = MIDDLE + offset;
            memset(bytes, 0x3c, sizeof bytes);
            pw_zone_write_all(at(start), at(start + length));
            for (size_t i = 0; i < ROOM; i++) {
                bool is_zone = i >= start && i < start + length;
                uint8_t expected = is_zone ? (uint8_t)(zone_pattern >> at(i) % 8 * 8) : 0x3c;
                if (bytes[i] != expected)
                    fail_msg("byte %zu, zone of %zu at offset %zu", i, length, offset);
                assert_int_equal(pw_zone_byte(zone_pattern, at(i)), zone_pattern >> at(i) % 8 * 8 & 0xff);
            }
            assert_true(pw_zone_all_holds(at(start), at(start + length)));
            /* A copy elsewhere is judged by where it came from. */
            uint8_t copy[200];
            memcpy(copy, &bytes[start], length);
            assert_true(pw_zone_holds(zone_pattern, copy, at(start), length));
            assert_false(pw_zone_holds(zone_pattern, copy, at(start) + 1, length));
        }
}

static void any_changed_byte_of_a_zone_is_seen_and_none_beside_it(void **state)
{
    (void)state;
    for (size_t offset = 0; offset < 64; offset++)
        for (size_t length = 16; length <= 128; length += 1 + length / 7) {
            size_t start = MIDDLE + offset;
            memset(bytes, 0, sizeof bytes);
            pw_zone_write_all(at(start), at(start + length));
            for (size_t i = start - 16; i < start + length + 16; i++) {
                bool is_inside = i >= start && i < start + length;
                bytes[i] ^= (uint8_t)(1u << i % 8);
                if (pw_zone_all_holds(at(start), at(start + length)) == is_inside)
                    fail_msg("byte %zu, zone of %zu at offset %zu", i - start, length, offset);
                bytes[i] ^= (uint8_t)(1u << i % 8);
            }
        }
}

static void pieces_of_a_zone_that_overlap_agree(void **state)
{
    (void)state;
    uint64_t seed = 13;
    for (int round = 0; round < 500; round++) {
        memset(bytes, 0x3c, sizeof bytes);
        for (int piece = 0; piece < 5; piece++) {
            size_t start = 100 + pw_random_next(&seed) % 40;
            pw_zone_write_all(at(start), at(160 + pw_random_next(&seed) % 40));
        }
        pw_zone_write_all(at(100), at(200));
        pw_zone_write_near(at(100 + pw_random_next(&seed) % 84));
        assert_true(pw_zone_all_holds(at(100), at(200)));
    }
}

static void the_near_zone_is_16_bytes_at_any_offset_and_the_tail_the_last_16(void **state)
{
    (void)state;
    for (size_t offset = 0; offset < 64; offset++) {
        size_t start = MIDDLE + offset;
        memset(bytes, 0x3c, sizeof bytes);
        pw_zone_write_near(at(start));
        assert_int_equal(bytes[start - 1], 0x3c);
        assert_int_equal(bytes[start + 16], 0x3c);
        assert_true(pw_zone_near_holds(at(start)));
        assert_true(pw_zone_all_holds(at(start), at(start + 16)));
        for (size_t i = 0; i < 16; i++) {
            bytes[start + i] ^= 0x10;
            assert_false(pw_zone_near_holds(at(start)));
            bytes[start + i] ^= 0x10;
        }
    }
    for (size_t end = MIDDLE; end < MIDDLE + 128; end += 64) {
        memset(bytes, 0x3c, sizeof bytes);
        pw_zone_cut(at(end));
        assert_true(pw_zone_tail_holds(at(end)));
        assert_true(pw_zone_all_holds(at(end - 16), at(end)));
        assert_true(bytes[end - 17] == 0x3c && bytes[end] == 0x3c);
        for (size_t i = 1; i <= 16; i++) {
            bytes[end - i] ^= 1;
            assert_false(pw_zone_tail_holds(at(end)));
            bytes[end - i] ^= 1;
        }
    }
}

static void a_seam_becomes_plain_content_zero_or_poison(void **state)
{
    (void)state;
    for (int is_zeroed = 0; is_zeroed < 2; is_zeroed++) {
        uint8_t content = is_zeroed ? 0 : (uint8_t)fill;
        memset(bytes, content, sizeof bytes);
        pw_zone_cut(at(256));
        pw_zone_joined(at(256), is_zeroed != 0);
        assert_true(is_zeroed ? pw_zero_holds(at(0), ROOM) : pw_poison_holds(at(0), ROOM));
    }
}

static void the_zone_grows_with_the_block_as_the_root_says(void **state)
{
    (void)state;
    struct pw_root root = {.zone_min_bytes = 32, .zone_shift = 3, .zone_max_bytes = 2048};
    static const uint64_t expected[][2] = {{0, 32},       {1, 32},        {256, 32},       {263, 32},
                                           {264, 33},     {8000, 1000},   {16384, 2048},   {16392, 2048},
                                           {1 << 20, 2048}, {SIZE_MAX, 2048}};
    for (size_t i = 0; i < PW_ARRAY_SIZE(expected); i++)
        assert_int_equal(pw_zone_bytes(&root, expected[i][0]), expected[i][1]);
    root.zone_shift = 0;
    for (size_t i = 0; i < PW_ARRAY_SIZE(expected); i++)
        assert_int_equal(pw_zone_bytes(&root, expected[i][0]), 32);
    root.zone_min_bytes = 0;
    assert_int_equal(pw_zone_bytes(&root, 12345), 0);
}

/* ---- poison ---- */

static void poison_covers_all_but_the_tail_or_what_the_option_says(void **state)
{
    (void)state;
    assert_int_equal(pw_poison_bytes(64), 48);
    assert_int_equal(pw_poison_bytes(16384), 16368);
    pw_root.free_fill_max = 100;
    assert_int_equal(pw_poison_bytes(64), 48);
    assert_int_equal(pw_poison_bytes(128), 100);
    pw_root.free_fill_max = 0;
    assert_int_equal(pw_poison_bytes(64), 0);
    assert_true(pw_poison_holds(at(0), 0));
    pw_root.free_fill_max = UINT64_MAX;
}

static void any_changed_byte_of_the_poisoned_line_is_seen_and_the_tail_is_left(void **state)
{
    (void)state;
    for (uint64_t size = 64; size <= 192; size += 64) {
        size_t line = size == 64 ? 48 : 64;
        memset(bytes, 0x3c, sizeof bytes);
        pw_poison_line(at(MIDDLE), size);
        for (size_t i = 0; i < ROOM; i++)
            assert_int_equal(bytes[i], i >= MIDDLE && i < MIDDLE + line ? fill : 0x3c);
        assert_true(pw_poison_line_holds(at(MIDDLE), size));
        for (size_t i = MIDDLE - 16; i < MIDDLE + 100; i++) {
            bytes[i] ^= 0x80;
            assert_int_equal(pw_poison_line_holds(at(MIDDLE), size), i < MIDDLE || i >= MIDDLE + line);
            bytes[i] ^= 0x80;
        }
    }
}

static void any_changed_byte_of_poison_or_zeroes_is_seen(void **state)
{
    (void)state;
    for (size_t length = 0; length <= 300; length += length < 70 ? 1 : 23) {
        memset(bytes, 0x3c, sizeof bytes);
        pw_poison_write(at(MIDDLE), length);
        assert_true(pw_poison_holds(at(MIDDLE), length));
        assert_true(bytes[MIDDLE - 1] == 0x3c && bytes[MIDDLE + length] == 0x3c);
        for (size_t i = 0; i < length; i++) {
            bytes[MIDDLE + i]++;
            assert_false(pw_poison_holds(at(MIDDLE), length));
            bytes[MIDDLE + i]--;
        }
        memset(&bytes[MIDDLE], 0, length);
        assert_true(pw_zero_holds(at(MIDDLE), length));
        for (size_t i = 0; i < length; i++) {
            bytes[MIDDLE + i] = 1;
            assert_false(pw_zero_holds(at(MIDDLE), length));
            bytes[MIDDLE + i] = 0;
        }
    }
}

static void a_block_taken_for_use_is_poisoned_unless_it_is_zero(void **state)
{
    (void)state;
    memset(bytes, 0, sizeof bytes);
    pw_poison_taken(at(0), 128, true);
    assert_true(pw_zero_holds(at(0), ROOM));
    pw_poison_taken(at(0), 128, false);
    assert_true(pw_poison_line_holds(at(0), 128));
    assert_true(pw_zero_holds(at(64), ROOM - 64));
}

int main(void)
{
    if (PW_WIDE_BYTES > 16 && !pw_has_wide_vectors()) {
        printf("the processor has no vectors of %d bytes\n", (int)PW_WIDE_BYTES);
        return 77;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_single_flipped_bit_of_a_header_is_seen),
        cmocka_unit_test(a_header_says_what_was_packed_into_it),
        cmocka_unit_test(nothing_that_memory_is_full_of_passes_for_a_header),
        cmocka_unit_test(no_state_is_a_flipped_bit_away_from_another),
        cmocka_unit_test(a_block_that_changes_hands_is_sound_and_a_damaged_one_is_not),
        cmocka_unit_test(a_pattern_is_seen_to_hold_and_any_other_byte_is_seen_at_any_place_and_length),
        cmocka_unit_test(a_zone_lies_exactly_where_it_was_written_at_every_offset_and_length),
        cmocka_unit_test(any_changed_byte_of_a_zone_is_seen_and_none_beside_it),
        cmocka_unit_test(pieces_of_a_zone_that_overlap_agree),
        cmocka_unit_test(the_near_zone_is_16_bytes_at_any_offset_and_the_tail_the_last_16),
        cmocka_unit_test(a_seam_becomes_plain_content_zero_or_poison),
        cmocka_unit_test(the_zone_grows_with_the_block_as_the_root_says),
        cmocka_unit_test(poison_covers_all_but_the_tail_or_what_the_option_says),
        cmocka_unit_test(any_changed_byte_of_the_poisoned_line_is_seen_and_the_tail_is_left),
        cmocka_unit_test(any_changed_byte_of_poison_or_zeroes_is_seen),
        cmocka_unit_test(a_block_taken_for_use_is_poisoned_unless_it_is_zero),
    };
    return cmocka_run_group_tests(tests, prepare, NULL);
}
