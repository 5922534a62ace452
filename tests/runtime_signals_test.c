/*
 * runtime_signals_test.c - signal handlers that allocate, which glibc can't be asked to do; and what a
 * program sets up for signals, which is to be as on glibc, also for those that the heap watches.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "program.h"

#include <signal.h>

PRINTS(a_signal_handler_may_allocate_amid_an_allocation, "signals one_thread",
       "seed 99: the handler allocated while the program did\n")
PRINTS(so_may_the_handlers_of_several_threads_at_once, "signals threads",
       "seed 99: handlers allocated on three threads\n")
PRINTS(so_may_a_handler_at_a_thread_s_begin_and_end, "signals short_threads",
       "handlers allocated on threads that came and went\n")
PRINTS(so_may_a_handler_amid_a_fork, "signals forks", "40 of 40 children ended with 0\n")

/* Where the signal comes is chance: several times. */
static void a_handler_may_exit_amid_an_allocation(void **state)
{
    (void)state;
    for (int i = 0; i < 15; i++)
        assert_ends(&(struct program){.command = "signals leave"}, 0,
                    "a handler ended the program amid an allocation\n");
}

AS_ON_GLIBC(a_program_gets_the_handlers_that_it_sets_and_is_told_of_them, "dispositions settings")
AS_ON_GLIBC(a_program_may_jump_out_of_its_own_faults, "dispositions faults")
AS_ON_GLIBC_ENDING(abort_ends_a_program_whose_handler_returns, "dispositions abort_with_handler", -SIGABRT)
AS_ON_GLIBC_ENDING(a_fault_ends_a_program_by_default, "dispositions fault_by_default", -SIGSEGV)
AS_ON_GLIBC_ENDING(a_fault_ends_a_program_that_ignores_it, "dispositions fault_while_ignored", -SIGSEGV)
AS_ON_GLIBC_ENDING(a_fault_ends_a_program_that_blocks_it, "dispositions fault_while_blocked", -SIGSEGV)
AS_ON_GLIBC_ENDING(a_fault_s_signal_from_elsewhere_ends_a_program, "dispositions killed_by_segv", -SIGSEGV)
AS_ON_GLIBC(a_program_is_told_what_it_blocks_and_waits_for_what_comes, "dispositions masks")
AS_ON_GLIBC(a_program_is_told_what_its_handlers_block, "dispositions mask_of_a_handler")
AS_ON_GLIBC(an_ignored_signal_stays_ignored_in_a_program_that_is_executed, "trouble ignore_and_execute")

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_signal_handler_may_allocate_amid_an_allocation),
        cmocka_unit_test(so_may_the_handlers_of_several_threads_at_once),
        cmocka_unit_test(so_may_a_handler_at_a_thread_s_begin_and_end),
        cmocka_unit_test(so_may_a_handler_amid_a_fork),
        cmocka_unit_test(a_handler_may_exit_amid_an_allocation),
        cmocka_unit_test(a_program_gets_the_handlers_that_it_sets_and_is_told_of_them),
        cmocka_unit_test(a_program_may_jump_out_of_its_own_faults),
        cmocka_unit_test(abort_ends_a_program_whose_handler_returns),
        cmocka_unit_test(a_fault_ends_a_program_by_default),
        cmocka_unit_test(a_fault_ends_a_program_that_ignores_it),
        cmocka_unit_test(a_fault_ends_a_program_that_blocks_it),
        cmocka_unit_test(a_fault_s_signal_from_elsewhere_ends_a_program),
        cmocka_unit_test(a_program_is_told_what_it_blocks_and_waits_for_what_comes),
        cmocka_unit_test(a_program_is_told_what_its_handlers_block),
        cmocka_unit_test(an_ignored_signal_stays_ignored_in_a_program_that_is_executed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
