/*
 * modules.h - which object an address of code belongs to, also after its dlclose.
 *
 * pw_modules_refresh walks the loader's list (dl_iterate_phdr: takes the loader's lock, so never
 * with a heap lock held, and not in a signal handler that may have interrupted the loader). Looking
 * up is lock-free and async-signal-safe. errno is left as it was.
 */
#ifndef PW_TRACE_MODULES_H
#define PW_TRACE_MODULES_H

#include "image/layout.h"

/* More than any program has of thread-local memory that comes with a thread. */
#define PW_STATIC_TLS_BYTES ((uint64_t)1 << 20)

/* Map the table. *count, where there is one, follows its length. False: no memory; no address is then known. */
bool pw_modules_init(_Atomic uint32_t *count);
/* The table for the root, and how many entries it has. */
struct pw_module *pw_modules_table(void);
uint32_t pw_modules_count(void);
/*
 * Take note of what is loaded now and what is no more. Entries are never removed. While another
 * thread is at it, wait a little and leave it to that one.
 */
void pw_modules_refresh(void);
/*
 * The same when the loader's counters (dlpi_adds, dlpi_subs) say that something changed; cheap, but
 * takes the loader's lock as well. When a library went, the unwinder's memory of its code goes too.
 */
void pw_modules_refresh_if_changed(void);
/* The module that holds `address`, loaded ones first, then the one loaded last; or NULL. */
const struct pw_module *pw_modules_find(uint64_t address);
/*
 * The module of which the thread whose thread pointer is given has a thread-local variable at `address`, as far as the
 * caller's own tell: of another thread those that come with it, not those of libraries opened later. NULL: none is
 * known. Takes the loader's lock, as refresh does.
 */
const struct pw_module *pw_modules_find_thread_local(uint64_t address, uint64_t thread_pointer);
/*
 * The name of the function that holds `address` (as in its symbol table, not demangled) into
 * `name`, and the offset in it. From the object's .symtab, else .dynsym, read off its file through
 * a private mapping. False: none is known. Not signal-safe in theory, in practice only system
 * calls.
 */
bool pw_modules_function(uint64_t address, char *name, size_t size, uint64_t *offset);
/* Address of the module's .eh_frame_hdr; 0: it has none. The module is one of the table. */
uint64_t pw_modules_unwind_table(const struct pw_module *module);
/* In the child of fork(): forget that another thread was refreshing. */
void pw_modules_after_fork(void);

#endif
