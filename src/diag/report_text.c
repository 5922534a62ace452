/*
 * report_text.c - a report as text, part by part in the order of REPORTS.md. Parts 1 and 2 are in
 * report_head.c. The asan format differs in the words of some lines only.
 */
#include "diag/report_render.h"

static const char *relation_words(enum pw_relation relation)
{
    switch (relation) {
    case PW_RELATION_BEFORE:
        return " bytes before ";
    case PW_RELATION_AFTER:
        return " bytes after ";
    default:
        return " bytes inside of ";
    }
}

/* "0x… is located N bytes inside of M-byte block [0x…,0x…)" */
static void relation_write(struct pw_render *render, uint64_t address)
{
    const struct pw_fault *fault = render->fault;
    const struct pw_block_info *block = &fault->block;
    pw_say_address(render, "", address);
    pw_say_number(render, " is located ", fault->offset, relation_words(fault->relation));
    pw_say_number(render, "", block->size, pw_is_asan(render) ? "-byte region [" : "-byte block [");
    pw_say_address(render, "", block->address);
    pw_say_address(render, ",", block->address + block->size);
    pw_say(render, ")\n");
}

static void poison_write(struct pw_render *render)
{
    pw_say_address(render, "", render->fault->address);
    pw_say(render, render->fault->is_zone ? " is what pwheap puts before and behind blocks: "
                                            "a pointer was read from outside of a block\n"
                                          : " is what freed memory is filled with: "
                                            "a pointer was read from memory that was freed\n");
}

static void location_write(struct pw_render *render)
{
    const struct pw_fault *fault = render->fault;
    const struct pw_block_info *block = &fault->block;
    bool is_related = fault->relation != PW_RELATION_NONE && block->known;
    size_t before = render->text.length;
    if (is_related && fault->kind != PW_KIND_POISON)
        relation_write(render, fault->address);
    if (fault->place != NULL) {
        pw_say_address(render, "", fault->address);
        pw_say(render, " lies in ");
        pw_say(render, fault->place);
        pw_say(render, "\n");
    } else if (!block->known && fault->kind == PW_KIND_BAD_FREE && (fault->is_poison || fault->is_zone)) {
        poison_write(render);
    } else if (!block->known && fault->kind == PW_KIND_BAD_FREE) {
        pw_say_address(render, "", fault->address);
        pw_say(render, " is no block of pwheap, and was none as far as it remembers\n");
    }
    if (fault->broken_rule != NULL) {
        pw_say(render, "the block's header is damaged: ");
        pw_say(render, fault->broken_rule);
        pw_say(render, "\n");
    }
    if (fault->kind == PW_KIND_POISON && fault->place == NULL)
        poison_write(render);
    if (pw_fault_is_astray(fault))
        pw_say(render, "(probably: nobody had this block since its memory came from the system; meant for another one?)\n");
    else if (!fault->is_certain)
        pw_say(render, "(probably: it can't be told for sure from what is left)\n");
    if (is_related && fault->kind == PW_KIND_POISON) {
        pw_say(render, "probably from here, by what registers and stack hold: ");
        relation_write(render, fault->relation == PW_RELATION_BEFORE ? block->address - fault->offset
                               : block->address + fault->offset + (fault->relation == PW_RELATION_AFTER ? block->size : 0));
    }
    if (!block->known && render->text.length != before)
        pw_say(render, "\n");
}

/*
 * "freed by thread T2 (name) here:" and the frames. In a FREE block the links of its bin take the
 * place of the threads and of the number, which is then 0.
 */
static void event_write(struct pw_render *render, const char *what, uint16_t thread,
                        const struct pw_trace *trace)
{
    pw_say(render, what);
    pw_say(render, " by thread ");
    if (render->fault->block.number != 0)
        pw_say_thread(render, thread);
    else
        pw_say(render, "T?");
    pw_say(render, " here:\n");
    pw_frames_write(render, trace, render->frame_limit);
    pw_say(render, "\n");
}

static bool was_freed(const struct pw_block_info *block)
{
    return block->state != PW_STATE_LIVE && block->state != PW_STATE_PENDING;
}

static void no_stack_write(struct pw_render *render)
{
    if (render->fault->block.is_renewed)
        pw_say(render, "(nobody has had this block yet; blocks of another size had its memory)\n\n");
    else if (render->config->level < PW_LEVEL_FULL)
        pw_say(render, "(who allocated and freed a block is kept at PWHEAP_CHECK=full)\n\n");
    else
        pw_say(render, "(no stack was kept for this block)\n\n");
}

static void history_write(struct pw_render *render)
{
    const struct pw_block_info *block = &render->fault->block;
    if (!block->known)
        return;
    struct pw_trace freed = {0};
    if (block->has_evidence && was_freed(block))
        freed = pw_trace_of_stack(render->frames, block->free_stack);
    if (freed.count != 0)
        event_write(render, "freed", block->free_thread, &freed);
    struct pw_trace allocated = {0};
    if (block->has_evidence)
        allocated = pw_trace_of_stack(render->frames, block->alloc_stack);
    if (allocated.count != 0)
        event_write(render, freed.count != 0 ? "previously allocated" : "allocated", block->alloc_thread,
                    &allocated);
    if (freed.count == 0 && allocated.count == 0)
        no_stack_write(render);
}

