#!/bin/sh
# heapdump_leaks.sh HEAPDUMP LIBRARY PROGRAM SOURCE - proves what `heapdump leaks` and `heapdump refs` say of a
# process and of its core: PROGRAM is tests/programs/refs.
set -u
heapdump=$(realpath "$1") || exit 2
library=$(realpath "$2") || exit 2
program=$(realpath "$3") || exit 2
source=$(realpath "$4") || exit 2
dir=$(mktemp -d) || exit 2
pid=
trap 'exec 9>&-; [ -z "$pid" ] || kill "$pid" 2>/dev/null; rm -rf "$dir"' EXIT
cd "$dir" || exit 2
mkfifo input
passed=0
failed=0

pass() { passed=$((passed + 1)); echo "ok   $1"; }
fail() { failed=$((failed + 1)); echo "FAIL $1"; }

# same SENTENCE - `got` is the text on stdin, addresses and paths masked
same() {
    cat >expected
    sed -E "s|$(dirname "$program")|DIR|g; s/0x[0-9a-f]{6,}/ADDRESS/g" got >masked
    if cmp -s expected masked; then
        pass "$1"
    else
        fail "$1"
        diff expected masked | sed 's/^/     /'
        sed 's/^/     /' messages
    fi
}

look() { prlimit --cpu=60 "$heapdump" "$@" >got 2>messages; echo $? >status; }
# The address that the program gave a name.
address() { sed -n "s/^$1 //p" names; }
# The groups, without their stacks.
groups() { grep -E '^(Direct|Indirect|SUMMARY|no leaks)' got >lines; mv lines got; }
ended_with() { [ "$(cat status)" = "$1" ]; }
expect_status() { if ended_with "$2"; then pass "$1"; else fail "$1 (exit status $(cat status))"; fi; }

# start LEVEL ARGUMENT… - run the program until it has made its blocks
start() {
    level=$1
    shift
    : >names # the one before said "ready" there, and the new one may be slow to open it
    PWHEAP_CHECK=$level LD_PRELOAD=$library "$program" "$@" <input >names 2>errors &
    pid=$!
    exec 9>input
    tries=0
    until grep -q '^ready' names || ! kill -0 $pid 2>/dev/null; do
        tries=$((tries + 1))
        [ $tries -lt 600 ] || { echo "the program does not get ready"; exit 1; }
        sleep 0.05
    done
}
stop() {
    exec 9>&-
    wait $pid
    pid=
}

reached_by() { # NAME TARGET
    look refs "$2" "$(address "$1")"
    sed -n '/^reached by:/,$p' got | tail -n +2 | sed -E 's/, [a-z_]+ [a-z]+\.c:[0-9]+( < [a-z_]+)*$//' >lines
    mv lines got
}

all_refs() { # TARGET WORDS
    reached_by table "$1"
    same "a global is named with its symbol, file and offset ($2)" <<'END'
  global `table` of DIR/refs + 0x18
END
    reached_by interior "$1"
    same "a pointer into a block is a pointer to it ($2)" <<'END'
  global `hidden_global` of DIR/refs + 0x0
END
    reached_by chain "$1"
    same "a chain is told from its root on ($2)" <<'END'
  global `table` of DIR/refs + 0x28
  block ADDRESS of 105 bytes + 0
  block ADDRESS of 106 bytes + 0
END
    reached_by stale "$1"
    same "who still has the address of a freed block is told ($2)" <<'END'
  global `stale_global` of DIR/refs + 0x0
END
    reached_by tls "$1"
    same "the first thread's thread-local memory is named ($2)" <<'END'
  thread-local memory of thread T0 (refs)
END
    reached_by library "$1"
    same "a global of a library that was opened is named ($2)" <<'END'
  global `in_global` of DIR/libholder.so + 0x0
END
    reached_by library_tls "$1"
    same "thread-local memory of such a library is a block that the thread's table leads to ($2)" <<'END'
  thread-local memory of thread T0 (refs)
  block ADDRESS of 8 bytes + 0
END
    reached_by stack "$1"
    same "a thread's stack is named with the function whose frame it is ($2)" <<'END'
  stack of thread T1 (worker) in hold_on_stack
END
    [ "$(uname -m)" = x86_64 ] || return 0
    reached_by register "$1"
    same "a register is named with its thread ($2)" <<'END'
  register rbx of thread T1 (worker)
END
}

