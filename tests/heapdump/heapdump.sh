#!/bin/sh
# heapdump.sh HEAPDUMP SCENE LIBRARY LINKED-SCENE… - proves that heapdump tells of a process and of
# its core what the program itself tells of its heap, at every level and however it is linked; that
# the process lives on unharmed; and that others read what it writes. Needs g++, gdb, jq and protoc.
set -u
heapdump=$(realpath "$1") && scene=$(realpath "$2") && library=$(realpath "$3") || exit 2
shift 3
linked=$(realpath "$@") || exit 2
completion=$(realpath "$(dirname "$0")/../../tools/heapdump/completion.bash") || exit 2
dir=$(mktemp -d) || exit 2
pids=
finish() { for pid in $pids; do kill -9 "$pid" 2>/dev/null; done; rm -rf "$dir"; }
trap finish EXIT
cd "$dir" || exit 2
passed=0
failed=0
pass() { passed=$((passed + 1)); echo "ok   $1"; }
fail() { failed=$((failed + 1)); echo "FAIL $1"; [ ! -s messages ] || sed 's/^/     /' messages; }
skip() { echo "skip $1"; }

# holds SENTENCE COMMAND… ; gives SENTENCE STATUS COMMAND… (its output is in `got`, its messages in `messages`)
holds() { sentence=$1; shift; if "$@"; then pass "$sentence"; else fail "$sentence ($*)"; fi; }
gives() {
    sentence=$1 wanted=$2
    shift 2
    prlimit --cpu=60 "$@" >got 2>messages
    status=$?
    if [ $status = "$wanted" ]; then pass "$sentence"; else fail "$sentence (status $status of $*)"; fi
}
says() { holds "$1" grep -qE "$2" got; }
warns() { holds "$1" grep -qE "$2" messages; }

# start LEVEL PROGRAM ARGUMENT… - runs it until it is ready: $pid, its words in `told`. LEVEL "none": not preloaded
start() {
    level=$1 program=$2
    shift 2
    mkfifo ready.$$
    if [ "$level" = none ]; then
        LD_LIBRARY_PATH=$(dirname "$library") PWHEAP_CHECK=full "$program" "$@" >ready.$$ &
    else
        LD_PRELOAD=$library PWHEAP_CHECK=$level "$program" "$@" >ready.$$ &
    fi
    pid=$!
    pids="$pids $pid"
    # The program keeps its end open: read up to its last word.
    while read -r line; do
        echo "$line"
        [ "$line" != ready ] || break
    done <ready.$$ >told
    rm ready.$$
}
stop() { kill -9 "$pid" 2>/dev/null; wait "$pid" 2>/dev/null; }
state_of() { sed -n 's/^State:[[:space:]]*\([A-Za-z]\).*/\1/p' "/proc/$1/status"; }
tracer_of() { sed -n 's/^TracerPid:[[:space:]]*//p' "/proc/$1/status"; }

# agrees SENTENCE TARGET - blocks, bytes and bytes taken of each state are those that the program told
agrees() {
    prlimit --cpu=60 "$heapdump" walk --csv "$2" 2>messages |
        awk -F, 'NR > 1 { blocks[$4]++; bytes[$4] += $2; taken[$4] += $3 }
                 END { for (s in blocks) print s, blocks[s], bytes[s], taken[s] }' | sort >counted
    awk 'NF == 4 && $2 > 0' told | sort >expected
    if [ -s expected ] && cmp -s counted expected; then
        pass "$1"
    else
        fail "$1"
        diff expected counted | sed 's/^/     /'
    fi
}

# Damage that guards would catch in the act.
unguarded=full:guard_site_blocks=0:guard_sample_rate=0

# ---- walk agrees with the program, at every level and however it is linked

for level in off fast full guard; do
    start $level "$scene"
    agrees "at $level the walk of a live process agrees with its own" "$pid"
    gives "at $level a sound heap is found sound" 0 "$heapdump" check "$pid"
    gives "at $level there is a summary" 0 "$heapdump" summary "$pid"
    says "at $level the summary names the level" "^level $level"
    gives "at $level there is a summary in JSON" 0 "$heapdump" summary --json "$pid"
    holds "at $level jq reads the summary" jq -e '.live.blocks > 0 and .damaged == 0' got
    stop
