/*
 * report_leaks.c - lost blocks, grouped by who allocated them: text, asan's words or JSON.
 *
 * A group at a time is rendered and shown to the callback. As many as fit go through the symbolizer
 * together (a chunk), for a suppression may name a file or a C++ function that only it knows. Then the
 * groups of the chunk are looked at again, line by line, and what is suppressed is taken out.
 *
 *   render, callback … ── chunk full, or the last ── symbolizer ── suppressions ── sink
 */
#include "diag/report_render.h"

#include "image/image.h"
#include "os/process.h"

#include <string.h>

enum {
    CHUNK_LEAKS = 1024,
    LEAK_BYTES = 96 * 1024, /* the most that one takes: 64 frames with long names */
};

/* All under the report lock. */
static struct chunk {
    const struct pw_leaks *leaks;
    struct pw_report_parts parts;
    const struct pw_leak *members[CHUNK_LEAKS]; /* whose texts follow one another in parts.raw */
    uint32_t count;
    uint64_t blocks; /* of what is left, so far */
    uint64_t bytes;
    uint64_t groups;
    bool has_begun; /* the head line was written */
} chunk;

static bool is_json(void)
{
    return chunk.parts.config->format == PW_REPORT_JSON;
}

/* ---- one group ---- */

static void text_write(struct pw_render *render, const struct pw_leak *leak)
{
    pw_say_number(render, leak->is_direct ? "Direct leak of " : "Indirect leak of ", leak->bytes, " byte(s) in ");
    pw_say_number(render, "", leak->blocks, " object(s) allocated from:\n");
    struct pw_trace trace = pw_trace_of_stack(render->frames, leak->stack);
    pw_frames_write(render, &trace, render->frame_limit);
    if (trace.count == 0)
        pw_say(render, render->config->level < PW_LEVEL_FULL
                           ? "    (who allocated a block is kept at PWHEAP_CHECK=full)\n"
                           : "    (no stack was kept)\n");
    pw_say(render, "\n");
}

/* The leak as a fault, for what they have in common: fingerprint, advice, callback. */
static struct pw_fault fault_of(const struct pw_leak *leak)
{
    struct pw_image image = pw_image_self();
    struct pw_fault fault = {.kind = PW_KIND_LEAK,
                             .operation = chunk.leaks->operation,
                             .is_certain = true,
                             .address = leak->address,
                             .relation = PW_RELATION_INSIDE};
    /* It may have been freed by now, where the program runs on: what is told is of the leak. */
    (void)pw_inspect_address(&image, leak->address, &fault.block);
    fault.block.known = true;
    fault.block.address = leak->address;
    fault.block.has_evidence = leak->stack != 0;
    fault.block.alloc_stack = leak->stack;
    return fault;
}

/* Its address is not to be found by the next look, where the library is linked into the program. */
static struct pw_fault fault;

/* False: the callback has taken it. */
static bool render_leak(const struct pw_leak *leak)
{
    struct pw_render *render = chunk.parts.render;
    size_t before = render->text.length;
    fault = fault_of(leak);
    render->fault = &fault;
    render->fingerprint = pw_fault_fingerprint(&fault);
    if (is_json())
        pw_json_leak_write(render, leak);
    else
        text_write(render, leak);
    if (!pw_report_ask_callback_locked(&fault, render->text.buffer + before, render->text.length - before))
        return true;
    render->text.length = before;
    render->text.buffer[before] = '\0';
    return false;
}

/* ---- suppressions ---- */

static struct pw_suppression *match(const char *name, size_t length)
{
    return length == 0 ? NULL : pw_suppressions_match(chunk.leaks->suppressions, name, length);
}

/* By module, and function as the symbol table has it. */
static struct pw_suppression *match_stack(const struct pw_leak *leak)
{
    struct pw_render *render = chunk.parts.render;
    struct pw_trace trace = pw_trace_of_stack(render->frames, leak->stack);
    for (uint32_t i = 0; i < trace.count; i++) {
        struct pw_frame frame = pw_frame_resolve(render, &trace, i);
        struct pw_suppression *found = NULL;
        if (frame.module != NULL)
            found = match(frame.module->path, strlen(frame.module->path));
        if (found == NULL && frame.function != NULL)
            found = match(frame.function, strlen(frame.function));
        if (found != NULL)
            return found;
    }
    return NULL;
}

