/* entry.c - see entry.h */
#include "trace/entry.h"

#include "trace/rules.h"
#include "trace/view.h"

/* Everything between sp and caller_frame is ours and readable: no view is asked here. */

PW_INLINE bool path_matches(const struct pw_entry_path *path, const struct pw_entry *entry)
{
    if (path->ip != entry->ip || path->height != entry->caller_frame - entry->sp)
        return false;
    for (uint32_t i = 0; i < path->steps; i++)
        if (pw_view_word(entry->caller_frame - path->below[i]) != path->returns[i])
            return false;
    return true;
}

PW_INLINE uint64_t path_fp(const struct pw_entry_path *path, const struct pw_entry *entry)
{
    return path->fp_below == 0 ? entry->fp : pw_view_word(entry->caller_frame - path->fp_below);
}

/* Undo one frame; `sp` becomes its CFA. False: no frame of ours looks like that. */
static bool step(uint64_t pc, const struct pw_entry *entry, uint64_t *sp,
                 struct pw_entry_path *path)
{
    pw_rule rule = pw_rules_find(pc);
    uint64_t cfa;
    if (pw_rule_kind(rule) == PW_RULE_SP)
        cfa = *sp + (uint64_t)pw_rule_offset(rule);
    else if (pw_rule_kind(rule) == PW_RULE_FP)
        cfa = path_fp(path, entry) + (uint64_t)pw_rule_offset(rule);
    else
        return false;
    if (cfa <= *sp || cfa > entry->caller_frame)
        return false;
    if (pw_rule_fp_below(rule) != 0) {
        uint64_t slot = cfa - pw_rule_fp_below(rule);
        if (slot < *sp || slot >= cfa)
            return false;
        path->fp_below = (uint32_t)(entry->caller_frame - slot);
    }
    *sp = cfa;
    return true;
}

static bool path_find(struct pw_entry_path *path, const struct pw_entry *entry)
{
    uint64_t pc = entry->ip;
    uint64_t sp = entry->sp;
    *path = (struct pw_entry_path){.ip = entry->ip, .height = entry->caller_frame - entry->sp};
    if (entry->caller_frame <= sp || path->height > UINT32_MAX)
        return false;
    for (;;) {
        if (!step(pc, entry, &sp, path))
            return false;
        if (sp == entry->caller_frame)
            return true;
        if (path->steps == PW_ENTRY_STEPS)
            return false;
        uint64_t return_address = pw_view_word(sp - 8);
        path->below[path->steps] = (uint32_t)(entry->caller_frame - (sp - 8));
        path->returns[path->steps] = return_address;
        path->steps++;
        pc = return_address - 1;
    }
}

bool pw_entry_fp(struct pw_entry_memory *memory, const struct pw_entry *entry, uint64_t *fp)
{
    for (size_t i = 0; i < PW_ENTRY_PATHS; i++) {
        if (path_matches(&memory->paths[i], entry)) {
            *fp = path_fp(&memory->paths[i], entry);
            return true;
        }
    }
    struct pw_entry_path path;
    if (!path_find(&path, entry))
        return false;
    *fp = path_fp(&path, entry);
    memory->paths[memory->next % PW_ENTRY_PATHS] = path;
    memory->next++;
    return true;
}
