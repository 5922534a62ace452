/*
 * memory.c - address space: map, reserve, commit, give back, seal, name. See memory.h.
 *
 * Every public function saves errno first and restores it last; the static ones below them don't.
 */
#include "os/memory.h"

#include "os/inject.h"

#include <errno.h>
#include <stdatomic.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/prctl.h>

#ifndef MAP_FIXED_NOREPLACE /* Linux 4.17; older kernels take it as a mere hint */
#define MAP_FIXED_NOREPLACE 0x100000
#endif
#ifndef MADV_POPULATE_WRITE /* Linux 5.14 */
#define MADV_POPULATE_WRITE 23
#endif
#ifndef PR_SET_VMA /* Linux 5.17 */
#define PR_SET_VMA 0x53564d41
#define PR_SET_VMA_ANON_NAME 0
#endif

enum {
    READ_WRITE = PROT_READ | PROT_WRITE,
    ALIGNED_TRIES = 16, /* places to look at when over-mapping fails */
};

/* Where the last aligned mapping starts: the next is likely to fit right below it. A hint only. */
static _Atomic uintptr_t aligned_hint;

size_t pw_os_page_bytes(void)
{
    static _Atomic size_t page_bytes;
    size_t bytes = atomic_load_explicit(&page_bytes, memory_order_relaxed);
    if (pw_likely(bytes != 0))
        return bytes;
    int saved_errno = errno;
    bytes = getauxval(AT_PAGESZ);
    errno = saved_errno;
    if (bytes == 0)
        bytes = 4096;
    atomic_store_explicit(&page_bytes, bytes, memory_order_relaxed);
    return bytes;
}

static void *map_anonymous(void *address, size_t bytes, int protection, int flags)
{
    void *mapped = mmap(address, bytes, protection,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | flags, -1, 0);
    return mapped == MAP_FAILED ? NULL : mapped;
}

/* Map at `address` or not at all. */
static void *map_exactly(uintptr_t address, size_t bytes)
{
    void *wanted = (void *)address;
    void *mapped = map_anonymous(wanted, bytes, READ_WRITE, MAP_FIXED_NOREPLACE);
    if (mapped != NULL && mapped != wanted) {
        (void)munmap(mapped, bytes);
        return NULL;
    }
    return mapped;
}

static void *own(void *mapped, size_t bytes)
{
    if (mapped != NULL)
        pw_os_own(mapped, bytes);
    return mapped;
}

void *pw_os_map(size_t bytes)
{
    if (pw_os_call_fails())
        return NULL;
    int saved_errno = errno;
    void *mapped = map_anonymous(NULL, bytes, READ_WRITE, 0);
    errno = saved_errno;
    return own(mapped, bytes);
}

