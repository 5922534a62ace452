/* mallinfo.c - mallinfo and mallinfo2, where libc has them: musl knows neither. */
#include "front/api/statistics.h"

#include "front/state.h"

#include <malloc.h>

PW_PUBLIC struct mallinfo2 mallinfo2(void)
{
    struct pwheap_statistics s;
    pw_statistics(&s);
    return (struct mallinfo2){
        .arena = s.region_bytes,
        .ordblks = s.free_blocks,
        .smblks = s.cached_blocks,
        .hblks = s.mapped_blocks,
        .hblkhd = s.mapped_bytes,
        .fsmblks = s.cached_bytes,
        .uordblks = s.live_bytes,
        .fordblks = s.free_bytes + s.cached_bytes + s.quarantined_bytes,
        .keepcost = 0,
    };
}

static int clip(size_t value)
{
    return value > INT32_MAX ? INT32_MAX : (int)value;
}

PW_PUBLIC struct mallinfo mallinfo(void)
{
    struct mallinfo2 wide = mallinfo2();
    return (struct mallinfo){
        .arena = clip(wide.arena),
        .ordblks = clip(wide.ordblks),
        .smblks = clip(wide.smblks),
        .hblks = clip(wide.hblks),
        .hblkhd = clip(wide.hblkhd),
        .fsmblks = clip(wide.fsmblks),
        .uordblks = clip(wide.uordblks),
        .fordblks = clip(wide.fordblks),
    };
}
