/* statistics.h - the heap in figures, by a walk. */
#ifndef PW_FRONT_STATISTICS_H
#define PW_FRONT_STATISTICS_H

#include "base/text.h"
#include "pwheap/pwheap.h"

/* Not signal-safe; takes the heaps' locks in turn. */
void pw_statistics(struct pwheap_statistics *statistics);
/* The figures as lines of text. */
void pw_statistics_text(const struct pwheap_statistics *statistics, struct pw_text *text);
/* To where reports go, by the options print_stats and atexit. */
void pw_print_statistics(void);
void pw_print_statistics_at_exit(void);

#endif
