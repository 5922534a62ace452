/*
 * modules.c - see modules.h
 *
 * The table only grows. A module is written in full before `module_count` includes it; after that
 * only `unloaded` changes. So whoever looks up needs no lock. `refreshing` keeps out a second
 * refresh. It is only ever tried, never waited for long: a thread may hold the loader's lock (a
 * constructor that allocates) while another that refreshes waits for that lock.
 */
#include "trace/modules.h"

#include "base/bitmap.h"
#include "base/lock.h"
#include "os/memory.h"
#include "os/process.h"
#include "trace/elf_file.h"
#include "trace/file.h"
#include "trace/rules.h"

#include <errno.h>
#include <link.h>
#include <string.h>
#include <sys/auxv.h>

enum { REFRESH_TRIES = 1000 };

static struct pw_module *modules;
static uint64_t *unwind_tables; /* of each module: address of its .eh_frame_hdr, or 0 */
static _Atomic uint32_t module_count;
static _Atomic uint32_t *told_count; /* the image's copy; NULL: nobody is told */
PW_WRITTEN_IN_FORK static struct pw_lock refreshing;
static _Atomic uint64_t loader_adds; /* dlpi_adds and dlpi_subs at the last refresh */
static _Atomic uint64_t loader_subs;

/* One refresh: which entries were met. Guarded by `refreshing`. */
static uint64_t met[PW_BITMAP_WORDS(PW_MAX_MODULES)];

static void object_extent(const struct dl_phdr_info *info, uint64_t *start, uint64_t *end)
{
    *start = UINT64_MAX;
    *end = 0;
    for (size_t i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *segment = &info->dlpi_phdr[i];
        if (segment->p_type != PT_LOAD || segment->p_memsz == 0)
            continue;
        uint64_t low = info->dlpi_addr + segment->p_vaddr;
        uint64_t high = low + segment->p_memsz;
        *start = low < *start ? low : *start;
        *end = high > *end ? high : *end;
    }
}

static bool in_readable_segment(const struct dl_phdr_info *info, uint64_t vaddr, uint64_t bytes)
{
    for (size_t i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *segment = &info->dlpi_phdr[i];
        if (segment->p_type == PT_LOAD && (segment->p_flags & PF_R) && vaddr >= segment->p_vaddr &&
            bytes <= segment->p_filesz && vaddr - segment->p_vaddr <= segment->p_filesz - bytes)
            return true;
    }
    return false;
}

static void object_build_id(struct pw_module *module, const struct dl_phdr_info *info)
{
    for (size_t i = 0; i < info->dlpi_phnum && module->build_id_len == 0; i++) {
        const ElfW(Phdr) *segment = &info->dlpi_phdr[i];
        if (segment->p_type != PT_NOTE ||
            !in_readable_segment(info, segment->p_vaddr, segment->p_filesz))
            continue;
        const void *notes = (const void *)(info->dlpi_addr + segment->p_vaddr);
        if (pw_os_is_readable(notes, segment->p_filesz))
            module->build_id_len = pw_elf_notes_build_id(notes, segment->p_filesz, segment->p_align,
                                                         module->build_id);
    }
}

static uint64_t object_unwind_table(const struct dl_phdr_info *info)
{
    for (size_t i = 0; i < info->dlpi_phnum; i++)
        if (info->dlpi_phdr[i].p_type == PT_GNU_EH_FRAME)
            return info->dlpi_addr + info->dlpi_phdr[i].p_vaddr;
    return 0;
}

static void path_set(struct pw_module *module, const char *path)
{
    size_t length = 0;
    for (; path[length] != '\0' && length < PW_MODULE_PATH_BYTES - 1; length++)
        module->path[length] = path[length];
    module->path[length] = '\0';
}

/*
 * The loader names the main program "" and a library that was opened by a relative path by that.
 * Where a file is mapped the kernel knows better. (/proc/self/exe is the loader itself when the
 * program was started as `ld.so prog`.)
 */
static void object_path(struct pw_module *module, const struct dl_phdr_info *info)
{
    uint64_t vdso = getauxval(AT_SYSINFO_EHDR);
    if (vdso >= module->start && vdso < module->end) {
        path_set(module, "[vdso]");
    } else if (info->dlpi_name != NULL && info->dlpi_name[0] == '/') {
        path_set(module, info->dlpi_name);
    } else if (!pw_file_mapped_at(module->start, module->path, sizeof module->path)) {
        if (info->dlpi_name == NULL || info->dlpi_name[0] == '\0')
            pw_os_program_path(module->path, sizeof module->path);
        else
            path_set(module, info->dlpi_name);
    }
}

static bool is_same_object(const struct pw_module *a, const struct pw_module *b, const char *name)
{
    if (a->start != b->start || a->end != b->end || a->bias != b->bias ||
        a->build_id_len != b->build_id_len)
        return false;
    if (memcmp(a->build_id, b->build_id, a->build_id_len) != 0)
        return false;
    /* Copies are told apart by their names, where the loader knows a name that says something. */
    return name == NULL || name[0] != '/' || strncmp(a->path, name, PW_MODULE_PATH_BYTES - 1) == 0;
}

static void unloaded_set(struct pw_module *module, uint32_t unloaded)
{
    if (module->unloaded != unloaded)
        __atomic_store_n(&module->unloaded, unloaded, __ATOMIC_RELEASE);
}

