/* core_plan.c - which mappings a core has, and how much of each: see core.h */
#include "image/core.h"

#include "image/layout.h"

#include <string.h>

/* A line of maps, as it is read. */
struct line {
    const char *at;
    const char *end;
};

static uint64_t digit_of(char c)
{
    if (c >= '0' && c <= '9')
        return (uint64_t)(c - '0');
    return c >= 'a' && c <= 'f' ? (uint64_t)(c - 'a') + 10 : 16;
}

/* A hexadecimal number and the character after it. */
static uint64_t take_hex(struct line *line)
{
    uint64_t value = 0;
    while (line->at < line->end && digit_of(*line->at) < 16)
        value = value << 4 | digit_of(*line->at++);
    line->at += line->at < line->end;
    return value;
}

static void skip_word(struct line *line)
{
    while (line->at < line->end && *line->at != ' ')
        line->at++;
    while (line->at < line->end && *line->at == ' ')
        line->at++;
}

static uint32_t flags_of(const char *rights)
{
    return (rights[0] == 'r' ? PF_R : 0u) | (rights[1] == 'w' ? PF_W : 0u) | (rights[2] == 'x' ? PF_X : 0u);
}

/* start-end rwxp offset device inode   name */
static bool parse_line(const struct pw_core_work *work, struct line line, struct pw_core_segment *segment)
{
    *segment = (struct pw_core_segment){.start = take_hex(&line), .end = take_hex(&line)};
    if (line.end - line.at < 5 || segment->start >= segment->end)
        return false;
    segment->flags = flags_of(line.at);
    segment->is_shared = line.at[3] == 's';
    line.at += 5;
    segment->map_offset = take_hex(&line);
    skip_word(&line); /* the device */
    skip_word(&line); /* the inode */
    segment->name = (uint32_t)(line.at - work->maps);
    segment->name_length = (uint32_t)(line.end - line.at);
    return segment->start % PW_PAGE_BYTES == 0 && segment->end % PW_PAGE_BYTES == 0;
}

static bool name_begins(const struct pw_core_work *work, const struct pw_core_segment *segment, const char *words)
{
    size_t length = strlen(words);
    return segment->name_length >= length && memcmp(work->maps + segment->name, words, length) == 0;
}

static bool name_ends(const struct pw_core_work *work, const struct pw_core_segment *segment, const char *words)
{
    size_t length = strlen(words);
    return segment->name_length >= length &&
           memcmp(work->maps + segment->name + segment->name_length - length, words, length) == 0;
}

static bool has_private_page(struct pw_core_work *work, const struct pw_core_segment *segment)
{
    for (uint64_t at = segment->start; at < segment->end;) {
        uint64_t left = (segment->end - at) / PW_PAGE_BYTES;
        uint64_t pages = left < PW_CORE_BOUNCE_PAGES ? left : PW_CORE_BOUNCE_PAGES;
        if (!work->io.ask_pages(work->io.context, at, pages, false, work->answer))
            return true;
        for (uint64_t i = 0; i < pages; i++)
            if ((work->answer[i] & PW_PAGE_ANONYMOUS) != 0)
                return true;
        at += pages * PW_PAGE_BYTES;
    }
    return false;
}

static bool is_elf_header(struct pw_core_work *work, const struct pw_core_segment *segment)
{
    char magic[SELFMAG];
    return segment->map_offset == 0 &&
           work->io.read(work->io.context, segment->start, magic, SELFMAG) == SELFMAG &&
           memcmp(magic, ELFMAG, SELFMAG) == 0;
}

static enum pw_core_content content_of(struct pw_core_work *work, const struct pw_core_segment *segment)
{
    bool is_file = name_begins(work, segment, "/");
    if ((segment->flags & PF_R) == 0 || name_begins(work, segment, "[vvar") ||
        name_begins(work, segment, "[vsyscall]") || name_begins(work, segment, "/dev/"))
        return name_begins(work, segment, "/dev/zero") ? PW_CORE_TOUCHED : PW_CORE_NOTHING;
    if (!is_file)
        return name_begins(work, segment, "[vdso]") ? PW_CORE_ALL : PW_CORE_TOUCHED;
    if (segment->is_shared)
        return name_ends(work, segment, " (deleted)") ? PW_CORE_TOUCHED : PW_CORE_NOTHING;
    if ((segment->flags & PF_W) != 0 || has_private_page(work, segment))
        return PW_CORE_ALL;
    return is_elf_header(work, segment) ? PW_CORE_FIRST_PAGE : PW_CORE_NOTHING;
}

