/* log_path.c - see log_path.h */
#include "diag/log_path.h"

#include <string.h>

/* Expand the % and the letter after it; false: it stands for nothing of the process. */
static bool print_escape(const struct pw_log_name *name, char letter, struct pw_text *out)
{
    switch (letter) {
    case 'p':
        pw_text_dec(out, name->process_id);
        return true;
    case 'e':
        pw_text_str(out, pw_path_basename(name->program));
        return true;
    case 'n':
        pw_text_dec(out, name->number);
        return true;
    case '%':
        pw_text_char(out, '%');
        return false;
    default:
        pw_text_char(out, '%');
        if (letter != '\0')
            pw_text_char(out, letter);
        return false;
    }
}

enum pw_log_target pw_log_path_expand(const struct pw_log_name *name, struct pw_text *out)
{
    const char *at = name->log_path;
    if (at == NULL || at[0] == '\0' || strcmp(at, "stderr") == 0)
        return PW_LOG_STDERR;
    if (strcmp(at, "stdout") == 0)
        return PW_LOG_STDOUT;
    bool is_own = false; /* the path itself tells processes apart */
    for (; *at != '\0'; at++) {
        if (*at != '%') {
            pw_text_char(out, *at);
            continue;
        }
        is_own |= print_escape(name, at[1], out);
        if (at[1] != '\0')
            at++;
    }
    if (is_own)
        return PW_LOG_FILE;
    if (name->log_exe_name) {
        pw_text_char(out, '.');
        pw_text_str(out, pw_path_basename(name->program));
    }
    pw_text_char(out, '.');
    pw_text_dec(out, name->process_id);
    return PW_LOG_FILE;
}
