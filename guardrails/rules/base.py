"""What a rule is. A rule is declared in one place: its file in this folder.

A rule's module has a docstring in fixed headings (the generated page in docs/rules is made of it), an `Options`
dataclass, a `check` function and a `RULE`. `check` looks at one exemption and the facts about it and returns PASS, a
Violation with its evidence, or Unknown with the reason. A rule that looks at the time says next to it when its answer
may next change: sweeps do not judge before that what is as it was. `check` never raises on purpose, does no
I/O, reads no clock.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from functools import cache
from importlib import import_module
from typing import Any, Final, cast

from guardrails.dataclass import dataclass, field, fields
from guardrails.exemption.facts import Facts
from guardrails.exemption.model import Exemption
from guardrails.exemption.severity import Severity
from guardrails.exemption.sources import ARM, Source
from guardrails.exemption.times import read_time, spell_time
from guardrails.rules.control import Control


class Stage(StrEnum):
    """Who runs a rule: on an exemption that is in Azure, on one that code would deploy, or on both.

    Each is a folder of rules, and the folder of a rule's file says which one it is.
    """

    EVERYWHERE = "everywhere"
    AZURE = "azure"
    """It needs history, or who wrote an exemption: a check of code cannot run it."""
    CODE = "code"
    """It is about how code computes an exemption: only a check of code runs it."""


class Pass:
    """The exemption keeps the rule."""

    __slots__ = ()


PASS: Final = Pass()


type Value = datetime | str | tuple[str, ...]
"""A value of a field: a time in UTC, a text, or a list of texts."""

EXPIRES: Final = "properties.expiresOn"
CATEGORY: Final = "properties.exemptionCategory"
REFERENCES: Final = "properties.policyDefinitionReferenceIds"
ASSIGNED: Final = "properties.policyAssignmentId"
METADATA: Final = "properties.metadata."
"""Before a role of guardrails.exemption.names: the ruleset's key for it belongs there."""

END: Final = "<YYYY-MM-DDTHH:MM:SSZ>"
"""The value of `expiresOn` where a rule asks for one and leaves it to other rules which."""


@dataclass(frozen=True, slots=True)
class Change:
    """What must change for an exemption to keep a rule.

    Attributes:
        field: where it is in ARM's JSON; in metadata, METADATA and the role.
        current: what is there now, JSON-ready; a stranger's and unescaped; None for nothing.
        allowed: what the rule allows there under its options, a phrase for people.
        to: the value to write; a text in angle brackets where people decide on it; None where no write of this
            exemption can make it right.
        delete: whether this exemption has to go.
    """

    field: str
    current: str | Sequence[str] | None
    allowed: str
    to: Value | None = None
    delete: bool = False


@dataclass(frozen=True, slots=True)
class Violation:
    """The exemption breaks the rule.

    Attributes:
        text: what is wrong, one sentence for people, without a full stop.
        evidence: the values that show it, JSON-ready; texts in it are the stranger's and unescaped.
        change: what must change.
    """

    text: str
    evidence: Mapping[str, Any]
    change: Change | None = None


@dataclass(frozen=True, slots=True)
class Unknown:
    """The answer is unknown, and why (one phrase for people)."""

    reason: str


type Outcome = Pass | Violation | Unknown


@dataclass(frozen=True, slots=True)
class NoOptions:
    """The options of a rule that has none."""


@dataclass(frozen=True, slots=True)
class Case:
    """An example of a rule, next to its check: it is shown in the docs and run by the tests.

    It is the sample exemption of `guardrails.rules.sample` with changes.

    Attributes:
        title: what it shows, a phrase.
        properties: properties to set; None removes one.
        id: another exemption id, where the scope matters.
        facts: fields of Facts to replace.
        options: options of the rule to set.
        system: fields of systemData to set; None for a body without systemData.
        source: who returned it, where that is not ARM.
    """

    title: str
    properties: Mapping[str, Any] = field(default_factory=dict)
    id: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
    system: Mapping[str, Any] | None = field(default_factory=dict)
    source: Source = ARM


@dataclass(frozen=True, slots=True)
class Declared(ABC):
    """What every rule declares, whatever it looks at.

    Attributes:
        code: stable id, `EXG` and three digits. Never reused.
        name: stable kebab-case name; the key in the ruleset.
        severity: how bad a violation is, unless the ruleset says otherwise.
        soc2: the Trust Services Criteria (2017) that an auditor files a violation under.
        remediation: what the owner does about it, one imperative sentence.
    """

    code: str
    name: str
    severity: Severity
    soc2: tuple[str, ...]
    remediation: str

    @property
    @abstractmethod
    def doc(self) -> str:
        """What it asks and why, in the fixed headings."""


