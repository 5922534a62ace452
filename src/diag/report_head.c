/*
 * report_head.c - the first two parts of a report: what happened on which address, and where.
 *
 * double-free, bad-free, the mismatches and the refused requests have first lines of their own, as
 * they have in AddressSanitizer; its tools know them by these.
 */
#include "diag/report_render.h"

uint64_t pw_fault_pc(const struct pw_fault *fault)
{
    struct pw_trace trace = pw_trace_of_fault(fault);
    if (trace.count == 0 || fault->operation == PW_OP_ACCESS)
        return fault->pc;
    return pw_frame_locate(&trace, 0).pc;
}

/* Looked at from outside, no thread of the program found it. */
static void finder_write(struct pw_render *render)
{
    if (render->fault->operation == PW_OP_EXTERNAL)
        return;
    pw_say(render, " in thread ");
    pw_say_thread(render, render->fault->thread);
}

/* KIND on address A at pc P in thread T */
static void plain_head(struct pw_render *render)
{
    const struct pw_fault *fault = render->fault;
    pw_say(render, pw_report_kind_name(render));
    if (!fault->is_certain && !pw_is_asan(render))
        pw_say(render, " (probably)");
    pw_say_address(render, " on address ", fault->address);
    if (pw_fault_pc(fault) != 0)
        pw_say_address(render, " at pc ", pw_fault_pc(fault));
    finder_write(render);
    pw_say(render, "\n");
}

static void free_head(struct pw_render *render, const char *words)
{
    if (!pw_is_asan(render) && render->fault->kind == PW_KIND_INTERIOR_FREE)
        pw_say(render, "interior-free: ");
    pw_say_address(render, words, render->fault->address);
    pw_say(render, " in thread ");
    pw_say_thread(render, render->fault->thread);
    pw_say(render, ":\n");
}

static void family_mismatch_head(struct pw_render *render)
{
    static const char *const asan_gave[] = {"malloc", "operator new", "operator new []"};
    static const char *const asan_takes[] = {"free", "operator delete", "operator delete []"};
    static const char *const gave[] = {"malloc", "operator new", "operator new[]"};
    const struct pw_fault *fault = render->fault;
    unsigned from = (unsigned)fault->block.family % 3;
    unsigned to = (unsigned)fault->released_as % 3;
    const char *taker = pw_is_asan(render) ? asan_takes[to] : pw_family_release_name(fault->released_as);
    pw_say(render, "alloc-dealloc-mismatch (");
    pw_say(render, pw_is_asan(render) ? asan_gave[from] : gave[from]);
    pw_say(render, " vs ");
    pw_say(render, fault->operation == PW_OP_REALLOC && to == 0 ? "realloc" : taker);
    pw_say_address(render, ") on ", fault->address);
    if (!pw_is_asan(render)) {
        pw_say(render, " in thread ");
        pw_say_thread(render, fault->thread);
    }
    pw_say(render, "\n");
}

static void size_mismatch_head(struct pw_render *render)
{
    const struct pw_fault *fault = render->fault;
    pw_say(render, pw_report_kind_name(render));
    pw_say_address(render, " on ", fault->address);
    pw_say(render, " in thread ");
    pw_say_thread(render, fault->thread);
    pw_say(render, ":\n");
    if (pw_is_asan(render))
        pw_say(render, "  object passed to delete has wrong type:\n");
    pw_say_number(render, "  size of the allocated type:   ", fault->block.size, " bytes;\n");
    pw_say_number(render, "  size of the deallocated type: ", fault->given_size, " bytes.\n");
    if (fault->given_alignment != 0 && fault->block.alignment != 0)
        pw_say_number(render, "  alignment of the allocated type:   ", fault->block.alignment, " bytes;\n");
    if (fault->given_alignment != 0)
        pw_say_number(render, "  alignment of the deallocated type: ", fault->given_alignment, " bytes.\n");
}

static void range_write(struct pw_render *render, uint64_t start, uint64_t length)
{
    pw_say_address(render, "[", start);
    pw_say_address(render, ",", start + length);
    pw_say(render, ")");
}

static void overlap_head(struct pw_render *render)
{
    const struct pw_fault *fault = render->fault;
    pw_say(render, pw_report_kind_name(render));
    pw_say(render, ": memory ranges ");
    range_write(render, fault->address, fault->access_size);
    pw_say(render, " and ");
    if (fault->damage.start != 0)
        range_write(render, fault->damage.start, fault->access_size);
    else
        pw_say(render, "the source");
    pw_say(render, " overlap\n");
}

/* Requests that can't be served. */
static void request_head(struct pw_render *render)
{
    const struct pw_fault *fault = render->fault;
    uint64_t most = render->config->max_allocation_bytes;
    if (!pw_is_asan(render)) {
        pw_say(render, pw_report_kind_name(render));
        pw_say(render, ": ");
    }
    if (fault->kind == PW_KIND_CALLOC_OVERFLOW) {
        pw_say_number(render, "calloc parameters overflow: count * size (", fault->access_size, " * ");
        pw_say_number(render, "", fault->given_size, ") cannot be represented in type size_t");
    } else if (fault->kind == PW_KIND_SIZE_TOO_BIG) {
        pw_say(render, "requested allocation size ");
        pw_text_hex(&render->text, fault->given_size != 0 ? fault->given_size : fault->access_size, 0);
        pw_say(render, " exceeds maximum supported size of ");
        pw_text_hex(&render->text, most != 0 ? most : PTRDIFF_MAX, 0);
    } else {
        pw_say_number(render, "invalid allocation alignment: ", fault->given_alignment,
                     ", alignment must be a power of two");
    }
    pw_say(render, " (thread ");
    pw_say_thread(render, fault->thread);
    pw_say(render, ")\n");
}

