/*
 * trace_places_test.c - traces from unusual places: signals, other stacks, threads, closed
 * libraries, code made at run time.
 */
#include "trace/compare.h"
#include "trace/depot.h"
#include "trace/frames.h"
#include "trace/libunwind.h"
#include "trace/modules.h"
#include "trace/thread.h"
#include "trace/unwind.h"

#include <dlfcn.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

#include <cmocka.h>

enum { STACK_BYTES = 64 * 1024, FUNCTION_BYTES = 512 };

static struct compare in_handler;
static size_t signal_count;
static uint64_t signal_frames[PW_MAX_FRAMES];
static size_t their_signal_count;
static uint64_t their_signal_frames[PW_MAX_FRAMES];
static uint64_t signal_pc;
static sigjmp_buf after_signal;

static void assert_no_failures(const struct compare *compare)
{
    assert_true(compare->takes > 0);
    assert_int_equal(compare->failures, 0);
}

/* Both traces of a signal: that of the handler's own stack and that of what was interrupted. */
static void take_in_handler(int signal, siginfo_t *info, void *ucontext)
{
    (void)info;
    if (signal == SIGUSR1)
        compare_here(&in_handler);
    else /* libunwind gives up at some wild addresses */
        compare_ours(&in_handler);
    signal_pc = (uint64_t)((ucontext_t *)ucontext)->uc_mcontext.gregs[REG_RIP];
    signal_count = pw_unwind_from_signal(signal_frames, PW_MAX_FRAMES, ucontext);
    their_signal_count = pw_libunwind_from_signal(their_signal_frames, PW_MAX_FRAMES, ucontext);
}

static void take_and_jump(int signal, siginfo_t *info, void *ucontext)
{
    take_in_handler(signal, info, ucontext);
    siglongjmp(after_signal, 1);
}

static void handle(int signal, void (*handler)(int, siginfo_t *, void *))
{
    static char stack[STACK_BYTES];
    struct sigaction how = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO | SA_ONSTACK};
    stack_t alternate = {.ss_sp = stack, .ss_size = sizeof stack};
    memset(&in_handler, 0, sizeof in_handler);
    signal_count = 0;
    assert_int_equal(sigaltstack(&alternate, NULL), 0);
    assert_int_equal(sigaction(signal, &how, NULL), 0);
}

static void assert_signal_frames_are_theirs(void)
{
    assert_int_equal(signal_count, their_signal_count);
    assert_memory_equal(signal_frames, their_signal_frames, signal_count * sizeof signal_frames[0]);
}

static void raise_it(void *argument)
{
    raise(*(int *)argument);
}

static void a_handler_on_its_own_stack_is_traced_into_what_it_interrupted(void **state)
{
    (void)state;
    int signal = SIGUSR1;
    handle(signal, take_in_handler);
    for (int depth = 1; depth < 20; depth++) {
        without_fp_mixture(9, depth, raise_it, &signal);
        with_fp_mixture(7, depth, raise_it, &signal);
        assert_true(
            compare_has(&in_handler,
                        (void *)a_handler_on_its_own_stack_is_traced_into_what_it_interrupted,
                        FUNCTION_BYTES) ||
            in_handler.count == PW_MAX_FRAMES);
        assert_int_equal(signal_frames[0], signal_pc);
        assert_signal_frames_are_theirs();
    }
    assert_no_failures(&in_handler);
}

static void take_ours(int signal, siginfo_t *info, void *ucontext)
{
    (void)signal, (void)info, (void)ucontext;
    compare_ours(&in_handler);
}

static void a_signal_in_the_middle_of_a_capture_disturbs_neither(void **state)
{
    (void)state;
    struct compare compare = {0};
    struct itimerval soon = {.it_value = {0, 50}};
    size_t armed_at = SIZE_MAX;
    handle(SIGALRM, take_ours);
    for (unsigned i = 0; i < 200000 && in_handler.takes < 500; i++) {
        /* One at a time: they must not come faster than they are handled. */
        size_t takes = *(volatile size_t *)&in_handler.takes;
        if (takes != armed_at)
            setitimer(ITIMER_REAL, &soon, NULL);
        armed_at = takes;
        without_fp_mixture(i % 97, (int)i % 20, compare_ours, &compare);
    }
    soon.it_value.tv_usec = 0;
    setitimer(ITIMER_REAL, &soon, NULL);
    assert_no_failures(&compare);
    assert_no_failures(&in_handler);
}

static void write_to(void *argument)
{
    *(volatile int *)argument = 1;
}

