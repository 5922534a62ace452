#!/bin/sh
# order.sh SRC - proves that each name in order.ld is one that the sources have, so that what a child runs still lies together.
set -u
names=$(sed -n 's/.*(\.\(text\|bss\)\.\(exit\.\)\?\([A-Za-z0-9_]*\).*/\3/p' "$1/order.ld")
[ "$(echo "$names" | wc -l)" -gt 100 ] || { echo "no names found in $1/order.ld"; exit 1; }
# Macros make the checked versions of libc's functions of their names.
gone=$(for name in $names; do
    echo "$name ${name#pw_checked_} ${name#check_}"
done | awk -v files="$(echo "$1"/*/*.[ch] "$1"/*/*/*.[ch])" '
    BEGIN {
        n = split(files, file, " ")
        for (i = 1; i <= n; i++)
            while ((getline line < file[i]) > 0) {
                m = split(line, word, /[^A-Za-z0-9_]+/)
                for (k = 1; k <= m; k++) has[word[k]] = 1
            }
    }
    !($1 in has) && !($2 in has) && !($3 in has) {print $1}')
[ -z "$gone" ] || { echo "order.ld has names of functions that are gone:"; echo "$gone"; exit 1; }
