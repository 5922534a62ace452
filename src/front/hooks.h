/*
 * hooks.h - what the checks do to the bytes of the heap's blocks, by level: front weaves the two, which don't know of
 * each other. A header alone, so that tests of the heap have it as start-up has.
 */
#ifndef PW_FRONT_HOOKS_H
#define PW_FRONT_HOOKS_H

#include "check/poison.h"
#include "check/zone.h"
#include "heap/heap.h"

/* `fills_whole`: at full, freed blocks are filled to their ends, so that pieces of them need not be. */
PW_INLINE const struct pw_heap_hooks *pw_hooks_of(enum pw_level level, bool fills_whole)
{
    static const struct pw_heap_hooks off = {.cut = NULL};
    static const struct pw_heap_hooks fast = {.cut = pw_zone_cut,
                                              .joined = pw_zone_joined,
                                              .taken = pw_poison_taken,
                                              .renewed = pw_poison_renewed,
                                              .is_intact = pw_poison_is_intact,
                                              .is_untouched = pw_poison_is_untouched};
    static const struct pw_heap_hooks full = {.cut = pw_zone_cut,
                                              .joined = pw_zone_joined,
                                              .renewed = pw_poison_renewed,
                                              .is_untouched = pw_poison_is_untouched,
                                              .has_tail = pw_zone_has_tail,
                                              .fills_whole = true};
    static const struct pw_heap_hooks part = {.cut = pw_zone_cut,
                                              .joined = pw_zone_joined,
                                              .taken = pw_poison_taken_part,
                                              .renewed = pw_poison_renewed,
                                              .is_untouched = pw_poison_is_untouched};
    if (level == PW_LEVEL_OFF)
        return &off;
    return level == PW_LEVEL_FAST ? &fast : fills_whole ? &full : &part;
}

#endif
