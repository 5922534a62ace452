/* view.c - see view.h */
#include "trace/view.h"

#include "os/memory.h"

enum {
    WORD_BYTES = 8,
    PAGE_BYTES = 4096,   /* the smallest there is; where pages are larger we ask more often */
    GAP_BYTES = 1 << 20, /* a window grows over as much at once, for frames may be large */
    ADDRESS_BITS = 47,
};

static bool is_readable(uint64_t low, uint64_t high)
{
    return pw_os_is_readable((const void *)low, high - low);
}

/* Stretch the window to [low, high) if all that is new can be read, and it is not too far. */
static bool window_stretch(struct pw_window *window, uint64_t low, uint64_t high)
{
    uint64_t window_high = window->low + window->span + WORD_BYTES - 1;
    if (window->span == 0 || low > window_high + GAP_BYTES || high + GAP_BYTES < window->low)
        return false;
    if (low < window->low) {
        if (!is_readable(low, window->low))
            return false;
        window->span += window->low - low;
        window->low = low;
    }
    if (high > window_high) {
        if (!is_readable(window_high, high))
            return false;
        window->span += high - window_high;
    }
    return true;
}

/* Make others[index] the current window. */
static void window_choose(struct pw_view *view, size_t index, struct pw_window chosen)
{
    for (size_t i = index; i > 0; i--)
        view->others[i] = view->others[i - 1];
    view->others[0] = view->now;
    view->now = chosen;
}

bool pw_view_extend(struct pw_view *view, uint64_t address)
{
    if (address < PAGE_BYTES || address >> ADDRESS_BITS != 0)
        return false;
    for (size_t i = 0; i < PW_ARRAY_SIZE(view->others); i++) {
        struct pw_window window = view->others[i];
        if (address - window.low < window.span) {
            window_choose(view, i, window);
            return true;
        }
    }
    uint64_t low = PW_ALIGN_DOWN(address, (uint64_t)PAGE_BYTES);
    uint64_t high = PW_ALIGN_UP(address + WORD_BYTES, (uint64_t)PAGE_BYTES);
    if (window_stretch(&view->now, low, high))
        return true;
    if (!is_readable(low, high))
        return false;
    struct pw_window window = {.low = low, .span = high - low - (WORD_BYTES - 1)};
    window_choose(view, PW_ARRAY_SIZE(view->others) - 1, window);
    return true;
}
