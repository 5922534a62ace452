/*
 * arch.h - what unwinding must know of the machine: its registers by their DWARF numbers, how to
 * read them, and what libunwind calls its functions here.
 *
 * Where PW_ARCH_UNWINDS is false our own unwinder is off, and libunwind does all; the rest is there
 * so that it compiles.
 */
#ifndef PW_BASE_ARCH_H
#define PW_BASE_ARCH_H

#include "base/base.h"

#include <elf.h>
#include <ucontext.h>

#if defined(__x86_64__) && defined(__LP64__)

#define PW_ARCH_UNWINDS true
#define PW_ARCH_LIBUNWIND_PREFIX "_ULx86_64_"
#define PW_ARCH_ELF_MACHINE EM_X86_64
/*
 * DWARF's numbers (System V ABI, AMD64 supplement, figure 3.36); the last is the return address's
 * column.
 */
enum {
    PW_REG_FP = 6, /* rbp */
    PW_REG_SP = 7,
    PW_REG_IP = 16,
    PW_REG_COUNT = 17,
};

/* The callee-saved registers, sp and an ip within the function that calls this; the others read 0.
 */
PW_INLINE void pw_arch_registers(uint64_t registers[PW_REG_COUNT])
{
    for (size_t i = 0; i < PW_REG_COUNT; i++)
        registers[i] = 0;
    __asm__ volatile("mov %%rbx, 24(%0)\n\t"
                     "mov %%rbp, 48(%0)\n\t"
                     "mov %%rsp, 56(%0)\n\t"
                     "mov %%r12, 96(%0)\n\t"
                     "mov %%r13, 104(%0)\n\t"
                     "mov %%r14, 112(%0)\n\t"
                     "mov %%r15, 120(%0)\n\t"
                     "lea 0(%%rip), %%rax\n\t"
                     "mov %%rax, 128(%0)"
                     :
                     : "r"(registers)
                     : "rax", "memory");
}

/* The three that most frames hang on, as pw_arch_registers gives them. */
#define PW_ARCH_HERE(ip, sp, fp)                                                                   \
    __asm__ volatile("lea 0(%%rip), %0\n\tmov %%rsp, %1\n\tmov %%rbp, %2"                          \
                     : "=&r"(ip), "=&r"(sp), "=&r"(fp))

/* The frame pointer's register, as it is where this is written. */
#define PW_ARCH_FP()                                                                               \
    ({                                                                                             \
        uint64_t fp_;                                                                              \
        __asm__ volatile("mov %%rbp, %0" : "=r"(fp_));                                             \
        fp_;                                                                                       \
    })

/*
 * True of the control block of a thread of glibc's at `address`, the thread pointer: its first and its
 * third word are its own address (tcbhead_t: tcb and self).
 */
enum { PW_ARCH_CONTROL_WORDS = 3 };
PW_INLINE bool pw_arch_is_control_block(const uint64_t words[PW_ARCH_CONTROL_WORDS], uint64_t address)
{
    return words[0] == address && words[2] == address;
}

/* A clock that every processor has and that is cheap to read; its unit is the machine's own. Never 0. */
PW_INLINE uint64_t pw_arch_ticks(void)
{
    return __builtin_ia32_rdtsc() + 1; /* not | 1: some processors count on by one between two real ticks */
}

/* All registers at a signal. */
PW_INLINE void pw_arch_from_ucontext(const void *ucontext, uint64_t registers[PW_REG_COUNT])
{
    static const uint8_t order[PW_REG_COUNT] = {
        REG_RAX, REG_RDX, REG_RCX, REG_RBX, REG_RSI, REG_RDI, REG_RBP, REG_RSP, REG_R8,
        REG_R9,  REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15, REG_RIP,
    };
    const ucontext_t *context = ucontext;
    for (size_t i = 0; i < PW_REG_COUNT; i++)
        registers[i] = (uint64_t)context->uc_mcontext.gregs[order[i]];
}

