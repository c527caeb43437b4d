"""Makes a screenshot small: a palette in place of 24 bits a pixel. Lossless for COLOURS colours, near it for more."""

import struct
import zlib
from collections import Counter
from collections.abc import Iterator
from typing import Final

COLOURS: Final = 96
"""Enough for text on a few grounds and its soft edges; a palette can have 256."""
_GROUNDS: Final = 16
"""How many colours are kept however near they are: the grounds are, and large."""
_STEP: Final = 16
"""Colours whose channels lie in the same steps count as one, or the soft edges of black text would take all places."""

_SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"


def smaller(picture: bytes) -> bytes:
    """Return a PNG of the same size in pixels with at most COLOURS colours.

    Takes what browsers make: 8 bits a channel, RGB or RGBA, not interlaced. Raises ValueError for anything else.
    """
    chunks = list(_chunks(picture))
    width, height, depth, colours, _, _, interlaced = struct.unpack(">IIBBBBB", chunks[0][1])
    if depth != 8 or colours not in (2, 6) or interlaced:
        raise ValueError("not a PNG with 8 bits a channel, RGB or RGBA, without interlace")
    size = 3 if colours == 2 else 4
    data = zlib.decompress(b"".join(content for kind, content in chunks if kind == b"IDAT"))
    rows = list(_rows(data, width * size, size))
    pixels = [[row[at : at + 3] for at in range(0, len(row), size)] for row in rows]
    index, palette = _palette(Counter(pixel for row in pixels for pixel in row))
    packed = b"".join(b"\0" + bytes(index[pixel] for pixel in row) for row in pixels)
    header = struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)
    parts = ((b"IHDR", header), (b"PLTE", palette), (b"IDAT", zlib.compress(packed, 9)), (b"IEND", b""))
    return _SIGNATURE + b"".join(chunk(kind, content) for kind, content in parts)


def _chunks(picture: bytes) -> Iterator[tuple[bytes, bytes]]:
    if not picture.startswith(_SIGNATURE):
        raise ValueError("not a PNG")
    at = len(_SIGNATURE)
    while at < len(picture):
        (length,) = struct.unpack_from(">I", picture, at)
        yield picture[at + 4 : at + 8], picture[at + 8 : at + 8 + length]
        at += length + 12


def chunk(kind: bytes, content: bytes) -> bytes:
    """Return a chunk of a PNG (PNG specification, section 5)."""
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def _rows(data: bytes, width: int, size: int) -> Iterator[bytes]:
    """Undo the filters (PNG specification, section 9). `width` and `size` are the bytes of a row and of a pixel."""
    above = bytes(width)
    for start in range(0, len(data), width + 1):
        kind, row = data[start], bytearray(data[start + 1 : start + 1 + width])
        for at, value in enumerate(row):
            left = row[at - size] if at >= size else 0
            corner = above[at - size] if at >= size else 0
            row[at] = (value + _predicted(kind, left, above[at], corner)) & 255
        above = bytes(row)
        yield above


def _predicted(kind: int, left: int, up: int, corner: int) -> int:
    match kind:
        case 0:
            return 0
        case 1:
            return left
        case 2:
            return up
        case 3:
            return (left + up) // 2
    estimate = left + up - corner
    return min((left, up, corner), key=lambda each: abs(estimate - each))


def _palette(counted: Counter[bytes]) -> tuple[dict[bytes, int], bytes]:
    """Return each colour's place in the palette, and the palette: the commonest colours; others go to the nearest."""
    kept = list(counted) if len(counted) <= COLOURS else _commonest(counted)
    places = {colour: place for place, colour in enumerate(kept)}
    for colour in counted:
        if colour not in places:
            nearest = min(kept, key=lambda other: sum((a - b) ** 2 for a, b in zip(colour, other, strict=True)))
            places[colour] = places[nearest]
    return places, b"".join(kept)


def _commonest(counted: Counter[bytes]) -> list[bytes]:
    """Return the grounds as they are, then the commonest colour of each of the commonest groups of near colours."""
    groups: Counter[tuple[int, ...]] = Counter()
    first: dict[tuple[int, ...], bytes] = {}
    for colour, times in counted.most_common():
        group = tuple(channel // _STEP for channel in colour)
        groups[group] += times
        first.setdefault(group, colour)
    grounds = [colour for colour, _ in counted.most_common(_GROUNDS)]
    return list(dict.fromkeys([*grounds, *(first[group] for group, _ in groups.most_common())]))[:COLOURS]
