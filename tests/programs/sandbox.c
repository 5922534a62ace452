/*
 * sandbox.c - a program that gave up all system calls but those that an allocator of glibc's kind
 * needs, and abort. "refuse": others fail with EPERM; "kill": they end the process.
 */
#include "common.h"

#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

static const int allowed[] = {SYS_read,   SYS_write, SYS_brk,          SYS_mmap,       SYS_munmap,    SYS_mremap,
                              SYS_mprotect, SYS_madvise, SYS_futex,    SYS_exit,       SYS_exit_group, SYS_fstat,
                              SYS_newfstatat, SYS_clock_gettime, SYS_getpid, SYS_gettid, SYS_rt_sigprocmask,
                              SYS_rt_sigreturn, SYS_getrandom, SYS_lseek, SYS_close, SYS_tgkill,
                              SYS_rt_sigaction};
enum { ALLOWED = sizeof allowed / sizeof *allowed };

static void enter_sandbox(uint32_t otherwise)
{
    struct sock_filter code[2 + ALLOWED + 2] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr))};
    unsigned short count = 1;
    for (int i = 0; i < ALLOWED; i++)
        code[count++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)allowed[i],
                                                     (uint8_t)(ALLOWED - i), 0);
    code[count++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, otherwise);
    code[count++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    struct sock_fprog program = {.len = count, .filter = code};
    CHECK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
    if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0)
        _exit(77);
}

static __attribute__((noinline)) void deeper(int depth)
{
    char here[3000];
    memset(here, 1, sizeof here);
    free(malloc((size_t)depth * 50 + 1));
    if (depth > 0)
        deeper(depth - 1);
    __asm__ volatile("" : : "r"(here) : "memory");
}

static void live(uint32_t otherwise)
{
    (void)printf("enters\n");
    (void)fflush(stdout);
    enter_sandbox(otherwise);
    churn(5000, 3000, 1);
    churn(200, 200 * KIB, 2);
    deeper(40);
    free(calloc(1, 8 * MIB));
    /* Pages are moved to where there is more room. */
    char *grown = malloc(5 * MIB);
    free(malloc(300 * KIB));
    void *behind = malloc(5 * MIB);
    CHECK(grown != NULL && behind != NULL && (grown = realloc(grown, 80 * MIB)) != NULL);
    free(grown);
    free(behind);
    (void)printf("left alive\n");
}

/* More blocks than the first region of guarded ones has places for. */
static void kill_late(void)
{
    enter_sandbox(SECCOMP_RET_KILL_PROCESS);
    churn(20000, 100, 3);
}

static void kill_mode(void)
{
    live(SECCOMP_RET_KILL_PROCESS);
}

static void refuse(void)
{
    live(SECCOMP_RET_ERRNO | EPERM);
}

static void free_twice_inside(void)
{
    enter_sandbox(SECCOMP_RET_ERRNO | EPERM);
    char *volatile block = malloc(100);
    free(block);
    free(block);
}

int main(int argc, char **argv)
{
    static const struct mode modes[] = {
        {"kill", kill_mode}, {"kill_late", kill_late}, {"refuse", refuse}, {"free_twice", free_twice_inside}};
    return RUN_MODE(argc, argv, modes);
}
