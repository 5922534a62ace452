#!/bin/sh
# run.sh HEAPDUMP PROGRAM - proves what `heapdump run` does with programs that have bugs (PROGRAM is
# tests/programs/snapshot.c), have none, or can't be checked. script(1) gives it a terminal.
. "$(dirname "$0")/sentences.sh"
heapdump=$(realpath "$1") && program=$(realpath "$2") || exit 2
cd "$dir" || exit 2
ulimit -c 0
export TMPDIR="$dir" # nobody else's folders
unset LD_PRELOAD PWHEAP_CHECK PWHEAP_OPTIONS

run() { # ARGUMENT… - of heapdump run; no terminal anywhere
    rm -f ./*.core
    look run "$@"
}
on_terminal() { # ARGUMENT… - stdout and stderr are a terminal, and come to `out`
    rm -f ./*.core
    TERM=xterm prlimit --cpu=60 script -qec "$heapdump run $*" /dev/null >out 2>err </dev/null
    status=$?
    tr -d '\r' <out >lines && mv lines out
}
no_folder_left() { ! ls -d "$TMPDIR"/heapdump.?????? 2>/dev/null | grep -q .; }

# ---- found, and not

run "$program" damage
holds "the report goes to stderr" [ "$(kinds)" = 1 ]
holds "with file and line" says err '^    #0 .* in damage .*/snapshot.c:[0-9]*:'
holds "and who allocated the block, for the level is full" says err '^allocated by thread T0'
holds "the program ends as it does" ends_with 134
holds "there is a snapshot" [ "$(ls ./*.core | wc -l)" = 1 ]
holds "that the report names" says err "pwheap: snapshot: $(basename "$(ls ./*.core)") "
holds "which heapdump opens" "$heapdump" summary --json ./*.core -e "$program" >summary
holds "away from a terminal nothing more is said" lacks err '^heapdump: '
holds "no colours either" lacks err "$(printf '\033')"

mkdir "$dir/100%p" && TMPDIR="$dir/100%p" look run --no-dump "$program" damage
holds "a folder for the reports may have a % in its name" [ "$(kinds)" = 1 ]
holds "which means nothing there" lacks err "can't be written"
holds "and is empty then" rmdir "$dir/100%p"

on_terminal "$program" damage
holds "on a terminal one line says what was found, and where the snapshot is" \
    says out "^heapdump: $program: 1 error: heap-buffer-overflow .*/snapshot.c:[0-9:]* in damage; snapshot: pwheap.snapshot.[0-9]*.1.core$"
holds "the report has colours" says out "$(printf '\033')"
on_terminal --continue "$program" goes_on
holds "with --continue the program ends with its own status" ends_with 0
holds "and all errors are counted" says out '^heapdump: .*: 2 errors, the last one: heap-buffer-overflow .* in damage_again; snapshot: '
on_terminal "$program" nothing
holds "where nothing was found it says that" says out "^heapdump: $program: nothing was found in its heap$"
on_terminal sh -c "'kill -SEGV \$\$'"
holds "where it crashed all the same it says what else there is" \
    says out "^heapdump: sh: nothing was found in its heap, but it ended by signal 11; .heapdump run --thorough. sees "
holds "and there is no snapshot" [ "$(ls ./*.core 2>/dev/null | wc -l)" = 0 ]

# ---- the program's status, arguments, environment

run -- sh -c 'echo "$1-$2"; exit 7' sh 'a b' c
holds "the exit status is the program's" ends_with 7
holds "and the arguments" [ "$(cat out)" = "a b-c" ]
run sh -c 'kill -TERM $$'
holds "so is a signal" ends_with 143
LD_PRELOAD=libdl.so.2 run sh -c 'echo "$LD_PRELOAD"'
holds "what was preloaded stays so, after the library" says out '/libpwheap.so[.0-9]*:libdl.so.2$'
PWHEAP_CHECK=fast:seed=7 run sh -c 'echo "$PWHEAP_CHECK"'
holds "what PWHEAP_CHECK says is kept" says out '^fast:seed=7:.*dump_on_error=1$'
PWHEAP_CHECK=fast:seed=7 run --level off -O 'strip_path_prefix=a b:' sh -c 'echo "$PWHEAP_CHECK"'
holds "the flags come after it, quoted" says out '^fast:seed=7:off:.*strip_path_prefix="a b:":.*dump_on_error=1$'

# ---- options

run --no-dump "$program" damage
holds "with --no-dump there is no snapshot" [ "$(ls ./*.core 2>/dev/null | wc -l)" = 0 ]
run --dump "$dir/here.%n.core" --no-content "$program" damage
holds "--dump says where it goes" [ -s here.1.core ]
holds "--no-content leaves the data out" lacks here.1.core secret-of-the-heap
run --json "$program" damage
holds "--json makes the reports JSON" [ "$(grep '^{' err | jq -r 'select(.kind) | .kind')" = heap-buffer-overflow ]
run --level fast "$program" damage
holds "--level fast knows no allocation" lacks err '^allocated by'
on_terminal --log "$dir/log" "$program" damage
holds "--log writes to a file" says "$(ls log.*)" 'ERROR: PWHeap'
holds "and what it holds is told" says out '^heapdump: .*: 1 error: heap-buffer-overflow'
run -O halt_on_error=0 -O abort_on_error=0 "$program" goes_on
holds "-O sets any option" ends_with 0

# ---- programs that can't be checked

run "$dir/nonesuch"
holds "a program that there is not is exit status 127" ends_with 127
printf 'int main(void){return 0;}' >none.c
gcc -static -o static none.c && run ./static
holds "a static program is declined" ends_with 3
holds "and why" says err "can't be checked: it is statically linked"
if [ "$(id -u)" = 0 ]; then
    gcc -o setuid none.c && chown 1 setuid && chmod u+s setuid && run ./setuid
    holds "a setuid program too" ends_with 3
    holds "and why" says err "can't be checked: it is setuid"
    printf '#! %s/setuid -x\n' "$dir" >script && chmod +x script && run ./script
    holds "so is a script for one" ends_with 3
fi
run --library "$dir/none.so" true
holds "a library that there is not is told" says err "can't open the library"
run --level nonsense true
holds "wrong usage is exit status 2" ends_with 2
run
holds "so is no program" ends_with 2
holds "no folder is left behind" no_folder_left

finish_test
