/* report_words.c - names, times and advice: what all three formats say alike. */
#include "diag/report_render.h"

bool pw_fault_is_late(const struct pw_fault *fault)
{
    switch (fault->kind) {
    case PW_KIND_OVERFLOW:
    case PW_KIND_UNDERFLOW:
    case PW_KIND_USE_AFTER_FREE:
        return fault->access == PW_ACCESS_NONE && fault->operation != PW_OP_ACCESS;
    case PW_KIND_HEADER:
        return true;
    default:
        return false;
    }
}

bool pw_fault_is_astray(const struct pw_fault *fault)
{
    return fault->kind == PW_KIND_USE_AFTER_FREE && !fault->is_certain && pw_block_is_fresh(&fault->block);
}

/*
 * AddressSanitizer knows no underflow of the heap (an overflow "before" the block to it), no interior
 * free, and no headers; what it can't name it calls unknown-crash.
 */
static const char *asan_kind_name(enum pw_kind kind)
{
    switch (kind) {
    case PW_KIND_UNDERFLOW:
        return "heap-buffer-overflow";
    case PW_KIND_INTERIOR_FREE:
        return "bad-free";
    case PW_KIND_SIZE_MISMATCH:
        return "new-delete-type-mismatch";
    case PW_KIND_OVERLAP:
        return "memcpy-param-overlap";
    case PW_KIND_HEADER:
        return "unknown-crash";
    case PW_KIND_BAD_ALIGNMENT:
        return "invalid-allocation-alignment";
    case PW_KIND_POISON:
        return "SEGV";
    default:
        return pw_kind_name(kind);
    }
}

const char *pw_report_kind_name(const struct pw_render *render)
{
    return pw_is_asan(render) ? asan_kind_name(render->fault->kind)
                                                    : pw_kind_name(render->fault->kind);
}

const char *pw_thread_name(const struct pw_report_config *config, uint32_t ordinal)
{
    if (config->threads == NULL || config->thread_count == NULL ||
        ordinal >= atomic_load_explicit(config->thread_count, memory_order_acquire) ||
        config->threads[ordinal].name[sizeof config->threads->name - 1] != '\0')
        return "";
    return config->threads[ordinal].name;
}

bool pw_is_asan(const struct pw_render *render)
{
    return render->config->format == PW_REPORT_ASAN;
}

void pw_say(struct pw_render *render, const char *words)
{
    pw_text_str(&render->text, words);
}

void pw_say_address(struct pw_render *render, const char *before, uint64_t address)
{
    pw_text_str(&render->text, before);
    pw_text_hex(&render->text, address, 12);
}

void pw_say_number(struct pw_render *render, const char *before, uint64_t value, const char *after)
{
    pw_text_str(&render->text, before);
    pw_text_dec(&render->text, value);
    pw_text_str(&render->text, after);
}

void pw_say_thread(struct pw_render *render, uint32_t ordinal)
{
    const char *name = pw_thread_name(render->config, ordinal);
    pw_say_number(render, "T", ordinal, "");
    if (name[0] == '\0')
        return;
    pw_say(render, " (");
    pw_say(render, name);
    pw_say(render, ")");
}

/* Of a block: what its family's memory is given back with. */
static void mismatch_advice(struct pw_text *text, const struct pw_fault *fault)
{
    pw_text_str(text, "what ");
    pw_text_str(text, fault->block.family == PW_FAMILY_MALLOC ? "" : "operator ");
    pw_text_str(text, pw_family_name(fault->block.family));
    pw_text_str(text, " gave is given back with ");
    pw_text_str(text, pw_family_release_name(fault->block.family));
}

/* C++ gives addresses inside of its blocks to objects; those may be what was deleted. */
static void interior_advice(struct pw_text *text, const struct pw_fault *fault)
{
    enum { ARRAY_COUNT_BYTES = 8 };
    if (fault->block.family == PW_FAMILY_NEW_ARRAY && fault->offset == ARRAY_COUNT_BYTES)
        pw_text_str(text, "an array that new[] made? delete[] gives it back: its objects are counted in the first 8 bytes. Else ");
    else if (fault->block.family == PW_FAMILY_NEW && fault->operation == PW_OP_DELETE)
        pw_text_str(text, "an object that is part of another: a base class that is not the first (a virtual destructor "
                          "helps), a member, or one of make_shared? Else ");
    pw_text_str(text, "give back the address that the allocation returned");
    if (fault->block.known) {
        pw_text_str(text, ", ");
        pw_text_hex(text, fault->block.address, 0);
    }
}

