/* snapshot_signal.c - signals by name, for the option dump_signal: see snapshot.h */
#include "diag/snapshot.h"

#include <signal.h>
#include <string.h>

static const struct {
    const char *name;
    int number;
} signals[] = {
    {"HUP", SIGHUP},       {"INT", SIGINT},     {"QUIT", SIGQUIT},   {"USR1", SIGUSR1}, {"USR2", SIGUSR2},
    {"PIPE", SIGPIPE},     {"ALRM", SIGALRM},   {"TERM", SIGTERM},   {"CONT", SIGCONT}, {"TSTP", SIGTSTP},
    {"TTIN", SIGTTIN},     {"TTOU", SIGTTOU},   {"URG", SIGURG},     {"XCPU", SIGXCPU}, {"XFSZ", SIGXFSZ},
    {"VTALRM", SIGVTALRM}, {"PROF", SIGPROF},   {"WINCH", SIGWINCH}, {"IO", SIGIO},     {"POLL", SIGIO},
    {"PWR", SIGPWR},
};

/* Those that stop or end a process for certain, and those that a fault raises, are none to ask by. */
static int number_of(const char *digits)
{
    int number = 0;
    for (; *digits >= '0' && *digits <= '9' && number < 100; digits++)
        number = number * 10 + (*digits - '0');
    if (*digits != '\0')
        return 0;
    for (size_t i = 0; i < PW_ARRAY_SIZE(signals); i++)
        if (signals[i].number == number)
            return number;
    return number >= 34 && number <= 64 ? number : 0; /* real-time ones that libc leaves alone */
}

int pw_snapshot_signal_number(const char *name)
{
    if (name[0] >= '0' && name[0] <= '9')
        return number_of(name);
    if (strncmp(name, "SIG", 3) == 0)
        name += 3;
    for (size_t i = 0; i < PW_ARRAY_SIZE(signals); i++)
        if (strcmp(signals[i].name, name) == 0)
            return signals[i].number;
    return 0;
}
