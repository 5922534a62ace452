/*
 * late.c - allocation after exit: in atexit handlers, destructors of the program and of libraries,
 * those too that run after the heap's own last look, and in a thread that is still there.
 */
#include "common.h"

#include <dlfcn.h>

extern struct note *late_of_program;

static struct note *kept;

static void say(const char *words)
{
    char *line = malloc(strlen(words) + 2);
    (void)sprintf(line, "%s\n", words);
    CHECK(write(1, line, strlen(line)) > 0);
    free(line);
}

static void at_exit(void)
{
    kept = note_write(realloc(kept, 3000), 3000, 2);
    churn(100, 30000, 2);
    say("atexit handler");
}

static void at_exit_registered_in_at_exit(void)
{
    note_free(note_new(20000, 1));
    say("atexit handler of an atexit handler");
}

static void at_exit_first(void)
{
    CHECK(atexit(at_exit_registered_in_at_exit) == 0);
    say("first atexit handler");
}

static void on_exit_with(int status, void *argument)
{
    note_free(argument);
    say(status == 3 ? "on_exit handler" : "on_exit handler with another status");
}

__attribute__((destructor)) static void destroy(void)
{
    note_check(kept);
    churn(100, 30000, 3);
    say("destructor");
}

__attribute__((destructor(101))) static void destroy_last(void)
{
    note_free(kept);
    late_of_program = note_new(500, 6);
    say("last destructor");
}

static void *churn_forever(void *unused)
{
    for (uint64_t seed = 1; seed != 0; seed++)
        churn(100, 3000, seed);
    return unused;
}

int main(int argc, char **argv)
{
    (void)argc;
    kept = note_new(100, 1);
    CHECK(atexit(at_exit_first) == 0);
    CHECK(atexit(at_exit) == 0);
    CHECK(on_exit(on_exit_with, note_new(300, 3)) == 0);
    char path[4096];
    (void)snprintf(path, sizeof path, "%.*s/libplugin.so", (int)(strrchr(argv[0], '/') - argv[0]), argv[0]);
    CHECK(dlopen(path, RTLD_NOW) != NULL);
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, churn_forever, NULL) == 0);
    churn(500, 3000, 4);
    exit(3);
}
