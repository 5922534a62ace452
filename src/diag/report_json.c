/*
 * report_json.c - a report as one line of JSON, with the names of REPORTS.md.
 *
 * Every name is always there; what is not known is null, an empty list or 0. Addresses are strings,
 * for a double holds 53 bits. A report that does not fit is written again with fewer frames: a line
 * that is cut is no JSON.
 */
#include "diag/json_text.h"
#include "diag/report_render.h"

/* -- Parts */

static void frame_write(struct pw_text *text, const struct pw_frame *frame)
{
    const struct pw_module *module = frame->module;
    pw_json_name(text, NULL);
    pw_text_char(text, '{');
    pw_json_address(text, "pc", frame->pc);
    pw_json_string(text, "module", module != NULL ? module->path : NULL);
    if (module != NULL && module->build_id_len != 0) {
        pw_json_name(text, "build_id");
        pw_text_char(text, '"');
        pw_build_id_write(text, module);
        pw_text_char(text, '"');
    } else {
        pw_json_null(text, "build_id");
    }
    if (module != NULL)
        pw_json_address(text, "offset", frame->offset);
    else
        pw_json_null(text, "offset");
    pw_json_string(text, "function", frame->function);
    pw_text_str(text, ",\"file\":null,\"line\":null,\"column\":null}");
}

static void stack_member(struct pw_render *render, const char *name, const struct pw_trace *trace)
{
    pw_json_name(&render->text, name);
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
    pw_json_name(&render->text, name);
    pw_text_char(&render->text, '{');
    pw_json_number(&render->text, "id", ordinal);
    pw_json_string(&render->text, "name", pw_thread_name(render->config, ordinal));
    pw_text_char(&render->text, '}');
}

static void flags_member(struct pw_text *text, const struct pw_block_info *block)
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
    pw_json_name(text, "flags");
    pw_text_char(text, '[');
    for (size_t i = 0; i < PW_ARRAY_SIZE(names); i++)
        if (block->flags & names[i].flag)
            pw_json_string(text, NULL, names[i].name);
    if (block->is_hidden)
        pw_json_string(text, NULL, "hidden");
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
        pw_json_null(text, name);
        return;
    }
    pw_json_name(text, name);
    pw_text_char(text, '{');
    pw_json_address(text, "addr", block->address);
    pw_json_number(text, "size", block->size);
    pw_json_number(text, "block_size", block->block_size);
    pw_json_string(text, "state", pw_state_name(block->state));
    pw_json_bool(text, "sealed", block->sealed);
    pw_json_string(text, "family", family_name(block));
    flags_member(text, block);
    pw_json_number(text, "heap", block->heap);
    pw_json_number(text, "region", block->region);
    bool knows_threads = block->has_evidence && block->number != 0;
    if (knows_threads)
        thread_member(render, "thread", block->alloc_thread);
    else
        pw_json_null(text, "thread");
    if (knows_threads && block->free_stack != 0)
        thread_member(render, "free_thread", block->free_thread);
    else
        pw_json_null(text, "free_thread");
    pw_json_number(text, "seq", block->has_evidence ? block->number : 0);
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
        pw_json_null(text, name);
        return;
    }
    pw_json_name(text, name);
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
        pw_json_null(text, "damage");
        return;
    }
    pw_json_name(text, "damage");
    pw_text_char(text, '{');
    pw_json_address(text, "addr", damage->start);
    pw_json_number(text, "length", damage->length);
    pw_json_number(text, "damaged", damage->damaged);
    pw_json_address(text, "window_addr", damage->window);
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
        pw_json_string(text, "operation", pw_operation_name(fault->operation));
        return;
    }
    pw_json_name(text, "operation");
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
    pw_json_string(text, "kind", pw_kind_name(fault->kind));
    pw_json_bool(text, "certain", fault->is_certain);
    operation_member(text, fault);
    pw_json_address(text, "address", fault->address);
    pw_json_string(text, "access", access_name(fault->access));
    pw_json_number(text, "access_size", is_request ? 0 : fault->access_size);
    pw_json_address(text, "pc", pw_fault_pc(fault));
    pw_json_number(text, "offset", fault->offset);
    pw_json_string(text, "relation", relation_name(fault->relation));
    pw_json_string(text, "released_as", is_mismatch ? pw_family_release_name(fault->released_as) : NULL);
    pw_json_number(text, "given_count", is_calloc ? fault->access_size : 0);
    pw_json_number(text, "given_size", is_given ? fault->given_size : fault->access_size);
    pw_json_number(text, "given_alignment", fault->given_alignment);
    if (fault->kind == PW_KIND_OVERLAP && fault->damage.start != 0)
        pw_json_address(text, "source", fault->damage.start);
    else
        pw_json_null(text, "source");
    pw_json_string(text, "broken_rule", fault->broken_rule);
    pw_json_string(text, "place", fault->place);
    if (fault->operation == PW_OP_EXTERNAL)
        pw_json_null(text, "thread");
    else
        thread_member(render, "thread", fault->thread);
}

static void past_list_member(struct pw_render *render, const char *name, const struct pw_past *list,
                             uint32_t count)
{
    struct pw_text *text = &render->text;
    pw_json_name(text, name);
    pw_text_char(text, '[');
    for (uint32_t i = 0; i < count && i < PW_PAST_SHOWN; i++) {
        pw_json_name(text, NULL);
        pw_text_char(text, '{');
        pw_json_string(text, "operation", pw_operation_name((enum pw_operation)list[i].operation));
        pw_json_bool(text, "released", list[i].is_release);
        pw_json_address(text, "addr", list[i].address);
        pw_json_number(text, "size", list[i].size);
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
    pw_json_name(&render->text, "history");
    pw_text_char(&render->text, '{');
    past_list_member(render, "here", fault->past_here, fault->past_here_count);
    past_list_member(render, "thread", fault->past_thread, fault->past_thread_count);
    pw_text_char(&render->text, '}');
}

static void neighbours_member(struct pw_render *render)
{
    pw_json_name(&render->text, "neighbours");
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
    pw_json_string(&render->text, "advice", storage);
}

static void preamble(struct pw_text *text, uint32_t pid, uint64_t time_ns)
{
    pw_text_str(text, "{\"version\":1");
    pw_json_number(text, "pid", pid);
    pw_json_name(text, "time");
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
    pw_json_name(text, "fingerprint");
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
    pw_json_string(text, "kind", pw_kind_name(PW_KIND_LEAK));
    pw_json_bool(text, "certain", true);
    pw_json_string(text, "operation", pw_operation_name(render->fault->operation));
    pw_json_address(text, "address", leak->address);
    pw_json_bool(text, "direct", leak->is_direct);
    pw_json_number(text, "bytes", leak->bytes);
    pw_json_number(text, "blocks", leak->blocks);
    depot_member(render, "alloc_stack", leak->stack);
    pw_json_name(text, "fingerprint");
    pw_text_char(text, '"');
    pw_text_hex_digits(text, render->fingerprint, 16);
    pw_text_char(text, '"');
    advice_member(render);
    pw_text_str(text, "}\n");
}

void pw_json_note_write(struct pw_text *text, uint32_t pid, uint64_t time_ns, const char *note)
{
    preamble(text, pid, time_ns);
    pw_json_string(text, "note", note);
    pw_text_str(text, "}\n");
}
