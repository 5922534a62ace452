/* main.c - corpus NAME N D wrong|right: runs that program. */
#include "corpus.h"

#include <dlfcn.h>
#include <fcntl.h>

void *volatile kept[64];
volatile size_t sink;
char many[100000];

void churn(size_t count, size_t size)
{
    for (size_t i = 0; i < count; i++)
        free(malloc(size));
}

void in_thread(void *(*body)(void *), void *argument)
{
    pthread_t thread;
    if (pthread_create(&thread, NULL, body, argument) == 0)
        (void)pthread_join(thread, NULL);
}

FILE *file_of(size_t bytes)
{
    static char text[4096];
    for (size_t i = 0; i < bytes; i++)
        text[i] = 'x';
    return fmemopen(text, bytes, "r");
}

int endless(void)
{
    return open("/dev/zero", O_RDWR | O_CLOEXEC);
}

int main(int argc, char **argv)
{
    void (*body)(size_t n, size_t d, bool wrong) = NULL;
    if (argc == 5)
        *(void **)&body = dlsym(RTLD_DEFAULT, argv[1]);
    if (body == NULL)
        return 125;
    bool wrong = strcmp(argv[4], "wrong") == 0;
    body(strtoul(argv[2], NULL, 10), wrong ? strtoul(argv[3], NULL, 10) : 0, wrong);
    return 0;
}
