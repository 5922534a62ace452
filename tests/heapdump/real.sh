#!/bin/sh
# real.sh HEAPDUMP LIBRARY CROWD - proves that heapdump says the same of real programs, of snapshots of them and of the
# kernel's cores of them: a python3 with a million live objects, sqlite3 in the middle of a query, redis with 500,000
# keys, CROWD (tests/programs/crowd.c, 16 threads). Skipped where these aren't installed (tools/setup programs does).
for program in /usr/bin/python3 /usr/bin/redis-check-rdb /usr/bin/redis-cli /usr/bin/sqlite3 /usr/bin/jq; do
    [ -x $program ] || { echo "there is no $program"; exit 77; }
done
. "$(dirname "$0")/../sentences.sh"
heapdump=$(realpath "$1") && library=$(realpath "$2") && crowd=$(realpath "$3") || exit 2
cd "$dir" || exit 2
unset PWHEAP_CHECK PWHEAP_OPTIONS
pid=
clean_up() { [ -z "$pid" ] || kill -9 "$pid" 2>/dev/null; }
ulimit -c unlimited 2>/dev/null

patience=250
# start PROGRAM ARGUMENT… - in the background, its stdin and stdout the pipes in and out; pid is its own
start() {
    rm -f to from
    mkfifo to from
    PWHEAP_CHECK=full PYTHONMALLOC=malloc LD_PRELOAD=$library "$@" <to >from 2>messages &
    pid=$!
    exec 3>to 4<from
}
until_ready() {
    while read -r line <&4; do
        [ "$line" != ready ] || return 0
    done
    cat messages
    return 1
}
# Blocks and bytes of each state.
count() { # TARGET
    timeout 250 "$heapdump" walk --csv "$1" |
        awk -F, 'NR > 1 { blocks[$4]++; bytes[$4] += $2 } END { for (s in blocks) print s, blocks[s], bytes[s] }' | sort
}
blocks() { awk '$1 == "live" { print $2 }' counted; }
summary_is_walk() { # TARGET
    look summary --json "$1"
    [ "$(jq -r '"\(.live.blocks) \(.live.size)"' out)" = "$(sed -n 's/^live //p' counted)" ]
}
leaks_of() { # TARGET
    look leaks "$1"
    tail -n 1 out
}

same_everywhere() { # NAME LEAST-BLOCKS - the process is stopped meanwhile, and ends
    kill -STOP "$pid"
    count "$pid" >counted
    holds "$1 has $2 live blocks at least ($(blocks))" [ "$(blocks)" -ge "$2" ]
    holds "$1: summary counts what walk counts" summary_is_walk "$pid"
    look check "$pid"
    holds "$1: it is sound" [ $status = 0 ]
    look sites --json "$pid"
    holds "$1: its sites sum up to the live blocks" [ "$(jq -s 'map(.blocks) | add' out)" = "$(blocks)" ]
    leaks_of "$pid" >leaks
    "$heapdump" snapshot -o snapshot "$pid" >out 2>err
    count snapshot >other
    holds "$1: a snapshot has the same blocks" cmp -s counted other
    holds "$1: and the same leaks" [ "$(leaks_of snapshot)" = "$(cat leaks)" ]
    rm snapshot
    kill -SYS "$pid"
    kill -CONT "$pid"
    exec 3>&- 4<&-
    wait "$pid" 2>/dev/null
    pid=
    core=$(find . -name 'core*' -type f | head -n 1)
    if [ -z "$core" ]; then
        echo "skip the kernel's core: it goes elsewhere"
        return
    fi
    count "$core" >other
    holds "$1: the kernel's core has the same blocks" cmp -s counted other
    holds "$1: and the same leaks" [ "$(leaks_of "$core")" = "$(cat leaks)" ]
    look check "$core"
    holds "$1: and is sound" [ $status = 0 ]
    rm "$core"
}

cat >objects.py <<'END_OF_PYTHON'
import sys
strings = [str(i) + 'x' for i in range(400000)]
tuples = {i: (i, float(i)) for i in range(300000)}
print('ready', flush=True)
sys.stdin.read()
END_OF_PYTHON
start "$crowd"
until_ready && same_everywhere "a program of 16 threads" 100000
start /usr/bin/python3 objects.py
until_ready && same_everywhere python3 1000000
start sqlite3
echo "create table t(a, b); with recursive c(x) as (select 1 union all select x + 1 from c where x < 100000)
    insert into t select x, hex(randomblob(20)) from c; select 'ready';
    select count(*) from t as x, t as y where x.b < y.b;" >&3
until_ready && same_everywhere "sqlite3 in a query" 1000
cp /usr/bin/redis-check-rdb redis-server # which it is depends on its name
start ./redis-server --port 0 --unixsocket "$PWD/socket" --save ''
until [ "$(redis-cli -s socket ping 2>/dev/null)" = PONG ] || ! kill -0 "$pid"; do sleep 0.1; done
redis-cli -s socket eval "for i = 1, 500000 do redis.call('set', 'key:' .. i, 'value:' .. i) end" 0 >/dev/null
holds "redis has 500,000 keys" [ "$(redis-cli -s socket dbsize)" = 500000 ]
same_everywhere redis 1000000
finish_test
