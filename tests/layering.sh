#!/bin/sh
# layering.sh ROOT - proves that each folder of src includes only what DESIGN allows it to,
# and that conditional compilation stays in os and base.
set -u
cd "$1/src" || exit 2
failed=0
allowed() {
    case $1 in
    base) echo "base" ;;
    os) echo "base os" ;;
    image) echo "base image" ;;
    heap) echo "base heap os image" ;;
    check) echo "base check image" ;;
    trace) echo "base trace os image" ;;
    cache) echo "base cache heap image" ;;
    guard) echo "base guard os image" ;;
    diag) echo "base diag os image trace" ;;
    front) echo "base os image heap check trace cache guard diag front" ;;
    esac
}
for folder in */; do
    folder=${folder%/}
    list=" $(allowed "$folder") pwheap "
    for include in $(grep -rhoE '^ *# *include "[^"]+"' "$folder" | sed 's/.*"\(.*\)"/\1/' | sort -u); do
        target=${include%%/*}
        case $list in
        *" $target "*) ;;
        *) echo "$folder includes $include"; failed=1 ;;
        esac
    done
done
conditional=$(grep -nE '^[[:space:]]*#[[:space:]]*(if|ifdef|elif)([^a-z]|$)' -r . --include=*.c --include=*.h | grep -vE '^\./(os|base)/')
[ -z "$conditional" ] || { echo "conditional compilation outside os and base:"; echo "$conditional"; failed=1; }
# heapdump reads images; of the rest it has the rendering of reports, in one file.
foreign=$(cd ../tools/heapdump && grep -nE '^ *# *include "(os|heap|check|trace|cache|guard|diag|front)/' ./*.c ./*.h | grep -v '^\./target_report\.c:')
[ -z "$foreign" ] || { echo "heapdump includes more than base and image:"; echo "$foreign"; failed=1; }
exit $failed
