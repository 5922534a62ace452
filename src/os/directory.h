/* directory.h - what getdents64 gives; and the names in /proc that are numbers. */
#ifndef PW_OS_DIRECTORY_H
#define PW_OS_DIRECTORY_H

#include "base/base.h"

struct pw_os_directory_entry { /* linux_dirent64 */
    uint64_t inode;
    int64_t offset;
    uint16_t bytes; /* of the entry; the next one follows */
    uint8_t type;
    char name[];
};

/* The number that the name is; 0: it is none. */
PW_INLINE uint32_t pw_os_number_of_name(const char *name)
{
    uint32_t number = 0;
    for (; *name >= '0' && *name <= '9'; name++)
        number = number * 10 + (uint32_t)(*name - '0');
    return *name == '\0' ? number : 0;
}

#endif