/* A function of this name that jumps to where `pointer`, a variable of ours, says; any arguments. */
#define PW_ARCH_JUMP(name, pointer)                                                                \
    __asm__(".pushsection .text\n\t.p2align 4\n\t.globl " #name "\n\t.type " #name ", @function\n" #name    \
            ":\n\t.cfi_startproc\n\tendbr64\n\tjmp *" #pointer "(%rip)\n\t.cfi_endproc\n\t.size " #name \
            ", . - " #name "\n\t.popsection")

enum { PW_ELF_RSI = 13, PW_ELF_RDI = 14, PW_ELF_ORIG_RAX = 15, PW_ELF_RIP = 16, PW_ELF_RSP = 19, PW_ELF_FS_BASE = 21 };

/* From the above to the order of elf_gregset_t, for a thread whose thread pointer is our own. */
PW_INLINE void pw_arch_to_elf(const uint64_t registers[PW_REG_COUNT], uint64_t *elf)
{
    static const uint8_t place[PW_REG_COUNT] = {
        10, 12, 11, 5, PW_ELF_RSI, PW_ELF_RDI, 4, PW_ELF_RSP, 9, 8, 7, 6, 3, 2, 1, 0, PW_ELF_RIP,
    };
    for (size_t i = 0; i < PW_REG_COUNT; i++)
        elf[place[i]] = registers[i];
    elf[PW_ELF_ORIG_RAX] = UINT64_MAX;
    elf[17] = 0x33; /* cs and ss of user code */
    elf[20] = 0x2b;
    __asm__("mov %%fs:0, %0" : "=r"(elf[PW_ELF_FS_BASE]));
}

/* What /proc/PID/task/TID/syscall tells of a sleeping thread: call number, arguments, sp, ip. */
PW_INLINE void pw_arch_from_syscall(const uint64_t words[9], uint64_t *elf)
{
    static const uint8_t place[9] = {PW_ELF_ORIG_RAX, PW_ELF_RDI, PW_ELF_RSI, 12, 7, 9, 8, PW_ELF_RSP, PW_ELF_RIP};
    for (size_t i = 0; i < 9; i++)
        elf[place[i]] = words[i];
    elf[17] = 0x33;
    elf[20] = 0x2b;
}

#else

#define PW_ARCH_UNWINDS false
#if defined(__aarch64__)
#define PW_ARCH_LIBUNWIND_PREFIX "_ULaarch64_"
#elif defined(__riscv)
#define PW_ARCH_LIBUNWIND_PREFIX "_ULriscv_"
#else
#define PW_ARCH_LIBUNWIND_PREFIX "_UL_"
#endif
#if defined(__aarch64__)
#define PW_ARCH_ELF_MACHINE EM_AARCH64
#elif defined(__riscv)
#define PW_ARCH_ELF_MACHINE EM_RISCV
#else
#define PW_ARCH_ELF_MACHINE EM_NONE
#endif
enum { PW_REG_FP, PW_REG_SP, PW_REG_IP, PW_REG_COUNT };

PW_INLINE void pw_arch_registers(uint64_t registers[PW_REG_COUNT])
{
    for (size_t i = 0; i < PW_REG_COUNT; i++)
        registers[i] = 0;
}

#define PW_ARCH_HERE(ip, sp, fp) ((ip) = (sp) = (fp) = 0)
#define PW_ARCH_FP() ((uint64_t)0)

/* Not told from other words here: a stack whose thread is gone is taken for memory like any other. */
enum { PW_ARCH_CONTROL_WORDS = 3 };
PW_INLINE bool pw_arch_is_control_block(const uint64_t words[PW_ARCH_CONTROL_WORDS], uint64_t address)
{
    (void)words;
    (void)address;
    return false;
}

#if defined(__aarch64__)
PW_INLINE uint64_t pw_arch_ticks(void)
{
    uint64_t ticks;
    __asm__ volatile("mrs %0, cntvct_el0" : "=r"(ticks));
    return ticks + 1;
}
#else
/* Not in the order of time, then: each thread's own are, by the order of the ring. */
PW_INLINE uint64_t pw_arch_ticks(void)
{
    return 1;
}
#endif

/* As above; of the machines that have none, libc's calls go unchecked. */
#if defined(__aarch64__)
#define PW_ARCH_JUMP(name, pointer)                                                                \
    __asm__(".pushsection .text\n\t.p2align 4\n\t.globl " #name "\n\t.type " #name ", %function\n" #name    \
            ":\n\t.cfi_startproc\n\tbti c\n\tadrp x16, " #pointer "\n\tldr x16, [x16, #:lo12:" #pointer     \
            "]\n\tbr x16\n\t.cfi_endproc\n\t.size " #name ", . - " #name "\n\t.popsection")
#else
#define PW_ARCH_JUMP(name, pointer) _Static_assert(sizeof(pointer) != 0, "a pointer")
#endif

PW_INLINE void pw_arch_from_ucontext(const void *ucontext, uint64_t registers[PW_REG_COUNT])
{
    (void)ucontext;
    pw_arch_registers(registers);
}

PW_INLINE void pw_arch_to_elf(const uint64_t registers[PW_REG_COUNT], uint64_t *elf)
{
    (void)registers;
    (void)elf;
}

PW_INLINE void pw_arch_from_syscall(const uint64_t words[9], uint64_t *elf)
{
    (void)words;
    (void)elf;
}

#endif

#endif
