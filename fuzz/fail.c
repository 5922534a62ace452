/* fail.c - the last words of a harness. */
#include "harness.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int fuzz_output = STDERR_FILENO;

void fuzz_fail(const char *format, ...)
{
    char line[512];
    va_list values;
    va_start(values, format);
    int length = vsnprintf(line, sizeof line - 1, format, values);
    va_end(values);
    if (length > (int)sizeof line - 2)
        length = (int)sizeof line - 2;
    line[length] = '\n';
    (void)!write(fuzz_output, "fuzz: ", 6);
    (void)!write(fuzz_output, line, (size_t)length + 1);
    abort();
}
