"""`guid` and `uniqueString`. Pure."""

import struct
from hashlib import sha1
from typing import Final

from guardrails.evaluation.functions.base import MANY, function, unsure
from guardrails.evaluation.values import Unknown, Value

_NAMESPACE: Final = bytes.fromhex("11fb06fb712d4ddd98c7e71bbd588830")
"""The namespace in which `guid` makes its name-based UUIDs (RFC 9562, version 5)."""
_CHARACTERS: Final = "abcdefghijklmnopqrstuvwxyz234567"
_MASK: Final = 0xFFFFFFFF
_FIRST: Final = 0x239B961B
_SECOND: Final = 0xAB0E9789


@function("guid", 1, MANY)
def _guid(arguments: list[Value]) -> Value:
    joined = _joined(arguments, "guid")
    return joined if isinstance(joined, Unknown) else _named(joined)


def _named(name: str) -> str:
    """Return the name-based UUID of a text."""
    digest = bytearray(sha1(_NAMESPACE + name.encode(), usedforsecurity=False).digest()[:16])
    digest[6] = digest[6] & 0x0F | 0x50
    digest[8] = digest[8] & 0x3F | 0x80
    text = digest.hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


@function("uniqueString", 1, MANY)
def _unique_string(arguments: list[Value]) -> Value:
    joined = _joined(arguments, "uniqueString")
    if isinstance(joined, Unknown):
        return joined
    left = _hash(joined.encode())
    characters = []
    for _ in range(13):
        characters.append(_CHARACTERS[left >> 59])
        left = left << 5 & 0xFFFFFFFFFFFFFFFF
    return "".join(characters)


def _joined(arguments: list[Value], name: str) -> str | Unknown:
    if not all(isinstance(argument, str) for argument in arguments):
        return unsure(f"{name}() of something that is no text")
    return "-".join(arguments)


def _hash(data: bytes) -> int:
    """Return the 64-bit hash that `uniqueString` is made of: MurmurHash3's mixing over two halves of 32 bits."""
    one = two = 0
    whole = len(data) // 8 * 8
    for first, second in struct.iter_unpack("<II", data[:whole]):
        one = _rotated(one ^ _mixed_first(first), 19)
        one = ((one + two) * 5 + 0x561CCD1B) & _MASK
        two = _rotated(two ^ _mixed_second(second), 13)
        two = ((two + one) * 5 + 0x0BCAA747) & _MASK
    rest = data[whole:]
    if rest:
        one ^= _mixed_first(int.from_bytes(rest[:4], "little"))
    if len(rest) > 4:
        two ^= _mixed_second(int.from_bytes(rest[4:], "little"))
    return _finished(one ^ len(data), two ^ len(data))


def _finished(one: int, two: int) -> int:
    one = (one + two) & _MASK
    two = (two + one) & _MASK
    one, two = _avalanche(one), _avalanche(two)
    one = (one + two) & _MASK
    two = (two + one) & _MASK
    return two << 32 | one


def _rotated(value: int, bits: int) -> int:
    return (value << bits | value >> (32 - bits)) & _MASK


def _mixed_first(half: int) -> int:
    return _rotated(half * _FIRST & _MASK, 15) * _SECOND & _MASK


def _mixed_second(half: int) -> int:
    return _rotated(half * _SECOND & _MASK, 17) * _FIRST & _MASK


def _avalanche(value: int) -> int:
    value = (value ^ value >> 16) * 0x85EBCA6B & _MASK
    value = (value ^ value >> 13) * 0xC2B2AE35 & _MASK
    return value ^ value >> 16
