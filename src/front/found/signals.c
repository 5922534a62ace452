/*
 * signals.c - SIGSEGV, SIGBUS and SIGABRT: explain what concerns the heap, then let the signal have
 * the effect that it would have had. And dump_signal, which makes a snapshot, and then calls the
 * program's handler if it has one. And SIGTRAP, when a byte is watched (watch.c).
 *
 * Our handler stays installed; what the program asks for by sigaction and signal (which this file
 * provides) is noted and called by ours, with its mask, so that a fault after the program set up its
 * own handler is explained as well. Queries answer with the program's own settings. masks.c sees to
 * it that the signals of faults get here where the program blocks them.
 */
#include "diag/report.h"
#include "front/found/masks.h"
#include "front/found/poison_source.h"
#include "front/guarded/guarded.h"
#include "front/guarded/watch.h"
#include "front/state.h"
#include "os/process.h"
#include "os/signal_context.h"
#include "trace/modules.h"
#include "trace/unwind.h"

#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { WATCHED = 5, DUMP = 3 };
static int watched[WATCHED] = {SIGSEGV, SIGBUS, SIGABRT, 0 /* dump_signal */, SIGTRAP};

/* What the program wants; index as in `watched`. Guarded by its own common sense, as sigaction is. */
static struct sigaction wanted[WATCHED];
static bool is_ours[WATCHED];
static int (*real_sigaction)(int, const struct sigaction *, struct sigaction *);
static sighandler_t (*real_signal)(int, sighandler_t); /* NULL: not looked for yet, or there is none */

static int index_of(int number)
{
    for (int i = 0; i < WATCHED; i++)
        if (watched[i] == number)
            return i;
    return -1;
}

/* SI_KERNEL is a general protection fault: at an address that is none. */
static void fill_access(struct pw_fault *fault, const siginfo_t *info, void *context)
{
    uint64_t registers[PW_OS_MAX_REGISTERS];
    (void)pw_os_context_registers(context, registers);
    fault->pc = registers[0];
    fault->operation = PW_OP_ACCESS;
    struct pw_os_access access = pw_os_context_access(context, info->si_code != SI_KERNEL);
    if (fault->kind == PW_KIND_POISON && pw_poison_is_jump(context, fault))
        access = (struct pw_os_access){.is_known = false}; /* its operand was read, where it led to was not */
    fault->access = !access.is_known   ? PW_ACCESS_NONE
                    : access.is_write ? PW_ACCESS_WRITE
                                      : PW_ACCESS_READ;
    fault->access_size = access.bytes;
    fault->thread = pw_thread_ordinal();
    fault->frame_count = (uint32_t)pw_unwind_from_signal(
        fault->frames, pw_options()->malloc_context_size, context);
}

/* Is the fault about the heap? Then report it: true. Heap locks are not taken: their holder may be us. */
static bool explain(const siginfo_t *info, void *context)
{
    struct pw_image image = pw_image_self();
    struct pw_fault fault = {.kind = PW_KIND_NONE};
    uint64_t address = (uint64_t)info->si_addr;
    if (info->si_code <= 0)
        return true; /* sent by somebody: no access */
    if (info->si_code != SI_KERNEL && pw_page_map_entry(address) != 0) {
        pw_diagnose_address(&image, address, &fault);
        if (fault.kind == PW_KIND_NONE)
            return false;
        pw_diagnose_run(&image, &fault);
        pw_diagnose_zone(&image, &fault);
        if (!fault.block.known)
            pw_found_history(&fault);
    } else {
        /* The address of a non-canonical access is not told; a register has it. */
        uint64_t poison = pw_poison_find(context, address);
        if (poison == 0) {
            poison = pw_poison_find_zone(context, address, info->si_code == SI_KERNEL);
            fault.is_zone = poison != 0;
        }
        if (poison == 0)
            return false;
        fault.kind = PW_KIND_POISON;
        fault.address = poison;
        fault.is_certain = false;
        pw_poison_blame(context, &fault);
        pw_found_history(&fault);
    }
    pw_modules_refresh();
    pw_threads_refresh_names();
    fill_access(&fault, info, context);
    fault.is_passed_on = true;
    pw_guarded_accuse(&fault.block);
    (void)pw_report(&fault);
    return true;
}

