/*
 * harness.h - what every harness is made of: one entry point, a reader of the input's bytes, and one way
 * to say that something is wrong.
 *
 * A harness is one file with LLVMFuzzerTestOneInput; AFL++'s driver, libFuzzer or replay.c call it. It is
 * linked with libpwheap.a, which is the malloc of the whole process; harnesses keep what they need to know
 * in static memory, so that it is not in the heap that they test.
 */
#ifndef PW_FUZZ_HARNESS_H
#define PW_FUZZ_HARNESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Run one input; returns 0. A wrong answer ends the process by abort(). */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Options that make every run the same; the environment comes after them and chooses the level. */
#define FUZZ_OPTIONS                                                                               \
    "seed=1:symbolize=0:quarantine_size_mb=1:thread_local_quarantine_size_kb=16:check_at_exit=0:"          \
    "dump_path=/dev/shm/pwheap-fuzz.%p"

/* What is left of an input. Past its end every byte reads as 0. */
struct fuzz_input {
    const uint8_t *at;
    size_t left; /* bytes */
};

static inline bool fuzz_ended(const struct fuzz_input *input)
{
    return input->left == 0;
}

static inline uint8_t fuzz_byte(struct fuzz_input *input)
{
    if (input->left == 0)
        return 0;
    input->left--;
    return *input->at++;
}

static inline uint16_t fuzz_word(struct fuzz_input *input)
{
    uint16_t low = fuzz_byte(input);
    return (uint16_t)(low | fuzz_byte(input) << 8);
}

/*
 * The sum (FNV-1a) of an input's bytes, which no fuzzer breeds for: by it some inputs are chosen for what is too dear for
 * all. make_seeds gives its seeds a tail that makes them some.
 */
static inline uint32_t fuzz_sum(const struct fuzz_input *input)
{
    uint32_t sum = 2166136261u;
    for (size_t i = 0; i < input->left; i++)
        sum = (sum ^ input->at[i]) * 16777619u;
    return sum;
}

/*
 * What is done between the two is not noted as coverage (by AFL++; else they do nothing). For looks at the whole heap: their ways
 * depend on all inputs before, so that each would seem new, be kept, and be run time and again.
 */
void fuzz_coverage_off(void);
void fuzz_coverage_on(void);

/* Where fuzz_fail writes; stderr. */
extern int fuzz_output;
/* Say there what is wrong and abort. Doesn't allocate. */
__attribute__((noreturn, format(printf, 1, 2))) void fuzz_fail(const char *format, ...);

#define FUZZ_CHECK(condition, ...)                                                                 \
    do {                                                                                           \
        if (!(condition))                                                                          \
            fuzz_fail(__VA_ARGS__);                                                                \
    } while (0)

#endif
