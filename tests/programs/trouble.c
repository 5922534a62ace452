/* trouble.c - heap bugs at awkward moments: what each does is told by the test that expects its report. */
#include "common.h"

#include <limits.h>
#include <signal.h>
#include <sys/auxv.h>
#include <sys/resource.h>

static void free_twice(size_t size)
{
    char *volatile block = malloc(size);
    free(block);
    free(block);
}

static void overflow(size_t size)
{
    volatile char *block = malloc(size);
    block[size] = 'x';
    free((char *)(uintptr_t)block);
}

/* -- Two threads, two bugs, at once */

static pthread_barrier_t barrier;

static void *find_double_free(void *unused)
{
    (void)pthread_barrier_wait(&barrier);
    free_twice(100);
    return unused;
}

static void *find_overflow(void *unused)
{
    (void)pthread_barrier_wait(&barrier);
    overflow(201);
    return unused;
}

static void two_threads(void)
{
    pthread_t threads[2];
    CHECK(pthread_barrier_init(&barrier, NULL, 2) == 0);
    CHECK(pthread_create(&threads[0], NULL, find_double_free, NULL) == 0);
    CHECK(pthread_create(&threads[1], NULL, find_overflow, NULL) == 0);
    for (size_t i = 0; i < 2; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
    (void)printf("both went on\n");
}

/* -- Little stack */

static size_t bytes_left;

/* Use up the stack of the thread to where only bytes_left are left. */
static __attribute__((noinline)) void descend(char *lowest)
{
    char here[256];
    memset(here, 1, sizeof here);
    if (here - lowest > (ptrdiff_t)bytes_left)
        descend(lowest);
    else
        free_twice(100);
    __asm__ volatile("" : : "r"(here) : "memory");
}

static void *stand_at_the_edge(void *unused)
{
    pthread_attr_t attributes;
    void *lowest;
    size_t size;
    CHECK(pthread_getattr_np(pthread_self(), &attributes) == 0);
    CHECK(pthread_attr_getstack(&attributes, &lowest, &size) == 0);
    CHECK(pthread_attr_destroy(&attributes) == 0);
    free(malloc(100));
    descend(lowest);
    return unused;
}

static void little_stack(void)
{
    pthread_t thread;
    const char *left = getenv("BYTES_LEFT");
    bytes_left = left != NULL ? (size_t)atoi(left) : 16 * KIB;
    CHECK(pthread_create(&thread, NULL, stand_at_the_edge, NULL) == 0);
    CHECK(pthread_join(thread, NULL) == 0);
}

/* Until the guard page of the stack, with a heap that has done nothing wrong. */
static size_t descend_to(size_t depth)
{
    char here[4096];
    memset(here, 1, sizeof here);
    free(malloc(100));
    size_t result = depth == 0 ? 0 : descend_to(depth - 1) + 1;
    __asm__ volatile("" : : "r"(here) : "memory");
    return result;
}

static void stack_overflow(void)
{
    (void)descend_to(1 << 20);
}

/* -- In odd places */

static void handler(int number)
{
    (void)number;
    free_twice(100);
}

static void in_handler(void)
{
    (void)signal(SIGUSR1, handler);
    (void)raise(SIGUSR1);
}

static void handler_on_other_stack(int number)
{
    (void)number;
    overflow(50);
}

static void on_sigaltstack(void)
{
    static char memory[64 * KIB];
    stack_t stack = {.ss_sp = memory, .ss_size = sizeof memory};
    struct sigaction action = {.sa_handler = handler_on_other_stack, .sa_flags = SA_ONSTACK};
    CHECK(sigaltstack(&stack, NULL) == 0 && sigaction(SIGUSR1, &action, NULL) == 0);
    (void)raise(SIGUSR1);
}

static void in_child(void)
{
    pid_t pid = fork();
    if (pid == 0) {
        free_twice(100);
        _exit(0);
    }
    (void)printf("the child %d ended with %d\n", (int)pid, status_of(pid));
}

static void destroy(void *block)
{
    free(block);
    free(block);
}

static void *have_data(void *key)
{
    CHECK(pthread_setspecific(*(pthread_key_t *)key, malloc(100)) == 0);
    return NULL;
}

static void in_tls_destructor(void)
{
    pthread_key_t key;
    pthread_t thread;
    CHECK(pthread_key_create(&key, destroy) == 0);
    CHECK(pthread_create(&thread, NULL, have_data, &key) == 0);
    CHECK(pthread_join(thread, NULL) == 0);
}

static void at_exit_handler(void)
{
    overflow(100);
}

static void in_atexit(void)
{
    CHECK(atexit(at_exit_handler) == 0);
}

/* Where there is neither /proc nor a helper program. */
static void in_chroot(void)
{
    char place[] = "/tmp/pwheap-chroot-XXXXXX";
    CHECK(mkdtemp(place) != NULL && chdir(place) == 0 && rmdir(place) == 0);
    if (chroot(".") != 0)
        _exit(77);
    free_twice(100);
}

/* Where no descriptor and no process can be had, for a helper program or a log. */
static void in_straits(void)
{
    const struct rlimit three = {3, 3}, none = {0, 0};
    CHECK(setrlimit(RLIMIT_NOFILE, &three) == 0 && setrlimit(RLIMIT_NPROC, &none) == 0);
    free_twice(100);
}

/* A bug that nobody frees: found by the last look. */
static void left_behind(void)
{
    static volatile char *block;
    block = malloc(100);
    block[100] = 'x';
}

static void left_behind_by_abort(void)
{
    left_behind();
    abort();
}

/* -- The status */

static void leave_3(void)
{
    churn(1000, 3000, 1);
    (void)printf("left with 3\n");
    exit(3);
}

static void killed(void)
{
    churn(1000, 3000, 1);
    (void)raise(SIGTERM);
}

/* What the kernel knows to be ignored comes through execve. */
static void ignore_and_execute(void)
{
    (void)signal(SIGSEGV, SIG_IGN);
    (void)signal(SIGABRT, SIG_IGN);
    (void)signal(SIGUSR2, SIG_IGN);
    (void)execlp("sed", "sed", "-n", "s/SigIgn/ignored/p", "/proc/self/status", NULL);
    CHECK(false);
}

/* -- Options, where the program is linked with the library */

#ifdef LINKED
#include "pwheap/pwheap.h"

static void level(void)
{
    char chosen[64] = "", log_path[256] = "";
    (void)pwheap_option_get("level", chosen, sizeof chosen);
    (void)pwheap_option_get("log_path", log_path, sizeof log_path);
    (void)printf("secure: %s, level: %s, log_path: %s\n", getauxval(AT_SECURE) != 0 ? "yes" : "no", chosen, log_path);
}
#endif

int main(int argc, char **argv)
{
    static const struct mode modes[] = {
        {"two_threads", two_threads},
        {"little_stack", little_stack},
        {"stack_overflow", stack_overflow},
        {"in_handler", in_handler},
        {"on_sigaltstack", on_sigaltstack},
        {"in_child", in_child},
        {"in_tls_destructor", in_tls_destructor},
        {"in_atexit", in_atexit},
        {"in_chroot", in_chroot},
        {"in_straits", in_straits},
        {"left_behind", left_behind},
        {"left_behind_by_abort", left_behind_by_abort},
        {"leave_3", leave_3},
        {"killed", killed},
        {"ignore_and_execute", ignore_and_execute},
#ifdef LINKED
        {"level", level},
#endif
    };
    return RUN_MODE(argc, argv, modes);
}