void *pw_os_map_shared(size_t bytes)
{
    if (pw_os_call_fails())
        return NULL;
    int saved_errno = errno;
    void *mapped = mmap(NULL, bytes, READ_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    errno = saved_errno;
    return own(mapped == MAP_FAILED ? NULL : mapped, bytes);
}

/* The aligned place right below the previous aligned mapping: mostly free, and one system call. */
static void *map_below_hint(size_t bytes, size_t align)
{
    uintptr_t hint = atomic_load_explicit(&aligned_hint, memory_order_relaxed);
    if (hint <= bytes || hint - bytes < align)
        return NULL;
    return map_exactly(PW_ALIGN_DOWN(hint - bytes, align), bytes);
}

/* Map more than wanted and cut off what is before and after the aligned part. */
static void *map_and_trim(size_t bytes, size_t align)
{
    size_t whole_bytes;
    if (__builtin_add_overflow(bytes, align - pw_os_page_bytes(), &whole_bytes))
        return NULL;
    char *whole = map_anonymous(NULL, whole_bytes, READ_WRITE, 0);
    if (whole == NULL)
        return NULL;
    char *start = (char *)PW_ALIGN_UP((uintptr_t)whole, align);
    char *end = start + bytes;
    char *whole_end = whole + whole_bytes;
    if (start != whole)
        (void)munmap(whole, (size_t)(start - whole));
    if (end != whole_end)
        (void)munmap(end, (size_t)(whole_end - end));
    return start;
}

/*
 * For a process so near its limit of address space (RLIMIT_AS) that map_and_trim can't have the
 * excess: ask where the kernel would put the block, then try the aligned places below.
 */
static void *map_nearby(size_t bytes, size_t align)
{
    void *sample = map_anonymous(NULL, bytes, READ_WRITE, 0);
    if (sample == NULL || PW_ALIGN_DOWN((uintptr_t)sample, align) == (uintptr_t)sample)
        return sample;
    (void)munmap(sample, bytes);
    uintptr_t place = PW_ALIGN_DOWN((uintptr_t)sample, align);
    for (int i = 0; i < ALIGNED_TRIES && place > align; i++, place -= align) {
        void *mapped = map_exactly(place, bytes);
        if (mapped != NULL)
            return mapped;
    }
    return NULL;
}

void *pw_os_map_aligned(size_t bytes, size_t align)
{
    if (pw_os_call_fails())
        return NULL;
    int saved_errno = errno;
    void *mapped;
    if (align <= pw_os_page_bytes()) {
        mapped = map_anonymous(NULL, bytes, READ_WRITE, 0);
    } else {
        mapped = map_below_hint(bytes, align);
        if (mapped == NULL)
            mapped = map_and_trim(bytes, align);
        if (mapped == NULL)
            mapped = map_nearby(bytes, align);
        if (mapped != NULL)
            atomic_store_explicit(&aligned_hint, (uintptr_t)mapped, memory_order_relaxed);
    }
    errno = saved_errno;
    return own(mapped, bytes);
}

static bool could_map(size_t bytes, int flags)
{
    if (pw_os_call_fails())
        return false;
    int saved_errno = errno;
    void *mapped = mmap(NULL, bytes, READ_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | flags, -1, 0);
    if (mapped != MAP_FAILED)
        (void)munmap(mapped, bytes);
    errno = saved_errno;
    return mapped != MAP_FAILED;
}

bool pw_os_has_room(size_t bytes)
{
    return could_map(bytes, 0);
}

bool pw_os_has_address_space(size_t bytes)
{
    return could_map(bytes, MAP_NORESERVE);
}

void *pw_os_reserve(size_t bytes)
{
    if (pw_os_call_fails())
        return NULL;
    int saved_errno = errno;
    void *mapped = map_anonymous(NULL, bytes, PROT_NONE, 0);
    errno = saved_errno;
    return own(mapped, bytes);
}

bool pw_os_commit(void *address, size_t bytes)
{
    if (pw_os_call_fails())
        return false;
    int saved_errno = errno;
    bool done = mprotect(address, bytes, READ_WRITE) == 0;
    errno = saved_errno;
    return done;
}

/*
 * Cutting a hole into a mapping fails at vm.max_map_count: then give the memory back at least.
 * The hint goes up again with the mapping that it names, or the mappings of a program that maps and
 * unmaps by turns would wander down through the whole address space.
 */
void pw_os_unmap(void *address, size_t bytes)
{
    int saved_errno = errno;
    uintptr_t lowest = (uintptr_t)address;
    pw_os_disown(address);
    if (munmap(address, bytes) != 0)
        (void)madvise(address, bytes, MADV_DONTNEED);
    else
        (void)atomic_compare_exchange_strong_explicit(&aligned_hint, &lowest, lowest + bytes,
                                                      memory_order_relaxed, memory_order_relaxed);
    errno = saved_errno;
}

static bool advise(void *address, size_t bytes, int advice)
{
    if (pw_os_call_fails() || !pw_os_is_paged(address, bytes))
        return false;
    int saved_errno = errno;
    bool done = madvise(address, bytes, advice) == 0;
    errno = saved_errno;
    return done;
}

bool pw_os_purge(void *address, size_t bytes)
{
    return advise(address, bytes, MADV_DONTNEED);
}

bool pw_os_prefer_huge_pages(void *address, size_t bytes)
{
    return advise(address, bytes, MADV_HUGEPAGE);
}

bool pw_os_populate(void *address, size_t bytes)
{
    return advise(address, bytes, MADV_POPULATE_WRITE);
}

bool pw_os_seal(void *address, size_t bytes)
{
    if (pw_os_call_fails())
        return false;
    int saved_errno = errno;
    bool done = mprotect(address, bytes, PROT_READ) == 0;
    errno = saved_errno;
    return done;
}

void pw_os_name(void *address, size_t bytes, const char *name)
{
    int saved_errno = errno;
    (void)prctl(PR_SET_VMA, PR_SET_VMA_ANON_NAME, (unsigned long)(uintptr_t)address, bytes,
                (unsigned long)(uintptr_t)name);
    errno = saved_errno;
}
