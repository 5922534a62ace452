#!/bin/sh
# symbolize.sh HEAPDUMP - proves what `heapdump symbolize` makes of reports: builds small programs,
# asks for places in them, and compares whole outputs. Needs gcc, g++ and binutils.
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

quit() { echo "symbolize.sh: $*" >&2; exit 2; }
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

# ---- text

{ frame 0 outer "$chain" "$in_outer" "$chain_id"; frame 1 plain "$chain" "$in_plain" "$chain_id"; } | filter
same "an inlined function becomes a frame of its own, and the frames after it are numbered on" <<'END'
    #0 0x5500 in inner DIR/chain.c:6:9
    #1 0x5500 in middle DIR/chain.c:13:9
    #2 0x5500 in outer DIR/chain.c:19:5
    #3 0x5501 in plain DIR/chain.c:24:5
END

{
    frame 0 outer "$chain" "$in_outer"; echo; frame 7 plain "$chain" "$in_plain"
    frame 8 outer "$chain" "$in_outer"; echo "freed by thread T0 here:"; frame 3 plain "$chain" "$in_plain"
    frame 4 outer "$chain" "$in_outer"; frame 0 plain "$chain" "$in_plain"
} | filter
same "an empty line, a line that is no frame and a frame 0 each begin the numbers anew" <<'END'
    #0 0x5500 in inner DIR/chain.c:6:9
    #1 0x5500 in middle DIR/chain.c:13:9
    #2 0x5500 in outer DIR/chain.c:19:5

    #7 0x5507 in plain DIR/chain.c:24:5
    #8 0x5508 in inner DIR/chain.c:6:9
    #9 0x5508 in middle DIR/chain.c:13:9
    #10 0x5508 in outer DIR/chain.c:19:5
freed by thread T0 here:
    #3 0x5503 in plain DIR/chain.c:24:5
    #4 0x5504 in inner DIR/chain.c:6:9
    #5 0x5504 in middle DIR/chain.c:13:9
    #6 0x5504 in outer DIR/chain.c:19:5
    #0 0x5500 in plain DIR/chain.c:24:5
END

frame 0 '' "$chain" "$in_plain" | filter
same "a frame without a function gets that too" <<'END'
    #0 0x5500 in plain DIR/chain.c:24:5
END

{ frame 0 "$mangled" "$shelf" "$in_shelf"; frame 1 _ZL4selli "$shelf" "$in_sell"; } >in
filter <in
same "C++ names are demangled, those local to a file too" <<'END'
    #0 0x5500 in shop::Shelf<int>::put(int) DIR/shelf.cpp:8:20
    #1 0x5500 in shop::Shelf<int>::~Shelf() DIR/shelf.cpp:13:12
    #2 0x5501 in sell(int) DIR/shelf.cpp:28:12
END

if ./sandbox /bin/true; then
    sandbox=./sandbox
    filter <in
    same "also in a sandbox without sockets" <<'END'
    #0 0x5500 in shop::Shelf<int>::put(int) DIR/shelf.cpp:8:20
    #1 0x5500 in shop::Shelf<int>::~Shelf() DIR/shelf.cpp:13:12
    #2 0x5501 in sell(int) DIR/shelf.cpp:28:12
END
    sandbox=
fi

frame 0 '' "$shelf" "$in_lambda" | filter
same "a lambda is a function like others" <<'END'
    #0 0x5500 in shop::Shelf<long>::put(long) DIR/shelf.cpp:8:20
    #1 0x5500 in shop::Shelf<long>::sort(long)::{lambda()#1}::operator()() const DIR/shelf.cpp:19:16
END

filter --no-demangle <in
same "with --no-demangle they are not" <<'END'
    #0 0x5500 in _ZN4shop5ShelfIiE3putEi DIR/shelf.cpp:8:20
    #1 0x5500 in _ZN4shop5ShelfIiED2Ev DIR/shelf.cpp:13:12
    #2 0x5501 in _ZL4selli DIR/shelf.cpp:28:12
END

frame 0 plain "$chain" "$in_plain" | filter --strip-path-prefix="$dir/"
same "--strip-path-prefix shortens the paths" <<'END'
    #0 0x5500 in plain chain.c:24:5
END

