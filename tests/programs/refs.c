/*
 * refs.c - blocks that are held in every way there is, for `heapdump refs` and `heapdump leaks`: prints a
 * line "NAME ADDRESS" for each, then "ready", and waits until its stdin ends. Each has a size of its own.
 */
#include "common.h"

#include <dlfcn.h>

#define NOINLINE __attribute__((noinline))

struct node {
    struct node *next;
    void *other;
};

void *table[8]; /* not static: a symbol that a stripped program would have, too */
static void *volatile hidden_global;
static __thread void *volatile in_tls;
static _Atomic int started, goes_on = 1;

static void tell(const char *name, const void *block)
{
    (void)printf("%s %p\n", name, block);
}

static NOINLINE void scrub(void)
{
    volatile char over[32 * KIB];
    for (size_t i = 0; i < sizeof over; i++)
        over[i] = 0;
}

static struct node *node_new(size_t size, struct node *next)
{
    struct node *node = calloc(1, size);
    CHECK(node != NULL);
    node->next = next;
    return node;
}

static void *volatile stale_global;

/* Freed, and somebody still has its address. */
static NOINLINE void free_too_early(void)
{
    stale_global = malloc(3333);
    tell("stale", stale_global);
    free(stale_global);
    free(malloc(4444));
}

static NOINLINE void plant(const char *program)
{
    char path[4096];
    table[3] = malloc(103);
    tell("table", table[3]);
    hidden_global = (char *)malloc(104) + 50;
    tell("interior", (char *)hidden_global - 50);
    struct node *last = node_new(107, NULL);
    table[5] = node_new(105, node_new(106, last));
    tell("chain", last);
    in_tls = malloc(108);
    tell("tls", in_tls);
    (void)snprintf(path, sizeof path, "%s", program);
    CHECK(strrchr(path, '/') != NULL);
    strcpy(strrchr(path, '/') + 1, "libholder.so");
    void *library = dlopen(path, RTLD_NOW);
    void (*hold)(void *, void *) = NULL;
    *(void **)&hold = library != NULL ? dlsym(library, "hold") : NULL;
    CHECK(hold != NULL);
    void *in_library = malloc(109), *in_its_tls = malloc(110);
    hold(in_library, in_its_tls);
    tell("library", in_library);
    tell("library_tls", in_its_tls);
}

static NOINLINE void lose(void)
{
    struct node *indirect = node_new(202, NULL);
    struct node *direct = node_new(201, indirect);
    struct node *ring = node_new(203, NULL);
    ring->next = node_new(203, ring);
    tell("direct", direct);
    tell("indirect", indirect);
    tell("ring", ring);
}

static NOINLINE uint64_t hidden_block(size_t size, const char *name)
{
    void *block = malloc(size);
    tell(name, block);
    return ~(uint64_t)block;
}

/* "started" only once the address is where it stays: a process that is looked at before that has lost the block. */
#if defined(__x86_64__)
/* And `left` in a vector register, as a copy of what lies on the stack is left there by libc. */
static NOINLINE void spin(uint64_t hidden, uint64_t left)
{
    scrub();
    __asm__ volatile("not %%rax\n\tmovq %%rax, %%xmm5\n\txor %%eax, %%eax\n\t"
                     "not %%rbx\n\tlock incl (%3)\n1:\tpause\n\tcmpl $0, (%2)\n\tjne 1b\n\tnot %%rbx"
                     : "+b"(hidden), "+a"(left)
                     : "r"(&goes_on), "r"(&started)
                     : "xmm5", "memory", "cc");
}
#else
static NOINLINE void spin(uint64_t hidden, uint64_t left)
{
    (void)left;
    void *volatile block = (void *)~hidden;
    atomic_fetch_add(&started, 1);
    while (atomic_load(&goes_on) != 0)
        ;
    (void)block;
}
#endif

static NOINLINE void hold_on_stack(void)
{
    void *volatile block = malloc(112);
    tell("stack", block);
    spin(hidden_block(111, "register"), ~(uint64_t)block);
    free(block);
}

static void *work(void *argument)
{
    (void)pthread_setname_np(pthread_self(), "worker");
    hold_on_stack();
    return argument;
}

int main(int argc, char **argv)
{
    pthread_t thread;
    char c;
    plant(argv[0]);
    if (argc < 2 || strcmp(argv[1], "clean") != 0)
        lose();
    free_too_early();
    scrub();
    CHECK(pthread_create(&thread, NULL, work, NULL) == 0);
    while (atomic_load(&started) == 0)
        (void)sched_yield();
    (void)printf("ready\n");
    (void)fflush(stdout);
    if (argc > 2 && strcmp(argv[2], "abort") == 0)
        abort();
    while (read(0, &c, 1) > 0)
        ;
    atomic_store(&goes_on, 0);
    CHECK(pthread_join(thread, NULL) == 0);
    return 0;
}
