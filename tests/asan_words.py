#!/usr/bin/env python3
"""asan_words.py GOLDEN-DIRECTORY - every report in AddressSanitizer's words is understood by the parsers of triage
tools: the regular expressions of CASR, ClusterFuzz and asan_symbolize that REPORTS.md names are applied to every
golden file of report_format=asan.
"""
import glob
import os
import re
import sys

CASR_HEAD = re.compile(r'==\d+==\s*ERROR: (LeakSanitizer|AddressSanitizer|libFuzzer):')
CASR_SUMMARY = re.compile(r'SUMMARY: *(AddressSanitizer|libFuzzer): ([A-Za-z_\-\(\)]+)')
CLUSTERFUZZ_HEAD = re.compile(r'.*ERROR: (HWAddressSanitizer|AddressSanitizer)[: ]*[ ]*([^(:;]+)')
CLUSTERFUZZ_ACCESS = re.compile(r'[ ]*([^ ]*|Atomic [^ ]*) of size ([^ ]*) at ([^ ]*)')
CLUSTERFUZZ_DOUBLE = re.compile(
    r'.*(AddressSanitizer).*double-free on (unknown address |address |)([xX0-9a-fA-F]+)')
SYMBOLIZE_FRAME = re.compile(r'^( *#([0-9]+) *)(0x[0-9a-f]+) *(?:in *.+)? *\((.*)\+(0x[0-9a-f]+)\)')
LEAK_SUMMARY = re.compile(r'^SUMMARY: AddressSanitizer: \d+ byte\(s\) leaked in \d+ allocation\(s\)\.$', re.M)
FRAME = re.compile(r'^ *#\d+ ')
FIRST_LINES = { # kinds whose first line has a shape of its own
    'double-free': r'attempting double-free on 0x[0-9a-f]+ in thread T\d+',
    'bad-free': r'attempting free on address which was not malloc\(\)-ed: 0x[0-9a-f]+ in thread T\d+',
    'interior-free': r'attempting free on address which was not malloc\(\)-ed: 0x[0-9a-f]+ in thread T\d+',
    'alloc-dealloc-mismatch': r'alloc-dealloc-mismatch \((malloc|operator new|operator new \[\]) vs '
                              r'(free|operator delete|operator delete \[\])\) on 0x[0-9a-f]+',
}
SUMMARY_KINDS = {'double-free': 'double-free', 'bad-free': 'bad-free', 'interior-free': 'bad-free',
                 'alloc-dealloc-mismatch': 'alloc-dealloc-mismatch',
                 'heap-buffer-overflow': 'heap-buffer-overflow', 'heap-use-after-free': 'heap-use-after-free'}
ACCESSES = ('heap-buffer-overflow', 'heap-buffer-underflow', 'heap-use-after-free')
KINDS = ('alloc-dealloc-mismatch', 'allocation-size-too-big', 'bad-free', 'calloc-overflow', 'double-free',
         'header-corruption', 'heap-buffer-overflow', 'heap-buffer-underflow', 'heap-use-after-free',
         'interior-free', 'invalid-alignment', 'memory-leak', 'overlapping-copy', 'poison-dereference',
         'sized-delete-mismatch')


def problems(kind, text):
    """What a parser would miss in a report of this kind."""
    lines = text.splitlines()
    if kind == 'memory-leak': # of LeakSanitizer's own shape, which CASR knows by the first line
        if not CASR_HEAD.search(lines[0]) or 'LeakSanitizer: detected memory leaks' not in lines[0]:
            yield 'no first line of LeakSanitizer'
        if not LEAK_SUMMARY.search(text):
            yield 'no SUMMARY of LeakSanitizer'
        return
    if not CASR_HEAD.search(lines[0]):
        yield 'no first line for CASR'
    if not CLUSTERFUZZ_HEAD.match(lines[0]):
        yield 'no first line for ClusterFuzz'
    summary = CASR_SUMMARY.search(text)
    if not summary:
        yield 'no SUMMARY for CASR'
    elif summary.group(2) != SUMMARY_KINDS.get(kind, summary.group(2)):
        yield f'SUMMARY says {summary.group(2)}'
    if kind in FIRST_LINES and not re.search(FIRST_LINES[kind], lines[0]):
        yield 'the first line has another shape'
    if kind == 'double-free' and not CLUSTERFUZZ_DOUBLE.match(lines[0]):
        yield 'no address of the double free for ClusterFuzz'
    if kind in ACCESSES and not any(CLUSTERFUZZ_ACCESS.match(line) for line in lines[1:3]):
        yield 'no access on line 2 or 3'
    frames = [line for line in lines if FRAME.match(line)]
    if not frames:
        yield 'no stack'
    for line in frames:
        if not SYMBOLIZE_FRAME.match(line) and '(BuildId' in line:
            yield f'a frame that asan_symbolize does not read: {line}'
    first = next((i for i, line in enumerate(lines) if FRAME.match(line)), 0)
    end = next((i for i in range(first, len(lines)) if not FRAME.match(lines[i])), len(lines))
    if end < len(lines) and lines[end] != '':
        yield f'no blank line ends the first stack: {lines[end]}'


def main(directory):
    failed, seen = 0, set()
    for path in sorted(glob.glob(os.path.join(directory, '*.asan'))):
        name = os.path.basename(path)[:-len('.asan')]
        kind = max((kind for kind in KINDS if name.startswith(kind)), key=len, default=None)
        if kind is None:
            print(f'{path}: of no kind')
            failed += 1
            continue
        seen.add(kind)
        with open(path, encoding='utf-8') as file:
            text = file.read().replace('==PID==', '==4711==')
        for problem in problems(kind, text):
            print(f'{path}: {problem}')
            failed += 1
    for kind in sorted(set(KINDS) - seen):
        print(f'{directory}: no report of {kind}')
        failed += 1
    print(f'{len(seen)} kinds, {failed} problems')
    return 1 if failed else 0


if __name__ == '__main__':
    sys.exit(main(sys.argv[1]))
