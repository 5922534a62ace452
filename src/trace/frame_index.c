/* frame_index.c - see frame_index.h */
#include "trace/frame_index.h"

#include "os/memory.h"
#include "trace/elf_file.h"
#include "trace/file.h"
#include "trace/modules.h"

struct indexed {
    uint64_t start; /* of the code */
    const uint8_t *entry;
};

static struct indexed *entries; /* sorted by start */
static size_t entry_count;
static struct pw_cfi_object object; /* that they are of */

/* Call for each entry about code; their number. `into` may be NULL. */
static size_t entries_list(const uint8_t *at, const uint8_t *end, struct indexed *into)
{
    size_t count = 0;
    while (end - at > 4) {
        uint32_t length;
        struct pw_cfi_entry entry;
        __builtin_memcpy(&length, at, sizeof length);
        if (length == 0 || length > (uint64_t)(end - at) - 4)
            break;
        if (pw_cfi_read_entry(&object, at, &entry)) {
            if (into != NULL)
                into[count] = (struct indexed){.start = entry.start, .entry = at};
            count++;
        }
        at += 4 + (size_t)length;
    }
    return count;
}

static void sift_down(struct indexed *heap, size_t at, size_t count)
{
    struct indexed moved = heap[at];
    for (size_t child; (child = 2 * at + 1) < count; at = child) {
        if (child + 1 < count && heap[child + 1].start > heap[child].start)
            child++;
        if (heap[child].start <= moved.start)
            break;
        heap[at] = heap[child];
    }
    heap[at] = moved;
}

/* Heapsort: qsort may allocate. */
static void sort(struct indexed *values, size_t count)
{
    for (size_t i = count / 2; i-- > 0;)
        sift_down(values, i, count);
    for (size_t left = count; left > 1;) {
        struct indexed largest = values[0];
        values[0] = values[--left];
        values[left] = largest;
        sift_down(values, 0, left);
    }
}

static bool section_find(const struct pw_module *module, const uint8_t **start, const uint8_t **end)
{
    struct pw_file file;
    uint64_t address;
    uint64_t bytes;
    if (!pw_file_map(&file, module->path))
        return false;
    bool found = pw_elf_section(file.bytes, file.size, ".eh_frame", &address, &bytes);
    pw_file_unmap(&file);
    if (!found || address + module->bias < module->start || bytes > module->end - module->start ||
        address + module->bias > module->end - bytes)
        return false;
    *start = (const uint8_t *)(address + module->bias);
    *end = *start + bytes;
    return pw_os_is_readable(*start, bytes);
}

bool pw_frame_index_build(uint64_t inside)
{
    const struct pw_module *module = pw_modules_find(inside);
    const uint8_t *start;
    const uint8_t *end;
    if (entries != NULL || module == NULL || !section_find(module, &start, &end))
        return false;
    object.start = (const uint8_t *)module->start;
    object.end = (const uint8_t *)module->end;
    size_t count = entries_list(start, end, NULL);
    if (count == 0)
        return false;
    struct indexed *mapping =
        pw_os_map(PW_ALIGN_UP(count * sizeof *mapping, (size_t)PW_PAGE_BYTES));
    if (mapping == NULL)
        return false;
    entry_count = entries_list(start, end, mapping);
    sort(mapping, entry_count);
    entries = mapping;
    return true;
}

const uint8_t *pw_frame_index_find(uint64_t pc, struct pw_cfi_object *found)
{
    if (entries == NULL || pc < (uint64_t)object.start || pc >= (uint64_t)object.end)
        return NULL;
    *found = object;
    size_t low = 0; /* entries before it start at or before pc */
    size_t high = entry_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (entries[middle].start <= pc)
            low = middle + 1;
        else
            high = middle;
    }
    return low > 0 ? entries[low - 1].entry : NULL;
}
