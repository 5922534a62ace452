/*
 * scan.h - the quick half of validation: says of most blocks in a few loads that they are plainly
 * fine. Of those it can't say it of, nothing follows: diagnose.c has the word.
 */
#ifndef PW_IMAGE_SCAN_H
#define PW_IMAGE_SCAN_H

#include "image/image.h"
#include "image/seal.h"

enum { PW_SCAN_HEADERS = PW_VIEW_MAX / sizeof(struct pw_header), PW_SCAN_WORDS = 64 };

/*
 * Windows over the headers of a region and the bitmap of starts, and what the last block was. Start
 * with pw_scan_start.
 */
struct pw_scan {
    const struct pw_header *headers; /* the window: PW_SCAN_HEADERS from `first` on; NULL: none */
    uint32_t first;
    const uint64_t *starts; /* the window: PW_SCAN_WORDS from `first_word` on; NULL: none */
    uint32_t first_word;
    uint32_t last_end;  /* granule where the last block that was fine ended; 0: none */
    uint32_t last_size; /* its size */
    struct pw_scan_scratch *scratch;
};

/* What windows are copied to, where they are. */
struct pw_scan_scratch {
    struct pw_header headers[PW_SCAN_HEADERS];
    uint64_t starts[PW_SCAN_WORDS];
};

/* Begin anew: nothing read, no last block. `scratch` is PW_IMAGE_SCRATCH of that size. */
void pw_scan_start(struct pw_scan *scan, struct pw_scan_scratch *scratch);

/*
 * The size in granules of the block at `granule` if its header, its link to the block before, its bits
 * in the bitmap of starts and its patterns are plainly right; else 0. FREE blocks, those of more than
 * 4 KiB and those of page regions are never plain.
 */
uint32_t pw_scan_block(const struct pw_image *image, const struct pw_region *region,
                       struct pw_scan *scan, uint32_t granule);

/*
 * What lies in a small block with these (sound) fields is plainly right: zone, or poison. False: it
 * isn't, or that takes longer to say.
 */
bool pw_scan_content(const struct pw_image *image, uint64_t address, uint64_t bytes,
                     struct pw_fields fields);

#endif
