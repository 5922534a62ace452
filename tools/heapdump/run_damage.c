/*
 * run_damage.c - what the first report of a run says of its block: which allocation, and how far from its
 * start the damaged byte is. Read off the lines of the report that people read: their shape is fixed, and
 * proved by the library's own tests.
 */
#include "line.h"
#include "run.h"

#include <limits.h>
#include <string.h>

/* "0x… is located 3 bytes after 24-byte block [" */
static void read_location(struct run_damage *damage, const char *line)
{
    const char *at = strstr(line, " is located ");
    uint64_t distance, size;
    if (at == NULL || damage->has_offset || !line_counts(&at, " is located ", &distance, " bytes "))
        return;
    bool is_inside = line_take(&at, "inside of "), is_after = !is_inside && line_take(&at, "after ");
    if ((!is_inside && !is_after && !line_take(&at, "before ")) || !line_counts(&at, "", &size, "-byte block"))
        return;
    damage->size = size;
    damage->offset = (int64_t)distance;
    if (is_after)
        damage->offset += (int64_t)size;
    else if (!is_inside)
        damage->offset = -damage->offset;
    damage->has_offset = true;
}

/* "block: live, 24 bytes of 64, malloc, allocation number 17 of thread T0 (demo), …" */
static void read_block(struct run_damage *damage, const char *line)
{
    uint64_t number, thread;
    const char *at = strstr(line, "allocation number ");
    if (damage->has_block || strncmp(line, "block: ", 7) != 0 || at == NULL ||
        !line_counts(&at, "allocation number ", &number, " of thread T") || !line_number(&at, 10, &thread) ||
        thread > UINT_MAX)
        return;
    damage->number = number;
    damage->thread = (unsigned)thread;
    damage->has_block = true;
}

/* "    #0 0x55… in make_table demo.c:12:3": from " in " on. */
static void read_place(struct run_damage *damage, const char *line)
{
    const char *at = strstr(line, " in ");
    if (damage->place_is_next && damage->place.length == 0)
        bytes_str(&damage->place, at != NULL ? at + 4 : line);
    damage->place_is_next = strstr(line, "allocated by thread ") != NULL;
}

/* "… pwheap: watch: allocation 17 of thread T0 is here: 24 bytes at 0x…; …", "… never came: the thread made 12" */
static void read_watch(struct run_damage *damage, const char *line)
{
    uint64_t count;
    const char *at = strstr(line, "== pwheap: watch: ");
    const char *here = at == NULL ? NULL : strstr(at, " is here: "), *never = at == NULL ? NULL : strstr(at, " never came");
    if (here != NULL && line_counts(&here, " is here: ", &count, " bytes")) {
        damage->came = true;
        damage->came_size = count;
    }
    if (never == NULL)
        return;
    damage->never_came = true;
    if (line_counts(&never, " never came: the thread made ", &count, ""))
        damage->made = count;
}

void run_damage_read(struct run_damage *damage, unsigned errors, const char *line)
{
    read_watch(damage, line);
    if (errors != 1)
        return;
    damage->is_late = damage->is_late || strncmp(line, "damage found by ", 16) == 0;
    damage->is_late = damage->is_late || strncmp(line, "advice: what is read there was written before", 45) == 0;
    damage->is_poison = damage->is_poison || strstr(line, "==ERROR: PWHeap: poison-dereference ") != NULL;
    damage->has_writer = damage->has_writer || strcmp(line, "written by:") == 0;
    read_location(damage, line);
    read_block(damage, line);
    read_place(damage, line);
}
