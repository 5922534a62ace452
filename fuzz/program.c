/*
 * program.c - runs an input as a program (program.h).
 *
 *   program_run ── run_thread (on the thread that is chosen) ── one function an operation
 */
#include "program.h"

#include "calls.h"
#include "names.h"
#include "workers.h"

enum { MOST_OPERATIONS = 200, SOME_OPERATIONS = 40, FEW_OPERATIONS = 20, MOST_WALKS = 1, MOST_VALIDATIONS = 1, MOST_SWITCHES = 3, MOST_ENDINGS = 1 };

static void do_check(struct program *program)
{
    (void)program;
    for (unsigned i = 0; i < MODEL_SLOTS; i++)
        if (model.slots[i].block != NULL)
            model_check(i, SIZE_MAX);
}

static void do_describe(struct program *program)
{
    const struct model_slot *slot = &model.slots[fuzz_byte(&program->input) % MODEL_SLOTS];
    size_t offset = fuzz_word(&program->input);
    static struct pwheap_description described;
    if (slot->block == NULL || slot->size == 0)
        return;
    offset %= slot->size;
    bool is_known = pwheap_describe(slot->block + offset, &described);
    FUZZ_CHECK(is_known && described.relation == PWHEAP_RELATION_INSIDE && described.offset == offset &&
                   described.block.address == slot->block && described.block.size == slot->size,
               "byte %zu of the block of %zu bytes at %p is told as byte %zu of %zu bytes at %p (%d)", offset,
               slot->size, (void *)slot->block, described.offset, described.block.size,
               described.block.address, (int)described.relation);
}

static void walk(void)
{
    fuzz_coverage_off();
    model_walk();
    fuzz_coverage_on();
}

static void do_walk(struct program *program)
{
    if (program->looks && program->walks++ < MOST_WALKS)
        walk();
}

static void do_validate(struct program *program)
{
    if (program->looks && program->validations++ < MOST_VALIDATIONS) {
        fuzz_coverage_off();
        size_t faults = pwheap_validate();
        fuzz_coverage_on();
        FUZZ_CHECK(faults == 0 || program->is_damaged, "%zu damages, and nothing was damaged", faults);
    }
}

static void do_fail_mapping(struct program *program)
{
    uint8_t which = fuzz_byte(&program->input), every = fuzz_byte(&program->input);
    if (!program->has_failures)
        return;
    program->maps_fail = which != 0;
    pw_os_fail_next(which, every % 8);
}

static void do_switch_thread(struct program *program)
{
    unsigned thread = fuzz_byte(&program->input) % (WORKERS + 1);
    if (program->has_threads && program->switches < MOST_SWITCHES)
        program->thread = thread;
}

static void do_end_thread(struct program *program)
{
    unsigned thread = fuzz_byte(&program->input) % (WORKERS + 1);
    if (program->has_threads && thread != program->thread && program->endings++ < MOST_ENDINGS)
        worker_end(thread);
}

static void do_heap_create(struct program *program)
{
    unsigned heap = fuzz_byte(&program->input) % MODEL_HEAPS;
    if (program->has_heaps && model.heaps[heap] == NULL && program->endings++ < MOST_ENDINGS) {
        model.heaps[heap] = pwheap_heap_create();
        FUZZ_CHECK(model.heaps[heap] != NULL || program->maps_fail, "no heap, and nothing fails");
    }
}

static void do_heap_destroy(struct program *program)
{
    unsigned heap = fuzz_byte(&program->input) % MODEL_HEAPS;
    if (model.heaps[heap] == NULL)
        return;
    pwheap_heap_destroy(model.heaps[heap]);
    model_drop_heap(heap);
}

