/*
 * musl.c - "musl [overflow|double_free]": threads that allocate, with another libc; then perhaps a bug. Linked with
 * libpwheap.a, and preloaded.
 */
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { THREADS = 4, KEPT = 100, STEPS = 50000 };

static void *churn(void *seed)
{
    char *kept[KEPT] = {NULL};
    uint32_t random = (uint32_t)(uintptr_t)seed + 1;
    for (uint32_t i = 0; i < STEPS; i++) {
        random = random * 1103515245 + 12345;
        uint32_t place = (random >> 16) % KEPT, size = (random >> 8) % (i % 1000 == 0 ? 200000 : 600);
        free(kept[place]);
        kept[place] = i % 3 == 0 ? calloc(1, size) : malloc(size);
        if (kept[place] == NULL)
            abort();
        memset(kept[place], (int)place, size);
    }
    for (uint32_t i = 0; i < KEPT; i++)
        free(kept[i]);
    return NULL;
}

int main(int argc, char **argv)
{
    const char *bug = argc > 1 ? argv[1] : "";
    pthread_t threads[THREADS];
    for (uintptr_t i = 0; i < THREADS; i++)
        if (pthread_create(&threads[i], NULL, churn, (void *)i) != 0)
            abort();
    for (int i = 0; i < THREADS; i++)
        (void)pthread_join(threads[i], NULL);
    char *volatile block = malloc(40);
    block = realloc(block, 50);
    block[strcmp(bug, "overflow") == 0 ? 50 : 49] = 'x';
    free(block);
    if (strcmp(bug, "double_free") == 0)
        free(block);
    (void)printf("went on\n");
    return 0;
}
