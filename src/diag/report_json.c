/*
 * report_json.c - a report as one line of JSON, with the names of REPORTS.md.
 *
 * Every name is always there; what is not known is null, an empty list or 0. Addresses are strings,
 * for a double holds 53 bits. A report that does not fit is written again with fewer frames: a line
 * that is cut is no JSON.
 */
#include "diag/report_render.h"

#include <string.h>

/* -- Strings */

/* Bytes of the valid UTF-8 sequence of more than one byte at `str` (NUL-terminated); 0: it is none. */
static size_t utf8_length(const unsigned char *str)
{
    static const struct {
        unsigned char mask, lead, least_second, most_second, length;
    } forms[] = {
        {0xFF, 0xE0, 0xA0, 0xBF, 3}, {0xFF, 0xED, 0x80, 0x9F, 3}, /* no overlong ones, no surrogates */
        {0xFF, 0xF0, 0x90, 0xBF, 4}, {0xFF, 0xF4, 0x80, 0x8F, 4}, {0xFE, 0xC0, 1, 0, 0},
        {0xE0, 0xC0, 0x80, 0xBF, 2}, {0xF0, 0xE0, 0x80, 0xBF, 3}, {0xFC, 0xF0, 0x80, 0xBF, 4},
    };
    for (size_t i = 0; i < PW_ARRAY_SIZE(forms); i++) {
        if ((str[0] & forms[i].mask) != forms[i].lead)
            continue;
        if (str[1] < forms[i].least_second || str[1] > forms[i].most_second)
            return 0;
        for (size_t k = 2; k < forms[i].length; k++)
            if ((str[k] & 0xC0) != 0x80)
                return 0;
        return forms[i].length;
    }
    return 0;
}

static void escaped_write(struct pw_text *text, unsigned char c)
{
    pw_text_str(text, "\\u00");
    pw_text_hex_digits(text, c, 2);
}

static void string_write(struct pw_text *text, const char *str)
{
    pw_text_char(text, '"');
    while (*str != '\0') {
        unsigned char c = (unsigned char)*str;
        size_t length = c >= 0x80 ? utf8_length((const unsigned char *)str) : 1;
        if (length == 0 || c < 0x20 || c == 0x7f) {
            escaped_write(text, c);
            str++;
            continue;
        }
        if (c == '"' || c == '\\')
            pw_text_char(text, '\\');
        pw_text_bytes(text, str, length);
        str += length;
    }
    pw_text_char(text, '"');
}

/* -- Members: the names are ours, so they need no escaping */

static void name_write(struct pw_text *text, const char *name)
{
    char last = text->length > 0 ? text->buffer[text->length - 1] : '{';
    if (last != '{' && last != '[')
        pw_text_char(text, ',');
    if (name == NULL)
        return;
    pw_text_char(text, '"');
    pw_text_str(text, name);
    pw_text_str(text, "\":");
}

static void number_member(struct pw_text *text, const char *name, uint64_t value)
{
    name_write(text, name);
    pw_text_dec(text, value);
}

static void string_member(struct pw_text *text, const char *name, const char *value)
{
    name_write(text, name);
    if (value != NULL)
        string_write(text, value);
    else
        pw_text_str(text, "null");
}

static void bool_member(struct pw_text *text, const char *name, bool value)
{
    name_write(text, name);
    pw_text_str(text, value ? "true" : "false");
}

static void address_member(struct pw_text *text, const char *name, uint64_t value)
{
    name_write(text, name);
    pw_text_char(text, '"');
    pw_text_hex(text, value, 0);
    pw_text_char(text, '"');
}

static void null_member(struct pw_text *text, const char *name)
{
    name_write(text, name);
    pw_text_str(text, "null");
}

/* -- Parts */

