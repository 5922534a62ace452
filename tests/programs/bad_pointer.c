/*
 * bad_pointer.c - "bad_pointer FUNCTION SOURCE": gives a pointer that is none to give to a function
 * of the family. Prints the pointer, makes the call, and would go on.
 */
#include "common.h"

#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <sys/auxv.h>
#include <sys/mman.h>

static char in_data[64] __attribute__((aligned(64))) = "data";
static __thread char in_tls[64];
extern char **environ;

static char *map(size_t bytes, int protection)
{
    char *memory = mmap(NULL, bytes, protection, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(memory != MAP_FAILED);
    return memory;
}

static char *unmapped(void)
{
    char *memory = map(16384, PROT_READ);
    CHECK(munmap(memory, 16384) == 0);
    return memory + 4096;
}

static void *tell_stack(void *place)
{
    char here[64];
    *(char **)place = here;
    (void)pause();
    return NULL;
}

static char *stack_of_a_thread(void)
{
    static char *volatile place;
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, tell_stack, (void *)(uintptr_t)&place) == 0);
    while (place == NULL)
        (void)sched_yield();
    return place;
}

static char *of_a_file(void)
{
    int file = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    char *memory = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, file, 0);
    CHECK(memory != MAP_FAILED && close(file) == 0);
    return memory;
}

static char *freed(size_t size)
{
    char *volatile block = malloc(size);
    free(block);
    return block;
}

static char *freed_long_ago(size_t size)
{
    char *volatile block = malloc(size);
    free(block);
    churn(50000, 500, 1);
    return block;
}

/* Of a heap instance, where there are any. */
static char *of_an_instance(void)
{
    extern struct pwheap_heap *pwheap_heap_create(void) __attribute__((weak));
    extern void *pwheap_heap_malloc(struct pwheap_heap *, size_t) __attribute__((weak));
    CHECK(pwheap_heap_create != NULL && pwheap_heap_malloc != NULL);
    return pwheap_heap_malloc(pwheap_heap_create(), 100);
}

static char *find(const char *source, char *in_stack)
{
    struct {
        const char *name;
        char *(*make)(size_t);
        size_t size;
    } const made[] = {{"freed", freed, 100},
                      {"freed_0", freed, 0},
                      {"freed_big", freed, 100000},
                      {"freed_huge", freed, 4 * MIB},
                      {"freed_long_ago", freed_long_ago, 3000}};
    for (size_t i = 0; i < sizeof made / sizeof *made; i++)
        if (strcmp(source, made[i].name) == 0)
            return made[i].make(made[i].size);
#define SOURCE(name, pointer)                                                                      \
    if (strcmp(source, name) == 0)                                                                 \
    return (char *)(pointer)
    SOURCE("stack", in_stack);
    SOURCE("data", in_data);
    SOURCE("tls", in_tls);
    SOURCE("text", (uintptr_t)find);
    SOURCE("environment", environ[0]);
    SOURCE("libc_data", &environ);
    SOURCE("vdso", getauxval(AT_SYSINFO_EHDR));
    SOURCE("brk", sbrk(4096));
    SOURCE("thread_stack", stack_of_a_thread());
    SOURCE("foreign", map(4096, PROT_READ | PROT_WRITE));
    SOURCE("file", of_a_file());
    SOURCE("prot_none", map(4096, PROT_NONE));
    SOURCE("unmapped", unmapped());
    SOURCE("one", 1);
    SOURCE("64", 64);
    SOURCE("page_zero", 4095);
    SOURCE("kernel", 0xffffffff81000000);
    SOURCE("last_user", 0x7ffffffff000);
    SOURCE("non_canonical", 0x8000000000000000);
    SOURCE("poison", 0xefefefefefefefef);
    SOURCE("minus_one", -1);
    SOURCE("interior_1", (uintptr_t)malloc(200) + 1);
    SOURCE("interior_8", (uintptr_t)malloc(200) + 8);
    SOURCE("interior_64", (uintptr_t)malloc(200) + 64);
    SOURCE("last_byte", (uintptr_t)malloc(200) + 199);
    SOURCE("end", (uintptr_t)malloc(200) + 200);
    SOURCE("interior_16k", (uintptr_t)malloc(100000) + 16 * KIB);
    SOURCE("interior_1m", (uintptr_t)malloc(4 * MIB) + MIB);
    SOURCE("plus_16k", (uintptr_t)malloc(100) + 16 * KIB);
    SOURCE("minus_16", (uintptr_t)malloc(100) - 16);
    SOURCE("guard", ((uintptr_t)malloc(100000) + 102400 + 8191) / 4096 * 4096);
    SOURCE("interior_freed", (uintptr_t)freed(200) + 8);
    SOURCE("instance", of_an_instance());
    (void)dprintf(2, "%s: no such source\n", source);
    _exit(98);
}

int main(int argc, char **argv)
{
    char in_stack[64] = "";
    CHECK(argc == 3);
    free(malloc(10));
    char *volatile pointer = find(argv[2], in_stack);
    (void)printf("%#lx\n", (unsigned long)pointer);
    (void)fflush(stdout);
    if (strcmp(argv[1], "free") == 0)
        free(pointer);
    else if (strcmp(argv[1], "realloc") == 0)
        free(realloc(pointer, 300));
    else if (strcmp(argv[1], "realloc_0") == 0)
        free(realloc(pointer, 0));
    else if (strcmp(argv[1], "reallocarray") == 0)
        free(reallocarray(pointer, 10, 30));
    else if (strcmp(argv[1], "usable_size") == 0)
        (void)printf("%zu\n", malloc_usable_size(pointer));
    else
        return 97;
    (void)printf("went on\n");
    return 0;
}
