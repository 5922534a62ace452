/* run_child.c - one run of a program: see run.h */
#include "run.h"

#include "heapdump.h"
#include "message.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/personality.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

bool run_add_option(struct run *run, const char *name, const char *value)
{
    bool needs_quotes = strpbrk(value, " ,:\t\n'\"") != NULL || value[0] == '\0';
    char quote = strchr(value, '"') == NULL ? '"' : '\'';
    if (needs_quotes && strchr(value, quote) != NULL)
        return false;
    if (run->options.length > 0)
        bytes_char(&run->options, ':');
    bytes_str(&run->options, name);
    bytes_char(&run->options, '=');
    if (needs_quotes)
        bytes_char(&run->options, quote);
    bytes_str(&run->options, value);
    if (needs_quotes)
        bytes_char(&run->options, quote);
    return true;
}

/* What the user's own variable says comes first, and ours has the last word. */
static void set_variables(const struct run *run, const char *library, const char *log_path)
{
    struct bytes check = {0}, preload = {0};
    struct run last = {0};
    const char *before = getenv("PWHEAP_CHECK");
    if (before != NULL && before[0] != '\0') {
        bytes_str(&check, before);
        bytes_char(&check, ':');
    }
    if (run->level != NULL || check.length == 0) {
        bytes_str(&check, run->level != NULL ? run->level : "full");
        bytes_char(&check, ':');
    }
    if (log_path != NULL)
        (void)run_add_option(&last, "log_path", log_path);
    if (log_path != NULL && !run->has_color_option && isatty(STDERR_FILENO) && strcmp(getenv("TERM") ?: "", "dumb") != 0)
        (void)run_add_option(&last, "color", "always");
    if (last.options.length > 0) {
        bytes_span(&check, (struct span){last.options.data, last.options.length});
        bytes_char(&check, ':');
    }
    bytes_span(&check, (struct span){run->options.data, run->options.length});
    bytes_str(&preload, library);
    before = getenv("LD_PRELOAD");
    if (before != NULL && before[0] != '\0') {
        bytes_char(&preload, ':');
        bytes_str(&preload, before);
    }
    (void)setenv("PWHEAP_CHECK", check.data, 1);
    (void)setenv("LD_PRELOAD", preload.data, 1);
}

void run_become(const struct run *run, const char *program, const char *library, const char *log_path)
{
    (void)signal(SIGINT, SIG_DFL);
    (void)signal(SIGQUIT, SIG_DFL);
    set_variables(run, library, log_path);
    if (run->is_fixed)
        (void)personality(ADDR_NO_RANDOMIZE);
    (void)execv(program, run->arguments);
    message("can't run %s: %s", program, strerror(errno));
    _exit(HEAPDUMP_NOT_RUN);
}

static volatile sig_atomic_t child; /* who gets what is sent to us; 0: nobody any more */

static void hand_on(int number)
{
    if (child != 0)
        (void)kill(child, number);
}

/* The terminal sends its signals to the program as well; others are handed on. */
static void set_signals(void)
{
    static const int others[] = {SIGTERM, SIGHUP, SIGUSR1, SIGUSR2};
    (void)signal(SIGINT, SIG_IGN);
    (void)signal(SIGQUIT, SIG_IGN);
    for (size_t i = 0; i < PW_ARRAY_SIZE(others); i++)
        (void)signal(others[i], hand_on);
}

static bool has_ended(int *status)
{
    return waitpid(child, status, WNOHANG) == child;
}

static void watch(struct run_log *log, struct run_findings *findings, int *status)
{
    int end = (int)syscall(SYS_pidfd_open, (pid_t)child, 0);
    struct pollfd polls[] = {{end, POLLIN, 0}, {run_log_descriptor(log), POLLIN, 0}};
    while (!has_ended(status)) {
        /* Without pidfd_open (Linux before 5.3) we look now and then. */
        (void)poll(polls, PW_ARRAY_SIZE(polls), end >= 0 ? -1 : 100);
        if (polls[1].revents != 0)
            run_log_read(log, findings);
    }
    if (end >= 0)
        close(end);
}

/* The reports go where the user wants them; ours is only to count. */
static void wait_for_end(int *status)
{
    while (waitpid(child, status, 0) != child && errno == EINTR)
        ;
}

static void count_in_log(const struct run *run, struct run_findings *findings)
{
    struct bytes path = {0};
    bytes_str(&path, run->log);
    bytes_char(&path, '.');
    bytes_unsigned(&path, (uint64_t)child);
    if (strchr(run->log, '%') == NULL)
        run_log_count_file(path.data, findings);
    bytes_free(&path);
}

bool run_once(struct run *run, const char *program, const char *library, struct run_findings *findings, int *status)
{
    struct run_log *log = run->log == NULL ? run_log_open() : NULL;
    if (run->log == NULL && log == NULL)
        return false;
    (void)fflush(NULL);
    set_signals();
    sigset_t all, before;
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, &before); /* until `child` is known */
    pid_t pid = fork();
    child = pid > 0 ? pid : 0;
    sigprocmask(SIG_SETMASK, &before, NULL);
    if (pid == 0)
        run_become(run, program, library, log != NULL ? run_log_path(log) : run->log);
    if (pid < 0)
        message("can't start a process: %s", strerror(errno));
    else if (log != NULL)
        watch(log, findings, status);
    else
        wait_for_end(status);
    if (log != NULL)
        run_log_close(log, findings);
    else if (pid > 0)
        count_in_log(run, findings);
    child = 0;
    return pid > 0;
}
