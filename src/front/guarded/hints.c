/* hints.c - see hints.h (front) */
#include "front/guarded/hints.h"

#include "base/lock.h"
#include "diag/options.h"
#include "front/state.h"
#include "guard/hints.h"
#include "guard/policy.h"
#include "os/process.h"
#include "trace/depot.h"
#include "trace/modules.h"

enum { FILE_BYTES = 64 * 1024, FRAMES = 8 };

/* Changed with the lock, and only by who adds to it; readers see the count after what it counts. */
static struct pw_hints hints;
static struct pw_lock lock;

void pw_hints_start(void)
{
    static char text[FILE_BYTES];
    const char *path = pw_options()->hints;
    if (path[0] == '\0' || pw_root.level < PW_LEVEL_FULL)
        return;
    int64_t length = pw_os_read_file(path, text, sizeof text);
    if (length > 0)
        pw_hints_parse(&hints, text, (size_t)length);
}

static uint64_t mix(uint64_t hash, const void *bytes, size_t length)
{
    for (size_t i = 0; i < length; i++)
        hash = (hash ^ ((const uint8_t *)bytes)[i]) * 0x100000001B3u; /* FNV-1a */
    return hash;
}

/* The same in every run of the same program: build ids (or, without, nothing) and offsets of the innermost frames. */
static uint64_t fingerprint(uint32_t stack)
{
    uint64_t frames[FRAMES], hash = 0xCBF29CE484222325u;
    size_t count = pw_depot_get(stack, frames, FRAMES);
    for (size_t i = 0; i < count; i++) {
        const struct pw_module *module = pw_modules_find(frames[i]);
        uint64_t offset = module != NULL ? frames[i] - module->bias : frames[i] % PW_PAGE_BYTES;
        if (module != NULL && module->build_id_len <= PW_BUILD_ID_BYTES)
            hash = mix(hash, module->build_id, module->build_id_len);
        hash = mix(hash, &offset, sizeof offset);
    }
    return hash;
}

void pw_hints_meet(uint32_t stack, _Atomic uint32_t *site)
{
    uint32_t word = atomic_load_explicit(site, memory_order_relaxed);
    if (hints.count == 0 || (word & PW_SITE_SEEN) != 0 || !pw_can_unwind)
        return;
    uint32_t marks = PW_SITE_SEEN | (pw_hints_has(&hints, fingerprint(stack)) ? PW_SITE_EVIDENCE : 0);
    atomic_fetch_or_explicit(site, marks, memory_order_relaxed);
}

void pw_hints_note(uint32_t stack)
{
    const char *path = pw_options()->hints;
    if (path[0] == '\0' || pw_root.level < PW_LEVEL_FULL || !pw_lock_try(&lock))
        return; /* whoever holds it notes a site, perhaps the same */
    uint64_t site = fingerprint(stack);
    char line[PW_HINT_LINE_BYTES];
    if (pw_hints_add(&hints, site)) {
        pw_hints_format(site, line);
        (void)pw_os_append_file(path, line, sizeof line);
    }
    pw_lock_release(&lock);
}
