/* no_thread_keys.c - linked into failing_calls_test.c: no key for thread-specific data is to be had. */
#include <errno.h>
#include <pthread.h>

extern unsigned keys_refused;
unsigned keys_refused;

int pthread_key_create(pthread_key_t *key, void (*destructor)(void *))
{
    (void)key;
    (void)destructor;
    keys_refused++;
    return EAGAIN;
}
