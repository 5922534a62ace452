/* image_rest.h - what image.c's harness reads besides: roots, sites, and a core written of the image (image_rest.c). */
#ifndef PW_FUZZ_IMAGE_REST_H
#define PW_FUZZ_IMAGE_REST_H

#include "harness.h"
#include "image/image.h"

/* Once: the pages of the image, in any order. */
void image_rest_start(const uint64_t *pages, unsigned count);
/* Sites of all blocks; the ranges to be searched for pointers; `map` is that of struct pw_reach. */
void image_rest_search(const struct pw_image *image, void *(*map)(size_t bytes), uint64_t salt);
/* A core of the image, with contents or only the tables, by `salt`. */
void image_rest_write(const struct pw_image *image, uint64_t salt);

#endif
