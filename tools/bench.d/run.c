/*
 * run - start a program and tell what it took.
 *
 *   run [-t SECONDS] [-i FILE] [-o FILE] [-e FILE] [-E NAME=VALUE]... -- PROGRAM [ARGUMENT]...
 *
 * Prints one line: "STATUS USER SYSTEM WALL MAXRSS_KIB", of the program and all its children that
 * it waited for. STATUS is the exit status, 128 + the signal that ended it, or 124 when it was
 * stopped: after -t seconds of processor time in one process, or three times as many in all. -E
 * reaches the program only. A process of its own, small and not preloaded, because a child's peak
 * memory counts that of its parent before exec.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { STATUS_TIMEOUT = 124, STATUS_NOT_STARTED = 127, SETTINGS_MAX = 64, WALL_FACTOR = 3 };

static struct {
    unsigned seconds; /* of processor time */
    const char *input, *output, *errors;
    char *settings[SETTINGS_MAX];
    unsigned setting_count;
} options = {.input = "/dev/null", .output = "/dev/null", .errors = "/dev/null"};

static volatile sig_atomic_t timed_out;
static pid_t child;

static void on_alarm(int signal_number)
{
    (void)signal_number;
    timed_out = 1;
    kill(-child, SIGKILL);
}

/* When the driver is interrupted, nothing that it started stays. */
static void on_end(int signal_number)
{
    kill(-child, SIGKILL);
    _exit(128 + signal_number);
}

static void redirect(const char *path, int flags, int descriptor)
{
    int opened = open(path, flags, 0644);
    if (opened < 0 || dup2(opened, descriptor) < 0) {
        perror(path);
        _exit(STATUS_NOT_STARTED);
    }
    if (opened != descriptor)
        close(opened);
}

__attribute__((noreturn)) static void start(char **arguments)
{
    setpgid(0, 0);
    struct rlimit none = {0, 0};
    setrlimit(RLIMIT_CORE, &none);
    if (options.seconds > 0)
        setrlimit(RLIMIT_CPU, &(struct rlimit){options.seconds, options.seconds + 2});
    redirect(options.input, O_RDONLY, STDIN_FILENO);
    redirect(options.output, O_WRONLY | O_CREAT | O_TRUNC, STDOUT_FILENO);
    redirect(options.errors, O_WRONLY | O_CREAT | O_TRUNC, STDERR_FILENO);
    for (unsigned i = 0; i < options.setting_count; i++)
        putenv(options.settings[i]);
    execvp(arguments[0], arguments);
    perror(arguments[0]);
    _exit(STATUS_NOT_STARTED);
}

static void parse(int argc, char **argv)
{
    int option;
    while ((option = getopt(argc, argv, "+t:i:o:e:E:")) != -1) {
        switch (option) {
        case 't': options.seconds = (unsigned)strtoul(optarg, NULL, 10); break;
        case 'i': options.input = optarg; break;
        case 'o': options.output = optarg; break;
        case 'e': options.errors = optarg; break;
        case 'E':
            if (options.setting_count == SETTINGS_MAX)
                exit(2);
            options.settings[options.setting_count++] = optarg;
            break;
        default: exit(2);
        }
    }
    if (optind == argc)
        exit(2);
}

static double seconds_of(struct timeval time)
{
    return (double)time.tv_sec + (double)time.tv_usec * 1e-6;
}

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

int main(int argc, char **argv)
{
    parse(argc, argv);
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    double begin = now();
    child = fork();
    if (child < 0)
        return 2;
    if (child == 0)
        start(argv + optind);
    setpgid(child, child); /* whoever comes first: on_alarm must find the group */
    signal(SIGALRM, on_alarm);
    signal(SIGTERM, on_end);
    signal(SIGINT, on_end);
    alarm(options.seconds * WALL_FACTOR);

    int status;
    struct rusage usage;
    while (wait4(child, &status, 0, &usage) != child)
        ;
    double wall = now() - begin;
    alarm(0);
    kill(-child, SIGKILL); /* what the program left behind must not run beside the next one */
    int result = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    if (timed_out || result == 128 + SIGXCPU)
        result = STATUS_TIMEOUT;
    printf("%d %.6f %.6f %.6f %ld\n", result, seconds_of(usage.ru_utime),
           seconds_of(usage.ru_stime), wall, usage.ru_maxrss);
    return 0;
}
