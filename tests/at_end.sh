#!/bin/sh
# at_end.sh HEAPDUMP PROGRAM - proves that a command with `-- PROGRAM` as its target runs PROGRAM (tests/programs/ends.c)
# and looks at it where it ends, however it does.
. "$(dirname "$0")/sentences.sh"
heapdump=$(realpath "$1") && program=$(realpath "$2") || exit 2
cd "$dir" || exit 2
unset PWHEAP_CHECK PWHEAP_OPTIONS
ulimit -c 0
clean_up() { [ -z "${waiting-}" ] || kill -9 "$waiting" 2>/dev/null; }

patience=100

# A fault in a thread's path would be seen here: the blocks on the stacks of the others are held at the end.
for how in exit abort kill fault exec; do
    look leaks -- "$program" $how
    case $how in
    exit | exec) end='exit status 7' ;;
    abort) end=SIGABRT ;;
    kill) end=SIGKILL ;;
    fault) end=SIGSEGV ;;
    esac
    holds "$how: what is lost at the end is a leak" ends_with 1
    holds "$how: it is that block, and no other" says out '^SUMMARY: PWHeap: 333 byte(s) leaked in 1 allocation(s)'
    holds "$how: how it ends is said" says err "at its end: $end\$"
    holds "$how: what it writes to stdout comes on stderr" says err '^output of [0-9]'
    holds "$how: and not among ours" lacks out '^output'
done
look leaks -- "$program" thread
holds "a program whose first thread has ended is looked at when the last one ends" says out '^SUMMARY: PWHeap: 333 byte(s)'

look check -- "$program" damage
holds "a program that damage stops is looked at there" ends_with 1
holds "the damage is listed" says out '^1 damage found'
holds "the library's own report comes before" says err 'ERROR: PWHeap: heap-buffer-overflow'
look check -- "$program" exit
holds "that of a sound one is sound" ends_with 0
look summary --json -- "$program" exit
holds "JSON is all there is on stdout" jq -e '.live.blocks > 4 and .level == "full"' out
PWHEAP_CHECK=fast "$heapdump" summary --json -- "$program" exit >out 2>err
holds "PWHEAP_CHECK is heard" jq -e '.level == "fast"' out

look find --string 'needle at the end' --json -- "$program" exit
address=$(jq -r .block.addr out)
look block "$address" -- "$program" exit
holds "another run has its blocks at the same addresses" says out "^$address is the start of a 100-byte block"
holds "and who points at it" says out 'global .kept. of .*/ends'
look refs "$address" -- "$program" exit
holds "refs takes a program, too" says out '^reached by:'
look snapshot -o first.core -- "$program" exit
holds "a snapshot is taken at the end" ends_with 0
look diff --json first.core -- "$program" abort
holds "a program can be compared with one" ends_with 0
holds "and is the same" [ "$(jq -s 'map(select(.what == "site")) | length' out)" = 0 ]

wait_for_output() {
    rm -f err # of the one before
    "$heapdump" summary -- "$program" wait >out 2>err </dev/null &
    waiting=$!
    until grep -qs '^output of' err; do kill -0 $waiting 2>/dev/null || break; done
}
wait_for_output
kill -TERM "$(sed -n 's/^output of //p' err)"
wait $waiting
holds "a signal from outside is an end" says err 'at its end: SIGTERM$'
holds "and there is a summary" says out '^level full'
wait_for_output
pid=$(sed -n 's/^output of //p' err)
kill -9 $waiting
wait $waiting 2>/dev/null
waiting=
while kill -0 "$pid" 2>/dev/null && ! grep -q '^State:.*Z' "/proc/$pid/status" 2>/dev/null; do :; done
holds "when heapdump is killed the program that it ran ends as well" true

look summary -- ./nonesuch
holds "a program that isn't there is exit status 3" ends_with 3
holds "and told" says err "can't run ./nonesuch"
look summary --
holds "-- and no program is wrong usage" ends_with 2
look summary 1 -- "$program"
holds "so are two targets" ends_with 2
look summary -- "$heapdump" --version
holds "a program that is none of ours is run with the library as well" ends_with 0

finish_test
