#!/bin/sh
# symbolize_lines.sh HEAPDUMP - proves what `heapdump symbolize` makes of JSON, and of what is no report at all; and how
# it is called.
# shellcheck source=tests/symbolize_fixture.sh
. "$(dirname "$0")/symbolize_fixture.sh"

# ---- JSON

object() { # MODULE OFFSET FUNCTION - as the reporter writes a frame
    printf '{"pc":"0x5501","module":"%s","build_id":null,"offset":"%s","function":%s,"file":null,"line":null,"column":null}' "$1" "$2" "$3"
}
{
    printf '{"version":1,"big":18446744073709551616,"real":1.10, "a":1,"a":2,"stack":['
    object "$chain" "$in_outer" '"outer"'; printf ','; object "$dir/gone" 0x1 '"f"'; printf ','
    object "$shelf" "$in_sell" null
    printf '],"one":'; object "$chain" "$in_outer" null
    printf ',"e":[ {"module":"%s" ,"pc":"0x1","offset": "%s","x":[1,{}] } ]}\n' "$chain" "$in_plain"
} | filter
same "JSON frames get function, file, line and column; every other byte stays" <<END
{"version":1,"big":18446744073709551616,"real":1.10, "a":1,"a":2,"stack":[{"pc":"0x5501","module":"DIR/chain","build_id":null,"offset":"$in_outer","function":"inner","file":"DIR/chain.c","line":6,"column":9},{"pc":"0x5501","module":"DIR/chain","build_id":null,"offset":"$in_outer","function":"middle","file":"DIR/chain.c","line":13,"column":9},{"pc":"0x5501","module":"DIR/chain","build_id":null,"offset":"$in_outer","function":"outer","file":"DIR/chain.c","line":19,"column":5},{"pc":"0x5501","module":"DIR/gone","build_id":null,"offset":"0x1","function":"f","file":null,"line":null,"column":null},{"pc":"0x5501","module":"DIR/shelf","build_id":null,"offset":"$in_sell","function":"sell(int)","file":"DIR/shelf.cpp","line":28,"column":12}],"one":{"pc":"0x5501","module":"DIR/chain","build_id":null,"offset":"$in_outer","function":"inner","file":"DIR/chain.c","line":6,"column":9},"e":[ {"module":"DIR/chain" ,"pc":"0x1","offset": "$in_plain","x":[1,{}] ,"function":"plain","file":"DIR/chain.c","line":24,"column":5} ]}
END

{ object "$chain" "$in_plain" '"plain"' | sed 's/"build_id":null/"build_id":"'"$chain_id"'"/'; echo
  object "$chain" "$in_plain" '"plain"' | sed 's/"build_id":null/"build_id":"0123"/'; echo; } | filter
same "a build id is believed in JSON too" <<END
{"pc":"0x5501","module":"DIR/chain","build_id":"$chain_id","offset":"$in_plain","function":"plain","file":"DIR/chain.c","line":24,"column":5}
{"pc":"0x5501","module":"DIR/chain","build_id":"0123","offset":"$in_plain","function":"plain","file":null,"line":null,"column":null}
END

accented="$dir/a\"\\é" && cp chain "$accented"
{ object "$dir/a\\\"\\\\\\u00e9" "$in_plain" null; echo; } | filter
same "escapes in a JSON path are understood, and stay" <<END
{"pc":"0x5501","module":"DIR/a\\"\\\\\\u00e9","build_id":null,"offset":"$in_plain","function":"plain","file":"DIR/chain.c","line":24,"column":5}
END

good=$(object "$chain" "$in_plain" '"plain"')
for bad in "$good}" "${good%?}" "[$good" "$good,$good" '{"a":01}' '{"a":1,}' "{'a':1}" '{"a":NaN}' '{"a":"\x"}' \
    '{"a":"\ud8"}' '{' '{"a"}' '{"a":tru}' '{"a":1.}' '{"a":1e}' '{"a":-}' "{\"a\":\"	\"}" '[1 2]' "$(printf '%0500d' 0 | tr 0 '[')"; do
    echo "$bad"
    case $bad in '{'*) echo "${bad%?},\"b\":$good}" ;; esac
done >in
object "$chain\\u0000x" "$in_plain" null >>in # no path can hold that
echo >>in
sed "s|$dir|DIR|g" in >in.masked
filter --json <in
same "a line that is not JSON is passed through" <in.masked

{ frame 0 plain "$chain" "$in_plain"; echo "  $good"; echo "$good"; } >in
filter <in
same "a line is JSON if it begins with a brace" <<END
    #0 0x5500 in plain DIR/chain.c:24:5
  {"pc":"0x5501","module":"DIR/chain","build_id":null,"offset":"$in_plain","function":"plain","file":null,"line":null,"column":null}
{"pc":"0x5501","module":"DIR/chain","build_id":null,"offset":"$in_plain","function":"plain","file":"DIR/chain.c","line":24,"column":5}
END
filter --json <in
same "with --json only JSON is changed" <<END
    #0 0x5500 in plain (DIR/chain+$in_plain)
  {"pc":"0x5501","module":"DIR/chain","build_id":null,"offset":"$in_plain","function":"plain","file":"DIR/chain.c","line":24,"column":5}
{"pc":"0x5501","module":"DIR/chain","build_id":null,"offset":"$in_plain","function":"plain","file":"DIR/chain.c","line":24,"column":5}
END

# ---- any bytes

{ head -c 300000 "$heapdump"; printf '\0\n\n\r\n    #0 0x1 in a\0b (/x+0x1)\n    #0\n#1 0x\n    #0 0x1 (\n'
  printf '#99999999999999999999 0x1 (/x+0x1)\nSUMMARY: PWHeap:\nSUMMARY: PWHeap: \nSUMMARY: PWHeap: x \n (/+0x1)\nno newline'; } >in
