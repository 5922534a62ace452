"""mutants_fuzz.py - the mutants that the harnesses of fuzz/ are to see, for tools/mutants --fuzz.

Each is one line of the library broken (or one check, where it stands twice), the harness that should see it, and the
level at which. SHARED names mutants of tools/mutants itself.

Two were tried and taken out, for they change nothing that a reader could see but another wrong answer to a nonsensical
image: the bound of a heap's index in image/bins.c (the view refuses what is not there, and whoever calls has asked before),
and that of the lengths in a module's note (what is read is of the same buffer on the stack).
"""
SLAB, SPAN_H, HEAP, BINS_HEAP = 'heap/slab.c', 'heap/span.h', 'heap/heap.c', 'heap/bins.c'
RUNS, MAPPED, RELEASE = 'heap/page_runs.c', 'heap/mapped.c', 'front/release.c'
DIAGNOSE, HOT, QUICK, BIG = 'image/diagnose.c', 'front/hot.h', 'front/quick.h', 'front/big.c'

# name in tools/mutants: (harness, level)
SHARED = {
    'zone-near-fast': ('corrupt', 'fast'), 'zone-full': ('corrupt', 'full'), 'zone-mapped': ('corrupt', 'full'),
    'zone-blame': ('corrupt', 'full'), 'poison-fast': ('corrupt', 'fast'), 'poison-full': ('corrupt', 'full'),
    'gate-state': ('corrupt', 'fast'), 'gate-seal': ('corrupt', 'fast'), 'gate-region': ('corrupt', 'off'),
    'family': ('corrupt', 'fast'), 'size': ('corrupt', 'fast'), 'interior': ('corrupt', 'off'),
    'seal': ('corrupt', 'fast'), 'calloc-overflow': ('ops', 'off'), 'size-most': ('corrupt', 'off'),
    'alignment-power': ('ops', 'off'), 'poison-pointer': ('corrupt', 'full'), 'bin-bit-stays': ('ops', 'off'),
    'merge-live': ('ops', 'off'), 'split': ('ops', 'off'), 'split-link': ('ops', 'fast'),
}

