"""Text put into lines of a terminal. Words stay whole, and so does what is in backticks. Pure.

What is longer than a line breaks behind its slashes where that is asked for: a resource id in a column. Else it stays
on one line of its own, for the terminal to wrap, so that it can be copied.
"""

import re
from textwrap import TextWrapper
from typing import Final

_WORDS: Final = re.compile(r"`[^`]*`\S*|\S+|\s+")
_STEPS: Final = re.compile(r"[^/]*/|[^/]+")


class _Wrapper(TextWrapper):
    """textwrap's, with words of our own: see above."""

    def _split(self, text: str) -> list[str]:
        room = self.width - len(self.subsequent_indent)
        chunks: list[str] = []
        for word in _WORDS.findall(text):
            for part in [word] if len(word) <= room else re.findall(r"\S+|\s+", word):
                chunks += _STEPS.findall(part) if len(part) > room and self.break_long_words else [part]
        return chunks


def wrapped(text: str, width: int, *, first: str = "", hang: str = "", whole: bool = False) -> list[str]:
    """Return the lines of a text, of `width` characters at most; one at least.

    Args:
        first: what the first line begins with.
        hang: what all others begin with.
        whole: whether a word that is longer than a line is left whole, and the line longer.
    """
    wrapper = _Wrapper(
        max(width, len(hang) + 1, len(first) + 1), initial_indent=first, subsequent_indent=hang,
        break_long_words=not whole, break_on_hyphens=False,
    )  # fmt: skip
    return wrapper.wrap(text) or [first.rstrip()]
