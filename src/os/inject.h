/*
 * inject.h - private to os: the gate that every call of memory.h that can fail goes through first.
 */
#ifndef PW_OS_INJECT_H
#define PW_OS_INJECT_H

#include "base/base.h"

/* Counts the call. True: fail it, without a side effect (pw_os_fail_next). */
bool pw_os_call_fails(void);

#endif