static void a_faulting_instruction_is_the_first_frame(void **state)
{
    (void)state;
    handle(SIGSEGV, take_and_jump);
    if (sigsetjmp(after_signal, 1) == 0)
        without_fp_recurse(5, write_to, (void *)16);
    assert_int_equal(signal_frames[0], signal_pc);
    assert_true(signal_frames[0] - (uint64_t)write_to < FUNCTION_BYTES);
    assert_signal_frames_are_theirs();
    assert_true(signal_count > 6);
}

static void call_garbage(void *argument)
{
    void (*volatile target)(void) = (void (*)(void))(uint64_t)argument;
    target();
    __asm__ volatile("" ::: "memory");
}

static void a_jump_to_where_no_code_is_shows_who_jumped(void **state)
{
    (void)state;
    static const uint64_t targets[] = {0, 8, 0x7ead0bee5000, 0x7f7f7f7f7f7f7f7f};
    handle(SIGSEGV, take_and_jump);
    /* The last is no address at all: the processor faults at the call already. */
    for (size_t i = 0; i < PW_ARRAY_SIZE(targets); i++) {
        signal_count = 0;
        if (sigsetjmp(after_signal, 1) == 0)
            with_fp_recurse(3, call_garbage, (void *)targets[i]);
        assert_true(signal_count > 4);
        assert_int_equal(signal_frames[0], signal_pc);
        size_t caller = targets[i] >> 47 == 0 ? 1 : 0;
        assert_no_failures(&in_handler);
        assert_true(signal_frames[caller] - (uint64_t)call_garbage < FUNCTION_BYTES);
        assert_true(signal_frames[caller + 1] - (uint64_t)with_fp_recurse < FUNCTION_BYTES);
        assert_true(compare_has(&in_handler, (void *)call_garbage, FUNCTION_BYTES));
    }
}

static int recurse_forever(int depth)
{
    volatile char room[256];
    room[depth % 256] = (char)depth;
    if (depth < 0)
        return 0;
    return recurse_forever(depth + 1) + room[0];
}

static void *overflow_stack(void *unused)
{
    static char stack[STACK_BYTES];
    stack_t alternate = {.ss_sp = stack, .ss_size = sizeof stack};
    sigaltstack(&alternate, NULL);
    if (sigsetjmp(after_signal, 1) == 0)
        recurse_forever(0);
    return unused;
}

static void a_stack_overflow_is_traced(void **state)
{
    (void)state;
    pthread_t thread;
    handle(SIGSEGV, take_and_jump);
    assert_int_equal(pthread_create(&thread, NULL, overflow_stack, NULL), 0);
    pthread_join(thread, NULL);
    assert_int_equal(signal_count, PW_MAX_FRAMES);
    for (size_t i = 0; i < signal_count; i++)
        assert_true(signal_frames[i] - (uint64_t)recurse_forever < FUNCTION_BYTES);
}

/* ---- other stacks ---- */

enum { COROUTINES = 6, ROUNDS = 50 };
static struct compare in_coroutine;
static ucontext_t scheduler;
static ucontext_t coroutines[COROUTINES];

static void yield(void *argument)
{
    size_t self = (size_t)argument;
    compare_here(&in_coroutine);
    swapcontext(&coroutines[self], &scheduler);
}

static void coroutine(int self)
{
    for (unsigned i = 0;; i++)
        without_fp_mixture(i, (int)i % 9, yield, (void *)(size_t)self);
}

static void coroutine_make(int self, char *stack)
{
    mprotect(stack, 4096, PROT_NONE);
    getcontext(&coroutines[self]);
    coroutines[self].uc_stack = (stack_t){.ss_sp = stack, .ss_size = STACK_BYTES};
    makecontext(&coroutines[self], (void (*)(void))coroutine, 1, self);
}