frame 0 plain "$chain" "$in_plain" | sed 's/$/\r/' | filter
tr '\r' '@' <got >got.at && mv got.at got
same "a line's own end stays" <<'END'
    #0 0x5500 in plain DIR/chain.c:24:5@
END

odd="$dir/a (b+0x1) c/my prog (2)"
mkdir -p "${odd%/*}" && cp chain "$odd"
{ frame 0 'operator()(int)' "$odd" "$in_plain" "$chain_id"; frame 1 '' "$odd" "$in_plain"; } | filter
same "a module's path may hold blanks, parentheses and what looks like an offset" <<'END'
    #0 0x5500 in plain DIR/chain.c:24:5
    #1 0x5501 in plain DIR/chain.c:24:5
END

# ---- the summary

{
    echo "SUMMARY: PWHeap: double-free ($chain+$in_plain) in plain"
    echo "SUMMARY: PWHeap: heap-use-after-free ($chain+$in_outer) (BuildId: $chain_id) in outer"
    echo "SUMMARY: AddressSanitizer: double-free plain ($chain+$in_plain)"
    echo "SUMMARY: AddressSanitizer: double-free ($chain+$in_plain)"
    echo "SUMMARY: PWHeap: double-free ($shelf+$in_sell) in _ZL4selli"
    echo "SUMMARY: PWHeap: double-free ($odd+$in_plain) in plain"
} | filter
same "the summary names file, line, column and the innermost function" <<'END'
SUMMARY: PWHeap: double-free DIR/chain.c:24:5 in plain
SUMMARY: PWHeap: heap-use-after-free DIR/chain.c:6:9 in inner
SUMMARY: AddressSanitizer: double-free DIR/chain.c:24:5 in plain
SUMMARY: AddressSanitizer: double-free DIR/chain.c:24:5 in plain
SUMMARY: PWHeap: double-free DIR/shelf.cpp:28:12 in sell(int)
SUMMARY: PWHeap: double-free DIR/chain.c:24:5 in plain
END

in_box=$(place "$box")
{ frame 0 _ZL4packv "$box" "$in_box"; echo "SUMMARY: PWHeap: double-free ($box+$in_box) in _ZL4packv"; } | filter
same "an inline function of the C++ library's headers is a frame, and not in the summary" <<'END'
    #0 0x5500 in fill_box DIR/include/c++/12/box.h:3:12
    #1 0x5500 in pack() DIR/box.cpp:6:13
SUMMARY: PWHeap: double-free DIR/box.cpp:6:13 in pack()
END

{
    echo "==1==ERROR: PWHeap: double-free"
    frame 0 _ZSt4callI "$call" "$in_call"; frame 1 _ZL5orderi "$call" "$in_order"; echo
    echo "SUMMARY: PWHeap: double-free ($call+$in_order) in _ZL5orderi"
    echo "==2==ERROR: PWHeap: double-free"
    frame 0 '' /lib/libc.so.6 0x10; frame 1 _ZL5orderi "$call" "$in_order"; echo
    frame 0 '' "$dir/gone" 0x10; frame 1 plain "$chain" "$in_plain"; echo
    echo "SUMMARY: PWHeap: double-free ($call+$in_order) in _ZL5orderi"
    echo "SUMMARY: PWHeap: double-free ($chain+$in_plain) in plain"
} | filter
sed -i 's/ in void std::call<.*) \// in CALL \//; s/ in operator()/ in LAMBDA/' got
same "the summary names the first line of the program's own in its stack, also one that lies in a function of the library" <<'END'
==1==ERROR: PWHeap: double-free
    #0 0x5500 in LAMBDA DIR/call.cpp:7:16
    #1 0x5500 in CALL DIR/include/c++/12/call.h:4:6
    #2 0x5501 in order(int) DIR/call.cpp:10:12

SUMMARY: PWHeap: double-free DIR/call.cpp:7:16 in LAMBDA
==2==ERROR: PWHeap: double-free
    #0 0x5500 (/lib/libc.so.6+0x10)
    #1 0x5501 in order(int) DIR/call.cpp:10:12

    #0 0x5500 (DIR/gone+0x10)
    #1 0x5501 in plain DIR/chain.c:24:5

