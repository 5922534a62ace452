/*
 * list.h - the functions of libc that libpwheap.so provides to the program, once: this list is
 * the exported functions (libc/entry.c), the table of libc's own versions and the declarations of the
 * checked ones (libc.h). Each has its checked version in the file named.
 */
#ifndef PW_FRONT_LIBC_LIST_H
#define PW_FRONT_LIBC_LIST_H

#define PW_LIBC_MEMORY(F) /* libc/memory.c */                                                      \
    F(memcpy) F(mempcpy) F(memmove) F(memset) F(memccpy) F(memchr) F(rawmemchr) F(memrchr)         \
    F(memcmp) F(bcmp) F(bcopy) F(bzero) F(explicit_bzero)                                          \
    F(__memcpy_chk) F(__mempcpy_chk) F(__memmove_chk) F(__memset_chk) F(__explicit_bzero_chk)

#define PW_LIBC_STRING(F) /* libc/string.c, libc/compare.c */                                      \
    F(strlen) F(strnlen) F(strcpy) F(stpcpy) F(strncpy) F(stpncpy) F(strcat) F(strncat)            \
    F(strdup) F(strndup) F(__strdup) F(__strndup)                                                  \
    F(__strcpy_chk) F(__stpcpy_chk) F(__strncpy_chk) F(__stpncpy_chk) F(__strcat_chk)              \
    F(__strncat_chk)                                                                               \
    F(strchr) F(strrchr) F(index) F(rindex) F(strchrnul) F(strstr) F(strcasestr)                   \
    F(strcmp) F(strncmp) F(strcasecmp) F(strncasecmp)

#define PW_LIBC_WIDE(F) /* libc/wide.c */                                                          \
    F(wcslen) F(wcsnlen) F(wcscpy) F(wcpcpy) F(wcsncpy) F(wcpncpy) F(wcscat) F(wcsncat)            \
    F(wcscmp) F(wcsncmp) F(wcschr) F(wcsrchr) F(wcsdup)                                            \
    F(wmemcpy) F(wmempcpy) F(wmemmove) F(wmemset) F(wmemcmp) F(wmemchr)                            \
    F(__wcscpy_chk) F(__wcpcpy_chk) F(__wcsncpy_chk) F(__wcscat_chk) F(__wcsncat_chk)              \
    F(__wmemcpy_chk) F(__wmempcpy_chk) F(__wmemmove_chk) F(__wmemset_chk)

#define PW_LIBC_FORMAT(F) /* libc/format.c */                                                      \
    F(sprintf) F(snprintf) F(swprintf) F(__sprintf_chk) F(__snprintf_chk) F(__swprintf_chk)        \
    F(vsprintf) F(vsnprintf) F(vswprintf) F(__vsprintf_chk) F(__vsnprintf_chk) F(__vswprintf_chk)

#define PW_LIBC_PRINT(F) /* libc/print.c */                                                        \
    F(printf) F(vprintf) F(fprintf) F(vfprintf) F(dprintf) F(vdprintf) F(asprintf) F(vasprintf)    \
    F(wprintf) F(vwprintf) F(fwprintf) F(vfwprintf)                                                \
    F(__printf_chk) F(__vprintf_chk) F(__fprintf_chk) F(__vfprintf_chk) F(__dprintf_chk)           \
    F(__vdprintf_chk) F(__asprintf_chk) F(__vasprintf_chk) F(__wprintf_chk) F(__vwprintf_chk)      \
    F(__fwprintf_chk) F(__vfwprintf_chk)

#define PW_LIBC_STREAM(F) /* libc/stream.c */                                                      \
    F(fgets) F(fgets_unlocked) F(fgetws) F(fread) F(fread_unlocked) F(fwrite) F(fwrite_unlocked)   \
    F(fputs) F(puts) F(getline) F(getdelim) F(__getdelim)                                          \
    F(__fgets_chk) F(__fgets_unlocked_chk) F(__fread_chk) F(__fread_unlocked_chk)

#define PW_LIBC_DESCRIPTOR(F) /* libc/descriptor.c */                                              \
    F(read) F(pread) F(pread64) F(write) F(pwrite) F(pwrite64)                                     \
    F(readv) F(preadv) F(preadv64) F(writev) F(pwritev) F(pwritev64)                               \
    F(recv) F(recvfrom) F(recvmsg) F(send) F(sendto) F(sendmsg)                                    \
    F(__read_chk) F(__pread_chk) F(__pread64_chk) F(__recv_chk) F(__recvfrom_chk)

#define PW_LIBC_OTHER(F) /* libc/other.c */                                                        \
    F(readlink) F(readlinkat) F(getcwd) F(realpath) F(strftime) F(qsort) F(iconv)                  \
    F(__readlink_chk) F(__readlinkat_chk) F(__getcwd_chk) F(__realpath_chk)

#define PW_LIBC_HANDLE(F) /* libc/handle.c */                                                      \
    F(pthread_mutex_lock) F(pthread_mutex_trylock) F(pthread_mutex_timedlock)                      \
    F(pthread_mutex_clocklock) F(pthread_mutex_unlock) F(pthread_mutex_destroy)                    \
    F(pthread_rwlock_rdlock) F(pthread_rwlock_tryrdlock) F(pthread_rwlock_timedrdlock)             \
    F(pthread_rwlock_clockrdlock) F(pthread_rwlock_wrlock) F(pthread_rwlock_trywrlock)             \
    F(pthread_rwlock_timedwrlock) F(pthread_rwlock_clockwrlock) F(pthread_rwlock_unlock)           \
    F(pthread_rwlock_destroy)                                                                      \
    F(pthread_cond_wait) F(pthread_cond_timedwait) F(pthread_cond_clockwait)                       \
    F(pthread_cond_signal) F(pthread_cond_broadcast) F(pthread_cond_destroy)                       \
    F(pthread_barrier_wait) F(pthread_barrier_destroy)                                             \
    F(pthread_spin_lock) F(pthread_spin_trylock) F(pthread_spin_unlock)                            \
    F(sem_wait) F(sem_trywait) F(sem_timedwait) F(sem_clockwait) F(sem_post) F(sem_destroy)        \
    F(mtx_lock) F(mtx_trylock) F(mtx_timedlock) F(mtx_unlock) F(mtx_destroy)                       \
    F(cnd_wait) F(cnd_timedwait) F(cnd_signal) F(cnd_broadcast) F(cnd_destroy)                     \
    F(fclose) F(fflush)

#define PW_LIBC_FOLDER(F) /* libc/handle.c; these at fast too */                                   \
    F(readdir) F(readdir64) F(rewinddir) F(telldir) F(seekdir) F(closedir)

#define PW_LIBC_AT_FULL(F)                                                                          \
    PW_LIBC_MEMORY(F)                                                                              \
    PW_LIBC_STRING(F)                                                                              \
    PW_LIBC_WIDE(F)                                                                                \
    PW_LIBC_FORMAT(F)                                                                              \
    PW_LIBC_PRINT(F)                                                                               \
    PW_LIBC_STREAM(F)                                                                              \
    PW_LIBC_DESCRIPTOR(F)                                                                          \
    PW_LIBC_OTHER(F)                                                                               \
    PW_LIBC_HANDLE(F)

#define PW_LIBC_LIST(F)                                                                            \
    PW_LIBC_AT_FULL(F)                                                                             \
    PW_LIBC_FOLDER(F)

#endif
