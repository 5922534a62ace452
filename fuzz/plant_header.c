/* plant_header.c - finds the header of a block, for the one misuse that no pointer of a program reaches. */
#include "heap/heap.h"

#include "plant.h"

uint64_t *plant_header_word(const void *block)
{
    struct pw_block found = pw_heap_find((uint64_t)block);
    return found.region == NULL ? NULL : (uint64_t *)pw_region_word(found.region, found.granule);
}
