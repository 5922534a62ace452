/*
 * warm - have the machine's free memory at hand.
 *
 *   warm MIB
 *
 * Touches so much memory, in huge pages where the system gives them, and ends. On a virtual machine the host may take
 * pages that were free for some seconds (a balloon that reports them), and the next to touch one waits 10 us to 10 ms for it:
 * without this a program pays that for what it takes more than another, and most of its system time is the host's.
 */
#include <stdlib.h>
#include <sys/mman.h>

int main(int count, char **arguments)
{
    size_t bytes = (count > 1 ? strtoul(arguments[1], NULL, 10) : 0) << 20;
    char *memory = bytes == 0 ? MAP_FAILED : mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        return 1;
    (void)madvise(memory, bytes, MADV_HUGEPAGE);
    for (size_t at = 0; at < bytes; at += 4096)
        *(volatile char *)(memory + at) = 1;
    return 0;
}
