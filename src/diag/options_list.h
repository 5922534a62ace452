/*
 * options_list.h - every option of pwheap, once. This list is the struct (options.h), the defaults
 * and the parser (options.c), and the help (options_help.c): no option exists without a line here,
 * and one with a line is fully there.
 *
 *   GROUP  (heading of the help for the lines that follow)
 *   BOOL   (name,             defaults,           when, help)   bool
 *   BYTE   (name,             defaults,           when, help)   uint8_t, shown in hexadecimal
 *   INTEGER(name, unit,       defaults, min, max, when, help)   uint32_t
 *   SIZE   (name, unit,       defaults, min, max, when, help)   uint64_t
 *   CHOICE (name, enum, names, defaults,          when, help)   the enum; names in its order
 *   STRING (name, capacity,                             help)   char[capacity], default ""; FIXED
 *
 * unit: in plural, "" for none. A SIZE whose max is PW_UNLIMITED also takes the word "unlimited".
 * defaults: (off, fast, full, guard), each within the range. when: LIVE may be changed while the
 * program runs (pwheap_option_set): whoever uses it reads it from pw_options() each time; FIXED is
 * taken at start-up. help: one sentence of at most 94 characters.
 */
#ifndef PW_DIAG_OPTIONS_LIST_H
#define PW_DIAG_OPTIONS_LIST_H

/* As good as no limit: PTRDIFF_MAX, and no allocation is larger. */
#define PW_UNLIMITED ((uint64_t)INT64_MAX)

/* Bytes of an option that holds a path, the closing NUL included. */
#define PW_OPTION_PATH_BYTES 4096

