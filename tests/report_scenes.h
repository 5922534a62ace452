/*
 * report_scenes.h - scenes of the tests of reports, each in a child of its own whose stderr is a file:
 * most of what a report does is to the process.
 */
#ifndef PW_TESTS_REPORT_SCENES_H
#define PW_TESTS_REPORT_SCENES_H

#include "report_samples.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char directory[] = "/tmp/pwheap-report-XXXXXX";
static char path_buffer[4096];
static struct pw_report_config config; /* each scene's */

static inline const char *path_of(const char *name)
{
    snprintf(path_buffer, sizeof path_buffer, "%s/%s", directory, name);
    return path_buffer;
}

static inline const char *file_text(const char *name)
{
    static char text[4 * 1024 * 1024];
    FILE *file = fopen(path_of(name), "r");
    text[0] = '\0';
    if (file != NULL) {
        text[fread(text, 1, sizeof text - 1, file)] = '\0';
        fclose(file);
    }
    return text;
}

/* Play `scene` in a child; its stderr is then in `captured`. The wait status. */
static inline int play(void (*scene)(void))
{
    config = sample_config(PW_REPORT_TEXT, PW_LEVEL_FULL);
    config.symbolize_timeout_ms = 200000;
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        int fd = open(path_of("stderr"), O_WRONLY | O_CREAT | O_TRUNC | O_APPEND, 0600);
        dup2(fd, STDERR_FILENO);
        close(fd);
        alarm(250);
        scene();
        _exit(7);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    strcpy(captured, file_text("stderr"));
    return status;
}

static inline size_t count_of(const char *text, const char *words)
{
    size_t count = 0;
    for (; (text = strstr(text, words)) != NULL; text++)
        count++;
    return count;
}

static inline void expect_in(const char *text, const char *words)
{
    if (strstr(text, words) == NULL)
        fail_msg("\"%s\" is not in:\n%s", words, text);
}

static inline void report_and_end(struct pw_fault fault)
{
    pw_report_init(&config);
    if (pw_report(&fault))
        pw_report_end(&fault);
}

static inline void expect_survived(int status)
{
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 7);
}

static inline int set_up(void **state)
{
    (void)state;
    return mkdtemp(directory) != NULL ? 0 : -1;
}

static inline int tear_down(void **state)
{
    (void)state;
    char command[128];
    snprintf(command, sizeof command, "rm -r %s", directory);
    return system(command);
}

#endif
