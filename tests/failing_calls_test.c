/*
 * failing_calls_test.c - the whole library, linked in, while the system refuses memory.
 *
 * Every part of the library that maps, purges, guards or moves memory is put to work by one of the jobs
 * below. A job runs once and its calls are counted; then once more for each of them, that call failing
 * (alone, and with all after it), each time in a process of its own. A job may be told of no memory; it
 * must lose no byte of what it has, nothing may be reported, the heap must be whole, and when memory is
 * there again the same job must get all it asks for.
 *
 * The level is that of the environment (PWHEAP_CHECK). Linked with no_thread_keys.c, the library gets no
 * key either, and so is not told of the ends of threads.
 */
#include "os/memory.h"

#include "pwheap/pwheap.h"

#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <semaphore.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum { KIB = 1024, MIB = 1024 * 1024, MOST_BLOCKS = 1024, MOST_RUNS = 12, ODD_ERRNO = 4711 };

/* How a run ended, if not by a signal. */
enum { FINE, LOST_BYTES = 101, WRONG_ERRNO, NOT_WHOLE, STILL_REFUSED, NOT_ZERO };

/* -- Blocks whose every byte is known */

static struct {
    unsigned char *block;
    size_t size;
} blocks[MOST_BLOCKS];

static unsigned char fill_of(size_t i)
{
    return (unsigned char)(1 + i % 250);
}

static bool holds(const unsigned char *block, size_t size, unsigned char value)
{
    return size == 0 || (block[0] == value && memcmp(block, block + 1, size - 1) == 0);
}

static void end_if(bool is_wrong, int how)
{
    if (is_wrong)
        _exit(how);
}

/* True: there was memory. Every other block comes from calloc. */
static bool take(size_t i, size_t size)
{
    errno = ODD_ERRNO;
    unsigned char *block = i % 2 == 0 ? malloc(size) : calloc(1, size);
    blocks[i].block = block;
    blocks[i].size = size;
    end_if(errno != (block != NULL ? ODD_ERRNO : ENOMEM), WRONG_ERRNO);
    if (block == NULL)
        return false;
    end_if(i % 2 != 0 && !holds(block, size, 0), NOT_ZERO);
    memset(block, fill_of(i), size);
    return true;
}

static bool resize(size_t i, size_t size)
{
    size_t kept = size < blocks[i].size ? size : blocks[i].size;
    if (blocks[i].block == NULL)
        return false;
    unsigned char *block = realloc(blocks[i].block, size);
    if (block == NULL)
        return false; /* the old one is still there: give looks at it */
    end_if(!holds(block, kept, fill_of(i)), LOST_BYTES);
    memset(block, fill_of(i), size);
    blocks[i].block = block;
    blocks[i].size = size;
    return true;
}

static void give(size_t i)
{
    if (blocks[i].block != NULL)
        end_if(!holds(blocks[i].block, blocks[i].size, fill_of(i)), LOST_BYTES);
    free(blocks[i].block);
    blocks[i].block = NULL;
}

/* -- Jobs: each returns how often it got no memory */

static unsigned take_all(size_t first, size_t end, size_t (*size_of)(size_t))
{
    unsigned refused = 0;
    for (size_t i = first; i < end; i++)
        refused += !take(i, size_of(i));
    return refused;
}

static void give_all(size_t first, size_t end)
{
    for (size_t i = first; i < end; i += 2)
        give(i);
    for (size_t i = first + 1; i < end; i += 2)
        give(i);
}

static size_t small_size(size_t i)
{
    return 1 + i * 37 % 5900;
}

static unsigned small_blocks(void)
{
    unsigned refused = take_all(0, 600, small_size);
    give_all(0, 600);
    refused += take_all(0, 600, small_size);
    give_all(0, 600);
    return refused;
}

static size_t medium_size(size_t i)
{
    return 6 * KIB + i * 509 % (10 * KIB);
}