SUMMARY: PWHeap: double-free DIR/call.cpp:10:12 in order(int)
SUMMARY: PWHeap: double-free DIR/chain.c:24:5 in plain
END

{
    echo "block before it: 0x5500, live, 8 bytes"; frame 0 outer "$chain" "$in_outer"; frame 1 plain "$chain" "$in_plain"
    echo "block after it: 0x5600, live, 8 bytes"; frame 0 _ZL4packv "$box" "$in_box"; frame 1 plain "$chain" "$in_plain"
    echo "block after it: none"; frame 0 outer "$chain" "$in_outer"
    echo; frame 0 outer "$chain" "$in_outer"; echo
    echo "what was done last with the memory there, newest first:"
    echo "  malloc(), 8 bytes at 0x5500, by thread T0"; frame 0 outer "$chain" "$in_outer"; frame 1 plain "$chain" "$in_plain"
    echo "  realloc() freed 8 bytes at 0x5500"; frame 0 '' "$dir/gone" 0x10; frame 1 _ZL4packv "$box" "$in_box"
} | filter
same "of a neighbour and of the history two lines of the program's own are shown" <<'END'
block before it: 0x5500, live, 8 bytes
    #0 0x5500 in inner DIR/chain.c:6:9
    #1 0x5500 in middle DIR/chain.c:13:9
block after it: 0x5600, live, 8 bytes
    #0 0x5500 in pack() DIR/box.cpp:6:13
    #1 0x5501 in plain DIR/chain.c:24:5
block after it: none
    #0 0x5500 in inner DIR/chain.c:6:9
    #1 0x5500 in middle DIR/chain.c:13:9

    #0 0x5500 in inner DIR/chain.c:6:9
    #1 0x5500 in middle DIR/chain.c:13:9
    #2 0x5500 in outer DIR/chain.c:19:5

what was done last with the memory there, newest first:
  malloc(), 8 bytes at 0x5500, by thread T0
    #0 0x5500 in inner DIR/chain.c:6:9
    #1 0x5500 in middle DIR/chain.c:13:9
  realloc() freed 8 bytes at 0x5500
    #0 0x5500 (DIR/gone+0x10)
    #1 0x5501 in pack() DIR/box.cpp:6:13
END

cat >in <<END
SUMMARY: PWHeap: 12 byte(s) leaked in 3 allocation(s).
SUMMARY: PWHeap: double-free (<unknown module>)
SUMMARY: PWHeap: double-free ($dir/gone+0x12) in plain
SUMMARY: PWHeap: double-free ($chain+$in_plain) (BuildId: 0123) in plain
SUMMARY: PWHeap: double-free ($chain+$in_plain) and more
SUMMARY: OtherTool: double-free ($chain+$in_plain) in plain
END
filter <in
sed "s|$dir|DIR|g" in >in.masked
same "a summary without a place, or of a module that isn't there, stays" <in.masked

# ---- where there is no debug information, or elsewhere

strip -o bare chain && strip -o bare_shelf shelf
{ frame 0 outer "$dir/bare" "$in_outer" "$chain_id"; frame 1 '' "$dir/bare" "$in_plain"
  frame 2 "$mangled" "$dir/bare_shelf" "$in_shelf"; } >in
filter <in
same "in a stripped program frames keep their place, and names are demangled" <<END
    #0 0x5500 in outer (DIR/bare+$in_outer) (BuildId: $chain_id)
    #1 0x5501 (DIR/bare+$in_plain)
    #2 0x5502 in shop::Shelf<int>::~Shelf() (DIR/bare_shelf+$in_shelf)
END

{
    frame 0 _RINvNtCsgEmfK2I1SDS_4core3mem4dropINtNtNtCs6xxl1lAjzDf_1a4deep2er6HoldermEEBD_ "$dir/bare" "$in_plain"
    frame 1 _ZN4core3mem4drop17h9bf994a3d27469d6E "$dir/bare" "$in_plain"
    frame 2 _D3std5stdio7writelnFAyaZv "$dir/bare" "$in_plain"; frame 3 _Dfoo "$dir/bare" "$in_plain"
    frame 4 _Rfoo "$dir/bare" "$in_plain"; frame 5 other__name "$dir/bare" "$in_plain"
} | filter
same "so are those of Rust and D, and what only looks like one is as it was" <<END
    #0 0x5500 in core::mem::drop::<a::deep::er::Holder<u32>> (DIR/bare+$in_plain)
    #1 0x5501 in core::mem::drop (DIR/bare+$in_plain)
    #2 0x5502 in std.stdio.writeln(immutable(char)[]) (DIR/bare+$in_plain)
    #3 0x5503 in _Dfoo (DIR/bare+$in_plain)
    #4 0x5504 in _Rfoo (DIR/bare+$in_plain)
    #5 0x5505 in other__name (DIR/bare+$in_plain)