/* "    #0 0x… in function file.c:12:3": the function, which may have spaces, and the file. */
static struct pw_suppression *match_line(const char *line, size_t length)
{
    static const char in[] = " in ";
    const char *name = memmem(line, length, in, sizeof in - 1);
    if (length < 5 || memcmp(line, "    #", 5) != 0 || name == NULL)
        return NULL;
    name += sizeof in - 1;
    size_t rest = (size_t)(line + length - name);
    const char *space = memrchr(name, ' ', rest);
    if (space == NULL)
        return match(name, rest);
    struct pw_suppression *found = match(name, (size_t)(space - name));
    if (found != NULL)
        return found;
    const char *file = space + 1;
    size_t file_length = (size_t)(line + length - file);
    const char *colon = memchr(file, ':', file_length);
    return match(file, colon != NULL ? (size_t)(colon - file) : file_length);
}

/* "function":"…" and "file":"…" of a line of JSON; escapes as they are. */
static struct pw_suppression *match_member(const char *text, size_t length, const char *member)
{
    size_t member_length = strlen(member);
    const char *at = text, *end = text + length;
    while ((at = memmem(at, (size_t)(end - at), member, member_length)) != NULL) {
        at += member_length;
        const char *quote = memchr(at, '"', (size_t)(end - at));
        struct pw_suppression *found = quote == NULL ? NULL : match(at, (size_t)(quote - at));
        if (found != NULL)
            return found;
    }
    return NULL;
}

static struct pw_suppression *match_text(const char *text, size_t length)
{
    if (is_json()) {
        struct pw_suppression *found = match_member(text, length, "\"function\":\"");
        return found != NULL ? found : match_member(text, length, "\"file\":\"");
    }
    const char *end = text + length;
    for (const char *line = text; line < end;) {
        const char *newline = memchr(line, '\n', (size_t)(end - line));
        struct pw_suppression *found = match_line(line, (size_t)((newline != NULL ? newline : end) - line));
        if (found != NULL)
            return found;
        line = newline != NULL ? newline + 1 : end;
    }
    return NULL;
}

static bool is_suppressed(const struct pw_leak *leak, const char *text, size_t length)
{
    if (chunk.leaks->suppressions == NULL)
        return false;
    struct pw_suppression *found = match_stack(leak);
    if (found == NULL)
        found = match_text(text, length);
    if (found == NULL)
        return false;
    found->blocks += leak->blocks;
    found->bytes += leak->bytes;
    return true;
}

/* ---- a chunk ---- */

/* Bytes of the group at `text`: a line of JSON, or up to and with the empty line behind it. */
static size_t group_length(const char *text, size_t length)
{
    const char *end = is_json() ? memchr(text, '\n', length) : memmem(text, length, "\n\n", 2);
    return end == NULL ? length : (size_t)(end - text) + (is_json() ? 1 : 2);
}

static void head_write(struct pw_text *text)
{
    if (is_json() || chunk.has_begun)
        return;
    pw_text_str(text, "==");
    pw_text_dec(text, pw_os_process_id());
    pw_text_str(text, chunk.parts.config->format == PW_REPORT_ASAN ? "==ERROR: LeakSanitizer: "
                                                                   : "==ERROR: PWHeap: ");
    pw_text_str(text, "detected memory leaks\n\n");
}

static bool is_printed(void)
{
    return chunk.leaks->max_leaks == 0 || chunk.groups < chunk.leaks->max_leaks;
}

/* Keep of the chunk's text what is to be printed; its new length. */
static size_t take_out(char *text, size_t length)
{
    size_t kept = 0, at = 0;
    for (uint32_t i = 0; i < chunk.count && at < length; i++) {
        const struct pw_leak *leak = chunk.members[i];
        size_t bytes = group_length(text + at, length - at);
        if (!is_suppressed(leak, text + at, bytes)) {
            if (is_printed()) {
                memmove(text + kept, text + at, bytes);
                kept += bytes;
            }
            chunk.groups++;
            chunk.blocks += leak->blocks;
            chunk.bytes += leak->bytes;
        }
        at += bytes;
    }
    return kept;
}

static void chunk_begin(void)
{
    chunk.count = 0;
    chunk.parts.render->text = pw_text_over(chunk.parts.raw, chunk.parts.raw_bytes);
}

