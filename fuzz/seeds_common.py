"""seeds_common.py - what make_seeds and its parts share: the harnesses' own lists, and which inputs they choose."""
import os
import re
import struct

HERE = os.path.dirname(os.path.abspath(__file__))


def text_of(name):
    with open(os.path.join(HERE, name), encoding='utf-8') as file:
        return file.read()


def enumerators(name, prefix):
    found = re.findall(rf'^ +({prefix}[A-Z_]+),', text_of(name), re.M)
    return {word[len(prefix):].lower(): number for number, word in enumerate(found)}


def fuzz_sum(data):
    """As in harness.h."""
    total = 2166136261
    for byte in data:
        total = (total ^ byte) * 16777619 & 0xffffffff
    return total


def chosen(data, bits, before=b'', last=0):
    """`data` with a tail that makes it one of those that are chosen by the sum of their bytes: `bits` zero bits first, and
    `last` at the end."""
    for number in range(1 << 16):
        tail = b'' if number == 0 else before + struct.pack('<H', number)
        total = fuzz_sum(data + tail)
        if total >> 32 - bits == 0 and total % (1 << last) == 0:
            return data + tail
    raise ValueError('no tail will do')
