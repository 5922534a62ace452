/* hidden_runtime.cc - strings and arrays that one C++ library makes and another deletes: no mismatch, all is malloc's. */
#include <cstdio>
#include <string>

extern "C" {
std::string *hidden_string(int length);
char *hidden_array(int length);
void hidden_delete(std::string *string);
void hidden_delete_array(char *array);
int hidden_catch(int depth);
}

int main()
{
    unsigned long sum = 0;
    for (int i = 1; i < 2000; i += 7) {
        std::string *string = hidden_string(i);
        char *array = hidden_array(i);
        sum += string->size() + (unsigned long)array[i - 1];
        delete string;
        delete[] array;
        hidden_delete(new std::string(std::size_t(i), 'z'));
        hidden_delete_array(new char[std::size_t(i)]);
    }
    std::printf("%lu, caught at %d\n", sum, hidden_catch(5));
    return 0;
}
