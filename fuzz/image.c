/*
 * image.c - harness: bytes laid over a real heap image, and everything that reads an image.
 *
 * At its start it builds a small heap of every kind of block in its own process, and notes which places the
 * readers look at; the pages of these are copied. An input changes some of the places, and the root; then the
 * walk, the inspection, the diagnosis, the validation and the search for lost blocks run over the copy.
 *
 * A crash is: a crash, a view that is larger than agreed, more reads than MOST_VIEWS (a hang), more memory
 * than MOST_MAPPED_BYTES, a report of the image as it is.
 */
#include "image/image.h"
#include "image/reach.h"
#include "image/seal.h"

#include "harness.h"
#include "image_rest.h"
#include "names.h"
#include "pwheap/pwheap.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { PAGE = 4096, MOST_PAGES = 16384, MOST_PLACES = 16384, MOST_PATCHES = 64 };
enum { NOTING = 1 /* the salt of the first pass, which only looks which pages are read */ };
enum { MOST_VIEWS = 3000000, MOST_MAPPED_BYTES = 1 << 28 };

const char *pwheap_default_options(void)
{
    return FUZZ_OPTIONS;
}

/* ---- the template: copies of the pages that readers look at ---- */

static struct page {
    uint64_t address;
    uint8_t bytes[PAGE];
} pages[MOST_PAGES];
static unsigned page_count;
static uint16_t page_table[MOST_PAGES * 4]; /* open addressing; 0: none, else index + 1 */

static struct place {
    uint64_t address;
    uint32_t bytes;
} places[MOST_PLACES];
static unsigned place_count;

static struct pw_root root;
static unsigned views;

static uint16_t *entry_of(uint64_t page)
{
    size_t at = (size_t)(page / PAGE * 0x9e3779b97f4a7c15u >> 40) % (MOST_PAGES * 4);
    while (page_table[at] != 0 && pages[page_table[at] - 1].address != page)
        at = (at + 1) % (MOST_PAGES * 4);
    return &page_table[at];
}

static void note_page(uint64_t page)
{
    uint16_t *entry = entry_of(page);
    if (*entry != 0 || page_count == MOST_PAGES)
        return;
    pages[page_count].address = page;
    memcpy(pages[page_count].bytes, (const void *)page, PAGE);
    *entry = (uint16_t)++page_count;
}

static const void *view_and_note(void *context, uint64_t address, uint64_t bytes, void *scratch)
{
    (void)context;
    (void)scratch;
    for (uint64_t page = address & -(uint64_t)PAGE; page < address + bytes; page += PAGE)
        note_page(page);
    if (place_count < MOST_PLACES)
        places[place_count++] = (struct place){address, (uint32_t)bytes};
    return (const void *)address;
}

/* ---- the patched image ---- */

static struct undo {
    uint8_t *at;
    uint8_t before;
} undos[MOST_PATCHES * 8];
static unsigned undo_count;

static const void *view_copy(void *context, uint64_t address, uint64_t bytes, void *scratch)
{
    (void)context;
    FUZZ_CHECK(bytes <= PW_VIEW_MAX, "a view of %llu bytes", (unsigned long long)bytes);
    FUZZ_CHECK(++views <= MOST_VIEWS, "more than %d views", MOST_VIEWS);
    for (uint64_t done = 0; done < bytes;) {
        uint64_t at = address + done, offset = at % PAGE;
        uint64_t part = PAGE - offset < bytes - done ? PAGE - offset : bytes - done;
        const uint16_t *entry = entry_of(at - offset);
        if (*entry == 0)
            return NULL;
        memcpy((char *)scratch + done, pages[*entry - 1].bytes + offset, part);
        done += part;
    }
    return scratch;
}

static void change(uint8_t *at, uint8_t value)
{
    if (undo_count == sizeof undos / sizeof undos[0])
        return;
    undos[undo_count++] = (struct undo){at, *at};
    *at = value;
}

