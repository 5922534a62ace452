#!/bin/sh
# many.sh LIBRARY PROGRAM - proves that guarded blocks, however many are live, leave the program the mappings that
# it may have (vm.max_map_count), with the kernel's guard markers and without. PROGRAM is tests/programs/many.c.
. "$(dirname "$0")/sentences.sh"
library=$(realpath "$1") && program=$(realpath "$2") || exit 2
cd "$dir" || exit 2

run() { # CHECK COUNT
    LD_PRELOAD=$library PWHEAP_CHECK=$1 timeout 250 "$program" "$2" >out 2>err </dev/null
    status=$?
    mappings=$(sed -n 's/ mappings of .*//p' out)
    limit=$(sed -n 's/.* mappings of \([0-9]*\),.*/\1/p' out)
}
says_once() { [ "$(grep -ac "the system gives no more guard pages" err)" = 1 ]; }

run guard:guard_memory_mb=1024 50000
holds "50,000 blocks live at once at guard" ends_with 0
if grep -q 'markers 1' out; then
    holds "with guard markers they need no mappings of their own" [ "$mappings" -lt 1000 ]
    holds "and all have guards" [ ! -s err ]
fi
holds "a good half of the mappings are left to the program" [ "$mappings" -lt $((limit / 2)) ]

run guard:guard_memory_mb=1024:guard_pages=mprotect 50000
holds "without the markers the program ends well too" ends_with 0
holds "mprotect takes no more than about a quarter of the mappings" [ "$mappings" -lt $((limit / 4 + 1000)) ]
# A guard there takes two mappings, and a quarter of what there are is for guards.
[ "$limit" -ge 350000 ] || holds "so most blocks have no guards, which is said once" says_once

run guard:guard_memory_mb=1024:guard_pages=none 50000
holds "without any guards it ends well" ends_with 0
holds "and has few mappings" [ "$mappings" -lt 1000 ]
finish_test
