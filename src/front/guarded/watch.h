/*
 * watch.h - the option watch=[THREAD/]NUMBER[+OFFSET|-OFFSET]: one byte in or around one block is
 * watched, and whoever writes it while nobody may is reported with the store as the first stack.
 *
 * The block is allocation NUMBER of a thread (as reports tell it). A byte outside of it is watched while it is
 * LIVE, one inside from its free on. By a hardware breakpoint; where there is none, the block gets guard
 * pages, with the watched side next to one.
 *
 * watch=SITE[+OFFSET|-OFFSET]: the same for a place that allocates (front/guarded/watch_site.h). All of its blocks get
 * guard pages, to the byte on that side; the newest of those that can't have any, the breakpoint.
 */
#ifndef PW_FRONT_WATCH_H
#define PW_FRONT_WATCH_H

#include "front/state.h"

#include <signal.h>

/* True while the block that is to be watched may still come, or is there. */
extern bool pw_watch_is_on __attribute__((visibility("hidden")));

/* Read the option; at start-up, before the first block. */
void pw_watch_start(void);
/* Say why nothing is watched, if it was asked for; as soon as reports are set up. */
void pw_watch_tell(void);
/* Is this thread's next allocation, by that stack, to be guarded? `is_right`: which side is exact. */
bool pw_watch_wants_guard(const struct pw_cache *cache, uint32_t stack, bool *is_right);
/* A block has become LIVE; the thread is entered and holds no lock. */
void pw_watch_acquired(const struct pw_cache *cache, void *block, size_t size, uint32_t stack);
/* A block is about to lose its contents; and it was freed, what it holds is complete. */
void pw_watch_releasing(const void *block);
void pw_watch_released(const void *block);
/* A SIGTRAP that is the breakpoint's; false: it is not. */
bool pw_watch_trapped(const siginfo_t *info, void *context);
/* At exit, or at an error that ends the program: say so when the block never came. */
void pw_watch_end(void);

#endif
