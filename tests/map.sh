#!/bin/sh
# map.sh HEAPDUMP LIBRARY PROGRAM - proves what `heapdump map` draws of PROGRAM (tests/programs/snapshot.c):
# in plain text, on terminals of several widths, as SVG that is parsed and rendered.
. "$(dirname "$0")/sentences.sh"
heapdump=$(realpath "$1") && library=$(realpath "$2") && program=$(realpath "$3") || exit 2
cd "$dir" || exit 2
ulimit -c 0
unset PWHEAP_CHECK PWHEAP_OPTIONS

map() { # ARGUMENT…
    LC_ALL=C "$heapdump" map "$@" >out 2>err
    status=$?
}
on_terminal() { # COLUMNS ARGUMENT…
    columns=$1
    shift
    TERM=xterm LC_ALL=C.UTF-8 script -qec "stty cols $columns; $heapdump map $*" /dev/null >out 2>err </dev/null
    tr -d '\r' <out | sed "s/$(printf '\033')\[[0-9;]*m//g" >plain
}
rows() { sed -n 's/^0x[0-9a-f]* \([^(]*\)$/\1/p' "$1"; }
cells() { rows out | tr -d '\n' | tr -dc "$1" | wc -c; }
widest() { LC_ALL=C.UTF-8 wc -L <"$1"; } # in columns
# What the legend tells of a class, in KiB.
told() { sed -n "s/^  [^ ]*  *$1  *\([0-9.]*\) \([KM]\)iB.*/\1 \2/p" out | awk '{ print $1 * ($2 == "M" ? 1024 : 1) }'; }
near() { awk -v a="$1" -v b="$2" -v by="$3" 'BEGIN { d = a - b; exit !(d <= by && d >= -by) }'; }
texts() { xmllint --xpath "count(//*[local-name()='$2'])" "$1"; }
filled() { xmllint --xpath "count(//*[local-name()='rect'][@class='$2'])" "$1"; }

LD_PRELOAD=$library PWHEAP_CHECK=full "$program" call "$dir/sound.core" >told
LD_PRELOAD=$library PWHEAP_CHECK=full:symbolize=0:dump_on_error=1:dump_path=$dir/%e.%n.core "$program" damage >told 2>report
mv snapshot.1.core hurt.core

# ---- text

map sound.core
holds "a sound heap is exit status 0" [ $status = 0 ]
holds "away from a terminal it has no colours" lacks out "$(printf '\033')"
holds "and fits in 80 columns" [ "$(widest out)" -le 80 ]
holds "each region is told with its size" [ "$(grep -c '^region [0-9]*, heap [0-9]*, .* blocks: [0-9.]* MiB, .* live$' out)" -ge 3 ]
holds "there is no damage" [ "$(cells '!')" = 0 ]
holds "a mebibyte that is live is a run of full cells" says out '##################################'
holds "blocks in quarantine show" [ "$(cells q)" -gt 10 ]
holds "and those in caches" [ "$(cells c)" -gt 0 ]
holds "guards" [ "$(cells '|')" -gt 0 ]
holds "free memory" [ "$(cells .)" -gt 10 ]
holds "but not row after row of it" says out '^0x[0-9a-f]* ([0-9.]* MiB free)$'
"$heapdump" summary --json sound.core >summary
live=$(jq '.live.size / 1024' summary)
holds "the legend counts the live bytes that summary counts" near "$(told live)" "$live" 60
holds "and the quarantine's" near "$(told quarantined)" "$(jq '.quarantined.block_size / 1024' summary)" 60

map --json sound.core
holds "as JSON it is a line a region, and the sum" jq -es '(map(select(.what == "region")) | length) >= 3 and
    (map(select(.what == "region").bytes.live) | add) == (.[-1].bytes.live) and .[-1].damages == 0' out
holds "the live bytes are those of summary" near "$(jq -s '.[-1].bytes.live / 1024' out)" "$live" 1
map --scale 1M sound.core
holds "the scale can be given" says out '^a cell is 1024 KiB; '
few=$(rows out | wc -l)
map --scale 1K sound.core
holds "a smaller one draws more" [ "$(rows out | wc -l)" -gt "$few" ]
map --scale 1000 sound.core
holds "it is a power of two, or wrong usage" [ $status = 2 ]

map hurt.core
holds "a damaged heap is exit status 1" [ $status = 1 ]
holds "damage shows" [ "$(cells '!')" -ge 1 ]
holds "and is counted" says out "^1 damage found; see .heapdump check'"
map --scale 1M hurt.core
holds "in the largest cell too" [ "$(cells '!')" -ge 1 ]

for columns in 60 80 120 200; do
    on_terminal $columns hurt.core
    holds "on a terminal of $columns columns no line is wider" [ "$(sed -n '/^region/,/^a cell/p' plain | grep -v '^a cell' >picture; widest picture)" -le $columns ]
    holds "and most of them are used" [ "$(widest picture)" -gt $((columns * 3 / 4)) ]
done
holds "it has colours there" says out "$(printf '\033')"
holds "and shades" says plain '█.*▓'
NO_COLOR=1 on_terminal 80 hurt.core
holds "unless NO_COLOR forbids them" lacks out "$(printf '\033')"

mkfifo lines to
LD_PRELOAD=$library PWHEAP_CHECK=full "$program" wait >lines <to &
pid=$!
exec 3<>to
head -n 1 lines >told
map "$pid"
holds "a live process can be drawn" [ "$(told live)" = "$(LC_ALL=C "$heapdump" map sound.core >out; told live)" ]
echo >&3
exec 3>&-
wait "$pid"
holds "and goes on afterwards" [ $? = 0 ]
map nonesuch
holds "what can't be read is exit status 3" [ $status = 3 ]

# ---- SVG

map --svg hurt.svg hurt.core
holds "an SVG of a damaged heap is exit status 1" [ $status = 1 ]
holds "nothing is printed" [ ! -s out ]
holds "it is XML" xmllint --noout hurt.svg
holds "with a rectangle or more for damage" [ "$(filled hurt.svg damaged)" -ge 1 ]
holds "many for live blocks" [ "$(filled hurt.svg live)" -gt 20 ]
holds "a heading for each region, and a legend" [ "$(texts hurt.svg text)" -gt 15 ]
holds "it can be rendered" rsvg-convert -o hurt.png hurt.svg
holds "and the picture is not empty" [ "$(wc -c <hurt.png)" -gt 10000 ]
map --svg sound.svg sound.core
holds "that of a sound heap has no damage" [ "$(filled sound.svg damaged)" = 0 ]
map --svg none/x.svg sound.core
holds "a file that can't be written is told" says err "can't write none/x.svg"

finish_test
