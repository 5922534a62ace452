/* mappings.c - see mappings.h, and pw_os_know_limits in memory.h */
#include "os/mappings.h"

#include "os/memory.h"
#include "os/process.h"

#include <sys/mman.h>

#ifndef MAP_FIXED_NOREPLACE /* Linux 4.17; older kernels take it as a mere hint */
#define MAP_FIXED_NOREPLACE 0x100000
#endif

static _Atomic uint32_t max_map_count = 65530;

void pw_os_know_limits(void)
{
    char digits[16];
    int64_t length = pw_os_read_file("/proc/sys/vm/max_map_count", digits, sizeof digits);
    uint32_t count = 0;
    for (int64_t i = 0; i < length && digits[i] >= '0' && digits[i] <= '9'; i++)
        if (__builtin_mul_overflow(count, 10u, &count) ||
            __builtin_add_overflow(count, (uint32_t)(digits[i] - '0'), &count))
            count = UINT32_MAX / 10;
    if (count != 0)
        atomic_store_explicit(&max_map_count, count, memory_order_relaxed);
}

uint32_t pw_os_max_map_count(void)
{
    return atomic_load_explicit(&max_map_count, memory_order_relaxed);
}

bool pw_os_take_mapping(_Atomic uint32_t *used, uint32_t share)
{
    uint32_t count = atomic_load_explicit(used, memory_order_relaxed), most = pw_os_max_map_count() / share;
    do {
        if (count >= most)
            return false;
    } while (!atomic_compare_exchange_weak_explicit(used, &count, count + 1, memory_order_relaxed,
                                                    memory_order_relaxed));
    return true;
}

void pw_os_give_mapping(_Atomic uint32_t *used)
{
    uint32_t count = atomic_load_explicit(used, memory_order_relaxed);
    while (count != 0 && !atomic_compare_exchange_weak_explicit(used, &count, count - 1, memory_order_relaxed,
                                                                memory_order_relaxed))
        ;
}

void pw_os_close_holes(void *start, size_t bytes)
{
    void *mapped = mmap(start, bytes, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0);
    if (mapped == start)
        return;
    if (mapped != MAP_FAILED)
        (void)munmap(mapped, bytes);
    size_t page = pw_os_page_bytes(), half = bytes / page / 2 * page;
    if (half == 0)
        return;
    pw_os_close_holes(start, half);
    pw_os_close_holes((char *)start + half, bytes - half);
}
