/* text.c - see text.h */
#include "base/text.h"

#include <string.h>

struct pw_text pw_text_over(char *buffer, size_t size)
{
    buffer[0] = '\0';
    return (struct pw_text){.buffer = buffer, .capacity = size};
}

void pw_text_flush(struct pw_text *text)
{
    if (text->flush == NULL || text->length == 0)
        return;
    text->flush(text->context, text->buffer, text->length);
    text->length = 0;
    text->buffer[0] = '\0';
}

void pw_text_char(struct pw_text *text, char c)
{
    if (text->length + 1 >= text->capacity)
        pw_text_flush(text);
    if (text->length + 1 >= text->capacity) {
        text->truncated = true;
        return;
    }
    text->buffer[text->length++] = c;
    text->buffer[text->length] = '\0';
}

void pw_text_bytes(struct pw_text *text, const char *bytes, size_t length)
{
    for (size_t i = 0; i < length; i++)
        pw_text_char(text, bytes[i]);
}

void pw_text_str(struct pw_text *text, const char *str)
{
    for (; *str != '\0'; str++)
        pw_text_char(text, *str);
}

void pw_text_dec(struct pw_text *text, uint64_t value)
{
    char digits[20];
    size_t count = 0;
    do {
        digits[count++] = (char)('0' + value % 10);
        value /= 10;
    } while (value != 0);
    while (count > 0)
        pw_text_char(text, digits[--count]);
}

void pw_text_int(struct pw_text *text, int64_t value)
{
    if (value < 0)
        pw_text_char(text, '-');
    pw_text_dec(text, value < 0 ? -(uint64_t)value : (uint64_t)value);
}

void pw_text_hex_digits(struct pw_text *text, uint64_t value, unsigned digits)
{
    for (unsigned i = 16; i > 0; i--) {
        uint64_t rest = value >> (4 * (i - 1));
        if (rest != 0 || i <= digits || i == 1)
            pw_text_char(text, "0123456789abcdef"[rest & 15]);
    }
}

void pw_text_hex(struct pw_text *text, uint64_t value, unsigned digits)
{
    pw_text_str(text, "0x");
    pw_text_hex_digits(text, value, digits);
}

bool pw_has_prefix(const char *str, const char *prefix)
{
    while (*prefix != '\0' && *str == *prefix) {
        str++;
        prefix++;
    }
    return *prefix == '\0';
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Rust's names of "legacy" are C++'s, with a hash at the end: "17h", 16 digits and an "E". */
static bool ends_with_hash(const char *function)
{
    enum { HASH_LENGTH = 20 };
    size_t length = strlen(function);
    const char *hash = function + (length > HASH_LENGTH ? length - HASH_LENGTH : 0);
    return pw_has_prefix(hash, "17h") && hash[HASH_LENGTH - 1] == 'E';
}

/* The crates of Rust's library, each behind its length, as both manglings have them. */
static const char *const rust_crates[] = {"3std", "4core", "5alloc"};

/* Does a part of a name begin with one of them? */
static bool begins_with_rust_crate(const char *part)
{
    for (size_t i = 0; i < PW_ARRAY_SIZE(rust_crates); i++)
        if (pw_has_prefix(part, rust_crates[i]))
            return true;
    return false;
}

/* Is the crate of the first path ("alloc..vec..Vec") in a name one of them? */
static bool has_path_of_rust_crate(const char *name)
{
    const char *dots = strstr(name, "..");
    for (size_t i = 0; dots != NULL && i < PW_ARRAY_SIZE(rust_crates); i++) {
        const char *crate = rust_crates[i] + 1;
        size_t length = strlen(crate);
        if ((size_t)(dots - name) > length && dots[-(ptrdiff_t)length - 1] == '$' && pw_has_prefix(dots - length, crate))
            return true;
    }
    return false;
}

/* "_ZN4core3ptr…17h0123456789abcdefE"; of what is implemented, "_ZN9_$LT$core..…" or "_ZN9_$LT$T$u20$as$u20$core..…". */
static bool is_name_of_rust_library(const char *function)
{
    if (!pw_has_prefix(function, "_ZN") || !ends_with_hash(function))
        return false;
    function += 3;
    if (begins_with_rust_crate(function))
        return true;
    while (is_digit(*function))
        function++;
    return pw_has_prefix(function, "_$LT$") && has_path_of_rust_crate(function);
}

/* "_R…": the first crate that is named, "C", a hash ("s…_") and its name with its length, is that of the function. */
static bool is_name_of_rust_library_v0(const char *function)
{
    while (*function != '\0' && !pw_has_prefix(function, "Cs"))
        function++;
    while (*function != '\0' && *function != '_')
        function++;
    return *function == '_' && begins_with_rust_crate(function + 1);
}

/* "_Z" and, of a member, "N" and "K". "St" is std::, "Sa", "Ss" and so on are classes in it; "S_" and "S0_" come later. */
bool pw_is_name_of_library(const char *function)
{
    if (function == NULL || function[0] != '_')
        return false;
    if (function[1] == 'R')
        return is_name_of_rust_library_v0(function + 2);
    if (function[1] != 'Z')
        return false;
    if (is_name_of_rust_library(function))
        return true;
    function += 2;
    function += *function == 'N';
    function += *function == 'K';
    return pw_has_prefix(function, "9__gnu_cxx") || (function[0] == 'S' && function[1] >= 'a' && function[1] <= 'z');
}

const char *pw_path_basename(const char *path)
{
    const char *name = path;
    for (; *path != '\0'; path++)
        if (*path == '/')
            name = path + 1;
    return name;
}

/* Nothing but a number or "_n" may follow the word, as in g_malloc0_n: make_calloc_table hands on nothing. */
static bool ends_with_word(const char *str, const char *word)
{
    for (; *str != '\0'; str++) {
        if (!pw_has_prefix(str, word))
            continue;
        const char *rest = str + strlen(word);
        rest += is_digit(*rest);
        if (pw_has_prefix(rest, "_n") && rest[2] == '\0')
            rest += 2;
        if (*rest == '\0')
            return true;
    }
    return false;
}

bool pw_is_name_of_allocator(const char *function)
{
    static const char *const words[] = {"malloc", "calloc",  "realloc", "reallocarray", "memalign",
                                        "strdup", "strndup", "memdup",  "slice_alloc"};
    if (function == NULL || pw_has_prefix(function, "_Z") || pw_has_prefix(function, "_R"))
        return false;
    for (size_t i = 0; i < PW_ARRAY_SIZE(words); i++)
        if (ends_with_word(function, words[i]))
            return true;
    return false;
}

bool pw_is_path_of_runtime(const char *path)
{
    static const char *const names[] = {"libc.so", "libc-", "libstdc++.so", "libc++.so", "libpthread", "ld-linux",
                                        "ld-2", "libgcc_s", "ld-musl-", "libpwheap.so"};
    for (size_t i = 0; i < PW_ARRAY_SIZE(names); i++)
        if (pw_has_prefix(pw_path_basename(path), names[i]))
            return true;
    return false;
}
