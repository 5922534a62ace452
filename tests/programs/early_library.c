/* early_library.c - a library whose function is chosen by a resolver that allocates. */
#include "common.h"

struct note *early_of_resolver, *early_of_library;
int early_chosen(void);

static int answer(void)
{
    return 42;
}

__attribute__((used)) static int (*resolve(void))(void)
{
    free(malloc(100));
    early_of_resolver = note_write(realloc(calloc(1, 50), 5000), 5000, 7);
    churn(50, 30000, 7);
    return answer;
}

int early_chosen(void) __attribute__((ifunc("resolve")));

__attribute__((constructor(101))) static void construct(void)
{
    early_of_library = note_new(77, 5);
    churn(50, 30000, 5);
}
