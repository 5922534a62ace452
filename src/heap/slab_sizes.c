/* slab_sizes.c - the sizes of slabs' blocks, and the classes that number all sizes. See slab.h. */
#include "heap/slab.h"

enum {
    FINE_BYTES = 512,    /* sizes in steps of 16 bytes, above … */
    MIDDLE_BYTES = 1024, /* … of 32, above what divides a span */
};

uint16_t pw_class_table[PW_CLASS_UNITS + 1];
uint16_t pw_class_bytes[PW_CLASSES + 1];
_Static_assert(PW_SLAB_SIZES <= PW_SLAB_CLASSES, "a list each");

static uint32_t next_size(uint32_t bytes)
{
    if (bytes < FINE_BYTES)
        return bytes + 16;
    if (bytes < MIDDLE_BYTES)
        return bytes + 32;
    uint32_t count = (PW_SPAN_BYTES - PW_SPAN_FRONT_BYTES) / (bytes + 64);
    return PW_ALIGN_DOWN((PW_SPAN_BYTES - PW_SPAN_FRONT_BYTES) / count, 64u);
}

void pw_slab_init(void)
{
    uint32_t block_class = PW_GRANULE_SIZES, unit = 0;
    for (uint32_t bytes = PW_SLAB_MIN_BYTES; bytes <= PW_SLAB_MAX_BYTES; bytes = next_size(bytes)) {
        ENSURE(block_class < PW_CLASSES);
        pw_class_bytes[++block_class] = (uint16_t)bytes;
        for (; unit <= bytes / 16; unit++)
            pw_class_table[unit] = (uint16_t)block_class;
    }
    ENSURE(block_class == PW_CLASSES);
    for (uint32_t granules = 1; granules <= PW_GRANULE_SIZES; granules++)
        pw_class_bytes[granules] = (uint16_t)(granules << PW_GRANULE_SHIFT);
    for (; unit <= PW_CLASS_UNITS; unit++)
        pw_class_table[unit] = (uint16_t)pw_granules_of(unit * 16);
}

uint32_t pw_class_aligned(uint64_t bytes, uint64_t align)
{
    uint32_t block_class = pw_class_for(bytes);
    while (pw_class_bytes[block_class] % align != 0)
        block_class++; /* the last of the slabs' sizes is a multiple of 64 */
    return block_class;
}
