/* runtime_threads_test.c - threads and forks, on the heap as on glibc. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "program.h"

#include <signal.h>

AS_ON_GLIBC(a_thousand_threads_come_and_go_and_memory_does_not_grow, "threads come_and_go")
PRINTS(the_cache_of_a_thread_is_given_back_at_its_end, "threads cache", "the cache was given back\n")
AS_ON_GLIBC(blocks_may_be_freed_by_other_threads, "threads cross")
AS_ON_GLIBC(destructors_of_thread_specific_data_may_allocate_in_every_round, "threads keys")
AS_ON_GLIBC(no_function_of_the_family_is_a_cancellation_point, "threads cancel")
AS_ON_GLIBC(threads_of_the_least_stack_may_allocate, "threads small_stack")
AS_ON_GLIBC(threads_may_allocate_for_the_first_time_at_once, "threads together")
AS_ON_GLIBC(main_may_return_while_threads_allocate, "threads leave")
AS_ON_GLIBC(main_may_end_before_other_threads, "threads main_first")
AS_ON_GLIBC_ENDING(main_may_abort_while_threads_allocate, "threads leave_by_abort", -SIGABRT)

AS_ON_GLIBC(children_of_a_threaded_program_allocate_free_the_parent_s_blocks_and_end_well, "forks loop")
AS_ON_GLIBC(so_do_children_that_several_threads_make_at_once, "forks from_threads")
AS_ON_GLIBC(so_do_children_of_children_with_threads_of_their_own, "forks generations")
AS_ON_GLIBC(atfork_handlers_may_allocate_wherever_they_were_registered, "forks handlers")
AS_ON_GLIBC(vfork_posix_spawn_system_and_popen_work_while_threads_allocate, "forks others")
AS_ON_GLIBC(children_of_a_program_that_loads_libraries_may_allocate, "forks while_loading")
PRINTS(children_of_a_program_that_makes_snapshots_may_make_them_too, "forks while_dumping",
       "40 of 40 children of a program that makes snapshots ended with 0\n")
AS_ON_GLIBC(a_child_that_ran_no_atfork_handlers_may_allocate, "forks without_handlers")

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_thousand_threads_come_and_go_and_memory_does_not_grow),
        cmocka_unit_test(the_cache_of_a_thread_is_given_back_at_its_end),
        cmocka_unit_test(blocks_may_be_freed_by_other_threads),
        cmocka_unit_test(destructors_of_thread_specific_data_may_allocate_in_every_round),
        cmocka_unit_test(no_function_of_the_family_is_a_cancellation_point),
        cmocka_unit_test(threads_of_the_least_stack_may_allocate),
        cmocka_unit_test(threads_may_allocate_for_the_first_time_at_once),
        cmocka_unit_test(main_may_return_while_threads_allocate),
        cmocka_unit_test(main_may_end_before_other_threads),
        cmocka_unit_test(main_may_abort_while_threads_allocate),
        cmocka_unit_test(children_of_a_threaded_program_allocate_free_the_parent_s_blocks_and_end_well),
        cmocka_unit_test(so_do_children_that_several_threads_make_at_once),
        cmocka_unit_test(so_do_children_of_children_with_threads_of_their_own),
        cmocka_unit_test(atfork_handlers_may_allocate_wherever_they_were_registered),
        cmocka_unit_test(vfork_posix_spawn_system_and_popen_work_while_threads_allocate),
        cmocka_unit_test(children_of_a_program_that_loads_libraries_may_allocate),
        cmocka_unit_test(children_of_a_program_that_makes_snapshots_may_make_them_too),
        cmocka_unit_test(a_child_that_ran_no_atfork_handlers_may_allocate),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