@dataclass(frozen=True, slots=True)
class Rule(Declared):
    """A rule about exemptions as declared.

    Attributes:
        options: a frozen dataclass; every field has a default, a type the ruleset can write (bool, int, str,
            tuple[str, ...]) and `metadata={"doc": ...}`.
        check: (exemption, facts, options) -> Outcome.
        needs: the fields, of guardrails.exemption.sources.FIELDS, that not every source returns and that it looks at.
            Where one is not known and would settle the matter, the rule is Unknown.
        next_change: (exemption, facts, options) -> when its outcome may next turn into another kind, though nothing but
            the time changes, UTC: until then `check` gives a pass, a violation or an Unknown as it does now. None for
            never (`never`, for rules that do not look at the time); `facts.now` where it may at any time.
        control: its form at the control plane, or one sentence why it has none; see guardrails.rules.control.
        good, bad, unclear: cases that give PASS, Violation, Unknown. `unclear` may be empty where nothing can be.
        swept: whether it only says what a sweep or a scan found of the exemption (Facts.together): a look at the
            exemption alone shows no more.
        risk: whether it only says which of Planned.risks there is: without any it passes.
        no_tag: why our tag cannot be written into an exemption that breaks it, a phrase; "" where it can.
        no_revert: why the ruleset cannot have it revert, a phrase; "" where it can.
    """

    check: Callable[[Exemption, Facts, Any], Outcome]
    next_change: Callable[[Exemption, Facts, Any], datetime | None]
    control: Control
    options: type[Any] = NoOptions
    good: tuple[Case, ...] = ()
    bad: tuple[Case, ...] = ()
    unclear: tuple[Case, ...] = ()
    needs: tuple[str, ...] = ()
    swept: bool = False
    risk: bool = False
    no_tag: str = ""
    no_revert: str = ""

    @property
    def stage(self) -> Stage:
        """Who runs it."""
        return Stage(self.check.__module__.split(".")[-2])

    @property
    def doc(self) -> str:
        """Its module's docstring; the registry has imported the module."""
        return import_module(self.check.__module__).__doc__ or self.name


def never(exemption: Exemption, facts: Facts, options: object) -> None:
    """Return when the outcome of a rule changes that does not look at the time: never."""


def paragraphs_of(rule: Declared) -> list[str]:
    """Return the paragraphs of what a rule says of itself, as they are."""
    return rule.doc.strip().split("\n\n")


def title_of(rule: Declared) -> str:
    """Return what a rule asks: the first paragraph, on one line."""
    return " ".join(paragraphs_of(rule)[0].split())


def ends_by(expires: datetime | None, limit: datetime, why: str, now: datetime) -> Change:
    """Return the change of an end that may be no later than `limit`; what has to end by now is to go.

    `why`: what that limit is, a phrase.
    """
    current, allowed = spell_time(expires) if expires else None, f"no later than {read_time(limit)}, {why}"
    if limit <= now:
        return Change(EXPIRES, current, f"{allowed}; that has passed", delete=True)
    return Change(EXPIRES, current, allowed, limit)


def option(default: Any, doc: str, **limits: Any) -> Any:
    """Declare a rule option: its default, what it means, and limits: `minimum`, `pattern` (a regular
    expression), `glob` (patterns, on what: `scope` or `assignment`), `stricter` (which value lets less pass: `less` or
    `more`; left out where neither does)."""
    return field(default=default, metadata={"doc": doc, **limits})


def strictness(options: Any) -> tuple[float, ...]:
    """Return how strict the options of a rule are, to be compared with others of the same rule, field by field."""
    return tuple(sign * getattr(options, name) for name, sign in _signs(cast(Hashable, type(options))).items() if sign)


def is_as_strict(options: Any, others: Any) -> bool:
    """Whether options of a rule surely let no more pass than others of the same rule."""
    for name, sign in _signs(cast(Hashable, type(options))).items():
        one, other = getattr(options, name), getattr(others, name)
        if one != other and not (sign and sign * one > sign * other):
            return False
    return True


@cache
def _signs(options: Hashable) -> Mapping[str, int]:
    """Return name of an option -> 1 where more is stricter, -1 where less is, 0 where neither is."""
    return {one.name: _SIGNS[one.metadata.get("stricter", "")] for one in fields(cast(Any, options))}


_SIGNS: Final = {"more": 1, "less": -1, "": 0}
