#!/bin/sh
# snapshot.sh HEAPDUMP LIBRARY PROGRAM - proves what snapshots are: takes them of PROGRAM
# (tests/programs/snapshot.c) in every way there is, and opens them with heapdump, gdb and eu-readelf.
. "$(dirname "$0")/sentences.sh"
heapdump=$(realpath "$1") && library=$(realpath "$2") && program=$(realpath "$3") || exit 2
pid=
clean_up() {
    exec 3>&-
    [ -z "$pid" ] || kill "$pid" 2>/dev/null
}
cd "$dir" || exit 2

run() { # OPTIONS ARGUMENT… - the program at full, to its end
    options=$1
    shift
    rm -f ./*.core ./*.part
    (ulimit -c 0; LD_PRELOAD=$library PWHEAP_CHECK=full:symbolize=0:$options prlimit --cpu=60 "$program" "$@") \
        >out 2>err </dev/null
    status=$?
}

begin() { # OPTIONS - the program, waiting; its process is $pid
    rm -f ./*.core ./*.part lines to
    mkfifo lines to
    LD_PRELOAD=$library PWHEAP_CHECK=full:symbolize=0:$1 "$program" wait >lines 2>err <to &
    pid=$!
    exec 3<>to
    head -n 1 lines >out
    until grep -q ') S ' "/proc/$pid/task/$pid/stat"; do :; done # it waits for its word
}

finish() {
    echo >&3
    exec 3>&-
    wait "$pid"
    status=$?
    pid=
}

until_there() { # FILE - it is given its name when it is whole
    tries=0
    while ! [ -e "$1" ] && [ $tries -lt 600 ]; do
        sleep 0.1
        tries=$((tries + 1))
    done
    [ -e "$1" ]
}

live() { "$heapdump" summary --json "$1" | jq -r '"live \(.live.blocks) blocks \(.live.size) bytes"'; }
counts_agree() { [ "$(live "$1")" = "$(sed -n '1s/^[0-9]*: //p' out)" ]; }
same_summary() { # A B - but for what one can be and the other not
    "$heapdump" summary --json "$1" | jq 'del(.target, .stopped_ns, .program)' >a
    "$heapdump" summary --json "$2" | jq 'del(.target, .stopped_ns, .program)' >b
    [ -s a ] && cmp -s a b
}
same_walk() { # A B - every block, with its stacks
    "$heapdump" walk --json "$1" >a && "$heapdump" walk --json "$2" >b && [ "$(wc -l <a)" -gt 3000 ] && cmp -s a b
}
backtrace() { gdb -nx -batch -iex 'set debuginfod enabled off' -ex "thread apply all bt" "$program" "$1" 2>&1 | tr -d '\n' | tr -s ' '; }
backtrace_has() { # FILE PATTERN…
    backtrace "$1" >bt
    shift
    for pattern; do
        grep -q -- "$pattern" bt || { cat bt; return 1; }
    done
}
mode_of() { stat -c %a "$1"; }
no_file() { ! ls ./*.core ./*.part 2>/dev/null | grep -q .; }

# ---- pwheap_dump

run "" call "$dir/a.core"
holds "pwheap_dump writes a file, and answers 0" grep -qx 'dump 0' out
holds "nothing is said of it" [ ! -s err ]
holds "the file is its owner's alone" [ "$(mode_of a.core)" = 600 ]
holds "heapdump counts in it what the program counted" counts_agree a.core
"$heapdump" check a.core >checked 2>checked.err
holds "and finds it whole, and not amid a change" [ $? = 0 -a ! -s checked.err ]
holds "it holds all memory" grep -q secret-of-the-stack a.core
holds "so the heap's" grep -q secret-of-the-heap a.core
holds "gdb shows where the call came from" backtrace_has a.core 'pwheap_dump.* call (.* main ('
holds "and where the sleeping threads are" backtrace_has a.core 'pause.* sleeper (.*pause.* sleeper ('
eu-readelf -l -n a.core >notes 2>notes.err
holds "eu-readelf has nothing against it" [ ! -s notes.err ]
holds "and shows three threads" [ "$(grep -c ' PRSTATUS$' notes)" = 3 ]
holds "their process" grep -q 'fname: snapshot' notes
holds "with its arguments" grep -q 'psargs: .*/snapshot call' notes
holds "and its files" grep -q 'libpwheap.so' notes
holds "pages that hold nothing take no room" [ "$(stat -c '%b' a.core)" -lt $(($(stat -c '%s' a.core) / 512 / 2)) ]

run "dump_content=0" call "$dir/a.core"
holds "without contents heapdump counts the same" counts_agree a.core
for where in heap globals stack; do
    holds "and there is no secret of the $where" lacks a.core "secret-of-the-$where"
done
holds "nor the arguments of the program" lacks a.core "snapshot.call"

run "dump_path=$dir/%e.%n.core" call
holds "without a path it is as dump_path says" counts_agree snapshot.1.core
run "" call
holds "or pwheap.PROGRAM.PID.NUMBER.core" counts_agree "pwheap.snapshot.$(sed 's/:.*//;q' out).1.core"
run "" call "$dir/none/a.core"
holds "in a folder that there is not it answers -1 and ENOENT" grep -qx 'dump -1 errno 2' out
mkdir full && if mount -t tmpfs -o size=256k none full 2>/dev/null; then
    run "" call "$dir/full/a.core"
    holds "on a full disk it answers -1 and ENOSPC" grep -qx 'dump -1 errno 28' out
    holds "and leaves no half file" [ -z "$(ls full)" ]
    umount full
fi
rm -f ./*.core
(ulimit -f 100; LD_PRELOAD=$library PWHEAP_CHECK=full "$program" call "$dir/a.core" >out 2>err)
holds "over the limit of file sizes it answers -1 and EFBIG" grep -qx 'dump -1 errno 27' out
holds "no half file is left then either" no_file

# ---- dump_on_error

run "dump_on_error=1:dump_path=$dir/%e.%n.core" damage
holds "a report leaves a snapshot" test -s snapshot.1.core
holds "and says where" says err "^==[0-9]*== pwheap: snapshot: $dir/snapshot.1.core "
holds "after the report, before the end" [ "$(sed -n 's/^SUMMARY.*/1/p;s/.*pwheap: snapshot: .*/2/p;s/.*ABORTING/3/p' err | tr -d '\n')" = 123 ]
holds "the process ended as it does" [ $status = 134 ]
holds "gdb shows the free that found it" backtrace_has snapshot.1.core 'pw_report.* free (.* damage ('
run "dump_on_error=1:dump_path=$dir/%e.%n.core:report_format=json" damage
holds "in JSON a note says so" [ "$(jq -r 'select(.note) | .note' err)" = "snapshot: $dir/snapshot.1.core (for heapdump and gdb)" ]
run "dump_on_error=1:halt_on_error=0:dump_path=$dir/%e.%n.core" goes_on
holds "dump_on_error=1 is for the first report" [ "$(ls ./*.core)" = ./snapshot.1.core ]
run "dump_on_error=5:halt_on_error=0:dump_path=$dir/%e.%n.core" goes_on
holds "dump_on_error=5 for the first five" [ "$(ls ./*.core | tr -d '\n')" = ./snapshot.1.core./snapshot.2.core ]
run "dump_on_error=1:dump_path=$dir/none/x" damage
holds "where it can't be written the report is as always, and why is said" says err 'pwheap: no snapshot: .*none/x\.[0-9]*: no such directory'
holds "with the same end" [ $status = 134 ]
run "dump_on_error=1:dump_path=$dir/%e.%n.core" fault
holds "a fault's report, made in the signal's handler, leaves one too" backtrace_has snapshot.1.core 'on_signal.*signal handler called.* fault ('
holds "and the program ends by its fault" [ $status = 139 ]
run "" damage
holds "without the option there is none" no_file

# ---- dump_signal

begin "dump_signal=USR2:dump_path=$dir/%e.%n.core"
kill -USR2 "$pid"
holds "a signal makes one" until_there snapshot.1.core
holds "of the program as it stands" counts_agree snapshot.1.core
holds "gdb shows what was interrupted" backtrace_has snapshot.1.core 'read (.* wait_for_word ('
kill -USR2 "$pid"
holds "another signal another one" until_there snapshot.2.core
holds "what they hold is the same" same_summary snapshot.1.core snapshot.2.core
finish
holds "the program goes on meanwhile" [ $status = 0 ]
holds "it says where they are" [ "$(grep -c 'pwheap: snapshot: .*/snapshot.[12].core' err)" = 2 ]
run "dump_signal=SIGUSR2:dump_path=$dir/%e.%n.core" handler
holds "the program's own handler is called as well" says out 'handled 1'
holds "and a snapshot made" until_there snapshot.1.core
run "dump_signal=USR2:dump_path=$dir/%e.%n.core" ignore
holds "a program that ignores the signal goes on ignoring it" says out 'handled 0'
holds "and there is no snapshot" no_file
run "" handler
holds "without the option the signal is the program's" no_file
run "dump_signal=KILL" call "$dir/a.core"
holds "a signal that can't be caught is declined" says err 'dump_signal is no signal that can be used'

# ---- heapdump snapshot

begin "dump_signal=USR2:dump_path=$dir/%e.%n.core"
"$heapdump" snapshot "$pid" -o outside.core >told 2>&1
holds "heapdump takes one from outside" counts_agree outside.core
holds "and says how large it is and how long it took" grep -q 'outside.core: process .* of memory, 3 threads, stopped for ' told
holds "it shows what the live process shows" same_summary outside.core "$pid"
kill -USR2 "$pid"
holds "and what the process's own snapshot shows" until_there snapshot.1.core
holds "to the block" same_walk outside.core snapshot.1.core
holds "a walk of the live process finds the same blocks" same_walk outside.core "$pid"
holds "gdb shows every thread" backtrace_has outside.core 'pause.* sleeper (.*pause.* sleeper (.*read (.* main ('
"$heapdump" snapshot --no-content "$pid" -o tables.core >told 2>&1
holds "without contents it has the same blocks" same_walk outside.core tables.core
for where in heap globals stack; do
    holds "and holds no secret of the $where" lacks tables.core "secret-of-the-$where"
done
"$heapdump" snapshot "$pid" -o none/a.core >told 2>&1
holds "where it can't write it says so" [ $? = 3 ]
holds "naming the file" grep -q "can't write none/a.core: No such file" told
"$heapdump" snapshot outside.core -o b.core >told 2>&1
holds "of a core it makes none" [ $? = 2 ]
finish
holds "the program went on" [ $status = 0 ]

finish_test
