/*
 * instruction.c - see instruction.h. What a report needs of an instruction is whether it wrote, and how
 * many bytes; so only the opcodes that touch memory in ordinary code are here, and the rest are
 * not known.
 */
#include "os/instruction.h"

#define UNKNOWN ((struct pw_instruction_access){.is_known = false})
#define READS(bytes_) ((struct pw_instruction_access){.is_known = true, .bytes = (bytes_)})
#define WRITES(bytes_)                                                                             \
    ((struct pw_instruction_access){.is_known = true, .is_write = true, .bytes = (bytes_)})

struct decoder {
    const uint8_t *at, *end;
    uint8_t repeat;        /* 0xf2, 0xf3 or 0 */
    bool has_operand_size; /* 0x66 */
    bool is_wide;          /* REX.W */
    uint32_t vector_bytes; /* of a packed operand */
    bool is_vex;
};

static uint8_t next_byte(struct decoder *decoder)
{
    return decoder->at < decoder->end ? *decoder->at++ : 0;
}

/* The ModRM byte; its operand is memory unless mod is 3. */
static uint8_t peek_modrm(const struct decoder *decoder)
{
    return decoder->at < decoder->end ? *decoder->at : 0xc0;
}

static bool is_memory(const struct decoder *decoder)
{
    return peek_modrm(decoder) >> 6 != 3;
}

static unsigned modrm_reg(const struct decoder *decoder)
{
    return peek_modrm(decoder) >> 3 & 7;
}

static uint32_t operand_bytes(const struct decoder *decoder)
{
    return decoder->is_wide ? 8 : decoder->has_operand_size ? 2 : 4;
}

/* Opcodes whose lowest bit chooses between a byte and the operand size. */
static uint32_t byte_or_operand(const struct decoder *decoder, uint8_t opcode)
{
    return (opcode & 1) == 0 ? 1 : operand_bytes(decoder);
}

/* Of packed and scalar floating point the prefix tells. */
static uint32_t float_bytes(const struct decoder *decoder)
{
    return decoder->repeat == 0xf3 ? 4 : decoder->repeat == 0xf2 ? 8 : decoder->vector_bytes;
}

static void read_legacy_prefixes(struct decoder *decoder)
{
    for (; decoder->at < decoder->end; decoder->at++) {
        uint8_t byte = *decoder->at;
        if (byte == 0x66)
            decoder->has_operand_size = true;
        else if (byte == 0xf2 || byte == 0xf3)
            decoder->repeat = byte;
        else if (byte != 0xf0 && byte != 0x2e && byte != 0x36 && byte != 0x3e && byte != 0x26 &&
                 byte != 0x64 && byte != 0x65 && byte != 0x67)
            break;
    }
    if (decoder->at < decoder->end && (*decoder->at & 0xf0) == 0x40)
        decoder->is_wide = (*decoder->at++ & 8) != 0;
}

/* The bits of a VEX or EVEX prefix that stand for 66, f3 and f2. */
static void set_implied_prefix(struct decoder *decoder, unsigned pp)
{
    static const uint8_t repeats[] = {0, 0, 0xf3, 0xf2};
    decoder->has_operand_size = pp == 1;
    decoder->repeat = repeats[pp];
}

/* The opcode map that a VEX or EVEX prefix at the cursor chooses, passing it; 0: there is none. */
static unsigned read_vex(struct decoder *decoder)
{
    size_t left = (size_t)(decoder->end - decoder->at);
    const uint8_t *at = decoder->at;
    if (left >= 2 && at[0] == 0xc5) {
        decoder->vector_bytes = (at[1] & 4) != 0 ? 32 : 16;
        set_implied_prefix(decoder, at[1] & 3);
        decoder->at += 2;
        decoder->is_vex = true;
        return 1;
    }
    if (left >= 3 && at[0] == 0xc4) {
        decoder->vector_bytes = (at[2] & 4) != 0 ? 32 : 16;
        decoder->is_wide = (at[2] & 0x80) != 0;
        set_implied_prefix(decoder, at[2] & 3);
        decoder->at += 3;
        decoder->is_vex = true;
        return at[1] & 0x1f;
    }
    if (left >= 4 && at[0] == 0x62) {
        decoder->vector_bytes = (uint32_t)16 << (at[3] >> 5 & 3);
        decoder->is_wide = (at[2] & 0x80) != 0;
        set_implied_prefix(decoder, at[2] & 3);
        decoder->at += 4;
        decoder->is_vex = true;
        return at[1] & 7;
    }
    return 0;
}

