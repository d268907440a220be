"""Slow twin of the row digest, in Python integers, from the definition in its docstring."""

import hashlib

MASK = (1 << 64) - 1


def signed(value):
    value &= MASK
    return value - (1 << 64) if value >> 63 else value


def scrambled(position):
    """splitmix64 of the position, counted from 1."""
    z = (position * 0x9E3779B97F4A7C15) & MASK
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
    return z ^ (z >> 31)


def fold(value, shift):
    return signed(signed(value) + (signed(value) >> shift))


def row_sum(data):
    """Two multiply-sums for each block of 2,048 words, joined."""
    data = data + b"\0" * (len(data) % 2)
    words = [int.from_bytes(data[i : i + 2], "little", signed=True) for i in range(0, len(data), 2)]
    total = 0
    for block, start in enumerate(range(0, len(words), 2048)):
        s = t = 0
        for position, word in enumerate(words[start : start + 2048], start=1):
            z = scrambled(position)
            s += (z % 2**26) * word
            t += ((z >> 26) % 2**26) * word
        joined = s * 0x2545F4914F6CDD1D + t * 0x369DEA0F31A53F85
        total += fold(joined * (scrambled(block + 1) | 1), 32)
    return signed(total)


def row_digest(arguments):
    """Digest of one row: `arguments` holds (name, dtype text, row shape, row bytes)."""
    total = 0
    for name, dtype, shape, data in arguments:
        constants = hashlib.sha256(f"{name}|{dtype}|{shape}".encode()).digest()
        offset = int.from_bytes(constants[:8], "little")
        factor = int.from_bytes(constants[8:16], "little") | 1
        total += fold((row_sum(data) + offset) * factor, 32)
    return total & MASK
