/* linked.c - death_linked: bugs of a program that is linked with -lpwheap and uses pwheap.h. */
#include "bugs.h"

#include "pwheap/pwheap.h"

#include <dlfcn.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

void *volatile kept[16];

static bool stay_silent;

static bool callback(void *context, const struct pwheap_error *error)
{
    const struct pwheap_block *block = &error->where.block;
    (void)dprintf(STDERR_FILENO, "%s: %s, %zu bytes %s %zu-byte block, text of %s length\n",
                  (const char *)context, error->kind, error->where.offset,
                  error->where.relation == PWHEAP_RELATION_AFTER ? "after" : "inside", block->size,
                  error->text_length == strlen(error->text) ? "right" : "wrong");
    return stay_silent;
}

static void overrun(bool wrong)
{
    char *block = malloc(200); // ALLOC
    memset(block, 'a', 200);
    block[200 - !wrong] = 'X';
    free(block); // HERE
}

/* How many frames of strdup's block are pwheap's, whose function stands between the program and libc's. */
static void tell_own_frames(const char *question, void *const *frames, uint32_t count)
{
    uint32_t own = 0;
    Dl_info info;
    for (uint32_t i = 0; i < count; i++)
        own += dladdr((char *)frames[i] - 1, &info) != 0 && strstr(info.dli_fname, "libpwheap") != NULL;
    (void)dprintf(STDERR_FILENO, "%s: %s stack, %u frames of it pwheap's\n", question, count > 1 ? "a" : "no", own);
}

static bool tell_walked(void *context, const struct pwheap_block *block)
{
    if (block->address == context)
        tell_own_frames("walk", block->alloc_frames, block->alloc_frame_count);
    return true;
}

static bool tell_grown(void *context, const struct pwheap_site *site)
{
    (void)context;
    tell_own_frames("diff", site->frames, site->frame_count);
    return false;
}

BUG(stacks_of_the_questions)
{
    struct pwheap_description told;
    struct pwheap_checkpoint *before = pwheap_checkpoint();
    char *block = strdup("a string");
    if (wrong && pwheap_describe(block, &told)) {
        tell_own_frames("describe", told.block.alloc_frames, told.block.alloc_frame_count);
        pwheap_walk(tell_walked, block);
        pwheap_diff(before, tell_grown, NULL);
    }
    pwheap_checkpoint_free(before);
    free(block);
}

BUG(callback_then_report)
{
    pwheap_set_error_callback(callback, "callback");
    overrun(wrong);
}

BUG(callback_takes_it)
{
    stay_silent = true;
    pwheap_set_error_callback(callback, "callback");
    overrun(wrong);
    if (wrong)
        (void)dprintf(STDERR_FILENO, "went on\n");
}

BUG(validate_counts)
{
    stay_silent = true;
    pwheap_set_error_callback(callback, "callback");
    for (int i = 0; i < 3; i++) {
        char *block = kept[i] = malloc(200); // ALLOC
        memset(block, 'a', 200);
        block[200 - !wrong] = 'X';
    }
    size_t faults = pwheap_validate(); // HERE
    if (faults != 0)
        (void)dprintf(STDERR_FILENO, "%zu faults\n", faults);
    _Exit(0);
}

BUG(free_of_an_instance)
{
    struct pwheap_heap *heap = pwheap_heap_create();
    char *block = pwheap_heap_malloc(heap, 200); // ALLOC
    if (wrong)
        free(block); // HERE
    else
        pwheap_heap_free(heap, block);
}

BUG(instance_gets_another)
{
    struct pwheap_heap *heap = pwheap_heap_create();
    char *block = malloc(200); // ALLOC
    if (wrong)
        pwheap_heap_free(heap, block); // HERE
    else
        free(block);
}

static volatile char instance_sink;

BUG(instance_read_past)
{
    struct pwheap_heap *heap = pwheap_heap_create();
    char *block = pwheap_heap_malloc(heap, 48); // ALLOC
    instance_sink = block[47 + wrong]; // HERE
    pwheap_heap_free(heap, block);
    pwheap_heap_destroy(heap);
}