static unsigned medium_blocks(void)
{
    unsigned refused = take_all(0, 150, medium_size);
    give_all(0, 150);
    return refused;
}

static size_t mapped_size(size_t i)
{
    return 17 * KIB + i * 9 * KIB;
}

static unsigned mapped_blocks(void)
{
    unsigned refused = take_all(0, 24, mapped_size);
    for (size_t i = 0; i < 24; i += 3)
        refused += !resize(i, 3 * mapped_size(i) + i);
    for (size_t i = 0; i < 24; i += 4)
        refused += !resize(i, 100 + i);
    give_all(0, 24);
    refused += !take(0, 3 * MIB);
    refused += !resize(0, 4 * MIB);
    give(0);
    return refused;
}

static unsigned memory_goes_back(void)
{
    unsigned refused = take_all(0, 400, small_size) + take_all(400, 420, mapped_size);
    give_all(0, 420);
    (void)malloc_trim(0);
    refused += take_all(0, 400, small_size);
    give_all(0, 400);
    return refused;
}

static unsigned heaps_of_its_own(void)
{
    unsigned refused = 0;
    struct pwheap_heap *heap = pwheap_heap_create();
    if (heap == NULL)
        return 1;
    for (size_t i = 0; i < 60; i++) {
        unsigned char *block = pwheap_heap_malloc(heap, i * 611);
        refused += block == NULL;
        if (block != NULL)
            memset(block, 1, i * 611);
        if (i % 3 == 0)
            pwheap_heap_free(heap, block);
    }
    pwheap_heap_destroy(heap);
    return refused;
}

static sem_t asked, answered;
static unsigned answer;

static void *serve(void *unused)
{
    for (;;) {
        while (sem_wait(&asked) != 0)
            ;
        answer = heaps_of_its_own();
        (void)sem_post(&answered);
    }
    return unused;
}

/* A thread that there was no memory for at first gets its share when there is some. */
static unsigned thread_that_stays(void)
{
    static bool is_there;
    pthread_t thread;
    if (!is_there && pthread_create(&thread, NULL, serve, NULL) != 0)
        return 1;
    is_there = true;
    (void)sem_post(&asked);
    while (sem_wait(&answered) != 0)
        ;
    return answer;
}

static void *run_in_thread(void *unused)
{
    (void)unused;
    unsigned refused = 0;
    give_all(0, 100); /* another's */
    refused += take_all(100, 200, small_size);
    return (void *)(uintptr_t)refused;
}

/* Threads come one after the other, free what the others left, and go. */
static unsigned threads(void)
{
    unsigned refused = 0;
    for (int round = 0; round < 3; round++) {
        pthread_t thread;
        void *result = NULL;
        refused += take_all(0, 100, small_size);
        if (pthread_create(&thread, NULL, run_in_thread, NULL) != 0) {
            refused++; /* libc wants a block for it */
            (void)run_in_thread(NULL);
        } else {
            (void)pthread_join(thread, &result);
        }
        refused += (unsigned)(uintptr_t)result;
        give_all(100, 200);
    }
    return refused;
}

static unsigned children(void)
{
    unsigned refused = take_all(0, 50, small_size);
    pid_t pid = fork();
    end_if(pid < 0, STILL_REFUSED);
    if (pid == 0) {
        give_all(0, 50);
        (void)take_all(0, 50, medium_size);
        give_all(0, 50);
        _exit(pwheap_validate() == 0 ? 0 : NOT_WHOLE);
    }
    int status = 0;
    (void)waitpid(pid, &status, 0);
    end_if(status != 0, NOT_WHOLE);
    give_all(0, 50);
    return refused;
}

static bool see_block(void *context, const struct pwheap_block *block)
{
    *(size_t *)context += block->size;
    return true;
}

