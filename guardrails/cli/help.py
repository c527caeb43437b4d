"""How help looks: as wide as the terminal, or COLUMNS, its paragraphs filled, its examples and lists as they are."""

import argparse
import sys
from collections.abc import Iterable
from itertools import groupby
from typing import Any, Final

from guardrails.cli.program import named
from guardrails.cli.screen import width_of
from guardrails.lazy_regex import lazy_regex

_GROUP: Final = lazy_regex(r"\[[^][]*\]|\([^()]*\)")
_INDENT: Final = " " * 4
_FIXED: Final = "\0"
"""In place of a blank at which no line is broken."""


class Formatter(argparse.HelpFormatter):
    """argparse's, for descriptions that are docstrings: what is indented in one is an example and stays as it is.

    Commands are spelled as the program was started.
    """

    def __init__(self, prog: str, **settings: Any) -> None:
        super().__init__(prog, **{"width": width_of(sys.stdout) - 2, **settings})

    def _format_usage(
        self, usage: str | None, actions: Iterable[argparse.Action], groups: Iterable[Any], prefix: str | None
    ) -> str:
        text = super()._format_usage(usage, actions, groups, prefix)
        if all(len(line) <= self._width for line in text.splitlines()):
            return text
        kept = _GROUP.sub(lambda group: group[0].replace(" ", _FIXED), " ".join(text.split()))
        lines = _wrapped(kept, self._width, _INDENT)
        return "\n".join(lines).replace(_FIXED, " ") + "\n\n"

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        lines: list[str] = []
        for is_prose, block in groupby(named(text).strip("\n").splitlines(), _is_prose):
            kept = list(block)
            lines += _wrapped(" ".join(kept), width, indent, first=indent) if is_prose else kept
        return "\n".join(lines)

    def _split_lines(self, text: str, width: int) -> list[str]:
        return _wrapped(" ".join(named(text).split()), width)


def _wrapped(text: str, width: int, hang: str = "", first: str = "") -> list[str]:
    from guardrails.cli.wrapping import wrapped  # noqa: PLC0415 - who asks for no help does not pay for it

    return wrapped(text, width, first=first, hang=hang, whole=True)


def _is_prose(line: str) -> bool:
    return bool(line) and not line[0].isspace() and not line.startswith(("- ", "* "))
