/*
 * cxx_host.c - a C program that has no C++ library until it loads a library that needs one. The heap
 * may bring none, nor an unwinder that takes the place of that library's.
 */
#include "common.h"

#include <dlfcn.h>

static bool maps_contain(const char *words)
{
    char line[4096];
    bool found = false;
    FILE *maps = fopen("/proc/self/maps", "re");
    CHECK(maps != NULL);
    while (fgets(line, sizeof line, maps) != NULL)
        found |= strstr(line, words) != NULL;
    (void)fclose(maps);
    return found;
}

static void *call(void *function)
{
    int (*catch)(int);
    *(void **)&catch = function;
    for (int i = 0; i < 50; i++)
        CHECK(catch(i) == i + 1);
    return NULL;
}

int main(int argc, char **argv)
{
    char path[4096];
    pthread_t thread;
    (void)argc;
    churn(1000, 3000, 1);
    (void)printf("C++ library: %s, before\n", maps_contain("libstdc++") || maps_contain("libc++") ? "yes" : "no");
    (void)printf("unwinder for all to see: %s\n", dlsym(RTLD_DEFAULT, "_Unwind_RaiseException") != NULL ? "yes" : "no");
    (void)snprintf(path, sizeof path, "%.*s/libcxx_library.so", (int)(strrchr(argv[0], '/') - argv[0]), argv[0]);
    for (int round = 0; round < 3; round++) {
        void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
        CHECK(library != NULL);
        call(dlsym(library, "cxx_catch"));
        CHECK(pthread_create(&thread, NULL, call, dlsym(library, "cxx_catch")) == 0);
        CHECK(pthread_join(thread, NULL) == 0);
        int (*run_out)(void);
        *(void **)&run_out = dlsym(library, "cxx_run_out");
        (void)printf("bad_alloc was caught: %d\n", run_out());
        CHECK(dlclose(library) == 0);
    }
    (void)printf("C++ library: %s, after\n", maps_contain("libstdc++") ? "yes" : "no");
    return 0;
}
