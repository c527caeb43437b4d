r"""Patterns as people write them: globs on ids and texts, and regular expressions. Pure.

All globs mean the same: `*` is any text without a slash, and any text at all where it is the last character; `**` is
any text; `?` is one character; `[ab]` one of these, `[!ab]` one of all others. In a ruleset of version 1 a `*` crosses
slashes everywhere; `modern` has its patterns in the form of version 2.

Whatever somebody writes, matching takes time in proportion to the length of the text: what is more than text runs in
RE2, which knows neither look-around nor back references. https://github.com/google/re2/wiki/Syntax
"""

import re
import sys
from collections.abc import Iterable, Sequence
from contextlib import suppress
from functools import lru_cache
from typing import Any, Final

from guardrails.lazy_regex import lazy_regex

LONGEST: Final = 2000
"""Characters of a pattern at most; no id in Azure is that long."""

_TOKEN: Final = lazy_regex(r"\*+|\?|\[!?+\]?+[^\]]*+\]|[^*?\[]+|\[")
_SURROGATES: Final = lazy_regex("[\ud800-\udfff]")
_ANY: Final = ".*"
_IN_PART: Final = "[^/]*"
_ENDS: Final = ("", _IN_PART, _ANY)
_BELOW: Final = "(?:/.*)?"
_NO_CHARACTER: Final = r"[^\x{0}-\x{10ffff}]"
_MEMORY: Final = 2**20
"""Bytes that RE2 may take for one pattern. A larger one is refused; text that would need more takes longer."""


class Glob:
    """A glob, ready to match.

    Attributes:
        text: the glob in the form of version 2, as it is spelled.
        plain: the text that it is, in lower case where case does not matter; None where it has wildcards.
        expression: the same for RE2, without what is below.
        needed: the longest text that is in all that it matches.
        parts: how many of an id's parts, from its start, decide whether it matches; a great number where all may.
    """

    __slots__ = ("_below", "_opened", "_regex", "_start", "expression", "needed", "parts", "plain", "text")

    def __init__(self, text: str, *, below: bool = False, fold: bool = True) -> None:
        self.text = text
        text = text.lower() if fold else text
        parts = [_translated(one, last=end == len(text)) for one, end in _tokens(text)]
        literals = [literal for literal, _ in parts]
        self._below = below
        self._start = literals[0] if literals else ""
        self.needed = max(literals, key=len, default="")
        self.plain = None if any(wild for _, wild in parts) else "".join(literals)
        self._opened = len(parts) == 2 and bool(parts[0][0]) and parts[1][1] == _ANY
        self.expression = "".join(wild or re.escape(literal) for literal, wild in parts)
        self._regex: Any = None
        crossing = any(wild not in ("", _IN_PART) for _, wild in parts[:-1]) or (parts and parts[-1][1] not in _ENDS)
        self.parts = sys.maxsize if crossing or not below else 1 + "".join(literals).count("/")

    def matches(self, text: str) -> bool:
        """Whether it matches the whole text; one on scopes matches what is below, too."""
        if self.plain is not None:
            return text == self.plain or (self._below and text.startswith(f"{self.plain}/"))
        if not text.startswith(self._start):
            return False
        if self._opened:
            return True
        if self.needed not in text:
            return False
        if self._regex is None:
            self._regex = _compiled(f"(?s){self.expression}{_BELOW if self._below else ''}")
        return _whole(self._regex, text)


class Scopes:
    """Many globs on scopes: as many as there may be, an id is looked up among them in a few steps.

    Most say all in the first parts of an id, up to a resource group: what matches there is kept for the next id in it.
    """

    __slots__ = ("_far", "_kept", "_near")

    def __init__(self, globs: Iterable[Glob]) -> None:
        numbered = list(enumerate(globs))
        self._near = _Lookup((index, one) for index, one in numbered if one.parts <= _PARTS)
        self._far = _Lookup((index, one) for index, one in numbered if one.parts > _PARTS)
        self._kept: dict[str, tuple[int, ...]] = {}

    def matching(self, key: str) -> tuple[int, ...]:
        """Return the numbers of the globs that match a lower-cased id, or are above it, in their order."""
        start = key.split("/", _PARTS)
        top = key[: -len(start[-1]) - 1] if len(start) > _PARTS else key
        near = self._kept.get(top)
        if near is None:
            if len(self._kept) >= _KEPT:
                self._kept.clear()
            near = self._kept[top] = tuple(sorted(self._near.matching(top)))
        far = self._far.matching(key)
        return tuple(sorted((*near, *far))) if far else near


