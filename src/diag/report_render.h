/*
 * report_render.h - private to the reports: what the parts of a report share.
 *
 * A struct pw_render is one report in the making. It is static, guarded by the report lock; the
 * functions append to its text and never fail: what does not fit is cut (base/text.h).
 */
#ifndef PW_DIAG_REPORT_RENDER_H
#define PW_DIAG_REPORT_RENDER_H

#include "base/text.h"
#include "diag/report.h"

enum {
    PW_FUNCTION_NAME_BYTES = 1024,
    PW_ADVICE_BYTES = 512,
    PW_FINGERPRINT_FRAMES = 3,
    PW_BRIEF_FRAMES = 2, /* of a neighbour, and of a step of the history */
};

struct pw_render {
    struct pw_text text;
    const struct pw_fault *fault;
    const struct pw_report_config *config;
    uint32_t pid;
    uint64_t time_ns; /* since 1970 */
    uint64_t fingerprint;
    uint32_t frame_limit; /* frames shown of a stack */
    uint64_t frames[PW_MAX_FRAMES];
    char function[PW_FUNCTION_NAME_BYTES];
};

/* Some frames, innermost first. */
struct pw_trace {
    const uint64_t *frames;
    uint32_t count;
    bool first_is_pc; /* frames[0] is an instruction's own address, not a return address */
};

struct pw_frame {
    uint64_t pc;                    /* of the call or of the access */
    const struct pw_module *module; /* NULL: not known */
    uint64_t offset;                /* in its file */
    const char *function;           /* NULL: not known. In render->function: until the next one */
};

/* -- report.c: the lock, and what it guards, for report_leaks.c */
/* What the thread was like before it took the lock. */
struct pw_report_held {
    bool was_mine;
    int saved_errno;
    int cancel_state;
};
struct pw_report_held pw_report_hold(void);
void pw_report_let_go(struct pw_report_held held);
struct pw_report_parts {
    const struct pw_report_config *config;
    struct pw_render *render;
    char *raw; /* for what is rendered */
    size_t raw_bytes;
    char *symbolized; /* for what the symbolizer makes of it */
    size_t symbolized_bytes;
};
struct pw_report_parts pw_report_parts_locked(void);
/* True: the program's callback wants it not to be printed. render->fingerprint is set. */
bool pw_report_ask_callback_locked(const struct pw_fault *fault, const char *text, size_t length);

/* -- report_frames.c */
/* Both without the library's own frames. Where it was found, until the next call: */
struct pw_trace pw_trace_of_fault(const struct pw_fault *fault);
/* The stack with this id in the depot, into `frames` (PW_MAX_FRAMES of them). */
struct pw_trace pw_trace_of_stack(uint64_t *frames, uint32_t id);
struct pw_frame pw_frame_locate(const struct pw_trace *trace, uint32_t index);
/* The same with the function's name. */
struct pw_frame pw_frame_resolve(struct pw_render *render, const struct pw_trace *trace, uint32_t index);
/* The innermost frame that is not of libc, the C++ library or the loader; 0 where there is none. */
uint32_t pw_trace_culprit(const struct pw_trace *trace);
/* The innermost that is no template of the C++ library either; of an allocation, nor the program's xmalloc. */
struct pw_frame pw_frame_first_own(struct pw_render *render, const struct pw_trace *trace, bool is_allocation);
void pw_frames_write(struct pw_render *render, const struct pw_trace *trace, uint32_t limit);
/* Of the program's own alone; where there is none, the innermost. */
void pw_frames_write_own(struct pw_render *render, const struct pw_trace *trace, uint32_t limit);
void pw_build_id_write(struct pw_text *text, const struct pw_module *module);

/* -- report_words.c: what text, asan and JSON say alike */
/* True: damage that was found some time after it was done. */
bool pw_fault_is_late(const struct pw_fault *fault);
/* Found in a block that nobody had: meant for another one, or so it seems. */
bool pw_fault_is_astray(const struct pw_fault *fault);
/* As pw_kind_name; in the asan format the name that AddressSanitizer has for it. */
const char *pw_report_kind_name(const struct pw_render *render);
/* The name of a thread, "" where none is known. */
const char *pw_thread_name(const struct pw_report_config *config, uint32_t ordinal);
bool pw_is_asan(const struct pw_render *render);
void pw_say(struct pw_render *render, const char *words);
void pw_say_address(struct pw_render *render, const char *before, uint64_t address);
void pw_say_number(struct pw_render *render, const char *before, uint64_t value, const char *after);
/* "T1 (name)" */
void pw_say_thread(struct pw_render *render, uint32_t ordinal);
/* What to do next, as one line, without a newline. */
void pw_advice_write(struct pw_text *text, const struct pw_fault *fault, enum pw_level level);
/* 2026-01-31T23:59:59.123Z */
void pw_time_write(struct pw_text *text, uint64_t time_ns);

/* -- report_bytes.c */
bool pw_damage_is_shown(const struct pw_damage *damage);
bool pw_damage_has(const struct pw_damage *damage, uint32_t index);
/* As a program would have it: -1, and not 4294967295. */
void pw_integer_write(struct pw_text *text, uint64_t bits, uint32_t width);
/* ", 1.5 as a double", where `width` bytes may be one; else nothing. */
void pw_number_as_real(struct pw_text *text, uint64_t bits, uint32_t width);
/* "the numbers 1, 2, 3 of 4 bytes", if the bytes of a run that is longer than a number look like that; false: no. */
bool pw_numbers_write(struct pw_text *text, const struct pw_damage *damage, uint32_t first, uint32_t length);
/* Nothing where there is no picture. */
void pw_damage_write(struct pw_text *text, const struct pw_fault *fault);

/* -- report_head.c: parts 1 and 2; report_text.c: the rest; report_json.c */
/* That of the first frame shown, where there is one: of the call, not of what it returns to. */
uint64_t pw_fault_pc(const struct pw_fault *fault);
void pw_head_write(struct pw_render *render);
void pw_text_report_write(struct pw_render *render);
void pw_json_report_write(struct pw_render *render);
/* A group of lost blocks as a line of its own. */
void pw_json_leak_write(struct pw_render *render, const struct pw_leak *leak);
void pw_json_note_write(struct pw_text *text, uint32_t pid, uint64_t time_ns, const char *note);

/* -- report_past.c: the history, where there is one */
void pw_past_write(struct pw_render *render);

/* -- report_style.c: the finished text as it is shown: coloured, prefixes stripped. */
bool pw_style_is_needed(const struct pw_report_config *config, bool colored);
void pw_style_write(struct pw_text *out, const struct pw_report_config *config, bool colored,
                    const char *text, size_t length);

/* -- report_filter.c: the text with functions, files and lines in place of offsets. */
/* True: `output` holds it, and *output_length is set. */
bool pw_symbolize(const struct pw_report_config *config, const char *text, size_t length, char *output,
                  size_t output_size, size_t *output_length);
/* If the last call of that could not, a line that says why; once. */
void pw_symbolize_tell(void);

/* -- report_sink.c */
void pw_sink_init(void);
/* The process whose reports these are: this one, or the one that it is a copy of. */
uint32_t pw_sink_process_id(void);
void pw_sink_speak_for(uint32_t pid);
/* To where the log goes, else to stderr; coloured and stripped as the configuration says. */
void pw_sink_write(const struct pw_report_config *config, const char *text, size_t length);

#endif
