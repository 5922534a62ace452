/*
 * scan.h - the quick half of validation: says of most blocks in a few loads that they are plainly
 * fine. Of those it can't say it of, nothing follows: diagnose.c has the word.
 */
#ifndef PW_IMAGE_SCAN_H
#define PW_IMAGE_SCAN_H

#include "image/image.h"

enum { PW_SCAN_HEADERS = PW_VIEW_MAX / sizeof(struct pw_header) };

/* A window over the headers of a region, and what the last block was. Start with pw_scan_start. */
struct pw_scan {
    const struct pw_header *headers; /* the window: PW_SCAN_HEADERS from `first` on; NULL: none */
    uint32_t first;
    uint32_t starts_at; /* the granule that bit 0 of `starts` is for; 1: none read yet */
    uint64_t starts;    /* a word of the bitmap of starts */
    uint32_t last_end;  /* granule where the last block that was fine ended; 0: none */
    uint32_t last_size; /* its size */
    char scratch[PW_VIEW_MAX];
};

/* Begin anew: nothing read, no last block. */
void pw_scan_start(struct pw_scan *scan);

/*
 * The size in granules of the block at `granule` if its header, its bit among the starts, its link to
 * the block before and its patterns are plainly right; else 0. FREE blocks and those of page regions are never plain.
 */
uint32_t pw_scan_block(const struct pw_image *image, const struct pw_region *region,
                       struct pw_scan *scan, uint32_t granule);

#endif
