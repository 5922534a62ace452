/* late_library.c - a library whose destructor runs after the program's, and after the heap's own. */
#include "common.h"

struct note *late_of_program;

__attribute__((destructor)) static void destroy(void)
{
    static const char words[] = "destructor of a library\n";
    note_free(late_of_program);
    churn(200, 30000, 8);
    struct note *left = note_new(1000, 8);
    note_check(left);
    CHECK(write(1, words, sizeof words - 1) > 0);
}
