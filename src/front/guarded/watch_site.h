/*
 * watch_site.h - a place that allocates, by the words of the option watch: a function's name (of C++ without
 * its classes and arguments, or as its symbol), or OBJECT+0xOFFSET as a report writes a frame.
 */
#ifndef PW_FRONT_WATCH_SITE_H
#define PW_FRONT_WATCH_SITE_H

#include "base/base.h"

/* Take the first `length` characters of `words` for the place; once, at start-up. False: they name none. */
bool pw_watch_site_set(const char *words, size_t length);
/* The words, ended by a zero; "": none was set. */
const char *pw_watch_site_words(void);
/* Is the place among the innermost frames of a stack of the depot? Any thread; takes no lock. */
bool pw_watch_site_is(uint32_t stack);

#endif
