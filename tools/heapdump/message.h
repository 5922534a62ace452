/*
 * message.h - what heapdump tells a person on stderr, each line with "heapdump: " before it.
 *
 * A message names what can't be done and, where there is one, the way round.
 */
#ifndef PW_HEAPDUMP_MESSAGE_H
#define PW_HEAPDUMP_MESSAGE_H

#include <stdbool.h>

/* A line on stderr. Ends a progress bar that stands there first. */
void message(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The process's progress bar, 0 to 1; shown on a terminal once it has taken a second. */
void progress_start(const char *what);
/* True when progress_set would show something: for who has to work for the fraction. */
bool progress_is_due(void);
void progress_set(double fraction);
void progress_end(void);

#endif