/* clang-format off */
#define PW_OPTION_LIST(GROUP, BOOL, BYTE, INTEGER, SIZE, CHOICE, STRING)                           \
    GROUP("What is checked")                                                                       \
    CHOICE(level, enum pw_level, "off|fast|full|guard", (1, 1, 1, 1), FIXED,                       \
           "How much is checked, and the defaults of the others.")                                \
    BOOL(alloc_dealloc_mismatch, (0, 1, 1, 1), LIVE,                                               \
         "Report what one family (malloc, new, new[]) allocated and another one frees.")           \
    BOOL(new_delete_type_mismatch, (0, 1, 1, 1), LIVE,                                             \
         "Report a sized or aligned delete whose size or alignment is not the block's.")           \
    BOOL(check_libc_calls, (0, 0, 1, 1), LIVE,                                                     \
         "Check what memcpy, strcpy, read, snprintf and their like are given against its block.")  \
    BOOL(patrol, (0, 0, 1, 1), LIVE,                                                               \
         "Check the whole heap again and again, little by little, as the program allocates.")      \
    BOOL(patrol_pages, (0, 0, 0, 0), FIXED,                                                        \
         "The patrol asks the kernel too which pages were written; two descriptors stay open for it.") \
    INTEGER(validate_every, "calls", (0, 0, 0, 0), 0, UINT32_MAX, LIVE,                            \
            "Check the whole heap at every Nth allocation; 0 for never.")                          \
    BOOL(check_at_exit, (0, 1, 1, 1), LIVE,                                                        \
         "Take a last look at every block when the program exits, aborts or crashes.")                      \
    GROUP("Leaks")                                                                                 \
    BOOL(detect_leaks, (0, 0, 0, 0), LIVE,                                                         \
         "Look for blocks that nothing points at when the program exits; status exitcode if any.") \
    STRING(suppressions, PW_OPTION_PATH_BYTES,                                                     \
           "A file of leaks not to be told, a line each: leak:FUNCTION, FILE or MODULE.")          \
    BOOL(print_suppressions, (1, 1, 1, 1), LIVE,                                                   \
         "Below a report of leaks, tell which suppressions had something to suppress.")            \
    INTEGER(max_leaks, "groups", (0, 0, 0, 0), 0, UINT32_MAX, LIVE,                                \
            "Print so many groups of leaks at most; 0: all.")                                      \
    BOOL(leak_starts_only, (0, 0, 0, 0), LIVE,                                                     \
         "Pointers into the middle of a block don't keep it from being a leak.")                   \
    GROUP("Red zones, fill patterns, quarantine")                                                  \
    INTEGER(redzone, "bytes", (16, 16, 32, 32), 16, 2048, FIXED,                                   \
            "The least red zone between two blocks; at full it grows with the block.")             \
    SIZE(max_malloc_fill_size, "bytes", (0, 0, 0, 0), 0, PW_UNLIMITED, FIXED,                      \
         "How much of a new block is filled with malloc_fill_byte.")                               \
    BYTE(malloc_fill_byte, (0xbe, 0xbe, 0xbe, 0xbe), FIXED,                                        \
         "What new memory is filled with.")                                                        \
    SIZE(max_free_fill_size, "bytes", (0, 64, PW_UNLIMITED, PW_UNLIMITED), 0, PW_UNLIMITED, FIXED, \
         "How much of a freed block is filled and verified, at full (fast: always 64 bytes).")     \
    BYTE(free_fill_byte, (0xef, 0xef, 0xef, 0xef), FIXED,                                          \
         "What freed memory is filled with.")                                                      \
    SIZE(quarantine_size_mb, "MiB", (0, 0, 8, 8), 0, 1048576, FIXED,                             \
         "Freed memory kept out of use, or a quarter of the live bytes if that is more; 0: none.") \
    SIZE(thread_local_quarantine_size_kb, "KiB", (0, 0, 1024, 1024), 0, 1048576, FIXED,           \
         "Each thread's part of it, which flows into the common one; 0: none.")                    \
    BOOL(wide_vectors, (1, 1, 1, 1), FIXED,                                                        \
         "At full, look at freed memory 32 bytes at a time where the processor can.")              \
    GROUP("Blocks on pages of their own")                                                          \
    INTEGER(guard_site_blocks, "blocks", (0, 0, 2, 4), 0, 1048576, FIXED,                          \
            "So many first blocks of every place that allocates get guard pages at full, the next seldom.")        \
    INTEGER(guard_sample_rate, "calls", (0, 0, 5000, 0), 0, UINT32_MAX / 2, FIXED,                 \
            "Of so many allocations of a thread, on average one gets guard pages; 0: none.")       \
    SIZE(guard_memory_mb, "MiB", (0, 0, 0, 0), 0, 134217728, FIXED,                                \
         "The most memory of guarded blocks; 0: 1/4 of what is free (guard), 1/16 of the heap (full).") \
    SIZE(guard_max_blocks, "blocks", (0, 0, 0, 0), 0, PW_UNLIMITED, FIXED,                         \
         "The most guarded blocks at a time; 0: as many as the memory allows.")                    \
    INTEGER(guard_quarantine_blocks, "blocks", (262144, 262144, 262144, 1048576), 0, UINT32_MAX, FIXED,  \
            "Freed guarded blocks, of each length, whose addresses stay out of use.")              \
    CHOICE(guard_side, enum pw_side, "both|right|left", (0, 0, 0, 0), FIXED,                       \
           "Which side of a guarded block is next to its guard page; both: chosen for each block.") \
    BOOL(guard_perfect_align, (0, 0, 0, 0), FIXED,                                                 \
         "Right-align guarded blocks to the byte: exact, but malloc(5) is no multiple of 16 then.") \
    CHOICE(guard_pages, enum pw_os_guard_mode, "auto|mprotect|none", (0, 0, 0, 0), FIXED,          \
           "How guard pages are made; auto: by MADV_GUARD_INSTALL where there is, else mprotect.") \
    STRING(hints, PW_OPTION_PATH_BYTES,                                                            \
           "Places whose blocks were damaged are kept in this file; the next run guards all of theirs.") \
    STRING(watch, 64,                                                                              \
           "[THREAD/]NUMBER[+OFFSET] or SITE[+OFFSET]: report who writes that byte of it, at full.") \
    GROUP("What happens on an error")                                                              \
    BOOL(halt_on_error, (1, 1, 1, 1), LIVE,                                                        \
         "End the program at the first error; else report each different one and go on.")          \
    BOOL(abort_on_error, (1, 1, 1, 1), LIVE,                                                       \
         "End it by abort(), which leaves a core; else by exiting with the status exitcode.")      \
    INTEGER(exitcode, "", (1, 1, 1, 1), 0, 255, LIVE,                                              \
            "The exit status after an error when abort_on_error=0.")                               \
    BOOL(allocator_may_return_null, (1, 1, 1, 1), LIVE,                                            \
         "Answer impossible sizes and alignments as libc does, NULL and errno; else report them.") \
    SIZE(max_allocation_size_mb, "MiB", (0, 0, 0, 0), 0, 134217728, LIVE,                          \
         "An allocation above this fails with ENOMEM; 0: no limit.")                               \
    SIZE(hard_rss_limit_mb, "MiB", (0, 0, 0, 0), 0, 134217728, FIXED,                              \
         "Most resident memory of the process: checks shrink near it, allocations fail at it.")    \
    GROUP("Reports")                                                                               \
    CHOICE(report_format, enum pw_report_format, "text|json|asan", (0, 0, 0, 0), LIVE,             \
           "Text for people, JSON Lines, or text with AddressSanitizer's names for its tools.")    \
    CHOICE(color, enum pw_color, "auto|always|never", (0, 0, 0, 0), LIVE,                          \
           "Colours in text reports; auto: when they go to a terminal.")                           \
    STRING(log_path, PW_OPTION_PATH_BYTES,                                                         \
           "Write to PATH.PID (%p pid, %e program, %n number: as they stand); or stderr, stdout.") \
    BOOL(log_exe_name, (0, 0, 0, 0), FIXED,                                                        \
         "Put the program's name into the name of the log: PATH.PROGRAM.PID.")                     \
    BOOL(print_summary, (1, 1, 1, 1), LIVE,                                                        \
         "End each report with its SUMMARY line.")                                                 \
    BOOL(print_stats, (0, 0, 0, 0), LIVE,                                                          \
         "Print the heap's figures after each report.")                                            \
    BOOL(atexit, (0, 0, 0, 0), LIVE,                                                               \
         "Print the heap's figures when the program exits.")                                       \
    BOOL(help, (0, 0, 0, 0), FIXED,                                                                \
         "Print this at start-up and go on; PWHEAP_CHECK=help does the same.")                     \
    GROUP("Stacks and symbols")                                                                    \
    INTEGER(malloc_context_size, "frames", (32, 32, 32, 32), 1, 64, FIXED,                         \
            "The most frames kept of a stack.")                                                    \
    BOOL(symbolize, (1, 1, 1, 1), LIVE,                                                            \
         "Name functions, files and lines; else modules and offsets only.")                        \
    STRING(external_symbolizer_path, PW_OPTION_PATH_BYTES,                                         \
           "The program that finds files and lines; else heapdump beside the library or in PATH.") \
    INTEGER(symbolize_timeout_ms, "ms", (10000, 10000, 10000, 10000), 1, 3600000, LIVE,            \
            "How long to wait for that program.")                                                  \
    INTEGER(history, "operations", (0, 0, 256, 256), 0, 65536, FIXED,                              \
            "What each thread did last with its blocks, kept for reports, at full; 0: nothing.")   \
    STRING(strip_path_prefix, PW_OPTION_PATH_BYTES,                                                \
           "What to leave off the start of file names in reports.")                                \
    GROUP("Snapshots")                                                                             \
    INTEGER(dump_on_error, "snapshots", (0, 0, 0, 0), 0, 1000, LIVE,                               \
            "Leave a snapshot of the process at each of the first N errors that are reported.")    \
    STRING(dump_path, PW_OPTION_PATH_BYTES,                                                        \
           "Where to: PATH.PID, or PATH with its %p, %e, %n; else pwheap.%e.%p.%n.core.")          \
    STRING(dump_signal, 16,                                                                        \
           "A signal that makes one, as USR2; the program's own handler is called as well.")       \
    BOOL(dump_content, (1, 1, 1, 1), LIVE,                                                         \
         "Write all memory; else the heap's tables only, and nothing of the program's data.")      \
    GROUP("Signals, randomness")                                                                   \
    BOOL(handle_segv, (0, 1, 1, 1), FIXED,                                                         \
         "Explain a SIGSEGV in heap memory or through freed memory, then let it pass.")            \
    BOOL(handle_sigbus, (0, 1, 1, 1), FIXED,                                                       \
         "The same for SIGBUS.")                                                                   \
    BOOL(handle_abort, (0, 0, 1, 1), FIXED,                                                        \
         "Take the last look before a SIGABRT ends the program.")                                  \
    SIZE(seed, "", (0, 0, 0, 0), 0, UINT64_MAX, FIXED,                                             \
         "Makes keys and samples the same in every run; 0: random.")
/* clang-format on */

#endif
