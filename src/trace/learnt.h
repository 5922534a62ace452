/*
 * learnt.h - what children of fork found out, for those that come after them.
 *
 * A fork server's children all come to the same calls, each for the first time: of each the rule (rules.h) would be read
 * out of the unwind information once a child, in pages that nobody else comes to. So a process that forks again and again
 * shares a page with its children, where they note the addresses; before the next fork it finds the rules for them itself.
 *
 * A child may write there what it likes, as it may be fuzzed: an address is all that is taken from it, and that which
 * is no code has no rule.
 */
#ifndef PW_TRACE_LEARNT_H
#define PW_TRACE_LEARNT_H

#include "base/base.h"

enum { PW_LEARNT_FORKS = 3, PW_LEARNT_PLACES = 511 };

/* In a process about to fork; from the PW_LEARNT_FORKS'th time on. No lock is held. */
void pw_learnt_before_fork(void);
/* In the child. */
void pw_learnt_after_fork(void);
/* An address whose rule was not known. */
void pw_learnt_tell(uint64_t pc);

#endif