static void coroutines_are_traced_in_any_order(void **state)
{
    (void)state;
    memset(&in_coroutine, 0, sizeof in_coroutine);
    char *stacks = mmap(NULL, COROUTINES * STACK_BYTES, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    for (int i = 0; i < COROUTINES; i++)
        coroutine_make(i, stacks + i * STACK_BYTES);
    unsigned seed = 1;
    for (int round = 0; round < ROUNDS * COROUTINES; round++) {
        seed = seed * 1664525u + 1013904223u;
        swapcontext(&scheduler, &coroutines[(seed >> 16) % COROUTINES]);
        with_fp_recurse(round % 5 + 1, compare_here, &in_coroutine);
    }
    munmap(stacks, COROUTINES * STACK_BYTES);
    assert_no_failures(&in_coroutine);
}

/* ---- frames that are left without a return ---- */

enum { JUMPS = 4000 };
static struct compare in_jump;
static jmp_buf jump_back;
static unsigned jump_seed;

static void take_and_perhaps_leave(void *argument)
{
    compare_here(argument);
    if (jump_seed >> 29 & 1)
        longjmp(jump_back, 1);
}

static void jumps_out_of_frames_are_seen_through(void **state)
{
    (void)state;
    memset(&in_jump, 0, sizeof in_jump);
    jump_seed = 1;
    for (volatile int i = 0; i < JUMPS; i++) {
        jump_seed = jump_seed * 1664525u + 1013904223u;
        in_jump.max = jump_seed >> 31 ? 1 + (jump_seed >> 8) % PW_MAX_FRAMES : PW_MAX_FRAMES;
        if (setjmp(jump_back) != 0)
            continue;
        switch (jump_seed >> 5 & 3) {
        case 0: without_fp_mixture(jump_seed % 16, (int)(jump_seed >> 16) % 30, take_and_perhaps_leave, &in_jump); break;
        case 1: with_fp_mixture(jump_seed % 64, (int)(jump_seed >> 16) % 30, take_and_perhaps_leave, &in_jump); break;
        case 2: without_fp_tree((int)(jump_seed >> 16) % 4, take_and_perhaps_leave, &in_jump); break;
        default: without_fp_recurse((int)(jump_seed >> 16) % 40, take_and_perhaps_leave, &in_jump); break;
        }
    }
    assert_no_failures(&in_jump);
}

/* The child uses the parent's memory, and what it leaves there is of frames that are no more. */
static PW_NOINLINE void in_vfork(void *argument)
{
    pid_t child = vfork();
    if (child == 0) {
        without_fp_mixture(5, 9, compare_ours, argument);
        without_fp_tree(3, compare_ours, argument);
        _exit(0);
    }
    assert_int_equal(waitpid(child, NULL, 0), child);
    compare_ours(argument);
}

static void a_vforked_child_and_then_its_parent_are_traced(void **state)
{
    (void)state;
    struct compare compare = {0};
    for (int depth = 0; depth < 20; depth++) {
        without_fp_recurse(depth, in_vfork, &compare);
        with_fp_mixture((unsigned)depth, depth, in_vfork, &compare);
        compare_here(&compare);
    }
    assert_true(compare.takes > 20 * 50);
    assert_no_failures(&compare);
}

/* ---- threads ---- */

static void *trace_in_thread(void *argument)
{
    struct compare *compare = argument;
    compare_here(compare);
    for (unsigned i = 0; i < 300; i++)
        with_fp_mixture(i, (int)i % 12, compare_here, compare);
    pw_unwind_thread_exit();
    return NULL;
}

static void threads_are_traced_from_their_start_function_on(void **state)
{
    (void)state;
    struct compare compares[8] = {0};
    pthread_t threads[8];
    for (size_t i = 0; i < PW_ARRAY_SIZE(threads); i++)
        assert_int_equal(pthread_create(&threads[i], NULL, trace_in_thread, &compares[i]), 0);
    for (size_t i = 0; i < PW_ARRAY_SIZE(threads); i++) {
        pthread_join(threads[i], NULL);
        assert_no_failures(&compares[i]);
        assert_true(compare_has(&compares[i], (void *)trace_in_thread, FUNCTION_BYTES));
    }
}

static void *memory_of_thread(void *argument)
{
    compare_here(argument);
    void *memory = pw_trace_thread_current;
    pw_unwind_thread_exit();
    return memory;
}

static void the_memory_of_a_thread_that_ended_serves_the_next(void **state)
{
    (void)state;
    struct compare compare = {0};
    void *first = NULL;
    for (int i = 0; i < 5; i++) {
        void *memory;
        pthread_t thread;
        assert_int_equal(pthread_create(&thread, NULL, memory_of_thread, &compare), 0);
        pthread_join(thread, &memory);
        assert_non_null(memory);
        first = first == NULL ? memory : first;
        assert_ptr_equal(memory, first);
    }
    assert_no_failures(&compare);
}

static void *trace_after_end(void *argument)
{
    pw_unwind_thread_exit();
    with_fp_recurse(5, compare_here, argument);
    compare_here(argument);
    pw_unwind_thread_exit();
    return NULL;
}

static void a_trace_after_the_end_of_a_thread_is_right(void **state)
{
    (void)state;
    struct compare compare = {0};
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, trace_after_end, &compare), 0);
    pthread_join(thread, NULL);
    assert_int_equal(compare.takes, 2);
    assert_no_failures(&compare);
}

