"""What somebody who mistyped a name most likely meant. Pure; it only ever suggests.

The one place for "did you mean": commands, options and their choices, rules, keys and values of a ruleset, routes, and
the subscriptions and management groups that a scan sees.
"""

from collections.abc import Iterable
from itertools import takewhile
from typing import Final

from guardrails.lazy_regex import lazy_regex

ALIKE: Final = 0.6
"""How much two names are alike at least, 0 to 1, where one may be meant by the other: below it lies nonsense."""
_ALIKE_IDS: Final = 0.8
"""The same of ids, which are alike by chance: hexadecimal digits and hyphens."""
_ID: Final = lazy_regex(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_PART: Final = 0.75
"""How much a name counts for alike that is a part of the other."""
_LEAST_PART: Final = 4
"""Characters of such a part at least: less is in many names by chance."""


def nearest(text: str, names: Iterable[str], *, most: int = 1, least: float = 0) -> list[str]:
    """Return which of `names` are most like `text`, letter case and leading hyphens aside; the best first.

    `most`: how many at most. `least`: see `least_for`, which is asked where it is 0. None is returned where all differ.
    """
    wanted = _bare(text)
    least = least or least_for(wanted)
    scored = []
    for place, name in enumerate(dict.fromkeys(names)):
        score = likeness(wanted, _bare(name), least)
        if score >= least:
            scored.append((-score, -_start(wanted, _bare(name)), place, name))
    return [name for *_, name in sorted(scored)[:most]]


def did_you_mean(text: str, names: Iterable[str], otherwise: str = "") -> str:
    """Return "Did you mean NAME?" for the name that is most like `text`; `otherwise` where none is."""
    near = nearest(text, names)
    return f"Did you mean {near[0]}?" if near else otherwise


def least_for(text: str) -> float:
    """Return how much a name is like a text (lower case) at least where it may be meant by it, 0 to 1."""
    return _ALIKE_IDS if _ID.fullmatch(text) else ALIKE


def likeness(text: str, other: str, least: float = ALIKE) -> float:
    """Return how much two texts are alike, 0 to 1; 0 where that is less than `least`, at little cost."""
    if text == other:
        return 1.0
    from difflib import SequenceMatcher  # noqa: PLC0415 - only what is mistyped pays for it

    matcher = SequenceMatcher(None, other, text, autojunk=False)
    if least < _PART and min(len(text), len(other)) >= _LEAST_PART and (text in other or other in text):
        return max(_PART, matcher.ratio())
    if matcher.real_quick_ratio() < least or matcher.quick_ratio() < least:
        return 0.0
    return matcher.ratio()


def _start(text: str, other: str) -> int:
    """Return how many characters two texts begin with alike."""
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(text, other, strict=False)))


def _bare(name: str) -> str:
    return name.strip().lower().lstrip("-")