static int object_note(struct dl_phdr_info *info, size_t size, void *unused)
{
    (void)unused;
    if (size >= offsetof(struct dl_phdr_info, dlpi_subs) + sizeof info->dlpi_subs) {
        atomic_store_explicit(&loader_adds, info->dlpi_adds, memory_order_relaxed);
        atomic_store_explicit(&loader_subs, info->dlpi_subs, memory_order_relaxed);
    }
    struct pw_module object = {.bias = info->dlpi_addr};
    object_extent(info, &object.start, &object.end);
    if (object.start >= object.end)
        return 0;
    object_build_id(&object, info);
    uint32_t count = atomic_load_explicit(&module_count, memory_order_relaxed);
    for (uint32_t i = 0; i < count; i++) {
        if (!is_same_object(&modules[i], &object, info->dlpi_name))
            continue;
        unloaded_set(&modules[i], 0);
        pw_bit_set(met, i);
        return 0;
    }
    if (count == PW_MAX_MODULES)
        return 0;
    object_path(&object, info);
    modules[count] = object;
    unwind_tables[count] = object_unwind_table(info);
    pw_bit_set(met, count);
    atomic_store_explicit(&module_count, count + 1, memory_order_release);
    if (told_count != NULL)
        atomic_store_explicit(told_count, count + 1, memory_order_release);
    return 0;
}

bool pw_modules_init(_Atomic uint32_t *count)
{
    /* The first pages of both, which are used, lie close together for fork: the smaller table comes first. */
    size_t table_bytes = PW_ALIGN_UP(sizeof(struct pw_module) * PW_MAX_MODULES, PW_PAGE_BYTES);
    size_t unwind_bytes = PW_MAX_MODULES * sizeof *unwind_tables;
    if (modules != NULL)
        return true;
    char *mapping = pw_os_map(unwind_bytes + table_bytes);
    if (mapping == NULL)
        return false;
    unwind_tables = (uint64_t *)mapping;
    modules = (struct pw_module *)(mapping + unwind_bytes);
    told_count = count;
    return true;
}

struct pw_module *pw_modules_table(void)
{
    return modules;
}

uint32_t pw_modules_count(void)
{
    return atomic_load_explicit(&module_count, memory_order_acquire);
}

static bool refresh_begin(void)
{
    for (int i = 0; i < REFRESH_TRIES; i++) {
        if (pw_lock_try(&refreshing))
            return true;
        pw_pause();
    }
    return false;
}

void pw_modules_refresh(void)
{
    int saved_errno = errno;
    if (modules == NULL || !refresh_begin())
        return;
    uint64_t subs = atomic_load_explicit(&loader_subs, memory_order_relaxed);
    memset(met, 0, sizeof met);
    (void)dl_iterate_phdr(object_note, NULL);
    uint32_t count = atomic_load_explicit(&module_count, memory_order_relaxed);
    for (uint32_t i = 0; i < count; i++)
        if (!pw_bit_test(met, i))
            unloaded_set(&modules[i], 1);
    /* Also what came and went since the last time, and never was in the table. */
    if (subs != atomic_load_explicit(&loader_subs, memory_order_relaxed))
        pw_rules_forget();
    pw_lock_release(&refreshing);
    errno = saved_errno;
}

static int loader_has_changed(struct dl_phdr_info *info, size_t size, void *changed)
{
    *(bool *)changed = size < offsetof(struct dl_phdr_info, dlpi_subs) + sizeof info->dlpi_subs ||
                       info->dlpi_adds !=
                           atomic_load_explicit(&loader_adds, memory_order_relaxed) ||
                       info->dlpi_subs != atomic_load_explicit(&loader_subs, memory_order_relaxed);
    return 1;
}

void pw_modules_refresh_if_changed(void)
{
    bool changed = false;
    (void)dl_iterate_phdr(loader_has_changed, &changed);
    if (changed)
        pw_modules_refresh();
}

const struct pw_module *pw_modules_find(uint64_t address)
{
    const struct pw_module *unloaded = NULL;
    uint32_t count = modules == NULL ? 0 : pw_modules_count();
    /* From the newest: of two that were once at the same place, the later one. */
    for (uint32_t i = count; i-- > 0;) {
        const struct pw_module *module = &modules[i];
        if (address < module->start || address >= module->end)
            continue;
        if (__atomic_load_n(&module->unloaded, __ATOMIC_ACQUIRE) == 0)
            return module;
        if (unloaded == NULL)
            unloaded = module;
    }
    return unloaded;
}

struct thread_local_search {
    uint64_t address, thread_pointer;
    uint64_t seed; /* an address in the module; 0: none was found */
};

static int holds_thread_local(struct dl_phdr_info *info, size_t size, void *context)
{
    struct thread_local_search *search = context;
    uint64_t own = (uint64_t)__builtin_thread_pointer();
    if (size < offsetof(struct dl_phdr_info, dlpi_tls_data) + sizeof info->dlpi_tls_data || info->dlpi_tls_data == NULL)
        return 0;
    /* What comes with a thread lies where it lies in every thread, close to what its pointer points to. */
    uint64_t start = (uint64_t)info->dlpi_tls_data, distance = start < own ? own - start : start - own;
    if (search->thread_pointer != own && distance > PW_STATIC_TLS_BYTES)
        return 0;
    start += search->thread_pointer - own;
    for (unsigned i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *segment = &info->dlpi_phdr[i];
        if (segment->p_type == PT_TLS && search->address - start < segment->p_memsz)
            search->seed = info->dlpi_addr + segment->p_vaddr;
    }
    return search->seed != 0;
}

const struct pw_module *pw_modules_find_thread_local(uint64_t address, uint64_t thread_pointer)
{
    struct thread_local_search search = {.address = address, .thread_pointer = thread_pointer};
    (void)dl_iterate_phdr(holds_thread_local, &search);
    return search.seed == 0 ? NULL : pw_modules_find(search.seed);
}

uint64_t pw_modules_unwind_table(const struct pw_module *module)
{
    return unwind_tables[module - modules];
}

void pw_modules_after_fork(void)
{
    pw_lock_reset(&refreshing);
}
