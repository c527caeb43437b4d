"""The pictures of the documentation: one of each kind and size, small, of valid cards; and how they are made small."""

import struct
import zlib
from collections.abc import Collection
from pathlib import Path

import pytest

from guardrails.notices.notice import Kind, Notice
from tools.pictures.__main__ import WIDTHS, cards
from tools.pictures.png import COLOURS, smaller
from tools.pictures.samples import sample

FOLDER = Path(__file__).parents[2] / "docs" / "pictures"


@pytest.fixture(scope="module")
def drawn() -> Collection[str]:
    """The names of what is drawn."""
    return cards().keys()


@pytest.mark.parametrize("size", list(WIDTHS))
@pytest.mark.parametrize("name", [*Kind, "owner-addressed", "digest-of-reminders"])
def test_every_kind_has_a_small_picture(drawn: Collection[str], name: str, size: str) -> None:
    picture = (FOLDER / f"{name}-{size}.png").read_bytes()
    assert len(picture) < 60_000
    assert struct.unpack_from(">I", picture, 16) == (WIDTHS[size],)
    assert name in drawn


@pytest.mark.parametrize("kind", list(Kind))
def test_every_sample_is_a_whole_notice(kind: Kind) -> None:
    found = sample(kind)
    assert Notice.from_json(found.to_json()) == found
    assert all((found.title, found.done, found.next))


def png(pixels: list[list[bytes]], filters: list[int]) -> bytes:
    """Return a PNG of RGBA pixels whose rows have these filters; written out with `zlib` alone."""
    raw = bytearray()
    above = bytes(4 * len(pixels[0]))
    for row, kind in zip(pixels, filters, strict=True):
        flat = b"".join(row)
        raw.append(kind)
        for at, value in enumerate(flat):
            left, up = (flat[at - 4] if at >= 4 else 0), above[at]
            corner = above[at - 4] if at >= 4 else 0
            paeth = min((left, up, corner), key=lambda each: abs(left + up - corner - each))
            raw.append((value - (0, left, up, (left + up) // 2, paeth)[kind]) & 255)
        above = flat
    parts = (
        (b"IHDR", struct.pack(">IIBBBBB", len(pixels[0]), len(pixels), 8, 6, 0, 0, 0)),
        (b"IDAT", zlib.compress(raw)),
    )
    whole = b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body)) for kind, body in parts
    )
    return b"\x89PNG\r\n\x1a\n" + whole


def read(picture: bytes) -> list[list[bytes]]:
    """Return the RGB pixels of a PNG with a palette."""
    found: dict[bytes, bytes] = {}
    at = 8
    while at < len(picture):
        (length,) = struct.unpack_from(">I", picture, at)
        found[picture[at + 4 : at + 8]] = picture[at + 8 : at + 8 + length]
        at += length + 12
    width, height = struct.unpack_from(">II", found[b"IHDR"])
    raw = zlib.decompress(found[b"IDAT"])
    rows = [raw[y * (width + 1) + 1 : (y + 1) * (width + 1)] for y in range(height)]
    return [[found[b"PLTE"][3 * place : 3 * place + 3] for place in row] for row in rows]


def test_few_colours_are_kept_exactly_whatever_the_filter() -> None:
    colours = [bytes((value, 255 - value, value * 7 % 256, 255)) for value in range(0, 250, 10)]
    pixels = [[colours[(x * y + x) % len(colours)] for x in range(9)] for y in range(5)]
    assert read(smaller(png(pixels, [0, 1, 2, 3, 4]))) == [[pixel[:3] for pixel in row] for row in pixels]


def test_many_colours_become_few_and_the_common_ones_stay() -> None:
    ground, near = bytes((255, 255, 255, 255)), bytes((250, 250, 250, 255))
    many = [[bytes((x * 16, y * 16, 0, 255)) for x in range(16)] for y in range(16)]
    shown = read(smaller(png([*many, [ground] * 16, [near] * 16], [0] * 18)))
    assert len({pixel for row in shown for pixel in row}) == COLOURS
    assert shown[16:] == [[ground[:3]] * 16, [near[:3]] * 16]


def test_what_is_no_screenshot_is_refused() -> None:
    with pytest.raises(ValueError, match="not a PNG"):
        smaller(b"GIF89a")
