#!/bin/sh
# tsan.sh ROOT [ARGUMENT of stress]… - ThreadSanitizer over the library, driven through its own entry points: the
# malloc family is renamed (ThreadSanitizer brings its own), the rest of the sources are as they are but for what
# stands in for libc's functions; the stress program calls the renamed ones. There is no list of suppressions: what
# races on purpose is atomic, or marked PW_RACES in the source (base/base.h says why). Without signals, forks,
# snapshots and ends of threads, which ThreadSanitizer makes more of than there is.
set -u
root=$1
shift
directory=$(mktemp -d) || exit 1
trap 'rm -rf "$directory"' EXIT

echo 'int main(void) { return 0; }' >"$directory/probe.c"
${CC:-cc} -fsanitize=thread -o "$directory/probe" "$directory/probe.c" 2>/dev/null && "$directory/probe" ||
    { echo "no ThreadSanitizer here"; exit 77; }

renames=
for name in malloc calloc realloc reallocarray free cfree free_sized free_aligned_sized memalign aligned_alloc \
    posix_memalign valloc pvalloc malloc_usable_size; do
    renames="$renames -D$name=pw_test_$name"
done
flags="-g -O1 -std=gnu11 -w -fsanitize=thread -fno-builtin -fno-strict-aliasing -ftls-model=initial-exec -D_GNU_SOURCE
    -I$root/src -I$root/include"

for source in $(find "$root/src" -name '*.c'); do
    case $source in
    */new_delete.c | */loader.c | */signals.c | */masks.c | */front/libc/*) continue ;;
    esac
    object=$directory/$(basename "$(dirname "$source")")_$(basename "$source" .c).o
    # shellcheck disable=SC2086
    ${CC:-cc} $flags $renames -c -o "$object" "$source" || exit 1
done
cat >"$directory/absent.c" <<'C'
/* What the sources left out would have given. */
void pw_signals_start(void);
void pw_signals_start(void) {}
C
# shellcheck disable=SC2086
${CC:-cc} $flags -c -o "$directory/absent.o" "$directory/absent.c" &&
    ${CC:-cc} $flags $renames -c -o "$directory/stress.o" "$root/tests/stress/stress.c" &&
    ${CC:-cc} -fsanitize=thread -o "$directory/stress" "$directory"/*.o -lpthread -ldl || exit 1
status=0
for level in off fast full; do
    echo "level $level"
    TSAN_OPTIONS="halt_on_error=0 exitcode=66 history_size=7" PWHEAP_CHECK=$level \
        "$directory/stress" -q "$@" >"$directory/out" 2>&1 || status=1
    tail -n 200 "$directory/out"
done
exit $status