END

strip -g -o names chain
frame 0 '' "$dir/names" "$in_plain" | filter
same "a symbol table alone gives the function" <<END
    #0 0x5500 in plain (DIR/names+$in_plain)
END

cp bare linked && objcopy --only-keep-debug chain linked.debug && objcopy --add-gnu-debuglink=linked.debug linked
frame 0 outer "$dir/linked" "$in_outer" "$chain_id" >in
filter <in
same "a stripped program's debug file lies beside it (.gnu_debuglink)" <<'END'
    #0 0x5500 in inner DIR/chain.c:6:9
    #1 0x5500 in middle DIR/chain.c:13:9
    #2 0x5500 in outer DIR/chain.c:19:5
END

store=$dir/store/.build-id/$(echo "$chain_id" | cut -c1-2)
mkdir -p "$store" && cp linked.debug "$store/$(echo "$chain_id" | cut -c3-).debug"
frame 0 plain "$dir/bare" "$in_plain" | filter --debuginfo-path="$dir/store"
same "or is found by its build id" <<'END'
    #0 0x5500 in plain DIR/chain.c:24:5
END

mkdir -p "served/buildid/$chain_id" && cp linked.debug "served/buildid/$chain_id/debuginfo"
environment="DEBUGINFOD_URLS=file://$dir/served DEBUGINFOD_CACHE_PATH=$dir/cache"
frame 0 plain "$dir/bare" "$in_plain" >in
filter <in
environment=
if ldconfig -p | grep -q libdebuginfod.so.1; then
    same "or comes from debuginfod, where DEBUGINFOD_URLS is set" <<'END'
    #0 0x5500 in plain DIR/chain.c:24:5
END
else
    same "without libdebuginfod, DEBUGINFOD_URLS changes nothing" <<END
    #0 0x5500 in plain (DIR/bare+$in_plain)
END
fi

rm linked.debug
printf 'not ELF' >text && mkdir -p folder && mkfifo pipe && gzip -c chain >packed.gz && : >empty
{
    frame 0 plain "$dir/gone" "$in_plain" "$chain_id"
    frame 1 plain "$chain" "$in_plain" 0123456789abcdef
    frame 2 plain "$dir/bare" "$in_plain" "${chain_id}00"
    frame 3 outer "$chain" 0xfffffffffffffff0
    frame 4 plain "$dir/text" 0x10; frame 5 plain "$dir/folder" 0x10; frame 6 plain "$dir/pipe" 0x10
    frame 7 plain "$dir/packed.gz" "$in_plain"; frame 8 plain "$dir/empty" 0x10; frame 9 plain /dev/zero 0x10
    echo '    #10 0x5501 in f (linux-vdso.so.1+0x123)'
    echo '    #11 0x5501 (<unknown module>)'
    echo '    #12 0x5501 in main /src/done.c:3:4'
    echo '    #13 0x5501 in f (/x+0x12345678901234567)'
    echo '    #14 0x5501 in f (/x+12)'
} >in
sed "s|$dir|DIR|g" in >in.masked
filter <in
same "a module that is gone, another build, or no ELF file leaves the line as it is" <in.masked

{ echo text >pipe; : >opened; } &
frame 0 plain "$dir/pipe" 0x10 | filter
holds "a pipe is not even opened" [ ! -e opened ]
cat pipe >got
wait

{ frame 0 outer "$chain" "$in_outer"; frame 1 f "$dir/gone" 0x12; echo '    #2 0x5502 in main /src/done.c:3:4'; } | filter
same "such lines are numbered on as well" <<'END'
    #0 0x5500 in inner DIR/chain.c:6:9
    #1 0x5500 in middle DIR/chain.c:13:9
    #2 0x5500 in outer DIR/chain.c:19:5
    #3 0x5501 in f (DIR/gone+0x12)
    #4 0x5502 in main /src/done.c:3:4
