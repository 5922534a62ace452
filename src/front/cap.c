/* cap.c - see cap.h */
#include "front/cap.h"

#include "base/text.h"
#include "diag/report.h"
#include "front/guarded/guarded.h"
#include "front/trim.h"
#include "os/process.h"

#include <errno.h>

enum {
    LARGE_BYTES = 64 << 10, /* allocations from here on are looked at one by one */
    SIXTEENTHS = 16,
};

_Atomic uint32_t pw_cap_step;
bool pw_cap_is_on;
_Atomic bool pw_cap_is_reached;

/* From so many sixteenths of the limit on each step is taken. */
static const struct step {
    uint32_t sixteenths;
    const char *words;
} steps[] = {
    [PW_CAP_NO_QUARANTINE] = {12, "freed blocks are used again at once from now on"},
    [PW_CAP_NO_STACKS] = {13, "of new blocks only the caller is kept, not the stack, from now on"},
    [PW_CAP_NO_GUARDS] = {14, "no more blocks get guard pages from now on"},
};

static uint64_t limit_bytes(void)
{
    return pw_options()->hard_rss_limit_mb << 20;
}

void pw_cap_start(void)
{
    pw_cap_is_on = limit_bytes() != 0;
}

/* Of what the level does not do anyway. */
static bool is_worth_telling(uint32_t step, bool had_guards)
{
    return step == PW_CAP_NO_GUARDS ? had_guards : pw_root.level >= PW_LEVEL_FULL;
}

static void tell(const char *what)
{
    char storage[256];
    struct pw_text text = pw_text_over(storage, sizeof storage);
    pw_text_str(&text, "memory is near hard_rss_limit_mb=");
    pw_text_dec(&text, pw_options()->hard_rss_limit_mb);
    pw_text_str(&text, ": ");
    pw_text_str(&text, what);
    pw_text_char(&text, '\0');
    pw_report_line(storage);
}

static bool is_over(uint64_t resident, uint64_t more, uint32_t sixteenths)
{
    uint64_t bound = limit_bytes() / SIXTEENTHS * sixteenths;
    return resident > bound || more > bound - resident;
}

/* Take the next step, if it is due: each thread that comes may take one, none is taken twice. */
static bool take_step(uint64_t resident, uint64_t more)
{
    uint32_t taken = atomic_load_explicit(&pw_cap_step, memory_order_relaxed);
    if (taken == PW_CAP_NO_GUARDS || !is_over(resident, more, steps[taken + 1].sixteenths))
        return false;
    if (!atomic_compare_exchange_strong(&pw_cap_step, &taken, taken + 1))
        return false;
    bool had_guards = pw_guards_are_on;
    if (taken + 1 == PW_CAP_NO_GUARDS)
        pw_guards_are_on = false;
    if (is_worth_telling(taken + 1, had_guards))
        tell(steps[taken + 1].words);
    return true;
}

static void tell_end(void)
{
    static _Atomic bool is_told;
    if (!atomic_exchange(&is_told, true))
        tell("an allocation fails for the first time");
}

void pw_cap_look(struct pw_cache *cache, uint64_t more, const struct pw_call *call)
{
    int saved_errno = errno;
    uint64_t resident = pw_os_resident_bytes();
    while (take_step(resident, more))
        ;
    bool is_reached = is_over(resident, more, SIXTEENTHS);
    if (is_reached) {
        (void)pw_trim_all(cache, call);
        is_reached = is_over(pw_os_resident_bytes(), more, SIXTEENTHS);
    }
    atomic_store_explicit(&pw_cap_is_reached, is_reached, memory_order_relaxed);
    errno = saved_errno;
}

bool pw_cap_allows(struct pw_cache *cache, uint64_t size, const struct pw_call *call)
{
    bool was_reached = atomic_load_explicit(&pw_cap_is_reached, memory_order_relaxed);
    if (!was_reached && size < LARGE_BYTES)
        return true;
    pw_cap_look(cache, size, call);
    /* A large one that does not fit says nothing of small ones. */
    bool is_reached = atomic_load_explicit(&pw_cap_is_reached, memory_order_relaxed);
    if (is_reached && size >= LARGE_BYTES)
        atomic_store_explicit(&pw_cap_is_reached, was_reached, memory_order_relaxed);
    if (is_reached)
        tell_end();
    return !is_reached;
}
