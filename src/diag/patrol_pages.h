/*
 * patrol_pages.h - the patrol's second way (patrol_pages=1): what lies on the pages that were written since the
 * last round, whoever wrote them, instead of one block after the other. Where the kernel can't tell, nothing.
 */
#ifndef PW_DIAG_PATROL_PAGES_H
#define PW_DIAG_PATROL_PAGES_H

#include "image/image.h"

/* The next step; under the patrol's lock. True: *fault is filled. */
bool pw_patrol_pages_step(const struct pw_image *image, struct pw_fault *fault);
/* Rounds over all regions so far, and pages that were written in them. */
uint64_t pw_patrol_pages_rounds(uint64_t *pages);
void pw_patrol_pages_after_fork(void);

#endif
