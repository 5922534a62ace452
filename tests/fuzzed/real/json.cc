/*
 * json.cc - a target over JSON for Modern C++ (nlohmann) like the one that comes with it: the input is a document; it is
 * parsed, written, and what was written is parsed and must be the same.
 *
 * The library is headers, so all of it is instrumented; persistent mode.
 */
#include <cstdint>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <unistd.h>

__AFL_FUZZ_INIT();

static void take(const uint8_t *bytes, size_t count)
{
    try {
        nlohmann::json document = nlohmann::json::parse(bytes, bytes + count);
        std::string text = document.dump();
        if (nlohmann::json::parse(text).dump() != text)
            abort();
    } catch (const nlohmann::json::exception &) {
        /* what is no document, or a string that is no UTF-8 */
    }
}

int main()
{
    __AFL_INIT();
    const uint8_t *input = __AFL_FUZZ_TESTCASE_BUF;
    /* libdislocator never unmaps: after 10,000 inputs there is no room for one mapping more, and malloc gives nothing. */
    while (__AFL_LOOP(1000))
        take(input, __AFL_FUZZ_TESTCASE_LEN);
    return 0;
}
