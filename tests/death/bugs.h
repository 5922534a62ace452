/*
 * bugs.h - the bugs of the death tests, each a function that is wrong or right in one place.
 *
 * A comment of capitals at the end of a line (ALLOC, FREE, HERE …) names the line for the expected
 * reports. Built with -O0 -g, and with every function exported, so that reports can name them.
 */
#ifndef PW_TESTS_DEATH_BUGS_H
#define PW_TESTS_DEATH_BUGS_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* `wrong`: make the mistake; else the same without it. Found by name, see main.c. */
#define BUG(name)                                                                                  \
    void name(bool wrong);                                                                         \
    void name(bool wrong)

/* C++'s and C23's, which plain C has no header for; the library has all of them. */
void *new_object(size_t size) __asm__("_Znwm") __attribute__((weak));
void *new_array(size_t size) __asm__("_Znam") __attribute__((weak));
void *new_aligned(size_t size, size_t align) __asm__("_ZnwmSt11align_val_t") __attribute__((weak));
void delete_object(void *pointer) __asm__("_ZdlPv") __attribute__((weak));
void delete_array(void *pointer) __asm__("_ZdaPv") __attribute__((weak));
void delete_sized(void *pointer, size_t size) __asm__("_ZdlPvm") __attribute__((weak));
void delete_array_sized(void *pointer, size_t size) __asm__("_ZdaPvm") __attribute__((weak));
void delete_aligned(void *pointer, size_t align) __asm__("_ZdlPvSt11align_val_t") __attribute__((weak));
void free_sized(void *pointer, size_t size) __attribute__((weak));
void free_aligned_sized(void *pointer, size_t align, size_t size) __attribute__((weak));
size_t pwheap_validate(void) __attribute__((weak));

/* Keeps blocks reachable, and the compiler from knowing anything. */
extern void *volatile kept[16];
/* `count` blocks of `size` bytes come and go. */
void churn(size_t count, size_t size);
/* Data that shows in pictures: 'a' 'b' 'c' … */
char *fill(void *block, size_t size);

#endif
