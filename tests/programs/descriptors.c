/*
 * descriptors.c - file descriptors: none of the heap's may show, and none of the program's be used.
 * "closed": started with 0, 1 and 2 closed. Its verdict is the exit status.
 */
#include "common.h"

#include <dirent.h>
#include <fcntl.h>
#include <malloc.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/uio.h>

static void *use_the_heap(void *unused)
{
    churn(3000, 20000, 1);
    free(calloc(1, 4 * MIB));
    (void)malloc_trim(0);
    return unused;
}

static void use_it_in_threads(void)
{
    pthread_t threads[4];
    for (size_t i = 0; i < 4; i++)
        CHECK(pthread_create(&threads[i], NULL, use_the_heap, NULL) == 0);
    for (size_t i = 0; i < 4; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
}

static void print_open_ones(void)
{
    DIR *directory = opendir("/proc/self/fd");
    CHECK(directory != NULL);
    struct dirent *entry;
    while ((entry = readdir(directory)) != NULL)
        if (entry->d_name[0] != '.' && atoi(entry->d_name) != dirfd(directory))
            (void)printf("%s is open\n", entry->d_name);
    CHECK(closedir(directory) == 0);
}

static void open_ones(void)
{
    print_open_ones();
    use_it_in_threads();
    print_open_ones();
}

static void closed(void)
{
    for (int expected = 0; expected < 3; expected++) {
        use_the_heap(NULL);
        if (open("/dev/null", O_RDWR) != expected)
            _exit(1);
    }
    use_it_in_threads();
    int next = dup(0);
    _exit(next == 3 ? 0 : 2);
}

/* Started with 2 closed: the file that gets the number is no place for a report. */
static void closed_with_bug(void)
{
    char path[] = "/tmp/pwheap-closed-XXXXXX", byte;
    int file = mkstemp(path);
    (void)unlink(path);
    if (file != 2)
        _exit(1);
    pid_t pid = fork();
    if (pid == 0) {
        char *block = malloc(100);
        free(block);
        free(block);
        _exit(0);
    }
    int status = status_of(pid);
    _exit(status == 1000 + 6 && pread(file, &byte, 1, 0) == 0 ? 0 : 3);
}

/* What the kernel can't read either: it says so, and no more. */
static void bad_vectors(void)
{
    char *pages = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(pages != MAP_FAILED && mprotect(pages + 4096, 4096, PROT_NONE) == 0);
    void *const bad[] = {NULL, (void *)16, pages + 4096, pages + 4096 - sizeof(struct iovec) / 2, (void *)UINTPTR_MAX};
    int both[2];
    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, both) == 0);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        void *volatile at = bad[i];
        CHECK(writev(both[0], at, 1) == -1 && errno == EFAULT);
        CHECK(readv(both[0], at, 1) == -1 && errno == EFAULT);
        CHECK(sendmsg(both[0], at, 0) == -1 && errno == EFAULT);
        CHECK(recvmsg(both[0], at, MSG_DONTWAIT) == -1 && errno == EFAULT);
        struct msghdr message = {.msg_iov = at, .msg_iovlen = 1};
        CHECK(sendmsg(both[0], &message, 0) == -1 && errno == EFAULT);
    }
    (void)printf("%zu bad addresses are told by errno\n", sizeof bad / sizeof *bad);
}

int main(int argc, char **argv)
{
    static const struct mode modes[] = {
        {"open_ones", open_ones}, {"closed", closed}, {"bad_vectors", bad_vectors}, {"closed_with_bug", closed_with_bug}};
    return RUN_MODE(argc, argv, modes);
}
