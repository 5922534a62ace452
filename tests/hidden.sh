#!/bin/sh
# hidden.sh HEAPDUMP LIBRARY PROGRAM - proves that a heap with hidden pages (tests/programs/hidden.c) is looked into as any
# other, by heapdump in the process and in snapshots, and by the library itself.
. "$(dirname "$0")/sentences.sh"
heapdump=$(realpath "$1") && library=$(realpath "$2") && program=$(realpath "$3") || exit 2
pid=
clean_up() {
    exec 3>&-
    [ -z "$pid" ] || kill "$pid" 2>/dev/null
}
cd "$dir" || exit 2
ulimit -c 0
without="quarantine_size_mb=0:thread_local_quarantine_size_kb=0:symbolize=0"

run() { # OPTIONS ARGUMENT… - the program at full, to its end
    options=$1
    shift
    LD_PRELOAD=$library PWHEAP_CHECK=full:$without:$options prlimit --cpu=60 "$program" "$@" >out 2>err </dev/null
    status=$?
}
begin() { # MODE - the program, waiting; its process is $pid, the freed block $freed
    rm -f lines to
    mkfifo lines to
    LD_PRELOAD=$library PWHEAP_CHECK=full:$without:patrol=0 "$program" "$1" >lines 2>program.err <to &
    pid=$!
    exec 3<>to
    read -r _ freed used _ <lines
    until grep -q ') S ' "/proc/$pid/task/$pid/stat"; do :; done # it waits for its word
}
finish() {
    echo >&3
    exec 3>&-
    wait "$pid"
    status=$?
    pid=
}
finds_nothing() { [ "$(cut -d ' ' -f 4 out)" = 0 ]; }

run "" dump "$dir/a.core"
if [ $status != 0 ]; then
    cat out err
fi
"$heapdump" walk --state=all --json a.core >walked 2>walked.err
if ! grep -q '"hidden"' walked; then
    echo "no guard markers here (Linux 6.13), so no page is hidden"
    exit 77
fi

# ---- in a snapshot

holds "the program finds nothing wrong, and leaves a snapshot" finds_nothing
look check a.core
holds "heapdump finds nothing wrong in it" ends_with 0
freed=$(cut -d ' ' -f 2 <<END
$(LD_PRELOAD=$library PWHEAP_CHECK=full:$without "$program" dump "$dir/b.core")
END
)
look block b.core "$freed"
holds "a block that is hidden is told of" ends_with 0
holds "it is free" says out 'free'
holds "who freed it is told" says out 'freed by'

# ---- in a process

begin wait
look check "$pid"
holds "heapdump finds nothing wrong in the process" ends_with 0
"$heapdump" walk --state=all --json "$pid" >walked 2>err
holds "its walk is whole" [ "$(jq -s 'map(select(.state == "free" and .block_size == 240)) | length > 15000' walked)" = true ]
holds "most of these are hidden" [ "$(jq -s 'map(select(.flags | index("hidden"))) | length > 10000' walked)" = true ]
look block "$pid" "$freed"
holds "a block that is hidden is told of, its bytes are not" says out '??'
look block "$pid" "$used"
holds "and one that is in use between them" says out '78 78 78'
look leaks "$pid"
holds "there are no leaks" ends_with 0
look summary "$pid"
holds "there is a summary" ends_with 0
look snapshot -o "$dir/c.core" "$pid"
holds "a snapshot from outside" ends_with 0
look check c.core
holds "is fine, too" ends_with 0
finish
holds "the program ends as it does" [ $status = 0 ]

begin damage
look check "$pid"
holds "a write beside hidden pages is found from outside" ends_with 1
holds "once" [ "$(grep -c "use-after-free on address" out)" = 1 ]
finish
holds "and at the end by the program itself" says program.err 'heap-use-after-free'

# ---- by the program itself

run "detect_leaks=1:validate_every=100" wait
holds "with validations, patrol and a search for leaks nothing is reported" [ $status = 0 -a ! -s err ]
run "validate_every=1000" fork
holds "a child of fork has the same, and uses all of it again" [ $status = 0 -a ! -s err ]
run "" lock
holds "so does one that locks its memory" [ $status = 0 -a ! -s err ]
run "" read
holds "a system call that reads into a hidden page is EFAULT" says out '^-1 errno 14$'
run "" write
holds "one that writes from it as well" says out '^-1 errno 14$'
run "guard_pages=mprotect" read
holds "with guard_pages=mprotect nothing is hidden, and the write is found" says err 'heap-use-after-free'
finish_test
