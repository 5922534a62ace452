/* leaks.h - the look for lost blocks, as front's other files use it. */
#ifndef PW_FRONT_LEAKS_H
#define PW_FRONT_LEAKS_H

#include "front/state.h"

/* With detect_leaks=1: look, report, and end the process with `exitcode` if there are any. From exit(). */
void pw_leaks_at_exit(const struct pw_call *call);
/* In the child of fork(): nobody else is looking. */
void pw_leaks_after_fork(void);

#endif
