# sentences.sh - what tests in shell are written in: sourced by them, in a folder of its own. Each check is
# a sentence and a command; the files `out` and `err` are shown where it does not hold.
set -u
dir=$(mktemp -d) || exit 2
trap 'clean_up; rm -rf "$dir"' EXIT
clean_up() { :; } # a test may have its own
passed=0
failed=0

holds() { # SENTENCE COMMAND…
    sentence=$1
    shift
    if "$@"; then
        passed=$((passed + 1))
        echo "ok   $sentence"
    else
        failed=$((failed + 1))
        echo "FAIL $sentence ($*)"
        head -c 2000 "$dir/out" "$dir/err"
    fi
}
# look ARGUMENT… - $heapdump with these, for $patience seconds of processor time at most: its exit status is $status
patience=60
look() {
    prlimit --cpu="$patience" "$heapdump" "$@" >out 2>err </dev/null
    status=$?
}
ends_with() { [ "$status" = "$1" ]; }
kinds() { grep -c '^==[0-9]*==ERROR: PWHeap: ' err; }
says() { grep -aq -- "$2" "$1"; }
lacks() { ! grep -aq -- "$2" "$1"; }

finish_test() {
    echo "$passed passed, $failed failed"
    [ $failed = 0 ]
}
