/* base_test.c - bitmap, list, text, lock, random, ENSURE: each against the plainest form of it. */
#include "base/bitmap.h"
#include "base/list.h"
#include "base/lock.h"
#include "base/random.h"
#include "base/text.h"

#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

/* ---- bitmap ---- */

enum { BITS = 64 * 64 * 2 + 70, WORDS = PW_BITMAP_WORDS(BITS), SUMMARY_WORDS = PW_BITMAP_WORDS(WORDS) };

static size_t next_by_steps(const uint64_t *words, size_t bits, size_t from)
{
    for (size_t i = from; i < bits; i++)
        if (pw_bit_test(words, i))
            return i;
    return PW_BITMAP_NONE;
}

static size_t previous_by_steps(const uint64_t *words, size_t from)
{
    for (size_t i = from + 1; i > 0; i--)
        if (pw_bit_test(words, i - 1))
            return i - 1;
    return PW_BITMAP_NONE;
}

static void a_bit_is_found_from_both_sides_wherever_it_is(void **state)
{
    (void)state;
    uint64_t seed = 1;
    for (unsigned density = 0; density < 12; density++) {
        uint64_t words[WORDS] = {0};
        uint64_t summary[SUMMARY_WORDS] = {0};
        for (size_t i = 0; i < BITS; i++)
            if (pw_random_next(&seed) % ((uint64_t)1 << density) == 0)
                pw_bit2_set(words, summary, i);
        for (size_t i = 0; i < BITS; i++) {
            assert_int_equal(pw_bit_next(words, BITS, i), next_by_steps(words, BITS, i));
            assert_int_equal(pw_bit_previous(words, i), previous_by_steps(words, i));
            assert_int_equal(pw_bit2_previous(words, summary, i), previous_by_steps(words, i));
        }
    }
}

static void the_next_bit_is_below_the_count_even_in_a_shared_last_word(void **state)
{
    (void)state;
    uint64_t words[2] = {0, (uint64_t)1 << 6};
    assert_int_equal(pw_bit_next(words, 70, 0), PW_BITMAP_NONE);
    assert_int_equal(pw_bit_next(words, 71, 0), 70);
    assert_int_equal(pw_bit_next(words, 71, 71), PW_BITMAP_NONE);
    assert_int_equal(pw_bit_next(words, 71, SIZE_MAX), PW_BITMAP_NONE);
}

static void the_summary_tells_exactly_which_words_are_not_zero(void **state)
{
    (void)state;
    uint64_t words[WORDS] = {0};
    uint64_t summary[SUMMARY_WORDS] = {0};
    uint64_t seed = 2;
    for (int round = 0; round < 20000; round++) {
        uint64_t random = pw_random_next(&seed);
        size_t index = (size_t)(random >> 8) % BITS;
        if (random % 2 == 0)
            pw_bit2_set(words, summary, index);
        else
            pw_bit2_clear(words, summary, index);
        assert_int_equal(pw_bit_test(words, index), random % 2 == 0);
        assert_int_equal(pw_bit_test(summary, index / 64), words[index / 64] != 0);
    }
}

/* ---- list ---- */

struct number {
    int value;
    struct pw_list link;
};

static void a_list_keeps_its_order_whatever_is_taken_out(void **state)
{
    (void)state;
    struct pw_list head;
    struct number numbers[5];
    pw_list_init(&head);
    assert_true(pw_list_is_empty(&head));
    for (int i = 0; i < 5; i++) {
        numbers[i].value = i;
        pw_list_append(&head, &numbers[i].link);
    }
    pw_list_remove(&numbers[0].link);
    pw_list_remove(&numbers[2].link);
    pw_list_remove(&numbers[4].link);
    pw_list_append(&head, &numbers[0].link);
    const int expected[] = {1, 3, 0};
    size_t count = 0;
    for (struct pw_list *at = head.next; at != &head; at = at->next)
        assert_int_equal(PW_LIST_ENTRY(at, struct number, link)->value, expected[count++]);
    assert_int_equal(count, 3);
}

static void an_element_that_was_taken_out_is_a_list_of_its_own(void **state)
{
    (void)state;
    struct pw_list head;
    struct pw_list link;
    pw_list_init(&head);
    pw_list_append(&head, &link);
    pw_list_remove(&link);
    assert_true(pw_list_is_empty(&head));
    assert_true(pw_list_is_empty(&link));
    pw_list_remove(&link);
    assert_true(pw_list_is_empty(&head));
}

/* ---- ENSURE ---- */

static void a_damaged_list_ends_the_process_and_says_what_does_not_hold(void **state)
{
    (void)state;
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        (void)dup2(ends[1], STDERR_FILENO);
        struct pw_list head;
        struct pw_list link;
        pw_list_init(&head);
        pw_list_append(&head, &link);
        head.next = &head;
        pw_list_remove(&link);
        _exit(0);
    }
    (void)close(ends[1]);
    char line[512];
    size_t length = 0;
    for (ssize_t got; (got = read(ends[0], line + length, sizeof line - 1 - length)) > 0;)
        length += (size_t)got;
    line[length] = '\0';
    (void)close(ends[0]);
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGABRT);
    const char expected[] = "pwheap: internal error: link->next->previous == link && "
                            "link->previous->next == link does not hold at ";
    assert_memory_equal(line, expected, sizeof expected - 1);
    assert_non_null(strstr(line, "base/list.h:"));
    assert_int_equal(line[length - 1], '\n');
}

