"""Plain lines of Bicep, which are read at once: each costs a fifth of what its tokens cost. Pure.

A plain line is a key with a text, a name, a short list or an opening bracket; an item that is a text; or a closing
bracket. So most lines of most files are. All else is read token by token. Of an object in which only plain lines stand
the values are read, and its members only when they are asked for; see guardrails.evaluation.expressions.Record.
"""

import re
from functools import lru_cache
from sys import intern
from typing import Any, Final, NamedTuple

from guardrails.evaluation.expressions import DEEPEST_RECORD, Interpolation, Local
from guardrails.lazy_regex import lazy_regex

CONSTANTS: Final = {"true": True, "false": False, "null": None}
_NAME: Final = r"[A-Za-z_][A-Za-z0-9_]*+"
_ITEM: Final = r"'[^'\\$\r\n]*+'"
NEXT: Final = r"\r?\n([ \t]*+)(?![\r\n/#?:])"
"""The end of a line, and the blanks of the next one, which goes on with something new."""

MEMBER_LINE: Final = lazy_regex(
    rf"(?:({_NAME}):[ ]?+(?:'([^'\\\r\n]*+)'|([{{\[])|({_NAME})|\[[ ]?+((?:{_ITEM}(?:,[ ]?+)?)++)[ ]?+\])|(}})){NEXT}"
).match
"""A member of an object, or its end: key, text, bracket, name, texts, closing brace, blanks of the next line."""
ITEM_LINE: Final = lazy_regex(rf"(?:'([^'\\$\r\n]*+)'|(\])){NEXT}").match
"""An item of a list, or its end: text, closing bracket, blanks of the next line."""
TEXTS: Final = lazy_regex(r"'([^'\\$\r\n]*+)'").findall
HOLES: Final = lazy_regex(rf"\$\{{({_NAME})\}}").finditer
_LINES: Final = lazy_regex(
    rf"^[ \t]*+(?:({_NAME}):[ ]?+(?:'([^'\\\r\n]*+)'|({_NAME})|([{{\[])|\[[ ]?+((?:{_ITEM}(?:,[ ]?+)?)++)[ ]?+\])"
    rf"|({_ITEM})|([}}\]]))\r?\n",
    re.M,
).findall
"""Each line that is plain: key, text, name, bracket, texts, item, closing bracket."""
_END: Final = lazy_regex(rf"[ \t]*+\}}{NEXT}").match
_PIECES: Final = lazy_regex(rf"\$\{{({_NAME})\}}").split


_WORDS: Final = frozenset(CONSTANTS)
_local: Final = lru_cache(256)(Local)
"""Makes the node of a name, of no place: one for all that use it."""


class Lines(NamedTuple):
    """What was read of an object.

    Attributes:
        values: as guardrails.evaluation.expressions.Record has them; nodes are not bound.
        lines: how many were gone over, without the one of the opening brace.
        end, line_start: the offsets behind the blanks of the line below these, and of that line.
    """

    values: dict[str, Any]
    lines: int
    end: int
    line_start: int


def read_lines(source: str, start: int, indent: str, *, closed: bool = True) -> Lines | None:
    """Return the object whose first line ends before an offset; None where it is to be read otherwise.

    Args:
        source: the text.
        start: the offset of the line below the opening brace.
        indent: the blanks before the key of the object: its closing brace is below it.
        closed: the line of that brace is gone over, too; it is plain then.
    """
    close = source.find(f"\n{indent}}}", start - 1) + 1
    behind = _END(source, close) if close and closed else None
    if not close or (closed and behind is None):
        return None
    lines = _LINES(source, start, close)
    if len(lines) < source.count("\n", start, close):
        return None
    try:
        values = _values(lines)
    except _NotPlain:
        return None
    if behind is None:
        return Lines(values, len(lines), close, close)
    return Lines(values, len(lines) + 1, behind.end(), behind.start(1))


class _NotPlain(Exception):
    """There is something else in an object."""


def _values(lines: list[tuple[str, ...]]) -> dict[str, Any]:
    """Return what lines say. Raises _NotPlain."""
    values: dict[str, Any] = {}
    here: Any = values
    around: list[Any] = []
    for key, text, name, bracket, texts, item, close in lines:
        if key:
            if type(here) is not dict or key in here or len(around) >= DEEPEST_RECORD:
                raise _NotPlain
            key = intern(key)  # so that one is compared, kept and sent to another process once  # noqa: PLW2901
            if text:
                here[key] = text if "$" not in text else _interpolated(text)
                continue
            here[key] = _value(name, bracket, texts)
            if bracket:
                around.append(here)
                here = here[key]
        elif item:
            if type(here) is not list:
                raise _NotPlain
            here.append(item[1:-1])
        elif around and (type(here) is dict) == (close == "}"):
            here = around.pop()
        else:
            raise _NotPlain
    if around:
        raise _NotPlain
    return values


def _value(name: str, bracket: str, texts: str) -> Any:
    """Return the value in one line, an empty one for what an opening bracket begins. Raises _NotPlain."""
    if name:
        return CONSTANTS[name] if name in CONSTANTS else _local(name)
    if bracket:
        return {} if bracket == "{" else []
    if ",," in texts or texts[-1:] == " " or texts[-1:] == ",":
        raise _NotPlain
    return TEXTS(texts) if texts else ""


def _interpolated(text: str) -> Interpolation | str:
    """Return the text of one line in which only names are interpolated, of no place. Raises _NotPlain."""
    parts = _parts(text)
    return Interpolation([*parts]) if len(parts) > 1 or type(parts[0]) is not str else text


@lru_cache(1024)
def _parts(text: str) -> tuple[str | Local, ...]:
    """Return the parts of such a text. Raises _NotPlain."""
    pieces: list[Any] = _PIECES(text)
    names = pieces[1::2]
    if text.count("${") != len(names) or not _WORDS.isdisjoint(names):
        raise _NotPlain
    pieces[1::2] = map(_local, names)
    return tuple(filter(None, pieces))
