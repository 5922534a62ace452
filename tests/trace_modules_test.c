/* trace_modules_test.c - which object an address belongs to, its build id and its functions' names.
 */
#include "trace/modules.h"

#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#define PLUGIN_A PLUGIN_DIRECTORY "/trace_plugin_a.so"
#define PLUGIN_B PLUGIN_DIRECTORY "/trace_plugin_b.so"

static uint64_t address_in(void *library)
{
    return (uint64_t)dlsym(library, "plugin_version");
}

static const struct pw_module *find_loaded(void *library)
{
    pw_modules_refresh();
    const struct pw_module *module = pw_modules_find(address_in(library));
    assert_non_null(module);
    assert_int_equal(module->unloaded, 0);
    return module;
}

static void this_program_is_known_by_its_path(void **state)
{
    (void)state;
    char path[PATH_MAX] = "";
    assert_true(readlink("/proc/self/exe", path, sizeof path - 1) > 0);
    const struct pw_module *module = pw_modules_find((uint64_t)this_program_is_known_by_its_path);
    assert_non_null(module);
    assert_string_equal(module->path, path);
    assert_int_equal(module->unloaded, 0);
    assert_true(module->start <= (uint64_t)find_loaded && (uint64_t)find_loaded < module->end);
}

static void libraries_are_known_by_absolute_paths(void **state)
{
    (void)state;
    const struct pw_module *module = pw_modules_find((uint64_t)dlsym(RTLD_DEFAULT, "qsort"));
    assert_non_null(module);
    assert_int_equal(module->path[0], '/');
    assert_non_null(strstr(module->path, "libc"));
    char directory[PATH_MAX];
    assert_non_null(getcwd(directory, sizeof directory));
    assert_int_equal(chdir(PLUGIN_DIRECTORY), 0);
    void *library = dlopen("./trace_plugin_a.so", RTLD_NOW);
    assert_non_null(library);
    assert_string_equal(find_loaded(library)->path, PLUGIN_A);
    dlclose(library);
    assert_int_equal(chdir(directory), 0);
}

static void the_kernels_own_object_is_known(void **state)
{
    (void)state;
    uint64_t vdso = getauxval(AT_SYSINFO_EHDR);
    if (vdso == 0)
        skip();
    const struct pw_module *module = pw_modules_find(vdso + 100);
    assert_non_null(module);
    assert_string_equal(module->path, "[vdso]");
    size_t named = 0;
    for (uint64_t at = module->start; at < module->end; at += 16) {
        char name[64];
        uint64_t offset;
        named += pw_modules_function(at, name, sizeof name, &offset) &&
                 strstr(name, "time") != NULL;
    }
    assert_true(named > 0);
}

static void no_module_holds_an_address_of_data_on_the_stack(void **state)
{
    (void)state;
    int here = 0;
    assert_null(pw_modules_find((uint64_t)&here));
    assert_null(pw_modules_find(0));
    assert_null(pw_modules_find(UINT64_MAX));
}

static void the_build_id_is_what_readelf_says(void **state)
{
    (void)state;
    void *library = dlopen(PLUGIN_A, RTLD_NOW);
    assert_non_null(library);
    const struct pw_module *module = find_loaded(library);
    char ours[2 * PW_BUILD_ID_BYTES + 1] = "";
    for (uint32_t i = 0; i < module->build_id_len; i++)
        sprintf(ours + (size_t)2 * i, "%02x", module->build_id[i]);
    dlclose(library);
    FILE *readelf = popen("readelf -n " PLUGIN_A " 2>/dev/null | sed -n 's/.*Build ID: //p'", "r");
    char theirs[100] = "";
    if (readelf == NULL || fscanf(readelf, "%99s", theirs) != 1)
        skip();
    pclose(readelf);
    assert_int_equal(module->build_id_len, 20);
    assert_string_equal(ours, theirs);
}

static void a_closed_library_is_kept_and_revived_when_it_comes_back(void **state)
{
    (void)state;
    void *library = dlopen(PLUGIN_A, RTLD_NOW);
    const struct pw_module *module = find_loaded(library);
    uint64_t address = address_in(library);
    uint32_t count = pw_modules_count();
    dlclose(library);
    pw_modules_refresh_if_changed();
    assert_ptr_equal(pw_modules_find(address), module);
    assert_int_equal(module->unloaded, 1);
    library = dlopen(PLUGIN_A, RTLD_NOW);
    assert_int_equal(address_in(library), address);
    pw_modules_refresh_if_changed();
    assert_ptr_equal(pw_modules_find(address), module);
    assert_int_equal(module->unloaded, 0);
    assert_int_equal(pw_modules_count(), count);
    dlclose(library);
}

static void another_library_at_the_same_place_is_another_module(void **state)
{
    (void)state;
    void *a = dlopen(PLUGIN_A, RTLD_NOW);
    const struct pw_module *module_a = find_loaded(a);
    dlclose(a);
    void *b = dlopen(PLUGIN_B, RTLD_NOW);
    const struct pw_module *module_b = find_loaded(b);
    assert_int_equal(module_a->start, module_b->start);
    assert_ptr_not_equal(module_a, module_b);
    assert_int_equal(module_a->unloaded, 1);
    assert_string_equal(module_b->path, PLUGIN_B);
    uint64_t address = address_in(b);
    dlclose(b);
    pw_modules_refresh();
    assert_ptr_equal(pw_modules_find(address), module_b);
}

