"""Fix: what exactly must change for an exemption to keep the rules, and the one command that does it. Pure.

Each rule says what must change (`guardrails.rules.base.Change`). Here the changes are put together: to the end that all
rules allow, under the ruleset's names for metadata, and as one command of the Azure CLI for a POSIX shell.

The command quotes what a stranger wrote. Where the CLI would read it as something else than text (an option,
a file, its own quoting), or a reader would not see what it is, there is no command. `--metadata` replaces all metadata,
`--metadata KEY=VALUE` too (azure-cli 2.91.0, findings/azure-cli-metadata-key-replaces-all.sh). So a command that
changes one key repeats the others.
"""

import json
import shlex
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from guardrails.dataclass import dataclass, replace
from guardrails.decisions.assess import changes_found
from guardrails.decisions.decide import Delete, Plan, PutBack
from guardrails.exemption.body import MARKER_KEY, canonical
from guardrails.exemption.facts import Facts
from guardrails.exemption.model import Exemption
from guardrails.exemption.names import Names
from guardrails.exemption.times import spell_time
from guardrails.lazy_regex import lazy_regex
from guardrails.notices.notice import Kind
from guardrails.rules.base import ASSIGNED, CATEGORY, END, EXPIRES, METADATA, REFERENCES, Change, Value
from guardrails.ruleset.model import Ruleset

LONGEST: Final = 1_500
"""Bytes of a command: one that would be longer is left out."""
CURRENT: Final = 80
"""Bytes of a field's name and of a present value, about."""
ALLOWED: Final = 200
"""Bytes of what is allowed, about. A message on a queue has at most 48 KiB, and a notice says more than this."""

_FAR: Final = datetime(9999, 12, 31, tzinfo=UTC)

_OPTIONS: Final[Mapping[str, str]] = {
    ASSIGNED: "--policy-assignment",
    CATEGORY: "--exemption-category",
    EXPIRES: "--expires-on",
    REFERENCES: "--policy-definition-reference-ids",
    "properties.assignmentScopeValidation": "--assignment-scope-validation",
    "properties.displayName": "--display-name",
    "properties.description": "--description",
}
"""Field -> the option of `az policy exemption create` and `update`; all but metadata."""

_NO_TEXT: Final = lazy_regex(r"""[-@'"\[{]|(null|\?\?)$""")
"""How a value begins that the CLI takes for an option, a file, or its shorthand syntax."""
_REFERENCE: Final = lazy_regex(r"[\w.()][\w.() -]*")


