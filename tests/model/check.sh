#!/bin/sh
# check.sh MODEL [slow] - has spin look at every interleaving of the model, at fast and full; then breaks a rule at a
# time, and each time an error must be found: a model that can't fail proves nothing.
set -u
model=$1
command -v spin >/dev/null || { echo "spin is missing: tools/setup installs it"; exit 1; }
directory=$(mktemp -d) || exit 1
trap 'rm -rf "$directory"' EXIT
failed=0

# Number of errors that spin finds; its whole output is in $directory/log.
errors() { # FILE DEFINITION…
    file=$1
    shift
    rm -f "$directory"/pan*
    (cd "$directory" && spin -a "$@" "$file" >log 2>&1 &&
        ${CC:-cc} -w -O1 -DSAFETY -DCOLLAPSE -DMEMLIM=2000 -o pan pan.c >>log 2>&1 && ./pan -m200000 -E >>log 2>&1)
    sed -n 's/.*errors: *//p' "$directory/log"
}

check() { # NAME DEFINITION…
    name=$1
    shift
    count=$(errors "$model" "$@")
    states=$(sed -n 's/^ *\([0-9.e+]*\) states, stored.*/\1/p' "$directory/log")
    if [ "$count" = 0 ] && ! grep -q 'out of memory\|max search depth' "$directory/log"; then
        echo "ok: $name, $states states"
    else
        echo "FAILED: $name"
        tail -n 20 "$directory/log"
        failed=1
    fi
}

breaks() { # WHAT SED-SCRIPT DEFINITION…
    what=$1
    sed "$2" "$model" >"$directory/broken.pml"
    shift 2
    if cmp -s "$model" "$directory/broken.pml"; then
        echo "FAILED: nothing was broken: $what"
        failed=1
    elif [ "$(errors "$directory/broken.pml" "$@")" = 0 ]; then
        echo "FAILED: it is not found when $what"
        failed=1
    else
        echo "ok: found when $what"
    fi
}

check "fast, two blocks" -DROUNDS=1
check "fast, one block, allocated twice" -DBLOCKS=1 -DROUNDS=2
check "full, one block" -DLEVEL_FULL -DBLOCKS=1 -DROUNDS=1
[ "${2-}" != slow ] || check "full, two blocks" -DLEVEL_FULL -DROUNDS=1
breaks "a claim at full is no compare-and-swap" '/^inline claim/,/^}/s/#ifdef LEVEL_FULL/#ifdef NEVER/' \
    -DLEVEL_FULL -DROUNDS=1
breaks "a block is LIVE before its zone is written" '/pattern\[got\] = DATA;/{N;s/pattern\[got\] = DATA;\n *word\[got\] = LIVE/word[got] = LIVE;\n        pattern[got] = DATA/}' \
    -DROUNDS=1
breaks "poison is written before PENDING is" '/^inline free_block/,/^}/s/claim(block, me);/pattern[block] = TORN; claim(block, me);/' \
    -DROUNDS=1
breaks "a refill takes no lock" '/^inline refill/,/^}/{s/lock(heap_lock, me);/skip;/;s/unskip;/skip;/;s/unlock(heap_lock, me)/skip/}' \
    -DROUNDS=1
breaks "the quarantine forgets a block" 's/queued\[block\] = true;/skip;/' -DLEVEL_FULL -DROUNDS=1
breaks "a drain leaves the block in its cache" '/^inline drain/,/^}/s/cached_by\[b\] = 0;/skip;/' -DROUNDS=1
exit $failed