/* ---- text ---- */

static void numbers_are_written_to_their_extremes(void **state)
{
    (void)state;
    char storage[256];
    struct pw_text text = pw_text_over(storage, sizeof storage);
    pw_text_dec(&text, 0);
    pw_text_char(&text, ' ');
    pw_text_dec(&text, UINT64_MAX);
    pw_text_char(&text, ' ');
    pw_text_int(&text, INT64_MIN);
    pw_text_char(&text, ' ');
    pw_text_int(&text, INT64_MAX);
    pw_text_char(&text, ' ');
    pw_text_hex(&text, 0, 0);
    pw_text_char(&text, ' ');
    pw_text_hex(&text, 0xbeef, 8);
    pw_text_char(&text, ' ');
    pw_text_hex(&text, UINT64_MAX, 4);
    pw_text_char(&text, ' ');
    pw_text_hex_digits(&text, 0x7, 2);
    pw_text_bytes(&text, " end and more", 4);
    assert_string_equal(storage, "0 18446744073709551615 -9223372036854775808 9223372036854775807 "
                                 "0x0 0x0000beef 0xffffffffffffffff 07 end");
    assert_int_equal(text.length, strlen(storage));
    assert_false(text.truncated);
}

static void what_does_not_fit_is_dropped_and_said(void **state)
{
    (void)state;
    for (size_t size = 1; size <= 8; size++) {
        char storage[16];
        memset(storage, '#', sizeof storage);
        struct pw_text text = pw_text_over(storage, size);
        pw_text_str(&text, "abcdef");
        size_t expected = size - 1 < 6 ? size - 1 : 6;
        assert_int_equal(text.length, expected);
        assert_memory_equal(storage, "abcdef", expected);
        assert_int_equal(storage[expected], '\0');
        assert_int_equal(storage[size], '#');
        assert_int_equal(text.truncated, size - 1 < 6);
    }
}

static void gather(void *context, const char *bytes, size_t length)
{
    struct pw_text *into = context;
    pw_text_bytes(into, bytes, length);
}

static void a_text_with_a_way_out_loses_nothing(void **state)
{
    (void)state;
    char gathered[64];
    char storage[4];
    struct pw_text into = pw_text_over(gathered, sizeof gathered);
    struct pw_text text = pw_text_over(storage, sizeof storage);
    text.flush = gather;
    text.context = &into;
    pw_text_str(&text, "longer than what it is built in");
    pw_text_flush(&text);
    pw_text_flush(&text);
    assert_string_equal(gathered, "longer than what it is built in");
    assert_false(text.truncated);
    assert_int_equal(text.length, 0);
}

/* ---- lock ---- */

enum { LOCK_THREADS = 8, LOCK_ROUNDS = 50000 };

static struct pw_lock counter_lock;
static uint64_t counter;

static void *count_up(void *unused)
{
    for (int i = 0; i < LOCK_ROUNDS; i++) {
        pw_lock_acquire(&counter_lock);
        counter++;
        pw_lock_release(&counter_lock);
    }
    return unused;
}

static void threads_that_take_a_lock_by_turns_lose_no_count(void **state)
{
    (void)state;
    pthread_t threads[LOCK_THREADS];
    for (int i = 0; i < LOCK_THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, count_up, NULL), 0);
    for (int i = 0; i < LOCK_THREADS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    assert_int_equal(counter, (uint64_t)LOCK_THREADS * LOCK_ROUNDS);
    assert_false(pw_lock_is_held(&counter_lock));
}

static void a_held_lock_can_neither_be_tried_nor_stays_held_after_reset(void **state)
{
    (void)state;
    struct pw_lock lock = {0};
    assert_true(pw_lock_try(&lock));
    assert_true(pw_lock_is_held(&lock));
    assert_false(pw_lock_try(&lock));
    pw_lock_reset(&lock);
    assert_true(pw_lock_try(&lock));
    pw_lock_release(&lock);
    assert_false(pw_lock_is_held(&lock));
}

/* ---- random ---- */

static void the_sequence_is_the_published_one_of_splitmix64(void **state)
{
    (void)state;
    uint64_t seed = 1234567;
    assert_true(pw_random_next(&seed) == 6457827717110365317u);
    assert_true(pw_random_next(&seed) == 3203168211198807973u);
    assert_true(pw_random_next(&seed) == 9817491932198370423u);
    assert_true(pw_random_next(&seed) == 4593380528125082431u);
    assert_true(pw_random_next(&seed) == 16408922859458223821u);
}

