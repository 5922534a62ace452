/* cfi_entry.c - see cfi_entry.h. The formats: Linux Standard Base 5.0, core, 10.6. */
#include "trace/cfi_entry.h"

#include "trace/frame_index.h"
#include "trace/modules.h"

/*
 * struct dl_find_object of <dlfcn.h>, and its function. glibc has them from 2.35 on, other libcs
 * don't: so declared here, and weak.
 */
struct found_object {
    unsigned long long flags;
    void *map_start;
    void *map_end;
    void *link_map;
    void *eh_frame;
    unsigned long long reserved[7];
};
extern int find_object(void *address, struct found_object *found) __asm__("_dl_find_object")
    __attribute__((weak));

enum {
    ENCODING_ABSOLUTE = 0x00,
    ENCODING_UDATA4 = 0x03,
    ENCODING_TABLE = 0x3b, /* relative to the table, sdata4 */
    ENCODING_PC_RELATIVE = 0x10,
    ENCODING_OMIT = 0xff,
    TABLE_HEADER_BYTES = 12,
    TABLE_ENTRY_BYTES = 8,
};

static bool object_find(uint64_t pc, struct pw_cfi_object *object)
{
    if (find_object == NULL) {
        const struct pw_module *module = pw_modules_find(pc);
        if (module == NULL || module->unloaded)
            return false;
        object->start = (const uint8_t *)module->start;
        object->end = (const uint8_t *)module->end;
        object->table = (const uint8_t *)pw_modules_unwind_table(module);
        return true;
    }
    struct found_object found;
    if (find_object((void *)pc, &found) != 0)
        return false;
    /* Of a module with gaps between its segments we are told the one that holds the address. */
    const char *table = found.eh_frame;
    if (table != NULL &&
        (table < (const char *)found.map_start || table >= (const char *)found.map_end) &&
        find_object(found.eh_frame, &found) != 0)
        return false;
    object->start = found.map_start;
    object->end = found.map_end;
    object->table = found.eh_frame;
    return true;
}

/* A pointer as encoded; the low four bits of the encoding say how it is stored. */
static uint64_t read_stored(struct pw_reader *reader, uint8_t encoding)
{
    switch (encoding & 0x0f) {
    case 0x00:
    case 0x04:
    case 0x0c: return pw_read_bytes(reader, 8);
    case 0x01: return pw_read_uleb(reader);
    case 0x02: return pw_read_bytes(reader, 2);
    case 0x03: return pw_read_bytes(reader, 4);
    case 0x09: return (uint64_t)pw_read_sleb(reader);
    case 0x0a: return (uint64_t)pw_read_signed(reader, 2);
    case 0x0b: return (uint64_t)pw_read_signed(reader, 4);
    default: reader->bad = true; return 0;
    }
}

static uint64_t read_pointer(struct pw_reader *reader, uint8_t encoding)
{
    uint64_t place = (uint64_t)reader->at;
    uint64_t stored = read_stored(reader, encoding);
    switch (encoding & 0xf0) {
    case ENCODING_ABSOLUTE: return stored;
    case ENCODING_PC_RELATIVE: return place + stored;
    default: /* relative to data or text, or indirect: not for code in .eh_frame */
        reader->bad = true;
        return 0;
    }
}

/* Entry `index` of the sorted table: two signed offsets from the table's start. */
static const uint8_t *table_target(const struct pw_cfi_object *object, uint32_t index, size_t which)
{
    const uint8_t *at = object->table + TABLE_HEADER_BYTES + (size_t)index * TABLE_ENTRY_BYTES +
                        4 * which;
    int32_t offset;
    __builtin_memcpy(&offset, at, sizeof offset);
    return object->table + offset;
}

/* The last entry that starts at or before pc. */
static enum pw_cfi_result table_search(const struct pw_cfi_object *object, uint64_t pc,
                                       const uint8_t **found)
{
    struct pw_reader reader = pw_reader_over(object->table, object->end);
    uint8_t version = pw_read_u8(&reader);
    uint8_t frame_encoding = pw_read_u8(&reader);
    uint8_t count_encoding = pw_read_u8(&reader);
    uint8_t table_encoding = pw_read_u8(&reader);
    (void)read_stored(&reader, frame_encoding);
    uint32_t count = pw_read_u32(&reader);
    if (reader.bad || version != 1 || count_encoding != ENCODING_UDATA4 ||
        table_encoding != ENCODING_TABLE || reader.at != object->table + TABLE_HEADER_BYTES ||
        count > pw_reader_left(&reader) / TABLE_ENTRY_BYTES)
        return PW_CFI_BAD;
    uint32_t low = 0; /* entries before it start at or before pc */
    uint32_t high = count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if ((uint64_t)table_target(object, middle, 0) <= pc)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == 0)
        return PW_CFI_NO_ENTRY;
    *found = table_target(object, low - 1, 1);
    return PW_CFI_FOUND;
}

