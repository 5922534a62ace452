/* masks.c - see masks.h. What is provided here: sigprocmask, pthread_sigmask. */
#include "front/found/masks.h"

#include "base/base.h"
#include "os/process.h"

#include <errno.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <ucontext.h>

enum { SIGNALS = 64, LIBC_OWN = 32 /* and the next: libc lets nobody block its own two */ };

static inline uint64_t bit_of(int number)
{
    return (uint64_t)1 << (number - 1);
}

static uint64_t open_signals;                  /* never blocked for the program; 0 until the start */
static __thread uint64_t noted;                /* those of them that this thread asked to block */
static _Atomic uint64_t stripped[SIGNALS + 1]; /* those of them in the mask of each signal's handler */

/* The part of a set that a kernel has; sigset_t is longer in libc. */
static uint64_t word_of(const sigset_t *set)
{
    uint64_t word;
    __builtin_memcpy(&word, set, sizeof word);
    return word;
}

static void put_word(sigset_t *set, uint64_t word)
{
    __builtin_memcpy(set, &word, sizeof word);
}

void pw_masks_start(const int *signals, int count)
{
    uint64_t open = 0, old = 0;
    for (int i = 0; i < count; i++)
        open |= bit_of(signals[i]);
    if (open == 0 || pw_os_change_mask(SIG_UNBLOCK, &open, &old) != 0)
        return;
    noted = old & open;
    open_signals = open;
}

uint64_t pw_masks_noted(void)
{
    return noted;
}

void pw_masks_renote(uint64_t before)
{
    noted = before;
}

bool pw_masks_block(int number)
{
    return (noted & bit_of(number)) != 0;
}

void pw_masks_strip(int number, sigset_t *mask)
{
    if (open_signals == 0 || number < 1 || number > SIGNALS)
        return;
    uint64_t word = word_of(mask);
    atomic_store_explicit(&stripped[number], word & open_signals, memory_order_relaxed);
    put_word(mask, word & ~open_signals);
}

void pw_masks_restore(int number, sigset_t *mask)
{
    if (number >= 1 && number <= SIGNALS)
        put_word(mask, word_of(mask) | atomic_load_explicit(&stripped[number], memory_order_relaxed));
}

void pw_masks_put_off(int number, siginfo_t *info, void *context)
{
    sigset_t *after = &((ucontext_t *)context)->uc_sigmask;
    uint64_t mask = bit_of(number);
    (void)pw_os_change_mask(SIG_BLOCK, &mask, NULL);
    put_word(after, word_of(after) | mask);
    pw_os_send_again(number, info);
}

/* What this thread blocks without the kernel's knowledge, when this has been done. */
static uint64_t noted_after(int how, uint64_t kept_back, uint64_t wanted)
{
    if (how == SIG_BLOCK)
        return noted | kept_back;
    return how == SIG_UNBLOCK ? noted & ~wanted : kept_back;
}

/*
 * Of a set that is to be blocked: what the kernel is told of. An open signal that it has blocked, as in the
 * program's own handler of it, stays so, and so does what a handler reads and sets again.
 */
static uint64_t passed(uint64_t set)
{
    uint64_t now = 0;
    if ((set & open_signals) == 0 || pw_os_change_mask(SIG_BLOCK, NULL, &now) != 0)
        return set;
    return set & ~(open_signals & ~now);
}

/* An error number, or 0. */
static int change(int how, const sigset_t *set, sigset_t *old)
{
    uint64_t before = noted, after = noted, was = 0, told = 0;
    if (set != NULL) {
        uint64_t wanted = word_of(set) & ~((uint64_t)3 << (LIBC_OWN - 1));
        told = how == SIG_UNBLOCK ? wanted : passed(wanted);
        after = noted_after(how, wanted & ~told, wanted);
    }
    noted = before & after; /* what waits for being unblocked comes in the call */
    int error = pw_os_change_mask(how, set != NULL ? &told : NULL, &was);
    noted = error == 0 ? after : before;
    if (error != 0)
        return error;
    if (old != NULL)
        put_word(old, was | before);
    return 0;
}

PW_PUBLIC int pthread_sigmask(int how, const sigset_t *set, sigset_t *old)
{
    return change(how, set, old);
}

PW_PUBLIC int sigprocmask(int how, const sigset_t *set, sigset_t *old)
{
    int error = change(how, set, old);
    if (error == 0)
        return 0;
    errno = error;
    return -1;
}
