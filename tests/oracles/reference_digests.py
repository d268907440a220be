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


def row_sum(data):
    """Multiply-sum of one row's bytes."""
    data = data + b"\0" * (-len(data) % 8)
    total = 0
    for i in range(len(data) // 8):
        word = int.from_bytes(data[8 * i : 8 * i + 8], "little", signed=True)
        total += fold(weight(i + 1) * fold(word, 29), 32)
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
