/*
 * hidden.c - a program in whose heap pages of freed blocks are hidden, at full without a quarantine. It prints the
 * address of a freed block in one, of one that is in use, and what it finds wrong itself; and then
 *
 *   wait        waits for a line on stdin, and ends
 *   dump PATH   leaves a snapshot
 *   damage      writes to a freed block that is in no hidden page, before it waits
 *   read, write fills the freed block by a system call, and prints what that says
 *   fork        a child uses all of it again, and looks at it
 *   lock        locks all of its memory, uses all of it again, and hides no more
 */
#include "common.h"

#include "pwheap/pwheap.h"

#include <malloc.h>
#include <sys/mman.h>
#include <sys/syscall.h>

enum { BLOCKS = 20000, KEPT = 100, BYTES = 200 };

#pragma weak pwheap_dump
#pragma weak pwheap_validate

static char *keep[BLOCKS];

static void make_blocks(void)
{
    for (int i = 0; i < BLOCKS; i++) {
        keep[i] = malloc(BYTES);
        CHECK(keep[i] != NULL);
        memset(keep[i], 'x', BYTES);
    }
}

static void free_most(void)
{
    for (int i = 0; i < BLOCKS; i++)
        if (i % KEPT != 0)
            free(keep[i]);
    (void)malloc_trim(0);
}

static void use_again(void)
{
    for (int i = 0; i < BLOCKS; i++)
        if (i % KEPT != 0) {
            keep[i] = malloc(BYTES);
            CHECK(keep[i] != NULL);
            memset(keep[i], 'y', BYTES);
        }
    CHECK(pwheap_validate() == 0);
}

static void system_call(long number)
{
    int ends[2];
    CHECK(pipe(ends) == 0 && write(ends[1], "12345678", 8) == 8);
    long got = syscall(number, ends[number == SYS_write], keep[BLOCKS / 2 + KEPT / 2], 8);
    printf("%ld errno %d\n", got, got < 0 ? errno : 0);
}

int main(int argc, char **argv)
{
    char line[8];
    CHECK(argc > 1);
    make_blocks();
    free_most();
    char *freed = keep[BLOCKS / 2 + KEPT / 2], *used = keep[BLOCKS / 2];
    printf("%d %p %p %zu\n", (int)getpid(), (void *)freed, (void *)used, pwheap_validate());
    (void)fflush(stdout);
    if (strcmp(argv[1], "dump") == 0)
        return pwheap_dump(argv[2]) != 0;
    if (strcmp(argv[1], "damage") == 0)
        keep[BLOCKS / 2 + 1][8] = 'X'; /* in a page with one in use */
    if (strcmp(argv[1], "read") == 0)
        system_call(SYS_read);
    if (strcmp(argv[1], "write") == 0)
        system_call(SYS_write);
    if (strcmp(argv[1], "fork") == 0) {
        int status;
        pid_t child = fork();
        if (child == 0) {
            use_again();
            exit(0);
        }
        CHECK(waitpid(child, &status, 0) == child && status == 0);
        use_again();
    }
    if (strcmp(argv[1], "lock") == 0) {
            (void)mlockall(MCL_CURRENT | MCL_FUTURE); /* where it may */
        use_again();
        free_most();
        use_again();
    }
    if (strcmp(argv[1], "wait") == 0 || strcmp(argv[1], "damage") == 0)
        (void)!read(0, line, sizeof line);
    return 0;
}
