#!/bin/bash
# helgrind.sh [ARGUMENT of stress]… - helgrind over the library, driven through its own entry points as by tsan.sh: by hand,
# for it takes minutes (arguments by default: -n 400 -t 3). helgrind.h tells it what C11's atomics mean; what races on
# purpose is known by its mark in the source, PW_RACES, and left out. Needs valgrind. DRD can't know: it says nothing even
# with pw_lock_acquire emptied, where helgrind has the race at once.
set -u
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
[ $# != 0 ] || set -- -n 400 -t 3
directory=$(mktemp -d) || exit 1
trap 'rm -rf "$directory"' EXIT
[ -f /usr/include/valgrind/helgrind.h ] && command -v valgrind >/dev/null || { echo "no valgrind here"; exit 77; }

flags=(-g -O1 -std=gnu11 -w -fno-builtin -fno-strict-aliasing -ftls-model=initial-exec -D_GNU_SOURCE
    -I"$root/src" -I"$root/include" -include "$root/tests/stress/helgrind.h")
renames=()
for name in malloc calloc realloc reallocarray free cfree free_sized free_aligned_sized memalign aligned_alloc \
    posix_memalign valloc pvalloc malloc_usable_size; do
    renames+=("-D$name=pw_test_$name")
done

for source in $(find "$root/src" -name '*.c'); do
    case $source in
    */new_delete.c | */loader.c | */signals.c | */masks.c | */front/libc/*) continue ;;
    esac
    object=$directory/$(basename "$(dirname "$source")")_$(basename "$source" .c).o
    "${CC:-cc}" "${flags[@]}" "${renames[@]}" -c -o "$object" "$source" || exit 1
done
echo 'void pw_signals_start(void) {}' >"$directory/absent.c"
"${CC:-cc}" "${flags[@]}" -c -o "$directory/absent.o" "$directory/absent.c" &&
    "${CC:-cc}" "${flags[@]}" "${renames[@]}" -c -o "$directory/stress.o" "$root/tests/stress/stress.c" &&
    "${CC:-cc}" -o "$directory/stress" "$directory"/*.o -lpthread -ldl || exit 1

# The functions marked PW_RACES or PW_INLINE_RACES: the name before the first bracket of a line with the mark.
grep -rhE '(PW_RACES|PW_INLINE_RACES) ' "$root/src" --include='*.[ch]' | grep -v '#define' |
    sed -nE 's/.*PW_(INLINE_)?RACES [^(]*[ *]([a-z_0-9]+)\(.*/\2/p' | sort -u |
    while read -r name; do
        printf '{\n   %s\n   Helgrind:Race\n   fun:%s\n}\n' "$name" "$name"
        printf '{\n   below %s\n   Helgrind:Race\n   fun:*\n   fun:%s\n}\n' "$name" "$name"
    done >"$directory/races"

status=0
for level in off fast full; do
    echo "helgrind, level $level"
    PWHEAP_CHECK=$level valgrind --tool=helgrind --suppressions="$directory/races" --error-exitcode=66 \
        "$directory/stress" -q "$@" >"$directory/out" 2>&1 || { status=1; head -n 60 "$directory/out"; }
    tail -n 1 "$directory/out"
done
exit $status