static void chunk_write(void)
{
    struct pw_report_parts *parts = &chunk.parts;
    char head_storage[128];
    struct pw_text head = pw_text_over(head_storage, sizeof head_storage);
    size_t length = 0;
    bool is_symbolized =
        chunk.count > 0 && pw_symbolize(parts->config, parts->raw, parts->render->text.length, parts->symbolized,
                                        parts->symbolized_bytes, &length);
    char *text = is_symbolized ? parts->symbolized : parts->raw;
    length = take_out(text, is_symbolized ? length : parts->render->text.length);
    if (length > 0) {
        head_write(&head);
        chunk.has_begun = true;
        if (head.length > 0)
            pw_sink_write(parts->config, head_storage, head.length);
        pw_sink_write(parts->config, text, length);
    }
    chunk_begin();
}

/* ---- the end ---- */

static void suppressions_write(struct pw_text *text)
{
    static const char rule[] = "-----------------------------------------------------\n";
    const struct pw_suppressions *suppressions = chunk.leaks->suppressions;
    bool has_begun = false;
    for (uint32_t i = 0; suppressions != NULL && i < suppressions->count; i++) {
        const struct pw_suppression *used = &suppressions->all[i];
        if (used->blocks == 0)
            continue;
        if (!has_begun) {
            pw_text_str(text, rule);
            pw_text_str(text, "Suppressions used:\n  count      bytes template\n");
        }
        has_begun = true;
        for (uint64_t least = 1000000; least > used->blocks && least > 1; least /= 10)
            pw_text_char(text, ' ');
        pw_text_dec(text, used->blocks);
        pw_text_char(text, ' ');
        for (uint64_t least = 1000000000; least > used->bytes && least > 1; least /= 10)
            pw_text_char(text, ' ');
        pw_text_dec(text, used->bytes);
        pw_text_char(text, ' ');
        pw_text_bytes(text, used->pattern, used->length);
        pw_text_char(text, '\n');
    }
    if (has_begun) {
        pw_text_str(text, rule);
        pw_text_char(text, '\n');
    }
}

static void summary_write(struct pw_text *text)
{
    pw_text_str(text, chunk.parts.config->format == PW_REPORT_ASAN ? "SUMMARY: AddressSanitizer: "
                                                                   : "SUMMARY: PWHeap: ");
    pw_text_dec(text, chunk.bytes);
    pw_text_str(text, " byte(s) leaked in ");
    pw_text_dec(text, chunk.blocks);
    pw_text_str(text, " allocation(s).\n");
}

static void end_write(void)
{
    struct pw_text *text = &chunk.parts.render->text;
    if (chunk.blocks == 0 || is_json())
        return;
    if (chunk.groups > chunk.leaks->max_leaks && chunk.leaks->max_leaks != 0) {
        pw_text_str(text, "(of ");
        pw_text_dec(text, chunk.groups);
        pw_text_str(text, " groups max_leaks had ");
        pw_text_dec(text, chunk.leaks->max_leaks);
        pw_text_str(text, " printed)\n\n");
    }
    if (chunk.leaks->print_suppressions)
        suppressions_write(text);
    if (chunk.parts.config->print_summary)
        summary_write(text);
    pw_sink_write(chunk.parts.config, text->buffer, text->length);
}

static void leaks_write_locked(const struct pw_leaks *leaks)
{
    chunk = (struct chunk){.leaks = leaks, .parts = pw_report_parts_locked()};
    struct pw_render *render = chunk.parts.render;
    render->config = chunk.parts.config;
    render->pid = pw_os_process_id();
    render->time_ns = pw_os_wall_time_ns();
    render->frame_limit = PW_MAX_FRAMES;
    chunk_begin();
    for (uint32_t i = 0; i < leaks->count; i++) {
        if (render_leak(&leaks->all[i]))
            chunk.members[chunk.count++] = &leaks->all[i];
        if (chunk.count == CHUNK_LEAKS || chunk.parts.raw_bytes - render->text.length < LEAK_BYTES)
            chunk_write();
    }
    chunk_write();
    end_write();
}

uint64_t pw_report_leaks(const struct pw_leaks *leaks)
{
    struct pw_report_held held = pw_report_hold();
    leaks_write_locked(leaks);
    uint64_t blocks = chunk.blocks;
    if (blocks > 0)
        pw_symbolize_tell();
    memset(&fault, 0, sizeof fault);
    pw_report_let_go(held);
    return blocks;
}
