/* forks.c - children: of threaded programs, of their threads, with handlers, and by every other way. */
#include "common.h"

#include <dlfcn.h>
#include <signal.h>
#include <spawn.h>
#include <time.h>

extern int pwheap_dump(const char *path) __attribute__((weak));

extern char **environ;

enum { THREADS = 3, BLOCKS = 120 };
static _Atomic bool stop;
static _Atomic unsigned rounds;
static struct note *of_the_parent[BLOCKS];

static void *churn_until_stop(void *number)
{
    for (uintptr_t seed = (uintptr_t)number + 1; !atomic_load(&stop); seed++) {
        churn(200, seed % 8 == 0 ? 60 * KIB : 3000, seed);
        atomic_fetch_add(&rounds, 1);
    }
    return NULL;
}

static void start_threads(pthread_t threads[THREADS])
{
    for (uintptr_t i = 0; i < THREADS; i++)
        CHECK(pthread_create(&threads[i], NULL, churn_until_stop, (void *)i) == 0);
    while (atomic_load(&rounds) < THREADS)
        churn(10, 1000, 1);
}

static void stop_threads(pthread_t threads[THREADS])
{
    atomic_store(&stop, true);
    for (size_t i = 0; i < THREADS; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
}

/* 1 if it did; what it did else is told on stderr. */
static unsigned ends_with_0(pid_t pid)
{
    int status = status_of(pid);
    if (status != 0)
        (void)dprintf(2, "child %d ended with %d\n", (int)pid, status);
    return status == 0;
}

static void *make_blocks(void *unused)
{
    (void)unused;
    for (uint32_t i = 0; i < BLOCKS; i++)
        of_the_parent[i] = note_new(20 + i * (i % 16 == 0 ? 400 : 10), i);
    return NULL;
}

/* Blocks of a thread that will not be in the children. */
static void make_blocks_in_a_thread(void)
{
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, make_blocks, NULL) == 0);
    CHECK(pthread_join(thread, NULL) == 0);
}

static void free_blocks(void)
{
    for (size_t i = 0; i < BLOCKS; i++)
        note_free(of_the_parent[i]);
}

static void be_a_child(uint64_t seed)
{
    churn(150, 3000, seed);
    free_blocks();
    churn(60, 50000, seed + 1);
}

static void loop(void)
{
    enum { FORKS = 40 };
    pthread_t threads[THREADS];
    unsigned fine = 0;
    make_blocks_in_a_thread();
    start_threads(threads);
    for (unsigned i = 0; i < FORKS; i++) {
        pid_t pid = fork();
        if (pid == 0) {
            be_a_child(i + 1);
            if (i % 2 == 0)
                exit(0);
            _exit(0);
        }
        fine += ends_with_0(pid);
    }
    stop_threads(threads);
    free_blocks();
    (void)printf("%u of %d children ended with 0\n", fine, FORKS);
}

static void *fork_some(void *sum)
{
    for (unsigned i = 0; i < 10; i++) {
        pid_t pid = fork();
        if (pid == 0) {
            be_a_child(i + 1);
            exit(0);
        }
        *(unsigned *)sum += ends_with_0(pid);
        churn(200, 3000, i + 1);
    }
    return NULL;
}

/* Several threads fork while the others allocate. */
static void from_threads(void)
{
    pthread_t threads[THREADS], forking[THREADS];
    unsigned fine[THREADS] = {0}, sum = 0;
    make_blocks_in_a_thread();
    start_threads(threads);
    for (size_t i = 0; i < THREADS; i++)
        CHECK(pthread_create(&forking[i], NULL, fork_some, &fine[i]) == 0);
    for (size_t i = 0; i < THREADS; i++) {
        CHECK(pthread_join(forking[i], NULL) == 0);
        sum += fine[i];
    }
    stop_threads(threads);
    (void)printf("%u children of threads ended with 0\n", sum);
}

/* A child that has threads of its own, and children. */
static void generations(void)
{
    enum { DEPTH = 6 };
    int depth = 0;
    make_blocks_in_a_thread();
    for (; depth < DEPTH; depth++) {
        pthread_t threads[THREADS];
        atomic_store(&stop, false);
        start_threads(threads);
        pid_t pid = fork();
        if (pid != 0) {
            stop_threads(threads);
            free_blocks();
            if (depth == 0)
                (void)printf("the oldest child ended with %d\n", status_of(pid));
            else
                exit(status_of(pid));
            return;
        }
        atomic_store(&rounds, 0);
    }
    be_a_child(5);
    exit(0);
}

/* -- Handlers */

static struct note *of_handlers[3][8];
static unsigned prepared, after_in_parent, after_in_child;

static void allocate_in_handler(unsigned row)
{
    for (uint32_t i = 0; i < 8; i++) {
        if (of_handlers[row][i] != NULL)
            note_free(of_handlers[row][i]);
        of_handlers[row][i] = note_new(10 + i * (i == 7 ? 5000 : 100), i);
    }
    churn(100, 3000, row + 1);
}

static void prepare(void)
{
    prepared++;
    allocate_in_handler(0);
}

static void in_parent(void)
{
    after_in_parent++;
    allocate_in_handler(1);
}

static void in_child(void)
{
    after_in_child++;
    allocate_in_handler(0);
    allocate_in_handler(2);
}

static void register_handlers(void)
{
    CHECK(pthread_atfork(prepare, in_parent, in_child) == 0);
}

/* Before any constructor of this program, and so before a heap that is linked statically set itself up. */
static void register_first(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "handlers") == 0)
        register_handlers();
}
__attribute__((section(".preinit_array"), used)) static void (*first)(int, char **) = register_first;

