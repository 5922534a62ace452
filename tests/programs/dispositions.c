/*
 * dispositions.c - what a program sets up for signals is what it gets, and what it is told, also of
 * those that the heap watches.
 */
#include "common.h"

#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>
#include <ucontext.h>

static volatile sig_atomic_t last, last_code, in_handler_masked;
static sigjmp_buf back;
static char *volatile bad_address;

static void plain(int number)
{
    last = number;
}

static void detailed(int number, siginfo_t *info, void *context)
{
    sigset_t mask;
    last = number;
    last_code = info->si_code;
    (void)sigprocmask(SIG_SETMASK, NULL, &mask);
    in_handler_masked = sigismember(&mask, number) + 2 * sigismember(&mask, SIGUSR2);
    CHECK(((ucontext_t *)context)->uc_flags != 0 || true);
}

static void jump(int number, siginfo_t *info, void *context)
{
    (void)context;
    last = number;
    last_code = info->si_code;
    CHECK(info->si_addr == bad_address || info->si_code <= 0);
    free(malloc(100));
    siglongjmp(back, 1);
}

static const char *handler_name(const struct sigaction *action)
{
    if (action->sa_handler == SIG_DFL)
        return "default";
    if (action->sa_handler == SIG_IGN)
        return "ignore";
    if (action->sa_handler == plain)
        return "plain";
    return action->sa_sigaction == detailed ? "detailed" : "another";
}

static void show(int number)
{
    struct sigaction now;
    CHECK(sigaction(number, NULL, &now) == 0);
    (void)printf("%d: %s, flags %#x, masks itself %d, USR2 %d\n", number, handler_name(&now),
                 (unsigned)now.sa_flags & ~0x04000000u, sigismember(&now.sa_mask, number),
                 sigismember(&now.sa_mask, SIGUSR2));
}

static void set(int number, void (*handler)(int, siginfo_t *, void *), int flags)
{
    struct sigaction action = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO | flags}, old;
    (void)sigaddset(&action.sa_mask, SIGUSR2);
    CHECK(sigaction(number, &action, &old) == 0);
    (void)printf("%d: was %s\n", number, handler_name(&old));
}

static void queries(int number)
{
    show(number);
    (void)printf("signal: was %s\n", signal(number, plain) == SIG_DFL ? "default" : "another");
    show(number);
    CHECK(raise(number) == 0 && last == number);
    set(number, detailed, 0);
    show(number);
    CHECK(raise(number) == 0);
    (void)printf("code %d, masked %d\n", (int)last_code, (int)in_handler_masked);
    set(number, detailed, SA_NODEFER | (int)SA_RESETHAND);
    CHECK(raise(number) == 0);
    (void)printf("masked %d\n", (int)in_handler_masked);
    show(number);
    (void)printf("signal: was %s\n", signal(number, SIG_IGN) == SIG_DFL ? "default" : "another");
    show(number);
    CHECK(raise(number) == 0);
    (void)printf("signal: was %s\n", signal(number, SIG_DFL) == SIG_IGN ? "ignored" : "another");
    show(number);
}

static void settings(void)
{
    static const int numbers[] = {SIGUSR1, SIGSEGV, SIGBUS, SIGABRT};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        queries(numbers[i]);
    errno = 0;
    (void)printf("%d %d\n", signal(0, plain) == SIG_ERR, errno);
    (void)printf("%d %d\n", signal(SIGKILL, plain) == SIG_ERR, errno);
    (void)printf("%d %d\n", signal(SIGSEGV, SIG_ERR) == SIG_ERR, errno);
    (void)printf("%d %d\n", sigaction(65, &(struct sigaction){.sa_handler = plain}, NULL), errno);
    CHECK(siginterrupt(SIGUSR1, 1) == 0);
    (void)signal(SIGUSR1, plain);
    show(SIGUSR1);
}

/* Faults of the program's own, jumped out of: a collector's write barrier, a null check. */
static void faults(void)
{
    char *page = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    volatile int caught = 0;
    set(SIGSEGV, jump, 0);
    for (volatile int i = 0; i < 300; i++) {
        bad_address = i % 3 == 0 ? page : i % 3 == 1 ? NULL : page + 4096 * 1000;
        if (i % 3 == 2)
            bad_address = (char *)16;
        if (sigsetjmp(back, 1) == 0)
            *bad_address = 1;
        else
            caught++;
    }
    (void)printf("%d faults were caught\n", caught);
    if (sigsetjmp(back, 1) == 0)
        (void)raise(SIGSEGV);
    (void)printf("code %d\n", (int)last_code);
    set(SIGABRT, jump, 0);
    if (sigsetjmp(back, 1) == 0)
        abort();
    (void)printf("abort was survived\n");
}

static void abort_with_handler(void)
{
    (void)signal(SIGABRT, plain);
    (void)printf("aborts\n");
    (void)fflush(stdout);
    abort();
}

static void fault_by_default(void)
{
    (void)signal(SIGSEGV, SIG_DFL);
    bad_address = (char *)16;
    *bad_address = 1;
}

static void fault_while_ignored(void)
{
    (void)signal(SIGSEGV, SIG_IGN);
    fault_by_default();
}

static void fault_while_blocked(void)
{
    sigset_t set;
    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGSEGV);
    (void)signal(SIGSEGV, plain);
    (void)sigprocmask(SIG_BLOCK, &set, NULL);
    bad_address = (char *)16;
    *bad_address = 1;
}

static void killed_by_segv(void)
{
    (void)kill(getpid(), SIGSEGV);
}

int main(int argc, char **argv)
{
    static const struct mode modes[] = {
        {"settings", settings},
        {"faults", faults},
        {"abort_with_handler", abort_with_handler},
        {"fault_by_default", fault_by_default},
        {"fault_while_ignored", fault_while_ignored},
        {"fault_while_blocked", fault_while_blocked},
        {"killed_by_segv", killed_by_segv},
    };
    return RUN_MODE(argc, argv, modes);
}
