/*
 * descriptor.c - system calls that are given ranges. What counts is the size that the kernel is
 * told, for it may use all of it. Into a page guard it would only fail with EFAULT. See libc.h.
 */
#include "front/libc/libc.h"
#include "os/memory.h"

#include <limits.h>

enum { NEAR_STACK_BYTES = 4096 };

/*
 * Can it be read? Else the kernel says EFAULT, which is the program's to hear of. Mostly it is one of the caller's
 * variables, and need not be asked about.
 */
static bool is_readable(const void *at, size_t bytes)
{
    uint64_t above = (uint64_t)at - (uint64_t)__builtin_frame_address(0);
    return (above < NEAR_STACK_BYTES && bytes < NEAR_STACK_BYTES - above) || pw_os_is_readable(at, bytes);
}

static void check_vectors(const struct pw_site *site, const struct iovec *vectors, size_t count,
                          enum pw_access access)
{
    if (count > IOV_MAX)
        return; /* EINVAL */
    pw_check_read(site, vectors, count * sizeof *vectors);
    if (!is_readable(vectors, count * sizeof *vectors))
        return;
    for (size_t i = 0; i < count; i++)
        pw_check_range(site, vectors[i].iov_base, vectors[i].iov_len, access);
}

/* A negative count is none. */
static void check_gather(const struct pw_site *site, const struct iovec *vectors, int count)
{
    check_vectors(site, vectors, count > 0 ? (size_t)count : 0, PW_ACCESS_READ);
}

static void check_scatter(const struct pw_site *site, const struct iovec *vectors, int count)
{
    check_vectors(site, vectors, count > 0 ? (size_t)count : 0, PW_ACCESS_WRITE);
}

static void check_message(const struct pw_site *site, const struct msghdr *message, enum pw_access access)
{
    pw_check_read(site, message, sizeof *message);
    if (!is_readable(message, sizeof *message))
        return;
    pw_check_range(site, message->msg_name, message->msg_name != NULL ? message->msg_namelen : 0, access);
    pw_check_range(site, message->msg_control, message->msg_control != NULL ? message->msg_controllen : 0,
                   access);
    check_vectors(site, message->msg_iov, message->msg_iovlen, access);
}

ssize_t pw_checked_read(int descriptor, void *to, size_t count)
{
    PW_CHECKED(read, pw_check_write(&site, to, count));
    return pw_libc.read(descriptor, to, count);
}

ssize_t pw_checked___read_chk(int descriptor, void *to, size_t count, size_t room)
{
    PW_CHECKED(read, pw_check_write(&site, to, count));
    return pw_libc.__read_chk(descriptor, to, count, room);
}

ssize_t pw_checked_pread(int descriptor, void *to, size_t count, off_t offset)
{
    PW_CHECKED(pread, pw_check_write(&site, to, count));
    return pw_libc.pread(descriptor, to, count, offset);
}

ssize_t pw_checked___pread_chk(int descriptor, void *to, size_t count, off_t offset, size_t room)
{
    PW_CHECKED(pread, pw_check_write(&site, to, count));
    return pw_libc.__pread_chk(descriptor, to, count, offset, room);
}

ssize_t pw_checked_pread64(int descriptor, void *to, size_t count, off64_t offset)
{
    PW_CHECKED(pread64, pw_check_write(&site, to, count));
    return pw_libc.pread64(descriptor, to, count, offset);
}

ssize_t pw_checked___pread64_chk(int descriptor, void *to, size_t count, off64_t offset, size_t room)
{
    PW_CHECKED(pread64, pw_check_write(&site, to, count));
    return pw_libc.__pread64_chk(descriptor, to, count, offset, room);
}

ssize_t pw_checked_write(int descriptor, const void *from, size_t count)
{
    PW_CHECKED(write, pw_check_read(&site, from, count));
    return pw_libc.write(descriptor, from, count);
}

ssize_t pw_checked_pwrite(int descriptor, const void *from, size_t count, off_t offset)
{
    PW_CHECKED(pwrite, pw_check_read(&site, from, count));
    return pw_libc.pwrite(descriptor, from, count, offset);
}

