/*
 * new_delete.c - operator new and delete in all their forms, by their mangled names (Itanium C++ ABI,
 * 64-bit size_t), so that C programs need no libstdc++.
 *
 * What they throw and the new_handler come from whichever C++ library the process has: its
 * std::get_new_handler, and for bad_alloc its own operator new asked for more than there is.
 */
#include "front/entry.h"
#include "base/text.h"
#include "front/quick.h"

#include <dlfcn.h>
#include <link.h>
#include <stdlib.h>
#include <string.h>

/* Present when the program is linked with a C++ library, statically or not. */
extern void (*std_get_new_handler(void))(void) __asm__("_ZSt15get_new_handlerv") __attribute__((weak));
extern void std_throw_bad_alloc(void) __asm__("_ZSt17__throw_bad_allocv") __attribute__((weak));

static int has_name(struct dl_phdr_info *object, size_t bytes, void *name)
{
    (void)bytes;
    return strcmp(pw_path_basename(object->dlpi_name), name) == 0;
}

/* A dlopen that finds nothing would read the loader's cache, and leave its error in the place of the program's (dlerror). */
static void *open_if_loaded(const char *library)
{
    return dl_iterate_phdr(has_name, (void *)(uintptr_t)library) != 0 ? dlopen(library, RTLD_LAZY | RTLD_NOLOAD) : NULL;
}

static void *in_library(const char *symbol)
{
    static const char *const libraries[] = {"libstdc++.so.6", "libc++.so.1"};
    for (size_t i = 0; i < PW_ARRAY_SIZE(libraries); i++) {
        void *library = open_if_loaded(libraries[i]);
        void *found = library != NULL ? dlsym(library, symbol) : NULL;
        if (found != NULL)
            return found;
    }
    return NULL;
}

typedef void (*handler_function)(void);

static handler_function current_new_handler(void)
{
    handler_function (*get)(void) = std_get_new_handler;
    if (get == NULL)
        *(void **)&get = in_library("_ZSt15get_new_handlerv");
    return get != NULL ? get() : NULL;
}

static void throw_bad_alloc(void)
{
    void *(*their_new)(size_t) = NULL;
    if (std_throw_bad_alloc != NULL)
        std_throw_bad_alloc();
    *(void **)&their_new = in_library("_Znwm");
    if (their_new != NULL)
        (void)their_new(PTRDIFF_MAX);
    abort(); /* no C++ library, so nobody could catch it */
}

/* [new.delete.single]: try, call the handler, try again; NULL when there is no handler (any more). */
static void *new_with_handler(size_t size, size_t align, const struct pw_call *call)
{
    for (;;) {
        void *block = pw_allocate(size, align, false, call);
        if (block != NULL)
            return block;
        handler_function handler = current_new_handler();
        if (handler == NULL)
            return NULL;
        handler();
    }
}

static void *new_or_throw(size_t size, size_t align, const struct pw_call *call)
{
    void *block = new_with_handler(size, align, call);
    if (pw_unlikely(block == NULL))
        throw_bad_alloc();
    return block;
}

/*
 * A nothrow form must not let out what the handler throws, and C can't catch it: where there is a
 * handler, the C++ library's own nothrow form, which calls our throwing one, goes between.
 */
static void *new_or_null(size_t size, size_t align, const struct pw_call *call)
{
    void *block = pw_allocate(size, align, false, call);
    if (block != NULL || current_new_handler() == NULL)
        return block;
    bool is_array = call->family == PW_FAMILY_NEW_ARRAY;
    if (align == 1) {
        void *(*theirs)(size_t, const char *);
        *(void **)&theirs = in_library(is_array ? "_ZnamRKSt9nothrow_t" : "_ZnwmRKSt9nothrow_t");
        return theirs != NULL ? theirs(size, "") : new_with_handler(size, align, call);
    }
    void *(*theirs)(size_t, size_t, const char *);
    *(void **)&theirs =
        in_library(is_array ? "_ZnamSt11align_val_tRKSt9nothrow_t" : "_ZnwmSt11align_val_tRKSt9nothrow_t");
    return theirs != NULL ? theirs(size, align, "") : new_with_handler(size, align, call);
}

static void *new_block(size_t size, size_t align, bool is_nothrow, const struct pw_call *call)
{
    if (pw_unlikely(!PW_IS_POW2(align))) {
        pw_found_alignment(align, call);
        if (!is_nothrow)
            throw_bad_alloc();
        return NULL;
    }
    return is_nothrow ? new_or_null(size, align, call) : new_or_throw(size, align, call);
}

/* An alignment of 1 was asked for, too: the delete that fits is one with an alignment. */
#define AS_ALIGNED(align) ((align) > 1 ? (align) : 2)

#define NEW(symbol, parameters, align, is_nothrow, operation, family)                              \
    PW_PUBLIC void *symbol parameters;                                                             \
    PW_PUBLIC void *symbol parameters                                                              \
    {                                                                                              \
        struct pw_cache *cache = pw_self;                                                          \
        void *block = NULL;                                                                        \
        if (align == 1 && pw_is_full(cache))                                                       \
            block = pw_full.malloc(cache, size, PW_CALLER_PC, PW_CALLER_FRAME, PW_ARCH_FP(),       \
                                   pw_how(operation, family, false));                              \
        else if (align == 1)                                                                       \
            block = pw_quick_acquire(cache, size, false, family);                                  \
        if (pw_likely(block != NULL))                                                              \
            return block;                                                                          \
        struct pw_call call = PW_CALL(operation, family);                                          \
        return new_block(size, align, is_nothrow, &call);                                          \
    }

