/*
 * own_calls.h - included before everything else in every file of the library: what it calls memcpy is
 * pw_own_memcpy to the assembler, also where the compiler makes up the call.
 *
 * The preloaded library provides memcpy and its like to the program (front/libc) and looks at what
 * it is given; the library itself must not come that way, for it holds locks and works on the very
 * blocks that are looked at. A name that the library comes to use and that front/libc/list.h has is to
 * be added here (tests/own_calls.sh says which is missing).
 */
#ifndef PW_BASE_OWN_CALLS_H
#define PW_BASE_OWN_CALLS_H

__asm__("bcmp = pw_own_memcmp"); /* clang makes it of memcmp */
__asm__("memchr = pw_own_memchr");
__asm__("memcmp = pw_own_memcmp");
__asm__("memcpy = pw_own_memcpy");
__asm__("memmove = pw_own_memmove");
__asm__("memrchr = pw_own_memrchr");
__asm__("memset = pw_own_memset");
__asm__("strchr = pw_own_strchr");
__asm__("strchrnul = pw_own_strchrnul");
__asm__("strcmp = pw_own_strcmp");
__asm__("strlen = pw_own_strlen");
__asm__("strncmp = pw_own_strncmp");
__asm__("strnlen = pw_own_strnlen");
__asm__("strrchr = pw_own_strrchr");
__asm__("strstr = pw_own_strstr");
__asm__("write = pw_own_write");

#endif