BUG(instance_read_after_free)
{
    struct pwheap_heap *heap = pwheap_heap_create();
    char *block = pwheap_heap_malloc(heap, 48); // ALLOC
    if (wrong)
        pwheap_heap_free(heap, block); // FREE
    instance_sink = block[7]; // HERE
    pwheap_heap_destroy(heap);
}

/* The memory of guarded blocks is free again when their heap goes: the last one has guards as the first. */
BUG(instance_comes_and_goes)
{
    for (int i = 0; i < 30; i++) {
        struct pwheap_heap *heap = pwheap_heap_create();
        for (int j = 0; j < 100; j++)
            memset(pwheap_heap_malloc(heap, 100), 'x', 100);
        pwheap_heap_destroy(heap);
    }
    struct pwheap_heap *heap = pwheap_heap_create();
    char *block = pwheap_heap_malloc(heap, 48); // ALLOC
    instance_sink = block[47 + wrong]; // HERE
    pwheap_heap_destroy(heap);
}

BUG(linked_overflow)
{
    overrun(wrong);
}

enum { RACES = 200, SECONDS = 2, TURNS = 100000, OVER = -1, BLOCKS = 300 };
static char *shared[BLOCKS];
static atomic_int round_of[2], frees, errors;
static __thread bool has_met;

static bool count(void *context, const struct pwheap_error *error)
{
    (void)context;
    errors += strcmp(error->kind, "double-free") == 0;
    return has_met = true;
}

/* Until the place is no more what it was. On a machine that is busy the other thread has to be let in. */
static int wait_while(atomic_int *place, int old)
{
    for (int turn = 0; *place == old; turn++)
        if (turn > TURNS)
            sched_yield();
    return *place;
}

/* Free the shared blocks from one end on, up to one that the other thread has freed from the other end. */
static void free_from(int at, int step)
{
    has_met = false;
    for (int i = 0; i < BLOCKS && !has_met; i++, at += step, frees++)
        free(shared[at]);
}

static void *race(void *wrong)
{
    for (int i = 0; wait_while(&round_of[0], i) != OVER; round_of[1] = ++i)
        if (wrong != NULL)
            free_from(BLOCKS - 1, -1);
    return NULL;
}

/* Each block is freed once, whatever is tried. */
BUG(racing_frees)
{
    pthread_t thread;
    time_t end = time(NULL) + SECONDS;
    int rounds = 0;
    pwheap_set_error_callback(count, NULL);
    pthread_create(&thread, NULL, race, wrong ? "" : NULL);
    while (rounds < RACES && time(NULL) < end) {
        for (int i = 0; i < BLOCKS; i++)
            shared[i] = malloc(i % 2 == 0 ? 13000 : 20000);
        round_of[0] = rounds + 1;
        free_from(0, 1);
        wait_while(&round_of[1], rounds++);
    }
    round_of[0] = OVER;
    pthread_join(thread, NULL);
    if (wrong)
        (void)dprintf(STDERR_FILENO, "%s\n",
                      frees - errors == rounds * BLOCKS ? "each was freed once" : "some were freed twice");
}

static atomic_int running;

static void *allocate_and_free(void *unused)
{
    unsigned random = 1;
    (void)unused;
    for (int round = 0; round < 3000; round++) {
        char *blocks[20];
        for (int i = 0; i < 20; i++) {
            random = random * 1103515245 + 12345;
            size_t size = random >> 16 & 8191;
            blocks[i] = memset(malloc(size), 'a', size);
        }
        for (int i = 0; i < 20; i++)
            free(blocks[i]);
    }
    running--;
    return NULL;
}

/* Nothing is wrong, whatever the other threads are in the middle of. */
BUG(validate_while_others_run)
{
    pthread_t threads[2];
    (void)wrong;
    running = 2;
    for (int i = 0; i < 2; i++)
        pthread_create(&threads[i], NULL, allocate_and_free, NULL);
    while (running > 0)
        pwheap_validate();
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
}

int main(int argc, char **argv)
{
    void (*bug)(bool) = NULL;
    if (argc == 3)
        *(void **)&bug = dlsym(RTLD_DEFAULT, argv[1]);
    if (bug == NULL)
        return 125;
    bug(strcmp(argv[2], "wrong") == 0);
    return 0;
}