static unsigned looks(void)
{
    struct pwheap_statistics statistics;
    struct pwheap_description description;
    size_t seen = 0;
    unsigned refused = take_all(0, 40, small_size);
    end_if(pwheap_validate() != 0, NOT_WHOLE);
    (void)pwheap_walk(see_block, &seen);
    pwheap_stats(&statistics);
    if (blocks[7].block != NULL)
        end_if(!pwheap_describe(blocks[7].block, &description) || description.block.size != blocks[7].size, NOT_WHOLE);
    struct pwheap_checkpoint *before = pwheap_checkpoint(); /* below full there is none */
    refused += before == NULL && errno == ENOMEM;
    refused += take_all(40, 60, small_size);
    if (before != NULL) {
        (void)pwheap_diff(before, NULL, NULL);
        pwheap_checkpoint_free(before);
    }
    give_all(0, 60);
    return refused;
}

static unsigned leak_scan(void)
{
    unsigned refused = take_all(0, 40, small_size);
    (void)pwheap_leak_check(); /* 0 and a note where it can't */
    give_all(0, 40);
    return refused;
}

static unsigned snapshots(void)
{
    char path[] = "/tmp/pwheap-failing-XXXXXX";
    unsigned refused = take_all(0, 40, small_size);
    int file = mkstemp(path);
    end_if(file < 0, STILL_REFUSED);
    (void)close(file);
    refused += pwheap_dump(path) != 0;
    (void)unlink(path);
    give_all(0, 40);
    return refused;
}

/* -- Runs */

struct result {
    uint64_t calls;
    unsigned refused;
    char said[4096]; /* on stderr */
};

/* A job in a process of its own, call `n` of it failing; how that ended. */
static int run_job(unsigned (*job)(void), uint64_t n, uint64_t every, struct result *result)
{
    int said[2];
    struct result *shared =
        mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(shared != MAP_FAILED);
    assert_int_equal(pipe(said), 0);
    (void)fflush(NULL);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        (void)alarm(300);
        (void)dup2(said[1], STDERR_FILENO);
        (void)close(said[0]);
        (void)close(said[1]);
        uint64_t before = pw_os_memory_calls();
        pw_os_fail_next(n, every);
        shared->refused = job();
        pw_os_fail_next(0, 0);
        shared->calls = pw_os_memory_calls() - before;
        end_if(pwheap_validate() != 0, NOT_WHOLE);
        end_if(job() != 0, STILL_REFUSED);
        end_if(pwheap_validate() != 0, NOT_WHOLE);
        _exit(FINE);
    }
    (void)close(said[1]);
    size_t length = 0;
    ssize_t got;
    char rest[256];
    while ((got = read(said[0], length < sizeof shared->said - 1 ? shared->said + length : rest,
                       length < sizeof shared->said - 1 ? sizeof shared->said - 1 - length : sizeof rest)) > 0)
        length += length < sizeof shared->said - 1 ? (size_t)got : 0;
    (void)close(said[0]);
    int status = 0;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    *result = *shared;
    (void)munmap(shared, sizeof *shared);
    return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

static void check_run(unsigned (*job)(void), uint64_t n, uint64_t every, struct result *result)
{
    int ended = run_job(job, n, every, result);
    if (ended == FINE && strstr(result->said, "ERROR") == NULL)
        return;
    print_error("it said:\n%s", result->said);
    fail_msg("call %llu failed, then every %llu: ended with %d, refused %u times", (unsigned long long)n,
             (unsigned long long)every, ended, result->refused);
}

/*
 * All calls, or MOST_RUNS of them spread evenly. `needs_memory`: the job can't be done with what the heap
 * has from its start, so it must have been refused some.
 */
static void check_job(unsigned (*job)(void), bool needs_memory)
{
    struct result result;
    check_run(job, 0, 0, &result);
    uint64_t calls = result.calls;
    unsigned refused = 0;
    uint64_t step = calls / MOST_RUNS + 1;
    for (uint64_t n = 1; n <= calls; n += step)
        for (uint64_t every = 0; every < 2; every++) {
            check_run(job, n, every, &result);
            refused += result.refused;
        }
    print_message("%llu calls, every %llu of them failed; memory was refused %u times\n", (unsigned long long)calls,
                  (unsigned long long)step, refused);
    assert_true(refused > 0 || !needs_memory);
}

