/*
 * process.h - the rest of what pwheap asks the system: output, environment, identity, time.
 *
 * Nothing here allocates or locks; all of it is async-signal-safe; errno is left as it was unless said.
 */
#ifndef PW_OS_PROCESS_H
#define PW_OS_PROCESS_H

#include "base/base.h"

/*
 * Write it all, also when interrupted, taken in parts or not taken at once (a full non-blocking
 * pipe is waited for, some seconds). False: an error came first. Neither SIGPIPE nor
 * SIGXFSZ comes of it.
 */
bool pw_os_write_all(int fd, const void *bytes, size_t length);
/* Read a whole file into `buffer`, cut at `size`; bytes read, or -1. */
int64_t pw_os_read_file(const char *path, char *buffer, size_t size);
/* Close `first` and every descriptor above it: in a copy of the process, that is, before execve. */
void pw_os_close_from(unsigned first);

/* Add bytes to the end of a file, in one piece; it is made (0600) if there is none, but no link is followed. */
bool pw_os_append_file(const char *path, const void *bytes, size_t length);

/*
 * The value of an environment variable as the process was started with, or NULL. Works before libc
 * is set up (from the stack the kernel made, else environ, else /proc). The memory is the
 * environment's own. New names that the program sets don't show; what it changes in place does
 * (setenv over an existing name, unsetenv, a process title written over it), and on musl all does.
 */
const char *pw_os_environment(const char *name);
/* The environment itself: name=value strings, NULL at the end. Never NULL. */
char **pw_os_environment_all(void);
/* True for a set-uid and the like: nothing of the environment is to be believed. */
bool pw_os_is_secure(void);

/*
 * Block every signal of the calling thread (glibc's own two as well), and set the mask that this
 * returned again: around locks that a handler which allocates might want.
 */
uint64_t pw_os_block_signals(void);
void pw_os_restore_signals(uint64_t mask);
/* rt_sigprocmask of the calling thread, bit n-1 for signal n; either may be NULL. 0, or an error number; errno stays. */
int pw_os_change_mask(int how, const uint64_t *set, uint64_t *old);
/* Send a signal that came from elsewhere once more, to the thread or the process that it was for, with its siginfo_t. */
void pw_os_send_again(int number, const void *info);

uint32_t pw_os_process_id(void);
/* The kernel's id of the calling thread. */
uint32_t pw_os_thread_id(void);
/* True: the process has no thread but the calling one. False also where libc doesn't say (glibc does since 2.32). */
bool pw_os_has_one_thread(void);
/* The name of the calling thread, NUL-terminated. */
void pw_os_thread_name(char name[16]);
/*
 * Absolute path of the running program into `buffer`, as the kernel tells it (with " (deleted)" if
 * it is); "" where it can't be known or does not fit.
 */
void pw_os_program_path(char *buffer, size_t size);

/*
 * Bytes of memory that this process may have come to use yet: what the machine has free (MemAvailable) or
 * its control group still allows (of either version), if that is less; 0: not known. As of the first call,
 * which is to be made before there is a second thread.
 */
uint64_t pw_os_memory_available(void);
/* What the process has in memory right now (/proc/self/statm); 0: not known. */
uint64_t pw_os_resident_bytes(void);
/* The address space that the process is limited to (RLIMIT_AS, RLIMIT_DATA) as of now, in bytes; UINT64_MAX: it is not. */
uint64_t pw_os_address_space_limit(void);

/* Nanoseconds of the monotonic clock. */
uint64_t pw_os_time_ns(void);
/* Seconds since 1970, and nanoseconds. */
uint64_t pw_os_wall_time_ns(void);
/* 64 bits from the kernel, else from the clock and the stack's address. */
uint64_t pw_os_entropy(void);
/* Processors that this process may run on, at least 1. */
uint32_t pw_os_cpu_count(void);

/*
 * Run `program argv…` with `environment`, `input` on its standard input and its standard output
 * collected into `output` (cut at output_size; *output_length is set, also when it failed); its
 * stderr goes to /dev/null. `program` is a path: PATH is not searched. Neither malloc nor atfork
 * handlers run in between, and no descriptor is opened in this process. Waits at most `timeout_ms`,
 * all signals blocked, then kills it. True: it ran and exited with 0. The child is never left a
 * zombie and does not disturb the program's wait() (it is a grandchild, of no signal).
 * Several threads may do this at a time. False where seccomp or an emulator forbids it.
 */
bool pw_os_run_filter(const char *program, char *const argv[], char *const environment[],
                      const char *input, size_t input_length, char *output, size_t output_size,
                      size_t *output_length, uint32_t timeout_ms);

#endif
