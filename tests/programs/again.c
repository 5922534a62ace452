/*
 * again.c - bugs for heapdump run --pinpoint and --thorough (tests/again.sh). The damaged block is the tenth
 * of its place, so that it has no guard pages at full.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static char *volatile blocks[10];

static char *make_block(void)
{
    return malloc(48);
}

static char *tenth(void)
{
    for (int i = 0; i < 10; i++) {
        blocks[i] = make_block();
        memset(blocks[i], 'a', 48);
    }
    return blocks[9];
}

static void store(volatile char *byte)
{
    *byte = 'X';
}

/* Right in itself, but for what was stored before. */
static void read_the_string(char *block)
{
    size_t (*volatile length)(const char *) = strlen;
    store(block + 48);
    (void)length(block);
}

static void follow(char **pointer)
{
    *(volatile char *)*pointer = 'X';
}

/* The kernel stores, past what libc's read would let be checked. */
static void read_past_the_end(char *block)
{
    int zeros = open("/dev/zero", O_RDONLY);
    (void)syscall(SYS_read, zeros, block + 40, 12);
    (void)close(zeros);
}

/* True in the first run of two: a file tells. */
static int is_first_run(void)
{
    int mark = open("ran.before", O_CREAT | O_EXCL | O_WRONLY, 0600);
    if (mark >= 0)
        (void)close(mark);
    return mark >= 0;
}

/* What is the damaged block's number depends on the run. */
static void store_into_another(int count, int offset)
{
    char *block = NULL;
    for (int i = 0; i < count; i++) {
        free(block);
        block = offset == 45 ? malloc(45) : make_block();
    }
    store(block + offset);
    free(block);
}

int main(int argc, char **argv)
{
    const char *bug = argc > 1 ? argv[1] : "";
    char *block = tenth();
    if (strcmp(bug, "overflow") == 0)
        store(block + 48);
    else if (strcmp(bug, "underflow") == 0)
        store(block - 1);
    else if (strcmp(bug, "string") == 0)
        read_the_string(block);
    else if (strcmp(bug, "kernel") == 0)
        read_past_the_end(block);
    else if (strcmp(bug, "once") == 0 && is_first_run())
        store(block + 48);
    else if (strcmp(bug, "moves") == 0)
        store_into_another(is_first_run() ? 150 : 200, 48);
    else if (strcmp(bug, "moves_odd") == 0)
        store_into_another(is_first_run() ? 150 : 200, 45);
    else if (strcmp(bug, "moves_before") == 0)
        store_into_another(is_first_run() ? 150 : 200, -1);
    else if (strcmp(bug, "shrinks") == 0)
        store_into_another(is_first_run() ? 250 : 200, 48);
    else if (strcmp(bug, "under_read") == 0)
        (void)*(volatile char *)(blocks[0] - 1);
    else if (strcmp(bug, "over_read") == 0)
        (void)*(volatile char *)(blocks[0] + 48);
    else if (strcmp(bug, "follow_behind") == 0)
        follow((char **)(blocks[9] + 48));
    free(block);
    if (strcmp(bug, "after_free") == 0)
        store(block + 5);
    if (strcmp(bug, "follow") == 0)
        follow((char **)block);
    return 0;
}