/* True when all heap locks can be had, so that a look at the heap does not wait for ourselves. */
static bool heaps_are_free(void)
{
    for (uint32_t i = 0; i < PW_MAX_HEAPS; i++) {
        if (pw_heaps[i].regions == 0)
            continue;
        uint32_t tries = 0;
        while (!pw_heap_try_acquire(&pw_heaps[i]))
            if (++tries > 100000)
                return false;
        pw_heap_release(&pw_heaps[i]);
    }
    return true;
}

/* Before the program ends by the signal. */
static void last_look(enum pw_operation operation, void *context)
{
    static __thread bool is_looking; /* when the look itself crashes, nobody looks */
    struct pw_cache *cache = pw_self;
    if (is_looking || !pw_options()->check_at_exit || (cache != NULL && pw_cache_is_busy(cache)) || !heaps_are_free())
        return;
    is_looking = true;
    struct pw_call call = PW_CALL(PW_OP_NONE, PW_FAMILY_MALLOC);
    call.signal_context = context;
    (void)pw_look_at_everything(operation, &call);
    is_looking = false;
}

/* Let the signal have its default effect: return to the faulting instruction, or send it again. */
static void do_default(int number, const siginfo_t *info)
{
    pw_watch_end();
    pw_os_signal_default(number);
    if (info->si_code > 0 && number != SIGTRAP)
        return; /* the instruction faults again; after a trap it doesn't */
    sigset_t set;
    (void)sigemptyset(&set);
    (void)sigaddset(&set, number);
    (void)pthread_sigmask(SIG_UNBLOCK, &set, NULL);
    (void)syscall(SYS_tgkill, getpid(), pw_os_thread_id(), number);
}

/* The program's handler, with the mask that it asked for. */
static void call(struct sigaction *action, int number, siginfo_t *info, void *context)
{
    sigset_t mask = action->sa_mask;
    uint64_t blocked = 0;
    if ((action->sa_flags & SA_NODEFER) == 0)
        (void)sigaddset(&mask, number);
    memcpy(&blocked, &mask, sizeof blocked);
    (void)pw_os_change_mask(SIG_BLOCK, &blocked, NULL);
    struct sigaction now = *action;
    if ((now.sa_flags & (int)SA_RESETHAND) != 0)
        action->sa_handler = SIG_DFL;
    uint64_t noted = pw_masks_noted();
    if ((now.sa_flags & SA_SIGINFO) != 0)
        now.sa_sigaction(number, info, context);
    else
        now.sa_handler(number);
    pw_masks_renote(noted);
}

static void pass_on(int number, siginfo_t *info, void *context)
{
    struct sigaction *action = &wanted[index_of(number)];
    if (number == watched[DUMP] && action->sa_handler == SIG_DFL)
        return; /* it was sent for the snapshot, not to end the program */
    bool is_fault = info->si_code > 0;
    if (action->sa_handler == SIG_DFL || (is_fault && (action->sa_handler == SIG_IGN || pw_masks_block(number)))) {
        do_default(number, info);
        return;
    }
    if (action->sa_handler == SIG_IGN)
        return;
    call(action, number, info, context);
}

static void on_signal(int number, siginfo_t *info, void *context)
{
    int saved_errno = errno;
    bool is_done = false;
    if (info->si_code <= 0 && pw_masks_block(number)) {
        pw_masks_put_off(number, info, context);
        errno = saved_errno;
        return;
    }
    if (number == watched[DUMP])
        pw_snapshot_on_signal(context);
    else if (number == SIGABRT)
        last_look(PW_OP_ABORT, context);
    else if (number == SIGTRAP)
        is_done = pw_watch_trapped(info, context);
    else if (!explain(info, context) && wanted[index_of(number)].sa_handler == SIG_DFL)
        last_look(PW_OP_CRASH, context);
    errno = saved_errno;
    if (!is_done)
        pass_on(number, info, context);
}

