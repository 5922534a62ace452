#!/bin/sh
# order.sh SRC - proves that each name in order.ld is one that the sources have, so that what a child runs still lies together.
set -u
names=$(sed -n 's/.*(\.\(text\|bss\)\.\(exit\.\)\?\([A-Za-z0-9_]*\).*/\3/p' "$1/order.ld")
[ "$(echo "$names" | wc -l)" -gt 100 ] || { echo "no names found in $1/order.ld"; exit 1; }
words=$(cat "$1"/*/*.[ch] "$1"/*/*/*.[ch] | grep -oE '[A-Za-z_][A-Za-z0-9_]*' | sort -u)
gone=$(echo "$names" | grep -vxF "$words")
[ -z "$gone" ] || { echo "order.ld has names of functions that are gone:"; echo "$gone"; exit 1; }
