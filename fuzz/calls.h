/* calls.h - the operations of a program that allocate and release (calls.c, whole.c). Arguments: program.h. */
#ifndef PW_FUZZ_CALLS_H
#define PW_FUZZ_CALLS_H

#include "program.h"

void call_malloc(struct program *program);
void call_calloc(struct program *program);
void call_realloc(struct program *program);
void call_reallocarray(struct program *program);
void call_aligned(struct program *program);
void call_new(struct program *program);
void call_free(struct program *program);
void call_heap_malloc(struct program *program);
void call_impossible(struct program *program);
void call_fill_run(struct program *program);
void call_free_run(struct program *program);
void call_whole(struct program *program);

#endif
