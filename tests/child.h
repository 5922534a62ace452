/* child.h - run a part of a cmocka test in a process of its own. Include after cmocka.h. */
#ifndef PW_TESTS_CHILD_H
#define PW_TESTS_CHILD_H

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

/* How a child ends that runs `body`: its exit status, or minus the signal that killed it. */
static inline int in_child(int (*body)(void *), void *context)
{
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        (void)signal(SIGSEGV, SIG_DFL);
        _exit(body(context));
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

/* Bodies: touch a byte. */
static inline int read_it(void *address)
{
    return *(volatile char *)address & 0;
}

static inline int write_it(void *address)
{
    *(volatile char *)address = 1;
    return 0;
}

#endif