done
for program in $linked; do
    start none "$program"
    agrees "the walk of $(basename "$program") agrees with its own" "$pid"
    gives "the heap of $(basename "$program") is sound" 0 "$heapdump" check "$pid"
    stop
    strip -o stripped "$program"
    start none "$PWD/stripped"
    agrees "the root is found in $(basename "$program"), stripped" "$pid"
    stop
done

cp "$library" gone.so
kept=$library library=$PWD/gone.so
start full "$scene"
rm gone.so
agrees "the walk agrees when the library's file was deleted" "$pid"
cp "$kept" gone.so && echo other >>gone.so
agrees "the walk agrees when the library's file was replaced" "$pid"
stop
library=$kept

# ---- the process is not harmed, whatever it does meanwhile

start full "$scene" stop
while [ "$(state_of "$pid")" != T ]; do :; done
agrees "a stopped process is looked into" "$pid"
holds "a stopped process is stopped still" [ "$(state_of "$pid")" = T ]
stop
start full "$scene" spin
agrees "a process that spins is looked into" "$pid"
holds "a process that spins goes on" [ "$(state_of "$pid")" = R ]
stop
for level in off fast full guard; do
    start $level "$scene" busy
    for look in 1 2 3 4; do
        gives "at $level a heap that changes all the time is found sound ($look)" 0 "$heapdump" check "$pid"
    done
    gives "at $level it has a summary" 0 "$heapdump" summary "$pid"
    stop
done
start full "$scene" 300000
"$heapdump" check "$pid" >/dev/null 2>&1 &
checker=$!
while [ "$(tracer_of "$pid")" = 0 ] && kill -0 $checker 2>/dev/null; do :; done
kill -9 $checker
wait $checker 2>/dev/null
while [ "$(tracer_of "$pid")" != 0 ]; do :; done
holds "a process runs on when heapdump is killed" [ "$(state_of "$pid")" != t ]
gives "a heap of 300,000 blocks is found sound" 0 "$heapdump" check "$pid"
stop

# ---- damage, in the words of a report

start $unguarded "$scene" damage
gives "damage gives status 1" 1 "$heapdump" check "$pid"
says "an overflow is reported" 'ERROR: PWHeap: heap-buffer-overflow'
says "a use after free is reported" 'ERROR: PWHeap: heap-use-after-free'
says "the report names the line" '#0 0x[0-9a-f]+ in make_block .*scene\.c:[0-9]+'
says "the damages are counted" '^2 damages found'
gives "damage is reported in JSON" 1 "$heapdump" check --json "$pid"
holds "jq reads the reports" jq -es 'map(.kind) | sort == ["heap-buffer-overflow", "heap-use-after-free"]' got
gives "the summary of a heap with damaged bytes but sound headers is fine" 0 "$heapdump" summary "$pid"
stop

# ---- block, find, walk's filters, sites

