"""What a rule's own declarations say about it, taken apart for the pages in docs/rules and for `rules CODE`. Pure."""

from collections.abc import Mapping
from typing import Any, Final, get_type_hints

from guardrails.dataclass import MISSING, dataclass, fields
from guardrails.errors import Permanent
from guardrails.exemption.sources import ARM
from guardrails.nearest import did_you_mean
from guardrails.rules.base import Case, Declared, Rule
from guardrails.rules.sample import BODY
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
    """Return what a case changes in the sample exemption and the rule's options: names and JSON-ready values.

    Other facts, such as the earlier states in the register, are in the case's title.
    """
    return [
        *([("id", case.id)] if case.id else []),
        *(change for name, value in case.properties.items() for change in _property(name, value)),
        *([("systemData", None)] if case.system is None else ()),
        *((f"systemData.{name}", to_plain(value)) for name, value in (case.system or {}).items()),
        *([("read from", case.source.name)] if case.source is not ARM else ()),
        *((f"option {name}", to_plain(value)) for name, value in case.options.items()),
    ]


def _property(name: str, value: Any) -> list[tuple[str, Any]]:
    """Return the change of a property; of metadata, of each key that differs from the sample's."""
    if name != "metadata" or not isinstance(value, Mapping):
        return [(name, to_plain(value))]
    before = BODY["properties"][name]
    keys = [key for key in {**before, **value} if before.get(key) != value.get(key)]
    return [(f"{name}.{key}", to_plain(value.get(key))) for key in keys]


def to_plain(value: Any) -> Any:
    """Return a value of an option or a case as JSON has it."""
    if isinstance(value, Mapping):
        return {str(key): to_plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [to_plain(item) for item in value]
    return value
