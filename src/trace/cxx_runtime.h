/*
 * cxx_runtime.h - objects that bring a C++ library of their own (-static-libstdc++) and call it directly: what
 * such an operator new gives is malloc's to us, and the operator delete that gets it may be ours all the same.
 * (Seen: libLLVM.so of the Rust toolchain, whose strings its linker deletes.) No mismatch then: on glibc
 * both ends are malloc's and free's.
 *
 * Both are lock-free but for the loader's lock; not for signal handlers. errno is left as it was.
 */
#ifndef PW_TRACE_CXX_RUNTIME_H
#define PW_TRACE_CXX_RUNTIME_H

#include "image/layout.h"

/*
 * May the call of malloc that returns to `pc` be made by an operator new (of an array or not) that the object
 * there brought itself? By the function's name; where the object has no names any more, it may be when it has a
 * C++ library in it.
 */
bool pw_cxx_may_be_new(uint64_t pc);
/*
 * Is there any object that has a C++ library in it, of those that are loaded now or were? Its operator delete
 * jumps to free, so that nothing tells a call of it from one of free.
 */
bool pw_cxx_is_hidden_somewhere(void);

#endif