#define DELETE(symbol, parameters, size, align, operation, family)                                 \
    PW_PUBLIC void symbol parameters;                                                              \
    PW_PUBLIC void symbol parameters                                                               \
    {                                                                                              \
        struct pw_cache *cache = pw_self;                                                          \
        if (align == PW_ANY_ALIGN && pw_is_full(cache)) {                                          \
            pw_full.free(pointer, size, PW_CALLER_PC, PW_CALLER_FRAME, PW_ARCH_FP(),               \
                         pw_how(operation, family, false));                                        \
            return;                                                                                \
        }                                                                                          \
        if (align == PW_ANY_ALIGN && pw_likely(pw_quick_release(cache, pointer, family, size)))    \
            return;                                                                                \
        struct pw_call call = PW_CALL(operation, family);                                          \
        pw_release_slowly(pointer, &call, size, align);                                            \
    }

/* clang-format off */
NEW(_Znwm, (size_t size), 1, false, PW_OP_NEW, PW_FAMILY_NEW)
NEW(_Znam, (size_t size), 1, false, PW_OP_NEW_ARRAY, PW_FAMILY_NEW_ARRAY)
NEW(_ZnwmRKSt9nothrow_t, (size_t size, const void *tag __attribute__((unused))), 1, true, PW_OP_NEW, PW_FAMILY_NEW)
NEW(_ZnamRKSt9nothrow_t, (size_t size, const void *tag __attribute__((unused))), 1, true, PW_OP_NEW_ARRAY, PW_FAMILY_NEW_ARRAY)
NEW(_ZnwmSt11align_val_t, (size_t size, size_t align), AS_ALIGNED(align), false, PW_OP_NEW, PW_FAMILY_NEW)
NEW(_ZnamSt11align_val_t, (size_t size, size_t align), AS_ALIGNED(align), false, PW_OP_NEW_ARRAY, PW_FAMILY_NEW_ARRAY)
NEW(_ZnwmSt11align_val_tRKSt9nothrow_t, (size_t size, size_t align, const void *tag __attribute__((unused))), AS_ALIGNED(align), true, PW_OP_NEW, PW_FAMILY_NEW)
NEW(_ZnamSt11align_val_tRKSt9nothrow_t, (size_t size, size_t align, const void *tag __attribute__((unused))), AS_ALIGNED(align), true, PW_OP_NEW_ARRAY, PW_FAMILY_NEW_ARRAY)

DELETE(_ZdlPv, (void *pointer), PW_ANY_SIZE, PW_ANY_ALIGN, PW_OP_DELETE, PW_FAMILY_NEW)
DELETE(_ZdaPv, (void *pointer), PW_ANY_SIZE, PW_ANY_ALIGN, PW_OP_DELETE_ARRAY, PW_FAMILY_NEW_ARRAY)
DELETE(_ZdlPvRKSt9nothrow_t, (void *pointer, const void *tag __attribute__((unused))), PW_ANY_SIZE, PW_ANY_ALIGN, PW_OP_DELETE, PW_FAMILY_NEW)
DELETE(_ZdaPvRKSt9nothrow_t, (void *pointer, const void *tag __attribute__((unused))), PW_ANY_SIZE, PW_ANY_ALIGN, PW_OP_DELETE_ARRAY, PW_FAMILY_NEW_ARRAY)
DELETE(_ZdlPvm, (void *pointer, size_t size), size, PW_ANY_ALIGN, PW_OP_DELETE, PW_FAMILY_NEW)
DELETE(_ZdaPvm, (void *pointer, size_t size), size, PW_ANY_ALIGN, PW_OP_DELETE_ARRAY, PW_FAMILY_NEW_ARRAY)
DELETE(_ZdlPvSt11align_val_t, (void *pointer, size_t align), PW_ANY_SIZE, align, PW_OP_DELETE, PW_FAMILY_NEW)
DELETE(_ZdaPvSt11align_val_t, (void *pointer, size_t align), PW_ANY_SIZE, align, PW_OP_DELETE_ARRAY, PW_FAMILY_NEW_ARRAY)
DELETE(_ZdlPvmSt11align_val_t, (void *pointer, size_t size, size_t align), size, align, PW_OP_DELETE, PW_FAMILY_NEW)
DELETE(_ZdaPvmSt11align_val_t, (void *pointer, size_t size, size_t align), size, align, PW_OP_DELETE_ARRAY, PW_FAMILY_NEW_ARRAY)
DELETE(_ZdlPvSt11align_val_tRKSt9nothrow_t, (void *pointer, size_t align, const void *tag __attribute__((unused))), PW_ANY_SIZE, align, PW_OP_DELETE, PW_FAMILY_NEW)
DELETE(_ZdaPvSt11align_val_tRKSt9nothrow_t, (void *pointer, size_t align, const void *tag __attribute__((unused))), PW_ANY_SIZE, align, PW_OP_DELETE_ARRAY, PW_FAMILY_NEW_ARRAY)
/* clang-format on */
