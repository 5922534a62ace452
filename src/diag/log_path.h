/* log_path.h - from the option log_path to the name of a file. Pure and async-signal-safe. */
#ifndef PW_DIAG_LOG_PATH_H
#define PW_DIAG_LOG_PATH_H

#include "base/text.h"

/* What the name of a log is made of. */
struct pw_log_name {
    const char *log_path; /* the option; NULL is "" */
    bool log_exe_name;    /* the option */
    const char *program;  /* path of the running program; its last part is used */
    uint32_t process_id;
    uint32_t number; /* of the log in this process, for %n: counted by the caller */
};
enum pw_log_target { PW_LOG_STDERR, PW_LOG_STDOUT, PW_LOG_FILE };

/*
 * Where the log goes: "" and "stderr" to stderr, "stdout" to stdout, else to the file whose name is
 * appended to `out` (out->truncated: it did not fit). %p stands for the process id, %e for the
 * program's name, %n for the number, %% for a %; any other % for itself. Without %p, %e and %n it
 * is log_path.PID, with log_exe_name log_path.PROGRAM.PID.
 */
enum pw_log_target pw_log_path_expand(const struct pw_log_name *name, struct pw_text *out);

#endif