# (name, what is broken, harness, level, edits as in tools/mutants)
MUTANTS = [
    # -- Small blocks
    ('slab-fresh', 'the count of blocks handed out of a span, off by one', 'ops', 'off', [
        (SLAB, 'place.span->fresh = (uint16_t)(place.span->fresh + count);',
         'place.span->fresh = (uint16_t)(place.span->fresh + count - 1);')]),
    ('slab-count', 'how many blocks a span has room for', 'ops', 'off', [
        (SLAB, 'uint32_t left = pw_shape_count(shape) - place.span->fresh,',
         'uint32_t left = pw_shape_count(shape) + 1 - place.span->fresh,')]),
    ('slab-front', 'the place of a block, by the front zone', 'ops', 'off', [
        (SPAN_H, 'return pw_span_memory(place) + PW_SPAN_FRONT_BYTES + ', 'return pw_span_memory(place) + ')]),
    ('slab-front-zone', 'the zone before the first block of a span', 'ops', 'full', [
        (SLAB, 'pw_heap_hooks.cut != NULL && place.span->fresh == 0', 'pw_heap_hooks.cut != NULL && false')]),
    ('slab-tail-zone', 'the zone at the end of a fresh block', 'ops', 'fast', [
        (SLAB, 'pw_heap_hooks.cut(address + bytes);', ';')]),
    ('slab-zeroed', 'that memory of a used span is not zero', 'ops', 'off', [
        (SLAB, 'PW_STATE_CACHED, is_dirty ? 0 : PW_HEAP_ZEROED,', 'PW_STATE_CACHED, PW_HEAP_ZEROED,')]),
    ('slab-bit', 'the bit of a free block is not set', 'ops', 'off', [
        (SLAB, 'pw_bit_set(pw_span_free_bits(place), index);', ';')]),
    ('slab-places', 'places in the tables that are another span\'s', 'ops', 'full', [
        ('heap/places.c', 'pw_bit_set(places->taken, lot);', ';')]),
    ('slab-close', 'a span is closed while a block of it is in use', 'ops', 'off', [
        (SLAB, 'if (place.span->free == place.span->fresh && !is_only_one && pw_span_may_close(place))',
         'if (place.span->free + 1 >= place.span->fresh && !is_only_one)')]),
    ('slab-renewed', 'the poison of a span that is used again', 'ops', 'full', [
        (SLAB, 'if (is_dirty && !is_filled && pw_heap_hooks.renewed != NULL)', 'if (false)')]),
    # -- Blocks to 16 KiB
    ('carve-link', 'the link back of the block behind a run that was cut', 'ops', 'fast', [
        (HEAP, 'set_previous(next, left == 0 ? granules : left);', ';')]),
    ('carve-start', 'the start of a piece', 'ops', 'off', [
        (HEAP, 'pw_region_mark_start(region, piece.granule);', ';')]),
    ('carve-zone', 'the zone of a piece', 'ops', 'fast', [
        (HEAP, 'if (pw_heap_hooks.cut != NULL && (i + 1) * granules < size)', 'if (false)')]),
    ('aligned-front', 'what is cut off before an aligned block', 'ops', 'off', [
        (HEAP, '(PW_ALIGN_UP(address, align) - address) >> PW_GRANULE_SHIFT);', '0 * address);')]),
    ('aligned-room', 'the room for what is cut off', 'ops', 'off', [
        (HEAP, 'granules + (align_granules > 1 ? align_granules - 1 : 0);', 'granules;')]),
    ('merge-start', 'the start of a block that was merged', 'ops', 'fast', [
        (HEAP, 'pw_region_clear_start(right.region, right.granule);', ';')]),
    ('merge-link', 'the link back to a block that was merged', 'ops', 'fast', [
        (HEAP, 'set_previous(pw_block_next(left), size);', ';')]),
    ('merge-zeroed', 'that only zero memory is merged with zero memory', 'ops', 'off', [
        (HEAP, ' && (fields.flags & PW_HEAP_ZEROED) == zeroed;', ';')]),
    # -- Pages
    ('runs-fit', 'a run that is a page too short', 'ops', 'off', [
        (RUNS, 'if (pw_block_header(run_of(reference))->size >= pages)',
         'if (pw_block_header(run_of(reference))->size + 1 >= pages)')]),
    ('runs-link', 'the link back in a list of runs', 'ops', 'off', [
        (RUNS, 'links_of(run_of(links->next))->previous = reference_of(run);', ';')]),
    ('mapped-guard', 'the page for the guard', 'ops', 'off', [
        (MAPPED, '(PW_ALIGN_UP(bytes, PW_PAGE_BYTES) >> PW_PAGE_SHIFT) + 1;\n    return',
         '(PW_ALIGN_UP(bytes, PW_PAGE_BYTES) >> PW_PAGE_SHIFT);\n    return')]),
    ('mapped-grow', 'that the free run behind a block is long enough', 'ops', 'off', [
        (MAPPED, '(uint64_t)old_pages + pw_block_header(next)->size >= pages)', 'true)')]),
    ('mapped-align', 'the alignment of big blocks', 'ops', 'off', [
        (MAPPED, 'if (align > PW_PAGE_BYTES)\n        run = cut_front', 'if (false)\n        run = cut_front')]),
    # -- Calls
    ('realloc-copy', 'how much realloc copies', 'ops', 'off', [
        (RELEASE, 'copy_content(block, pointer, moved, old_size < size ? old_size : size);',
         'copy_content(block, pointer, moved, (old_size < size ? old_size : size) / 2);')]),
    ('realloc-slack', 'the size of a block that is resized in place', 'ops', 'off', [
        (RELEASE, '(uint32_t)(handle->bytes - size));\n    return true;', '(uint32_t)(handle->bytes - size + 1));\n    return true;')]),
    ('realloc-quick-copy', 'how much realloc copies on its short way', 'ops', 'off', [
        ('front/malloc.c', '__builtin_memcpy(moved, pointer, old_size < size ? old_size : size);',
         '__builtin_memcpy(moved, pointer, (old_size < size ? old_size : size) / 2);')]),
    ('realloc-quick-zone', 'the zone of a block that is resized on the short way', 'ops', 'fast', [
        (QUICK, 'pw_zone_write_near(handle->address + size);', ';')]),
    ('calloc-clear', 'clearing a block', 'ops', 'off', [
        (HOT, '__builtin_memset((void *)handle->address, 0, size);', ';')]),
    # -- Diagnosis
    ('underflow-offset', 'how far before a block the damage is', 'corrupt', 'full', [
        (DIAGNOSE, 'fault->offset = next->address - fault->damage.start;',
         'fault->offset = next->address - fault->damage.start + 1;')]),
    ('after-free-offset', 'where in a freed block the damage is', 'corrupt', 'fast', [
        (DIAGNOSE, 'fault->relation = PW_RELATION_INSIDE;\n        fault->offset = fault->damage.start - info->address;',
         'fault->relation = PW_RELATION_INSIDE;\n        fault->offset = 0;')]),
    # -- What libc's functions are about to touch, and lost blocks
    ('libc-overlap', 'how far apart two ranges are that do not overlap', 'corrupt', 'full', [
        ('front/libc/libc.h', 'return distance < bytes && distance != 0;', 'return distance < bytes / 8 && distance != 0;')]),
    ('libc-past-end', 'one byte behind a block', 'corrupt', 'full', [
        ('front/libc/room.h', 'bytes <= seat->data && seat->inside <= seat->data - bytes;',
         'bytes <= seat->data + 1 && seat->inside <= seat->data + 1 - bytes;')]),
    ('leak-direct', 'that a block is lost that nothing points to', 'corrupt', 'fast', [
        ('diag/leak_scan.c', 'if (block->mark == PW_REACH_REACHED)', 'if (block->mark != PW_REACH_INDIRECT)')]),
    # -- Readers of an image
    ('view-range', 'that a range is read in parts', 'image', 'full', [
        (DIAGNOSE, 'uint64_t part = range->bytes - done < PART_BYTES ? range->bytes - done : PART_BYTES;\n'
         '        const void *seen', 'uint64_t part = range->bytes - done;\n        const void *seen')]),
    ('view-freed', 'the bound of what is read of a freed block', 'image', 'full', [
        ('image/scan.c', 'if (filled > PW_VIEW_MAX)\n        return false;', ';')]),
    ('picture', 'the bound of the picture of damage', 'image', 'full', [
        (DIAGNOSE, 'limit - start < PW_DAMAGE_WINDOW ? limit - start : PW_DAMAGE_WINDOW;', 'limit - start;')]),
    ('reach-word', 'whether a word can be an address of a block', 'image', 'full', [
        ('image/reach.c', 'if (word - reach->low >= reach->high - reach->low)', 'if (false)')]),
    ('own-ranges', 'the bound of the number of the library\'s own ranges', 'image', 'full', [
        ('image/roots.c', '&& i < root->own_range_count && i < PW_MAX_OWN_RANGES;', '&& i < root->own_range_count;')]),
    # -- Cores, options
    ('core-note-name', 'the length of a note\'s name', 'core', '-', [
        ('../tools/heapdump/target_core.c', 'if (name_bytes > rest->length || header.n_descsz > rest->length - name_bytes)',
         'if (header.n_descsz > rest->length)')]),
    ('core-headers', 'the number of program headers', 'core', '-', [
        ('../tools/heapdump/target_elf.c', 'header.e_phnum > TARGET_ELF_HEADERS ||', '')]),
    ('core-files', 'the number of files in the list of mappings', 'core', '-', [
        ('../tools/heapdump/target_core.c', 'if (head[0] > (data.length - sizeof head) / sizeof mapping)', 'if (false)')]),
    ('options-quote', 'a quote that is not closed', 'options', '-', [
        ('diag/options_parse.c', 'return at + strlen(at);', 'return at + strlen(at) + 1;')]),
    ('hints-line', 'the length of a hint', 'options', '-', [
        ('guard/hints.c', 'if (length != WORD + DIGITS || ', 'if (length < WORD || ')]),
    ('options-more', 'the number of warnings', 'options', '-', [
        ('diag/options_parse.c', '&& ++p->warnings <= MOST_WARNINGS', '&& ++p->warnings <= 10 * MOST_WARNINGS')]),
    ('options-escape', 'that what a user wrote is printed readably', 'options', '-', [
        ('diag/options_parse.c', 'pw_option_print_quoted(slice.start, slice.length, SHOWN_COLUMNS, text);',
         'pw_text_bytes(text, slice.start, slice.length);')]),
]
