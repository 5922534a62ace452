/* map_count.h - private to os: how many mappings the system lets a process have. */
#ifndef PW_OS_MAP_COUNT_H
#define PW_OS_MAP_COUNT_H

#include "base/base.h"

/* vm.max_map_count, or Linux's default where it can't be read. */
uint32_t pw_os_max_map_count(void);

#endif