END

frame 0 plain "$chain" "$in_plain" "$(echo "$chain_id" | tr a-f A-F)" | filter
same "a build id may be written in capitals" <<'END'
    #0 0x5500 in plain DIR/chain.c:24:5
END

# ---- kinds of debug information

# kind SENTENCE FLAGS…: the chain program, built with FLAGS, says what it always says
kind() {
    sentence=$1
    shift
    compile chain.c -o other "$@"
    [ "$sentence" != "a program without .debug_aranges (clang's)" ] || objcopy --remove-section=.debug_aranges other
    { frame 0 outer "$dir/other" "$(place ./other)"; frame 1 plain "$dir/other" "$(place ./other 2)"; } | filter
    same "$sentence is read" <<'END'
    #0 0x5500 in inner DIR/chain.c:6:9
    #1 0x5500 in middle DIR/chain.c:13:9
    #2 0x5500 in outer DIR/chain.c:19:5
    #3 0x5501 in plain DIR/chain.c:24:5
END
}
kind "a program without .debug_aranges (clang's)" -gdwarf-5
kind "DWARF 4" -gdwarf-4
kind "DWARF in .dwo files" -gsplit-dwarf
kind "DWARF 4 in .dwo files" -gsplit-dwarf -gdwarf-4
kind "compressed DWARF" -gz
kind "a program at a fixed address" -no-pie
kind "code in sections of its own" -ffunction-sections

# ---- JSON

object() { # MODULE OFFSET FUNCTION - as the reporter writes a frame
    printf '{"pc":"0x5501","module":"%s","build_id":null,"offset":"%s","function":%s,"file":null,"line":null,"column":null}' "$1" "$2" "$3"
}
{
    printf '{"version":1,"big":18446744073709551616,"real":1.10, "a":1,"a":2,"stack":['
    object "$chain" "$in_outer" '"outer"'; printf ','; object "$dir/gone" 0x1 '"f"'; printf ','
    object "$shelf" "$in_sell" null
    printf '],"one":'; object "$chain" "$in_outer" null
    printf ',"e":[ {"module":"%s" ,"pc":"0x1","offset": "%s","x":[1,{}] } ]}\n' "$chain" "$in_plain"
} | filter
same "JSON frames get function, file, line and column; every other byte stays" <<END
{"version":1,"big":18446744073709551616,"real":1.10, "a":1,"a":2,"stack":[{"pc":"0x5501","module":"DIR/chain","build_id":null,"offset":"$in_outer","function":"inner","file":"DIR/chain.c","line":6,"column":9},{"pc":"0x5501","module":"DIR/chain","build_id":null,"offset":"$in_outer","function":"middle","file":"DIR/chain.c","line":13,"column":9},{"pc":"0x5501","module":"DIR/chain","build_id":null,"offset":"$in_outer","function":"outer","file":"DIR/chain.c","line":19,"column":5},{"pc":"0x5501","module":"DIR/gone","build_id":null,"offset":"0x1","function":"f","file":null,"line":null,"column":null},{"pc":"0x5501","module":"DIR/shelf","build_id":null,"offset":"$in_sell","function":"sell(int)","file":"DIR/shelf.cpp","line":28,"column":12}],"one":{"pc":"0x5501","module":"DIR/chain","build_id":null,"offset":"$in_outer","function":"inner","file":"DIR/chain.c","line":6,"column":9},"e":[ {"module":"DIR/chain" ,"pc":"0x1","offset": "$in_plain","x":[1,{}] ,"function":"plain","file":"DIR/chain.c","line":24,"column":5} ]}
END

{ object "$chain" "$in_plain" '"plain"' | sed 's/"build_id":null/"build_id":"'"$chain_id"'"/'; echo
  object "$chain" "$in_plain" '"plain"' | sed 's/"build_id":null/"build_id":"0123"/'; echo; } | filter
same "a build id is believed in JSON too" <<END
{"pc":"0x5501","module":"DIR/chain","build_id":"$chain_id","offset":"$in_plain","function":"plain","file":"DIR/chain.c","line":24,"column":5}
{"pc":"0x5501","module":"DIR/chain","build_id":"0123","offset":"$in_plain","function":"plain","file":null,"line":null,"column":null}
END