class _Lookup:
    """Globs by number. Plain ones are looked up by the id and each scope above it; RE2 matches all others at once."""

    __slots__ = ("_longest", "_plain", "_together", "_wild")

    def __init__(self, globs: Iterable[tuple[int, Glob]]) -> None:
        self._plain: dict[str, list[int]] = {}
        self._wild: list[tuple[int, Glob]] = []
        self._together: Any = None
        for index, one in globs:
            if one.plain is None:
                self._wild.append((index, one))
            else:
                self._plain.setdefault(one.plain, []).append(index)
        if len(self._wild) >= _MANY:
            with suppress(ValueError):  # too large for one: they are asked one by one
                self._together = _together(tuple(one.expression for _, one in self._wild))
        self._longest = max(map(len, self._plain), default=-1)

    def matching(self, key: str) -> list[int]:
        found: list[int] = []
        if self._plain:
            end, longest, plain = key.find("/"), self._longest, self._plain
            while 0 <= end <= longest:
                if (above := key[:end]) in plain:
                    found += plain[above]
                end = key.find("/", end + 1)
            if len(key) <= longest:
                found += plain.get(key, ())
        if self._wild:
            found += self._matching_wild(key)
        return found

    def _matching_wild(self, key: str) -> Sequence[int]:
        if self._together is not None:
            matched = self._together.Match(_clean(key).encode())
            if matched == _EVERY:
                return ()
            if matched and 0 in matched:  # the one that matches everything: RE2 did not run out of memory
                return [self._wild[number - 1][0] for number in matched if number]
        return [index for index, one in self._wild if one.matches(key)]


_EVERY: Final = [0]
_MANY: Final = 8
"""So many globs with wildcards are worth one look for all."""

_PARTS: Final = 5
"""The parts of an id up to a resource group, what is before its first slash included."""

_KEPT: Final = 10_000


def _together(expressions: Sequence[str]) -> Any:
    """Return what RE2 looks for at once, first of all whatever there is. Raises ValueError: it would be too large."""
    import re2  # noqa: PLC0415 - see _compiled

    every = re2.Set.FullMatchSet(_options(8 * _MEMORY))
    try:
        for expression in ("(?s).*", *(f"(?s){one}{_BELOW}" for one in expressions)):
            every.Add(_clean(expression))
        every.Compile()
    except re2.error as error:
        raise ValueError(_reason(error)) from None
    return every


def glob(text: str) -> Glob:
    """Return a glob on lower-cased ids: case does not matter, and a scope covers all below it."""
    return _glob(text.rstrip("/"), below=True)


def id_glob(text: str) -> Glob:
    """Return a glob on lower-cased ids, or names, that covers nothing below them."""
    return _glob(text.rstrip("/"))


def text_glob(text: str) -> Glob:
    """Return a glob on lower-cased texts, such as owners."""
    return _glob(text.strip())


def exact_glob(text: str) -> Glob:
    """Return a glob on texts whose case matters, such as values in metadata."""
    return _glob(text, fold=False)


@lru_cache(maxsize=4096)
def _glob(text: str, *, below: bool = False, fold: bool = True) -> Glob:
    return Glob(text, below=below, fold=fold)


def matches_any(globs: Iterable[str], text: str) -> bool:
    """Whether an id, or a name, matches any of these globs; case does not matter."""
    text = text.lower()
    for one in _id_globs(tuple(globs)):  # noqa: SIM110 - a generator takes twice the time
        if one.matches(text):
            return True
    return False


@lru_cache(maxsize=256)
def _id_globs(globs: tuple[str, ...]) -> tuple[Glob, ...]:
    return tuple(map(id_glob, globs))


def modern(text: str, version: int = 1) -> str:
    """Return a glob of a ruleset's version in the form of version 2, where it means the same."""
    if version != 1:
        return text
    return "".join("**" if one == "*" and end < len(text) else one for one, end in _tokens(text))


def narrows(text: str) -> bool:
    """Whether a glob of version 1 may match less in version 2: a `*` before its end crosses slashes there."""
    text = text.strip().rstrip("/")
    return any(one == "*" and end < len(text) for one, end in _tokens(text))


def is_everything(text: str) -> bool:
    """Whether a glob on ids names nothing, so that it matches everything."""
    return not text.strip("*/? ")


def is_nothing(text: str) -> bool:
    """Whether a glob on ids can match none: ids begin with a slash, which its first `*` does not cross."""
    return re.match(r"\*[^*]", text) is not None and not is_everything(text)


def start_of(text: str) -> str:
    """Return what is before a glob's first wildcard."""
    return re.split(r"[*?\[]", text, maxsplit=1)[0]


def pieces(text: str) -> tuple[list[str], bool]:
    """Return the texts between a glob's wildcards, and whether each of these is any text, as Azure's own `*` is.

    Every `[` counts as a wildcard: where it opens no class it is a text, but one that starts an expression in Azure.
    """
    texts, plain = [""], True
    for one, end in _tokens(text):
        if one[0] in "*?[":
            texts.append("")
            plain = plain and one[0] == "*" and (len(one) > 1 or end == len(text))
        else:
            texts[-1] += one
    return texts, plain


def _tokens(text: str) -> list[tuple[str, int]]:
    """Return a glob's wildcards and the texts between them, each with where it ends."""
    return [(found.group(), found.end()) for found in _TOKEN.finditer(text)]