/* 00 to 3f: arithmetic, eight to an operation; cmp only reads. */
static struct pw_instruction_access decode_arithmetic(const struct decoder *decoder, uint8_t opcode)
{
    if ((opcode & 7) > 3 || !is_memory(decoder))
        return UNKNOWN;
    bool writes = (opcode & 7) < 2 && opcode >> 3 != 7;
    uint32_t bytes = byte_or_operand(decoder, opcode);
    return writes ? WRITES(bytes) : READS(bytes);
}

/* fe, ff, f6, f7 and the shifts: the register field is the operation. */
static struct pw_instruction_access decode_group(const struct decoder *decoder, uint8_t opcode)
{
    unsigned operation = modrm_reg(decoder);
    uint32_t bytes = byte_or_operand(decoder, opcode);
    if (opcode >= 0xfe)
        return operation < 2 ? WRITES(bytes) : opcode == 0xff && operation < 7 ? READS(8) : UNKNOWN;
    if (opcode >= 0xf6)
        return operation == 2 || operation == 3 ? WRITES(bytes) : READS(bytes);
    return WRITES(bytes);
}

static struct pw_instruction_access decode_string(const struct decoder *decoder, uint8_t opcode)
{
    uint32_t bytes = byte_or_operand(decoder, opcode);
    switch (opcode & ~1) {
    case 0xa4:
    case 0xaa:
        return WRITES(bytes);
    case 0xa6:
    case 0xac:
    case 0xae:
        return READS(bytes);
    default:
        return UNKNOWN;
    }
}

static struct pw_instruction_access decode_one_byte(const struct decoder *decoder, uint8_t opcode)
{
    uint32_t bytes = byte_or_operand(decoder, opcode);
    if (opcode < 0x40)
        return decode_arithmetic(decoder, opcode);
    if (opcode >= 0xa4 && opcode <= 0xaf)
        return decode_string(decoder, opcode);
    if (!is_memory(decoder))
        return UNKNOWN;
    switch (opcode) {
    case 0x63:
        return READS(4);
    case 0x69:
    case 0x6b:
        return READS(operand_bytes(decoder));
    case 0x80:
    case 0x81:
        return modrm_reg(decoder) == 7 ? READS(bytes) : WRITES(bytes);
    case 0x83:
        return modrm_reg(decoder) == 7 ? READS(operand_bytes(decoder)) : WRITES(operand_bytes(decoder));
    case 0x84:
    case 0x85:
    case 0x8a:
    case 0x8b:
        return READS(bytes);
    case 0x86:
    case 0x87:
    case 0x88:
    case 0x89:
    case 0xc6:
    case 0xc7:
        return WRITES(bytes);
    case 0x8f:
        return WRITES(8);
    case 0xc0:
    case 0xc1:
    case 0xd0:
    case 0xd1:
    case 0xd2:
    case 0xd3:
    case 0xf6:
    case 0xf7:
    case 0xfe:
    case 0xff:
        return decode_group(decoder, opcode);
    default:
        return UNKNOWN;
    }
}

/* Of the map 0f: moves of vector registers. */
static struct pw_instruction_access decode_vector_move(const struct decoder *decoder, uint8_t opcode)
{
    uint32_t packed = decoder->has_operand_size || decoder->repeat != 0 || decoder->is_vex
                          ? decoder->vector_bytes
                          : 8; /* MMX */
    switch (opcode) {
    case 0x10:
        return READS(float_bytes(decoder));
    case 0x11:
        return WRITES(float_bytes(decoder));
    case 0x12:
    case 0x16:
        return READS(8);
    case 0x13:
    case 0x17:
    case 0xd6:
        return WRITES(8);
    case 0x28:
    case 0xf0:
        return READS(decoder->vector_bytes);
    case 0x29:
    case 0x2b:
        return WRITES(decoder->vector_bytes);
    case 0x6e:
        return READS(decoder->is_wide ? 8 : 4);
    case 0x7e:
        return decoder->repeat == 0xf3 ? READS(8) : WRITES(decoder->is_wide ? 8 : 4);
    case 0x6f:
        return READS(packed);
    case 0x7f:
    case 0xe7:
        return WRITES(packed);
    case 0x2e:
    case 0x2f:
        return READS(decoder->has_operand_size ? 8 : 4);
    default:
        if (opcode >= 0x51 && opcode <= 0x5f)
            return READS(float_bytes(decoder));
        if ((opcode >= 0x60 && opcode <= 0x76) || opcode >= 0xd0)
            return READS(packed);
        return UNKNOWN;
    }
}

