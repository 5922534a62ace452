#!/bin/sh
# symbolize.sh HEAPDUMP - proves what `heapdump symbolize` makes of the frames and summaries of reports: asks for places in
# small programs, and compares whole outputs.
# shellcheck source=tests/symbolize_fixture.sh
. "$(dirname "$0")/symbolize_fixture.sh"

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

echo "$passed passed, $failed failed"
[ $failed = 0 ]
