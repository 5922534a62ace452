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

#define ENTRY_FROM(name, mode)                                                                     \
    {(_Atomic(void *) *)&pw_entry_##name, (void *)pw_checked_##name, (void **)&pw_libc.name, mode},
#define ENTRY(name) ENTRY_FROM(name, PW_LIBC_CHECKED)
#define FOLDER_ENTRY(name) ENTRY_FROM(name, PW_LIBC_FOLDERS)
static const struct {
    _Atomic(void *) *pointer;
    void *checked;
    void **own;
    enum pw_libc_mode checked_from;
} entries[] = {PW_LIBC_AT_FULL(ENTRY) PW_LIBC_FOLDER(FOLDER_ENTRY)};

void pw_libc_lead(enum pw_libc_mode mode)
{
    for (size_t i = 0; i < PW_ARRAY_SIZE(entries); i++) {
        bool is_checked = mode >= entries[i].checked_from || *entries[i].own == NULL;
        atomic_store_explicit(entries[i].pointer, is_checked ? entries[i].checked : *entries[i].own,
                              memory_order_relaxed);
    }
}