ssize_t pw_checked_pwrite64(int descriptor, const void *from, size_t count, off64_t offset)
{
    PW_CHECKED(pwrite64, pw_check_read(&site, from, count));
    return pw_libc.pwrite64(descriptor, from, count, offset);
}

ssize_t pw_checked_readv(int descriptor, const struct iovec *vectors, int count)
{
    PW_CHECKED(readv, check_scatter(&site, vectors, count));
    return pw_libc.readv(descriptor, vectors, count);
}

ssize_t pw_checked_preadv(int descriptor, const struct iovec *vectors, int count, off_t offset)
{
    PW_CHECKED(preadv, check_scatter(&site, vectors, count));
    return pw_libc.preadv(descriptor, vectors, count, offset);
}

ssize_t pw_checked_preadv64(int descriptor, const struct iovec *vectors, int count, off64_t offset)
{
    PW_CHECKED(preadv64, check_scatter(&site, vectors, count));
    return pw_libc.preadv64(descriptor, vectors, count, offset);
}

ssize_t pw_checked_writev(int descriptor, const struct iovec *vectors, int count)
{
    PW_CHECKED(writev, check_gather(&site, vectors, count));
    return pw_libc.writev(descriptor, vectors, count);
}

ssize_t pw_checked_pwritev(int descriptor, const struct iovec *vectors, int count, off_t offset)
{
    PW_CHECKED(pwritev, check_gather(&site, vectors, count));
    return pw_libc.pwritev(descriptor, vectors, count, offset);
}

ssize_t pw_checked_pwritev64(int descriptor, const struct iovec *vectors, int count, off64_t offset)
{
    PW_CHECKED(pwritev64, check_gather(&site, vectors, count));
    return pw_libc.pwritev64(descriptor, vectors, count, offset);
}

ssize_t pw_checked_recv(int descriptor, void *to, size_t count, int flags)
{
    PW_CHECKED(recv, pw_check_write(&site, to, count));
    return pw_libc.recv(descriptor, to, count, flags);
}

ssize_t pw_checked___recv_chk(int descriptor, void *to, size_t count, size_t room, int flags)
{
    PW_CHECKED(recv, pw_check_write(&site, to, count));
    return pw_libc.__recv_chk(descriptor, to, count, room, flags);
}

ssize_t pw_checked_recvfrom(int descriptor, void *to, size_t count, int flags, __SOCKADDR_ARG address,
                            socklen_t *address_bytes)
{
    PW_CHECKED(recvfrom, pw_check_write(&site, to, count));
    return pw_libc.recvfrom(descriptor, to, count, flags, address, address_bytes);
}

ssize_t pw_checked___recvfrom_chk(int descriptor, void *to, size_t count, size_t room, int flags,
                                  __SOCKADDR_ARG address, socklen_t *address_bytes)
{
    PW_CHECKED(recvfrom, pw_check_write(&site, to, count));
    return pw_libc.__recvfrom_chk(descriptor, to, count, room, flags, address, address_bytes);
}

ssize_t pw_checked_recvmsg(int descriptor, struct msghdr *message, int flags)
{
    PW_CHECKED(recvmsg, check_message(&site, message, PW_ACCESS_WRITE));
    return pw_libc.recvmsg(descriptor, message, flags);
}

ssize_t pw_checked_send(int descriptor, const void *from, size_t count, int flags)
{
    PW_CHECKED(send, pw_check_read(&site, from, count));
    return pw_libc.send(descriptor, from, count, flags);
}

ssize_t pw_checked_sendto(int descriptor, const void *from, size_t count, int flags,
                          __CONST_SOCKADDR_ARG address, socklen_t address_bytes)
{
    PW_CHECKED(sendto, pw_check_read(&site, from, count));
    return pw_libc.sendto(descriptor, from, count, flags, address, address_bytes);
}

ssize_t pw_checked_sendmsg(int descriptor, const struct msghdr *message, int flags)
{
    PW_CHECKED(sendmsg, check_message(&site, message, PW_ACCESS_READ));
    return pw_libc.sendmsg(descriptor, message, flags);
}
