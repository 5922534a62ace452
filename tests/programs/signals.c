/*
 * signals.c - a signal handler that allocates while the program allocates. glibc promises nothing of
 * the kind, so these run on pwheap alone.
 */
#include "common.h"

#include <malloc.h>
#include <signal.h>
#include <sys/syscall.h>
#include <time.h>

enum { OPERATIONS = 200000, HANDLED = 400, SLOTS = 64, INTERVAL_NS = 20000 };

static __thread timer_t timer; /* of this thread, to which its signals go */
static __thread bool has_timer;
static struct note *_Atomic slots[SLOTS]; /* blocks that pass between the handler and the rest */
static _Atomic unsigned handled;

/* Put a new block there, and free the one that was. */
static void exchange(unsigned slot, struct note *note)
{
    struct note *old = atomic_exchange(&slots[slot % SLOTS], note);
    if (old != NULL)
        note_free(old);
}

/* Once more, after some time that is not always the same. */
static void set_timer(unsigned turn)
{
    struct itimerspec once = {.it_value = {0, INTERVAL_NS + turn * 7919 % INTERVAL_NS}};
    CHECK(timer_settime(timer, 0, &once, NULL) == 0);
}

static void handler(int number)
{
    int saved_errno = errno;
    (void)number;
    unsigned turn = atomic_fetch_add(&handled, 1);
    size_t size = 8 + turn * 37 % (turn % 16 == 0 ? 40000 : 2000);
    struct note *note = note_new(size, turn);
    CHECK(malloc_usable_size(note) == size);
    note = note_write(realloc(note, size + 64), size + 64, turn);
    free(calloc(3, size));
    free(aligned_alloc(128, size));
    exchange(turn, note);
    if (has_timer)
        set_timer(turn);
    errno = saved_errno;
}

static void install(int number)
{
    struct sigaction action = {.sa_handler = handler, .sa_flags = SA_RESTART};
    CHECK(sigaction(number, &action, NULL) == 0);
}

static void start_timer(int number)
{
    struct sigevent event = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = number};
    event._sigev_un._tid = (int)syscall(SYS_gettid);
    CHECK(timer_create(CLOCK_MONOTONIC, &event, &timer) == 0);
    has_timer = true;
    set_timer(0);
}

static void stop_timer(void)
{
    has_timer = false;
    CHECK(timer_delete(timer) == 0);
}

/* At least OPERATIONS, and until the handler ran often enough. */
static void work(unsigned enough)
{
    uint64_t seed = 99;
    for (unsigned i = 0; i < OPERATIONS || atomic_load(&handled) < enough; i++) {
        size_t size = 8 + next_random(&seed) % (i % 64 == 0 ? 40000 : 1500);
        struct note *note = malloc(size);
        CHECK(note != NULL);
        note->size = 8;
        note->salt = 0;
        exchange(i, note);
    }
}

static void stop(void)
{
    (void)signal(SIGPROF, SIG_IGN);
    for (unsigned i = 0; i < SLOTS; i++)
        exchange(i, NULL);
}

static void one_thread(void)
{
    install(SIGPROF);
    start_timer(SIGPROF);
    work(HANDLED);
    stop_timer();
    stop();
    (void)printf("seed 99: the handler allocated while the program did\n");
}

static void *work_with_timer(void *unused)
{
    start_timer(SIGPROF);
    work(3 * HANDLED);
    stop_timer();
    return unused;
}

static void threads(void)
{
    pthread_t workers[3];
    install(SIGPROF);
    for (size_t i = 0; i < 3; i++)
        CHECK(pthread_create(&workers[i], NULL, work_with_timer, NULL) == 0);
    for (size_t i = 0; i < 3; i++)
        CHECK(pthread_join(workers[i], NULL) == 0);
    stop();
    (void)printf("seed 99: handlers allocated on three threads\n");
}

/* Threads begin and end under fire: their first and last allocations are the handler's. */
static void *hardly_live(void *unused)
{
    start_timer(SIGPROF);
    churn(100, 2000, 3);
    if (atomic_load(&handled) % 2 == 0)
        stop_timer();
    return unused;
}

static void short_threads(void)
{
    install(SIGPROF);
    for (unsigned i = 0; i < 300 || atomic_load(&handled) < HANDLED; i++) {
        pthread_t thread;
        CHECK(pthread_create(&thread, NULL, hardly_live, NULL) == 0);
        CHECK(pthread_join(thread, NULL) == 0);
    }
    stop();
    (void)printf("handlers allocated on threads that came and went\n");
}

/* Forks under fire. */
static void forks(void)
{
    unsigned fine = 0;
    install(SIGPROF);
    start_timer(SIGPROF);
    for (unsigned i = 0; i < 40; i++) {
        pid_t pid = fork();
        if (pid == 0) {
            has_timer = false; /* timers are not inherited */
            churn(300, 3000, i + 1);
            for (unsigned j = 0; j < 20; j++)
                (void)raise(SIGPROF);
            exit(0);
        }
        fine += status_of(pid) == 0;
    }
    stop_timer();
    stop();
    (void)printf("%u of 40 children ended with 0\n", fine);
}

static void leave_by_exit(int number)
{
    (void)number;
    if (atomic_fetch_add(&handled, 1) < 30)
        set_timer(handled);
    else
        exit(0);
}

static void print_at_exit(void)
{
    churn(100, 30000, 5);
    (void)dprintf(1, "a handler ended the program amid an allocation\n");
}

/* exit() in a handler, wherever the program was. */
static void leave(void)
{
    struct sigaction action = {.sa_handler = leave_by_exit};
    CHECK(atexit(print_at_exit) == 0);
    CHECK(sigaction(SIGPROF, &action, NULL) == 0);
    start_timer(SIGPROF);
    for (uint64_t seed = 1;; seed++)
        churn(100, seed % 8 == 0 ? 40000 : 2000, seed);
}

int main(int argc, char **argv)
{
    static const struct mode modes[] = {
        {"one_thread", one_thread}, {"threads", threads}, {"short_threads", short_threads},
        {"forks", forks},           {"leave", leave},
    };
    return RUN_MODE(argc, argv, modes);
}
