/* main.c - death_bugs NAME right|wrong: runs the bug of that name. */
#include "bugs.h"

#include <dlfcn.h>

void *volatile kept[16];

void churn(size_t count, size_t size)
{
    for (size_t i = 0; i < count; i++)
        free(malloc(size));
}

char *fill(void *block, size_t size)
{
    for (size_t i = 0; i < size; i++)
        ((char *)block)[i] = (char)('a' + i % 26);
    return block;
}

int main(int argc, char **argv)
{
    void (*bug)(bool) = NULL;
    if (argc == 3)
        *(void **)&bug = dlsym(RTLD_DEFAULT, argv[1]);
    if (bug == NULL)
        return 125;
    bug(strcmp(argv[2], "wrong") == 0);
    return 0;
}