static struct pw_instruction_access decode_two_byte(const struct decoder *decoder, uint8_t opcode)
{
    uint32_t bytes = byte_or_operand(decoder, opcode);
    if (!is_memory(decoder))
        return UNKNOWN;
    if ((opcode & 0xf0) == 0x40)
        return READS(operand_bytes(decoder));
    if ((opcode & 0xf0) == 0x90)
        return WRITES(1);
    switch (opcode) {
    case 0x2a:
    case 0xa3:
    case 0xaf:
    case 0xb8:
    case 0xbc:
    case 0xbd:
        return READS(operand_bytes(decoder));
    case 0xab:
    case 0xb3:
    case 0xbb:
    case 0xc3:
        return WRITES(operand_bytes(decoder));
    case 0xb0:
    case 0xb1:
    case 0xc0:
    case 0xc1:
        return WRITES(bytes);
    case 0xb6:
    case 0xbe:
        return READS(1);
    case 0xb7:
    case 0xbf:
        return READS(2);
    case 0xba:
        return modrm_reg(decoder) == 4 ? READS(operand_bytes(decoder)) : WRITES(operand_bytes(decoder));
    case 0xc7:
        return modrm_reg(decoder) == 1 ? WRITES(decoder->is_wide ? 16 : 8) : UNKNOWN;
    default:
        return decode_vector_move(decoder, opcode);
    }
}

struct pw_instruction_access pw_instruction_decode(const uint8_t *code, size_t length)
{
    struct decoder decoder = {.at = code, .vector_bytes = 16};
    decoder.end = code + (length < PW_INSTRUCTION_MAX_BYTES ? length : PW_INSTRUCTION_MAX_BYTES);
    read_legacy_prefixes(&decoder);
    unsigned map = read_vex(&decoder);
    if (map == 0) {
        uint8_t opcode = next_byte(&decoder);
        if (opcode != 0x0f)
            return decode_one_byte(&decoder, opcode);
        map = 1;
    }
    uint8_t opcode = next_byte(&decoder);
    bool is_first_map = map == 1 && opcode != 0x38 && opcode != 0x3a;
    return is_first_map ? decode_two_byte(&decoder, opcode) : UNKNOWN;
}

enum { REX_B = 1, REX_X = 2, NO_REGISTER = 4, NO_BASE = 5 };

/* A displacement of 1 or 4 bytes, from `at` on; the instruction ends behind it. */
static int64_t displacement(const uint8_t *at, size_t bytes)
{
    int32_t value = 0;
    __builtin_memcpy(&value, at, bytes);
    return bytes == 1 ? (int8_t)value : value;
}

bool pw_instruction_branch(const uint8_t *code, size_t length, struct pw_instruction_slot *slot)
{
    uint8_t bytes[PW_INSTRUCTION_MAX_BYTES] = {0};
    size_t at = 0, count = length < sizeof bytes ? length : sizeof bytes;
    __builtin_memcpy(bytes, code, count);
    while (at < 3 && (bytes[at] == 0x3e || bytes[at] == 0xf2)) /* notrack, bnd */
        at++;
    uint8_t rex = bytes[at] >> 4 == 4 ? bytes[at++] : 0;
    uint8_t opcode = bytes[at++], modrm = bytes[at++];
    unsigned mode = modrm >> 6, what = modrm >> 3 & 7, base = modrm & 7;
    if (opcode != 0xff || (what != 2 && what != 4) || mode == 3)
        return false;
    *slot = (struct pw_instruction_slot){.base = (int)base + 8 * (rex & REX_B), .index = -1, .scale = 1};
    bool has_base = mode != 0 || base != NO_BASE;
    slot->is_relative = !has_base;
    if (base == NO_REGISTER) {
        uint8_t sib = bytes[at++];
        int index = (sib >> 3 & 7) + ((rex & REX_X) != 0 ? 8 : 0);
        slot->scale = index != NO_REGISTER ? 1u << (sib >> 6) : 1;
        slot->index = index != NO_REGISTER ? index : -1;
        slot->base = (sib & 7) + 8 * (rex & REX_B);
        has_base = mode != 0 || (sib & 7) != NO_BASE;
    }
    if (!has_base)
        slot->base = -1;
    size_t offset_bytes = mode == 1 ? 1 : mode == 2 || !has_base ? 4 : 0;
    if (at + offset_bytes > count)
        return false;
    slot->offset = displacement(bytes + at, offset_bytes) + (slot->is_relative ? (int64_t)(at + offset_bytes) : 0);
    return true;
}