/* The byte of the copy at an address of the image, or NULL. */
static uint8_t *byte_at(uint64_t address)
{
    const uint16_t *entry = entry_of(address & -(uint64_t)PAGE);
    return *entry == 0 ? NULL : &pages[*entry - 1].bytes[address % PAGE];
}

/* The value of a patch: bytes of the input, or the address of a place, or what hostile numbers are like. */
static uint64_t take_value(struct fuzz_input *input, uint8_t how)
{
    static const uint64_t edges[] = {0, 1, 2, 63, 64, 255, 4095, 4096, 65535, 65536, 0x7fffffff,
                                     0x80000000, 0xffffffff, (uint64_t)1 << 47, INT64_MAX, UINT64_MAX};
    uint64_t value = 0;
    switch (how % 4) {
    case 0:
        return edges[fuzz_byte(input) % 16];
    case 1:
        return places[fuzz_word(input) % place_count].address + fuzz_byte(input);
    default:
        for (unsigned i = 0; i < 4; i++)
            value |= (uint64_t)fuzz_byte(input) << 8 * i;
        return value;
    }
}

/* One patch: where, how wide, set or xor or add, value. */
static void patch(struct fuzz_input *input)
{
    uint8_t how = fuzz_byte(input);
    uint16_t which = fuzz_word(input);
    uint64_t value = take_value(input, how);
    unsigned width = 1u << how / 4 % 4, kind = how / 16 % 4;
    for (unsigned i = 0; i < width; i++) {
        const struct place *place = &places[which % place_count];
        uint8_t *at = how >= 192 ? (uint8_t *)&root + (which + i) % sizeof root
                                 : byte_at(place->address + (which / place_count * width + i) % place->bytes);
        uint8_t byte = (uint8_t)(value >> 8 * i);
        if (at != NULL)
            change(at, kind == 1 ? *at ^ byte : kind == 2 ? (uint8_t)(*at + byte) : byte);
    }
}

/* ---- the readers ---- */

static struct mapping {
    void *start;
    size_t bytes;
} mappings[1024];
static unsigned mapping_count;
static size_t mapped_bytes;

static void *map_counted(size_t bytes)
{
    mapped_bytes += bytes;
    FUZZ_CHECK(mapped_bytes <= MOST_MAPPED_BYTES, "more than %d bytes were mapped", MOST_MAPPED_BYTES);
    if (mapping_count == sizeof mappings / sizeof mappings[0])
        return NULL;
    void *start = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (start == MAP_FAILED)
        return NULL;
    mappings[mapping_count++] = (struct mapping){start, bytes};
    return start;
}

static void unmap_all(void)
{
    while (mapping_count > 0) {
        mapping_count--;
        munmap(mappings[mapping_count].start, mappings[mapping_count].bytes);
    }
    mapped_bytes = 0;
}

static bool look_around(void *context, const struct pw_block_info *info)
{
    const struct pw_image *image = context;
    struct pw_block_info before, after;
    pw_inspect_neighbours(image, info, &before, &after);
    return true;
}

static void ignore(void *context, const struct pw_fault *fault)
{
    (void)context;
    FUZZ_CHECK(pw_kind_name(fault->kind) != NULL && fault->damage.window_bytes <= PW_DAMAGE_WINDOW &&
                   fault->frame_count <= PW_MAX_FRAMES,
               "a fault out of its bounds");
}

static void count_found(void *context, uint64_t place, uint32_t index)
{
    const struct pw_reach *reach = context;
    (void)place;
    FUZZ_CHECK(index < reach->count, "a pointer to block %u of %u", index, reach->count);
}

