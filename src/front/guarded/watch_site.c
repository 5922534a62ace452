/* watch_site.c - see watch_site.h */
#include "front/guarded/watch_site.h"

#include "base/text.h"
#include "front/state.h"
#include "trace/depot.h"
#include "trace/modules.h"

#include <string.h>

enum { WORDS = 64, FRAMES = 8, SYMBOL_BYTES = 1024, KNOWN = 4096 };

static char words[WORDS];    /* all of it, for people */
static char name[WORDS];     /* the function's, or the object's */
static uint64_t code_offset; /* in the object, of the call; 0: it is a function */

/* Places in code and whether they are the one: address << 1 | is it. Looking one up takes a file's symbols. */
static _Atomic uint64_t known[KNOWN];

static bool read_hex(const char *digits, uint64_t *value)
{
    const char *at = digits;
    for (*value = 0; *at != '\0'; at++) {
        bool is_decimal = *at >= '0' && *at <= '9', is_letter = *at >= 'a' && *at <= 'f';
        if ((!is_decimal && !is_letter) || *value >> 60 != 0)
            return false;
        *value = *value << 4 | (uint64_t)(is_decimal ? *at - '0' : *at - 'a' + 10);
    }
    return at != digits;
}

bool pw_watch_site_set(const char *given, size_t length)
{
    if (length == 0 || length >= WORDS || (given[0] >= '0' && given[0] <= '9'))
        return false;
    memcpy(words, given, length);
    words[length] = '\0';
    memcpy(name, words, length + 1);
    char *offset = strstr(name, "+0x");
    if (offset == NULL)
        return strpbrk(name, "+-/ ") == NULL;
    *offset = '\0';
    return name[0] != '\0' && read_hex(offset + 3, &code_offset) && code_offset != 0;
}

const char *pw_watch_site_words(void)
{
    return words;
}

/* Itanium's mangling writes each name behind its length: _ZN5store10make_tableEv. */
static bool is_in_symbol(const char *symbol)
{
    size_t length = strlen(name);
    if (strncmp(symbol, "_Z", 2) != 0)
        return false;
    for (const char *at = strstr(symbol, name); at != NULL; at = strstr(at + 1, name)) {
        size_t written = 0, unit = 1;
        for (const char *digit = at - 1; digit > symbol && *digit >= '0' && *digit <= '9'; digit--, unit *= 10)
            written += unit * (size_t)(*digit - '0');
        if (written == length)
            return true;
    }
    return false;
}

/* Is the call before this return address the place? */
static bool is_the_call(uint64_t address)
{
    uint64_t in_call = address - 1, offset;
    char symbol[SYMBOL_BYTES];
    const struct pw_module *module = pw_modules_find(in_call);
    if (module == NULL)
        return false;
    if (code_offset != 0)
        return in_call - module->bias == code_offset &&
               (strcmp(name, module->path) == 0 || strcmp(name, pw_path_basename(module->path)) == 0);
    return pw_modules_function(in_call, symbol, sizeof symbol, &offset) &&
           (strcmp(symbol, name) == 0 || is_in_symbol(symbol));
}

bool pw_watch_site_is(uint32_t stack)
{
    uint64_t frames[FRAMES];
    size_t count = words[0] == '\0' || !pw_can_unwind ? 0 : pw_depot_get(stack, frames, FRAMES);
    for (size_t i = 0; i < count && i < FRAMES && frames[i] != 0; i++) {
        _Atomic uint64_t *place = &known[frames[i] * 0x9E3779B97F4A7C15u >> 52];
        uint64_t entry = atomic_load_explicit(place, memory_order_relaxed);
        if (entry >> 1 != frames[i]) {
            entry = frames[i] << 1 | is_the_call(frames[i]);
            atomic_store_explicit(place, entry, memory_order_relaxed);
        }
        if ((entry & 1) != 0)
            return true;
    }
    return false;
}
