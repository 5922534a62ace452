/*
 * entry.c - the functions of libc/list.h as the program sees them: each a jump through its
 * pointer, which takes any arguments, also those of printf, and costs no more than the jump.
 *
 * Before the constructor all lead to the checked versions, which then look up libc's and check nothing.
 * (Why not IFUNC: the loader calls the resolvers of a preloaded library before it has relocated it, and
 * says so on stderr.)
 */
#include "base/arch.h"
#include "front/libc/libc.h"

#define POINTER(name)                                                                              \
    extern __typeof__(&name) pw_entry_##name __attribute__((visibility("hidden")));                \
    __typeof__(&name) pw_entry_##name = pw_checked_##name;
PW_LIBC_LIST(POINTER)

#define JUMP(name) PW_ARCH_JUMP(name, pw_entry_##name);
PW_LIBC_LIST(JUMP)

#define ENTRY(name) {(_Atomic(void *) *)&pw_entry_##name, (void *)pw_checked_##name, (void **)&pw_libc.name},
static const struct {
    _Atomic(void *) *pointer;
    void *checked;
    void **own;
} entries[] = {PW_LIBC_LIST(ENTRY)};

void pw_libc_lead(bool to_checked)
{
    for (size_t i = 0; i < PW_ARRAY_SIZE(entries); i++) {
        bool has_own = *entries[i].own != NULL;
        atomic_store_explicit(entries[i].pointer, to_checked || !has_own ? entries[i].checked : *entries[i].own,
                              memory_order_relaxed);
    }
}
