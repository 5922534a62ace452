/*
 * reader.h - read DWARF's numbers out of bytes that are not trusted.
 *
 * Invariant: at <= end; what would go past the end reads as 0 and sets `bad`, which stays.
 */
#ifndef PW_TRACE_READER_H
#define PW_TRACE_READER_H

#include "base/base.h"

struct pw_reader {
    const uint8_t *at;
    const uint8_t *end;
    bool bad;
};

PW_INLINE struct pw_reader pw_reader_over(const uint8_t *bytes, const uint8_t *end)
{
    return (struct pw_reader){.at = bytes, .end = end, .bad = bytes > end};
}

PW_INLINE size_t pw_reader_left(const struct pw_reader *reader)
{
    return reader->bad ? 0 : (size_t)(reader->end - reader->at);
}

/* `bytes` (at most 8) as a little-endian number. */
PW_INLINE uint64_t pw_read_bytes(struct pw_reader *reader, size_t bytes)
{
    if (reader->at == NULL || pw_reader_left(reader) < bytes) {
        reader->bad = true;
        return 0;
    }
    uint64_t value = 0;
    for (size_t i = 0; i < bytes; i++)
        value |= (uint64_t)reader->at[i] << (8 * i);
    reader->at += bytes;
    return value;
}

PW_INLINE uint8_t pw_read_u8(struct pw_reader *reader)
{
    return (uint8_t)pw_read_bytes(reader, 1);
}

PW_INLINE uint32_t pw_read_u32(struct pw_reader *reader)
{
    return (uint32_t)pw_read_bytes(reader, 4);
}

/* The same, 1 to 8 of them, as a signed number. */
PW_INLINE int64_t pw_read_signed(struct pw_reader *reader, size_t bytes)
{
    if (bytes == 0) {
        reader->bad = true;
        return 0;
    }
    uint64_t value = pw_read_bytes(reader, bytes);
    unsigned unused_bits = (unsigned)(64 - 8 * bytes);
    return (int64_t)(value << unused_bits) >> unused_bits;
}

PW_INLINE void pw_read_skip(struct pw_reader *reader, uint64_t bytes)
{
    if (pw_reader_left(reader) < bytes)
        reader->bad = true;
    else
        reader->at += bytes;
}

static inline uint64_t pw_read_uleb(struct pw_reader *reader)
{
    uint64_t value = 0;
    for (unsigned shift = 0;; shift += 7) {
        uint8_t byte = pw_read_u8(reader);
        if (shift < 64)
            value |= (uint64_t)(byte & 0x7f) << shift;
        if (!(byte & 0x80))
            return value;
    }
}

static inline int64_t pw_read_sleb(struct pw_reader *reader)
{
    uint64_t value = 0;
    for (unsigned shift = 0;;) {
        uint8_t byte = pw_read_u8(reader);
        if (shift < 64)
            value |= (uint64_t)(byte & 0x7f) << shift;
        shift += 7;
        if (byte & 0x80)
            continue;
        if ((byte & 0x40) && shift < 64)
            value |= ~(uint64_t)0 << shift;
        return (int64_t)value;
    }
}

#endif
