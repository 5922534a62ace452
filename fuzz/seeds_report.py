"""seeds_report.py - the seeds of report, for make_seeds."""
from seeds_common import chosen, enumerators


def report_fault(kind, variant):
    """A fault of a kind, with all that a report can have, differing by the variant."""
    n = kind + 16 * variant
    head = bytes([kind - 1, [1, 0, 8, 16, 2][variant % 5] + 64 * (n % 2)])
    finder = bytes([[n % 18, 18, 16, 5, 14][variant % 5], n % 4, n % 3, 5, *((n + i) % 8 for i in range(6))])
    finder = finder[:1] + (finder[1:2] if finder[0] == 18 else b'') + finder[2:]
    block = bytes([n * 4 % 60, 0]) + bytes([n * 4 % 60, 0]) + bytes([n * 4 % 200 + 1, 1 | 2 * (n % 8), n % 7, 4 * n % 256, n, n % 9, 0,
                                                                  n, n + 1, 3] + [9] * (n % 8 >= 4))
    places = bytes([n % 4, 3 + n % 5, 1 + n % 8, n % 8])
    damage = bytes([255 - 4 * (n % 12), n % 30 + 1, 1 + n % 3, 0xff, [0, 1, 7, 210, 0x41][variant % 5]])
    return head + finder + block + places + damage + bytes([n % 200] * (60 if variant % 5 == 3 else 0)) + \
        bytes([n % 4, n, n % 65, n % 2, n % 3, 4] + [n, 2, 1, 5] * 4 + [3] + [n, 4, 2, 6] * 3)


KINDS = enumerators('../src/image/fault.h', 'PW_KIND_')
ACTS = enumerators('../src/image/fault.h', 'PW_OP_')
SHAPES = enumerators('report_fault.c', 'SHAPE_')
NO_BLOCK = bytes([3, 0])
CODE = {'program': 0, 'printf': 3, 'qsort': 4, 'none': 6}


def block_of(family=0, evidence=0, state=0x11):
    """A block of the template, but its state, family, and whether more is known of it than its header."""
    return bytes([4, 1 | 2 | 4 * evidence, state, 0, family, 1, 0, 250, 250, 9])


def exact_fault(kind, act='free', access=0, frames=('program', 'printf'), block=NO_BLOCK, relation=0, offset=0, place=0, past=0,
                damage=(0, 0, 0), rest=0, shape='as_taken', words=1, at=0):
    """What report_fault_take reads, in its order, with what is seldom said by name; stacks are of none, or none."""
    out = bytes([KINDS[kind] - 1, access * 8, ACTS[act]] + [0] * (act == 'libc') + [1, len(frames)] + [CODE[f] for f in frames])
    out += block + NO_BLOCK * 2
    out += bytes([relation] * (block != NO_BLOCK) + [offset] + [8] * (block == NO_BLOCK) + [4, 0])
    out += bytes([*damage, 0, 0, 1, 24, 16] + [0] * (kind == 'header') + [place, past] + [8, 250, 1, 3] * past + [0])
    return out + bytes([rest, SHAPES[shape], words - 1, at])


def exact_faults():
    """Advice, pictures and words that few faults have."""
    whose = block_of()
    for name in SHAPES:
        yield name, exact_fault('use_after_free', block=whose, relation=2, rest=16, shape=name, words=5 if name == 'small' else 1)
    yield 'inside', exact_fault('overflow', block=whose, relation=3, rest=16, shape='address', at=5)
    yield 'beside', exact_fault('overflow', block=block_of(state=2), relation=3, rest=16, shape='address', at=5)
    yield 'many-doubles', exact_fault('overflow', block=whose, relation=3, rest=16, shape='doubles', words=6)
    yield 'many-huge', exact_fault('overflow', block=whose, relation=3, rest=16, shape='huge', words=3)
    yield 'many-floats', exact_fault('overflow', block=whose, relation=3, rest=16, shape='floats', words=3)
    for number, place in enumerate((0, 1)):
        yield f'poisoned-{number}', exact_fault('bad_free', place=place, rest=1)
        yield f'of-zone-{number}', exact_fault('bad_free', place=place, rest=2)
        yield f'of-nobody-{number}', exact_fault('bad_free', place=place)
        yield f'followed-{number}', exact_fault('poison', act='access', place=place, rest=number + 1)
    yield 'of-array', exact_fault('interior_free', act='delete', block=block_of(family=2), relation=2, offset=8)
    yield 'of-base', exact_fault('interior_free', act='delete', block=block_of(family=1), relation=2, offset=16)
    yield 'renewed', exact_fault('use_after_free', block=block_of(evidence=1), relation=2, offset=16, rest=4)
    yield 'renewed-known', exact_fault('use_after_free', block=block_of(evidence=1), relation=2, offset=16, rest=4, past=2)
    yield 'read-damage', exact_fault('overflow', act='libc', access=1, block=whose, relation=3, damage=(1, 4, 2), rest=16)
    yield 'aligned-sized', exact_fault('size_mismatch', act='delete', block=block_of(family=1), relation=2, rest=8)
    yield 'at-exit', exact_fault('overflow', act='exit', frames=('program',), block=whose, relation=3)
    yield 'of-library', exact_fault('overflow', frames=('printf', 'qsort'), block=whose, relation=3)