/* Only .symtab knows it. */
static PW_NOINLINE uint64_t a_static_function(void)
{
    __asm__ volatile("");
    return (uint64_t)__builtin_return_address(0);
}

static void functions_are_named_static_ones_too(void **state)
{
    (void)state;
    char name[64];
    uint64_t offset;
    assert_true(pw_modules_function((uint64_t)a_static_function, name, sizeof name, &offset));
    assert_string_equal(name, "a_static_function");
    assert_int_equal(offset, 0);
    uint64_t here = a_static_function();
    assert_true(pw_modules_function(here, name, sizeof name, &offset));
    assert_string_equal(name, "functions_are_named_static_ones_too");
    assert_int_equal(offset, here - (uint64_t)functions_are_named_static_ones_too);
    assert_true(
        pw_modules_function((uint64_t)dlsym(RTLD_DEFAULT, "qsort"), name, sizeof name, &offset));
    assert_string_equal(name, "qsort");
}

static void a_name_is_cut_at_its_room(void **state)
{
    (void)state;
    char name[9];
    uint64_t offset;
    assert_true(pw_modules_function((uint64_t)a_static_function, name, sizeof name, &offset));
    assert_string_equal(name, "a_static");
}

static void functions_of_a_closed_library_are_still_named(void **state)
{
    (void)state;
    char name[64];
    uint64_t offset;
    void *library = dlopen(PLUGIN_B, RTLD_NOW);
    uint64_t address = address_in(find_loaded(library) != NULL ? library : NULL);
    dlclose(library);
    pw_modules_refresh();
    errno = 4711;
    assert_true(pw_modules_function(address + 1, name, sizeof name, &offset));
    assert_int_equal(errno, 4711);
    assert_string_equal(name, "plugin_version");
    assert_int_equal(offset, 1);
}

static void copy_file(const char *from, const char *to)
{
    static char bytes[1 << 20];
    FILE *in = fopen(from, "rb");
    FILE *out = fopen(to, "wb");
    assert_true(in != NULL && out != NULL);
    size_t size = fread(bytes, 1, sizeof bytes, in);
    assert_int_equal(fwrite(bytes, 1, size, out), size);
    fclose(in);
    fclose(out);
}

static void a_file_that_was_replaced_names_nothing(void **state)
{
    (void)state;
    char path[] = "/tmp/trace_modules_XXXXXX";
    char name[64];
    uint64_t offset;
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
    copy_file(PLUGIN_A, path);
    void *library = dlopen(path, RTLD_NOW);
    assert_non_null(library);
    uint64_t address = address_in(library);
    pw_modules_refresh();
    assert_true(pw_modules_function(address, name, sizeof name, &offset));
    unlink(path); /* the old file stays mapped */
    copy_file(PLUGIN_B, path);
    assert_false(pw_modules_function(address, name, sizeof name, &offset));
    unlink(path);
    errno = 4711;
    assert_false(pw_modules_function(address, name, sizeof name, &offset));
    assert_int_equal(errno, 4711);
    dlclose(library);
    pw_modules_refresh();
}

static void *refresh_often(void *unused)
{
    for (int i = 0; i < 300; i++) {
        pw_modules_refresh();
        void *library = dlopen(i % 2 ? PLUGIN_A : PLUGIN_B, RTLD_NOW);
        pw_modules_refresh_if_changed();
        if (library != NULL)
            dlclose(library);
    }
    return unused;
}

static void threads_may_refresh_and_look_up_at_once(void **state)
{
    (void)state;
    pthread_t threads[4];
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, refresh_often, NULL), 0);
    for (int i = 0; i < 100000; i++)
        assert_non_null(pw_modules_find((uint64_t)find_loaded));
    for (size_t i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    pw_modules_refresh();
    assert_true(pw_modules_count() < 100);
}

static int set_up(void **state)
{
    (void)state;
    if (!pw_modules_init(NULL))
        return -1;
    pw_modules_refresh();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(this_program_is_known_by_its_path),
        cmocka_unit_test(libraries_are_known_by_absolute_paths),
        cmocka_unit_test(the_kernels_own_object_is_known),
        cmocka_unit_test(no_module_holds_an_address_of_data_on_the_stack),
        cmocka_unit_test(the_build_id_is_what_readelf_says),
        cmocka_unit_test(a_closed_library_is_kept_and_revived_when_it_comes_back),
        cmocka_unit_test(another_library_at_the_same_place_is_another_module),
        cmocka_unit_test(functions_are_named_static_ones_too),
        cmocka_unit_test(a_name_is_cut_at_its_room),
        cmocka_unit_test(functions_of_a_closed_library_are_still_named),
        cmocka_unit_test(a_file_that_was_replaced_names_nothing),
        cmocka_unit_test(threads_may_refresh_and_look_up_at_once),
    };
    return cmocka_run_group_tests(tests, set_up, NULL);
}
