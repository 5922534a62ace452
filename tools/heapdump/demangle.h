/* demangle.h - names of C++, Rust and D as people write them: by libiberty, as the binutils and gdb do it. */
#ifndef PW_HEAPDUMP_DEMANGLE_H
#define PW_HEAPDUMP_DEMANGLE_H

#include <stdbool.h>

/* Does a name look like one that the linker alone knows? Other names are never touched: foo__bar is not Ada's. */
bool is_mangled(const char *name);
/* `name` demangled, or `name` itself. Until the next call. */
const char *demangle(const char *name);
/* Give back what demangle() holds. */
void demangle_close(void);

#endif
