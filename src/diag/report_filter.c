/*
 * report_filter.c - `heapdump symbolize` as a filter over a report: functions, files and lines for
 * offsets. It is a process of its own, for reading debug information allocates, locks and can crash.
 *
 * What comes back is believed only if it still is the report: the same first line, and an end.
 */
#include "diag/report_render.h"

#include "os/process.h"
#include "trace/modules.h"

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PATH_BYTES = 4096, MAX_ENVIRONMENT = 4096 };

/* All under the report lock. */
static char program[PATH_BYTES];
static char *environment[MAX_ENVIRONMENT + 1];

static bool is_program(const char *path)
{
    struct stat status;
    return stat(path, &status) == 0 && S_ISREG(status.st_mode) && access(path, X_OK) == 0;
}

/* `directory` (its first `length` bytes) / `rest` into program: true if there is such a program. */
static bool try_program(const char *directory, size_t length, const char *rest)
{
    struct pw_text text = pw_text_over(program, sizeof program);
    pw_text_bytes(&text, directory, length);
    pw_text_str(&text, "/");
    pw_text_str(&text, rest);
    return length > 0 && !text.truncated && is_program(program);
}

/* Beside the library, as installed or as built. */
static bool find_beside_library(void)
{
    static const char *const places[] = {"heapdump", "../bin/heapdump", "../../bin/heapdump",
                                         "../tools/heapdump", "../tools/heapdump/heapdump"};
    const struct pw_module *module = pw_modules_find((uintptr_t)&find_beside_library);
    if (module == NULL || module->path[0] != '/')
        return false;
    size_t length = (size_t)(pw_path_basename(module->path) - module->path) - 1;
    for (size_t i = 0; i < PW_ARRAY_SIZE(places); i++)
        if (try_program(module->path, length, places[i]))
            return true;
    return false;
}

static bool find_in_path(void)
{
    const char *path = pw_os_environment("PATH");
    while (path != NULL && *path != '\0') {
        const char *colon = strchrnul(path, ':');
        if (path[0] == '/' && try_program(path, (size_t)(colon - path), "heapdump"))
            return true;
        path = *colon == ':' ? colon + 1 : colon;
    }
    return false;
}

static bool is_given(const struct pw_report_config *config)
{
    return config->external_symbolizer_path != NULL && config->external_symbolizer_path[0] != '\0';
}

static const char *find_symbolizer(const struct pw_report_config *config)
{
    if (is_given(config))
        return is_program(config->external_symbolizer_path) ? config->external_symbolizer_path : NULL;
    return find_beside_library() || find_in_path() ? program : NULL;
}

/* Ours, less what would load or steer this library in it. */
static void copy_environment(void)
{
    static const char *const left_out[] = {"LD_PRELOAD=", "LD_AUDIT=", "PWHEAP_"};
    size_t count = 0;
    for (char **entry = pw_os_environment_all(); *entry != NULL && count < MAX_ENVIRONMENT; entry++) {
        bool is_left_out = false;
        for (size_t i = 0; i < PW_ARRAY_SIZE(left_out); i++)
            is_left_out = is_left_out || strncmp(*entry, left_out[i], strlen(left_out[i])) == 0;
        if (!is_left_out)
            environment[count++] = *entry;
    }
    environment[count] = NULL;
}

static bool is_the_report(const char *text, size_t length, const char *output, size_t output_length,
                          bool is_json)
{
    const char *newline = memchr(text, '\n', length);
    size_t head = is_json ? 1 : newline != NULL ? (size_t)(newline - text) + 1 : length;
    return output_length >= head && memcmp(output, text, head) == 0 && output[output_length - 1] == '\n';
}

/* Why the last report has no files and lines; NULL: it has, or nobody wanted them. */
static const char *why_not;

static bool run_symbolizer(const struct pw_report_config *config, const char *path, const char *text, size_t length,
                           char *output, size_t output_size, size_t *output_length)
{
    static char verb[] = "symbolize";
    char *argv[] = {(char *)(uintptr_t)path, verb, NULL};
    copy_environment();
    *output_length = 0;
    return pw_os_run_filter(path, argv, environment, text, length, output, output_size, output_length,
                            config->symbolize_timeout_ms) &&
           *output_length < output_size &&
           is_the_report(text, length, output, *output_length, config->format == PW_REPORT_JSON);
}

bool pw_symbolize(const struct pw_report_config *config, const char *text, size_t length, char *output,
                  size_t output_size, size_t *output_length)
{
    why_not = NULL;
    if (!config->symbolize || pw_os_is_secure())
        return false;
    const char *path = find_symbolizer(config);
    if (path != NULL && run_symbolizer(config, path, text, length, output, output_size, output_length))
        return true;
    why_not = path != NULL       ? "heapdump could not be run, or not in time (symbolize_timeout_ms)"
              : is_given(config) ? "external_symbolizer_path is no program"
                                 : "there is no heapdump here, beside libpwheap.so or in PATH";
    return false;
}

void pw_symbolize_tell(void)
{
    static bool is_told;
    char storage[256];
    struct pw_text line = pw_text_over(storage, sizeof storage);
    if (why_not == NULL || is_told)
        return;
    is_told = true;
    pw_text_str(&line, "no files and lines: ");
    pw_text_str(&line, why_not);
    pw_text_str(&line, "; `heapdump symbolize <LOG` finds them later");
    pw_report_line(storage);
}