static void a_forked_child_is_traced(void **state)
{
    (void)state;
    struct compare compare = {0};
    with_fp_recurse(9, compare_here, &compare);
    pid_t child = fork();
    if (child == 0) {
        pw_unwind_after_fork();
        pw_modules_after_fork();
        with_fp_recurse(9, compare_here, &compare);
        without_fp_recurse(9, compare_here, &compare);
        _exit(compare.takes == 3 && compare.failures == 0 ? 0 : 1);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

/* ---- code that comes and goes ---- */

typedef void plugin_call(void (*)(void *), void *);

static plugin_call *plugin_open(const char *name, void **handle_out)
{
    *handle_out = dlopen(name, RTLD_NOW | RTLD_LOCAL);
    return *handle_out != NULL ? (plugin_call *)dlsym(*handle_out, "plugin_call") : NULL;
}

static void another_library_at_the_place_of_a_closed_one_is_traced_by_its_own_rules(void **state)
{
    (void)state;
    static const char *const names[] = {PLUGIN_DIRECTORY "/trace_plugin_a.so",
                                        PLUGIN_DIRECTORY "/trace_plugin_b.so"};
    struct compare compare = {0};
    plugin_call *last = NULL;
    size_t same_places = 0;
    pw_modules_refresh();
    for (int i = 0; i < 10; i++) {
        void *library;
        plugin_call *call = plugin_open(names[i % 2], &library);
        assert_non_null(call);
        same_places += call == last;
        last = call;
        call(compare_ours, &compare);
        assert_true(compare_has(&compare, (void *)call, FUNCTION_BYTES));
        assert_true(compare_has(
            &compare,
            (void *)another_library_at_the_place_of_a_closed_one_is_traced_by_its_own_rules,
            FUNCTION_BYTES));
        dlclose(library);
        if (i % 4 < 2)
            pw_unwind_modules_changed();
        else
            pw_modules_refresh_if_changed();
    }
    assert_int_equal(same_places, 9);
    assert_no_failures(&compare);
}

static void code_made_at_run_time_is_passed_when_it_keeps_frame_pointers(void **state)
{
    (void)state;
    /* push %rbp; mov %rsp,%rbp; mov %rdi,%rax; mov %rsi,%rdi; call *%rax; pop %rbp; ret */
    static const uint8_t code[] = {0x55, 0x48, 0x89, 0xe5, 0x48, 0x89, 0xf8,
                                   0x48, 0x89, 0xf7, 0xff, 0xd0, 0x5d, 0xc3};
    void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS,
                      -1, 0);
    if (page == MAP_FAILED)
        skip();
    memcpy(page, code, sizeof code);
    plugin_call *call = (plugin_call *)page;
    struct compare compare = {0};
    for (int i = 0; i < 5; i++) {
        call(compare_ours, &compare);
        assert_true(compare_has(&compare, page, sizeof code));
        assert_true(compare_has(
            &compare, (void *)code_made_at_run_time_is_passed_when_it_keeps_frame_pointers,
            FUNCTION_BYTES));
    }
    munmap(page, 4096);
    assert_no_failures(&compare);
}

static int set_up(void **state)
{
    (void)state;
    pw_unwind_init();
    return pw_depot_init() && pw_modules_init(NULL) && pw_libunwind_open() ? 0 : -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_handler_on_its_own_stack_is_traced_into_what_it_interrupted),
        cmocka_unit_test(a_signal_in_the_middle_of_a_capture_disturbs_neither),
        cmocka_unit_test(a_faulting_instruction_is_the_first_frame),
        cmocka_unit_test(a_jump_to_where_no_code_is_shows_who_jumped),
        cmocka_unit_test(a_stack_overflow_is_traced),
        cmocka_unit_test(coroutines_are_traced_in_any_order),
        cmocka_unit_test(jumps_out_of_frames_are_seen_through),
        cmocka_unit_test(a_vforked_child_and_then_its_parent_are_traced),
        cmocka_unit_test(threads_are_traced_from_their_start_function_on),
        cmocka_unit_test(the_memory_of_a_thread_that_ended_serves_the_next),
        cmocka_unit_test(a_trace_after_the_end_of_a_thread_is_right),
        cmocka_unit_test(a_forked_child_is_traced),
        cmocka_unit_test(another_library_at_the_place_of_a_closed_one_is_traced_by_its_own_rules),
        cmocka_unit_test(code_made_at_run_time_is_passed_when_it_keeps_frame_pointers),
    };
    return cmocka_run_group_tests(tests, set_up, NULL);
}
