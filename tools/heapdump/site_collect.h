/*
 * site_collect.h - sum up a target's chosen blocks by allocation stack, and the shapes that other programs
 * read: folded stacks, pprof's profile, speedscope's JSON.
 *
 * Frames are written from the outside in where a format wants a call path; inlined functions are frames.
 */
#ifndef PW_HEAPDUMP_SITE_COLLECT_H
#define PW_HEAPDUMP_SITE_COLLECT_H

#include "block_filter.h"
#include "sites.h"

/* Adds every block that the filter takes to `sites`. Returns the number of damaged headers. */
uint64_t sites_collect(struct sites *sites, struct target *target, struct places *places,
                       struct block_filter *filter);

/* What is made of sites that are sorted. */
struct site_output {
    struct target *target;
    struct places *places;
    const struct sites *sites;
    bool has_stacks; /* the table shows them whole */
    bool by_blocks; /* the weight is blocks, not bytes */
    uint64_t limit; /* of sites shown */
};

void sites_write_table(const struct site_output *output);
void sites_write_tree(const struct site_output *output);
void sites_write_json(const struct site_output *output);
/* "outer;inner WEIGHT" a line: flamegraph.pl, inferno, speedscope. */
void sites_write_folded(const struct site_output *output, FILE *out);
/* https://www.speedscope.app/file-format-schema.json */
void sites_write_speedscope(const struct site_output *output, FILE *out);
/* profile.proto, compressed. False: it can't be written. */
bool sites_write_pprof(const struct site_output *output, FILE *out);

/* A frame in one word: the function; else module+offset. Until the next call. */
const char *site_frame_name(const struct spot *spot, const struct place *place);

#endif
