/*
 * cxx_test.cc - operator new and delete in all their forms, and C++ on top of them. Runs on plain
 * glibc with libstdc++ too: what is asserted is true of both, unless on_pwheap says otherwise.
 */
#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <dlfcn.h>
#include <future>
#include <malloc.h>
#include <map>
#include <memory>
#include <memory_resource>
#include <new>
#include <sstream>
#include <stdexcept>
#include <string>
#include <sys/resource.h>
#include <thread>
#include <vector>

#include <csetjmp>
#include <cstdarg>
#include <cstddef>
#include <cstdint>

extern "C" {
#include <cmocka.h> /* after the others: its fail is a macro */
}

namespace {

bool on_pwheap; /* these operators are pwheap's own: not where libstdc++ is in the program */

template <typename T> T hidden(T value)
{
    volatile T copy = value;
    return copy;
}

const std::size_t sizes[] = {0, 1, 15, 16, 24, 64, 100, 1000, 4096, 16384, 16385, 100000, 1 << 20};
const std::size_t aligns[] = {1, 2, 8, 16, 32, 64, 128, 4096, 65536};
const std::size_t impossible[] = {std::size_t(1) << 47, PTRDIFF_MAX, std::size_t(PTRDIFF_MAX) + 1, SIZE_MAX - 100,
                                  SIZE_MAX};

void assert_good(void *block, std::size_t size, std::size_t align)
{
    assert_non_null(block);
    assert_int_equal(reinterpret_cast<std::uintptr_t>(block) % align, 0);
    if (on_pwheap)
        assert_int_equal(malloc_usable_size(block), size);
    std::memset(block, 0x5a, size);
}

void every_form_of_new_gives_memory_that_every_fitting_delete_takes(void **)
{
    for (std::size_t size : sizes) {
        for (int form = 0; form < 3; form++) {
            void *one = form == 0 ? ::operator new(size) : ::operator new(size, std::nothrow);
            void *many = form == 0 ? ::operator new[](size) : ::operator new[](size, std::nothrow);
            assert_good(one, size, 16);
            assert_good(many, size, 16);
            if (form == 0) {
                ::operator delete(one);
                ::operator delete[](many);
            } else if (form == 1) {
                ::operator delete(one, size);
                ::operator delete[](many, size);
            } else {
                ::operator delete(one, std::nothrow);
                ::operator delete[](many, std::nothrow);
            }
        }
    }
}

void every_aligned_form_of_new_gives_memory_that_every_fitting_delete_takes(void **)
{
    for (std::size_t number : aligns) {
        auto align = std::align_val_t(number);
        for (std::size_t size : sizes) {
            for (int form = 0; form < 3; form++) {
                void *one = form == 0 ? ::operator new(size, align) : ::operator new(size, align, std::nothrow);
                void *many = form == 0 ? ::operator new[](size, align) : ::operator new[](size, align, std::nothrow);
                if (on_pwheap) {
                    assert_good(one, size, number);
                    assert_good(many, size, number);
                }
                if (form == 0) {
                    ::operator delete(one, align);
                    ::operator delete[](many, align);
                } else if (form == 1) {
                    ::operator delete(one, size, align);
                    ::operator delete[](many, size, align);
                } else {
                    ::operator delete(one, align, std::nothrow);
                    ::operator delete[](many, align, std::nothrow);
                }
            }
        }
    }
}

void every_delete_takes_null(void **)
{
    void *null = hidden<void *>(nullptr);
    auto align = std::align_val_t(64);
    errno = 4711;
    ::operator delete(null);
    ::operator delete[](null);
    ::operator delete(null, std::size_t(5));
    ::operator delete[](null, std::size_t(5));
    ::operator delete(null, std::nothrow);
    ::operator delete[](null, std::nothrow);
    ::operator delete(null, align);
    ::operator delete[](null, align);
    ::operator delete(null, std::size_t(5), align);
    ::operator delete[](null, std::size_t(5), align);
    ::operator delete(null, align, std::nothrow);
    ::operator delete[](null, align, std::nothrow);
    assert_int_equal(errno, 4711);
}

struct Small {
    int value = 7;
};
struct WithDestructor {
    static int destroyed;
    std::string text = "a string that is longer than what fits within the object itself";
    ~WithDestructor() { destroyed++; }
};
int WithDestructor::destroyed;
struct alignas(256) OverAligned {
    char bytes[300] = {1};
    virtual ~OverAligned() = default;
};
struct Base {
    virtual ~Base() = default;
    int base = 1;
};
struct Derived : Base {
    char more[500] = {2};
};

void new_expressions_of_every_kind_of_type_work(void **)
{
    for (int i = 0; i < 100; i++) {
        delete new Small;
        delete[] new Small[5];
        delete[] new Small[std::size_t(hidden(0))];
        delete new WithDestructor;
        delete[] new WithDestructor[7];
        auto *aligned = new OverAligned, *array = new OverAligned[3];
        assert_int_equal(reinterpret_cast<std::uintptr_t>(aligned) % 256, 0);
        assert_int_equal(reinterpret_cast<std::uintptr_t>(array) % 256, 0);
        delete aligned;
        delete[] array;
        Base *base = new Derived; /* its deleting destructor knows the size */
        delete base;
        delete new (std::nothrow) WithDestructor;
        int (*rows)[10] = new int[std::size_t(hidden(4))][10];
        rows[3][9] = 1;
        delete[] rows;
    }
    assert_int_equal(WithDestructor::destroyed, 100 * 9);
}

/* -- Out of memory */

template <typename Function> bool throws_bad_alloc(Function function)
{
    try {
        (void)function();
    } catch (const std::bad_alloc &error) {
        return std::strcmp(error.what(), "std::bad_alloc") == 0;
    }
    return false;
}

void impossible_sizes_throw_bad_alloc(void **)
{
    for (std::size_t number : impossible) {
        std::size_t size = hidden(number);
        assert_true(throws_bad_alloc([=] { return ::operator new(size); }));
        assert_true(throws_bad_alloc([=] { return ::operator new[](size); }));
        if (size > SIZE_MAX - 4096 && !on_pwheap)
            continue; /* libstdc++ 12 rounds these up to 0 */
        assert_true(throws_bad_alloc([=] { return ::operator new(size, std::align_val_t(64)); }));
        assert_true(throws_bad_alloc([=] { return ::operator new[](size, std::align_val_t(4096)); }));
    }
    assert_true(throws_bad_alloc([] { return ::operator new(1, std::align_val_t(hidden(std::size_t(1) << 62))); }));
}

void impossible_sizes_give_null_to_nothrow(void **)
{
    for (std::size_t number : impossible) {
        std::size_t size = hidden(number);
        assert_null(::operator new(size, std::nothrow));
        assert_null(::operator new[](size, std::nothrow));
        if (size > SIZE_MAX - 4096 && !on_pwheap)
            continue;
        assert_null(::operator new(size, std::align_val_t(64), std::nothrow));
        assert_null(::operator new[](size, std::align_val_t(4096), std::nothrow));
    }
}

void alignments_that_are_no_power_of_two_are_refused(void **)
{
    for (std::size_t number : {std::size_t(3), std::size_t(24), std::size_t(65), SIZE_MAX}) {
        auto align = std::align_val_t(hidden(number));
        assert_true(throws_bad_alloc([=] { return ::operator new(10, align); }));
        assert_true(throws_bad_alloc([=] { return ::operator new[](10, align); }));
        assert_null(::operator new(10, align, std::nothrow));
        assert_null(::operator new[](10, align, std::nothrow));
    }
}

void arrays_whose_size_overflows_throw(void **)
{
    bool thrown = false;
    try {
        delete[] new WithDestructor[hidden(SIZE_MAX / 4)];
    } catch (const std::bad_alloc &) { /* or the bad_array_new_length that is one */
        thrown = true;
    }
    assert_true(thrown);
}

int handled;

struct HandlerError : std::bad_alloc {
    const char *what() const noexcept override { return "the handler's own"; }
};

void give_up_at_third_call()
{
    if (++handled == 3)
        std::set_new_handler(nullptr);
}

void throw_at_second_call()
{
    if (++handled == 2)
        throw HandlerError();
}

void the_new_handler_is_called_until_it_gives_up(void **)
{
    const std::size_t size = hidden(std::size_t(PTRDIFF_MAX));
    for (int form = 0; form < 4; form++) {
        handled = 0;
        std::set_new_handler(give_up_at_third_call);
        if (form == 0)
            assert_true(throws_bad_alloc([=] { return ::operator new(size); }));
        else if (form == 1)
            assert_true(throws_bad_alloc([=] { return ::operator new[](size, std::align_val_t(64)); }));
        else if (form == 2)
            assert_null(::operator new(size, std::nothrow));
        else
            assert_null(::operator new[](size, std::align_val_t(64), std::nothrow));
        assert_int_equal(handled, 3);
        assert_true(std::get_new_handler() == nullptr);
    }
}

void what_the_new_handler_throws_is_what_the_caller_gets(void **)
{
    const std::size_t size = hidden(std::size_t(PTRDIFF_MAX));
    for (int form = 0; form < 2; form++) {
        std::string caught;
        handled = 0;
        std::set_new_handler(throw_at_second_call);
        try {
            (void)(form == 0 ? ::operator new(size) : ::operator new[](size, std::align_val_t(64)));
        } catch (const HandlerError &error) {
            caught = error.what();
        }
        std::set_new_handler(nullptr);
        assert_string_equal(caught.c_str(), "the handler's own");
        assert_int_equal(handled, 2);
    }
}

void a_nothrow_form_gives_null_when_the_new_handler_throws(void **)
{
    const std::size_t size = hidden(std::size_t(PTRDIFF_MAX));
    for (int form = 0; form < 4; form++) {
        void *block = &block;
        handled = 0;
        std::set_new_handler(throw_at_second_call);
        if (form == 0)
            block = ::operator new(size, std::nothrow);
        else if (form == 1)
            block = ::operator new[](size, std::nothrow);
        else if (form == 2)
            block = ::operator new(size, std::align_val_t(64), std::nothrow);
        else
            block = ::operator new[](size, std::align_val_t(64), std::nothrow);
        std::set_new_handler(nullptr);
        assert_null(block);
        assert_int_equal(handled, 2);
    }
}

std::size_t address_space_bytes()
{
    unsigned long pages = 0;
    FILE *file = std::fopen("/proc/self/statm", "re");
    assert_int_equal(std::fscanf(file, "%lu", &pages), 1);
    (void)std::fclose(file);
    return pages * 4096;
}

/* Where even the exception has to be made while there is no memory. */
void a_program_that_runs_out_catches_bad_alloc_and_goes_on(void **)
{
    struct rlimit before, little;
    assert_int_equal(getrlimit(RLIMIT_AS, &before), 0);
    little = before;
    little.rlim_cur = address_space_bytes() + 64 * 1024 * 1024;
    assert_int_equal(setrlimit(RLIMIT_AS, &little), 0);
    for (int round = 0; round < 3; round++) {
        std::vector<std::unique_ptr<char[]>> kept;
        kept.reserve(100000);
        bool thrown = false;
        for (std::size_t size : {std::size_t(1 << 20), std::size_t(5000), std::size_t(64)}) {
            thrown = false;
            try {
                while (kept.size() < kept.capacity())
                    kept.emplace_back(new char[size]);
            } catch (const std::bad_alloc &) {
                thrown = true;
            }
        }
        assert_true(thrown || kept.size() == kept.capacity());
    }
    assert_int_equal(setrlimit(RLIMIT_AS, &before), 0);
    assert_int_equal(std::string(100000, 'x').size(), 100000);
}

/* -- Exceptions */

void throw_deep(int depth, const std::string &words)
{
    std::vector<std::string> local(3, words);
    if (depth == 0)
        throw std::runtime_error(local[2]);
    throw_deep(depth - 1, words);
}

void exceptions_pass_through_frames_that_allocate(void **)
{
    for (int i = 0; i < 200; i++) {
        std::string caught;
        try {
            throw_deep(i % 20, "thrown from below, and long enough for a block of its own");
        } catch (const std::runtime_error &error) {
            caught = error.what();
        }
        assert_string_equal(caught.c_str(), "thrown from below, and long enough for a block of its own");
    }
}

struct ThrowsInConstructor {
    explicit ThrowsInConstructor(int i)
    {
        if (i == 3)
            throw std::logic_error("no");
    }
    std::string text = "a string that is longer than what fits within the object itself";
};

/* The expression gives the memory back with the delete that belongs to its new. */
void a_constructor_that_throws_leaves_nothing_behind(void **)
{
    std::size_t before = mallinfo2().uordblks;
    for (int i = 0; i < 100; i++) {
        try {
            delete new ThrowsInConstructor(3);
            fail();
        } catch (const std::logic_error &) {
        }
        try {
            auto one = std::make_unique<ThrowsInConstructor>(2);
            auto two = std::make_shared<ThrowsInConstructor>(3);
            fail();
        } catch (const std::logic_error &) {
        }
    }
    if (on_pwheap)
        assert_int_equal(mallinfo2().uordblks, before);
}

void exceptions_cross_threads(void **)
{
    for (int i = 0; i < 20; i++) {
        std::future<int> result = std::async(std::launch::async, []() -> int {
            throw_deep(5, "thrown in a thread, and long enough for a block of its own");
            return 0;
        });
        std::string caught;
        try {
            (void)result.get();
        } catch (const std::runtime_error &error) {
            caught = error.what();
        }
        assert_string_equal(caught.c_str(), "thrown in a thread, and long enough for a block of its own");
    }
}

/* -- The library on top */

struct Remembers {
    std::map<int, std::string> entries;
    static std::atomic<int> destroyed;
    ~Remembers()
    {
        std::string sum; /* allocates at the very end of its thread */
        for (auto &entry : entries)
            sum += entry.second;
        if (sum.size() == 100 * 40)
            destroyed++;
    }
};
std::atomic<int> Remembers::destroyed;
thread_local Remembers remembers;

void destructors_of_thread_locals_allocate(void **)
{
    for (int i = 0; i < 20; i++) {
        std::thread([] {
            for (int j = 0; j < 100; j++)
                remembers.entries[j] = std::string(40, 'y');
        }).join();
    }
    assert_int_equal(Remembers::destroyed, 20);
}

void memory_resources_align_as_they_are_asked_to(void **)
{
    std::pmr::memory_resource *plain = std::pmr::new_delete_resource();
    for (std::size_t align : aligns) {
        for (std::size_t size : sizes) {
            if (size == 0)
                continue;
            void *block = plain->allocate(size, align);
            assert_int_equal(reinterpret_cast<std::uintptr_t>(block) % align, 0);
            std::memset(block, 1, size);
            plain->deallocate(block, size, align);
        }
    }
    std::pmr::synchronized_pool_resource pool;
    std::pmr::monotonic_buffer_resource buffer(&pool);
    std::pmr::vector<std::pmr::string> words(&buffer);
    for (int i = 0; i < 1000; i++)
        words.emplace_back(std::size_t(i), 'z');
    assert_int_equal(words[999].size(), 999);
}

void containers_and_streams_work(void **)
{
    std::ostringstream out;
    std::map<std::string, std::vector<int>> counts;
    for (int i = 0; i < 5000; i++)
        counts["key " + std::to_string(i % 97) + std::string(std::size_t(i % 50), '.')].push_back(i);
    for (auto &[key, values] : counts)
        out << key << values.size();
    assert_int_equal(out.str().size() > 10000, 1);
    std::vector<std::shared_ptr<Base>> all;
    for (int i = 0; i < 1000; i++)
        all.push_back(i % 2 == 0 ? std::make_shared<Derived>() : std::make_shared<Base>());
    assert_int_equal(all.size(), 1000);
}

} // namespace