accented="$dir/a\"\\é" && cp chain "$accented"
{ object "$dir/a\\\"\\\\\\u00e9" "$in_plain" null; echo; } | filter
same "escapes in a JSON path are understood, and stay" <<END
{"pc":"0x5501","module":"DIR/a\\"\\\\\\u00e9","build_id":null,"offset":"$in_plain","function":"plain","file":"DIR/chain.c","line":24,"column":5}
END

good=$(object "$chain" "$in_plain" '"plain"')
for bad in "$good}" "${good%?}" "[$good" "$good,$good" '{"a":01}' '{"a":1,}' "{'a':1}" '{"a":NaN}' '{"a":"\x"}' \
    '{"a":"\ud8"}' '{' '{"a"}' '{"a":tru}' '{"a":1.}' '{"a":1e}' '{"a":-}' "{\"a\":\"	\"}" '[1 2]' "$(printf '%0500d' 0 | tr 0 '[')"; do
    echo "$bad"
    case $bad in '{'*) echo "${bad%?},\"b\":$good}" ;; esac
done >in
object "$chain\\u0000x" "$in_plain" null >>in # no path can hold that
echo >>in
sed "s|$dir|DIR|g" in >in.masked
filter --json <in
same "a line that is not JSON is passed through" <in.masked

{ frame 0 plain "$chain" "$in_plain"; echo "  $good"; echo "$good"; } >in
filter <in
same "a line is JSON if it begins with a brace" <<END
    #0 0x5500 in plain DIR/chain.c:24:5
  {"pc":"0x5501","module":"DIR/chain","build_id":null,"offset":"$in_plain","function":"plain","file":null,"line":null,"column":null}
{"pc":"0x5501","module":"DIR/chain","build_id":null,"offset":"$in_plain","function":"plain","file":"DIR/chain.c","line":24,"column":5}
END
filter --json <in
same "with --json only JSON is changed" <<END
    #0 0x5500 in plain (DIR/chain+$in_plain)
  {"pc":"0x5501","module":"DIR/chain","build_id":null,"offset":"$in_plain","function":"plain","file":"DIR/chain.c","line":24,"column":5}
{"pc":"0x5501","module":"DIR/chain","build_id":null,"offset":"$in_plain","function":"plain","file":"DIR/chain.c","line":24,"column":5}
END

# ---- any bytes

{ head -c 300000 "$heapdump"; printf '\0\n\n\r\n    #0 0x1 in a\0b (/x+0x1)\n    #0\n#1 0x\n    #0 0x1 (\n'
  printf '#99999999999999999999 0x1 (/x+0x1)\nSUMMARY: PWHeap:\nSUMMARY: PWHeap: \nSUMMARY: PWHeap: x \n (/+0x1)\nno newline'; } >in
filter <in
holds "bytes that are no report come out as they went in" cmp in got

line=$(frame 0 plain "$chain" "$in_plain")
{ head -c 3000000 /dev/zero | tr '\0' 'x'; echo "$line"; head -c 1048576 /dev/zero | tr '\0' '{'; echo; echo "$line"; } >in
filter <in
{ head -c 3000000 /dev/zero | tr '\0' 'x'; echo "$line"; head -c 1048576 /dev/zero | tr '\0' '{'; echo
  echo "    #0 0x5500 in plain $dir/chain.c:24:5"; } >expected
holds "a line of megabytes is passed through, the next one is read" cmp expected got

{ printf '%0500000d' 0 | tr 0 '['; printf '%0500000d' 0 | tr 0 ']'; echo; } >in
filter --json <in
holds "JSON nested a million deep is passed through" cmp in got

printf '%s' "$line" | filter
printf '%s' "    #0 0x5500 in plain $dir/chain.c:24:5" >expected
holds "a last line without a newline is read, and gets none" cmp expected got