def report_seeds():
    """Every kind in every format; lost blocks with and without suppressions; notes, signals, names; and, chosen by the sum
    of the bytes, with a symbolizer, and to the process's end."""
    for kind in range(1, 16):
        for variant in range(5):
            how = (kind + variant) % 3 + 3 * (2 if variant else kind % 3) + 12 * (kind % 4) + 48 * (kind % 3)
            yield f'fault-{kind}-{variant}', bytes([how, [4, 0, 1, 5, 3][variant], 9]) + b'\7' + bytes([variant]) + \
                report_fault(kind, variant)
    for number in range(16):
        yield f'end-{number}', chosen(bytes([number % 3 + 6, 4 + 64 * (number % 4), 1 + 8 * (number % 2) + 192 * (number == 5)]) +
                                      b'\7' + bytes([[8, 25, 0][number % 3]]) + report_fault(1 + number % 15, number), 5)
    for number, (name, fault) in enumerate(exact_faults()):
        yield f'exact-{name}', bytes([number % 2 + 6 + 12 * 2 + 48, 4, 9]) + b'\7\0' + fault
        if name.startswith(('poisoned', 'of-zone')):
            yield f'exact-{name}-fast', bytes([6 + 12 + 48, 4, 9]) + b'\7\0' + fault
    # The symbolizer gives other names, and files, that suppressions are of; more leaks than are printed at once.
    for number, pattern in enumerate((b'leak:made(int', b'leak:made.c', b'leak:entry')):
        for form in range(3):
            yield f'leaks-symbolized-{number}-{form}', chosen(bytes([form + 6 + 24 + 48, 4 + 64, 9]) + b'\0' + bytes([36, 3, 20]) + b''.join(
                bytes([2 * n, 10 * n, 0, n]) for n in range(20)) + pattern + b'\n', 5)
    for form in range(3):
        yield f'leaks-many-{form}', bytes([form + 6 + 24 + 48, 4, 9]) + b'\0' + bytes([0, 100, 255])
    suppressions = (b'leak:main\nleak:fuzz_report\n', b'leak:libc*\n# x\nleak:nothing', b'leak:report_fault_start', b'leak:*')
    for number in range(24):
        yield f'leaks-{number}', bytes([number % 3 + 6 + 48 * (number % 4), 4, 9]) + b'\0' + \
            bytes([[16, 0, 20, 24][number % 4] + 32 * (number % 5 % 4) + number % 2, 3, 2 + number]) + \
            b''.join(bytes([230 if n % 3 == 2 else 2 * n, 10 * n, 0, n]) for n in range(2 + number)) + suppressions[number % 4]
    for number, note in enumerate((b'a note', b'quo"te \\ \1\2\t \xc3\xa4 \xe2\x82\xac \xf0\x9f\x98\x80', b'\xff\xc0\x80\xed\xa0\x80\xe0\x80',
                                   b'x' * 1020 + b'\xf4\x90\x80\x80\xe2\x82')):
        yield f'note-{number}', bytes([8, 4, 9]) + b'\1' + note
        yield f'note-text-{number}', bytes([6, number, 9]) + b'\1' + note
    for name in (b'SIGUSR2', b'USR1', b'12', b'9', b'40', b'11', b'KILL', b'', b'1x'):
        yield 'signal-' + name.decode(), bytes([6, 4, 9]) + b'\2' + name
    yield 'snapshot', bytes([6, 4, 9]) + b'\3\0/tmp/a'
    yield 'no-snapshot', bytes([6, 4, 9]) + b'\3\x02/tmp/a'
    yield 'no-snapshot-odd', bytes([6, 4, 9]) + b'\3\xfd/tmp/a'
