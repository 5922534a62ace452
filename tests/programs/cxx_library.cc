/* cxx_library.cc - a C++ library for a C program: throws and catches, and lets nothing out. */
#include <cstdint>
#include <new>
#include <stdexcept>
#include <string>
#include <vector>

namespace {

void dig(int depth, std::vector<std::string> &words)
{
    words.push_back("word number " + std::to_string(depth) + ", long enough for a block of its own");
    if (depth == 0)
        throw std::out_of_range(words.front());
    std::string local(std::size_t(depth) * 10, 'x');
    dig(depth - 1, words);
}

} // namespace

extern "C" int cxx_catch(int depth)
{
    std::vector<std::string> words;
    try {
        dig(depth, words);
    } catch (const std::runtime_error &) {
        return -1;
    } catch (const std::out_of_range &error) {
        return int(words.size()) + (error.what() == words.front() ? 0 : -100000);
    }
    return -2;
}

extern "C" int cxx_run_out()
{
    try {
        volatile std::size_t size = SIZE_MAX / 2;
        char *volatile block = new char[size];
        delete[] block;
    } catch (const std::bad_alloc &) {
        return 1;
    }
    return 0;
}
