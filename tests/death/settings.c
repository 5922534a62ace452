/* settings.c - bugs for what happens around a report: options, threads, signals. */
#include "bugs.h"

#include <signal.h>
#include <unistd.h>

static void say(const char *words)
{
    (void)write(STDERR_FILENO, words, strlen(words));
}

BUG(same_bug_in_a_loop)
{
    for (int i = 0; i < 5; i++) {
        void *block = malloc(200); // ALLOC
        free(block); // FREE
        if (wrong)
            free(block); // AGAIN
    }
    say(wrong ? "went on\n" : "");
}

BUG(two_bugs)
{
    char *block = fill(malloc(200), 200); // ALLOC
    char *other = malloc(201); // ALLOC OTHER
    block[200 - !wrong] = 'X';
    free(block); // HERE
    free(other); // FREE OTHER
    if (wrong)
        free(other); // AGAIN OTHER
}

/* A block whose zone was damaged is not handed out again. */
BUG(out_of_service)
{
    char *block = fill(malloc(200), 200); // ALLOC
    block[200 - !wrong] = 'X';
    free(block); // HERE
    for (int i = 0; i < 200000; i++) {
        char *other = malloc(200);
        if (wrong && other == block)
            say("it is used again\n");
        free(other);
    }
}

/* Nor is one that was written to after it was freed. */
BUG(out_of_service_after_free)
{
    char *block = malloc(200); // ALLOC
    kept[0] = malloc(200); // AFTER
    free(block); // FREE
    if (wrong)
        block[8] = 'X';
    for (int i = 0; i < 200000; i++) {
        char *other = malloc(200); // HERE
        if (wrong && other == block)
            say("it is used again\n");
        free(other);
    }
}

static void double_free(bool wrong)
{
    void *block = malloc(200); // ALLOC
    free(block); // FREE
    if (wrong)
        free(block); // AGAIN
}

static void *work(void *wrong)
{
    pthread_setname_np(pthread_self(), "worker");
    double_free(wrong != NULL); // IN THREAD
    return NULL;
}

BUG(in_a_thread)
{
    pthread_t thread;
    pthread_create(&thread, NULL, work, wrong ? "" : NULL);
    pthread_join(thread, NULL);
}

static bool handler_is_wrong;

static void handler(int number)
{
    double_free(handler_is_wrong); // IN HANDLER
}

BUG(in_a_signal_handler)
{
    handler_is_wrong = wrong;
    signal(SIGUSR1, handler);
    raise(SIGUSR1); // HERE
}

static void handle_abort(int number)
{
    say("the program's own handler of SIGABRT\n");
    _exit(7);
}

BUG(own_abort_handler)
{
    signal(SIGABRT, handle_abort);
    double_free(wrong); // HERE
}

static void handle_fault(int number)
{
    say("the program's own handler of SIGSEGV\n");
    _exit(7);
}

BUG(own_fault_handler)
{
    signal(SIGSEGV, handle_fault);
    char *block = malloc(1000000); // ALLOC
    free(block); // FREE
    if (wrong)
        block[500000] = 'X'; // HERE
}

/* A fault that has nothing to do with the heap says nothing. */
BUG(other_fault)
{
    if (wrong)
        *(volatile char *)8 = 'X';
}

BUG(damage_then_other_fault)
{
    char *block = malloc(200); // ALLOC
    block[200 - !wrong] = 'X';
    if (wrong)
        *(volatile char *)8 = 'X';
    free(block);
}
