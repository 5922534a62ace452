/* loader.h - what only some C libraries know of the dynamic loader. */
#ifndef PW_OS_LOADER_H
#define PW_OS_LOADER_H

#include <dlfcn.h>

/* The flag of dlopen for a library whose own symbols come before those of the program; 0: there is none. */
#ifdef RTLD_DEEPBIND
enum { PW_OS_DEEPBIND = RTLD_DEEPBIND };
#else
enum { PW_OS_DEEPBIND = 0 };
#endif

#endif