static void test_a_mangled_name_tells_what_is_of_a_language_s_library(void **state)
{
    (void)state;
    assert_true(pw_is_name_of_library("_ZNSt6vectorI4ItemSaIS0_EE17_M_realloc_insertIJS0_EEEvv"));
    assert_true(pw_is_name_of_library("_ZNKSt8functionIFvvEEclEv"));
    assert_true(pw_is_name_of_library("_ZStplIcSt11char_traitsIcESaIcEEvv"));
    assert_true(pw_is_name_of_library("_ZNSaIiE8allocateEm"));
    assert_true(pw_is_name_of_library("_ZN9__gnu_cxx13new_allocatorIiE8allocateEmPKv"));
    assert_false(pw_is_name_of_library("_ZL3addRSt6vectorIiSaIiEEi"));
    assert_false(pw_is_name_of_library("_ZN4shop5ShelfISt4pairIiiEE3putEv"));
    assert_false(pw_is_name_of_library("_ZN9__gnu_cx3putEv"));
    assert_true(pw_is_name_of_library("_ZN4core3mem4drop17h9bf994a3d27469d6E"));
    assert_true(pw_is_name_of_library("_ZN77_$LT$alloc..raw_vec..RawVec$LT$T$C$A$GT$$u20$as$u20$core..ops..drop..Drop$GT$4drop17h90849e19dbdbc1f4E"));
    assert_true(pw_is_name_of_library("_ZN62_$LT$T$u20$as$u20$alloc..vec..spec_from_elem..SpecFromElem$GT$9from_elem17h10bac8adc87ccc04E"));
    assert_true(pw_is_name_of_library("_RINvNtCsgEmfK2I1SDS_4core3mem4dropINtNtNtCs6xxl1lAjzDf_1a4deep2er6HoldermEEBD_"));
    assert_true(pw_is_name_of_library("_RNvXs1_NtCslNYArtu3iFV_5alloc7raw_vecINtB5_6RawVecmENtNtNtCsgEmfK2I1SDS_4core3ops4drop4Drop4dropCs6xxl1lAjzDf_1a"));
    assert_false(pw_is_name_of_library("_ZN4core3mem4dropEv")); /* C++, in a namespace */
    assert_false(pw_is_name_of_library("_ZN1a4main17h1854dee5fd9945b4E"));
    assert_false(pw_is_name_of_library("_ZN50_$LT$a..Item$u20$as$u20$core..ops..drop..Drop$GT$4drop17h1854dee5fd9945b4E"));
    assert_false(pw_is_name_of_library("_ZN50_$LT$hardcore..Item$u20$as$u20$std..fmt..Debug$GT$3fmt17h1854dee5fd9945b4E"));
    assert_false(pw_is_name_of_library("_RNvCs6xxl1lAjzDf_1a4main"));
    assert_false(pw_is_name_of_library("_R"));
    assert_false(pw_is_name_of_library("_RCs"));
    assert_false(pw_is_name_of_library("_ZN17h0123456789abcdefE"));
    assert_false(pw_is_name_of_library("_Z"));
    assert_false(pw_is_name_of_library("main"));
    assert_false(pw_is_name_of_library(NULL));
}

static void test_a_name_tells_what_hands_on_memory(void **state)
{
    (void)state;
    assert_true(pw_is_name_of_allocator("xmalloc"));
    assert_true(pw_is_name_of_allocator("g_malloc0_n"));
    assert_true(pw_is_name_of_allocator("mosquitto__strdup"));
    assert_true(pw_is_name_of_allocator("png_calloc"));
    assert_false(pw_is_name_of_allocator("_ZN4shop6mallocEv"));
    assert_true(pw_is_name_of_allocator("xreallocarray"));
    assert_true(pw_is_name_of_allocator("g_slice_alloc0"));
    assert_false(pw_is_name_of_allocator("calloc_block"));
    assert_false(pw_is_name_of_allocator("malloc0x"));
    assert_false(pw_is_name_of_allocator("allocate_table"));
    assert_false(pw_is_name_of_allocator("main"));
    assert_false(pw_is_name_of_allocator(""));
    assert_false(pw_is_name_of_allocator(NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_bit_is_found_from_both_sides_wherever_it_is),
        cmocka_unit_test(the_next_bit_is_below_the_count_even_in_a_shared_last_word),
        cmocka_unit_test(the_summary_tells_exactly_which_words_are_not_zero),
        cmocka_unit_test(a_list_keeps_its_order_whatever_is_taken_out),
        cmocka_unit_test(an_element_that_was_taken_out_is_a_list_of_its_own),
        cmocka_unit_test(a_damaged_list_ends_the_process_and_says_what_does_not_hold),
        cmocka_unit_test(numbers_are_written_to_their_extremes),
        cmocka_unit_test(what_does_not_fit_is_dropped_and_said),
        cmocka_unit_test(a_text_with_a_way_out_loses_nothing),
        cmocka_unit_test(threads_that_take_a_lock_by_turns_lose_no_count),
        cmocka_unit_test(a_held_lock_can_neither_be_tried_nor_stays_held_after_reset),
        cmocka_unit_test(the_sequence_is_the_published_one_of_splitmix64),
        cmocka_unit_test(test_a_mangled_name_tells_what_is_of_a_language_s_library),
        cmocka_unit_test(test_a_name_tells_what_hands_on_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
