#!/bin/sh
# own_calls.sh LIBPWHEAP_A LIBC_LIST_H - proves that the library itself calls none of the libc functions
# that it provides to the program, but through base/own_calls.h. fputs and fprintf are malloc_info's, on a stream of
# the program's.
set -u
names=$(sed -n 's/F(\([a-zA-Z0-9_]*\))/\n\1\n/gp' "$2" | grep -xE '[a-z_0-9]+' | sort -u)
[ "$(echo "$names" | wc -l)" -gt 100 ] || { echo "no names found in $2"; exit 1; }
called=$(nm -A --undefined-only "$1" | grep -v ':base_own_calls' | sed 's/.* U //' | sort -u)
bad=$(printf '%s\n' "$called" | grep -vxE "fputs|fprintf" | grep -xF "$names")
[ -z "$bad" ] || { echo "to be added to base/own_calls.h:"; echo "$bad"; exit 1; }