@dataclass(frozen=True, slots=True)
class Fix:
    """What must change, and how.

    Attributes:
        changes: (rule, change) of each rule that is broken, ordered by the rule's code.
        command: the one command that makes all the changes that a command can make; what people decide is in angle
            brackets; "" where there is none.
    """

    changes: tuple[tuple[str, Change], ...] = ()
    command: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return the documented JSON form; {} where nothing must change."""
        if not self.changes:
            return {}
        changes = [
            {
                "rule": rule,
                "field": _cut(change.field, CURRENT),
                "current": _text_of(change.current),
                "allowed": _cut(change.allowed, ALLOWED),
            }
            for rule, change in self.changes
        ]
        return {"changes": changes, "command": self.command}


NOTHING: Final = Fix()
"""Nothing must change."""


def fix_of(exemption: Exemption, facts: Facts, ruleset: Ruleset, *, done: str = "") -> Fix:
    """Return what must change in an exemption, and the command.

    `done`: the action of the guardrails. Where they delete it, the command makes it anew; where they put back what it
    was, there is none.
    """
    found = changes_found(exemption, facts, ruleset)
    if any(change.to == END for _, change in found):
        found = [(rule, _bounded(change, exemption, facts, ruleset)) for rule, change in found]
    changes = tuple((rule, _named(change, ruleset.names, exemption)) for rule, change in found)
    return Fix(changes, _command(exemption, [change for _, change in changes], done))


def fix_for(kind: Kind, plan: Plan, exemption: Exemption, facts: Facts, ruleset: Ruleset) -> Fix:
    """Return the fix that a notice of a kind has, about what was seen and what is done by the plan."""
    if kind is Kind.REMOVED:
        return NOTHING
    done = plan.action.name if kind is Kind.REVERTED and plan.action else ""
    return fix_of(exemption, facts, ruleset, done=done)


def _bounded(change: Change, exemption: Exemption, facts: Facts, ruleset: Ruleset) -> Change:
    """Return the change that asks for an end, with the latest one that the other rules allow."""
    if change.to != END:
        return change
    far = replace(exemption, expires_on=_FAR, expiry_problem=None)
    limits = [(one.to, one.allowed) for _, one in changes_found(far, facts, ruleset) if isinstance(one.to, datetime)]
    limit, allowed = min(limits, default=(change.to, change.allowed))
    return replace(change, allowed=allowed, to=limit)


def _named(change: Change, names: Names, exemption: Exemption) -> Change:
    """Return a change in the metadata by the key that says so there, or that the ruleset prefers."""
    role = change.field.removeprefix(METADATA)
    if role == change.field:
        return change
    return replace(change, field=METADATA + names.key_of(role, exemption.metadata))


def _command(exemption: Exemption, changes: Sequence[Change], done: str) -> str:
    if done == PutBack.name or not any(change.delete or change.to is not None for change in changes):
        return ""
    deletes = any(change.delete for change in changes)
    if deletes and done == Delete.name:
        return ""
    try:
        at = ["--name", _quoted(exemption.id.name), "--scope", _quoted(exemption.id.scope)]
        if deletes:
            words = ["delete", *at]
        elif done == Delete.name:
            words = ["create", *at, *_anew(exemption, _values(changes))]
        else:
            words = ["update", *at, *_updated(exemption, _values(changes))]
    except (ValueError, RecursionError):  # metadata can be nested deeper than JSON is written
        return ""
    command = " ".join(["az policy exemption", *words])
    return command if len(command.encode()) <= LONGEST else ""


def _values(changes: Iterable[Change]) -> dict[str, Value]:
    """Return field -> the value that all changes of it allow."""
    values: dict[str, Value] = {}
    for change in changes:
        if change.to is not None:
            there = values.get(change.field)
            values[change.field] = change.to if there is None else _both(there, change.to)
    return values


def _both(one: Value, other: Value) -> Value:
    """Return the value that two rules allow: the earlier end, what two lists share, or what people decide."""
    if isinstance(one, datetime) and isinstance(other, datetime):
        return min(one, other)
    if isinstance(one, tuple) and isinstance(other, tuple):
        return tuple(item for item in one if item in other) or "<reference ids>"
    return one if isinstance(one, str) else other


def _updated(exemption: Exemption, values: Mapping[str, Value]) -> list[str]:
    """Return the options that set these fields and leave the others. Raises ValueError where that cannot be said."""
    fields = [field for field in values if not field.startswith(METADATA)]
    words = [word for field in fields for word in (_OPTIONS[field], *_said(values[field]))]
    return words if len(fields) == len(values) else words + _metadata(exemption, values)


def _anew(exemption: Exemption, values: Mapping[str, Value]) -> list[str]:
    """Return the options of an exemption that says the same but for these fields.

    Raises ValueError where that cannot be said.
    """
    said = {name: value for name, value in canonical(exemption.body)["properties"].items() if value}
    if str(said.get("exemptionManagementMode", "")).lower() == "admin":
        del said["exemptionManagementMode"]  # the default
    if said.keys() - {"metadata", *(field.removeprefix("properties.") for field in _OPTIONS)}:
        raise ValueError("it has fields that the command has no option for")
    words: list[str] = []
    for field, option in _OPTIONS.items():
        value = values.get(field, said.get(field.removeprefix("properties.")))
        if value:
            words += [option, *_said(tuple(value) if isinstance(value, list) else value)]
    return words + _metadata(exemption, values)


def _metadata(exemption: Exemption, values: Mapping[str, Value]) -> list[str]:
    """Return the option for all metadata, changed; the guardrails write their tag anew where it is still needed."""
    metadata = {key: value for key, value in exemption.metadata.items() if key != MARKER_KEY}
    metadata |= {field.removeprefix(METADATA): value for field, value in values.items() if field.startswith(METADATA)}
    return ["--metadata", _shown(json.dumps(metadata, ensure_ascii=False))] if metadata else []


def _said(value: Value) -> list[str]:
    """Return a value as words of the command. Raises ValueError where it cannot be said."""
    if isinstance(value, datetime):
        return [spell_time(value.replace(microsecond=0))]
    if isinstance(value, str):
        return [_quoted(value)]
    if not all(isinstance(item, str) and _REFERENCE.fullmatch(item) for item in value):
        raise ValueError("a reference id is not one that Azure documents")
    return [_quoted(item) for item in value] or ["'[]'"]


def _quoted(text: str) -> str:
    """Return a text as one word of the command. Raises ValueError where the CLI would not take it for that text."""
    if not text or _NO_TEXT.match(text):
        raise ValueError("the CLI reads that otherwise")
    return _shown(text)


def _shown(text: str) -> str:
    """Return a text quoted. Raises ValueError where it is not what is seen of it: a reader is to check a command."""
    plain = text.isascii()
    seen = (plain or unicodedata.normalize("NFC", text) == text) and " ".join(text.split()) == text
    if not seen or not (plain or all(char.isascii() or unicodedata.category(char)[0] in "LN" for char in text)):
        raise ValueError("it cannot be shown as it is")
    if not text.isprintable() or not (plain or _BLANK.isdisjoint(text)):
        raise ValueError("it cannot be seen")
    return shlex.quote(text)


_BLANK: Final = frozenset("\u115f\u1160\u3164\uffa0")
"""Characters that show as nothing."""


def _text_of(value: str | Sequence[str] | None) -> str | None:
    if value is None or isinstance(value, str):
        return None if value is None else _cut(value, CURRENT)
    return _cut(", ".join(value), CURRENT)


def _cut(text: str, limit: int) -> str:
    """Return the beginning; outside ASCII a character takes up to four bytes."""
    limit = limit if text.isascii() else limit // 4
    return text if len(text) <= limit else text[: limit - 1] + "…"
