/*
 * watch.c - see watch.h. What is here is written by a thread that allocates a watched block or frees it, with
 * the lock: one that finds it taken goes on without. The handler only reads.
 */
#include "front/guarded/watch.h"

#include "base/lock.h"
#include "diag/report.h"
#include "front/guarded/guarded.h"
#include "front/guarded/watch_site.h"
#include "os/breakpoint.h"
#include "os/signal_context.h"
#include "trace/modules.h"
#include "trace/unwind.h"

#include <string.h>

#define MOST_OFFSET ((uint64_t)1 << 40)

PW_WRITTEN_EARLY bool pw_watch_is_on;

static struct {
    uint32_t thread;
    uint32_t number;
    int64_t offset;
    bool breaks;     /* breakpoints can be had */
    bool is_site;    /* all blocks of a place, not the one of that number */
    uint32_t made;   /* allocations of that thread so far */
    uint64_t block;  /* its address once it came; 0: not yet */
    uint64_t size;
    uint64_t byte;   /* that is watched */
} watch;
static struct pw_lock lock;
static _Atomic bool has_come; /* a block of the place */
static _Atomic bool has_told_end;

/* Why nothing is watched though it was asked for; NULL: nothing to say. */
static const char *refusal;

/* A number at *at, which is moved behind it; false: there is none, or it is too large. */
static bool read_number(const char **at, uint64_t most, uint64_t *number)
{
    const char *start = *at;
    *number = 0;
    for (; **at >= '0' && **at <= '9'; ++*at) {
        *number = *number * 10 + (uint64_t)(**at - '0');
        if (*number > most)
            return false;
    }
    return *at != start;
}

/* SITE[+OFFSET|-OFFSET]: what is behind the last sign, if that is decimal, is the offset. */
static bool parse_site(const char *words)
{
    uint64_t offset = 0;
    size_t length = strlen(words), end = length;
    while (end > 0 && words[end - 1] >= '0' && words[end - 1] <= '9')
        end--;
    const char *digits = words + end;
    bool has_offset = end > 1 && end < length && (words[end - 1] == '+' || words[end - 1] == '-');
    if (has_offset && !read_number(&digits, MOST_OFFSET, &offset))
        return false;
    watch.offset = has_offset && words[end - 1] == '-' ? -(int64_t)offset : (int64_t)offset;
    watch.is_site = pw_watch_site_set(words, has_offset ? end - 1 : length);
    return watch.is_site;
}

static bool parse(const char *words)
{
    uint64_t number, offset = 0;
    if (words[0] < '0' || words[0] > '9')
        return parse_site(words);
    if (!read_number(&words, UINT32_MAX, &number))
        return false;
    if (*words == '/') {
        words++;
        watch.thread = (uint32_t)number;
        if (!read_number(&words, UINT32_MAX, &number))
            return false;
    }
    watch.number = (uint32_t)number;
    char sign = *words;
    if (sign == '+' || sign == '-') {
        words++;
        if (!read_number(&words, MOST_OFFSET, &offset))
            return false;
    }
    watch.offset = sign == '-' ? -(int64_t)offset : (int64_t)offset;
    return *words == '\0' && watch.number != 0;
}

void pw_watch_start(void)
{
    static const char probe = 0;
    if (pw_options()->watch[0] == '\0')
        return;
    if (pw_root.level < PW_LEVEL_FULL) {
        refusal = "watch: nothing is watched below level full";
        return;
    }
    pw_watch_is_on = parse(pw_options()->watch);
    if (!pw_watch_is_on)
        refusal = "watch: nothing is watched, for it is to be [THREAD/]NUMBER[+OFFSET], an allocation's number in a report, or "
                  "SITE[+OFFSET], a function or OBJECT+0xOFFSET";
    watch.breaks = pw_watch_is_on && pw_os_break_on_write(&probe);
    pw_os_break_end();
}

void pw_watch_tell(void)
{
    if (refusal != NULL)
        pw_report_line(refusal);
}

static bool is_the_one(const struct pw_cache *cache, uint32_t number)
{
    return !watch.is_site && cache->thread == watch.thread && number == watch.number && watch.block == 0;
}

bool pw_watch_wants_guard(const struct pw_cache *cache, uint32_t stack, bool *is_right)
{
    *is_right = watch.offset >= 0;
    if (watch.is_site)
        return pw_watch_site_is(stack);
    return !watch.breaks && is_the_one(cache, cache->allocations + 1);
}

static bool is_inside(void)
{
    return watch.offset >= 0 && (uint64_t)watch.offset < watch.size;
}

static void say_here(void)
{
    char storage[256];
    struct pw_text text = pw_text_over(storage, sizeof storage);
    pw_text_str(&text, "watch: allocation ");
    pw_text_dec(&text, watch.number);
    pw_text_str(&text, " of thread T");
    pw_text_dec(&text, watch.thread);
    pw_text_str(&text, " is here: ");
    pw_text_dec(&text, watch.size);
    pw_text_str(&text, " bytes at ");
    pw_text_hex(&text, watch.block, 0);
    pw_text_str(&text, watch.breaks ? "; a hardware breakpoint is on "
                                    : "; no hardware breakpoint is to be had, guard pages are around it, not on ");
    pw_text_hex(&text, watch.byte, 0);
    pw_text_char(&text, '\0');
    pw_report_line(storage);
}

