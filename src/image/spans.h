/*
 * spans.h - slab regions of an image: what image.c, inspect.c, diagnose.c and validate.c ask of them.
 * Inside image only; others go through image.h, where a region is a region.
 */
#ifndef PW_IMAGE_SPANS_H
#define PW_IMAGE_SPANS_H

#include "image/image.h"
#include "image/slab.h"

/*
 * Copy the entry of a span. True: it is sealed and makes sense. False: it is damaged, and *span says what
 * could be recovered of shape and fresh.
 */
bool pw_image_span(const struct pw_image *image, const struct pw_region *region, uint32_t number,
                   struct pw_span *span);

/* As pw_image_next_start, pw_image_find_start and pw_image_header (word, size, prev and place only). */
uint32_t pw_spans_next_start(const struct pw_image *image, const struct pw_region *region,
                             uint32_t granule);
uint32_t pw_spans_find_start(const struct pw_image *image, const struct pw_region *region,
                             uint32_t granule);
bool pw_spans_header(const struct pw_image *image, const struct pw_region *region, uint32_t granule,
                     struct pw_header_copy *header);

/* Whether the bitmap says that the block that starts at `granule` is FREE. */
bool pw_spans_free_bit(const struct pw_image *image, const struct pw_region *region, uint32_t granule);
/* The lot that the region's table of places has a span's start with; false: it can't be read. */
bool pw_spans_places(const struct pw_image *image, const struct pw_region *region, uint32_t number, uint16_t *places);

/* The rule that a span's entry, its bitmap or its links break, or NULL. */
const char *pw_spans_broken_rule(const struct pw_image *image, const struct pw_region *region,
                                 uint32_t index, uint32_t number);
/* The rule that head `which` (a size's, or PW_SLAB_CLASSES: of the spans of no size) of a heap breaks, or NULL. */
const char *pw_spans_broken_head(const struct pw_image *image, const struct pw_heap_image *heap,
                                 uint32_t heap_index, uint32_t which);

/*
 * As pw_validate_step for a slab region, whose heap's lock is held, from cursor->granule on; at the
 * region's end it is set to 0. *blocks and *bytes are what may still be looked at. True: *fault is
 * filled.
 */
bool pw_validate_slabs(const struct pw_image *image, const struct pw_region *region,
                       struct pw_validate_cursor *cursor, uint64_t *blocks, uint64_t *bytes,
                       struct pw_fault *fault);

#endif