static void flags_write(struct pw_render *render, const struct pw_block_info *block)
{
    static const struct {
        uint8_t flag;
        const char *words;
    } flags[] = {{PW_HEAP_MAPPED, ", mapped"},
                 {PW_HEAP_GUARDED, ", guarded"},
                 {PW_HEAP_ALIGNED, ", aligned"},
                 {PW_HEAP_ZEROED, ", zeroed"},
                 {PW_HEAP_RIGHT, ", right-aligned"}};
    for (size_t i = 0; i < PW_ARRAY_SIZE(flags); i++)
        if (block->flags & flags[i].flag)
            pw_say(render, flags[i].words);
}

/* In a bin or a cache it is nobody's, and what is left of its last owner may mislead. */
static bool is_idle(const struct pw_block_info *block)
{
    return block->state == PW_STATE_FREE || block->state == PW_STATE_CACHED;
}

static void block_words(struct pw_render *render, const struct pw_block_info *block)
{
    pw_say(render, pw_state_name(block->state));
    if (is_idle(block)) {
        pw_say_number(render, ", ", block->block_size, " bytes");
    } else {
        pw_say_number(render, ", ", block->size, " bytes of ");
        pw_say_number(render, "", block->block_size, ", ");
        pw_say(render, pw_family_name(block->family));
        flags_write(render, block);
    }
    if (block->has_evidence && block->number != 0) {
        pw_say_number(render, ", allocation number ", block->number, " of thread ");
        pw_say_thread(render, block->alloc_thread);
    }
    pw_say_number(render, ", heap ", block->heap, "");
    pw_say_number(render, ", region ", block->region, "");
    if (!block->sealed)
        pw_say(render, "; its header does not bear its seal, so none of this is sure");
    pw_say(render, "\n");
}

static void neighbour_write(struct pw_render *render, const char *where, const struct pw_block_info *block)
{
    pw_say(render, where);
    if (!block->known) {
        pw_say(render, "none\n");
        return;
    }
    pw_say_address(render, "", block->address);
    pw_say(render, ", ");
    block_words(render, block);
    if (!block->has_evidence || is_idle(block))
        return;
    struct pw_trace trace = pw_trace_of_stack(render->frames, block->alloc_stack);
    pw_frames_write_own(render, &trace, PW_BRIEF_FRAMES);
}

static void surroundings_write(struct pw_render *render)
{
    const struct pw_fault *fault = render->fault;
    if (!fault->block.known)
        return;
    pw_say(render, "block: ");
    block_words(render, &fault->block);
    neighbour_write(render, "block before it: ", &fault->before);
    neighbour_write(render, "block after it: ", &fault->after);
    pw_say(render, "\n");
}

static void advice_write(struct pw_render *render)
{
    size_t before = render->text.length;
    pw_say(render, "advice: ");
    size_t start = render->text.length;
    pw_advice_write(&render->text, render->fault, render->config->level);
    if (render->text.length == start) {
        render->text.length = before;
        render->text.buffer[before] = '\0';
        return;
    }
    pw_say(render, "\n\n");
}

static void summary_frame_write(struct pw_render *render, const struct pw_frame *frame)
{
    pw_say(render, " (");
    pw_say(render, frame->module != NULL ? frame->module->path : "<unknown module>");
    if (frame->module != NULL) {
        pw_say(render, "+");
        pw_text_hex(&render->text, frame->offset, 0);
    }
    pw_say(render, ")");
    pw_say(render, frame->function != NULL ? " in " : "");
    pw_say(render, frame->function != NULL ? frame->function : "");
}

/* After main has returned only its entry is the program's own, and that says nothing. */
static bool is_nowhere(const struct pw_render *render, const struct pw_trace *trace)
{
    return render->fault->operation == PW_OP_EXIT && !pw_is_asan(render) && render->fault->block.known &&
           pw_trace_culprit(trace) + 1 >= trace->count;
}

/*
 * Stable from run to run, for tools compare it: late damage is named by its allocation, where it is known,
 * for it is found wherever the program happened to be.
 */
static void summary_write(struct pw_render *render)
{
    struct pw_trace trace = pw_trace_of_fault(render->fault), allocated = {0};
    if (pw_fault_is_late(render->fault) && render->fault->block.has_evidence)
        allocated = pw_trace_of_stack(render->frames, render->fault->block.alloc_stack);
    bool is_allocation = allocated.count != 0;
    if (is_allocation)
        trace = allocated;
    pw_say(render, pw_is_asan(render) ? "SUMMARY: AddressSanitizer: " : "SUMMARY: PWHeap: ");
    pw_say(render, pw_report_kind_name(render));
    if (!is_allocation && is_nowhere(render, &trace)) {
        pw_say_number(render, " of a ", render->fault->block.size, "-byte block, found by the last look at exit");
    } else if (trace.count != 0) {
        struct pw_frame frame = pw_frame_first_own(render, &trace, is_allocation);
        summary_frame_write(render, &frame);
    }
    pw_say(render, "\n");
}

void pw_text_report_write(struct pw_render *render)
{
    enum { SUMMARY_BYTES = 2048 }; /* kept free for the end, however long the rest */
    size_t capacity = render->text.capacity;
    render->text.capacity = capacity - SUMMARY_BYTES;
    pw_head_write(render);
    location_write(render);
    history_write(render);
    pw_damage_write(&render->text, render->fault);
    surroundings_write(render);
    pw_past_write(render);
    advice_write(render);
    render->text.capacity = capacity;
    if (render->text.truncated)
        pw_say(render, "\n(the report is cut here: it was too long)\n");
    if (render->config->print_summary)
        summary_write(render);
}