/* Who points where is told, too, for every second input: as `heapdump pointers` asks. */
static void search(const struct pw_image *image, uint64_t salt)
{
    static char scratch[PW_VIEW_MAX];
    static struct pw_reach reach;
    reach = (struct pw_reach){.image = image, .map = map_counted, .scratch = scratch};
    reach.found = salt % 2 == 0 ? count_found : NULL;
    reach.context = &reach;
    if (pw_reach_start(&reach)) {
        pw_reach_range(&reach, places[0].address, places[0].address + PAGE);
        pw_reach_finish(&reach);
    }
    if (salt != NOTING)
        image_rest_search(image, map_counted, salt);
    unmap_all();
}

/* An address anywhere in a region, far from any block perhaps. */
static uint64_t far_address(const struct pw_image *image, uint64_t salt)
{
    struct pw_region region;
    if (!pw_image_region(image, 1 + (uint32_t)(salt % 8), &region) || region.granules == 0)
        return salt;
    return region.base + (salt * 0x9e3779b97f4a7c15u >> 20) % ((uint64_t)region.granules << region.shift % 32);
}

/* All readers; returns the damages found. */
static uint64_t read_everything(const struct pw_image *image, unsigned place, uint64_t salt)
{
    static struct pw_fault fault;
    struct pw_block_info info;
    (void)pw_image_walk(image, look_around, (void *)image);
    uint64_t faults = pw_validate_all(image, ignore, NULL);
    for (unsigned i = 0; i < 8; i++) {
        uint64_t address = i < 6 ? places[(place + i * 97) % place_count].address + i : far_address(image, salt + i);
        (void)pw_inspect_address(image, address, &info);
        fault = (struct pw_fault){.kind = PW_KIND_NONE};
        pw_diagnose_address(image, address, &fault);
        fault = (struct pw_fault){.kind = PW_KIND_NONE};
        pw_diagnose_free(image, address, &fault);
        ignore(NULL, &fault);
    }
    search(image, salt);
    if (salt % 8 == 0)
        image_rest_write(image, salt / 8);
    return faults;
}

/* ---- start ---- */

/* Blocks of every size, family and state. */
static void make_heap(void)
{
    static void *blocks[96];
    for (unsigned i = 0; i < 96; i++) {
        size_t size = i < 80 ? (size_t)i * i * 3 : (size_t)20000 * (i - 79);
        blocks[i] = i % 4 == 1 ? new_one(size) : i % 4 == 2 ? new_array(size) : calloc(1, size);
    }
    for (unsigned i = 0; i < 96; i += 3) {
        if (i % 4 == 1)
            delete_one(blocks[i]);
        else if (i % 4 == 2)
            delete_array(blocks[i]);
        else
            free(blocks[i]);
    }
}

static void start(void)
{
    struct pw_image noting = {.root = &pw_root, .view = view_and_note};
    make_heap();
    memcpy(&root, &pw_root, sizeof root);
    FUZZ_CHECK(read_everything(&noting, 0, NOTING) == 0, "the heap is damaged before anything was done to it");
    FUZZ_CHECK(page_count < MOST_PAGES, "more than %d pages are read", MOST_PAGES);
    static uint64_t addresses[MOST_PAGES];
    for (unsigned i = 0; i < page_count; i++)
        addresses[i] = pages[i].address;
    image_rest_start(addresses, page_count);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input input = {.at = data, .left = size};
    if (page_count == 0)
        start();
    unsigned place = fuzz_word(&input);
    uint64_t salt = NOTING ^ place ^ (uint64_t)size << 3 ^ (size > 2 ? (uint64_t)data[size - 1] << 7 : 0);
    for (unsigned i = 0; i < MOST_PATCHES && !fuzz_ended(&input); i++)
        patch(&input);
    views = 0;
    struct pw_image image = {.root = &root, .view = view_copy};
    uint64_t faults = read_everything(&image, place, salt);
    FUZZ_CHECK(undo_count != 0 || faults == 0, "the heap is damaged, and nothing was done to it");
    while (undo_count > 0) {
        undo_count--;
        *undos[undo_count].at = undos[undo_count].before;
    }
    return 0;
}
