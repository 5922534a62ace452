/* mappings.h - private to os: how many mappings the system lets a process have, the library's share, and holes among them. */
#ifndef PW_OS_MAPPINGS_H
#define PW_OS_MAPPINGS_H

#include "base/base.h"

#include <stdatomic.h>

/* vm.max_map_count as pw_os_know_limits read it, or Linux's default. */
uint32_t pw_os_max_map_count(void);

/*
 * What costs the program mappings is counted in `used`, which stays below one in `share` of all that the process may have.
 * False: it would not, and nothing is counted.
 */
bool pw_os_take_mapping(_Atomic uint32_t *used, uint32_t share);
/* Never below zero, whatever parts of what was counted as one are given back one by one. */
void pw_os_give_mapping(_Atomic uint32_t *used);

/* Map what is unmapped of a range, by halves; what another thread mapped there meanwhile stays its. */
void pw_os_close_holes(void *start, size_t bytes);

#endif