static bool add(struct pw_core_work *work, const struct pw_core_segment *whole, uint64_t start, uint64_t end,
                enum pw_core_content content)
{
    if (start >= end)
        return true;
    if (work->segment_count == PW_CORE_MAX_SEGMENTS)
        return false;
    struct pw_core_segment *segment = &work->segments[work->segment_count++];
    *segment = *whole;
    segment->map_offset = whole->map_offset + (start - whole->start);
    segment->start = start;
    segment->end = end;
    segment->content = (uint8_t)content;
    return true;
}

/* The part of the kept ranges that begins in or before `at`: page-aligned, and merged where they touch. */
static struct pw_core_range next_kept(const struct pw_core_work *work, size_t *index, uint64_t at)
{
    struct pw_core_range found = {UINT64_MAX, UINT64_MAX};
    while (*index < work->kept_count && PW_ALIGN_UP(work->kept[*index].end, PW_PAGE_BYTES) <= at)
        ++*index;
    for (size_t i = *index; i < work->kept_count; i++) {
        uint64_t start = PW_ALIGN_DOWN(work->kept[i].start, PW_PAGE_BYTES);
        uint64_t end = PW_ALIGN_UP(work->kept[i].end, PW_PAGE_BYTES);
        if (found.start != UINT64_MAX && start > found.end)
            break;
        if (found.start == UINT64_MAX)
            found = (struct pw_core_range){start, end};
        else if (end > found.end)
            found.end = end;
    }
    return found;
}

/* Only the pages of kept ranges have contents, and the ELF headers. */
static bool add_kept(struct pw_core_work *work, const struct pw_core_segment *whole,
                     enum pw_core_content content, size_t *index)
{
    if (content == PW_CORE_FIRST_PAGE || is_elf_header(work, whole))
        return add(work, whole, whole->start, whole->end, PW_CORE_FIRST_PAGE);
    for (uint64_t at = whole->start; at < whole->end;) {
        struct pw_core_range kept = next_kept(work, index, at);
        uint64_t start = kept.start < at ? at : kept.start < whole->end ? kept.start : whole->end;
        uint64_t end = kept.end < whole->end ? kept.end : whole->end;
        if (!add(work, whole, at, start, PW_CORE_NOTHING) || !add(work, whole, start, end, content))
            return false;
        at = end;
    }
    return true;
}

/* All but the writer's own memory, which may have been merged with the mappings beside it. */
static bool add_unskipped(struct pw_core_work *work, const struct pw_core_segment *whole,
                          enum pw_core_content content)
{
    struct pw_core_range skipped = work->skipped;
    if (skipped.end <= whole->start || skipped.start >= whole->end)
        return add(work, whole, whole->start, whole->end, content);
    return add(work, whole, whole->start, skipped.start, content) &&
           add(work, whole, skipped.end, whole->end, content);
}

/* Sift down: the ranges are many and mostly in order, and there is no memory to merge them in. */
static void sift(struct pw_core_range *ranges, size_t root, size_t count)
{
    for (size_t child = 2 * root + 1; child < count; child = 2 * root + 1) {
        if (child + 1 < count && ranges[child + 1].start > ranges[child].start)
            child++;
        if (ranges[root].start >= ranges[child].start)
            return;
        struct pw_core_range range = ranges[root];
        ranges[root] = ranges[child];
        ranges[child] = range;
        root = child;
    }
}

static void sort(struct pw_core_range *ranges, size_t count)
{
    for (size_t i = count / 2; i > 0; i--)
        sift(ranges, i - 1, count);
    for (size_t left = count; left > 1; left--) {
        struct pw_core_range last = ranges[left - 1];
        ranges[left - 1] = ranges[0];
        ranges[0] = last;
        sift(ranges, 0, left - 1);
    }
}

bool pw_core_plan(struct pw_core_work *work)
{
    size_t kept = 0;
    const char *end = work->maps + work->maps_length;
    sort(work->kept, work->kept_count);
    work->segment_count = 0;
    for (const char *at = work->maps; at < end;) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        struct line line = {at, newline != NULL ? newline : end};
        struct pw_core_segment segment;
        at = line.end + 1;
        if (!parse_line(work, line, &segment))
            continue;
        enum pw_core_content content = content_of(work, &segment);
        if (work->remark.leaves_content_out ? !add_kept(work, &segment, content, &kept)
                                            : !add_unskipped(work, &segment, content))
            return false;
    }
    return work->segment_count > 0;
}
