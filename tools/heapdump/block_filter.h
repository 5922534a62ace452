/*
 * block_filter.h - the options that choose blocks, the same for every command that goes through them.
 */
#ifndef PW_HEAPDUMP_BLOCK_FILTER_H
#define PW_HEAPDUMP_BLOCK_FILTER_H

#include "places.h"

#include <argp.h>
#include <regex.h>

struct block_filter {
    uint32_t states; /* a bit for each of the state names, see block_filter.c; 0: any */
    uint64_t least_size, most_size;     /* bytes as requested */
    uint64_t least_number, most_number; /* allocation number in its thread */
    uint64_t heap;                      /* UINT64_MAX: any */
    const char *thread;                 /* "T3", a kernel id or a name; NULL: any */
    const char *site;                   /* regular expression; NULL: any */
    const char *family;                 /* NULL: any */
    bool has_numbers;
    regex_t expression;
    struct stack_verdicts *verdicts; /* of stacks seen so far */
    uint32_t thread_ordinal;         /* UINT32_MAX: the thread isn't there; of `thread` */
};

/*
 * `children` of a command's struct argp. The first's input is its struct block_filter, which block_filter_init has
 * filled, the second's its struct command_line.
 */
extern const struct argp_child block_filter_children[];
struct block_filter block_filter_init(void);
/* Choose LIVE blocks unless a state was asked for. */
void block_filter_default_live(struct block_filter *filter);
/* Once the target is open: looks up the thread. */
void block_filter_bind(struct block_filter *filter, struct target *target);
void block_filter_free(struct block_filter *filter);

bool block_filter_takes(struct block_filter *filter, struct target *target, struct places *places,
                        const struct pw_block_info *block);

#endif
