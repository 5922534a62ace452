/* place.h - what an address is that is no block's: for who gave it to free. */
#ifndef PW_FRONT_PLACE_H
#define PW_FRONT_PLACE_H

#include "base/text.h"

/*
 * Append "the stack of thread T1 (name)", "the data of libfoo.so: a global or static variable", "a mapping of
 * file.txt" and the like, or nothing where nobody knows. Reads /proc/self/maps; takes no lock, allocates nothing.
 */
void pw_place_write(struct pw_text *text, uint64_t address);

#endif