static void handlers(void)
{
    enum { FORKS = 30 };
    pthread_t threads[THREADS];
    unsigned fine = 0;
    register_handlers();
    make_blocks_in_a_thread();
    start_threads(threads);
    for (unsigned i = 0; i < FORKS; i++) {
        pid_t pid = fork();
        if (pid == 0) {
            be_a_child(i + 1);
            exit(after_in_child == 2 ? 0 : 1);
        }
        fine += ends_with_0(pid);
    }
    stop_threads(threads);
    (void)printf("%u of %d children ended with 0; handlers ran %u and %u times\n", fine, FORKS, prepared,
                 after_in_parent);
}

/* -- Other ways to have a child */

static void others(void)
{
    char name[] = "echo", word[] = "spawned";
    char *const echo[] = {name, word, NULL};
    pthread_t threads[THREADS];
    pid_t pid;
    start_threads(threads);
    for (int i = 0; i < 10; i++) {
        (void)fflush(stdout);
        pid = vfork();
        if (pid == 0) {
            (void)execl("/bin/echo", "echo", "of vfork", NULL);
            _exit(1);
        }
        CHECK(status_of(pid) == 0);
        CHECK(posix_spawn(&pid, "/bin/echo", NULL, NULL, echo, environ) == 0);
        CHECK(status_of(pid) == 0);
        CHECK(system("echo of system | cat") == 0);
        char line[64] = "";
        FILE *stream = popen("echo of popen", "r");
        CHECK(stream != NULL && fgets(line, sizeof line, stream) != NULL && pclose(stream) == 0);
        (void)fputs(line, stdout);
    }
    stop_threads(threads);
    churn(1000, 5000, 3);
}

static void *load_until_stop(void *unused)
{
    while (!atomic_load(&stop)) {
        void *library = dlopen("libm.so.6", RTLD_NOW | RTLD_LOCAL);
        CHECK(library != NULL && dlclose(library) == 0);
        atomic_fetch_add(&rounds, 1);
    }
    return unused;
}

/* The loader's lock may be another thread's when the child is made: malloc may not want it. */
static void while_loading(void)
{
    pthread_t thread;
    unsigned fine = 0;
    make_blocks_in_a_thread();
    CHECK(pthread_create(&thread, NULL, load_until_stop, NULL) == 0);
    while (atomic_load(&rounds) < 10)
        churn(10, 1000, 1);
    for (unsigned i = 0; i < 100; i++) {
        pid_t pid = fork();
        if (pid == 0) {
            be_a_child(i + 1);
            _exit(0);
        }
        fine += ends_with_0(pid);
    }
    atomic_store(&stop, true);
    CHECK(pthread_join(thread, NULL) == 0);
    (void)printf("%u of 100 children of a program that loads libraries ended with 0\n", fine);
}

static bool dump_is_refused(void)
{
    return pwheap_dump("/nonexistent/core") == -1 && errno == ENOENT;
}

static void *dump_until_stop(void *unused)
{
    while (!atomic_load(&stop)) {
        CHECK(dump_is_refused());
        atomic_fetch_add(&rounds, 1);
    }
    return unused;
}

/* The same as ends_with_0 for one that may hang, all signals blocked. */
static unsigned ends_in_time(pid_t pid, const sigset_t *child_ends)
{
    enum { SECONDS = 20 };
    struct timespec most = {.tv_sec = SECONDS};
    if (sigtimedwait(child_ends, NULL, &most) < 0) {
        (void)dprintf(2, "child %d hangs\n", (int)pid);
        CHECK(kill(pid, SIGKILL) == 0);
    }
    return ends_with_0(pid);
}

/* One snapshot at a time: but the thread that is making one is not in the child. */
static void while_dumping(void)
{
    enum { FORKS = 40 };
    sigset_t child_ends;
    pthread_t thread;
    unsigned fine = 0;
    CHECK(sigemptyset(&child_ends) == 0 && sigaddset(&child_ends, SIGCHLD) == 0);
    CHECK(pthread_sigmask(SIG_BLOCK, &child_ends, NULL) == 0);
    CHECK(pthread_create(&thread, NULL, dump_until_stop, NULL) == 0);
    while (atomic_load(&rounds) < 10)
        churn(10, 1000, 1);
    for (unsigned i = 0; i < FORKS; i++) {
        pid_t pid = fork();
        if (pid == 0)
            _exit(dump_is_refused() ? 0 : 1);
        unsigned ended = ends_in_time(pid, &child_ends);
        fine += ended;
        if (ended == 0)
            break;
    }
    atomic_store(&stop, true);
    CHECK(pthread_join(thread, NULL) == 0);
    (void)printf("%u of %d children of a program that makes snapshots ended with 0\n", fine, FORKS);
}

/* _Fork runs no handlers: fine in a program with one thread. */
static void without_handlers(void)
{
    make_blocks(NULL);
    pid_t pid = _Fork();
    if (pid == 0) {
        be_a_child(1);
        exit(0);
    }
    (void)printf("the child of _Fork ended with %d\n", status_of(pid));
    free_blocks();
}

int main(int argc, char **argv)
{
    static const struct mode modes[] = {
        {"loop", loop},         {"from_threads", from_threads}, {"generations", generations},
        {"handlers", handlers}, {"others", others},             {"without_handlers", without_handlers},
        {"while_loading", while_loading}, {"while_dumping", while_dumping},
    };
    return RUN_MODE(argc, argv, modes);
}
