/* patrol.c - see patrol.h */
#include "diag/patrol.h"

#include "base/lock.h"
#include "diag/patrol_pages.h"

PW_WRITTEN_IN_FORK static struct pw_lock lock; /* guards the rest; the heap locks come after it */
static struct pw_validate_cursor cursor;
static uint64_t rounds;

bool pw_patrol_step(const struct pw_image *image, bool by_pages, struct pw_fault *fault)
{
    if (!pw_lock_try(&lock))
        return false;
    bool found = (by_pages && pw_patrol_pages_step(image, fault)) ||
                 pw_validate_step(image, &cursor, PW_PATROL_BLOCKS, PW_PATROL_BYTES, fault);
    if (cursor.is_done) {
        cursor = (struct pw_validate_cursor){.region = 0};
        rounds++;
    }
    pw_lock_release(&lock);
    return found;
}

uint64_t pw_patrol_rounds(void)
{
    return rounds;
}

void pw_patrol_after_fork(void)
{
    pw_lock_reset(&lock);
    pw_patrol_pages_after_fork();
}