static void arm(void)
{
    if (watch.breaks)
        (void)pw_os_break_on_write((const void *)watch.byte);
}

static void set_block(const void *block, size_t size)
{
    watch.block = (uint64_t)block;
    watch.size = size;
    watch.byte = watch.block + (uint64_t)watch.offset;
}

/* The first of the place's blocks is there. */
static void say_site(void)
{
    char storage[256];
    struct pw_text text = pw_text_over(storage, sizeof storage);
    pw_text_str(&text, "watch: blocks of ");
    pw_text_str(&text, pw_watch_site_words());
    pw_text_str(&text, watch.offset >= 0 ? " get guard pages, right behind them" : " get guard pages, right before them");
    pw_text_char(&text, '\0');
    pw_report_line(storage);
}

static void site_acquired(const void *block, size_t size, uint32_t stack)
{
    bool expected = false;
    if (!pw_watch_site_is(stack))
        return;
    if (atomic_compare_exchange_strong(&has_come, &expected, true))
        say_site();
    if (pw_is_guarded(pw_heap_find((uint64_t)block)) || !pw_lock_try(&lock))
        return;
    pw_os_break_end();
    set_block(block, size);
    if (!is_inside())
        arm();
    pw_lock_release(&lock);
}

void pw_watch_acquired(const struct pw_cache *cache, void *block, size_t size, uint32_t stack)
{
    if (watch.is_site)
        site_acquired(block, size, stack);
    if (cache->thread == watch.thread)
        watch.made = cache->allocations;
    if (!is_the_one(cache, cache->allocations))
        return;
    set_block(block, size);
    say_here();
    if (!is_inside())
        arm();
}

static bool is_watched(const void *block)
{
    return watch.block != 0 && (uint64_t)block == watch.block;
}

void pw_watch_releasing(const void *block)
{
    if (!is_watched(block) || !pw_lock_try(&lock))
        return;
    if (is_watched(block))
        pw_os_break_end();
    pw_lock_release(&lock);
}

void pw_watch_released(const void *block)
{
    if (!is_watched(block) || !is_inside() || !pw_lock_try(&lock))
        return;
    if (is_watched(block) && is_inside())
        arm();
    pw_lock_release(&lock);
}

/* Where the store is that the processor has just done: in the instruction before. */
static void fill_store(struct pw_fault *fault, void *context)
{
    uint64_t registers[PW_OS_MAX_REGISTERS];
    (void)pw_os_context_registers(context, registers);
    fault->pc = registers[0] - 1;
    fault->operation = PW_OP_ACCESS;
    fault->access = PW_ACCESS_WRITE;
    fault->is_watched = true;
    fault->thread = pw_thread_ordinal();
    fault->frame_count = (uint32_t)pw_unwind_from_signal(
        fault->frames, pw_options()->malloc_context_size, context);
    if (fault->frame_count != 0)
        fault->frames[0] = fault->pc;
}

bool pw_watch_trapped(const siginfo_t *info, void *context)
{
    if (!pw_watch_is_on || info->si_code != PW_OS_TRAP_PERF)
        return false;
    /* The library itself writes zones and fills, and hands the memory to others. */
    if (pw_self != NULL && pw_cache_is_busy(pw_self))
        return true;
    struct pw_image image = pw_image_self();
    struct pw_fault fault = {.kind = PW_KIND_NONE};
    pw_diagnose_address(&image, watch.byte, &fault);
    if (fault.kind == PW_KIND_NONE)
        return true; /* the byte is another block's by now */
    pw_os_break_end();
    pw_modules_refresh();
    fill_store(&fault, context);
    if (pw_report(&fault))
        pw_report_end(&fault);
    return true;
}

/* How far the thread came that was to allocate the block. */
static void say_never(void)
{
    char storage[256];
    struct pw_text text = pw_text_over(storage, sizeof storage);
    pw_text_str(&text, watch.is_site ? "watch: a block of " : "watch: allocation ");
    if (watch.is_site) {
        pw_text_str(&text, pw_watch_site_words());
        pw_text_str(&text, " never came");
    } else {
        pw_text_dec(&text, watch.number);
        pw_text_str(&text, " of thread T");
        pw_text_dec(&text, watch.thread);
        pw_text_str(&text, " never came: the thread made ");
        pw_text_dec(&text, watch.made);
    }
    pw_text_char(&text, '\0');
    pw_report_line(storage);
}

void pw_watch_end(void)
{
    if (!pw_watch_is_on)
        return;
    bool has_block = watch.is_site ? has_come : watch.block != 0;
    if (!has_block && !atomic_exchange(&has_told_end, true))
        say_never();
}