static void frame_write(struct pw_text *text, const struct pw_frame *frame)
{
    const struct pw_module *module = frame->module;
    name_write(text, NULL);
    pw_text_char(text, '{');
    address_member(text, "pc", frame->pc);
    string_member(text, "module", module != NULL ? module->path : NULL);
    if (module != NULL && module->build_id_len != 0) {
        name_write(text, "build_id");
        pw_text_char(text, '"');
        pw_build_id_write(text, module);
        pw_text_char(text, '"');
    } else {
        null_member(text, "build_id");
    }
    if (module != NULL)
        address_member(text, "offset", frame->offset);
    else
        null_member(text, "offset");
    string_member(text, "function", frame->function);
    pw_text_str(text, ",\"file\":null,\"line\":null,\"column\":null}");
}

static void stack_member(struct pw_render *render, const char *name, const struct pw_trace *trace)
{
    name_write(&render->text, name);
    pw_text_char(&render->text, '[');
    for (uint32_t i = 0; i < trace->count && i < render->frame_limit; i++) {
        struct pw_frame frame = pw_frame_resolve(render, trace, i);
        frame_write(&render->text, &frame);
    }
    pw_text_char(&render->text, ']');
}

static void depot_member(struct pw_render *render, const char *name, uint32_t id)
{
    struct pw_trace trace = pw_trace_of_stack(render->frames, id);
    stack_member(render, name, &trace);
}

static void thread_member(struct pw_render *render, const char *name, uint32_t ordinal)
{
    name_write(&render->text, name);
    pw_text_char(&render->text, '{');
    number_member(&render->text, "id", ordinal);
    string_member(&render->text, "name", pw_thread_name(render->config, ordinal));
    pw_text_char(&render->text, '}');
}

static void flags_member(struct pw_text *text, uint8_t flags)
{
    static const struct {
        uint8_t flag;
        const char *name;
    } names[] = {{PW_HEAP_MAPPED, "mapped"},
                 {PW_HEAP_GUARDED, "guarded"},
                 {PW_HEAP_ZEROED, "zeroed"},
                 {PW_HEAP_ALIGNED, "aligned"},
                 {PW_HEAP_RIGHT, "right"},
                 {PW_HEAP_POISONED, "poisoned"}};
    name_write(text, "flags");
    pw_text_char(text, '[');
    for (size_t i = 0; i < PW_ARRAY_SIZE(names); i++)
        if (flags & names[i].flag)
            string_member(text, NULL, names[i].name);
    pw_text_char(text, ']');
}

static const char *family_name(const struct pw_block_info *block)
{
    bool is_aligned = (block->flags & PW_HEAP_ALIGNED) != 0 && block->family == PW_FAMILY_MALLOC;
    return is_aligned ? "aligned" : pw_family_name(block->family);
}

/* A block as an object; `name` NULL inside a list. */
static void block_member(struct pw_render *render, const char *name, const struct pw_block_info *block)
{
    struct pw_text *text = &render->text;
    if (!block->known) {
        null_member(text, name);
        return;
    }
    name_write(text, name);
    pw_text_char(text, '{');
    address_member(text, "addr", block->address);
    number_member(text, "size", block->size);
    number_member(text, "block_size", block->block_size);
    string_member(text, "state", pw_state_name(block->state));
    bool_member(text, "sealed", block->sealed);
    string_member(text, "family", family_name(block));
    flags_member(text, block->flags);
    number_member(text, "heap", block->heap);
    number_member(text, "region", block->region);
    bool knows_threads = block->has_evidence && block->number != 0;
    if (knows_threads)
        thread_member(render, "thread", block->alloc_thread);
    else
        null_member(text, "thread");
    if (knows_threads && block->free_stack != 0)
        thread_member(render, "free_thread", block->free_thread);
    else
        null_member(text, "free_thread");
    number_member(text, "seq", block->has_evidence ? block->number : 0);
    depot_member(render, "alloc_stack", block->has_evidence ? block->alloc_stack : 0);
    depot_member(render, "free_stack", block->has_evidence ? block->free_stack : 0);
    pw_text_char(text, '}');
}

enum column { FOUND, EXPECTED };

/*
 * The damaged range as hex digits, from damage.start as far as the window goes; ".." where nobody
 * knows what should be there.
 */
