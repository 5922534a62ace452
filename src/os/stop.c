/*
 * stop.c - stop the world: see stop.h
 *
 *   caller   lists /proc/self/task, queues the signal to each that is new, waits until each has told
 *            where it is or is gone, and lists again: until nobody is new
 *   handler  tells registers and stack, then sleeps on `generation` until that changes
 *
 * `generation` is odd while threads are to be stopped. A signal that comes late finds another
 * generation than it was sent for, and nothing happens. Since a signal may come late, the handler
 * stays where there was none before: the default effect of this signal is death.
 */
#include "os/stop.h"

#include "os/memory.h"
#include "os/process.h"
#include "os/threads.h"

#include "base/text.h"

#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <signal.h>
#include <sys/syscall.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

enum {
    STOP_SIGNAL = 33,
    KERNEL_SIGSET_BYTES = 8,
    MOST_STOP_SECONDS = 120,
    MOST_FRAME_BYTES = 16384, /* of vector registers; AMX aside it is less than 3 KiB */
};
enum { ASKED, TOLD, GONE };

static struct pw_os_stopped *threads; /* PW_OS_MOST_STOPPED of them, made once */
static uint32_t thread_count;
PW_WRITTEN_IN_FORK static _Atomic uint32_t generation;

/* As the kernel has it on every machine that has a restorer or ignores one. */
struct kernel_sigaction {
    void (*handler)(int, siginfo_t *, void *);
    unsigned long flags;
    void (*restorer)(void);
    uint64_t mask;
};
static struct kernel_sigaction before; /* what was there, for signals that are not ours */

#if defined(__x86_64__)
enum { NEEDS_RESTORER = 0x04000000 };
void pw_os_stop_return(void) __attribute__((visibility("hidden")));
__asm__(".text\n"
        ".type pw_os_stop_return, @function\n"
        ".hidden pw_os_stop_return\n"
        "pw_os_stop_return:\n\t"
        "mov $15, %eax\n\t" /* rt_sigreturn */
        "syscall\n\t"
        ".size pw_os_stop_return, . - pw_os_stop_return\n");

static uint64_t frame_end_of(const ucontext_t *context)
{
    /* The FXSAVE area says in its software-reserved bytes how long the whole is. */
    const char *area = (const char *)context->uc_mcontext.fpregs;
    uint32_t magic = 0, bytes = 512;
    if (area == NULL)
        return (uint64_t)(context + 1);
    __builtin_memcpy(&magic, area + 464, sizeof magic);
    if (magic == 0x46505853)
        __builtin_memcpy(&bytes, area + 468, sizeof bytes);
    return (uint64_t)area + (bytes < MOST_FRAME_BYTES ? bytes : MOST_FRAME_BYTES);
}

static uint64_t stack_pointer_of(const ucontext_t *context)
{
    return (uint64_t)context->uc_mcontext.gregs[REG_RSP];
}
#else
enum { NEEDS_RESTORER = 0 };
static void pw_os_stop_return(void)
{
}

static uint64_t frame_end_of(const ucontext_t *context)
{
    return (uint64_t)(context + 1);
}

static uint64_t stack_pointer_of(const ucontext_t *context)
{
    return context->uc_mcontext.sp;
}
#endif

/* ---- in the thread that is stopped ---- */

static void sleep_while(uint32_t wanted)
{
    uint64_t end = pw_os_time_ns() + (uint64_t)MOST_STOP_SECONDS * 1000000000u;
    struct timespec slice = {.tv_sec = 1};
    while (atomic_load(&generation) == wanted && pw_os_time_ns() < end)
        (void)syscall(SYS_futex, &generation, FUTEX_WAIT_PRIVATE, wanted, &slice, NULL, 0);
}

static void tell(struct pw_os_stopped *thread, void *context)
{
    thread->sp = stack_pointer_of(context);
    thread->pointer = (uint64_t)pthread_self();
    thread->register_count = (uint32_t)pw_os_context_registers(context, thread->registers);
    thread->frame = (uint64_t)context;
    thread->frame_end = frame_end_of(context);
    atomic_store(&thread->state, TOLD);
}

static void on_stop(int number, siginfo_t *info, void *context)
{
    int saved_errno = errno;
    uint64_t ticket = (uint64_t)info->si_value.sival_ptr;
    uint32_t wanted = (uint32_t)(ticket >> 32), index = (uint32_t)ticket;
    bool is_ours = info->si_code == SI_QUEUE && info->si_pid == (pid_t)pw_os_process_id();
    if (!is_ours && before.handler != NULL && (uintptr_t)before.handler != (uintptr_t)SIG_IGN)
        before.handler(number, info, context);
    if (is_ours && atomic_load(&generation) == wanted && index < PW_OS_MOST_STOPPED) {
        tell(&threads[index], context);
        sleep_while(wanted);
    }
    errno = saved_errno;
}

/* ---- in the one that stops them ---- */

static bool install(void)
{
    struct kernel_sigaction ours = {.handler = on_stop,
                                    .flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART | NEEDS_RESTORER,
                                    .restorer = pw_os_stop_return,
                                    .mask = ~(uint64_t)0};
    struct kernel_sigaction old = {0};
    if (syscall(SYS_rt_sigaction, STOP_SIGNAL, &ours, &old, KERNEL_SIGSET_BYTES) != 0)
        return false;
    if (old.handler != on_stop)
        before = old;
    return true;
}

