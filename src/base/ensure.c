/* ensure.c - the end of a process whose allocator found its own state broken. */
#include "base/base.h"
#include "base/text.h"

#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

_Noreturn void pw_ensure_failed(const char *cond, const char *file, int line)
{
    char storage[512];
    struct pw_text text = pw_text_over(storage, sizeof storage);
    pw_text_str(&text, "pwheap: internal error: ");
    pw_text_str(&text, cond);
    pw_text_str(&text, " does not hold at ");
    pw_text_str(&text, file);
    pw_text_str(&text, ":");
    pw_text_dec(&text, (uint64_t)line);
    pw_text_str(&text, "\n");
    (void)!write(STDERR_FILENO, storage, text.length);
    (void)signal(SIGABRT, SIG_DFL);
    abort();
}
