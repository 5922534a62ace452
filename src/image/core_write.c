/* core_write.c - the contents of a core's segments: see core.h */
#include "image/core.h"

#include "image/layout.h"

#include <string.h>

static bool is_zero(const uint8_t *page)
{
    const uint64_t *words = (const void *)page;
    for (size_t i = 0; i < PW_PAGE_BYTES / sizeof *words; i += 8) {
        uint64_t any = 0;
        for (size_t j = 0; j < 8; j++)
            any |= words[i + j];
        if (any != 0)
            return false;
    }
    return true;
}

/* With contents left out: what of the bounce, from `start` on, is in no kept range becomes zero. */
static void blank(struct pw_core_work *work, uint64_t start, uint64_t bytes)
{
    uint64_t at = start;
    for (size_t i = 0; i < work->kept_count && at < start + bytes; i++) {
        struct pw_core_range kept = work->kept[i];
        if (kept.end <= at)
            continue;
        uint64_t until = kept.start < start + bytes ? kept.start : start + bytes;
        if (until > at)
            memset(work->bounce + (at - start), 0, until - at);
        at = kept.end > at ? kept.end : at;
    }
    if (at < start + bytes)
        memset(work->bounce + (at - start), 0, start + bytes - at);
}

/* Write the pages in the bounce that are not zero, neighbours at once. */
static bool write_pages(struct pw_core_work *work, uint64_t offset, uint64_t pages)
{
    for (uint64_t first = 0; first < pages;) {
        uint64_t end = first;
        while (end < pages && !is_zero(work->bounce + end * PW_PAGE_BYTES))
            end++;
        uint64_t bytes = (end - first) * PW_PAGE_BYTES;
        if (bytes > 0 && !work->io.write(work->io.context, offset + first * PW_PAGE_BYTES,
                                         work->bounce + first * PW_PAGE_BYTES, bytes))
            return false;
        work->content_bytes += bytes;
        first = end + 1;
    }
    return true;
}

/* Pages that hold something, from `address` on: read around those that can't be read. */
static bool copy_run(struct pw_core_work *work, const struct pw_core_segment *segment, uint64_t address,
                     uint64_t pages)
{
    while (pages > 0) {
        uint64_t got = work->io.read(work->io.context, address, work->bounce, pages * PW_PAGE_BYTES) / PW_PAGE_BYTES;
        if (work->remark.leaves_content_out && segment->content != PW_CORE_FIRST_PAGE)
            blank(work, address, got * PW_PAGE_BYTES);
        if (!write_pages(work, segment->file_offset + (address - segment->start), got))
            return false;
        got += got < pages; /* the page that can't be read: a guard, or behind the end of its file */
        address += got * PW_PAGE_BYTES;
        pages -= got;
    }
    return true;
}

static bool copy_part(struct pw_core_work *work, const struct pw_core_segment *segment, uint64_t address,
                      uint64_t pages)
{
    if (segment->content != PW_CORE_TOUCHED ||
        !work->io.ask_pages(work->io.context, address, pages, segment->is_shared, work->answer))
        return copy_run(work, segment, address, pages);
    for (uint64_t first = 0; first < pages;) {
        uint64_t end = first;
        while (end < pages && (work->answer[end] & PW_PAGE_HOLDS) != 0)
            end++;
        if (!copy_run(work, segment, address + first * PW_PAGE_BYTES, end - first))
            return false;
        first = end + 1;
    }
    return true;
}

static bool copy_segment(struct pw_core_work *work, const struct pw_core_segment *segment)
{
    uint64_t end = segment->start + segment->file_bytes;
    for (uint64_t at = segment->start; at < end;) {
        uint64_t left = (end - at) / PW_PAGE_BYTES;
        uint64_t pages = left < PW_CORE_BOUNCE_PAGES ? left : PW_CORE_BOUNCE_PAGES;
        if (!copy_part(work, segment, at, pages))
            return false;
        at += pages * PW_PAGE_BYTES;
    }
    return true;
}

bool pw_core_write(struct pw_core_work *work)
{
    work->file_bytes = 0;
    if (work->maps_length == PW_CORE_TEXT_BYTES || !pw_core_plan(work) || !pw_core_write_head(work))
        return false;
    for (size_t i = 0; i < work->segment_count; i++)
        if (!copy_segment(work, &work->segments[i]))
            return false;
    return true;
}
