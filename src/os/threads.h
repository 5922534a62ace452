/* threads.h - private to os: the threads of this process, as /proc lists them. */
#ifndef PW_OS_THREADS_H
#define PW_OS_THREADS_H

#include "base/base.h"

/*
 * Call `visit` with the kernel's id of each thread until it returns false. False: it did, or /proc does not tell all of
 * them. Those that come or go meanwhile may be told or not.
 */
bool pw_os_each_thread(bool (*visit)(void *context, uint32_t thread), void *context);

#endif
