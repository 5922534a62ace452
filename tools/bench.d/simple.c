/*
 * simple - for sizes from 8 bytes to 4 KiB: allocate a run of equal blocks, free them all in the
 * same order; runs of 25, 400 and 1,600, so that the first fits a thread's cache and the last
 * doesn't. (The shape of glibc's own bench-malloc-simple.) A block that lasts lies behind the largest
 * run: else glibc gives the top of its heap back and asks for it again at every run.
 */
#include "load.h"

enum { ROUNDS = 130, RUN_MAX = 1600 };

static void *blocks[RUN_MAX];

static void run_make(size_t size, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        blocks[i] = block_new(size, i);
}

static uint64_t run_end(unsigned count)
{
    uint64_t bytes = 0;
    for (unsigned i = 0; i < count; i++)
        bytes += block_end(blocks[i]);
    return bytes;
}

int main(void)
{
    static const unsigned runs[] = {25, 400, 1600};
    run_make(4096, RUN_MAX);
    void *lasting = block_new(100, 0);
    uint64_t bytes = run_end(RUN_MAX);
    for (unsigned round = 0; round < ROUNDS; round++)
        for (size_t size = 8; size <= 4096; size *= 2)
            for (unsigned r = 0; r < sizeof(runs) / sizeof(runs[0]); r++)
                for (unsigned done = 0; done < 2 * RUN_MAX; done += runs[r]) {
                    run_make(size, runs[r]);
                    bytes += run_end(runs[r]);
                }
    bytes += block_end(lasting);
    return load_done("simple", bytes);
}