start full "$scene"
string=$(sed -n 's/^string //p' told) holder=$(sed -n 's/^holder //p' told)
gives "a string is found" 0 "$heapdump" find --string 'needle in the heap' --json "$pid"
holds "the string is where the program has it" [ "$(jq -r .block.addr got)" = "$string" ]
gives "bytes are found" 0 "$heapdump" find --hex '6e 65 65 64 6c 65 20 69 6e' "$pid"
says "the bytes are found once" '^found 1 time$'
gives "a pointer is found" 0 "$heapdump" find --pointer "$string" --json "$pid"
holds "the pointer is where the program has it" [ "$(jq -r .block.addr got)" = "$holder" ]
gives "a block is described" 0 "$heapdump" block "$pid" "$(printf '0x%x' $((string + 70)))"
says "an address behind a block is told as such" 'is 6 bytes after a 64-byte block'
says "the block's stack has lines" '#0 0x[0-9a-f]+ in make_block .*scene\.c:[0-9]+'
says "the block's bytes are shown" '74 68 65 20 6e 65 65 64 6c 65'
says "who points at it is told" '^pointed at by [1-9][0-9]* word'
says "the block that does is named" "^  block $holder of 32 bytes \\+ 0, make_block scene\\.c"
gives "a block is described without that" 0 "$heapdump" block --no-refs "$pid" "$string"
holds "who points at it is not told then" sh -c '! grep -q "^pointed at" got'
gives "an address that is in no block is told" 0 "$heapdump" block "$pid" 1000
says "it says what is there" 'nothing is mapped there'
gives "a block is described in JSON" 0 "$heapdump" block --json "$pid" "$string"
holds "jq reads the block" jq -e '.block.size == 64 and .relation == "inside" and (.block.alloc_stack[0].function == "make_block")' got
holds "with who points at it" [ "$(jq -r '.from[] | select(.place == "block") | .block' got)" = "$holder" ]
gives "the walk is filtered by size, state and thread" 0 "$heapdump" walk --json --state=live --size=64-64 --thread=T0 "$pid"
holds "the filter takes what it should" jq -es 'length > 0 and all(.size == 64 and .state == "live" and .thread.id == 0)' got
gives "the walk is filtered by site" 0 "$heapdump" walk --json --state=live --site=run_thread "$pid"
holds "the blocks of a function are those of its threads" [ "$(grep -c . got)" = 198 ]
gives "the walk is sorted" 0 "$heapdump" walk --json --state=live --sort=size --reverse --limit=1 "$pid"
holds "the largest block comes first" [ "$(jq .size got)" = 200000 ]
gives "the sites are told" 0 "$heapdump" sites --json "$pid"
holds "the sites' blocks are the live ones" [ "$(jq -s 'map(.blocks) | add' got)" = "$(sed -n 's/^live \([0-9]*\) .*/\1/p' told)" ]
gives "the sites are folded" 0 "$heapdump" sites --folded "$pid"
holds "the folded bytes are the live ones" \
    [ "$(awk '{ sum += $NF } END { print sum }' got)" = "$(sed -n 's/^live [0-9]* \([0-9]*\) .*/\1/p' told)" ]
says "a folded stack leads from main inwards" 'main;make_blocks;make_block [0-9]+$'
gives "the sites are a tree" 0 "$heapdump" sites --tree "$pid"
gives "the sites are for speedscope" 0 "$heapdump" sites --speedscope "$pid"
holds "a speedscope profile is whole" jq -e '
    .profiles[0] as $p | .shared.frames as $f | ($p.samples | length) == ($p.weights | length) and
    ($p.samples | flatten | all(. < ($f | length))) and ($p.weights | add) == $p.endValue and
    ($f | map(.name) | index("make_block") != null)' got