int main()
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_form_of_new_gives_memory_that_every_fitting_delete_takes),
        cmocka_unit_test(every_aligned_form_of_new_gives_memory_that_every_fitting_delete_takes),
        cmocka_unit_test(every_delete_takes_null),
        cmocka_unit_test(new_expressions_of_every_kind_of_type_work),
        cmocka_unit_test(impossible_sizes_throw_bad_alloc),
        cmocka_unit_test(impossible_sizes_give_null_to_nothrow),
        cmocka_unit_test(alignments_that_are_no_power_of_two_are_refused),
        cmocka_unit_test(arrays_whose_size_overflows_throw),
        cmocka_unit_test(the_new_handler_is_called_until_it_gives_up),
        cmocka_unit_test(what_the_new_handler_throws_is_what_the_caller_gets),
        cmocka_unit_test(a_nothrow_form_gives_null_when_the_new_handler_throws),
        cmocka_unit_test(a_program_that_runs_out_catches_bad_alloc_and_goes_on),
        cmocka_unit_test(exceptions_pass_through_frames_that_allocate),
        cmocka_unit_test(a_constructor_that_throws_leaves_nothing_behind),
        cmocka_unit_test(exceptions_cross_threads),
        cmocka_unit_test(destructors_of_thread_locals_allocate),
        cmocka_unit_test(memory_resources_align_as_they_are_asked_to),
        cmocka_unit_test(containers_and_streams_work),
    };
    Dl_info info;
    on_pwheap = dladdr(reinterpret_cast<void *>(static_cast<void *(*)(std::size_t)>(::operator new)), &info) != 0 &&
                std::strstr(info.dli_fname, "libpwheap") != nullptr;
    bool is_preloaded = dlsym(RTLD_DEFAULT, "pwheap_image_root") != nullptr;
    const char *expected = std::getenv("PW_TEST_HEAP");
    if (expected != nullptr && is_preloaded != (std::strcmp(expected, "pwheap") == 0)) {
        (void)std::fprintf(stderr, "the heap is not %s\n", expected);
        return 1;
    }
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
