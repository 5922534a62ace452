#!/bin/sh
# musl.sh SOURCE_ROOT - builds the library with musl-gcc, and runs a program with it, linked statically and preloaded.
set -u
root=$1
command -v musl-gcc >/dev/null || { echo "there is no musl-gcc"; exit 77; }
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
# Debian's musl comes without the kernel's headers.
CC="musl-gcc -idirafter /usr/include -idirafter /usr/include/$(gcc -print-multiarch)"
export CC
failed=0

check() { # WORDS LEVEL BUG COMMAND… - it prints WORDS
    words=$1 level=$2
    shift 2
    if ! (PWHEAP_CHECK=$level:color=never "$@" 2>&1) 2>/dev/null | grep -q "$words"; then
        echo "at $level, $*: not $words"
        failed=$((failed + 1))
    fi
}

{
    meson setup "$work/build" "$root" -Dlibrary_only=true -Dwerror=false && ninja -C "$work/build"
} >"$work/log" 2>&1 || { tail -n 30 "$work/log"; exit 1; }
build=$work/build/src
program=$root/tests/programs/musl.c
musl-gcc -static -O1 -fno-builtin -o "$work/static" "$program" "$build/libpwheap.a" &&
    musl-gcc -O1 -fno-builtin -o "$work/dynamic" "$program" || exit 1
for level in off fast full guard; do
    for how in "$work/static" "env LD_PRELOAD=$build/libpwheap.so $work/dynamic"; do
        # shellcheck disable=SC2086 # a command of words
        {
            check "^went on$" $level $how
            check "SUMMARY: PWHeap: double-free" $level $how double_free
            [ $level = off ] || check "SUMMARY: PWHeap: heap-buffer-overflow" $level $how overflow
        }
    done
done
exit $failed