/* Below full nobody knows who had the block. */
static void full_advice(struct pw_text *text, const struct pw_fault *fault)
{
    bool is_live = fault->block.known && fault->block.state == PW_STATE_LIVE;
    pw_text_str(text, "run again with PWHEAP_CHECK=full to see who allocated ");
    pw_text_str(text, is_live ? "it" : "and freed it");
}

static void double_free_advice(struct pw_text *text, const struct pw_fault *fault, enum pw_level level)
{
    if (level < PW_LEVEL_FULL)
        full_advice(text, fault);
    else if (fault->block.has_evidence && fault->block.free_stack != 0)
        pw_text_str(text, "\"freed by\" above tells who freed it first");
}

/* A string that was written past its block's end is read past it as well. */
static bool is_read_of_damage(const struct pw_fault *fault)
{
    return fault->operation == PW_OP_LIBC && fault->access == PW_ACCESS_READ && fault->damage.start == fault->address &&
           fault->damage.damaged != 0;
}

/* Written was what nobody had, and there is no allocation that one could watch. */
static void astray_advice(struct pw_text *text, enum pw_level level)
{
    if (level < PW_LEVEL_GUARD)
        pw_text_str(text, "run again with PWHEAP_CHECK=guard: it stops at most writes that go astray");
}

static void damage_advice(struct pw_text *text, const struct pw_fault *fault, enum pw_level level)
{
    if (pw_fault_is_astray(fault))
        astray_advice(text, level);
    else if (level < PW_LEVEL_FULL)
        full_advice(text, fault);
    else if (pw_fault_is_late(fault) && fault->kind == PW_KIND_HEADER)
        pw_text_str(text, "PWHEAP_CHECK=full:validate_every=1000 narrows down when it happens");
    else if (pw_fault_is_late(fault) && fault->block.is_renewed)
        pw_text_str(text, fault->past_here_count != 0
                              ? "\"what was done last with the memory there\" tells who had it: look for a pointer kept from then"
                              : "PWHEAP_CHECK=full:history=65536 tells whose memory it was, if it was not too long ago");
    else if (pw_fault_is_late(fault))
        pw_text_str(text, "`heapdump run --pinpoint -- PROGRAM ...` runs it again and stops at the store");
    else if (is_read_of_damage(fault))
        pw_text_str(text, "what is read there was written before: `heapdump run --pinpoint -- PROGRAM ...` runs it again and stops at the store");
    else
        pw_text_str(text, "the first stack is the access itself: look there");
}

static const char *pointer_source(const struct pw_fault *fault)
{
    return fault->is_zone ? "before or behind a block (an index too far, or a list without its end?)"
                          : "a block that was freed too early";
}

/* How to see the read of a pointer out of a freed block, or from beside one. */
static void pointer_advice(struct pw_text *text, const struct pw_fault *fault, enum pw_level level)
{
    bool is_told = fault->kind == PW_KIND_POISON && fault->block.has_evidence;
    pw_text_str(text, pointer_source(fault));
    if (level < PW_LEVEL_FULL && !is_told && !fault->is_zone)
        pw_text_str(text, "; run again with PWHEAP_CHECK=full to see which");
    else if (level < PW_LEVEL_GUARD || is_told || fault->is_zone) {
        pw_text_str(text, "; `heapdump run ");
        pw_text_str(text, is_told ? "--pinpoint" : "--thorough");
        pw_text_str(text, " -- PROGRAM ...` runs it again and stops where it is read");
    }
}

static void bad_free_advice(struct pw_text *text, const struct pw_fault *fault, enum pw_level level)
{
    if (fault->is_poison || fault->is_zone) {
        pw_text_str(text, "the pointer that was given was read from ");
        pointer_advice(text, fault, level);
    } else {
        pw_text_str(text, "only what malloc and its like returned can be given back, once");
    }
}