lost_refs() { # TARGET WORDS
    look refs "$1" "$(address indirect)"
    sed -i -E 's/, [a-z_]+ [a-z]+\.c:[0-9]+( < [a-z_]+)*$//' got
    same "a lost block is told with the one that it is lost with ($2)" <<'END'
block ADDRESS of 202 bytes, live

pointed at by 1 word:
  block ADDRESS of 201 bytes + 0

lost: nothing leads to it from outside (indirect leak)

lost with:
  block ADDRESS of 201 bytes + 0
END
}

all_leaks() { # TARGET WORDS
    look leaks "$1"
    expect_status "the exit status tells of leaks ($2)" 1
    groups
    same "the lost blocks are told, and no others ($2)" <<'END'
Direct leak of 203 byte(s) in 1 object(s) allocated from:
Direct leak of 201 byte(s) in 1 object(s) allocated from:
Indirect leak of 203 byte(s) in 1 object(s) allocated from:
Indirect leak of 202 byte(s) in 1 object(s) allocated from:
SUMMARY: PWHeap: 809 byte(s) leaked in 4 allocation(s).
END
    look leaks --starts-only "$1"
    groups
    same "with --starts-only a pointer into a block does not hold it ($2)" <<'END'
Direct leak of 203 byte(s) in 1 object(s) allocated from:
Direct leak of 201 byte(s) in 1 object(s) allocated from:
Direct leak of 104 byte(s) in 1 object(s) allocated from:
Indirect leak of 203 byte(s) in 1 object(s) allocated from:
Indirect leak of 202 byte(s) in 1 object(s) allocated from:
SUMMARY: PWHeap: 913 byte(s) leaked in 5 allocation(s).
END
}

# ---- a process

for level in off fast full guard; do
    start $level dirty
    all_leaks $pid "a process at $level"
    all_refs $pid "a process at $level"
    lost_refs $pid "a process at $level"
    stop
done

start full clean
look leaks $pid
expect_status "of a clean process the exit status is 0" 0
stop

# ---- options

start full dirty
look leaks --blocks $pid
grep -E '^  0x' got >lines; mv lines got
same "--blocks lists the blocks of each group" <<'END'
  ADDRESS, 203 bytes
  ADDRESS, 201 bytes
  ADDRESS, 203 bytes
  ADDRESS, 202 bytes
END
look leaks --limit=1 $pid
groups
same "--limit shows the largest groups and counts all" <<'END'
Direct leak of 203 byte(s) in 1 object(s) allocated from:
SUMMARY: PWHeap: 809 byte(s) leaked in 4 allocation(s).
END
printf '# known\nleak:^lose$\n' >known
look leaks --suppressions=known $pid
expect_status "when all is suppressed the exit status is 0" 0
look leaks --suppressions=nowhere $pid
expect_status "a file of suppressions that isn't there is an error" 3
look leaks $pid
grep -A 2 '^Direct leak of 203' got | sed -E 's/0x[0-9a-f]{12} //; s|/[^ ]*/||' | head -3 >lines; mv lines got
same "stacks have functions, files and lines" <<END
Direct leak of 203 byte(s) in 1 object(s) allocated from:
    #0 in node_new refs.c:$(grep -n 'calloc(1, size)' "$source" | cut -d: -f1):25
    #1 in lose refs.c:$(grep -n 'ring = node_new' "$source" | cut -d: -f1):25
END
look leaks --json $pid
if command -v jq >/dev/null; then
    jq -c '[.kind, .direct, .bytes, .blocks, (.alloc_stack | length > 2)]' got >lines; mv lines got
    same "--json is an object a group" <<'END'
["memory-leak",true,203,1,true]
["memory-leak",true,201,1,true]
["memory-leak",false,203,1,true]
["memory-leak",false,202,1,true]
END
    look refs --json $pid "$(address chain)"
    jq -c '[.reach, .block.size, .pointers, [.chain[] | [.place, .symbol, .offset]]]' got >lines; mv lines got
    same "refs --json has the chain" <<'END'
["reached",107,1,[["global","table",40],["block",null,0],["block",null,0]]]
END
fi
look refs $pid 0x10
expect_status "an address that is in no block is wrong usage" 2
look refs $pid
expect_status "refs without an address is wrong usage" 2
stop

# ---- a core

ulimit -c unlimited 2>/dev/null
case $(cat /proc/sys/kernel/core_pattern) in
'|'* | /*) echo "skip the kernel keeps cores elsewhere" ;;
*)
    start full dirty abort
    stop
    core=$(find . -name 'core*' -type f | head -1)
    if [ -n "$core" ]; then
        all_leaks "$core" "a core"
        all_refs "$core" "a core"
        lost_refs "$core" "a core"
    else
        echo "skip no core was left"
    fi
    ;;
esac

echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