static void (*const operations[])(struct program *program) = {
    [OP_MALLOC] = call_malloc,
    [OP_CALLOC] = call_calloc,
    [OP_REALLOC] = call_realloc,
    [OP_REALLOCARRAY] = call_reallocarray,
    [OP_ALIGNED] = call_aligned,
    [OP_NEW] = call_new,
    [OP_FREE] = call_free,
    [OP_CHECK] = do_check,
    [OP_DESCRIBE] = do_describe,
    [OP_WALK] = do_walk,
    [OP_VALIDATE] = do_validate,
    [OP_FAIL_MAPPING] = do_fail_mapping,
    [OP_SWITCH_THREAD] = do_switch_thread,
    [OP_END_THREAD] = do_end_thread,
    [OP_HEAP_CREATE] = do_heap_create,
    [OP_HEAP_MALLOC] = call_heap_malloc,
    [OP_HEAP_DESTROY] = do_heap_destroy,
    [OP_IMPOSSIBLE] = call_impossible,
    [OP_FILL_RUN] = call_fill_run,
    [OP_FREE_RUN] = call_free_run,
    [OP_WHOLE] = call_whole,
};
_Static_assert(sizeof operations / sizeof operations[0] == OP_COUNT, "a function for every operation");

/* Go on with the program until it is at its end or goes on on another thread. */
static void run_thread(void *context)
{
    struct program *program = context;
    unsigned thread = program->thread;
    while (program->thread == thread && !fuzz_ended(&program->input) &&
           program->operations++ < program->most_operations) {
        if (program->plant != NULL)
            program->plant(program);
        operations[fuzz_byte(&program->input) % OP_COUNT](program);
    }
}

static void nothing(void *context)
{
    (void)context;
}

/* Once: threads have memory of their own from libc, which stays. */
static void start(void)
{
    static bool is_started;
    for (unsigned i = 1; i <= WORKERS && !is_started; i++)
        worker_run(i, nothing, NULL);
    is_started = true;
}

/*
 * What is there before the program. The same before each, so that a block that is lost in one is missed in all that look after
 * it; but libFuzzer's own blocks are in the same heap, and others each time.
 */
static void count_foreign(void)
{
    if (FUZZ_ENGINE_ALLOCATES || model.foreign_blocks == SIZE_MAX) {
        model.foreign_blocks = SIZE_MAX;
        walk();
    }
}

static void give_all_back(void)
{
    for (unsigned i = 0; i < MODEL_SLOTS; i++)
        program_free(i, i);
    for (unsigned i = 0; i < MODEL_HEAPS; i++)
        if (model.heaps[i] != NULL) {
            pwheap_heap_destroy(model.heaps[i]);
            model_drop_heap(i);
        }
}

/*
 * One of 512 programs looks at the whole heap when it says so: that costs as much as hundreds of calls; and one of 4,096
 * does what costs as much as thousands. One of 32, with these, has heap instances, most operations, mappings that fail, big
 * blocks as often as it asks for them, and blocks of all sizes between the edges, and one of 16 threads: the system's work for
 * the memory of an instance, for a switch, for the pages of big blocks, or to have all of them anew when a failure made the
 * heap give back what it had, and the reading of freed blocks that no cache of the processor holds, cost as much as all of a
 * program's calls. Of those in which something is planted, which are dear anyway, one of 256 looks, of 1,024 does what is
 * dearest, of 16 has heap instances, of four big blocks, threads, and mappings that fail.
 */
static void choose(struct program *program)
{
    uint32_t sum = fuzz_sum(&program->input);
    bool is_quick = program->plant == NULL;
    program->looks = sum >> (is_quick ? 23 : 24) == 0;
    program->is_patient = program->looks && sum % (is_quick ? 8 : 4) == 0; /* bits that the last bytes don't leave alone */
    program->has_heaps = sum >> (is_quick ? 27 : 28) == 0;
    program->has_big = sum >> (is_quick ? 27 : 30) == 0;
    program->most_operations = program->has_heaps ? MOST_OPERATIONS : is_quick ? FEW_OPERATIONS : SOME_OPERATIONS;
    program->has_threads = sum >> (is_quick ? 28 : 30) == 0;
    program->has_failures = sum >> (is_quick ? 27 : 30) == 0;
}

void program_run(struct program *program)
{
    start();
    choose(program);
    if (program->looks)
        count_foreign();
    while (!fuzz_ended(&program->input) && program->operations < program->most_operations) {
        worker_run(program->thread, run_thread, program);
        program->switches++;
    }
    pw_os_fail_next(0, 0);
    give_all_back();
    if (program->walks > 0)
        walk();
}
