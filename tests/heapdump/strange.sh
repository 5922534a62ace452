#!/bin/sh
# strange.sh HEAPDUMP SCENE LIBRARY - proves that cores which are not what they should be are told for what they are: of
# another version of the library, another machine, another program, of no program with a heap of ours, cut anywhere.
. "$(dirname "$0")/../sentences.sh"
heapdump=$(realpath "$1") && scene=$(realpath "$2") && library=$(realpath "$3") || exit 2
cd "$dir" || exit 2
unset PWHEAP_CHECK PWHEAP_OPTIONS
pid=
clean_up() { [ -z "$pid" ] || kill -9 "$pid" 2>/dev/null; }

# put FILE OFFSET BYTES, these as printf has them
put() { printf "$3" | dd of="$1" bs=1 seek="$2" conv=notrunc status=none; }
bytes_at() { od -An -tx1 -j "$2" -N 4 "$1" | tr -d ' \n'; }
# What every command says of a core that can't be looked into.
all_say() { # SENTENCE PATTERN FILE
    for command in summary walk check leaks sites map; do
        look $command "$3"
        holds "$command: $1" ends_with 3
        holds "$command: and it is told" says err "$2"
        holds "$command: nothing is made up" [ ! -s out ]
    done
}

mkfifo ready
LD_PRELOAD=$library PWHEAP_CHECK=full "$scene" >ready &
pid=$!
string= # the address of one of its blocks
while read -r line; do
    case $line in
    "string "*) string=${line#string } ;;
    ready) break ;;
    esac
done <ready
"$heapdump" snapshot -o core "$pid" >/dev/null
kill -9 $pid
wait $pid 2>/dev/null
pid=
look summary core
holds "the core is sound as it is" ends_with 0

# The root: the magic, and right behind it the version.
cp core version
for at in $(LC_ALL=C grep -abo PWHEAP core | cut -d : -f 1); do
    case $(bytes_at core $((at + 8))) in
    0[1-9]000000) put version $((at + 8)) '\143' ;;
    esac
done
all_say "a core of another version can't be read" 'runs on another pwheap: its image is version 99, this heapdump reads version [1-9]$' version

cp core bits
put bits 4 '\001'
all_say "a 32-bit core can't be read" 'is of another architecture: not 64-bit little-endian' bits
cp core endian
put endian 5 '\002'
all_say "nor one of a big-endian machine" 'is of another architecture: not 64-bit little-endian' endian
cp core machine
put machine 18 '\267\000'
look summary machine
holds "the heap of another 64-bit machine can be read" ends_with 0
look leaks machine
holds "also where its registers mean something else: no crash" [ "$status" -le 3 ]
look check machine
holds "and checked" ends_with 0

# The last mapping that is written to, the stack, says that it reaches 64 TiB further.
cp core vast
last=
count=$(($(od -An -tu2 -j 56 -N 2 core)))
i=0
while [ $i -lt "$count" ]; do
    header=$((64 + 56 * i))
    [ "$(bytes_at core $header)$(bytes_at core $((header + 4)))" != 0100000006000000 ] || last=$header
    i=$((i + 1))
done
put vast $((last + 45)) '\100' # of p_memsz
for command in summary check leaks map; do
    look $command vast
    holds "$command: a mapping without end is none" [ "$status" -le 1 ]
done

# A core without a heap of ours.
sleep 1000 &
pid=$!
"$heapdump" snapshot -o other $pid >/dev/null 2>err
kill -9 $pid
wait $pid 2>/dev/null
pid=
all_say "a core of a program without pwheap can't be read" 'does not run on pwheap' other
look summary -e /bin/sleep core
holds "a wrong program for a core does no harm" ends_with 0
look summary -e /nonesuch core
holds "nor does one that isn't there" ends_with 0
holds "which is told" says err "can't open /nonesuch"

# Names that a terminal would obey: those of the program, of its files and of its threads.
name=$(basename "$scene")
LC_ALL=C sed "s/$name/\x1b${name#?}/g" core >escapes
for command in summary walk leaks sites map "block $string" "refs $string"; do
    look ${command%% *} escapes ${command#${command%% *}}
    holds "${command%% *}: a core with control characters in names can be read" [ "$status" -le 1 ]
    holds "${command%% *}: none of them is written" lacks out "$(printf '\033')"
done
look block escapes $string
holds "and a name is shown without" says out "?${name#?}"

# Cut: in the memory, in the notes, at the headers.
size=$(stat -c %s core)
mv core cut
for bytes in $((size - 1)) $((size / 2)) $((size / 4)) 20000 4096 1000 100 64 63 16 1; do
    truncate -s "$bytes" cut
    look summary cut
    holds "a core cut at $bytes bytes is told, or read as far as it goes" [ "$status" != 2 -a "$status" -le 3 ]
    holds "cut at $bytes: something is said" [ -s err ]
done

finish_test
