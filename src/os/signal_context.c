/* signal_context.c - see signal_context.h */
#include "os/signal_context.h"

#include "os/instruction.h"
#include "os/memory.h"

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

uint32_t pw_os_kept_registers(void)
{
    return 1u << 2 | 1u << 7 | 1u << 13 | 1u << 14 | 1u << 15 | 1u << 16; /* rbx, rbp, r12 to r15 */
}

uint64_t pw_os_context_stack(const void *ucontext)
{
    return (uint64_t)((const ucontext_t *)ucontext)->uc_mcontext.gregs[REG_RSP];
}

uint64_t pw_os_context_below_stack(const void *ucontext)
{
    enum { RED_ZONE_BYTES = 128 };
    const greg_t *registers = ((const ucontext_t *)ucontext)->uc_mcontext.gregs;
    return registers[REG_RBP] == registers[REG_RSP] ? RED_ZONE_BYTES : 0;
}

enum { FAULT_IS_WRITE = 2, FAULT_IS_FETCH = 16 }; /* bits of a page fault's error code */

/* The instruction's bytes that can be read, from its start on. */
static size_t read_instruction(uint64_t pc, uint8_t code[PW_INSTRUCTION_MAX_BYTES])
{
    size_t count = 0;
    while (count < PW_INSTRUCTION_MAX_BYTES &&
           pw_os_is_readable((const void *)(pc + count), 1))
        count++;
    __builtin_memcpy(code, (const void *)pc, count);
    return count;
}

uint64_t pw_os_context_branch(const void *ucontext)
{
    static const int numbers[] = {REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI,
                                  REG_R8,  REG_R9,  REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15};
    const greg_t *registers = ((const ucontext_t *)ucontext)->uc_mcontext.gregs;
    uint8_t code[PW_INSTRUCTION_MAX_BYTES];
    struct pw_instruction_slot slot;
    uint64_t pc = (uint64_t)registers[REG_RIP];
    if (!pw_instruction_branch(code, read_instruction(pc, code), &slot))
        return 0;
    uint64_t address = (uint64_t)slot.offset + (slot.is_relative ? pc : 0);
    if (slot.base >= 0)
        address += (uint64_t)registers[numbers[slot.base]];
    if (slot.index >= 0)
        address += (uint64_t)registers[numbers[slot.index]] * slot.scale;
    return address;
}

struct pw_os_access pw_os_context_access(const void *ucontext, bool by_address)
{
    const ucontext_t *context = ucontext;
    uint64_t error = (uint64_t)context->uc_mcontext.gregs[REG_ERR];
    struct pw_os_access access = {.is_known = by_address, .is_write = by_address && (error & FAULT_IS_WRITE) != 0};
    if (by_address && (error & FAULT_IS_FETCH) != 0)
        return access;
    uint8_t code[PW_INSTRUCTION_MAX_BYTES];
    size_t length = read_instruction((uint64_t)context->uc_mcontext.gregs[REG_RIP], code);
    struct pw_instruction_access told = pw_instruction_decode(code, length);
    access.bytes = told.bytes;
    if (by_address || !told.is_known)
        return access;
    access.is_known = true;
    access.is_write = told.is_write;
    return access;
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

uint32_t pw_os_kept_registers(void)
{
    return 0x3ffu << 20; /* x19 to x28 */
}

uint64_t pw_os_context_stack(const void *ucontext)
{
    return ((const ucontext_t *)ucontext)->uc_mcontext.sp;
}

uint64_t pw_os_context_below_stack(const void *ucontext)
{
    (void)ucontext;
    return 0;
}

uint64_t pw_os_context_branch(const void *ucontext)
{
    (void)ucontext;
    return 0;
}

struct pw_os_access pw_os_context_access(const void *ucontext, bool by_address)
{
    (void)ucontext;
    (void)by_address;
    return (struct pw_os_access){.is_known = false};
}
#else
#error "signal_context.c: this machine's registers are not known"
#endif
