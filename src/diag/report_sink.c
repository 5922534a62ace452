/*
 * report_sink.c - where reports and notes go: the log file if there is one and it can be written,
 * else stderr.
 *
 * The log file is opened for each report and appended to: a descriptor kept open could be closed or
 * replaced by the program.
 */
#include "diag/report_render.h"

#include "os/process.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LOG_PATH_BYTES = 4096, STAGE_BYTES = 64 * 1024, LOG_MODE = 0666 };

/* Under the report lock. */
static char log_path[LOG_PATH_BYTES];
static char stage[STAGE_BYTES];
static bool stderr_was_closed;

static uint32_t spoken_for; /* the process that this one is a copy of, or 0 */

void pw_sink_speak_for(uint32_t pid)
{
    spoken_for = pid;
}

uint32_t pw_sink_process_id(void)
{
    return spoken_for != 0 ? spoken_for : pw_os_process_id();
}

void pw_sink_init(void)
{
    stderr_was_closed = fcntl(STDERR_FILENO, F_GETFD) == -1;
}

/*
 * The program may have been started without stderr, and what it opened then, its data base perhaps,
 * have got the number. A terminal, a pipe or a log opened to append would be meant.
 */
static bool stderr_is_usable(void)
{
    struct stat status;
    if (fstat(STDERR_FILENO, &status) != 0)
        return false;
    if (!stderr_was_closed)
        return true;
    if (S_ISREG(status.st_mode))
        return (fcntl(STDERR_FILENO, F_GETFL) & O_APPEND) != 0;
    return S_ISFIFO(status.st_mode) || S_ISCHR(status.st_mode);
}

struct stream {
    int fd;
    bool failed;
};

static void stream_flush(void *context, const char *bytes, size_t length)
{
    struct stream *stream = context;
    stream->failed = stream->failed || !pw_os_write_all(stream->fd, bytes, length);
}

static bool wants_color(const struct pw_report_config *config, int fd)
{
    if (config->color != PW_COLOR_AUTO)
        return config->color == PW_COLOR_ALWAYS;
    const char *term = pw_os_environment("TERM");
    return isatty(fd) && (term == NULL || strcmp(term, "dumb") != 0);
}

static bool write_to(const struct pw_report_config *config, int fd, const char *text, size_t length)
{
    bool colored = wants_color(config, fd);
    if (!pw_style_is_needed(config, colored))
        return pw_os_write_all(fd, text, length);
    struct stream stream = {.fd = fd};
    struct pw_text out = pw_text_over(stage, sizeof stage);
    out.flush = stream_flush;
    out.context = &stream;
    pw_style_write(&out, config, colored, text, length);
    pw_text_flush(&out);
    return !stream.failed;
}

static enum pw_log_target find_target(const struct pw_report_config *config)
{
    static char program[LOG_PATH_BYTES];
    struct pw_text text = pw_text_over(log_path, sizeof log_path);
    pw_os_program_path(program, sizeof program);
    struct pw_log_name name = {
        .log_path = config->log_path != NULL ? config->log_path : "",
        .log_exe_name = config->log_exe_name,
        .program = program,
        .process_id = pw_sink_process_id(),
        .number = (uint32_t)pw_report_count(),
    };
    return pw_log_path_expand(&name, &text);
}

static bool write_to_file(const struct pw_report_config *config, const char *text, size_t length)
{
    int fd = open(log_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY, LOG_MODE);
    if (fd == -1)
        return false;
    bool written = write_to(config, fd, text, length);
    close(fd);
    return written;
}

static void log_failure(const struct pw_report_config *config)
{
    char storage[512];
    struct pw_text text = pw_text_over(storage, sizeof storage);
    if (config->format == PW_REPORT_JSON)
        return;
    pw_text_str(&text, "==");
    pw_text_dec(&text, pw_sink_process_id());
    pw_text_str(&text, "== pwheap: the log file can't be written: ");
    pw_text_bytes(&text, log_path, strnlen(log_path, 400));
    pw_text_str(&text, "\n");
    (void)pw_os_write_all(STDERR_FILENO, storage, text.length);
}

void pw_sink_write(const struct pw_report_config *config, const char *text, size_t length)
{
    enum pw_log_target target = find_target(config);
    if (target == PW_LOG_STDOUT) {
        (void)write_to(config, STDOUT_FILENO, text, length);
        return;
    }
    if (target == PW_LOG_FILE && write_to_file(config, text, length))
        return;
    if (!stderr_is_usable())
        return;
    if (target == PW_LOG_FILE)
        log_failure(config);
    (void)write_to(config, STDERR_FILENO, text, length);
}
