"""Text put into lines of a terminal, measured in its cells. Words stay whole, and so does what is in backticks. Pure.

What is longer than a line breaks behind its slashes where that is asked for: a resource id in a column. A step that is
still longer breaks between characters. Else it stays on one line of its own, for the terminal to wrap, so that it can
be copied; but text in wide characters, which has no blanks, breaks between these.
"""

import re
from collections.abc import Iterator
from typing import Final
from unicodedata import category, east_asian_width

from guardrails.lazy_regex import lazy_regex

_WORDS: Final = lazy_regex(r"`[^`]*`\S*|\S+|\s+")
_STEPS: Final = lazy_regex(r"[^/]*/|[^/]+")
_WIDE: Final = 2
_EMOJI: Final = "\ufe0f"
"""The variation selector that makes the character before it a wide one."""


def cells(text: str) -> int:
    """Return how many cells of a terminal a text takes.

    Wide characters of the East Asian scripts and emoji take two, combining marks none (Unicode Standard Annex 11).
    """
    return len(text) if text.isascii() else sum(map(_cells, _characters(text)))


def wrapped(text: str, width: int, *, first: str = "", hang: str = "", whole: bool = False) -> list[str]:
    """Return the lines of a text, of `width` cells at most; one at least. Nothing is lost but blanks at their ends.

    Args:
        first: what the first line begins with.
        hang: what all others begin with.
        whole: whether a word that is longer than a line is left whole, and the line longer.
    """
    lines: list[str] = []
    line, room = "", width - cells(first)
    for part in _parts(text, width - max(cells(first), cells(hang)), whole=whole):
        size = cells(part)
        if line and size > room:
            lines.append(line.rstrip())
            line, room = "", width - cells(hang)
        if line or not lines or not part.isspace():
            line += part
            room -= size
    if line or not lines:
        lines.append(line.rstrip())
    return [f"{hang if number else first}{line}".rstrip() for number, line in enumerate(lines)]


def _parts(text: str, room: int, *, whole: bool) -> Iterator[str]:
    """Yield what a text is made of, blanks too, where no line ends within a part."""
    for quoted in _WORDS.findall(text):
        for word in [quoted] if cells(quoted) <= room else re.findall(r"\S+|\s+", quoted):
            if cells(word) <= room or word.isspace():
                yield word
            elif whole:
                yield from [word] if "/" in word else _runs(word)
            else:
                for step in _STEPS.findall(word):
                    yield from [step] if cells(step) <= room else _characters(step)


def _runs(word: str) -> Iterator[str]:
    """Yield the wide characters of a word one by one, and what is between them."""
    run = ""
    for character in _characters(word):
        if _cells(character) < _WIDE:
            run += character
            continue
        yield from filter(None, (run, character))
        run = ""
    yield from filter(None, (run,))


def _characters(text: str) -> list[str]:
    """Return the characters of a text, each with its combining marks."""
    found: list[str] = []
    for char in text:
        if found and category(char)[0] == "M":
            found[-1] += char
        else:
            found.append(char)
    return found


def _cells(character: str) -> int:
    """Return the cells of a character with its marks."""
    wide = _EMOJI in character or east_asian_width(character[0]) in "WF"
    return _WIDE if wide else int(category(character[0]) not in ("Mn", "Me", "Cf"))
