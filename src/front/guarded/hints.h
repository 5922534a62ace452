/*
 * hints.h (front) - the option hints=FILE: sites with evidence against them are written to it when damage
 * is found, and read at start-up; their blocks get guards from the first on.
 */
#ifndef PW_FRONT_HINTS_H
#define PW_FRONT_HINTS_H

#include "base/base.h"

#include <stdatomic.h>

/* Read the file, if the option names one; at start-up. */
void pw_hints_start(void);
/* A site is met for the first time: is it one of the file's? Then it is marked so. `stack`: its id. */
void pw_hints_meet(uint32_t stack, _Atomic uint32_t *site);
/* Damage was found at the site of this stack: note it in the file, once. Async-signal-safe. */
void pw_hints_note(uint32_t stack);

#endif
