/* patrol.c - see patrol.h */
#include "diag/patrol.h"

#include "base/lock.h"

PW_WRITTEN_IN_FORK static struct pw_lock lock; /* guards the rest; the heap locks come after it */
static struct pw_validate_cursor cursor;
static uint64_t rounds;

bool pw_patrol_step(const struct pw_image *image, struct pw_fault *fault)
{
    if (!pw_lock_try(&lock))
        return false;
    bool found = pw_validate_step(image, &cursor, PW_PATROL_BLOCKS, PW_PATROL_BYTES, fault);
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
}