filter <in
holds "bytes that are no report come out as they went in" cmp in got

line=$(frame 0 plain "$chain" "$in_plain")
{ head -c 3000000 /dev/zero | tr '\0' 'x'; echo "$line"; head -c 1048576 /dev/zero | tr '\0' '{'; echo; echo "$line"; } >in
filter <in
{ head -c 3000000 /dev/zero | tr '\0' 'x'; echo "$line"; head -c 1048576 /dev/zero | tr '\0' '{'; echo
  echo "    #0 0x5500 in plain $dir/chain.c:24:5"; } >expected
holds "a line of megabytes is passed through, the next one is read" cmp expected got

{ printf '%0500000d' 0 | tr 0 '['; printf '%0500000d' 0 | tr 0 ']'; echo; } >in
filter --json <in
holds "JSON nested a million deep is passed through" cmp in got

printf '%s' "$line" | filter
printf '%s' "    #0 0x5500 in plain $dir/chain.c:24:5" >expected
holds "a last line without a newline is read, and gets none" cmp expected got

join=_Z4joinRKNSt7__cxx1112basic_stringIcSt11char_traitsIcESaIcEEESt4pairIiS4_ESt17basic_string_viewIcS2_E
wide=_ZN4shop4hold3putENSt7__cxx1112basic_stringIwSt11char_traitsIwESaIwEEE
{ frame 0 $join "$dir/bare" "$in_outer"; frame 1 $wide "$dir/bare" "$in_outer"; } >in
filter <in
same "a string of C++ is called one" <<END
    #0 0x5500 in join(std::string const&, std::pair<int, std::string>, std::string_view) (DIR/bare+$in_outer)
    #1 0x5501 in shop::hold::put(std::wstring) (DIR/bare+$in_outer)
END

string='std::__cxx11::basic_string<char, std::char_traits<char>, std::allocator<char> >'
{ echo 'Direct leak of 8 byte(s) in 1 object(s) allocated from:'; frame 0 $join "$dir/bare" "$in_outer"; echo; } | filter
same "but in leaks, where suppressions name what LeakSanitizer shows" <<END
Direct leak of 8 byte(s) in 1 object(s) allocated from:
    #0 0x5500 in join($string const&, std::pair<int, $string >, std::basic_string_view<char, std::char_traits<char> >) (DIR/bare+$in_outer)

END

bomb=_Z1f1AIiiE
last=0
for i in 1 2 3 4 5 6 7 8 9 A B C D E F G H I J K L M N O P Q R S T U V W X Y Z; do
    bomb="${bomb}S_IS${last}_S${last}_E"
    last=$i
done
{ frame 0 "$bomb" "$dir/bare" "$in_outer"; frame 1 "$mangled" "$dir/bare" "$in_outer"; } | filter
same "a name that stands for gigabytes stays mangled, the next one does not" <<END
    #0 0x5500 in $bomb (DIR/bare+$in_outer)
    #1 0x5501 in shop::Shelf<int>::~Shelf() (DIR/bare+$in_outer)
END

# Every module of these is damaged in its own way: nothing may crash, whatever is then said.
bytes=$(wc -c <chain)
calm=true
i=0
while [ $i -lt 40 ]; do
    head -c $((bytes * i / 40)) chain >"cut"
    cp chain flipped && printf '\377' | dd of=flipped bs=1 seek=$((bytes * i / 40)) conv=notrunc 2>/dev/null
    { frame 0 outer "$dir/cut" "$in_outer"; frame 0 outer "$dir/flipped" "$in_outer"; } | filter
    ended_with 0 || calm=false
    i=$((i + 1))
done
holds "cut and damaged modules are survived" $calm

# ---- the program itself

filter </dev/null
same "no input is no output" </dev/null
filter --wrong </dev/null
holds "wrong usage is exit status 2" ended_aloud 2
"$heapdump" nonsense >got 2>messages
echo $? >status
holds "so is a command that there is not" ended_aloud 2
"$heapdump" >got 2>messages
echo $? >status
holds "and none" ended_aloud 2
"$heapdump" --help >got 2>messages
holds "--help tells the commands" grep -q '^  symbolize ' got
"$heapdump" symbolize --help >got 2>messages
holds "symbolize --help tells its options" grep -q -- '--strip-path-prefix=P' got
"$heapdump" --version >got 2>messages
holds "--version tells the version" grep -Eqx 'heapdump [0-9.]+' got
mkdir folder
filter <folder
holds "input that can't be read is exit status 3, and told" ended_aloud 3
{ echo text | "$heapdump" symbolize; echo $? >status; } >/dev/full 2>messages
holds "so is output that can't be written" ended_aloud 3
yes | head -n 100000 | { "$heapdump" symbolize; echo $? >status; } 2>messages | head -n 1 >got
holds "it ends quietly when nobody reads" ended_quietly 0
yes | head -n 100000 | (trap '' PIPE; "$heapdump" symbolize 2>messages; echo $? >status) | head -n 1 >got
holds "with SIGPIPE ignored too" ended_quietly 0
"$heapdump" symbolize <&- >got 2>messages
echo $? >status
same "a closed stdin is an empty one" </dev/null

mkfifo to from
"$heapdump" symbolize <to >from 2>messages &
exec 3>to
echo "$line" >&3
first=$(timeout 20 head -n 1 <from)
exec 3>&-
wait
holds "each line comes out before the next goes in" [ "$first" = "    #0 0x5500 in plain $dir/chain.c:24:5" ]

echo "$passed passed, $failed failed"
[ $failed = 0 ]
