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

/* -- What is blocked, and what comes meanwhile */

static void show_blocked(const char *when)
{
    sigset_t now, pending;
    CHECK(sigprocmask(SIG_BLOCK, NULL, &now) == 0 && sigpending(&pending) == 0);
    (void)printf("%s: SEGV %d, BUS %d, USR2 %d, pending %d\n", when, sigismember(&now, SIGSEGV),
                 sigismember(&now, SIGBUS), sigismember(&now, SIGUSR2), sigismember(&pending, SIGSEGV));
}

static sigset_t set_of(int first, int second)
{
    sigset_t set;
    (void)sigemptyset(&set);
    (void)sigaddset(&set, first);
    (void)sigaddset(&set, second);
    return set;
}

static void wait_for_fault(void)
{
    siginfo_t info;
    sigset_t set = set_of(SIGSEGV, SIGSEGV);
    CHECK(sigtimedwait(&set, &info, &(struct timespec){10, 0}) == SIGSEGV);
    (void)printf("came: code %d, from us %d\n", info.si_code, info.si_pid == getpid());
}

static void masks(void)
{
    sigset_t all, old, usr2_segv = set_of(SIGUSR2, SIGSEGV), bus = set_of(SIGBUS, SIGBUS);
    (void)sigfillset(&all);
    (void)signal(SIGSEGV, plain);
    CHECK(sigprocmask(SIG_BLOCK, &usr2_segv, &old) == 0);
    (void)printf("was: SEGV %d\n", sigismember(&old, SIGSEGV));
    show_blocked("two");
    CHECK(pthread_sigmask(SIG_UNBLOCK, &bus, &old) == 0 && sigismember(&old, SIGSEGV));
    CHECK(raise(SIGSEGV) == 0 && last == 0);
    show_blocked("raised");
    wait_for_fault();
    CHECK(kill(getpid(), SIGSEGV) == 0 && last == 0);
    show_blocked("sent");
    wait_for_fault();
    CHECK(kill(getpid(), SIGSEGV) == 0 && last == 0);
    CHECK(pthread_sigmask(SIG_SETMASK, &bus, &old) == 0 && last == SIGSEGV && sigismember(&old, SIGSEGV));
    show_blocked("unblocked");
    CHECK(sigprocmask(SIG_SETMASK, &all, NULL) == 0);
    show_blocked("all");
    CHECK(sigprocmask(SIG_UNBLOCK, &usr2_segv, NULL) == 0);
    show_blocked("two less");
    errno = 0;
    (void)printf("%d %d\n", sigprocmask(77, &all, NULL), errno);
    errno = 0;
    (void)printf("%d %d\n", pthread_sigmask(77, &all, NULL), errno);
    (void)printf("%d\n", pthread_sigmask(77, NULL, &all));
    show_blocked("end");
}

static void mask_of_a_handler(void)
{
    struct sigaction action = {.sa_handler = plain}, now;
    action.sa_mask = set_of(SIGSEGV, SIGUSR1);
    CHECK(sigaction(SIGUSR2, &action, NULL) == 0 && sigaction(SIGUSR2, NULL, &now) == 0);
    (void)printf("SEGV %d, BUS %d, USR1 %d\n", sigismember(&now.sa_mask, SIGSEGV), sigismember(&now.sa_mask, SIGBUS),
                 sigismember(&now.sa_mask, SIGUSR1));
    CHECK(sigaction(SIGUSR2, &(struct sigaction){.sa_handler = plain}, &now) == 0);
    (void)printf("SEGV %d\n", sigismember(&now.sa_mask, SIGSEGV));
    CHECK(sigaction(SIGUSR2, NULL, &now) == 0);
    (void)printf("SEGV %d\n", sigismember(&now.sa_mask, SIGSEGV));
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
        {"masks", masks},
        {"mask_of_a_handler", mask_of_a_handler},
    };
    return RUN_MODE(argc, argv, modes);
}
