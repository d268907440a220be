"""Slow twin of the row digest, in Python integers, from the definition in its docstring."""

import hashlib

MASK = (1 << 64) - 1


def signed(value):
    value &= MASK
    return value - (1 << 64) if value >> 63 else value


def weight(position):
    """Odd splitmix64 of the position, counted from 1."""
    z = (position * 0x9E3779B97F4A7C15) & MASK
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
    return (z ^ (z >> 31)) | 1


def fold(value, shift):
    return signed(signed(value) + (signed(value) >> shift))


def row_sums(data):
    """Multiply-sums of one row's bytes, read little-endian and big-endian."""
    data = data + b"\0" * (-len(data) % 8)
    h = k = 0
    for i in range(len(data) // 8):
        word = data[8 * i : 8 * i + 8]
        h += weight(i + 1) * int.from_bytes(word, "little", signed=True)
        k += weight(2**40 + i + 1) * int.from_bytes(word, "big", signed=True)
    return signed(h), signed(k)


def row_digest(arguments):
    """Digest of one row: `arguments` holds (name, dtype text, row shape, row bytes)."""
    total = 0
    for name, dtype, shape, data in arguments:
        constants = hashlib.sha256(f"{name}|{dtype}|{shape}".encode()).digest()
        offset = int.from_bytes(constants[:8], "little")
        factor = int.from_bytes(constants[8:16], "little") | 1
        h, k = row_sums(data)
        total += fold((fold((h + offset) * factor, 32) + k) * factor, 32)
    return total & MASK
