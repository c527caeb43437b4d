"""What a rule's own declarations say about it, taken apart for the pages in docs/rules and for `rules CODE`. Pure."""

from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields, is_dataclass
from datetime import datetime
from typing import Any, Final, get_type_hints

from guardrails.errors import Permanent
from guardrails.exemption.facts import Assignment, Gone, Unread
from guardrails.exemption.sources import ARM
from guardrails.exemption.times import spell_time
from guardrails.nearest import did_you_mean
from guardrails.rules.base import Case, Declared, Rule
from guardrails.ruleset.bypass_rules import FORMER

_KINDS: Final = {bool: "true or false", int: "number", str: "text"}


@dataclass(frozen=True, slots=True)
class Option:
    """One option of a rule. `default` is JSON-ready."""

    name: str
    kind: str
    default: Any
    doc: str


def rule_named(text: str, rules: Mapping[str, Declared]) -> Declared:
    """Return the one of `rules` that has this code or name, in any casing. Raises Permanent (no-such-rule)."""
    wanted = text.strip().lower()
    for rule in rules.values():
        if wanted in (rule.code.lower(), rule.name):
            return rule
    names = [FORMER[wanted]] if wanted in FORMER else [*rules, *(rule.code for rule in rules.values())]
    remedy = did_you_mean(FORMER.get(wanted, wanted), names, "`exg rules` lists them")
    raise Permanent("there is no such rule", code="no-such-rule", subject=text[:60], remedy=remedy)


def options_of(rule: Declared) -> list[Option]:
    """Return the rule's options as declared; only rules about exemptions have any."""
    if not isinstance(rule, Rule):
        return []
    hints = get_type_hints(rule.options)
    return [
        Option(
            item.name,
            _KINDS.get(hints[item.name], "list of texts"),
            to_plain(None if item.default is MISSING else item.default),
            item.metadata["doc"],
        )
        for item in fields(rule.options)
    ]


def changes_of(case: Case) -> list[tuple[str, Any]]:
    """Return what a case changes in the sample exemption: names and JSON-ready values."""
    return [
        *([("id", case.id)] if case.id else []),
        *((name, to_plain(value)) for name, value in case.properties.items()),
        *([("systemData", None)] if case.system is None else ()),
        *((f"systemData.{name}", to_plain(value)) for name, value in (case.system or {}).items()),
        *([("read from", case.source.name)] if case.source is not ARM else ()),
        *((f"option {name}", to_plain(value)) for name, value in case.options.items()),
        *((_FACTS.get(name, name), to_plain(value)) for name, value in case.facts.items()),
    ]


_FACTS: Final = {
    "now": "the time",
    "written_at": "written",
    "assignment": "the assignment",
    "author": "the author",
    "before": "compliant before",
    "approved": "approved",
}


def to_plain(value: Any) -> Any:
    """Return a value of an option, a case or a fact as JSON has it."""
    if isinstance(value, datetime):
        return spell_time(value)
    if isinstance(value, Unread):
        return f"unread: {value.reason}"
    if isinstance(value, Gone):
        return "gone"
    if isinstance(value, Assignment):
        policies = to_plain(value.members) if isinstance(value.members, Unread) else sorted(value.members)
        return {"assigns": value.definition_id.rpartition("/providers/")[2], "policies": policies}
    if is_dataclass(value) and not isinstance(value, type):
        return {item.name: to_plain(getattr(value, item.name)) for item in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): to_plain(item) for key, item in value.items()}
    if isinstance(value, set | frozenset):
        return sorted(to_plain(item) for item in value)
    if isinstance(value, list | tuple):
        return [to_plain(item) for item in value]
    return value
