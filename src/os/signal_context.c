/* signal_context.c - see signal_context.h */
#include "os/signal_context.h"

#include <errno.h>
#include <signal.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

void pw_os_signal_default(int number)
{
    /* All zero is SIG_DFL without flags in every layout that kernels have. */
    static const uint64_t by_default[8];
    int saved_errno = errno;
    (void)syscall(SYS_rt_sigaction, number, by_default, NULL, _NSIG / 8);
    errno = saved_errno;
}

#if defined(__x86_64__)
size_t pw_os_context_registers(const void *ucontext, uint64_t values[PW_OS_MAX_REGISTERS])
{
    static const int order[] = {REG_RIP, REG_RAX, REG_RBX, REG_RCX, REG_RDX, REG_RSI, REG_RDI, REG_RBP,
                                REG_RSP, REG_R8,  REG_R9,  REG_R10, REG_R11, REG_R12, REG_R13, REG_R14,
                                REG_R15};
    const ucontext_t *context = ucontext;
    for (size_t i = 0; i < PW_ARRAY_SIZE(order); i++)
        values[i] = (uint64_t)context->uc_mcontext.gregs[order[i]];
    return PW_ARRAY_SIZE(order);
}

bool pw_os_context_is_write(const void *ucontext)
{
    const ucontext_t *context = ucontext;
    return (context->uc_mcontext.gregs[REG_ERR] & 2) != 0;
}

bool pw_os_context_knows_access(void)
{
    return true;
}
#elif defined(__aarch64__)
size_t pw_os_context_registers(const void *ucontext, uint64_t values[PW_OS_MAX_REGISTERS])
{
    const ucontext_t *context = ucontext;
    values[0] = context->uc_mcontext.pc;
    for (size_t i = 0; i < 31; i++)
        values[i + 1] = context->uc_mcontext.regs[i];
    return 32;
}

bool pw_os_context_is_write(const void *ucontext)
{
    (void)ucontext;
    return false;
}

bool pw_os_context_knows_access(void)
{
    return false;
}
#else
#error "signal_context.c: this machine's registers are not known"
#endif
