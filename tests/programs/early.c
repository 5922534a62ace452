/*
 * early.c - allocation before any constructor: in an IFUNC resolver, which runs inside the dynamic
 * loader, in the preinit array, in the first constructors of a library and of the program; all of it
 * is used and freed by main.
 */
#include "common.h"

extern int early_chosen(void);
extern struct note *early_of_resolver, *early_of_library;

static struct note *of_preinit, *of_constructor[2];
static struct note *of_tls[2];

static void preinit(void)
{
    free(calloc(10, 10));
    of_preinit = note_new(333, 3);
    churn(100, 30000, 3);
}
__attribute__((section(".preinit_array"), used)) static void (*first)(void) = preinit;

__attribute__((constructor(101))) static void construct_first(void)
{
    of_constructor[0] = note_new(100, 1);
    of_preinit = note_write(realloc(of_preinit, 40000), 40000, 4);
    churn(100, 30000, 1);
}

__attribute__((constructor)) static void construct(void)
{
    of_constructor[1] = note_new(100 * KIB, 2);
    of_constructor[0] = realloc(of_constructor[0], 200);
    note_check(of_constructor[0]);
}

static void *in_thread(void *unused)
{
    (void)unused;
    of_tls[0] = note_new(64, 9);
    note_free(early_of_library);
    return NULL;
}

int main(void)
{
    pthread_t thread;
    CHECK(early_chosen() == 42);
    CHECK(pthread_create(&thread, NULL, in_thread, NULL) == 0);
    CHECK(pthread_join(thread, NULL) == 0);
    note_free(of_tls[0]);
    note_free(early_of_resolver);
    note_free(of_preinit);
    note_free(of_constructor[0]);
    note_free(of_constructor[1]);
    (void)printf("what was allocated early was there, and could be freed\n");
    return 0;
}