/* What follows the length of an entry that starts at `at`; bad when it is not within the object. */
static struct pw_reader entry_reader(const struct pw_cfi_object *object, const uint8_t *at)
{
    struct pw_reader reader = pw_reader_over(at, object->end);
    if (at < object->start)
        reader.bad = true;
    uint32_t length = pw_read_u32(&reader);
    /* 0 ends the section, all ones announces 64 bits, which no linker writes here. */
    if (length == 0 || length > pw_reader_left(&reader))
        reader.bad = true;
    else
        reader.end = reader.at + length;
    return reader;
}

/* The augmentation string says what is in the augmentation data; false: something unknown. */
static bool read_augmentation(struct pw_reader *reader, const char *letters,
                              struct pw_cfi_entry *entry, uint8_t *pointer_encoding)
{
    if (letters[0] == '\0')
        return true;
    if (letters[0] != 'z')
        return false;
    uint64_t length = pw_read_uleb(reader);
    if (length > pw_reader_left(reader))
        return false;
    const uint8_t *after = reader->at + length;
    for (letters++; *letters != '\0'; letters++) {
        if (*letters == 'R')
            *pointer_encoding = pw_read_u8(reader);
        else if (*letters == 'S')
            entry->is_signal_frame = true;
        else if (*letters == 'L')
            (void)pw_read_u8(reader);
        else if (*letters == 'P')
            (void)read_stored(reader, pw_read_u8(reader));
        else
            return false;
    }
    if (reader->bad || reader->at > after)
        return false;
    reader->at = after;
    return true;
}

/* The common information entry at `at`. */
static bool read_common(const struct pw_cfi_object *object, const uint8_t *at,
                        struct pw_cfi_entry *entry, uint8_t *pointer_encoding,
                        bool *has_augmentation)
{
    struct pw_reader reader = entry_reader(object, at);
    uint32_t id = pw_read_u32(&reader);
    uint8_t version = pw_read_u8(&reader);
    if (reader.bad || id != 0 || (version != 1 && version != 3))
        return false;
    const char *letters = (const char *)reader.at;
    while (pw_read_u8(&reader) != 0) {
    }
    entry->code_align = pw_read_uleb(&reader);
    entry->data_align = pw_read_sleb(&reader);
    uint64_t return_column = version == 1 ? pw_read_u8(&reader) : pw_read_uleb(&reader);
    if (reader.bad || return_column != PW_REG_IP)
        return false;
    *has_augmentation = letters[0] == 'z';
    *pointer_encoding = ENCODING_ABSOLUTE;
    if (!read_augmentation(&reader, letters, entry, pointer_encoding))
        return false;
    entry->initial = reader;
    return true;
}

bool pw_cfi_read_entry(const struct pw_cfi_object *object, const uint8_t *at,
                       struct pw_cfi_entry *entry)
{
    struct pw_reader reader = entry_reader(object, at);
    const uint8_t *place = reader.at;
    uint32_t to_common = pw_read_u32(&reader);
    *entry = (struct pw_cfi_entry){.module = object->start, .module_end = object->end};
    uint8_t encoding;
    bool has_augmentation;
    if (reader.bad || to_common == 0 || to_common > (uint64_t)(place - object->start) ||
        !read_common(object, place - to_common, entry, &encoding, &has_augmentation))
        return false;
    entry->start = read_pointer(&reader, encoding);
    entry->end = entry->start + read_stored(&reader, encoding & 0x0f);
    if (has_augmentation)
        pw_read_skip(&reader, pw_read_uleb(&reader));
    entry->instructions = reader;
    return !reader.bad;
}

enum pw_cfi_result pw_cfi_find_entry(uint64_t pc, struct pw_cfi_entry *entry)
{
    struct pw_cfi_object object;
    const uint8_t *at;
    if (!object_find(pc, &object))
        return PW_CFI_NO_MODULE;
    enum pw_cfi_result result = PW_CFI_FOUND;
    if (object.table >= object.start && object.table < object.end)
        result = table_search(&object, pc, &at);
    else if ((at = pw_frame_index_find(pc, &object)) == NULL)
        result = PW_CFI_NO_ENTRY;
    if (result != PW_CFI_FOUND)
        return result;
    if (!pw_cfi_read_entry(&object, at, entry))
        return PW_CFI_BAD;
    /* Between two entries may be code that has none. */
    return pc >= entry->start && pc < entry->end ? PW_CFI_FOUND : PW_CFI_NO_ENTRY;
}
