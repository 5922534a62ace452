/* mappings.h - private to os: how many mappings the system lets a process have, and holes among them. */
#ifndef PW_OS_MAPPINGS_H
#define PW_OS_MAPPINGS_H

#include "base/base.h"

/* vm.max_map_count as pw_os_know_limits read it, or Linux's default. */
uint32_t pw_os_max_map_count(void);

/* Map what is unmapped of a range, by halves; what another thread mapped there meanwhile stays its. */
void pw_os_close_holes(void *start, size_t bytes);

#endif
