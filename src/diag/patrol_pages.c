/*
 * patrol_pages.c - see patrol_pages.h
 *
 * A round asks for the written pages of one part of one region after the other and checks the blocks on them, a
 * little in each step; then it rests for so long that the rounds stay a small share: for what was written has
 * its price too, a fault of the kernel's at the first write to each page. What was there before a region was
 * watched is left to the other way, which goes on beside this one; and so are headers, whose tables aren't watched.
 */
#include "diag/patrol_pages.h"

#include "os/process.h"
#include "os/written.h"

enum {
    PART_BYTES = 128 << 20, /* of a region that are asked for at once: less than 100 us */
    RANGES = 64,
    STEP_BLOCKS = 64,
    STEP_BYTES = 16384,
    REST_STEPS = 64,    /* at least, between two rounds */
    STEPS_A_PAGE = 2,   /* and for each that is written in every round, whose first write costs 2 us */
    STEP_NS = 20 * 1000, /* what a step's allocations take, rather less */
    SHARE = 50,         /* of the time, one in so many for the asking */
    MOST_OPENINGS = 8,
    MOST_REST = 1 << 16,    /* for that: the thread may have waited for its turn */
    REST_WITHOUT = 1 << 20, /* where it can't be had */
};

static struct {
    struct pw_os_pages ranges[RANGES]; /* that were written, and are to be checked */
    uint32_t count, next;
    struct pw_validate_cursor cursor; /* in the range before `next`; region 0: none is begun */
    uint32_t cursor_end;              /* granule */
    uint32_t region;                  /* the next question's region, 0: the round has not begun */
    uint64_t asked_to;                /* bytes of it */
    uint64_t asking_ns, pages;        /* of this round */
    uint64_t last_pages;              /* of the one before */
    uint64_t rest;                    /* steps to go */
    uint64_t rounds, all_pages;
    uint32_t openings;
    bool is_open;
} state;

static bool is_watchable(const struct pw_region *region)
{
    return region->kind == PW_REGION_SLABS || region->kind == PW_REGION_SMALL || region->kind == PW_REGION_PAGES;
}

/* After the program closed our descriptors anew, but not for ever. */
static bool open_descriptors(void)
{
    if (!state.is_open && state.openings < MOST_OPENINGS && pw_os_written_open()) {
        state.openings++;
        state.is_open = true;
    }
    return state.is_open && pw_os_written_open(); /* not in a child that no handler was told of */
}

/* Watch a region: what is there counts as written, once. */
static bool begin_to_watch(uint64_t base, uint64_t end)
{
    uint64_t at = base, walked;
    if (!pw_os_written_watch(base, end))
        return false;
    for (; at < end; at = walked)
        if (pw_os_written_take(at, end, state.ranges, RANGES, &walked) < 0 || walked <= at)
            return false;
    return true;
}

/* Ask for the next part of a region; false: it can't be watched. */
static bool ask(const struct pw_region *region)
{
    uint64_t end = region->base + ((uint64_t)region->granules << region->shift);
    uint64_t from = region->base + state.asked_to, walked;
    uint64_t to = end - from > PART_BYTES ? from + PART_BYTES : end;
    int64_t count = pw_os_written_take(from, to, state.ranges, RANGES, &walked);
    if (count < 0 && !begin_to_watch(region->base, end))
        return false;
    state.count = count < 0 ? 0 : (uint32_t)count;
    state.next = 0;
    state.asked_to = count < 0 || walked >= end ? 0 : walked - region->base;
    for (uint32_t i = 0; i < state.count; i++)
        state.pages += (state.ranges[i].end - state.ranges[i].start) >> PW_PAGE_SHIFT;
    return true;
}

static void end_round(void)
{
    uint64_t again = state.pages < state.last_pages ? state.pages : state.last_pages;
    uint64_t for_asking = state.asking_ns * SHARE / STEP_NS;
    state.rest = REST_STEPS + again * STEPS_A_PAGE + (for_asking < MOST_REST ? for_asking : MOST_REST);
    state.last_pages = state.pages;
    state.rounds++;
    state.all_pages += state.pages;
    state.pages = state.asking_ns = 0;
    state.region = 0;
}

/* Find something to check; nothing may be there to find yet. */
static void look_for_pages(const struct pw_image *image)
{
    uint32_t count = atomic_load_explicit(&image->root->region_count, memory_order_acquire);
    if (state.region == 0 && !open_descriptors()) {
        state.rest = REST_WITHOUT;
        return;
    }
    state.region += state.region == 0;
    for (; state.region < count && state.region < PW_MAX_REGIONS; state.region++, state.asked_to = 0) {
        struct pw_region region;
        if (!pw_image_region(image, state.region, &region) || !is_watchable(&region) ||
            state.asked_to >= (uint64_t)region.granules << region.shift)
            continue;
        uint64_t start = pw_os_time_ns();
        bool is_told = ask(&region);
        state.asking_ns += pw_os_time_ns() - start;
        if (!is_told) {
            state.is_open = false;
            pw_os_written_close();
            break;
        }
        state.region += state.asked_to == 0;
        return;
    }
    end_round();
}

/* Set the cursor to the first block on the next range. */
static void begin_range(const struct pw_image *image)
{
    struct pw_os_pages range = state.ranges[state.next++];
    uint32_t index = pw_image_find_region(image, range.start);
    struct pw_region region;
    state.cursor = (struct pw_validate_cursor){.region = 0};
    if (index == 0 || !pw_image_region(image, index, &region) || !is_watchable(&region))
        return;
    uint32_t granule = (uint32_t)((range.start - region.base) >> region.shift);
    state.cursor_end = (uint32_t)((range.end - 1 - region.base) >> region.shift);
    if (region.kind != PW_REGION_SLABS)
        granule = granule <= region.first ? region.first : pw_image_find_start(image, &region, granule);
    state.cursor.granule = granule;
    state.cursor.region = index;
}

static bool check_some(const struct pw_image *image, struct pw_fault *fault)
{
    uint32_t index = state.cursor.region;
    bool found = pw_validate_step(image, &state.cursor, STEP_BLOCKS, STEP_BYTES, fault);
    /* Behind its last block a region's cursor is at the next one. */
    if (state.cursor.is_done || state.cursor.region != index || state.cursor.granule > state.cursor_end)
        state.cursor = (struct pw_validate_cursor){.region = 0};
    return found;
}

bool pw_patrol_pages_step(const struct pw_image *image, struct pw_fault *fault)
{
    if (state.cursor.region != 0)
        return check_some(image, fault);
    if (state.next < state.count)
        begin_range(image);
    else if (state.rest > 0)
        state.rest--;
    else
        look_for_pages(image);
    return false;
}

uint64_t pw_patrol_pages_rounds(uint64_t *pages)
{
    *pages = state.all_pages;
    return state.rounds;
}

void pw_patrol_pages_after_fork(void)
{
    if (state.openings == 0)
        return;
    pw_os_written_close();
    __builtin_memset(&state, 0, sizeof state);
}
