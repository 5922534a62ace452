/*
 * leaks.c - programs that lose blocks, and twins that don't. Every block that is to be found has a
 * size of its own, so that a test can tell each: "leaks MODE [clean]".
 *
 * What is lost is made by functions that are not inlined, and `scrub` writes over what they leave of
 * it on the stack.
 */
#include "common.h"

#include <dlfcn.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>

#define NOINLINE __attribute__((noinline))

static bool clean;
static size_t (*leak_check)(void);
static bool (*ignore_block)(const void *);
static void *kept[64]; /* reached */

/* Nothing of what was called before is to be left below the caller's frame, nor in a register that calls may change. */
static NOINLINE void scrub(void)
{
    volatile char over[32 * KIB];
    for (size_t i = 0; i < sizeof over; i++)
        over[i] = 0;
#ifdef __x86_64__
    __asm__ volatile("xor %%eax, %%eax\n\txor %%ecx, %%ecx\n\txor %%edx, %%edx\n\txor %%esi, %%esi\n\txor %%edi, %%edi\n\t"
                     "xor %%r8d, %%r8d\n\txor %%r9d, %%r9d\n\txor %%r10d, %%r10d\n\txor %%r11d, %%r11d" ::
                         : "rax", "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11", "cc");
    __asm__ volatile("pxor %%xmm0, %%xmm0\n\tpxor %%xmm1, %%xmm1\n\tpxor %%xmm2, %%xmm2\n\tpxor %%xmm3, %%xmm3\n\t"
                     "pxor %%xmm4, %%xmm4\n\tpxor %%xmm5, %%xmm5\n\tpxor %%xmm6, %%xmm6\n\tpxor %%xmm7, %%xmm7\n\t"
                     "pxor %%xmm8, %%xmm8\n\tpxor %%xmm9, %%xmm9\n\tpxor %%xmm10, %%xmm10\n\tpxor %%xmm11, %%xmm11\n\t"
                     "pxor %%xmm12, %%xmm12\n\tpxor %%xmm13, %%xmm13\n\tpxor %%xmm14, %%xmm14\n\tpxor %%xmm15, %%xmm15" ::
                         : "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10",
                           "xmm11", "xmm12", "xmm13", "xmm14", "xmm15");
#endif
}

/* Blocks that point at others: next at the start, size bytes of each. */
struct node {
    struct node *next;
    struct node *other;
};

static struct node *node_new(size_t size, struct node *next)
{
    struct node *node = malloc(size);
    CHECK(node != NULL && size >= sizeof *node);
    memset(node, 0, size);
    node->next = next;
    return node;
}

static void list_free(struct node *node)
{
    while (node != NULL) {
        struct node *next = node->next;
        free(node);
        node = next;
    }
}

/* ---- what is lost ---- */

static NOINLINE void direct(void)
{
    for (int i = 0; i < 3; i++) {
        void *volatile block = malloc(101);
        if (clean)
            free(block);
    }
    void *volatile other = malloc(202);
    if (clean)
        free(other);
}

static NOINLINE void indirect(void)
{
    struct node *list = NULL;
    for (size_t i = 0; i < 10; i++)
        list = node_new(300 + i, list);
    if (clean)
        list_free(list);
}

/* The list stays, its tail is cut off: the first of the tail is direct. */
static NOINLINE void lost_tail(void)
{
    struct node *list = NULL;
    for (size_t i = 0; i < 6; i++)
        list = node_new(400 + i, list);
    struct node *last = list->next->next;
    if (clean)
        list_free(last->next);
    last->next = NULL;
    kept[0] = list;
}

/* Two rings, the first leads to the second, which leads to a list. */
static NOINLINE void rings(void)
{
    struct node *list = node_new(501, node_new(500, NULL));
    struct node *second = node_new(510, NULL);
    second->next = node_new(511, node_new(512, second));
    second->other = list;
    struct node *first = node_new(520, NULL);
    first->next = node_new(521, first);
    first->other = second->next;
    if (!clean)
        return;
    first->next->next = NULL;
    second->next->next->next = NULL;
    list_free(first);
    list_free(second);
    list_free(list);
}

/* Points at itself only. */
static NOINLINE void loop(void)
{
    struct node *node = node_new(600, NULL);
    node->next = node;
    if (clean)
        free(node);
}

