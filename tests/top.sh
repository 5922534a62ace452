#!/bin/sh
# top.sh HEAPDUMP LIBRARY PROGRAM - proves what `heapdump top` shows of PROGRAM (tests/programs/grow.c), and
# what its keys do: tmux is the terminal.
. "$(dirname "$0")/sentences.sh"
heapdump=$(realpath "$1") && library=$(realpath "$2") && program=$(realpath "$3") || exit 2
cd "$dir" || exit 2
unset PWHEAP_CHECK PWHEAP_OPTIONS TMUX
export LC_ALL=C.UTF-8
pid=
server=
server_count=0
clean_up() {
    [ -z "$server" ] || tmux -S "$server" kill-server 2>/dev/null
    exec 3>&- 4<&-
    [ -z "$pid" ] || kill "$pid" 2>/dev/null
}

begin() { # LEVEL
    rm -f to from
    mkfifo to from
    LD_PRELOAD=$library PWHEAP_CHECK=$1 "$program" <to >from 2>err &
    pid=$!
    exec 3<>to 4<>from
    read -r line <&4
}
tell() { # LETTER - the program does it, and says so
    printf %s "$1" >&3
    read -r line <&4
}
top() { # ARGUMENT… - in a terminal of 100 columns and 20 lines
    server=$dir/tmux.$((server_count += 1)) # the one before may still be ending
    tmux -S "$server" -f /dev/null new-session -d -x 100 -y 20 "$heapdump top $* $pid; echo ended with \$?; read x"
}
keys() { tmux -S "$server" send-keys "$@"; }
screen() { tmux -S "$server" capture-pane -p >out; }
# Until the screen has PATTERN; it is drawn many times a second, and the machine may be busy.
shows() {
    tries=0
    until screen && grep -q -- "$1" out; do
        tries=$((tries + 1))
        [ $tries -lt 300 ] || return 1
        sleep 0.1
    done
}
first_is() { # PATTERN - the first row
    tries=0
    until screen && sed -n 6p out | grep -q -- "$1"; do
        tries=$((tries + 1))
        [ $tries -lt 300 ] || return 1
        sleep 0.1
    done
}

begin full
top -d 0.2
holds "the place that holds most is the first, with its line" first_is '10.0 MiB  *5  *0  *0  *hold_much grow.c:[0-9]'
holds "the process is named" shows "^heapdump top  process $pid  .*/grow"
holds "with what is live, and how short it is stopped" shows '^live 13.3 MiB in 20,00[0-9] blocks, 0 since the start; every 0.2 s, stopped for [0-9.]* ms'
keys n
holds "n sorts by blocks" first_is '312 KiB  *20,000 .* hold_many grow.c'
keys g
tell g
tell g
holds "g sorts by growth" first_is '2048 KiB  *2  *+2048 KiB .* grow grow.c'
holds "the whole grows as well" shows '2048 KiB since the start'
tell s
holds "what shrank is shown too" shows '0 B  *0  *-3072 KiB .* shrink grow.c'
keys r
holds "r counts from now on" shows ' 0 since the start'
tell g
holds "and so do the rows" first_is '3072 KiB  *3  *+1024 KiB .* grow grow.c'
keys b
holds "b sorts by bytes again" first_is 'hold_much'
keys /
keys many
holds "what is typed for a filter is shown" shows '^filter: many'
keys Enter
holds "and leaves only the rows that have it" first_is 'hold_many'
holds "which the screen says" shows '^only .many'
holds "others are gone" lacks out 'hold_much'
keys / Enter
holds "an empty filter shows all again" first_is 'hold_much'
keys p
holds "p pauses" shows '^paused'
tell g
screen
cp out before
keys Down
holds "arrows scroll, also then" first_is ' grow grow.c'
holds "while nothing is looked at" grep -q '3072 KiB  *3 ' out
keys Up p
holds "p again goes on" shows '4096 KiB  *4 '
keys + +
holds "+ makes it slower" shows 'every 0.8 s'
keys -
holds "- faster" shows 'every 0.4 s'
tmux -S "$server" resize-window -x 60 -y 12
holds "it follows the terminal's size" shows 'hold_much gr'
holds "no line is wider" [ "$(wc -L <out)" -le 60 ]
keys q
holds "q ends it with exit status 0" shows 'ended with 0'
tell g
holds "the program goes on" [ "$line" = "done" ]
tmux -S "$server" kill-server

top -d 0.2 --sort growth --filter grow
holds "order and filter can be given" shows 'only .grow'
printf q >&3
wait "$pid"
holds "when the process ends so does top, with 3" shows 'ended with 3'
holds "and says why" shows "heapdump: there is no process $pid"
tmux -S "$server" kill-server

begin fast
top
holds "below full it says that places are not known" shows 'who allocated what is kept at PWHEAP_CHECK=full'
holds "and shows the sum" first_is '13.3 MiB .*(not known)'
tmux -S "$server" kill-server
printf q >&3
wait "$pid"
pid=
"$heapdump" top 1 >out 2>err </dev/null
holds "without a terminal it is wrong usage" [ $? = 2 ]
holds "and says what to do" says err 'needs a terminal; .heapdump summary. does not'

finish_test
