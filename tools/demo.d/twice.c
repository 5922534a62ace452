/*
 * twice.c - a block with two owners that both free it. Every level of the library sees it, so
 * tools/programs/run begins with it: where this goes unnoticed, silence proves nothing.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct message {
    char *text;
};

static void message_drop(struct message *message)
{
    free(message->text);
}

int main(void)
{
    struct message first = {.text = strdup("shared by mistake")};
    struct message second = first;

    puts(first.text);
    fflush(stdout);
    message_drop(&first);
    message_drop(&second);
    puts("nobody noticed");
    return 0;
}