gives "the sites are for pprof" 0 "$heapdump" sites --pprof -o profile.gz "$pid"
cat >profile.proto <<'END'
syntax = "proto3";
message Profile {
  repeated ValueType sample_type = 1; repeated Sample sample = 2; repeated Mapping mapping = 3;
  repeated Location location = 4; repeated Function function = 5; repeated string string_table = 6;
  int64 time_nanos = 9; int64 default_sample_type = 14;
}
message ValueType { int64 type = 1; int64 unit = 2; }
message Sample { repeated uint64 location_id = 1; repeated int64 value = 2; }
message Mapping {
  uint64 id = 1; uint64 memory_start = 2; uint64 memory_limit = 3; uint64 file_offset = 4; int64 filename = 5;
  int64 build_id = 6; bool has_functions = 7; bool has_filenames = 8; bool has_line_numbers = 9;
}
message Location { uint64 id = 1; uint64 mapping_id = 2; uint64 address = 3; repeated Line line = 4; }
message Line { uint64 function_id = 1; int64 line = 2; }
message Function { uint64 id = 1; int64 name = 2; int64 system_name = 3; int64 filename = 4; }
END
if command -v protoc >/dev/null; then
    zcat profile.gz | protoc --decode=Profile profile.proto >got 2>messages
    says "protoc reads the profile" '^string_table: "make_block"$'
    holds "its values sum up to the live bytes" [ "$(awk '/^sample \{/ { n = 0 } /^  value:/ { if (n++ == 1) sum += $2 }
        END { print sum }' got)" = "$(sed -n 's/^live [0-9]* \([0-9]*\) .*/\1/p' told)" ]
    holds "it has no field that the schema doesn't know" sh -c '! grep -qE "^ *[0-9]+[:{ ]" got'
else
    skip "protoc reads the profile: there is none"
fi

# ---- two targets

cp told before
before=$pid
start full "$scene" 900
gives "two processes are compared" 0 "$heapdump" diff --json "$before" "$pid"
holds "their difference is that of what they told" [ "$(jq -s 'map(select(.what == "all"))[0] | .after.size - .before.size' got)" = \
    $(($(sed -n 's/^live [0-9]* \([0-9]*\) .*/\1/p' told) - $(sed -n 's/^live [0-9]* \([0-9]*\) .*/\1/p' before))) ]
holds "what grew is one site, with its stack" jq -es 'map(select(.what == "site" and .after.blocks - .before.blocks > 100)) |
    length == 1 and .[0].alloc_stack[1].function == "make_blocks"' got
gives "a program is not different from itself" 0 "$heapdump" diff "$before" "$pid" --site=run_thread
stop
kill -9 "$before"

# ---- cores

start $unguarded "$scene" damage
gdb -batch -p "$pid" -ex 'gcore gcore' >/dev/null 2>messages
if [ -s gcore ]; then
    gives "what gcore left out is not taken for damage" 3 "$heapdump" check gcore
    warns "it says what is missing" 'lacks the contents of .* regions'
    agrees "the walk of gcore's core agrees" gcore
    gives "nor for leaks" 3 "$heapdump" leaks gcore
    warns "it says that it can't tell" 'nothing can be said of leaks'
else
    skip "gcore's core: gdb could not make one"
fi
stop
start $unguarded "$scene" damage
gives "a snapshot without contents is written" 0 "$heapdump" snapshot --no-content -o bare "$pid"
agrees "the walk of a snapshot without contents agrees" bare
gives "what is left out is not taken for sound" 3 "$heapdump" check bare
warns "it says what is left out" 'lacks the contents of .* regions'
gives "a snapshot is written" 0 "$heapdump" snapshot -o snapshot "$pid"
agrees "the walk of a snapshot agrees" snapshot
gives "damage is found in a snapshot" 1 "$heapdump" check snapshot
gives "a process is compared with itself" 0 "$heapdump" diff "$pid" "$pid"
holds "heapdump takes itself for no debugger" test ! -s messages
gives "a process is compared with its snapshot" 0 "$heapdump" diff --json snapshot "$pid"
holds "nothing grew" jq -es 'map(select(.what == "site")) == []' got
stop
# The kernel's, where it writes them into the current directory.
if [ "$(cat /proc/sys/kernel/core_pattern)" = core ] && (ulimit -c unlimited) 2>/dev/null; then
    (ulimit -c unlimited; LD_PRELOAD=$library PWHEAP_CHECK=$unguarded:handle_abort=0 exec "$scene" damage abort >told) 2>/dev/null
    core=$(ls core core.* 2>/dev/null | head -n 1)
    agrees "the walk of the kernel's core agrees" "$core"
    gives "damage is found in a core" 1 "$heapdump" check "$core"
    says "the core's report names the line" '#0 0x[0-9a-f]+ in make_block .*scene\.c:[0-9]+'
    mkdir elsewhere && cp "$scene" elsewhere/
    gives "a core's program may lie elsewhere" 1 "$heapdump" check -e "elsewhere/$(basename "$scene")" "$core"
    says "its lines are found there" 'in make_block .*scene\.c:[0-9]+'
    head -c $(($(stat -c %s "$core") - 8192)) "$core" >cut
    gives "a core that is cut is looked into" 0 "$heapdump" summary cut
    warns "it says that it is cut" 'is cut short: [0-9]+ bytes of memory are missing'
else
    skip "the kernel's core: it goes elsewhere"
fi

# ---- a real program, run

gives "jq is looked at where it ends" 0 "$heapdump" walk --stacks -- jq -n '"text"'
says "its stacks have the frame of libc's strdup" ' in .*strdup'
holds "and none of the library's, that checks it" sh -c '! grep -E "in pw_|libpwheap" got'

# ---- a program in C++

cat >shop.cpp <<'END'
#include <string>
#include <vector>
static std::vector<std::string> *names;
static __attribute__((noinline)) void add(int n)
{
    names->push_back(std::string(100, 'x')); // ADD
    names->back()[0] = (char)n;
}
int main()
{
    names = new std::vector<std::string>; // NEW
    for (int i = 0; i < 50; i++)
        add(i);
}
END
for optimization in -O0 -O2; do
    g++ -g $optimization shop.cpp -o shop 2>messages
    gives "a program in C++ is looked at where it ends, built with $optimization" 0 "$heapdump" sites -- ./shop
    says "its site is in its own source, not in the headers of std::string" "5050 B +50  add(\(int\))? shop.cpp:$(sed -n '/ADD/=' shop.cpp) < main"
    says "nor in those of std::vector" "2048 B +1  add(\(int\))? shop.cpp:$(sed -n '/ADD/=' shop.cpp) < main"
done

# ---- functions that were inlined

cat >tower.c <<'END'
#include <stdlib.h>
void *kept;
static inline __attribute__((always_inline)) void *ground(void)
{
    return malloc(4000); // GROUND
}
static inline __attribute__((always_inline)) void *floor1(void)
{
    return ground();
}
static __attribute__((noinline)) void roof(void)
{
    kept = floor1();
    __asm__("");
}
int main(void)
{
    roof();
    return 0;
}
END
gcc -g -O2 tower.c -o tower 2>messages
gives "a program with inlined functions is looked at where it ends" 0 "$heapdump" sites -- ./tower
says "its site names the callers that are inlined into one frame, too" "4000 B +1  ground tower.c:$(sed -n '/GROUND/=' tower.c) < floor1 < roof < main"

# ---- a library that was unloaded

cat >plugin.cpp <<'END'
#include <stdlib.h>
extern "C" void *plugin_make(void)
{
    return malloc(3000); // MAKE
}
END
cat >host.cpp <<'END'
#include <dlfcn.h>
static void *kept;
int main()
{
    void *plugin = dlopen("./plugin.so", RTLD_NOW);
    kept = ((void *(*)(void))dlsym(plugin, "plugin_make"))();
    dlclose(plugin);
}
END
g++ -g -shared -fPIC plugin.cpp -o plugin.so 2>messages
g++ -g host.cpp -o host 2>messages
gives "a program whose plugin is gone is looked at where it ends" 0 "$heapdump" sites -- ./host
says "what the plugin allocated is told by its line" "3000 B +1  plugin_make plugin.cpp:$(sed -n '/MAKE/=' plugin.cpp) < main"

# ---- what can't be looked into

gives "a process without pwheap is told" 3 "$heapdump" summary $$
warns "it says why" 'does not run on pwheap'
gives "no such process" 3 "$heapdump" summary 4194303
gives "no such file" 3 "$heapdump" summary nothing
gives "a program is no core" 3 "$heapdump" summary "$heapdump"
warns "it says what to do" 'run it, and give its PID'
echo text >text
gives "a text is no core" 3 "$heapdump" summary text
mkfifo pipe
gives "a pipe is no core" 3 "$heapdump" summary pipe
gives "a folder is no core" 3 "$heapdump" summary .
gives "no target" 2 "$heapdump" summary
gives "no such command" 2 "$heapdump" nonsense
gives "a range that is none" 2 "$heapdump" walk --size=9-1 1
gives "an expression that is none" 2 "$heapdump" walk --site='(' 1
if command -v bash >/dev/null; then
    complete() { # WORD… - what bash would offer for the last one
        PATH=$(dirname "$heapdump"):$PATH bash -c '. "$0"; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _heapdump; printf "%s\n" "${COMPREPLY[@]}"' \
            "$completion" "$@" >got 2>messages
    }
    complete heapdump su
    holds "bash completes a command" [ "$(cat got)" = summary ]
    complete heapdump walk --sta
    holds "bash completes a command's options" [ "$(tr '\n' ' ' <got)" = "--stacks --state= " ]
    start full "$scene"
    complete heapdump summary "$pid"
    says "bash completes a process" "^$pid\$"
    stop
fi
for command in $("$heapdump" --help | sed -n '/^Commands:/,/^$/s/^  \([a-z][a-z]*\) .*/\1/p'); do
    gives "$command has help" 0 "$heapdump" $command --help
done

echo "$passed passed, $failed failed"
[ $failed = 0 ] && [ $passed != 0 ]
