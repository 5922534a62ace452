/* fingerprint.c - one number for equal bugs: FNV-1a over names and offsets, never over addresses. */
#include "diag/report_render.h"

static uint64_t mix_bytes(uint64_t hash, const void *bytes, size_t length)
{
    for (size_t i = 0; i < length; i++)
        hash = (hash ^ ((const uint8_t *)bytes)[i]) * 0x100000001B3u;
    return hash;
}

/* With its NUL, so that two strings can't run into one. */
static uint64_t mix_string(uint64_t hash, const char *str)
{
    for (; *str != '\0'; str++)
        hash = mix_bytes(hash, str, 1);
    return mix_bytes(hash, "", 1);
}

static uint64_t mix_trace(uint64_t hash, const struct pw_trace *trace, uint32_t first)
{
    for (uint32_t i = first; i < trace->count && i < first + PW_FINGERPRINT_FRAMES; i++) {
        struct pw_frame frame = pw_frame_locate(trace, i);
        if (frame.module == NULL)
            hash = mix_string(hash, "?");
        else if (frame.module->build_id_len != 0 && frame.module->build_id_len <= PW_BUILD_ID_BYTES)
            hash = mix_bytes(hash, frame.module->build_id, frame.module->build_id_len);
        else
            hash = mix_string(hash, pw_path_basename(frame.module->path));
        hash = mix_bytes(hash, &frame.offset, sizeof frame.offset);
    }
    return mix_string(hash, "");
}

uint64_t pw_fault_fingerprint(const struct pw_fault *fault)
{
    static uint64_t frames[PW_MAX_FRAMES];
    struct pw_trace allocated = {0};
    if (fault->block.has_evidence && fault->kind != PW_KIND_POISON) /* whose block is found by chance */
        allocated = pw_trace_of_stack(frames, fault->block.alloc_stack);
    uint64_t hash = mix_string(0xCBF29CE484222325u, pw_kind_name(fault->kind));
    hash = mix_trace(hash, &allocated, 0);
    bool is_late = pw_fault_is_late(fault);
    if (is_late && allocated.count != 0)
        return hash;
    struct pw_trace found = pw_trace_of_fault(fault);
    /* At exit the innermost frames are libc's, and the same in every program. */
    return mix_trace(hash, &found, is_late ? pw_trace_culprit(&found) : 0);
}