#define JOB(name, job, needs_memory)                                                               \
    static void name(void **state)                                                                 \
    {                                                                                              \
        (void)state;                                                                               \
        check_job(job, needs_memory);                                                              \
    }

/* -- A freed block with guards whose pages can't be hidden */

enum { UNHIDDEN_BYTES = 100, NOWHERE = -1 };
static int written_at;

static unsigned write_after_free(void)
{
    unsigned char *block = malloc(UNHIDDEN_BYTES);
    uintptr_t address = (uintptr_t)block;
    pw_os_fail_next(1, 1);
    free(block);
    pw_os_fail_next(0, 0);
    if (written_at != NOWHERE)
        ((volatile unsigned char *)address)[written_at] ^= 1;
    return 0;
}

static void a_freed_block_whose_pages_can_not_be_hidden_is_looked_at_to_its_end(void **state)
{
    (void)state;
    struct result result;
    char level[16];
    assert_true(pwheap_option_get("level", level, sizeof level) > 0);
    written_at = NOWHERE;
    check_run(write_after_free, 0, 0, &result);
    if (strcmp(level, "full") != 0 && strcmp(level, "guard") != 0)
        return;
    static const int places[] = {0, UNHIDDEN_BYTES - 1, UNHIDDEN_BYTES}; /* the last is slack */
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        written_at = places[i];
        int ended = run_job(write_after_free, 0, 0, &result);
        if (ended == -SIGABRT && strstr(result.said, "heap-use-after-free") != NULL)
            continue;
        print_error("it said:\n%s", result.said);
        fail_msg("a write to byte %d of a freed block: ended with %d", written_at, ended);
    }
}

extern unsigned keys_refused __attribute__((weak));

static void where_no_key_is_to_be_had_the_library_asked_for_one(void **state)
{
    (void)state;
    if (&keys_refused != NULL)
        assert_true(keys_refused > 0);
}

JOB(small_blocks_are_refused_and_none_is_lost, small_blocks, false)
JOB(so_are_medium_ones, medium_blocks, true)
JOB(so_are_mapped_ones_and_what_can_not_grow_stays, mapped_blocks, true)
JOB(memory_that_can_not_go_back_stays_usable, memory_goes_back, false)
JOB(a_heap_of_ones_own_is_refused_or_whole, heaps_of_its_own, true)
JOB(threads_without_a_cache_work, threads, false)
JOB(a_thread_gets_a_cache_when_there_is_memory_again, thread_that_stays, true)
JOB(children_go_on, children, false)
JOB(looks_at_the_heap_find_no_fault, looks, false)
JOB(a_search_for_leaks_is_done_or_not_and_harms_nothing, leak_scan, false)
JOB(a_snapshot_is_written_or_not_and_harms_nothing, snapshots, false)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(where_no_key_is_to_be_had_the_library_asked_for_one),
        cmocka_unit_test(a_freed_block_whose_pages_can_not_be_hidden_is_looked_at_to_its_end),
        cmocka_unit_test(small_blocks_are_refused_and_none_is_lost),
        cmocka_unit_test(so_are_medium_ones),
        cmocka_unit_test(so_are_mapped_ones_and_what_can_not_grow_stays),
        cmocka_unit_test(memory_that_can_not_go_back_stays_usable),
        cmocka_unit_test(a_heap_of_ones_own_is_refused_or_whole),
        cmocka_unit_test(threads_without_a_cache_work),
        cmocka_unit_test(a_thread_gets_a_cache_when_there_is_memory_again),
        cmocka_unit_test(children_go_on),
        cmocka_unit_test(looks_at_the_heap_find_no_fault),
        cmocka_unit_test(a_search_for_leaks_is_done_or_not_and_harms_nothing),
        cmocka_unit_test(a_snapshot_is_written_or_not_and_harms_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
