/* header.c - damages the block table on purpose, found through the exported root. */
#include "bugs.h"
#include "image/slab.h"

extern struct pw_root pwheap_image_root __attribute__((weak));

static struct pw_region *region_of(void *block)
{
    struct pw_region *regions = (struct pw_region *)pwheap_image_root.regions;
    for (uint32_t i = 1; i < pwheap_image_root.region_count; i++) {
        uint64_t offset = (uint64_t)block - regions[i].base;
        if (regions[i].kind != PW_REGION_NONE && offset >> regions[i].shift < regions[i].granules)
            return &regions[i];
    }
    abort();
}

static uint32_t granule_of(void *block)
{
    struct pw_region *region = region_of(block);
    return (uint32_t)(((uint64_t)block - region->base) >> region->shift);
}

static struct pw_header *header_of(void *block)
{
    return (struct pw_header *)region_of(block)->headers + granule_of(block);
}

/* Of a block of a slab: the entry of its span, and the word that is its header. */
static struct pw_span *span_of(void *block)
{
    return (struct pw_span *)region_of(block)->spans + pw_span_of(granule_of(block));
}

static _Atomic uint64_t *word_of(void *block)
{
    uint32_t granule = granule_of(block);
    uint32_t index = pw_granule_index(span_of(block)->shape, granule);
    return (_Atomic uint64_t *)region_of(block)->headers + pw_span_slot(span_of(block), index);
}

static char *between(size_t size)
{
    kept[0] = malloc(size); // BEFORE
    char *block = malloc(size); // ALLOC
    kept[1] = malloc(size); // AFTER
    return fill(block, size);
}

BUG(header_word)
{
    char *block = between(200);
    if (wrong)
        *word_of(block) ^= 1;
    free(block); // HERE
}

BUG(header_size)
{
    char *block = between(6000);
    if (wrong)
        header_of(block)->size += 1;
    free(block); // HERE
}

BUG(header_slack)
{
    char *block = between(200);
    if (wrong)
        *word_of(block) ^= (uint64_t)8 << 48;
    free(block); // HERE
}

BUG(header_state)
{
    char *block = between(200);
    if (wrong)
        *word_of(block) ^= (uint64_t)(PW_STATE_LIVE ^ PW_STATE_CACHED) << 32;
    free(block); // HERE
}

BUG(header_previous)
{
    char *block = between(6000);
    if (wrong)
        header_of(block)->prev += 1;
    pwheap_validate(); // HERE
}

/* The same where the blocks before it are so plain that the validator hardly looks at them. */
BUG(header_previous_among_plain)
{
    for (int i = 3; i < 8; i++)
        kept[i] = malloc(6000);
    char *block = between(6000);
    if (wrong)
        header_of(block)->prev += 1;
    pwheap_validate(); // HERE
}

BUG(header_of_neighbour)
{
    char *block = between(200);
    if (wrong)
        *word_of(kept[1]) ^= (uint64_t)1 << 20;
    free(block); // HERE
}

BUG(header_start)
{
    char *block = between(6000);
    uint64_t *starts = (uint64_t *)region_of(block)->starts;
    if (wrong)
        starts[granule_of(block) / 64] &= ~((uint64_t)1 << granule_of(block) % 64);
    pwheap_validate(); // HERE
}

BUG(header_found_at_exit)
{
    char *block = between(6000);
    if (wrong)
        header_of(block)->size -= 1;
    exit(0);
}

BUG(mapped_size)
{
    char *block = malloc(30000); // ALLOC
    if (wrong)
        ((struct pw_extension *)(header_of(block) + 1))->requested = 60000;
    free(block); // HERE
}

BUG(mapped_size_smaller)
{
    char *block = malloc(30000); // ALLOC
    if (wrong)
        ((struct pw_extension *)(header_of(block) + 1))->requested = 29000;
    free(block); // HERE
}

/* The free block that is the first of its bin: lead it nowhere. */
BUG(bin_link)
{
    for (int i = 0; i < 16; i++)
        kept[i] = malloc(6000);
    struct pw_region *region = region_of(kept[0]);
    for (uint32_t granule = region->first; granule < region->limit;) {
        struct pw_header *header = (struct pw_header *)region->headers + granule;
        struct pw_free_links *links = (struct pw_free_links *)region->evidence + granule;
        if ((header->word >> 32 & 0xff) == PW_STATE_FREE && wrong) {
            links->previous = 12345;
            break;
        }
        granule += header->size;
    }
    pwheap_validate(); // HERE
}

BUG(bin_bit)
{
    struct pw_region *region = region_of(kept[0] = malloc(6000));
    struct pw_heap_image *heap =
        (struct pw_heap_image *)(pwheap_image_root.heaps + (uint64_t)region->heap * pwheap_image_root.heap_stride);
    if (wrong)
        memset(heap->bin_bitmap, 0, sizeof heap->bin_bitmap);
    pwheap_validate(); // HERE
}

/* What the blocks of a span have in common is damaged: none of them is found by it any more. */
BUG(span_shape)
{
    char *block = between(200);
    if (wrong)
        span_of(block)->shape += (uint64_t)16 << 32;
    free(block); // HERE
}

BUG(span_shape_found_by_validate)
{
    char *block = between(200);
    if (wrong)
        span_of(block)->shape ^= (uint64_t)1 << 5;
    pwheap_validate(); // HERE
    _Exit(0);
}

BUG(span_fresh)
{
    char *block = between(200);
    if (wrong)
        span_of(block)->fresh -= 1;
    pwheap_validate(); // HERE
}

BUG(span_count)
{
    char *block = between(200);
    if (wrong)
        span_of(block)->free += 1;
    pwheap_validate(); // HERE
}

/* The bitmap of free blocks says of one that is not that it is. */
BUG(span_bit)
{
    char *block = between(200);
    uint32_t granule = granule_of(block);
    uint32_t bit = pw_span_of(granule) * PW_SPAN_BLOCKS + pw_granule_index(span_of(block)->shape, granule);
    if (wrong)
        ((uint64_t *)region_of(block)->free_bits)[bit / 64] |= (uint64_t)1 << bit % 64;
    pwheap_validate(); // HERE
}

BUG(span_link)
{
    char *block = between(200);
    if (wrong)
        span_of(block)->next = 12345;
    pwheap_validate(); // HERE
}

BUG(span_head)
{
    struct pw_region *region = region_of(kept[0] = malloc(200));
    struct pw_heap_image *heap =
        (struct pw_heap_image *)(pwheap_image_root.heaps + (uint64_t)region->heap * pwheap_image_root.heap_stride);
    if (wrong)
        heap->spans[span_of(kept[0])->slab_class] = 54321;
    pwheap_validate(); // HERE
}
