# symbolize_fixture.sh - what the tests of `heapdump symbolize` share, which read it: the words that they are written in, and
# small programs to ask for places in. $1 is heapdump. Needs gcc, g++ and binutils.
# shellcheck shell=sh
set -u
heapdump=$(realpath "$1") || exit 2
dir=$(mktemp -d) || exit 2
trap 'rm -rf "$dir"' EXIT
cd "$dir" || exit 2
passed=0
failed=0

# ---- what the tests are written in

# The filter, with nothing in its environment: its output goes to `got`, its messages to `messages`.
filter() {
    # shellcheck disable=SC2086 # a list of words
    prlimit --cpu=30 env -i $environment $sandbox "$heapdump" symbolize "$@" >got 2>messages
    echo $? >status # a file, for the end of a pipeline is a subshell
}
ended_with() { [ "$(cat status)" = "$1" ]; }
ended_aloud() { ended_with "$1" && [ -s messages ]; }
ended_quietly() { ended_with "$1" && ! [ -s messages ]; }
environment=
sandbox=

pass() { passed=$((passed + 1)); echo "ok   $1"; }
fail() { failed=$((failed + 1)); echo "FAIL $1"; }

# same SENTENCE - `got` is the text on stdin, this folder written as DIR, and all went quietly
same() {
    cat >expected
    sed "s|$dir|DIR|g" got >masked
    if cmp -s expected masked && ended_quietly 0; then
        pass "$1"
    else
        fail "$1"
        diff expected masked | sed 's/^/     /'
        echo "     exit status $(cat status)"
        cat messages
    fi
}

# holds SENTENCE COMMAND…
holds() {
    sentence=$1
    shift
    if "$@"; then pass "$sentence"; else fail "$sentence ($*)"; fi
}

# frame NUMBER FUNCTION MODULE OFFSET [BUILD-ID] - as the reporter writes it without debug information
frame() { echo "    #$1 0x550$1${2:+ in $2} ($3+$4)${5:+ (BuildId: $5)}"; }

build_id() { readelf -n "$1" | sed -n 's/.*Build ID: //p'; }
# The place of the call of capture() in a program, as its offset.
place() { "$1" | sed -n "${2:-1}p"; }

# ---- the programs

cat >capture.h <<'END'
#define _GNU_SOURCE 1
#include <link.h>
#include <stdio.h>

static int print_offset(struct dl_phdr_info *info, size_t size, void *address)
{
    (void)size;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        unsigned long offset = (unsigned long)address - info->dlpi_addr;
        if (offset - info->dlpi_phdr[i].p_vaddr < info->dlpi_phdr[i].p_memsz) {
            printf("%#lx\n", offset);
            return 1;
        }
    }
    return 0;
}

/* Print where the call of this lies, in its own file. */
static __attribute__((noinline)) void capture(void)
{
    dl_iterate_phdr(print_offset, (char *)__builtin_return_address(0) - 1);
}
END
cat >chain.c <<'END'
#include "capture.h"
volatile int sink;
static inline __attribute__((always_inline)) void inner(int n)
{
    if (n > 0)
        capture();
    sink = n;
}
static inline __attribute__((always_inline)) void middle(int n)
{
    for (int i = 0; i < 1; i++) {
        int k = n + i;
        inner(k);
        sink = k;
    }
}
__attribute__((noinline)) void outer(int n)
{
    middle(n);
    sink = n;
}
__attribute__((noinline)) static void plain(void)
{
    capture();
    sink = 2;
}
int main(void)
{
    outer(1);
    plain();
    return 0;
}
END
cat >shelf.cpp <<'END'
#include "capture.h"
volatile int sink;
namespace shop {
template <class T> struct Shelf {
    inline __attribute__((always_inline)) void put(T n)
    {
        if (n > 0)
            capture();
        sink = n;
    }
    __attribute__((noinline)) ~Shelf()
    {
        put(7);
        sink = 5;
    }
    inline __attribute__((always_inline)) void sort(T n)
    {
        auto order = [this, n]() {
            put(n);
            sink = 6;
        };
        order();
    }
};
}
static __attribute__((noinline)) void sell(int n)
{
    capture();
    sink = n;
}
int main()
{
    {
        shop::Shelf<int> shelf;
    }
    sell(3);
    shop::Shelf<long> shelf;
    shelf.sort(4);
    return 0;
}
END

mkdir -p include/c++/12
cat >include/c++/12/box.h <<'END'
static inline __attribute__((always_inline)) void fill_box(void)
{
    capture();
}
END
cat >box.cpp <<'END'
#include "capture.h"
#include "include/c++/12/box.h"
volatile int sink;
static __attribute__((noinline)) void pack(void)
{
    fill_box();
    sink = 1;
}
int main()
{
    pack();
}
END

cat >include/c++/12/call.h <<'END'
namespace std {
template <class F> __attribute__((noinline)) void call(F f)
{
    f();
}
}
END
cat >call.cpp <<'END'
#include "capture.h"
#include "include/c++/12/call.h"
volatile int sink;
__attribute__((noinline)) static void order(int n)
{
    std::call([n] {
        capture();
        sink = n;
    });
    capture();
    sink = 2;
}
int main()
{
    order(1);
}
END
cat >sandbox.c <<'END'
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

/* sandbox PROGRAM ARGUMENT… - where there are no sockets. */
int main(int argc, char **argv)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_socket, 1, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_socketpair, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {.len = sizeof code / sizeof *code, .filter = code};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0)
        execv(argv[1], argv + 1);
    return 77;
}
END

quit() { echo "${0##*/}: $*" >&2; exit 2; }
compile() { gcc -O2 -g "$@" || quit "can't build $*"; }
compile chain.c -o chain
compile sandbox.c -o sandbox
g++ -Og -g shelf.cpp -o shelf || quit "can't build shelf.cpp"
g++ -O2 -g box.cpp -o box || quit "can't build box.cpp"
g++ -O2 -g call.cpp -o call || quit "can't build call.cpp"
call=$dir/call in_call=$(place "$dir/call") in_order=$(place "$dir/call" 2)
chain=$dir/chain shelf=$dir/shelf box=$dir/box
in_outer=$(place "$chain") in_plain=$(place "$chain" 2)
in_shelf=$(place "$shelf") in_sell=$(place "$shelf" 2) in_lambda=$(place "$shelf" 3)
chain_id=$(build_id "$chain")
mangled=_ZN4shop5ShelfIiED2Ev
strip -o bare chain && strip -o bare_shelf shelf
