/*
 * overrun.c - a bug as they are: a name is copied into a buffer that it doesn't fit in. With most
 * heaps the program "works": the 7 bytes too many land where nobody looks yet. Used by tools/demo.
 */
#include <stdio.h>
#include <stdlib.h>

enum { NAME_SIZE = 16 };

struct guest {
    char *name;
};

static char *copy_name(const char *name)
{
    char *copy = malloc(NAME_SIZE);
    char *end = copy;

    while ((*end++ = *name++) != '\0') /* the bug: nobody looks at NAME_SIZE */
        ;
    return copy;
}

static struct guest *guest_new(const char *name)
{
    struct guest *guest = malloc(sizeof(*guest));

    guest->name = copy_name(name);
    return guest;
}

static void guest_delete(struct guest *guest)
{
    free(guest->name);
    free(guest);
}

int main(int argc, char **argv)
{
    struct guest *guest = guest_new(argc > 1 ? argv[1] : "Ada, Lady of Lovelace.");

    printf("Welcome, %s\n", guest->name);
    fflush(stdout);
    guest_delete(guest);
    puts("Good night.");
    return 0;
}
