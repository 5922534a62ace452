/*
 * corpus.h - small programs with one bug each, and a clean twin: CASE(name) with numbers n and d is one
 * program for each pair of them.
 *
 * What is to be found stands before each, for people and for `run`:
 *
 *   //@ kind=… relation=… offset=… [upto=…] size=… [access=…] n=1,2 d=1,2 [late] [open=…] [options=…]
 *
 * offset and size are Python's, over n and d (size of a leak: all bytes of it). In the code up to the
 * next such line, the comments ALLOC, FREE and ACCESS name the lines that the report is to name. late:
 * a store that may be found some time after, and then its own line can't be told; when a guard finds it
 * in the act, the line must be there, and the offset may be any of the loop's: less than upto.
 * open=WHY: not for one run at full, but for heapdump run --thorough. options: more of PWHEAP_CHECK.
 *
 * The clean twin has wrong false and d 0.
 */
#ifndef PW_TESTS_CORPUS_H
#define PW_TESTS_CORPUS_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <wchar.h>

#define CASE(name)                                                                                 \
    void name(size_t n, size_t d, bool wrong);                                                     \
    void name(size_t n, size_t d, bool wrong)

/* C++'s, which plain C has no header for. */
void *new_object(size_t size) __asm__("_Znwm");
void *new_array(size_t size) __asm__("_Znam");
void *new_aligned(size_t size, size_t align) __asm__("_ZnwmSt11align_val_t");
void delete_object(void *pointer) __asm__("_ZdlPv");
void delete_array(void *pointer) __asm__("_ZdaPv");
void delete_sized(void *pointer, size_t size) __asm__("_ZdlPvm");
void delete_array_sized(void *pointer, size_t size) __asm__("_ZdaPvm");
void delete_aligned(void *pointer, size_t align) __asm__("_ZdlPvSt11align_val_t");

/* What the compiler must not know, and what keeps blocks reachable. */
extern void *volatile kept[64];
extern volatile size_t sink;
extern char many[100000];
/* n blocks of that size come and go. */
void churn(size_t count, size_t size);
/* Run `body` in another thread, and wait. */
void in_thread(void *(*body)(void *), void *argument);
/* A file with `bytes` bytes of x and no newline among them. */
FILE *file_of(size_t bytes);
/* A descriptor with as much to read as anybody asks for. */
int endless(void);

#endif