/* libc's own name for it: a static program has no next one. */
extern int __sigaction(int, const struct sigaction *, struct sigaction *) __attribute__((weak));

/* Once, before handlers can be running: they may call what follows, but not dlsym. */
static void find_real(void)
{
    if (real_sigaction != NULL)
        return;
    *(void **)&real_signal = dlsym(RTLD_NEXT, "signal");
    *(void **)&real_sigaction = dlsym(RTLD_NEXT, "sigaction");
    if (real_sigaction == NULL)
        real_sigaction = __sigaction;
}

/*
 * Tell the kernel of what the program wants of a watched signal: our handler, which asks `wanted`. But
 * what is ignored must be so in its eyes, for that goes on through execve.
 */
static bool install(int i)
{
    struct sigaction ours = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER};
    if (i == DUMP && (wanted[i].sa_handler == SIG_DFL || (wanted[i].sa_flags & SA_RESTART) != 0))
        ours.sa_flags |= SA_RESTART;
    return real_sigaction(watched[i], wanted[i].sa_handler == SIG_IGN ? &wanted[i] : &ours, NULL) == 0;
}

void pw_signals_start(void)
{
    const struct pw_options *options = pw_options();
    bool wants[WATCHED] = {options->handle_segv, options->handle_sigbus,
                           options->handle_abort, pw_snapshot_signal() != 0, pw_watch_is_on};
    watched[DUMP] = pw_snapshot_signal();
    int of_faults[WATCHED], count = 0;
    find_real();
    for (int i = 0; real_sigaction != NULL && i < WATCHED; i++) {
        if (!wants[i] || real_sigaction(watched[i], NULL, &wanted[i]) != 0)
            continue;
        is_ours[i] = install(i);
        if (is_ours[i] && i != DUMP && watched[i] != SIGABRT)
            of_faults[count++] = watched[i];
    }
    pw_masks_start(of_faults, count);
}

/* A handler of the program's for a signal that is not ours. */
static int set_other(int number, const struct sigaction *action, struct sigaction *old)
{
    sigset_t before = {0};
    struct sigaction without;
    pw_masks_restore(number, &before);
    if (action != NULL) {
        without = *action;
        pw_masks_strip(number, &without.sa_mask);
    }
    int status = real_sigaction(number, action != NULL ? &without : NULL, old);
    if (status == 0 && old != NULL)
        (void)sigorset(&old->sa_mask, &old->sa_mask, &before);
    return status;
}

PW_PUBLIC int sigaction(int number, const struct sigaction *action, struct sigaction *old)
{
    find_real();
    int i = index_of(number);
    if (real_sigaction == NULL) {
        errno = ENOSYS;
        return -1;
    }
    if (i < 0 || !is_ours[i])
        return set_other(number, action, old);
    struct sigaction before = wanted[i];
    if (action != NULL) {
        wanted[i] = *action;
        if (i == DUMP || (before.sa_handler == SIG_IGN) != (action->sa_handler == SIG_IGN))
            (void)install(i);
    }
    if (old != NULL)
        *old = before;
    return 0;
}

PW_PUBLIC sighandler_t signal(int number, sighandler_t handler)
{
    find_real();
    if (index_of(number) < 0 && real_signal != NULL)
        return real_signal(number, handler); /* it knows what siginterrupt was told */
    struct sigaction action = {.sa_handler = handler, .sa_flags = SA_RESTART}, old;
    (void)sigemptyset(&action.sa_mask);
    (void)sigaddset(&action.sa_mask, number);
    if (handler == SIG_ERR) {
        errno = EINVAL;
        return SIG_ERR;
    }
    if (sigaction(number, &action, &old) != 0)
        return SIG_ERR;
    return old.sa_handler;
}
