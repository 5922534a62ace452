/* names.c - the words of REPORTS.md, one table an enum. */
#include "image/fault.h"

static const char *const kind_names[] = {
    [PW_KIND_NONE] = "none",
    [PW_KIND_OVERFLOW] = "heap-buffer-overflow",
    [PW_KIND_UNDERFLOW] = "heap-buffer-underflow",
    [PW_KIND_USE_AFTER_FREE] = "heap-use-after-free",
    [PW_KIND_DOUBLE_FREE] = "double-free",
    [PW_KIND_BAD_FREE] = "bad-free",
    [PW_KIND_INTERIOR_FREE] = "interior-free",
    [PW_KIND_FAMILY_MISMATCH] = "alloc-dealloc-mismatch",
    [PW_KIND_SIZE_MISMATCH] = "sized-delete-mismatch",
    [PW_KIND_OVERLAP] = "overlapping-copy",
    [PW_KIND_HEADER] = "header-corruption",
    [PW_KIND_CALLOC_OVERFLOW] = "calloc-overflow",
    [PW_KIND_SIZE_TOO_BIG] = "allocation-size-too-big",
    [PW_KIND_BAD_ALIGNMENT] = "invalid-alignment",
    [PW_KIND_LEAK] = "memory-leak",
    [PW_KIND_POISON] = "poison-dereference",
};
_Static_assert(PW_ARRAY_SIZE(kind_names) == PW_KIND_COUNT, "a name for every kind");

const char *pw_kind_name(enum pw_kind kind)
{
    return (unsigned)kind < PW_KIND_COUNT ? kind_names[kind] : "none";
}

/* NULL: no state has this byte. */
static const char *known_state_name(uint32_t state)
{
    switch (state) {
    case PW_STATE_FREE:
        return "free";
    case PW_STATE_CACHED:
        return "cached";
    case PW_STATE_PENDING:
        return "pending";
    case PW_STATE_LIVE:
        return "live";
    case PW_STATE_QUARANTINED:
        return "quarantined";
    case PW_STATE_RETIRED:
        return "retired";
    default:
        return NULL;
    }
}

const char *pw_state_name(uint32_t state)
{
    const char *name = known_state_name(state);
    return name != NULL ? name : "damaged";
}

bool pw_state_is_known(uint32_t state)
{
    return known_state_name(state) != NULL;
}

const char *pw_family_name(enum pw_family family)
{
    static const char *const names[] = {"malloc", "new", "new[]", "pwheap_heap_malloc"};
    return (unsigned)family < PW_ARRAY_SIZE(names) ? names[family] : "unknown";
}

const char *pw_family_release_name(enum pw_family family)
{
    static const char *const names[] = {"free", "operator delete", "operator delete[]",
                                        "pwheap_heap_free"};
    return (unsigned)family < PW_ARRAY_SIZE(names) ? names[family] : "unknown";
}

static const char *const operation_names[] = {
    [PW_OP_NONE] = "nothing",
    [PW_OP_MALLOC] = "malloc()",
    [PW_OP_CALLOC] = "calloc()",
    [PW_OP_REALLOC] = "realloc()",
    [PW_OP_ALIGNED] = "aligned_alloc()",
    [PW_OP_FREE] = "free()",
    [PW_OP_NEW] = "operator new",
    [PW_OP_NEW_ARRAY] = "operator new[]",
    [PW_OP_DELETE] = "operator delete",
    [PW_OP_DELETE_ARRAY] = "operator delete[]",
    [PW_OP_USABLE_SIZE] = "malloc_usable_size()",
    [PW_OP_VALIDATE] = "pwheap_validate()",
    [PW_OP_PATROL] = "the heap patrol",
    [PW_OP_EXIT] = "the last look at exit",
    [PW_OP_ABORT] = "the last look before abort",
    [PW_OP_CRASH] = "the last look at a crash",
    [PW_OP_QUARANTINE] = "the quarantine",
    [PW_OP_ACCESS] = "the access itself",
    [PW_OP_EXTERNAL] = "heapdump",
    [PW_OP_LIBC] = "a libc call",
};
_Static_assert(PW_ARRAY_SIZE(operation_names) == PW_OP_COUNT, "a name for every operation");

const char *pw_operation_name(enum pw_operation operation)
{
    return (unsigned)operation < PW_OP_COUNT ? operation_names[operation] : "nothing";
}
