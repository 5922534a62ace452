/*
 * demangle.h - C++ names as people write them.
 *
 * heapdump is C: the demangler is that of libstdc++.so.6, opened when the first mangled name comes.
 * Where there is none, names stay as they are.
 */
#ifndef PW_HEAPDUMP_DEMANGLE_H
#define PW_HEAPDUMP_DEMANGLE_H

/* `name` demangled, or `name` itself. Until the next call. */
const char *demangle(const char *name);
/* Give back what demangle() holds. */
void demangle_close(void);

#endif