def _translated(said: str, *, last: bool) -> tuple[str, str]:
    """Return a part of a glob as a text, or as a regular expression."""
    if said[0] == "*":
        return "", _ANY if last or len(said) > 1 else _IN_PART
    if said == "?":
        return "", "."
    return ("", _class(said[1:-1])) if len(said) > 1 and said[0] == "[" else (said, "")


def _class(said: str) -> str:
    """Return a class of characters as RE2 has it. A range that runs backwards has none."""
    other = said.startswith("!")
    said, at, ranges = said[other:], 0, ""
    while at < len(said):
        wide = said[at + 1 : at + 2] == "-" and at + 2 < len(said)
        low, high = said[at], said[at + 2 * wide]
        at += 3 if wide else 1
        ranges += rf"\x{{{ord(low):x}}}-\x{{{ord(high):x}}}" if low <= high else ""
    if not ranges:
        return "." if other else _NO_CHARACTER
    return f"[{'^' if other else ''}{ranges}]"


class Regex:
    """A regular expression of a user, ready to match. Raises ValueError: RE2 cannot run it, and why."""

    __slots__ = ("_regex",)

    def __init__(self, text: str) -> None:
        if len(text) > LONGEST:
            raise ValueError(f"it has {len(text):,} characters; at most {LONGEST:,} are allowed")
        import re2  # noqa: PLC0415 - see _compiled

        try:
            self._regex = _compiled(text)
        except re2.error as error:
            raise ValueError(_reason(error)) from None
        if at := _NO_REPETITION.search(_QUOTED.sub("", text)):
            raise ValueError(f"{at[0][:40]} would be taken for text; write a repetition like {{0,3}}, of at most 1000")

    def matches(self, text: str) -> bool:
        """Whether it matches the whole text."""
        return _whole(self._regex, text)


@lru_cache(maxsize=64)
def regex(text: str) -> Regex:
    r"""Return a regular expression. Raises ValueError with the reason where it cannot run in linear time.

    As RE2 has it: `\d`, `\w`, `\s` and `\b` know ASCII only, and `$` is the very end of the text.
    """
    return Regex(text)


_QUOTED: Final = lazy_regex(r"\\.|\[\^?+\]?+(?:\\.|[^\]\\])*+\]", re.DOTALL)
_NO_REPETITION: Final = lazy_regex(r"\{(?:,\d+|(?:0\d+|\d{9,})(?:,\d*)?|\d+,(?:0\d+|\d{9,}))\}")
"""What is a repetition for others, and a text for RE2."""
_REASONS: Final = (
    ("perl operator: (?=", "look-around, (?=, is not known"),
    ("perl operator: (?!", "look-around, (?!, is not known"),
    ("perl operator: (?<", "look-around, (?<= or (?<!, is not known"),
    ("perl operator: (?P", "a back reference, (?P=name), is not known"),
    ("perl operator: (?(", "a condition, (?(1)...), is not known"),
    ("perl operator: (?>", "an atomic group, (?>, is not known, and not needed: write (?:"),
    ("perl operator: (?#", "a comment, (?#, is not known; leave it out"),
    ("perl operator: (?", "this flag is not known: only i, m, s and U are"),
    (r"sequence: \Z", r"\Z is not known, and not needed: the whole text is matched"),
    (r"sequence: \u", r"\u is not known; write the character itself, or \x{e4}"),
    ("repetition operator: ", "a possessive or doubled repetition is not known; write one, such as + or *"),
    ("repetition size", "a repetition is of at most 1000, those inside it counted"),
    ("too large", "it needs too much memory; write smaller repetitions"),
)


def _reason(error: Exception) -> str:
    """Return why RE2 does not take a pattern, for people."""
    said = error.args[0] if error.args else ""
    text = said.decode("utf-8", "replace") if isinstance(said, bytes) else str(said)
    if re.search(r"sequence: \\[1-9]", text):
        return "a back reference, such as \\1, is not known"
    return next((reason for sign, reason in _REASONS if sign in text), text)


def _clean(text: str) -> str:
    """Return a text without lone surrogates, which have no UTF-8: each is one character that is nothing else."""
    return text if text.isascii() else _SURROGATES.sub("\ufffd", text)


def _whole(compiled: Any, text: str) -> bool:
    return compiled.fullmatch(_clean(text).encode()) is not None  # bytes: re2 works out no positions in the text


def _compiled(expression: str) -> Any:
    """Compile for RE2. Raises re2.error."""
    import re2  # noqa: PLC0415 - 3 MiB: most patterns are settled without it, and indexing needs none

    return re2.compile(_clean(expression), _options(_MEMORY))


def _options(memory: int) -> Any:
    import re2  # noqa: PLC0415 - see _compiled

    options = re2.Options()
    options.max_mem = memory
    options.log_errors = False
    options.never_capture = True
    return options
