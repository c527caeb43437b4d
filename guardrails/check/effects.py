"""What a change of code does to an exemption, and the words for it. Pure.

Strangers' words in the texts are as they wrote them: what prints a text makes it safe.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from typing import Any, Final, NamedTuple

from guardrails.evaluation.values import Place, Unknown, Value, first_unknown, nulled
from guardrails.exemption.times import parse_time, read_time

END, REFERENCES, SELECTORS = "expiresOn", "policyDefinitionReferenceIds", "resourceSelectors"
CATEGORY, ASSIGNMENT, METADATA = "exemptionCategory", "policyAssignmentId", "metadata"
_SHOWN: Final = 5
_LONGEST: Final = 200


class Effect(StrEnum):
    """What a change does to an exemption; what a reviewer must see first comes first."""

    ADDED = "added"
    RETARGETED = "retargeted"
    """It exempts from something else."""
    MOVED = "moved"
    """It has another scope or name."""
    EXTENDED = "extended"
    """It ends later, or never."""
    WIDENED = "widened"
    """It exempts more, or with less of a reason."""
    UNKNOWN = "unknown"
    """It may differ; that cannot be known."""
    CHANGED = "changed"
    """Something else of it differs."""
    NARROWED = "narrowed"
    SHORTENED = "shortened"
    REMOVED = "removed"
    KEPT = "kept"
    """A deployer would have deleted it, and does not now."""


ORDER: Final = tuple(Effect)
IMPROVES: Final = frozenset({Effect.NARROWED, Effect.SHORTENED, Effect.REMOVED})
"""What makes no finding worse."""


class Detail(NamedTuple):
    """One difference.

    Attributes:
        at: JSON pointer into the exemption; "" for the whole.
        text: a sentence without a full stop; strangers' words in it are as they wrote them.
        before, after: the values; Unknown, and None for none.
        through: the places through which it comes, where that is not the exemption's own file.
    """

    effect: Effect
    at: str
    text: str
    before: Value = None
    after: Value = None
    through: tuple[Place, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return the documented JSON form."""
        return {
            "effect": str(self.effect), "at": self.at, "text": self.text, "before": nulled(self.before),
            "after": nulled(self.after), "through": [{"path": one.path, "line": one.line} for one in self.through],
        }  # fmt: skip


type Same = Callable[[str], bool]
"""Whether a value that is not known, at a JSON pointer, comes of the same on both sides."""


def is_known(value: Value) -> bool:
    """Whether all of a value is known."""
    return first_unknown(value) is None


def is_equal(one: Value, other: Value) -> bool:
    """Whether two values are the same, with the same unknown places in them."""
    return _form(one) == _form(other)


def _form(value: Value) -> str:
    return json.dumps(_plain(value), sort_keys=True, default=str)


def _plain(value: Value) -> Any:
    if isinstance(value, Unknown):
        return {"\0unknown": True}
    if isinstance(value, Mapping):
        return {str(key): _plain(one) for key, one in value.items() if one is not None}
    return [_plain(one) for one in value] if isinstance(value, list | tuple) else value


def reason_of(value: Value) -> str:
    """Return why a value is not known; "" where it is."""
    found = first_unknown(value)
    return found.reason if found else ""


def unknown(at: str, text: str, before: Value, after: Value, more: str = "") -> Detail:
    """Return that something may differ. `more`: what is known of it."""
    return Detail(Effect.UNKNOWN, at, f"{text}: {more}" if more else text, before, after)


def texts_of(value: Value) -> dict[str, str] | None:
    """Return the texts of a list, by their lower case; None where it is no list of texts."""
    if value is None:
        return {}
    some = value if isinstance(value, list) else [value]
    return {one.lower(): one for one in some} if all(isinstance(one, str) for one in some) else None


_MAY: Final[Mapping[str, str]] = {
    END: "its end may be later or earlier",
    REFERENCES: "it may exempt from more or fewer policies",
    SELECTORS: "it may apply to more or fewer resources",
    CATEGORY: "its category may differ",
}


def not_known(name: str, at: str, one: Value, other: Value) -> Detail:
    """Return that an attribute may differ, with what is known of it."""
    text = _MAY.get(name, f"{name} may differ")
    if name == END and one is None:
        text = "it may end now, or still not"
    if name == END and other is None and not is_known(one):
        return Detail(
            Effect.EXTENDED, at, f"it never ends now; its end before is not known: {reason_of(one)}", one, other
        )
    if is_known(one):
        return unknown(at, text, one, other, f"it was {shown(one, name)}, and is not known now: {reason_of(other)}")
    if is_known(other):
        return unknown(at, text, one, other, f"it is {shown(other, name)}, and was not known before: {reason_of(one)}")
    if reason_of(one) == reason_of(other):
        return unknown(at, text, one, other, f"it is not known before nor after: {reason_of(one)}")
    return unknown(
        at, text, one, other, f"it was not known before: {reason_of(one)}; nor is it now: {reason_of(other)}"
    )


def instead(name: str, one: Value, other: Value) -> str:
    """Return a sentence on an attribute that differs."""
    if other in (None, "", [], {}):
        return f"{name} is gone; it was {shown(one)}"
    if one in (None, "", [], {}):
        return f"{name} is new: {shown(other)}"
    return f"{name}: {shown(other)} instead of {shown(one)}"


def shown(value: Value, name: str = "") -> str:
    """Return a value for people."""
    if value in (None, "", []):
        return {END: "none", REFERENCES: "the whole assignment"}.get(name, "none")
    if name == END and isinstance(value, str):
        try:
            end = parse_time(value)
        except ValueError:
            return f"'{value[:_LONGEST]}'"
        return read_time(end) if end else "none"
    if isinstance(value, str):
        return value if len(value) <= _LONGEST else value[: _LONGEST - 3] + "..."
    if isinstance(value, list) and all(isinstance(one, str) for one in value):
        return listed(value)
    text = json.dumps(nulled(value), ensure_ascii=False, default=str)
    return text if len(text) <= _LONGEST else text[: _LONGEST - 3] + "..."


def listed(names: Sequence[str]) -> str:
    """Return the first of some names, and how many more there are."""
    more = len(names) - _SHOWN
    return ", ".join(names[:_SHOWN]) + (f" and {more} more" if more > 0 else "")