static void bytes_member(struct pw_text *text, const char *name, const struct pw_damage *damage,
                         enum column column)
{
    uint64_t first = damage->start - damage->window;
    if (!pw_damage_is_shown(damage) || first >= damage->window_bytes) {
        null_member(text, name);
        return;
    }
    name_write(text, name);
    pw_text_char(text, '"');
    for (uint64_t i = first; i < damage->window_bytes && i - first < damage->length; i++) {
        if (column == EXPECTED && !damage->is_known[i])
            pw_text_str(text, "..");
        else
            pw_text_hex_digits(text, column == FOUND ? damage->found[i] : damage->expected[i], 2);
    }
    pw_text_char(text, '"');
}

static void damage_members(struct pw_text *text, const struct pw_damage *damage)
{
    bytes_member(text, "found", damage, FOUND);
    bytes_member(text, "expected", damage, EXPECTED);
    if (!pw_damage_is_shown(damage)) {
        null_member(text, "damage");
        return;
    }
    name_write(text, "damage");
    pw_text_char(text, '{');
    address_member(text, "addr", damage->start);
    number_member(text, "length", damage->length);
    number_member(text, "damaged", damage->damaged);
    address_member(text, "window_addr", damage->window);
    pw_text_str(text, ",\"window\":\"");
    for (uint32_t i = 0; i < damage->window_bytes; i++)
        pw_text_hex_digits(text, damage->found[i], 2);
    pw_text_str(text, "\"}");
}

static const char *access_name(enum pw_access access)
{
    static const char *const names[] = {NULL, "read", "write"};
    return (unsigned)access < PW_ARRAY_SIZE(names) ? names[access] : NULL;
}

static const char *relation_name(enum pw_relation relation)
{
    static const char *const names[] = {NULL, "before", "inside", "after"};
    return (unsigned)relation < PW_ARRAY_SIZE(names) ? names[relation] : NULL;
}

/* "free()", or of a libc call the function's name likewise. */
static void operation_member(struct pw_text *text, const struct pw_fault *fault)
{
    if (fault->function == NULL) {
        string_member(text, "operation", pw_operation_name(fault->operation));
        return;
    }
    name_write(text, "operation");
    pw_text_char(text, '"');
    pw_text_str(text, fault->function);
    pw_text_str(text, "()\"");
}

static void fault_members(struct pw_render *render)
{
    const struct pw_fault *fault = render->fault;
    struct pw_text *text = &render->text;
    bool is_mismatch = fault->kind == PW_KIND_FAMILY_MISMATCH;
    bool is_request = fault->kind == PW_KIND_CALLOC_OVERFLOW || fault->kind == PW_KIND_SIZE_TOO_BIG;
    bool is_calloc = fault->kind == PW_KIND_CALLOC_OVERFLOW;
    bool is_given = fault->given_size != 0 || is_calloc || !is_request;
    string_member(text, "kind", pw_kind_name(fault->kind));
    bool_member(text, "certain", fault->is_certain);
    operation_member(text, fault);
    address_member(text, "address", fault->address);
    string_member(text, "access", access_name(fault->access));
    number_member(text, "access_size", is_request ? 0 : fault->access_size);
    address_member(text, "pc", fault->pc);
    number_member(text, "offset", fault->offset);
    string_member(text, "relation", relation_name(fault->relation));
    string_member(text, "released_as", is_mismatch ? pw_family_release_name(fault->released_as) : NULL);
    number_member(text, "given_count", is_calloc ? fault->access_size : 0);
    number_member(text, "given_size", is_given ? fault->given_size : fault->access_size);
    number_member(text, "given_alignment", fault->given_alignment);
    if (fault->kind == PW_KIND_OVERLAP && fault->damage.start != 0)
        address_member(text, "source", fault->damage.start);
    else
        null_member(text, "source");
    string_member(text, "broken_rule", fault->broken_rule);
    string_member(text, "place", fault->place);
    if (fault->operation == PW_OP_EXTERNAL)
        null_member(text, "thread");
    else
        thread_member(render, "thread", fault->thread);
}

