/* pointers.c - see pointers.h */
#include "pointers.h"

#include <inttypes.h>
#include <stdlib.h>

enum { MOST_LINKS = 1000 };

/* ---- looking ---- */

static void note_found(void *context, uint64_t place, uint32_t index)
{
    struct pointers *pointers = context;
    if (pw_reach_block(&pointers->reachable.reach, index)->address != pointers->block.address)
        return;
    pointers->total++;
    if (pointers->found_count >= pointers->limit)
        return;
    if (pointers->found_count == pointers->found_capacity) {
        pointers->found_capacity = 2 * pointers->found_capacity + 64;
        pointers->found = heapdump_grow(pointers->found, pointers->found_capacity, sizeof *pointers->found);
    }
    pointers->found[pointers->found_count++] = place;
}

static uint32_t index_of_block(const struct pointers *pointers)
{
    const struct pw_reach *reach = &pointers->reachable.reach;
    uint32_t index = pw_reach_find(reach, pointers->block.address);
    bool is_it = index != PW_REACH_NO_BLOCK && pw_reach_block(reach, index)->address == pointers->block.address;
    return is_it ? index : PW_REACH_NO_BLOCK;
}

bool pointers_search(struct pointers *pointers)
{
    struct reachable *reachable = &pointers->reachable;
    reachable->reach.found = note_found;
    reachable->reach.context = pointers;
    reachable->reach.dead = pointers->block.address; /* also of a freed one: who still has its address? */
    if (!reachable_search(reachable))
        return false;
    pointers->index = index_of_block(pointers);
    return true;
}

void pointers_free(struct pointers *pointers)
{
    reachable_close(&pointers->reachable);
    free(pointers->found);
    pointers->found = NULL;
}

/* Places from the block back to where the chain begins: how many, into `chain`. */
static size_t find_chain(struct pointers *pointers, uint64_t chain[MOST_LINKS])
{
    struct pw_reach *reach = &pointers->reachable.reach;
    uint32_t index = pointers->index;
    size_t count = 0;
    while (count < MOST_LINKS) {
        uint64_t place = pw_reach_block(reach, index)->place;
        chain[count++] = place;
        struct place_info info = reachable_place(&pointers->reachable, place);
        if (info.kind != PLACE_IN_BLOCK)
            break;
        index = info.block;
    }
    return count;
}

static const char *mark_text(uint32_t mark)
{
    static const char *const names[] = {"lost", "reached", "direct leak", "indirect leak"};
    return mark < PW_ARRAY_SIZE(names) ? names[mark] : "?";
}

/* ---- as text ---- */

/* Who allocated the block that a place is in. */
static void write_site_of(struct pointers *pointers, uint64_t place)
{
    struct place_info info = reachable_place(&pointers->reachable, place);
    uint32_t stack = info.kind == PLACE_IN_BLOCK ? pw_reach_block(&pointers->reachable.reach, info.block)->stack : 0;
    if (stack != 0)
        printf(", %s", places_site_text(pointers->places, stack));
}

/* How far into the block that was asked for a pointer at `place` goes, where it can be read again. */
static void write_target_offset(struct pointers *pointers, uint64_t place)
{
    uint64_t word;
    if ((place & PLACE_REGISTER) != 0 || !target_read(pointers->reachable.target, place, &word, sizeof word))
        return;
    uint64_t offset = word - pointers->block.address;
    if (offset != 0 && offset < pointers->block.size)
        printf(" -> + %" PRIu64, offset);
}

/* Nothing leads to the block: said, and true. */
static bool write_lost(const struct pointers *pointers)
{
    const struct pw_reach_block *block = pw_reach_block(&pointers->reachable.reach, pointers->index);
    uint32_t mark = block->mark;
    if (mark != PW_REACH_REACHED && !block->is_dead)
        printf("\nlost: nothing leads to it from outside (%s)\n", mark_text(mark));
    return mark != PW_REACH_REACHED;
}

static void write_found(struct pointers *pointers)
{
    printf("pointed at by %" PRIu64 " word%s%s\n", pointers->total, pointers->total == 1 ? "" : "s",
           pointers->total > 0 ? ":" : "");
    for (size_t i = 0; i < pointers->found_count; i++) {
        fputs("  ", stdout);
        reachable_place_write(&pointers->reachable, stdout, pointers->found[i]);
        write_target_offset(pointers, pointers->found[i]);
        write_site_of(pointers, pointers->found[i]);
        putchar('\n');
    }
    if (pointers->total > pointers->found_count)
        printf("  and %" PRIu64 " more (`heapdump refs' with --limit)\n", pointers->total - pointers->found_count);
}

void pointers_write(struct pointers *pointers)
{
    write_found(pointers);
    (void)write_lost(pointers);
}

void pointers_write_with_chain(struct pointers *pointers)
{
    static uint64_t chain[MOST_LINKS];
    write_found(pointers);
    bool is_lost = write_lost(pointers);
    size_t count = find_chain(pointers, chain);
    if (is_lost)
        count--; /* the lost block that it begins with is nowhere */
    if (count > 0)
        puts(is_lost ? "\nlost with:" : "\nreached by:");
    for (size_t i = count; i-- > 0;) {
        fputs("  ", stdout);
        reachable_place_write(&pointers->reachable, stdout, chain[i]);
        write_site_of(pointers, chain[i]);
        putchar('\n');
    }
}

/* ---- as JSON ---- */

static void place_json(struct pointers *pointers, struct json *json, uint64_t place)
{
    json_object(json, NULL);
    reachable_place_json(&pointers->reachable, json, place);
    json_object_end(json);
}

void pointers_json(struct pointers *pointers, struct json *json)
{
    static uint64_t chain[MOST_LINKS];
    bool is_known = pointers->index != PW_REACH_NO_BLOCK;
    const struct pw_reach_block *block = is_known ? pw_reach_block(&pointers->reachable.reach, pointers->index) : NULL;
    bool has_mark = is_known && !(block->is_dead && block->mark == PW_REACH_LOST);
    const char *mark = has_mark ? mark_text(block->mark) : NULL;
    json_string(json, "reach", mark);
    json_number(json, "pointers", pointers->total);
    json_array(json, "from");
    for (size_t i = 0; i < pointers->found_count; i++)
        place_json(pointers, json, pointers->found[i]);
    json_array_end(json);
    json_array(json, "chain");
    for (size_t i = is_known ? find_chain(pointers, chain) : 0; i-- > 0;)
        if (chain[i] != 0)
            place_json(pointers, json, chain[i]);
    json_array_end(json);
}
