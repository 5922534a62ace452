/*
 * helgrind.h - included before everything by helgrind.sh: what C11's atomics mean, in helgrind's words. It takes them for
 * plain accesses: so what an atomic operation goes to is not looked at, and a store, but for relaxed ones, is before the
 * load that gets it.
 */
#include <stdatomic.h>
#include <valgrind/helgrind.h>

#define TELL_ATOMIC(p) do { VALGRIND_HG_DISABLE_CHECKING((const void *)(p), sizeof *(p)); } while (0)
#define TELL_BOTH(p, operation)                                                                    \
    ({                                                                                             \
        TELL_ATOMIC(p);                                                                            \
        ANNOTATE_HAPPENS_BEFORE(p);                                                                \
        __auto_type told_ = (operation);                                                           \
        ANNOTATE_HAPPENS_AFTER(p);                                                                 \
        told_;                                                                                     \
    })

#undef atomic_load
#undef atomic_load_explicit
#undef atomic_store
#undef atomic_store_explicit
#undef atomic_exchange
#undef atomic_exchange_explicit
#undef atomic_fetch_add
#undef atomic_fetch_add_explicit
#undef atomic_fetch_sub
#undef atomic_fetch_sub_explicit
#undef atomic_fetch_or
#undef atomic_fetch_or_explicit
#undef atomic_fetch_and
#undef atomic_fetch_and_explicit
#undef atomic_compare_exchange_strong
#undef atomic_compare_exchange_strong_explicit
#undef atomic_compare_exchange_weak_explicit

#define atomic_load_explicit(p, order)                                                             \
    ({                                                                                             \
        TELL_ATOMIC(p);                                                                            \
        __auto_type told_ = __atomic_load_n(p, __ATOMIC_SEQ_CST);                                  \
        if ((order) != memory_order_relaxed)                                                       \
            ANNOTATE_HAPPENS_AFTER(p);                                                             \
        told_;                                                                                     \
    })
#define atomic_store_explicit(p, value, order)                                                     \
    ({                                                                                             \
        TELL_ATOMIC(p);                                                                            \
        if ((order) != memory_order_relaxed)                                                       \
            ANNOTATE_HAPPENS_BEFORE(p);                                                            \
        __atomic_store_n(p, value, __ATOMIC_SEQ_CST);                                              \
    })
#define atomic_exchange_explicit(p, v, o) TELL_BOTH(p, __atomic_exchange_n(p, v, __ATOMIC_SEQ_CST))
#define atomic_fetch_add_explicit(p, v, o) TELL_BOTH(p, __atomic_fetch_add(p, v, __ATOMIC_SEQ_CST))
#define atomic_fetch_sub_explicit(p, v, o) TELL_BOTH(p, __atomic_fetch_sub(p, v, __ATOMIC_SEQ_CST))
#define atomic_fetch_or_explicit(p, v, o) TELL_BOTH(p, __atomic_fetch_or(p, v, __ATOMIC_SEQ_CST))
#define atomic_fetch_and_explicit(p, v, o) TELL_BOTH(p, __atomic_fetch_and(p, v, __ATOMIC_SEQ_CST))
#define atomic_compare_exchange_strong_explicit(p, e, d, s, f)                                     \
    TELL_BOTH(p, __atomic_compare_exchange_n(p, e, d, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
#define atomic_compare_exchange_weak_explicit atomic_compare_exchange_strong_explicit

#define atomic_load(p) atomic_load_explicit(p, memory_order_seq_cst)
#define atomic_store(p, v) atomic_store_explicit(p, v, memory_order_seq_cst)
#define atomic_exchange(p, v) atomic_exchange_explicit(p, v, 0)
#define atomic_fetch_add(p, v) atomic_fetch_add_explicit(p, v, 0)
#define atomic_fetch_sub(p, v) atomic_fetch_sub_explicit(p, v, 0)
#define atomic_compare_exchange_strong(p, e, d) atomic_compare_exchange_strong_explicit(p, e, d, 0, 0)
