/* report_past.c - what was done last to the memory that a report is about, and by its thread. */
#include "diag/report_render.h"

/* "  free(), 24 bytes at 0x…, by thread T0 (name)", and where. realloc does both: "  realloc() freed 24 bytes at 0x…". */
static void past_write(struct pw_render *render, const struct pw_past *past, bool names_thread)
{
    pw_say(render, "  ");
    pw_say(render, pw_operation_name((enum pw_operation)past->operation));
    const char *did = past->operation != PW_OP_REALLOC ? ", " : past->is_release ? " freed " : " gave ";
    pw_say_number(render, did, past->size, " bytes");
    pw_say_address(render, " at ", past->address);
    if (names_thread) {
        pw_say(render, ", by thread ");
        pw_say_thread(render, past->thread);
    }
    pw_say(render, "\n");
    struct pw_trace trace = pw_trace_of_stack(render->frames, past->stack);
    pw_frames_write_own(render, &trace, PW_BRIEF_FRAMES);
}

void pw_past_write(struct pw_render *render)
{
    const struct pw_fault *fault = render->fault;
    if (pw_is_asan(render))
        return; /* its tools would take the frames for those of the report's stacks */
    if (fault->past_here_count != 0) {
        pw_say(render, "what was done last with the memory there, newest first:\n");
        for (uint32_t i = 0; i < fault->past_here_count && i < PW_PAST_SHOWN; i++)
            past_write(render, &fault->past_here[i], true);
    }
    if (fault->past_thread_count != 0) {
        pw_say(render, "what thread ");
        pw_say_thread(render, fault->thread);
        pw_say(render, " did last with its blocks, newest first:\n");
        for (uint32_t i = 0; i < fault->past_thread_count && i < PW_PAST_SHOWN; i++)
            past_write(render, &fault->past_thread[i], false);
    }
    if (fault->past_here_count != 0 || fault->past_thread_count != 0)
        pw_say(render, "\n");
}
