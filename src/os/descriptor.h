/* descriptor.h - private to os: descriptors that stay open in the program, out of the way of its own. */
#ifndef PW_OS_DESCRIPTOR_H
#define PW_OS_DESCRIPTOR_H

#include "base/base.h"

#include <fcntl.h>
#include <unistd.h>

/* The same at a number of at least `least`, close-on-exec; as it is where there is no room, or it is none. */
PW_INLINE int pw_os_move_up(int fd, int least)
{
    int high = fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, least);
    if (high < 0)
        return fd;
    (void)close(fd);
    return high;
}

#endif
