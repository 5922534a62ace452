/* heap_find_test.c - from an address to its block, and instances, whose blocks are nobody else's (heap/heap.h). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "heap_fixture.h"

/* ---- address to block ---- */

static void assert_found(const void *at, const void *block)
{
    struct pw_block found = pw_heap_find((uint64_t)at);
    CHECK(found.region != NULL && pw_block_address(found) == (uint64_t)block, "%p of %p", at, block);
}

static void assert_in_none(uint64_t address)
{
    CHECK(pw_heap_find(address).region == NULL, "0x%llx", (unsigned long long)address);
}

static void any_address_in_a_block_finds_it_whatever_its_state(void **state)
{
    (void)state;
    start_heaps(PW_LEVEL_FULL);
    for (uint64_t size = 0; size < 1000000; size = size * 3 / 2 + 1) {
        char *block = new_block(&pw_heaps[0], size);
        uint64_t whole = (uint64_t)header_of(block)->size << block_at(block).region->shift;
        for (int pass = 0; pass < 3; pass++) {
            for (uint64_t at = 0; at < whole; at += 1 + whole / 97)
                assert_found(block + at, block);
            assert_found(block + whole - 1, block);
            assert_true(pw_heap_find((uint64_t)block + whole).granule != block_at(block).granule);
            assert_true(pw_heap_find((uint64_t)block - 1).granule != block_at(block).granule);
            if (pass == 0)
                make_dead(block, PW_STATE_QUARANTINED);
            else
                set_state(block, PW_STATE_CACHED, fields_of(block).flags & ~PW_HEAP_POISONED, 0);
        }
        if (size % 2 == 0)
            is_mapped(block) ? pw_heap_unmap_memory(block) : pw_heap_give((void *[]){block}, 1);
    }
}

static int global;

static void addresses_in_no_block_find_none(void **state)
{
    (void)state;
    start_heaps(PW_LEVEL_FULL);
    char *small = new_block(&pw_heaps[0], 100), *big = new_block(&pw_heaps[0], 100000);
    int local;
    for (int pass = 0; pass < 2; pass++) {
        struct pw_region *region = block_at(pass == 0 ? small : big).region;
        uint64_t end = region->base + ((uint64_t)region->granules << region->shift);
        assert_in_none(region->base);
        assert_in_none(region->base + PW_PAGE_BYTES - 1);
        assert_in_none(pw_region_address(region, region->first) - 1);
        assert_in_none(pw_region_address(region, region->limit));
        assert_in_none(end - 1);
        assert_in_none(region->headers);
        assert_in_none(region->evidence);
        assert_in_none(region->starts);
        assert_non_null(pw_heap_find(pw_region_address(region, region->first)).region);
        assert_non_null(pw_heap_find(pw_region_address(region, region->limit) - 1).region);
    }
    assert_in_none(0);
    assert_in_none(1);
    assert_in_none(63);
    assert_in_none((uint64_t)&local);
    assert_in_none((uint64_t)&global);
    assert_in_none((uint64_t)&pw_root);
    assert_in_none((uint64_t)pw_page_map);
    assert_in_none((uint64_t)&addresses_in_no_block_find_none);
    assert_in_none(((uint64_t)1 << 47) - 1);
    assert_in_none((uint64_t)1 << 47);
    assert_in_none(0xffff800000000000);
    assert_in_none((uint64_t)small | 0xffff000000000000);
    assert_in_none((uint64_t)small | (uint64_t)1 << 47);
    assert_in_none(UINT64_MAX);
    assert_in_none(0xefefefefefefefef);
    for (unsigned bit = 0; bit < 64; bit++)
        if (bit >= PW_SLOT_SHIFT)
            assert_true(pw_heap_find((uint64_t)small ^ (uint64_t)1 << bit).granule !=
                            block_at(small).granule ||
                        pw_heap_find((uint64_t)small ^ (uint64_t)1 << bit).region != block_at(small).region);
}

static void no_memory_is_read_to_find_a_block(void **state)
{
    (void)state;
    start_heaps(PW_LEVEL_OFF);
    char *block = pw_heap_alloc(&pw_heaps[0], 3 * PW_PAGE_BYTES);
    struct pw_region *region = block_at(block).region;
    uint64_t bytes = (uint64_t)region->granules << region->shift;
    assert_int_equal(mprotect((void *)region->base, bytes, PROT_NONE), 0);
    assert_found(block + PW_PAGE_BYTES, block);
    assert_int_equal(mprotect((void *)region->base, bytes, PROT_READ | PROT_WRITE), 0);
}

/* ---- instances ---- */

static void an_instance_is_nobody_elses_and_gives_all_back_when_it_closes(void **state)
{
    (void)state;
    start_heaps(PW_LEVEL_FULL);
    struct pw_heap *opened[PW_MAX_HEAPS];
    uint32_t count = 0;
    while ((opened[count] = pw_heap_open()) != NULL)
        count++;
    assert_int_equal(count, PW_MAX_HEAPS - TEST_HEAPS);
    for (uint32_t i = 0; i < count; i++)
        for (uint32_t other = 0; other < i; other++)
            assert_ptr_not_equal(opened[i], opened[other]);
    char *kept = new_block(opened[1], 1000);
    for (int round = 0; round < 3; round++) {
        char *small = new_block(opened[0], 1000), *big = new_block(opened[0], 1000000);
        struct pw_region small_region = *block_at(small).region, big_region = *block_at(big).region;
        pw_heap_close(opened[0]);
        assert_in_none((uint64_t)small);
        assert_in_none((uint64_t)big);
        assert_false(pw_os_is_readable(small, 1));
        assert_false(pw_os_is_readable(big, 1));
        assert_false(pw_os_is_readable((void *)small_region.headers, 1));
        assert_false(pw_os_is_readable((void *)big_region.evidence, 1));
        check_shape(opened[0]);
        assert_ptr_equal(pw_heap_open(), opened[0]);
        assert_int_equal(pw_root.region_count, 4);
    }
    assert_found(kept, kept);
    check_shape(opened[1]);
    for (uint32_t i = 0; i < count; i++)
        pw_heap_close(opened[i]);
    assert_nothing_found("after the instances were closed");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_address_in_a_block_finds_it_whatever_its_state),
        cmocka_unit_test(addresses_in_no_block_find_none),
        cmocka_unit_test(no_memory_is_read_to_find_a_block),
        cmocka_unit_test(an_instance_is_nobody_elses_and_gives_all_back_when_it_closes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
