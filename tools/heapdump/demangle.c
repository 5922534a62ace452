/*
 * demangle.c - see demangle.h
 *
 * A mangled name of a hundred bytes can stand for one of gigabytes, for each substitution may double
 * it, and the demangler works on it for as long as that takes. So it works in a process of its
 * own, within limits of memory and of processor time; a name that breaks them stays mangled, and so do all after
 * the MOST_FAILURES-th of that kind.
 *
 * One message each way, on a pipe each, for a sandbox may refuse sockets: the name; what it means, empty if it means
 * nothing. Each ends with its NUL.
 */
#include "demangle.h"

#include "bytes.h"
#include "line.h"
#include "numbers.h"

#include <fcntl.h>
#include <libiberty/demangle.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    MOST_NAME_BYTES = 1 << 13,
    MOST_TEXT_BYTES = 1 << 16,
    MOST_SECONDS = 1, /* of the processor's time, a name */
    MOST_WORK_BYTES = 64 << 20, /* of address space, besides what is held at the start */
    MOST_FAILURES = 3,
    CACHE_ENTRIES = 256,
};

static struct {
    pid_t process;    /* 0: none is running */
    int questions[2]; /* when it runs: a pipe, of which we hold the reading end as well, so that no write is a SIGPIPE */
    int answers;      /* the reading end */
    unsigned failures;
    struct {
        char *name;
        char *text; /* NULL: it means nothing */
    } cache[CACHE_ENTRIES];
    char text[MOST_TEXT_BYTES + 1];
} demangler;

/*
 * The message into the `size` bytes at `message`. False: there was none, and the other side has ended. It sends nothing before
 * it is answered, so nothing follows the NUL.
 */
static bool receive(int fd, char *message, size_t size)
{
    size_t length = 0;
    while (length < size) {
        ssize_t got = read(fd, message + length, size - length);
        if (got <= 0)
            return false;
        length += (size_t)got;
        if (message[length - 1] == '\0')
            return true;
    }
    return false;
}

/* ---- in the demangler's process ---- */

/* Bytes of address space in use; 0: not known. */
static uint64_t address_space_bytes(void)
{
    char line[256] = "";
    const char *at = line;
    uint64_t pages = 0;
    FILE *statm = fopen("/proc/self/statm", "re");
    if (statm == NULL)
        return 0;
    bool is_known = fgets(line, sizeof line, statm) != NULL && line_number(&at, 10, &pages);
    fclose(statm);
    return is_known ? pages * (uint64_t)sysconf(_SC_PAGESIZE) : 0;
}

static void limit_memory(void)
{
    struct rlimit limit;
    uint64_t most = address_space_bytes() + MOST_WORK_BYTES;
    if (most <= MOST_WORK_BYTES || getrlimit(RLIMIT_AS, &limit) != 0 || limit.rlim_cur <= most)
        return;
    limit.rlim_cur = most;
    setrlimit(RLIMIT_AS, &limit);
}

/* Of the next name; SIGPROF ends the process. */
static void limit_time(void)
{
    struct itimerval most = {.it_value.tv_sec = MOST_SECONDS};
    setitimer(ITIMER_PROF, &most, NULL);
}

static void answer(int answers, const char *name)
{
    int language = name[1] == 'D' ? DMGL_DLANG : DMGL_AUTO;
    char *text = cplus_demangle(name, DMGL_PARAMS | DMGL_ANSI | language);
    size_t length = text == NULL ? 0 : strlen(text);
    if (length > MOST_TEXT_BYTES)
        length = 0;
    if (write(answers, length == 0 ? "" : text, length + 1) != (ssize_t)length + 1)
        _exit(0);
    free(text);
}

_Noreturn static void run_demangler(int questions, int answers)
{
    char name[MOST_NAME_BYTES + 1];
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        close(fd); /* else who waits for the end of our output would wait for this process too */
    limit_memory();
    signal(SIGPROF, SIG_DFL);
    while (receive(questions, name, sizeof name)) {
        limit_time();
        answer(answers, name);
    }
    _exit(0);
}

/* ---- in ours ---- */

static void close_both(const int pipe[2])
{
    close(pipe[0]);
    close(pipe[1]);
}

static void stop_demangler(void)
{
    if (demangler.process == 0)
        return;
    close_both(demangler.questions);
    close(demangler.answers);
    kill(demangler.process, SIGKILL);
    waitpid(demangler.process, NULL, 0);
    demangler.process = 0;
}

static bool open_pipes(int questions[2], int answers[2])
{
    if (pipe2(questions, O_CLOEXEC) != 0)
        return false;
    if (fcntl(questions[1], F_SETFL, O_NONBLOCK) == 0 && pipe2(answers, O_CLOEXEC) == 0)
        return true;
    close_both(questions);
    return false;
}

static bool start_demangler(void)
{
    int *questions = demangler.questions, answers[2];
    if (demangler.process != 0)
        return true;
    if (demangler.failures == MOST_FAILURES || !open_pipes(questions, answers))
        return false;
    demangler.process = fork();
    if (demangler.process == 0) {
        close(questions[1]);
        close(answers[0]);
        run_demangler(questions[0], answers[1]);
    }
    close(answers[1]);
    demangler.answers = answers[0];
    if (demangler.process > 0)
        return true;
    close(answers[0]);
    close_both(questions);
    demangler.process = 0;
    demangler.failures = MOST_FAILURES;
    return false;
}

/* NULL: it means nothing, or that can't be found out. */
static const char *ask(const char *name)
{
    size_t length = strlen(name);
    if (length > MOST_NAME_BYTES || !start_demangler())
        return NULL;
    /* A pipe holds more than a name; where it is kept smaller nobody waits for one that it doesn't hold. */
    if (write(demangler.questions[1], name, length + 1) == (ssize_t)length + 1 &&
        receive(demangler.answers, demangler.text, sizeof demangler.text))
        return demangler.text[0] != '\0' ? demangler.text : NULL;
    stop_demangler();
    demangler.failures++;
    return NULL;
}

static size_t cache_index(const char *name)
{
    return (hash_bytes(HASH_NOTHING, name, strlen(name)) >> 32) % CACHE_ENTRIES;
}

static char *copy(const char *text)
{
    return text == NULL ? NULL : heapdump_copy(text);
}

bool is_mangled(const char *name)
{
    if (name[0] != '_')
        return false;
    return name[1] == 'Z' || (name[1] == 'R' && name[2] >= 'A' && name[2] <= 'Z') ||
           (name[1] == 'D' && name[2] >= '0' && name[2] <= '9');
}

const char *demangle(const char *name)
{
    if (!is_mangled(name))
        return name;
    size_t index = cache_index(name);
    const char *held = demangler.cache[index].name;
    if (held == NULL || strcmp(held, name) != 0) {
        free(demangler.cache[index].name);
        free(demangler.cache[index].text);
        demangler.cache[index].name = copy(name);
        demangler.cache[index].text = copy(ask(name));
    }
    return demangler.cache[index].text != NULL ? demangler.cache[index].text : name;
}

void demangle_close(void)
{
    stop_demangler();
    for (size_t i = 0; i < CACHE_ENTRIES; i++) {
        free(demangler.cache[i].name);
        free(demangler.cache[i].text);
    }
    memset(&demangler.cache, 0, sizeof demangler.cache);
}
