/* start_text.c - see maps.h */
#include "os/maps.h"

#include "os/process.h"

#include <string.h>

/* In /proc/self/stat, counted from the field behind the name, which may hold anything. */
enum { ARGUMENTS = 48 - 3, ENVIRONMENT = 50 - 3 };

static const char *skip_fields(const char *at, unsigned count)
{
    for (; count > 0 && at != NULL; count--) {
        at = strchr(at, ' ');
        at = at != NULL ? at + 1 : NULL;
    }
    return at;
}

static uint64_t take_number(const char **at)
{
    uint64_t number = 0;
    for (; **at >= '0' && **at <= '9'; (*at)++)
        number = number * 10 + (uint64_t)(**at - '0');
    *at += **at == ' ';
    return number;
}

/* Is it between the two numbers at `field`? */
static bool is_between(uint64_t address, const char *fields, unsigned field)
{
    const char *at = skip_fields(fields, field);
    if (at == NULL)
        return false;
    uint64_t start = take_number(&at);
    return address >= start && address < take_number(&at);
}

enum pw_os_start_text pw_os_start_text_at(uint64_t address)
{
    char text[1024];
    int64_t length = pw_os_read_file("/proc/self/stat", text, sizeof text - 1);
    if (length <= 0)
        return PW_OS_NO_START_TEXT;
    text[length] = '\0';
    const char *fields = skip_fields(strrchr(text, ')'), 1);
    if (is_between(address, fields, ARGUMENTS))
        return PW_OS_ARGUMENTS;
    return is_between(address, fields, ENVIRONMENT) ? PW_OS_ENVIRONMENT : PW_OS_NO_START_TEXT;
}