static void past_list_member(struct pw_render *render, const char *name, const struct pw_past *list,
                             uint32_t count)
{
    struct pw_text *text = &render->text;
    name_write(text, name);
    pw_text_char(text, '[');
    for (uint32_t i = 0; i < count && i < PW_PAST_SHOWN; i++) {
        name_write(text, NULL);
        pw_text_char(text, '{');
        string_member(text, "operation", pw_operation_name((enum pw_operation)list[i].operation));
        address_member(text, "addr", list[i].address);
        number_member(text, "size", list[i].size);
        thread_member(render, "thread", list[i].thread);
        depot_member(render, "stack", list[i].stack);
        pw_text_char(text, '}');
    }
    pw_text_char(text, ']');
}

/* Only where there is one. */
static void history_member(struct pw_render *render)
{
    const struct pw_fault *fault = render->fault;
    if (fault->past_here_count == 0 && fault->past_thread_count == 0)
        return;
    name_write(&render->text, "history");
    pw_text_char(&render->text, '{');
    past_list_member(render, "here", fault->past_here, fault->past_here_count);
    past_list_member(render, "thread", fault->past_thread, fault->past_thread_count);
    pw_text_char(&render->text, '}');
}

static void neighbours_member(struct pw_render *render)
{
    name_write(&render->text, "neighbours");
    pw_text_char(&render->text, '[');
    block_member(render, NULL, &render->fault->before);
    block_member(render, NULL, &render->fault->after);
    pw_text_char(&render->text, ']');
}

static void advice_member(struct pw_render *render)
{
    static char storage[PW_ADVICE_BYTES];
    struct pw_text advice = pw_text_over(storage, sizeof storage);
    pw_advice_write(&advice, render->fault, render->config->level);
    string_member(&render->text, "advice", storage);
}

static void preamble(struct pw_text *text, uint32_t pid, uint64_t time_ns)
{
    pw_text_str(text, "{\"version\":1");
    number_member(text, "pid", pid);
    name_write(text, "time");
    pw_text_char(text, '"');
    pw_time_write(text, time_ns);
    pw_text_char(text, '"');
}

static void object_write(struct pw_render *render)
{
    struct pw_trace trace = pw_trace_of_fault(render->fault);
    struct pw_text *text = &render->text;
    preamble(text, render->pid, render->time_ns);
    fault_members(render);
    block_member(render, "block", &render->fault->block);
    stack_member(render, "stack", &trace);
    damage_members(text, &render->fault->damage);
    neighbours_member(render);
    history_member(render);
    name_write(text, "fingerprint");
    pw_text_char(text, '"');
    pw_text_hex_digits(text, render->fingerprint, 16);
    pw_text_char(text, '"');
    advice_member(render);
    pw_text_str(text, "}\n");
}

void pw_json_report_write(struct pw_render *render)
{
    for (;;) {
        object_write(render);
        if (!render->text.truncated || render->frame_limit == 0)
            return;
        render->frame_limit /= 4;
        render->text = pw_text_over(render->text.buffer, render->text.capacity);
    }
}

void pw_json_leak_write(struct pw_render *render, const struct pw_leak *leak)
{
    struct pw_text *text = &render->text;
    preamble(text, render->pid, render->time_ns);
    string_member(text, "kind", pw_kind_name(PW_KIND_LEAK));
    bool_member(text, "certain", true);
    string_member(text, "operation", pw_operation_name(render->fault->operation));
    address_member(text, "address", leak->address);
    bool_member(text, "direct", leak->is_direct);
    number_member(text, "bytes", leak->bytes);
    number_member(text, "blocks", leak->blocks);
    depot_member(render, "alloc_stack", leak->stack);
    name_write(text, "fingerprint");
    pw_text_char(text, '"');
    pw_text_hex_digits(text, render->fingerprint, 16);
    pw_text_char(text, '"');
    advice_member(render);
    pw_text_str(text, "}\n");
}

void pw_json_note_write(struct pw_text *text, uint32_t pid, uint64_t time_ns, const char *note)
{
    preamble(text, pid, time_ns);
    string_member(text, "note", note);
    pw_text_str(text, "}\n");
}
