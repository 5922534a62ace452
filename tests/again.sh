#!/bin/sh
# again.sh HEAPDUMP PROGRAM - proves what `heapdump run --pinpoint` and `--thorough` do with the bugs of
# tests/programs/again.c. Where the machine gives no hardware breakpoints, guard pages do their work.
. "$(dirname "$0")/sentences.sh"
heapdump=$(realpath "$1") && program=$(realpath "$2") || exit 2
cd "$dir" || exit 2
ulimit -c 0
unset LD_PRELOAD PWHEAP_CHECK PWHEAP_OPTIONS

patience=120
run() { look run --no-dump "$@"; }
has_breakpoints() { ! grep -q 'no hardware breakpoint is to be had' err; }

for bug in overflow:+48:overflow underflow:-1:underflow after_free:+5:use-after-free; do
    name=${bug%%:*}
    offset=${bug#*:}
    offset=${offset%:*}
    run --pinpoint "$program" "$name"
    holds "$name: the damage is found late, then its byte is watched" \
        says err "^heapdump: run again, watching byte $offset of allocation [0-9]* of thread T0$"
    holds "$name: the second run stops at the store" \
        says err "^heapdump: pinpointed: the .* is the first stack of the last report: heap-.*${bug##*:} .*/again.c:[0-9:]* in store$"
    holds "$name: there are two reports" [ "$(kinds)" = 2 ]
    if has_breakpoints; then
        holds "$name: the last one says who wrote it" says err '^written by:$'
    fi
done

run --pinpoint "$program" string
holds "a call that reads what was stored behind a block is told first" says err '^READ of size [0-9]* .*, by strlen()$'
holds "and the second run stops at the store" \
    says err '^heapdump: pinpointed: the .* is the first stack of the last report: heap-buffer-overflow .*/again.c:[0-9:]* in store$'

run --pinpoint "$program" kernel
if has_breakpoints; then
    holds "what the kernel wrote is told as that" says err '^heapdump: the same damage again, but no store of the program'
fi

run --pinpoint "$program" once
holds "where the second run is another one, it says so" says err '^heapdump: the runs differ: nothing was found in the second one$'
holds "and ends as that did" ends_with 0

holds "a third one with guards finds nothing either" says err '^heapdump: with guard pages on all blocks of that place, nothing was found$'

for bug in moves moves_odd moves_before shrinks; do
    rm -f ran.before
    run --pinpoint "$program" $bug
    holds "$bug: another block was damaged in the second run, it says so" says err '^heapdump: the runs differ: .*in another block: heap-'
    holds "$bug: the third run stops at the store" \
        says err '^heapdump: pinpointed, with guard pages .* report: heap-buffer-.*/again.c:[0-9:]* in store$'
    holds "$bug: there are three reports" [ "$(kinds)" = 3 ]
done
holds "of a shorter run it says how short" says err '^heapdump: the runs differ: the second one ended after 2[0-9]* allocations of thread T0, before number 2[0-9]*$'

run --pinpoint "$program" follow
holds "a pointer out of a freed block is followed: it runs again with guards" \
    says err '^heapdump: run again, with guard pages on all blocks of the place that allocated it$'
holds "and stops where the pointer is read" \
    says err '^heapdump: pinpointed, with guard pages .* report: heap-use-after-free .*/again.c:[0-9:]* in follow$'

run --pinpoint "$program" follow_behind
holds "a pointer from behind a block is followed: it runs again with guards" \
    says err '^heapdump: run again, with guard pages on all blocks of the place that allocated it$'
holds "and stops where that pointer is read" \
    says err '^heapdump: pinpointed, with guard pages .* report: heap-buffer-overflow .*/again.c:[0-9:]* in follow$'

run --pinpoint "$program" nothing
holds "a program without a bug is run once" [ "$(grep -c '^heapdump: ' err)" = 1 ]
holds "and that is said" says err '^heapdump: nothing was found: there is nothing to pinpoint$'

run --pinpoint --level guard -O guard_side=right "$program" over_read
holds "an access that was seen at once needs no second run" says err 'is the access itself: there is nothing to pinpoint$'

run --thorough "$program" under_read
holds "--thorough finds a read before a block" says err '^heapdump:   underruns  *heap-buffer-underflow .*/again.c:'
holds "which no other run sees" [ "$(grep -c '^heapdump:   .* nothing$' err)" = 3 ]
holds "its report is shown" [ "$(kinds)" = 1 ]
holds "and it ends as that run did" ends_with 139

run --thorough "$program" over_read
holds "it finds a read past a block" says err '^heapdump:   overruns  *heap-buffer-overflow .*/again.c:'
holds "and shows what two runs say the same but once" [ "$(kinds)" = 1 ]

run --thorough "$program" nothing
holds "it finds nothing where there is nothing" [ "$(grep -c '^heapdump:   .* nothing$' err)" = 4 ]
holds "and says nothing else" [ "$(kinds)" = 0 ]
holds "the program's status is its own" ends_with 0

run -O "hints=$dir/hints" "$program" overflow
holds "with hints a run that finds damage late" says err '^damage found by '
holds "leaves a line for the place that allocated the block" [ "$(grep -cxE 'site [0-9a-f]{16}' hints)" = 1 ]
run -O "hints=$dir/hints" "$program" overflow
holds "and the next run guards what that place allocates: it stops at the store" says err '^    #0 .* in store .*/again.c:'
holds "and adds nothing" [ "$(wc -l <hints)" = 1 ]
run -O "hints=$dir/hints" "$program" nothing
holds "a program without a bug goes as before" ends_with 0
holds "and says nothing" [ ! -s err ]

run -O symbolize=0 "$program" overflow
place=$(sed -n '/^allocated by/{n;s/.*[/]\([^/ ]*+0x[0-9a-f]*\)).*/\1/p;}' err | head -1)
run -O "watch=$place+48" "$program" overflow
holds "a place by its object and offset, as reports write it, is watched" \
    says err "pwheap: watch: blocks of $place get guard pages, right behind them$"
holds "and the run stops at the store" says err '^    #0 .* in store .*/again.c:'
run -O watch=nobody -O symbolize=0 "$program" nothing
holds "a place that allocates nothing is told at exit" says err 'pwheap: watch: a block of nobody never came$'

run --thorough --pinpoint true
holds "the two don't go together" ends_with 2
run --pinpoint --json true
holds "nor --pinpoint and --json" ends_with 2

finish_test
