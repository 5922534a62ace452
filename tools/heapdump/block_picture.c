/* block_picture.c - see block_picture.h */
#include "block_picture.h"

#include "bytes.h"
#include "memory.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>

enum { ROW = 16 };

/* The bytes of a row that can be read; is_there says which. */
static void read_row(struct target *target, uint64_t row, uint8_t bytes[ROW], bool is_there[ROW])
{
    for (int i = 0; i < ROW; i++)
        is_there[i] = target_read(target, row + (uint64_t)i, &bytes[i], 1);
}

void block_picture_row(struct target *target, uint64_t row, uint64_t start, uint64_t end, uint64_t mark)
{
    uint8_t bytes[ROW];
    bool is_there[ROW];
    char text[ROW + 1];
    read_row(target, row, bytes, is_there);
    printf("  0x%012" PRIx64 ":", row);
    for (uint64_t i = 0; i < ROW; i++) {
        uint64_t at = row + i;
        bool is_shown = at >= start && at < end;
        char before = at == mark ? '[' : at == mark + 1 && i > 0 ? ']' : ' ';
        text[i] = !is_shown ? ' ' : is_there[i] && isprint(bytes[i]) ? (char)bytes[i] : '.';
        if (!is_shown)
            printf("%c  ", before);
        else if (is_there[i])
            printf("%c%02x", before, bytes[i]);
        else
            printf("%c??", before);
    }
    text[ROW] = '\0';
    printf("%c |%s|\n", row + ROW - 1 == mark ? ']' : ' ', text);
}

/* The first row of a window of `bytes` in [start, end) with `address` in it, near its beginning. */
static uint64_t window_start(uint64_t start, uint64_t end, uint64_t address, uint64_t bytes)
{
    uint64_t first = PW_ALIGN_DOWN(start, (uint64_t)ROW);
    if (address < start + bytes / 2 || end - start <= bytes)
        return first;
    uint64_t last = end - bytes;
    return PW_ALIGN_DOWN(least(address - bytes / 2, last), (uint64_t)ROW);
}

/* The guard behind a block can't be read, and is not drawn: where the picture ends. */
static uint64_t readable_end(struct target *target, uint64_t zone, uint64_t end)
{
    uint8_t byte;
    while (end > zone && !target_read(target, end - 1, &byte, 1))
        end = PW_ALIGN_DOWN(end - 1, (uint64_t)MEMORY_PAGE_BYTES);
    return end > zone ? end : zone;
}

void block_picture_write(struct target *target, const struct pw_block_info *block, uint64_t address,
                         uint64_t bytes)
{
    uint64_t start = block->address, end = start + block->block_size, zone = start + block->size;
    uint64_t row = window_start(start, end, address, bytes), last = least(end, row + bytes);
    last = last > zone && row < zone ? readable_end(target, zone, last) : last;
    bool is_live = block->state == PW_STATE_LIVE && block->sealed;
    if (bytes == 0)
        return;
    printf("bytes [0x%" PRIx64 ",0x%" PRIx64 ") of [0x%" PRIx64 ",0x%" PRIx64 ")%s:\n", row, last, start, end,
           is_live ? ", those behind the block's end are its zone" : "");
    for (; row < last; row += ROW) {
        uint64_t mark = address != start && address - row < ROW ? address : UINT64_MAX - 1;
        if (is_live && zone > row && zone < row + ROW) { /* the zone begins within this row */
            block_picture_row(target, row, start, zone, mark < zone ? mark : UINT64_MAX - 1);
            puts("  -- end of the block --");
            block_picture_row(target, row, zone, end, mark >= zone ? mark : UINT64_MAX - 1);
            continue;
        }
        if (is_live && row == zone)
            puts("  -- end of the block --");
        block_picture_row(target, row, start, end, mark);
    }
}