/* A dereferenced piece of poison is a plain crash to AddressSanitizer. */
static void poison_head(struct pw_render *render)
{
    const struct pw_fault *fault = render->fault;
    if (!pw_is_asan(render)) {
        plain_head(render);
        return;
    }
    pw_say_address(render, "SEGV on unknown address ", fault->address);
    pw_say_address(render, " (pc ", pw_fault_pc(fault));
    pw_say(render, " T");
    pw_text_dec(&render->text, fault->thread);
    pw_say(render, ")\n");
}

static void first_line(struct pw_render *render)
{
    pw_say(render, "==");
    pw_text_dec(&render->text, render->pid);
    pw_say(render, pw_is_asan(render) ? "==ERROR: AddressSanitizer: " : "==ERROR: PWHeap: ");
    switch (render->fault->kind) {
    case PW_KIND_DOUBLE_FREE:
        free_head(render, "attempting double-free on ");
        break;
    case PW_KIND_BAD_FREE:
    case PW_KIND_INTERIOR_FREE:
        free_head(render, "attempting free on address which was not malloc()-ed: ");
        break;
    case PW_KIND_FAMILY_MISMATCH:
        family_mismatch_head(render);
        break;
    case PW_KIND_SIZE_MISMATCH:
        size_mismatch_head(render);
        break;
    case PW_KIND_OVERLAP:
        overlap_head(render);
        break;
    case PW_KIND_CALLOC_OVERFLOW:
    case PW_KIND_SIZE_TOO_BIG:
    case PW_KIND_BAD_ALIGNMENT:
        request_head(render);
        break;
    case PW_KIND_POISON:
        poison_head(render);
        break;
    default:
        plain_head(render);
        break;
    }
}

static void access_line(struct pw_render *render, const char *access, uint64_t size)
{
    pw_say(render, access);
    if (size != 0)
        pw_say_number(render, " of size ", size, "");
    pw_say_address(render, " at ", render->fault->address);
    pw_say(render, " thread ");
    pw_say_thread(render, render->fault->thread);
    if (render->fault->function != NULL && !pw_is_asan(render)) {
        pw_say(render, ", by ");
        pw_say(render, render->fault->function);
        pw_say(render, "()");
    }
}

/* Not every machine tells a handler which of the two it was. */
static const char *access_name(enum pw_access access)
{
    static const char *const names[] = {"ACCESS", "READ", "WRITE"};
    return names[(unsigned)access % PW_ARRAY_SIZE(names)];
}

/*
 * Late damage was certainly a write, of at least the bytes that changed; triage tools need the line
 * to take the report for one of memory corruption, so it says in the same breath what is not known.
 */
static void asan_late_line(struct pw_render *render)
{
    const struct pw_fault *fault = render->fault;
    access_line(render, "WRITE", fault->damage.length != 0 ? fault->damage.length : 1);
    pw_say(render, " (some time before; found by ");
    pw_say(render, pw_operation_name(fault->operation));
    pw_say(render, ", here:)\n");
}

static void late_line(struct pw_render *render)
{
    pw_say(render, "damage found by ");
    pw_say(render, pw_operation_name(render->fault->operation));
    finder_write(render);
    pw_say(render, "\n");
}

static void asan_signal_line(struct pw_render *render)
{
    const struct pw_fault *fault = render->fault;
    pw_say_number(render, "==", render->pid, "==The signal is caused by a ");
    pw_say(render, fault->access == PW_ACCESS_NONE ? "UNKNOWN" : access_name(fault->access));
    pw_say(render, " memory access.\n");
}

static void second_line(struct pw_render *render)
{
    const struct pw_fault *fault = render->fault;
    if (pw_is_asan(render) && fault->kind == PW_KIND_POISON) {
        asan_signal_line(render);
    } else if (fault->access != PW_ACCESS_NONE || fault->operation == PW_OP_ACCESS) {
        uint64_t least = pw_is_asan(render) ? 1 : 0; /* its tools want a size */
        access_line(render, access_name(fault->access), fault->access_size != 0 ? fault->access_size : least);
        pw_say(render, fault->is_watched ? "\nwritten by:\n" : "\n");
    } else if (pw_fault_is_late(fault)) {
        if (pw_is_asan(render) && fault->kind != PW_KIND_HEADER)
            asan_late_line(render);
        else
            late_line(render);
    }
}

/* The first lines of these have it all; their access_size is a count. */
static bool has_second_line(enum pw_kind kind)
{
    return kind != PW_KIND_OVERLAP && kind != PW_KIND_CALLOC_OVERFLOW;
}

void pw_head_write(struct pw_render *render)
{
    struct pw_trace trace = pw_trace_of_fault(render->fault);
    first_line(render);
    if (has_second_line(render->fault->kind))
        second_line(render);
    pw_frames_write(render, &trace, render->frame_limit);
    if (trace.count == 0 && render->fault->operation != PW_OP_EXTERNAL)
        pw_say(render, "    (no stack)\n");
    pw_say(render, "\n");
}
