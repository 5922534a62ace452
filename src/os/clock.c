/* clock.c - time, and the numbers that nobody can foretell. */
#include "os/process.h"

#include "base/random.h"

#include <errno.h>
#include <sys/auxv.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#ifndef GRND_NONBLOCK
#define GRND_NONBLOCK 1
#endif

static uint64_t clock_ns(clockid_t clock)
{
    int saved_errno = errno;
    struct timespec now = {0, 0};
    (void)clock_gettime(clock, &now);
    errno = saved_errno;
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

uint64_t pw_os_time_ns(void)
{
    return clock_ns(CLOCK_MONOTONIC);
}

uint64_t pw_os_wall_time_ns(void)
{
    return clock_ns(CLOCK_REALTIME);
}

/* Early in the boot, or where the call is forbidden: the clock, the stack, the kernel's own 16 bytes. */
static uint64_t entropy_from_elsewhere(void)
{
    uint64_t state = pw_os_time_ns();
    uint64_t mixed = pw_random_next(&state) ^ (uint64_t)(uintptr_t)&state;
    const unsigned char *random = (const unsigned char *)getauxval(AT_RANDOM);
    state ^= mixed;
    for (size_t i = 0; random != NULL && i < 16; i++) {
        state ^= random[i];
        mixed ^= pw_random_next(&state);
    }
    return mixed;
}

uint64_t pw_os_entropy(void)
{
    int saved_errno = errno;
    uint64_t value;
    if (syscall(SYS_getrandom, &value, sizeof value, GRND_NONBLOCK) != (long)sizeof value)
        value = entropy_from_elsewhere();
    errno = saved_errno;
    return value;
}
