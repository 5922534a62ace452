/* growth.c - pwheap_checkpoint and pwheap_diff: what was allocated since, and is still there. */
#include "common.h"

#include "pwheap/pwheap.h"

#include <dlfcn.h>

#define NOINLINE __attribute__((noinline))

static struct pwheap_checkpoint *(*checkpoint)(void);
static void (*checkpoint_free)(struct pwheap_checkpoint *);
static size_t (*diff)(const struct pwheap_checkpoint *, bool (*)(void *, const struct pwheap_site *), void *);

enum { MANY = 4, EACH = 10 };
static void *kept[MANY][EACH + 1];
static pthread_barrier_t barrier;

/* One call of malloc for all, so that one stack made all but the size. */
static NOINLINE void *make(size_t size)
{
    void *block = malloc(size);
    CHECK(block != NULL);
    return block;
}

static bool print_site(void *context, const struct pwheap_site *site)
{
    (void)context;
    (void)printf("%zu bytes in %zu blocks, %s\n", site->bytes, site->blocks,
                 site->frame_count > 1 ? "with a stack" : "without");
    return true;
}

static void *work(void *argument)
{
    void **mine = argument;
    mine[EACH] = malloc(5000); /* before the checkpoint */
    (void)pthread_barrier_wait(&barrier);
    (void)pthread_barrier_wait(&barrier);
    for (int i = 0; i < EACH; i++)
        mine[i] = malloc(100);
    for (int i = 0; i < 1000; i++)
        free(malloc(64));
    (void)pthread_barrier_wait(&barrier);
    return NULL;
}

static void *before_and_gone(void *argument)
{
    *(void **)argument = malloc(6000);
    return NULL;
}

static void grow(void)
{
    pthread_t threads[MANY], gone;
    void *of_gone, *freed = make(300), *old = make(300);
    CHECK(pthread_barrier_init(&barrier, NULL, MANY + 1) == 0);
    CHECK(pthread_create(&gone, NULL, before_and_gone, &of_gone) == 0 && pthread_join(gone, NULL) == 0);
    for (int i = 0; i < MANY; i++)
        CHECK(pthread_create(&threads[i], NULL, work, kept[i]) == 0);
    (void)pthread_barrier_wait(&barrier);
    struct pwheap_checkpoint *before = checkpoint();
    CHECK(before != NULL);
    (void)printf("%zu\n", diff(before, print_site, NULL));
    (void)pthread_barrier_wait(&barrier);
    (void)pthread_barrier_wait(&barrier);
    free(freed);
    void *new_ones[3];
    for (volatile int i = 0; i < 3; i++)
        new_ones[i] = make(300);
    free(new_ones[1]);
    (void)printf("%zu\n", diff(before, print_site, NULL));
    for (int i = 0; i < MANY; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
    (void)printf("%zu when the threads are gone\n", diff(before, NULL, NULL));
    struct pwheap_checkpoint *after = checkpoint();
    (void)printf("%zu since then\n", diff(after, print_site, NULL));
    checkpoint_free(after);
    checkpoint_free(before);
    checkpoint_free(NULL);
    CHECK(old != NULL && of_gone != NULL);
}

static void refused(void)
{
    errno = 0;
    struct pwheap_checkpoint *none = checkpoint();
    (void)printf("%d %d\n", none == NULL, errno == ENOTSUP);
}

int main(int argc, char **argv)
{
    static const struct mode modes[] = {{"grow", grow}, {"refused", refused}};
    (void)setvbuf(stdout, malloc(4096), _IOFBF, 4096);
    *(void **)&checkpoint = dlsym(RTLD_DEFAULT, "pwheap_checkpoint");
    *(void **)&checkpoint_free = dlsym(RTLD_DEFAULT, "pwheap_checkpoint_free");
    *(void **)&diff = dlsym(RTLD_DEFAULT, "pwheap_diff");
    CHECK(checkpoint != NULL && checkpoint_free != NULL && diff != NULL);
    return RUN_MODE(argc, argv, modes);
}
