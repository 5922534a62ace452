/* loader.c - many libraries, loaded and unloaded again and again, while threads allocate. */
#include "common.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <sys/stat.h>

typedef struct note *(*make_function)(size_t size);

static char directory[3000];
static _Atomic bool stop;

static void *open_library(const char *name)
{
    char path[4096];
    (void)snprintf(path, sizeof path, "%s%s", name[0] == '/' ? "" : directory, name);
    void *library = dlopen(path, RTLD_NOW);
    if (library == NULL)
        (void)fprintf(stderr, "%s\n", dlerror());
    CHECK(library != NULL);
    return library;
}

static make_function maker(void *library)
{
    make_function make;
    *(void **)&make = dlsym(library, "plugin_make");
    CHECK(make != NULL);
    return make;
}

static void *churn_until_stop(void *seed)
{
    for (uintptr_t i = (uintptr_t)seed; !atomic_load(&stop); i++)
        churn(100, 5000, i);
    return NULL;
}

static void *call_plugin(void *make)
{
    make_function function;
    *(void **)&function = make;
    return function(400);
}

/* Blocks whose stacks name a library that is gone are freed after it. */
static void again(void)
{
    enum { TIMES = 200 };
    struct note *notes[TIMES];
    pthread_t threads[2], in_plugin;
    for (uintptr_t i = 0; i < 2; i++)
        CHECK(pthread_create(&threads[i], NULL, churn_until_stop, (void *)(i + 1)) == 0);
    for (size_t i = 0; i < TIMES; i++) {
        void *library = open_library("libplugin.so");
        notes[i] = maker(library)(100 + i * 10), note_check(notes[i]);
        if (i % 20 == 0) { /* its TLS there is made by the loader */
            void *note = NULL, *make = dlsym(library, "plugin_make");
            CHECK(pthread_create(&in_plugin, NULL, call_plugin, make) == 0);
            CHECK(pthread_join(in_plugin, &note) == 0);
            note_free(note);
        }
        CHECK(dlclose(library) == 0);
    }
    atomic_store(&stop, true);
    for (size_t i = 0; i < 2; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
    for (size_t i = 0; i < TIMES; i++)
        note_free(notes[i]);
    (void)printf("a library came and went %d times\n", TIMES);
}

static void copy_file(const char *from, const char *to)
{
    char buffer[65536];
    ssize_t got;
    int in = open(from, O_RDONLY | O_CLOEXEC), out = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0700);
    CHECK(in >= 0 && out >= 0);
    while ((got = read(in, buffer, sizeof buffer)) > 0)
        CHECK(write(out, buffer, (size_t)got) == got);
    CHECK(got == 0 && close(in) == 0 && close(out) == 0);
}

static void many(void)
{
    enum { COPIES = 60 };
    char place[] = "/tmp/pwheap-loader-XXXXXX", from[4096], to[COPIES][64];
    void *libraries[COPIES];
    struct note *notes[COPIES];
    CHECK(mkdtemp(place) != NULL);
    (void)snprintf(from, sizeof from, "%slibplugin.so", directory);
    for (unsigned i = 0; i < COPIES; i++) {
        (void)snprintf(to[i], sizeof to[i], "%s/lib%u.so", place, i);
        copy_file(from, to[i]);
    }
    for (unsigned round = 0; round < 3; round++) {
        for (unsigned i = 0; i < COPIES; i++) {
            libraries[i] = open_library(to[i]);
            notes[i] = maker(libraries[i])(50 + i);
        }
        for (unsigned i = 0; i < COPIES; i++) {
            note_free(notes[i]);
            CHECK(dlclose(libraries[(i * 7) % COPIES]) == 0);
        }
    }
    for (unsigned i = 0; i < COPIES; i++)
        (void)unlink(to[i]);
    (void)rmdir(place);
    (void)printf("%d libraries came and went\n", COPIES);
}

/* A library whose own symbols come first has the same heap as the program all the same. */
static void deep(void)
{
    char path[4096];
    (void)snprintf(path, sizeof path, "%slibplugin.so", directory);
    void *library = dlopen(path, RTLD_NOW | RTLD_DEEPBIND);
    CHECK(library != NULL);
    void (*plugin_free)(struct note *);
    *(void **)&plugin_free = dlsym(library, "plugin_free");
    for (size_t i = 0; i < 1000; i++) {
        note_free(maker(library)(10 + i * 3));
        plugin_free(note_new(10 + i * 3, (unsigned)i));
    }
    CHECK(dlclose(library) == 0);
    (void)printf("blocks went to and fro\n");
}

/* Whose RUNPATH counts is told by the address of dlopen's caller. */
static void runpath(void)
{
    void *library = open_library("libplugin.so");
    void *(*plugin_open)(const char *);
    *(void **)&plugin_open = dlsym(library, "plugin_open");
    CHECK(dlopen("libholder.so", RTLD_NOW) == NULL);
    void *other = plugin_open("libholder.so");
    CHECK(other != NULL && dlclose(other) == 0 && dlclose(library) == 0);
    (void)printf("a library was found beside another\n");
}

/* What the loader says when it can't is in memory of its own making. */
static void missing(void)
{
    for (int i = 0; i < 100; i++) {
        CHECK(dlopen("/nowhere/libmissing.so", RTLD_NOW) == NULL);
        CHECK(strstr(dlerror(), "libmissing") != NULL);
        CHECK(dlsym(RTLD_DEFAULT, "no_such_symbol") == NULL);
        CHECK(dlerror() != NULL);
    }
    (void)printf("a library was missed\n");
}

int main(int argc, char **argv)
{
    static const struct mode modes[] = {{"again", again}, {"many", many}, {"missing", missing},
                                        {"deep", deep},   {"runpath", runpath}};
    const char *slash = strrchr(argv[0], '/');
    (void)snprintf(directory, sizeof directory, "%.*s", slash != NULL ? (int)(slash - argv[0]) + 1 : 0, argv[0]);
    return RUN_MODE(argc, argv, modes);
}