static void uninstall(void)
{
    if (before.handler != NULL)
        (void)syscall(SYS_rt_sigaction, STOP_SIGNAL, &before, NULL, KERNEL_SIGSET_BYTES);
}

static bool queue_signal(uint32_t tid, uint32_t index)
{
    siginfo_t info;
    __builtin_memset(&info, 0, sizeof info);
    info.si_signo = STOP_SIGNAL;
    info.si_code = SI_QUEUE;
    info.si_pid = (pid_t)pw_os_process_id();
    info.si_value.sival_ptr = (void *)((uint64_t)atomic_load(&generation) << 32 | index);
    return syscall(SYS_rt_tgsigqueueinfo, pw_os_process_id(), tid, STOP_SIGNAL, &info) == 0;
}

static bool is_known(uint32_t tid)
{
    for (uint32_t i = 0; i < thread_count; i++)
        if (threads[i].tid == tid)
            return true;
    return false;
}

/* The first thread of a process that has ended before the others stays as a zombie. */
static bool is_gone(uint32_t tid)
{
    char path_storage[64], stat[512];
    struct pw_text path = pw_text_over(path_storage, sizeof path_storage);
    pw_text_str(&path, "/proc/self/task/");
    pw_text_dec(&path, tid);
    pw_text_str(&path, "/stat");
    int64_t length = pw_os_read_file(path_storage, stat, sizeof stat);
    for (int64_t i = length - 1; i >= 0; i--)
        if (stat[i] == ')')
            return i + 2 < length && (stat[i + 2] == 'Z' || stat[i + 2] == 'X');
    return true;
}

static void ask(uint32_t tid)
{
    struct pw_os_stopped *thread = &threads[thread_count];
    thread->tid = tid;
    atomic_store(&thread->state, ASKED);
    if (!queue_signal(tid, thread_count))
        atomic_store(&thread->state, GONE); /* or so it seems: see forget_gone */
    thread_count++;
}

static bool ask_if_new(void *asked, uint32_t tid)
{
    if (tid == pw_os_thread_id() || is_known(tid))
        return true;
    if (thread_count == PW_OS_MOST_STOPPED)
        return false;
    ask(tid);
    ++*(uint32_t *)asked;
    return true;
}

static void nap(void)
{
    struct timespec moment = {.tv_nsec = 100000};
    (void)syscall(SYS_nanosleep, &moment, NULL);
}

static bool await(uint64_t deadline_ns)
{
    for (uint32_t i = 0; i < thread_count; i++)
        for (uint32_t naps = 1; atomic_load(&threads[i].state) == ASKED; naps++) {
            nap();
            if (naps % 64 == 0 && is_gone(threads[i].tid))
                atomic_store(&threads[i].state, GONE);
            if (pw_os_time_ns() > deadline_ns)
                return false;
        }
    return true;
}

/*
 * Those that are gone keep their places, for the others have theirs by number; but they tell nothing.
 * False: one that could not be asked is still there.
 */
static bool forget_gone(void)
{
    for (uint32_t i = 0; i < thread_count; i++) {
        if (atomic_load(&threads[i].state) == TOLD)
            continue;
        if (!is_gone(threads[i].tid))
            return false;
        threads[i].sp = threads[i].pointer = threads[i].frame = threads[i].frame_end = 0;
        threads[i].register_count = 0;
    }
    return true;
}

static enum pw_os_stop_result stop_all(uint64_t deadline_ns)
{
    for (;;) {
        uint32_t asked = 0;
        if (!pw_os_each_thread(ask_if_new, &asked))
            return PW_OS_STOP_UNKNOWN;
        if (!await(deadline_ns))
            return PW_OS_STOP_UNANSWERED;
        if (asked == 0)
            return forget_gone() ? PW_OS_STOPPED : PW_OS_STOP_FORBIDDEN;
    }
}

enum pw_os_stop_result pw_os_stop_threads(const struct pw_os_stopped **told, uint32_t *count,
                                          uint32_t timeout_ms)
{
    int saved_errno = errno;
    if (threads == NULL)
        threads = pw_os_map(PW_OS_MOST_STOPPED * sizeof *threads);
    enum pw_os_stop_result result = PW_OS_STOP_FORBIDDEN;
    thread_count = 0;
    if (threads != NULL && install()) {
        atomic_fetch_add(&generation, 1);
        result = stop_all(pw_os_time_ns() + (uint64_t)timeout_ms * 1000000u);
        if (result != PW_OS_STOPPED)
            pw_os_let_go();
    }
    *told = threads;
    *count = thread_count;
    errno = saved_errno;
    return result;
}

void pw_os_let_go(void)
{
    int saved_errno = errno;
    if (atomic_load(&generation) % 2 == 1) {
        atomic_fetch_add(&generation, 1);
        (void)syscall(SYS_futex, &generation, FUTEX_WAKE_PRIVATE, INT32_MAX, NULL, NULL, 0);
        uninstall();
    }
    errno = saved_errno;
}

void pw_os_stop_after_fork(void)
{
    uint32_t now = atomic_load(&generation);
    atomic_store(&generation, now + now % 2);
}
