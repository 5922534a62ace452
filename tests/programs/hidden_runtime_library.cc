/*
 * hidden_runtime_library.cc - a library with a C++ library of its own in it, not to be seen from outside: its
 * operator new and delete are malloc and free to everybody else.
 */
#include <cstring>
#include <new>
#include <stdexcept>
#include <string>

extern "C" {

std::string *hidden_string(int length)
{
    return new std::string(std::size_t(length), 'x');
}

char *hidden_array(int length)
{
    char *array = new char[std::size_t(length)];
    std::memset(array, 'y', std::size_t(length));
    return array;
}

void hidden_delete(std::string *string)
{
    delete string;
}

void hidden_delete_array(char *array)
{
    delete[] array;
}

int hidden_catch(int depth)
{
    try {
        if (depth == 0)
            throw std::bad_alloc();
        return hidden_catch(depth - 1) + 1;
    } catch (const std::length_error &) {
        return -1;
    } catch (const std::bad_alloc &) {
        return 0;
    }
}
}
