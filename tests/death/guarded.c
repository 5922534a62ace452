/* guarded.c - accesses that run into a guard page: found at the instruction that makes them. */
#include "bugs.h"

#include <signal.h>

static volatile char sink;

static char *text_of(size_t size)
{
    char *block = malloc(size); // ALLOC
    memset(block, 'a', size);
    return block;
}

BUG(read_past_the_end)
{
    char *block = text_of(32);
    for (size_t i = 0; i < 32 + (size_t)wrong; i++)
        sink = block[i]; // HERE
}

static void *reads_behind(void *block)
{
    sink = ((char *)block)[32]; // HERE
    return NULL;
}

BUG(read_by_a_thread_without_blocks)
{
    char *block = text_of(33 - wrong);
    pthread_t reader;
    if (pthread_create(&reader, NULL, reads_behind, block) == 0)
        pthread_join(reader, NULL);
}

/* Its key's destructor runs after the last of the library's: the thread has given back what it had of the heap. */
static char *left_behind;

static void reads_at_the_end(void *value)
{
    static __thread int rounds;
    if (++rounds < 4)
        (void)pthread_setspecific(*(pthread_key_t *)value, value);
    else
        sink = left_behind[32]; // HERE
}

static void *ends_late(void *value)
{
    free(malloc(8));
    (void)pthread_setspecific(*(pthread_key_t *)value, value);
    return NULL;
}

BUG(read_by_a_thread_that_ends)
{
    static pthread_key_t key;
    pthread_t reader;
    left_behind = text_of(33 - wrong);
    if (pthread_key_create(&key, reads_at_the_end) == 0 && pthread_create(&reader, NULL, ends_late, &key) == 0)
        pthread_join(reader, NULL);
}

/* A worker of a daemon: signals are for other threads. */
static void *reads_with_signals_blocked(void *block)
{
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, NULL);
    return reads_behind(block);
}

BUG(read_while_signals_are_blocked)
{
    char *block = text_of(33 - wrong);
    pthread_t reader;
    if (pthread_create(&reader, NULL, reads_with_signals_blocked, block) == 0)
        pthread_join(reader, NULL);
}

static void handles(int number)
{
    (void)number;
    (void)reads_behind(left_behind);
}

BUG(read_in_a_handler_that_blocks_signals)
{
    struct sigaction action = {.sa_handler = handles};
    left_behind = text_of(33 - wrong);
    sigfillset(&action.sa_mask);
    sigaction(SIGUSR1, &action, NULL);
    raise(SIGUSR1);
}

BUG(written_far_behind)
{
    char *block = text_of(32);
    block[wrong ? 32 + 100000 : 0] = 'X'; // HERE
}

BUG(written_past_the_end)
{
    int *block = (int *)text_of(48);
    for (int i = 0; i < 12 + wrong; i++)
        ((volatile int *)block)[i] = i; // HERE
}

/* The guard is met some bytes behind the end. */
BUG(copied_past_an_odd_end)
{
    char *block = text_of(21);
    for (int i = 0; i < 21 + 30 * wrong; i++)
        ((volatile char *)block)[i] = "a name that is long"[i % 19]; // HERE
}

BUG(filled_downwards_past_its_start)
{
    char *block = text_of(4096 - 32);
    for (int i = 4095 - 32; i >= 0 - 40 * (int)wrong; i--)
        ((volatile char *)block)[i] = 'Z'; // HERE
}

BUG(read_past_an_odd_end)
{
    char *block = text_of(21);
    sink = block[20 + wrong]; // HERE
}

BUG(written_into_the_slack)
{
    char *block = text_of(21);
    block[20 + wrong] = 'X';
    free(block); // HERE
}

BUG(written_before_right_aligned)
{
    char *block = text_of(32);
    block[-(ptrdiff_t)wrong] = 'X';
    free(block); // HERE
}

BUG(read_before_the_start)
{
    char *block = text_of(32);
    sink = block[-(ptrdiff_t)wrong]; // HERE
}

BUG(read_before_the_first_and_others)
{
    (void)text_of(32);
    char *block = text_of(32);
    sink = block[-4 * (ptrdiff_t)wrong]; // HERE
}

BUG(written_behind_left_aligned)
{
    char *block = text_of(32);
    block[31 + wrong] = 'X';
    free(block); // HERE
}

BUG(read_after_its_free)
{
    char *block = text_of(40);
    if (wrong)
        free(block); // FREE
    sink = block[3]; // HERE
}

BUG(written_long_after_its_free)
{
    char *block = text_of(40);
    if (wrong)
        free(block); // FREE
    for (int i = 0; i < 100000; i++)
        free(malloc(40));
    *(volatile int *)(block + 8) = 1; // HERE
}

BUG(read_after_its_size)
{
    volatile char *block = malloc(wrong ? 0 : 1); // ALLOC
    sink = block[0]; // HERE
}

BUG(read_past_two_pages)
{
    char *block = text_of(8000);
    sink = block[7999 + wrong]; // HERE
}

BUG(freed_twice_guarded)
{
    char *block = text_of(40);
    free(block); // FREE
    if (wrong)
        free(block); // HERE
}

BUG(freed_before_its_start)
{
    char *block = text_of(40);
    free(block - 16 * wrong); // HERE
}

BUG(written_after_realloc_moved_it)
{
    char *block = text_of(40);
    char *moved = realloc(block, 4000); // FREE
    char *used = wrong ? block : moved;
    *(volatile char *)(used + 1) = 'X'; // HERE
}
