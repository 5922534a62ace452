/* own_lines.c - see own_lines.h */
#include "own_lines.h"

#include <string.h>

void own_lines_clear(struct own_lines *own)
{
    own->count = 0;
}

void own_lines_begin(struct own_lines *own)
{
    if (own->count++ >= OWN_LINES_STACKS)
        return;
    bytes_clear(&own->stacks[own->count - 1].places);
    bytes_clear(&own->stacks[own->count - 1].line);
    own->stacks[own->count - 1].is_found = false;
}

/* "\npath+1234\n": so no place is part of another. */
static void append_place(struct bytes *places, const struct code_place *place)
{
    bytes_char(places, '\n');
    bytes_span(places, place->path);
    bytes_char(places, '+');
    bytes_unsigned(places, place->offset);
    bytes_char(places, '\n');
}

void own_lines_add(struct own_lines *own, const struct code_place *place, const struct bytes *line)
{
    if (own->count == 0 || own->count > OWN_LINES_STACKS)
        return;
    append_place(&own->stacks[own->count - 1].places, place);
    if (line == NULL || own->stacks[own->count - 1].is_found)
        return;
    own->stacks[own->count - 1].is_found = true;
    bytes_append(&own->stacks[own->count - 1].line, line->data, line->length);
}

struct span own_lines_find(struct own_lines *own, const struct code_place *place)
{
    struct bytes wanted = {0};
    struct span found = {0};
    append_place(&wanted, place);
    for (size_t i = 0; i < own->count && i < OWN_LINES_STACKS && found.at == NULL; i++) {
        const struct bytes *places = &own->stacks[i].places;
        if (places->length != 0 && memmem(places->data, places->length, wanted.data, wanted.length) != NULL)
            found = (struct span){own->stacks[i].line.data, own->stacks[i].line.length};
    }
    bytes_free(&wanted);
    return found;
}

void own_lines_free(struct own_lines *own)
{
    for (size_t i = 0; i < OWN_LINES_STACKS; i++) {
        bytes_free(&own->stacks[i].places);
        bytes_free(&own->stacks[i].line);
    }
}