join=_Z4joinRKNSt7__cxx1112basic_stringIcSt11char_traitsIcESaIcEEESt4pairIiS4_ESt17basic_string_viewIcS2_E
wide=_ZN4shop4hold3putENSt7__cxx1112basic_stringIwSt11char_traitsIwESaIwEEE
{ frame 0 $join "$dir/bare" "$in_outer"; frame 1 $wide "$dir/bare" "$in_outer"; } >in
filter <in
same "a string of C++ is called one" <<END
    #0 0x5500 in join(std::string const&, std::pair<int, std::string>, std::string_view) (DIR/bare+$in_outer)
    #1 0x5501 in shop::hold::put(std::wstring) (DIR/bare+$in_outer)
END

string='std::__cxx11::basic_string<char, std::char_traits<char>, std::allocator<char> >'
{ echo 'Direct leak of 8 byte(s) in 1 object(s) allocated from:'; frame 0 $join "$dir/bare" "$in_outer"; echo; } | filter
same "but in leaks, where suppressions name what LeakSanitizer shows" <<END
Direct leak of 8 byte(s) in 1 object(s) allocated from:
    #0 0x5500 in join($string const&, std::pair<int, $string >, std::basic_string_view<char, std::char_traits<char> >) (DIR/bare+$in_outer)

END

bomb=_Z1f1AIiiE
last=0
for i in 1 2 3 4 5 6 7 8 9 A B C D E F G H I J K L M N O P Q R S T U V W X Y Z; do
    bomb="${bomb}S_IS${last}_S${last}_E"
    last=$i
done
{ frame 0 "$bomb" "$dir/bare" "$in_outer"; frame 1 "$mangled" "$dir/bare" "$in_outer"; } | filter
same "a name that stands for gigabytes stays mangled, the next one does not" <<END
    #0 0x5500 in $bomb (DIR/bare+$in_outer)
    #1 0x5501 in shop::Shelf<int>::~Shelf() (DIR/bare+$in_outer)
END

# Every module of these is damaged in its own way: nothing may crash, whatever is then said.
bytes=$(wc -c <chain)
calm=true
i=0
while [ $i -lt 40 ]; do
    head -c $((bytes * i / 40)) chain >"cut"
    cp chain flipped && printf '\377' | dd of=flipped bs=1 seek=$((bytes * i / 40)) conv=notrunc 2>/dev/null
    { frame 0 outer "$dir/cut" "$in_outer"; frame 0 outer "$dir/flipped" "$in_outer"; } | filter
    ended_with 0 || calm=false
    i=$((i + 1))
done
holds "cut and damaged modules are survived" $calm

# ---- the program itself

filter </dev/null
same "no input is no output" </dev/null
filter --wrong </dev/null
holds "wrong usage is exit status 2" ended_aloud 2
"$heapdump" nonsense >got 2>messages
echo $? >status
holds "so is a command that there is not" ended_aloud 2
"$heapdump" >got 2>messages
echo $? >status
holds "and none" ended_aloud 2
"$heapdump" --help >got 2>messages
holds "--help tells the commands" grep -q '^  symbolize ' got
"$heapdump" symbolize --help >got 2>messages
holds "symbolize --help tells its options" grep -q -- '--strip-path-prefix=P' got
"$heapdump" --version >got 2>messages
holds "--version tells the version" grep -Eqx 'heapdump [0-9.]+' got
filter <folder
holds "input that can't be read is exit status 3, and told" ended_aloud 3
{ echo text | "$heapdump" symbolize; echo $? >status; } >/dev/full 2>messages
holds "so is output that can't be written" ended_aloud 3
yes | head -n 100000 | { "$heapdump" symbolize; echo $? >status; } 2>messages | head -n 1 >got
holds "it ends quietly when nobody reads" ended_quietly 0
yes | head -n 100000 | (trap '' PIPE; "$heapdump" symbolize 2>messages; echo $? >status) | head -n 1 >got
holds "with SIGPIPE ignored too" ended_quietly 0
"$heapdump" symbolize <&- >got 2>messages
echo $? >status
same "a closed stdin is an empty one" </dev/null

mkfifo to from
"$heapdump" symbolize <to >from 2>messages &
exec 3>to
echo "$line" >&3
first=$(timeout 20 head -n 1 <from)
exec 3>&-
wait
holds "each line comes out before the next goes in" [ "$first" = "    #0 0x5500 in plain $dir/chain.c:24:5" ]

echo "$passed passed, $failed failed"
[ $failed = 0 ]