/* The first line says free of all of them, as AddressSanitizer's does. The advice begins at `start`. */
static void other_call_write(struct pw_text *text, const struct pw_fault *fault, size_t start)
{
    if (fault->operation != PW_OP_REALLOC && fault->operation != PW_OP_USABLE_SIZE)
        return;
    pw_text_str(text, text->length != start ? "; it was given to " : "it was given to ");
    pw_text_str(text, pw_operation_name(fault->operation));
}

void pw_advice_write(struct pw_text *text, const struct pw_fault *fault, enum pw_level level)
{
    size_t start = text->length;
    switch (fault->kind) {
    case PW_KIND_OVERFLOW:
    case PW_KIND_UNDERFLOW:
    case PW_KIND_USE_AFTER_FREE:
    case PW_KIND_HEADER:
        damage_advice(text, fault, level);
        break;
    case PW_KIND_DOUBLE_FREE:
        double_free_advice(text, fault, level);
        other_call_write(text, fault, start);
        break;
    case PW_KIND_POISON:
        pw_text_str(text, "the pointer that the first frame follows was read from ");
        pointer_advice(text, fault, level);
        break;
    case PW_KIND_BAD_FREE:
        bad_free_advice(text, fault, level);
        other_call_write(text, fault, start);
        break;
    case PW_KIND_INTERIOR_FREE:
        interior_advice(text, fault);
        other_call_write(text, fault, start);
        break;
    case PW_KIND_FAMILY_MISMATCH:
        mismatch_advice(text, fault);
        break;
    case PW_KIND_SIZE_MISMATCH:
        pw_text_str(text, "deleted as another type than it was made as? a base class needs a virtual "
                          "destructor for that, a pointer to void never knows its size");
        break;
    case PW_KIND_OVERLAP:
        pw_text_str(text, "memmove copies between ranges that overlap");
        break;
    case PW_KIND_CALLOC_OVERFLOW:
    case PW_KIND_SIZE_TOO_BIG:
        pw_text_str(text, "a negative number or an overflow turned into a size? the call returned NULL "
                          "unless it was asked to stop");
        break;
    case PW_KIND_BAD_ALIGNMENT:
        pw_text_str(text, "an alignment is a power of two (posix_memalign: and a multiple of "
                          "sizeof(void *))");
        break;
    case PW_KIND_LEAK:
    case PW_KIND_NONE:
    case PW_KIND_COUNT:
        break;
    }
}

/* Days since 1970-01-01 as a date. After Howard Hinnant, "chrono-compatible low-level date algorithms". */
static void date_write(struct pw_text *text, uint64_t days)
{
    uint64_t shifted = days + 719468; /* from 0000-03-01 */
    uint64_t era = shifted / 146097;
    uint64_t day = shifted % 146097;
    uint64_t year = (day - day / 1460 + day / 36524 - day / 146096) / 365;
    uint64_t day_of_year = day - (365 * year + year / 4 - year / 100);
    uint64_t month = (5 * day_of_year + 2) / 153; /* from March */
    uint64_t date[3] = {year + era * 400 + (month >= 10), month < 10 ? month + 3 : month - 9,
                        day_of_year - (153 * month + 2) / 5 + 1};
    for (int i = 0; i < 3; i++) {
        if (i > 0)
            pw_text_char(text, '-');
        if (date[i] < 10)
            pw_text_char(text, '0');
        pw_text_dec(text, date[i]);
    }
}

static void padded_write(struct pw_text *text, uint64_t value, uint64_t least)
{
    for (; least > 1 && value < least; least /= 10)
        pw_text_char(text, '0');
    pw_text_dec(text, value);
}

void pw_time_write(struct pw_text *text, uint64_t time_ns)
{
    uint64_t seconds = time_ns / 1000000000u;
    date_write(text, seconds / 86400);
    pw_text_char(text, 'T');
    padded_write(text, seconds / 3600 % 24, 10);
    pw_text_char(text, ':');
    padded_write(text, seconds / 60 % 60, 10);
    pw_text_char(text, ':');
    padded_write(text, seconds % 60, 10);
    pw_text_char(text, '.');
    padded_write(text, time_ns / 1000000u % 1000, 100);
    pw_text_char(text, 'Z');
}
