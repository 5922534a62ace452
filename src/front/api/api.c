/* api.c - pwheap.h: the questions that a program may ask its heap. */
#include "pwheap/pwheap.h"

#include "base/text.h"
#include "diag/public.h"
#include "diag/report.h"
#include "front/api/statistics.h"
#include "front/state.h"

#include <errno.h>

static size_t validate_everything(const struct pw_call *call)
{
    if (!pw_start())
        return 0;
    struct pw_cache *cache = pw_thread_open();
    bool entered = pw_enter(cache);
    uint64_t faults = pw_look_at_everything(PW_OP_VALIDATE, call);
    if (entered)
        pw_leave(cache);
    return faults;
}

PW_PUBLIC size_t pwheap_validate(void)
{
    struct pw_call call = PW_CALL(PW_OP_VALIDATE, PW_FAMILY_MALLOC);
    return validate_everything(&call);
}

struct walk {
    bool (*visit)(void *context, const struct pwheap_block *block);
    void *context;
    struct pwheap_block block;
    struct pw_public_stacks stacks;
};

static bool visit_public(void *context, const struct pw_block_info *info)
{
    struct walk *walk = context;
    pw_public_next_block(info, &walk->stacks, &walk->block);
    return walk->visit(walk->context, &walk->block);
}

PW_PUBLIC size_t pwheap_walk(bool (*visit)(void *context, const struct pwheap_block *block),
                             void *context)
{
    struct walk walk = {.visit = visit, .context = context};
    struct pw_image image = pw_image_locked();
    return pw_start() ? pw_image_walk(&image, visit_public, &walk) : 0;
}

PW_PUBLIC bool pwheap_describe(const void *address, struct pwheap_description *description)
{
    struct pw_image image = pw_image_self();
    struct pw_fault fault = {.kind = PW_KIND_NONE};
    if (!atomic_load_explicit(&pw_is_ready, memory_order_acquire))
        return false;
    pw_diagnose_address(&image, (uint64_t)address, &fault);
    if (!fault.block.known)
        return false;
    *description = (struct pwheap_description){.relation = (enum pwheap_relation)fault.relation,
                                               .offset = fault.offset};
    pw_public_block(&fault.block, &description->block);
    return true;
}

PW_PUBLIC void pwheap_stats(struct pwheap_statistics *statistics)
{
    *statistics = (struct pwheap_statistics){.live_bytes = 0};
    if (pw_start())
        pw_statistics(statistics);
}

PW_PUBLIC pwheap_error_callback pwheap_set_error_callback(pwheap_error_callback callback,
                                                          void *context)
{
    return pw_report_set_callback(callback, context, NULL);
}

PW_PUBLIC long pwheap_option_get(const char *name, char *value, size_t size)
{
    long length = pw_start() ? pw_options_get(pw_options(), name, value, size) : -1;
    if (length < 0)
        errno = EINVAL;
    return length;
}

PW_PUBLIC int pwheap_option_set(const char *name, const char *value)
{
    if (!pw_start()) {
        errno = EINVAL;
        return -1;
    }
    switch (pw_options_set(&pw_options_storage, name, value)) {
    case PW_OPTION_OK:
        pw_options_changed();
        return 0;
    case PW_OPTION_FIXED:
        errno = EPERM;
        return -1;
    default:
        errno = EINVAL;
        return -1;
    }
}