static NOINLINE void big(void)
{
    char **volatile block = malloc(3 * MIB);
    CHECK(block != NULL);
    block[300000] = malloc(40000);
    block[0] = malloc(0);
    if (!clean)
        return;
    free(block[300000]);
    free(block[0]);
    free((void *)block);
}

/* ---- what is held: never reported ---- */

static __thread void *in_tls;
static pthread_key_t key;

static NOINLINE void hold_in_tls(void)
{
    in_tls = malloc(700);
    CHECK(pthread_key_create(&key, NULL) == 0);
    CHECK(pthread_setspecific(key, malloc(701)) == 0);
}

static NOINLINE void hold_in_library(const char *program)
{
    char path[4096];
    (void)snprintf(path, sizeof path, "%s", program);
    char *slash = strrchr(path, '/');
    CHECK(slash != NULL);
    (void)snprintf(slash + 1, sizeof path - (size_t)(slash + 1 - path), "libholder.so");
    void *library = dlopen(path, RTLD_NOW);
    CHECK(library != NULL);
    void (*hold)(void *, void *) = NULL;
    *(void **)&hold = dlsym(library, "hold");
    CHECK(hold != NULL);
    hold(malloc(710), malloc(711));
}

static NOINLINE void hold_elsewhere(void)
{
    kept[1] = (char *)malloc(720) + 700; /* into the middle */
    void **page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    void **sealed = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    void **shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(page != MAP_FAILED && sealed != MAP_FAILED && shared != MAP_FAILED);
    page[100] = malloc(721);
    sealed[200] = malloc(722);
    shared[300] = malloc(723);
    CHECK(mprotect(sealed, 4096, PROT_READ) == 0);
    kept[2] = node_new(724, node_new(725, node_new(726, NULL)));
}

static NOINLINE void *return_block(void *size)
{
    return malloc((size_t)size);
}

/* A thread that has ended, and whose result nobody has asked for yet. */
static NOINLINE void hold_in_result(void)
{
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, return_block, (void *)730) == 0);
    while (pthread_kill(thread, 0) == 0 && pthread_tryjoin_np(thread, NULL) == EBUSY)
        (void)sched_yield();
}

static void held(void)
{
    hold_in_tls();
    hold_in_library((const char *)kept[63]);
    hold_elsewhere();
}

/* The block's address is in rbx alone while another thread, or the callee, looks. */
#if defined(__x86_64__)
static NOINLINE uint64_t hidden_block(size_t size)
{
    return ~(uint64_t)malloc(size);
}

static NOINLINE size_t check_with_a_register(void)
{
    uint64_t hidden = hidden_block(740);
    size_t found;
    scrub();
    __asm__ volatile("not %%rbx\n\tsub $256, %%rsp\n\tcall *%2\n\tadd $256, %%rsp\n\tnot %%rbx"
                     : "=a"(found), "+b"(hidden)
                     : "r"(leak_check)
                     : "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11", "memory", "cc");
    free((void *)~hidden);
    return found;
}

static NOINLINE void spin_with_a_register(_Atomic int *started, _Atomic int *goes_on)
{
    uint64_t hidden = hidden_block(741);
    scrub();
    atomic_fetch_add(started, 1);
    __asm__ volatile("not %%rbx\n1:\tpause\n\tcmpl $0, (%1)\n\tjne 1b\n\tnot %%rbx"
                     : "+b"(hidden)
                     : "r"(goes_on)
                     : "memory", "cc");
    free((void *)~hidden);
}
#else
static size_t check_with_a_register(void)
{
    return leak_check();
}

static void spin_with_a_register(_Atomic int *started, _Atomic int *goes_on)
{
    atomic_fetch_add(started, 1);
    while (atomic_load(goes_on) != 0)
        ;
}
#endif

/* ---- threads ---- */

enum { THREADS = 16 };
static _Atomic int started, goes_on = 1;
static pthread_barrier_t barrier;
static int wakes[2];

static NOINLINE void *lost_block(size_t size)
{
    void *volatile block = malloc(size);
    if (clean)
        free(block);
    return NULL;
}

/* In a frame further down, for scrub() may leave the first words below its caller's. */
static NOINLINE void lose_one(size_t size)
{
    void *volatile nothing = lost_block(size);
    (void)nothing;
}

