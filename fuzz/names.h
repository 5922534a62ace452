/* names.h - operator new and delete by their mangled names, and calls that no header declares, for C. */
#ifndef PW_FUZZ_NAMES_H
#define PW_FUZZ_NAMES_H

#include <stddef.h>

void *new_one(size_t size) __asm__("_Znwm");
void *new_array(size_t size) __asm__("_Znam");
void *new_quiet(size_t size, const char *tag) __asm__("_ZnwmRKSt9nothrow_t");
void *new_array_quiet(size_t size, const char *tag) __asm__("_ZnamRKSt9nothrow_t");
void *new_aligned_quiet(size_t size, size_t align, const char *tag) __asm__("_ZnwmSt11align_val_tRKSt9nothrow_t");
void delete_one(void *block) __asm__("_ZdlPv");
void delete_array(void *block) __asm__("_ZdaPv");
void delete_sized(void *block, size_t size) __asm__("_ZdlPvm");
void delete_array_sized(void *block, size_t size) __asm__("_ZdaPvm");
void delete_aligned(void *block, size_t align) __asm__("_ZdlPvSt11align_val_t");
void free_sized(void *block, size_t size);
void free_aligned_sized(void *block, size_t align, size_t size);
void cfree(void *block);

/* os/memory.h: calls that map memory fail from now on (0, 0: no more). */
void pw_os_fail_next(unsigned long n, unsigned long every);

#endif