/* Holds blocks on its stack and in a register; every other one sleeps in the kernel instead. */
static void *hold_and_wait(void *argument)
{
    size_t index = (size_t)argument;
    void *volatile on_stack = malloc(800);
    sigset_t all;
    (void)sigfillset(&all);
    if (index % 3 == 0)
        (void)pthread_sigmask(SIG_SETMASK, &all, NULL);
    in_tls = malloc(801);
    lose_one(900 + index);
    scrub();
    if (index % 2 == 0) {
        spin_with_a_register(&started, &goes_on);
    } else {
        char c;
        atomic_fetch_add(&started, 1);
        CHECK(read(wakes[0], &c, 1) == 1);
    }
    free(on_stack);
    free(in_tls);
    return NULL;
}

static void threads(void)
{
    pthread_t all[THREADS];
    CHECK(pipe(wakes) == 0);
    for (size_t i = 0; i < THREADS; i++)
        CHECK(pthread_create(&all[i], NULL, hold_and_wait, (void *)i) == 0);
    while (atomic_load(&started) < THREADS)
        (void)sched_yield();
    scrub();
    (void)printf("%zu while they run\n", leak_check());
    (void)fflush(stdout);
    atomic_store(&goes_on, 0);
    CHECK(write(wakes[1], "................", THREADS / 2) == THREADS / 2);
    for (size_t i = 0; i < THREADS; i++)
        CHECK(pthread_join(all[i], NULL) == 0);
    (void)printf("%zu afterwards\n", leak_check());
}

static NOINLINE void deep(int depth)
{
    void *volatile block[4] = {NULL};
    for (int i = 0; i < 4; i++)
        block[i] = kept[i];
    if (depth > 0)
        deep(depth - 1);
    (void)block[0];
}

/* What it lost stays on its stack, which glibc keeps for the next thread. */
static void *lose_and_end(void *index)
{
    void *volatile block = malloc(1000 + (size_t)index);
    (void)pthread_barrier_wait(&barrier);
    deep(3);
    if (clean)
        free(block);
    return NULL;
}

static void ended_threads(void)
{
    pthread_t all[THREADS];
    CHECK(pthread_barrier_init(&barrier, NULL, THREADS) == 0);
    for (size_t i = 0; i < THREADS; i++)
        CHECK(pthread_create(&all[i], NULL, lose_and_end, (void *)i) == 0);
    for (size_t i = 0; i < THREADS; i++)
        CHECK(pthread_join(all[i], NULL) == 0);
    scrub();
}

/* ---- modes ---- */

static void all_lost(void)
{
    direct();
    indirect();
    lost_tail();
    rings();
    loop();
    big();
    held();
    hold_in_result();
    scrub();
    (void)printf("all of it\n"); /* has to come out though the exit status is changed */
}

static void nothing_lost(void)
{
    held();
    hold_in_result();
    scrub();
    (void)printf("%zu\n", leak_check());
    (void)printf("%zu\n", check_with_a_register());
}

static void only_interior(void)
{
    hold_elsewhere();
    scrub();
}

static NOINLINE void *block_to_ignore(void)
{
    return node_new(1100, node_new(1101, NULL));
}

static void ignored(void)
{
    kept[10] = block_to_ignore();
    CHECK(ignore_block(kept[10]) && !ignore_block(&kept));
    kept[10] = NULL;
    direct();
    scrub();
    (void)printf("%zu\n", leak_check());
}

static void in_child(void)
{
    direct();
    scrub();
    pid_t pid = fork();
    if (pid == 0)
        exit(0);
    (void)printf("child %d\n", status_of(pid));
}

/* exit() from the middle of main, whose stack still holds it. */
static void exit_inside(void)
{
    void *volatile block = malloc(1200);
    direct();
    scrub();
    (void)fputs("out", stdout);
    exit(block == NULL);
}

int main(int argc, char **argv)
{
    static const struct mode modes[] = {
        {"all", all_lost},       {"direct", direct},         {"nothing", nothing_lost}, {"interior", only_interior},
        {"threads", threads},    {"ended", ended_threads},   {"ignored", ignored},      {"child", in_child},
        {"rings", rings},        {"exit_inside", exit_inside}};
    *(void **)&leak_check = dlsym(RTLD_DEFAULT, "pwheap_leak_check");
    *(void **)&ignore_block = dlsym(RTLD_DEFAULT, "pwheap_ignore");
    kept[63] = argv[0];
    clean = argc > 2 && strcmp(argv[2], "clean") == 0;
    return RUN_MODE(argc, argv, modes);
}
