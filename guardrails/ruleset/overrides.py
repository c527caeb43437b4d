"""Overrides: which of them hold for an exemption, control by control. Pure.

An exemption exempts controls: policies of an initiative, or the one policy of its assignment. An override may ask for
what the exemption says (scope, assignment, Waiver or Mitigated) and for what its controls are (initiative, definition,
reference id, the policy's category and severity). What cannot be read leaves it open whether an override holds.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

from guardrails.dataclass import dataclass, field
from guardrails.exemption.facts import Assignment, Facts, Gone, Policy, Unread
from guardrails.exemption.initiatives import base_of
from guardrails.exemption.model import Exemption
from guardrails.exemption.patterns import Glob
from guardrails.rules.selection import selection_of

ABOUT_CONTROLS: Final = ("initiative", "definition", "reference", "policy_category", "severity")
"""What an override may name and that not every exemption from an assignment has in common, or that must be read."""


@dataclass(frozen=True, slots=True)
class Override:
    """Other settings of rules, and where they hold. A field that names nothing asks for nothing.

    Attributes:
        path, place: where it is in the file: `overrides[3]`; line and column, from 1.
        reason: as the file says it, "" for none.
        expires: until when it holds, UTC; None for ever.
        scope: on exemption ids; None for all. `said`: as the file says it, "" for none.
        assignment, initiative, definition: on the id, or on the name, which is the last part of the id.
        reference: on reference ids.
        policy_category, severity: on what the policy's metadata, or the list `severities`, says.
        exemption_category: Waiver or Mitigated.
        rules: settings of rules by name.
    """

    path: str
    place: str
    reason: str
    expires: datetime | None
    said: str
    scope: Glob | None
    assignment: tuple[Glob, ...]
    initiative: tuple[Glob, ...]
    definition: tuple[Glob, ...]
    reference: tuple[Glob, ...]
    policy_category: tuple[Glob, ...]
    severity: tuple[Glob, ...]
    exemption_category: tuple[str, ...]
    rules: Mapping[str, Mapping[str, Any]]

    @property
    def name(self) -> str:
        """What evidence calls it: `overrides[3] (its reason)`."""
        return f"{self.path} ({self.reason[:200]})" if self.reason else self.path

    @property
    def about(self) -> str:
        """What it asks for, on one line, patterns as version 2 has them."""
        asked = {
            "scope": (self.said,) if self.said else (),
            **{name: [one.text for one in getattr(self, name)] for name in ("assignment", *ABOUT_CONTROLS)},
            "exemption_category": self.exemption_category,
        }
        return "; ".join(f"{name} {', '.join(texts)}" for name, texts in asked.items() if texts)

    @property
    def by_scope_alone(self) -> bool:
        """Whether nothing but the id says if it holds."""
        return not (self.assignment or self.exemption_category or self.about_controls)

    @property
    def about_controls(self) -> bool:
        """Whether it asks what the assignment assigns."""
        return any(getattr(self, name) for name in ABOUT_CONTROLS)

    @property
    def asks_policies(self) -> bool:
        """Whether it asks what the metadata of policies say."""
        return bool(self.policy_category or self.severity)

    def fits(self, exemption: Exemption) -> bool:
        """Whether it holds, by all that the exemption says itself but its id."""
        if self.exemption_category and exemption.category.lower() not in self.exemption_category:
            return False
        return not self.assignment or is_named(self.assignment, exemption.assignment_id)


@dataclass(frozen=True, slots=True)
class Graded:
    """An entry of the list `severities`: the severity of the policies that it names. Fields as in Override."""

    definition: tuple[Glob, ...]
    reference: tuple[Glob, ...]
    initiative: tuple[Glob, ...]
    severity: str


class Control(NamedTuple):
    """A policy that an exemption exempts from, in lower case; None for what is not known.

    Attributes:
        reference: its reference id; "" in an assignment of a single policy.
        definition: the policy definition's id.
        initiative: the initiative's id; "" in an assignment of a single policy.
    """

    reference: str | None
    definition: str | None
    initiative: str | None


class Case(NamedTuple):
    """Controls of an exemption for which the same overrides hold.

    Attributes:
        sure: the numbers of the overrides that hold.
        open: the numbers of those that may hold.
        exempt: whether the exemption surely exempts one of these controls.
        why: what could not be read, a phrase for people; "" where nothing is open.
    """

    sure: tuple[int, ...]
    open: tuple[int, ...] = ()
    exempt: bool = True
    why: str = ""


def is_named(globs: Sequence[Glob], identity: str) -> bool:
    """Whether an id, or its last part, matches one of these globs."""
    key = "/" + identity.strip("/ ").lower()
    name = key[key.rfind("/") + 1 :]
    return any(one.matches(key) or one.matches(name) for one in globs)


def cases_of(
    overrides: Sequence[Override], numbers: Iterable[int], graded: Sequence[Graded], exemption: Exemption, facts: Facts
) -> tuple[Case, ...]:
    """Return for which controls which overrides hold; `numbers` are those whose scope fits. At least one case."""
    fitting = [number for number in numbers if overrides[number].fits(exemption)]
    asking = [number for number in fitting if overrides[number].about_controls]
    if not asking:
        return (Case(tuple(fitting)),)
    plain = tuple(number for number in fitting if not overrides[number].about_controls)
    may_hold = _Naming({number: overrides[number] for number in asking})
    grades = _Naming(dict(enumerate(graded)))
    found: dict[tuple[tuple[int, ...], tuple[int, ...]], tuple[bool, str]] = {}
    for control, exempt, why in _controls(exemption, facts.assignment):
        looking = _Looking(control, graded, grades, facts.policies, why)
        answers = {number: looking.holds(overrides[number]) for number in may_hold.of(control)}
        sure = tuple(sorted((*plain, *(number for number, holds in answers.items() if holds))))
        unsettled = tuple(number for number, holds in answers.items() if holds is None)
        before, reason = found.get((sure, unsettled), (False, ""))
        found[sure, unsettled] = before or exempt, reason or why or looking.why
    return tuple(Case(*key, exempt, why) for key, (exempt, why) in found.items()) or (Case(plain),)


class _Naming:
    """Finds which of many overrides, or severities, may be about a control: those that name one are looked up."""

    def __init__(self, numbered: Mapping[int, Override | Graded]) -> None:
        self._others: list[int] = []
        self._named: dict[str, dict[str, list[int]]] = {name: {} for name in ("reference", "definition", "initiative")}
        for number, one in numbered.items():
            for name, named in self._named.items():
                globs: tuple[Glob, ...] = getattr(one, name)
                texts = {glob.plain for glob in globs}
                if texts and None not in texts:
                    for text in texts:
                        named.setdefault(text or "", []).append(number)
                    break
            else:
                self._others.append(number)

    def of(self, control: Control) -> list[int]:
        """Return the numbers of all that may be about a control, in their order."""
        found = set(self._others)
        for name, named in self._named.items():
            said = getattr(control, name)
            if said is None:
                found.update(*named.values())
            else:
                found.update(named.get(said, ()), named.get(said[said.rfind("/") + 1 :], ()))
        return sorted(found)


def _controls(exemption: Exemption, assignment: Assignment | Gone | Unread) -> Iterator[tuple[Control, bool, str]]:
    """Yield what it exempts from, whether it surely does, and what could not be read. Nothing of what is gone."""
    if isinstance(assignment, Gone):
        return
    if isinstance(assignment, Unread):
        for name in _named(exemption):
            yield Control(name, None, None), True, f"the assignment is not known: {assignment.reason}"
        return
    definition = base_of(assignment.definition_id).lower()
    if not assignment.is_initiative:
        yield Control("", definition, ""), True, ""
    elif isinstance(assignment.members, Unread):
        for name in _named(exemption):
            yield Control(name, None, definition), True, f"the initiative is not known: {assignment.members.reason}"
    else:
        selection = selection_of(exemption)
        least, most = selection.exempts(exemption, assignment.members)
        for name in sorted(most):
            yield Control(name, assignment.members[name], definition), name in least, selection.doubt


def _named(exemption: Exemption) -> tuple[str | None, ...]:
    """Return the reference ids that it names; None means all that there may be."""
    return tuple(name.lower() for name in exemption.reference_ids) or (None,)


@dataclass(slots=True)
class _Looking:
    """Asks of one control. `why`: what could not be read, a phrase for people."""

    control: Control
    graded: Sequence[Graded]
    grades: _Naming
    policies: Mapping[str, Policy | Gone | Unread]
    why: str
    _found: list[str | None] = field(default_factory=list)

    def holds(self, override: Override) -> bool | None:
        """Whether an override holds for it; None where that is unknown."""
        return _all(
            (
                self._is(override.initiative, self.control.initiative),
                self._is(override.definition, self.control.definition),
                self._says(override.reference, self.control.reference),
                self._says(override.policy_category, self._category()) if override.policy_category else True,
                self._says(override.severity, self._severity()) if override.severity else True,
            )
        )

    def _is(self, globs: Sequence[Glob], identity: str | None) -> bool | None:
        if not globs:
            return True
        return None if identity is None else identity != "" and is_named(globs, identity)

    def _says(self, globs: Sequence[Glob], text: str | None) -> bool | None:
        if not globs:
            return True
        return None if text is None else any(one.matches(text.lower()) for one in globs)

    def _category(self) -> str | None:
        policy = self._policy()
        return policy.category if policy else None

    def _severity(self) -> str | None:
        """Return its severity, once found: what the last entry of the list says that names it, else its metadata."""
        if not self._found:
            self._found.append(self._find_severity())
        return self._found[0]

    def _find_severity(self) -> str | None:
        for one in (self.graded[number] for number in reversed(self.grades.of(self.control))):
            named = _all(
                (
                    self._is(one.initiative, self.control.initiative),
                    self._is(one.definition, self.control.definition),
                    self._says(one.reference, self.control.reference),
                )
            )
            if named is None:
                return None
            if named:
                return one.severity
        policy = self._policy()
        return policy.severity if policy else None

    def _policy(self) -> Policy | None:
        if self.control.definition is None:
            return None
        found = self.policies.get(self.control.definition, _NOT_SHOWN)
        if isinstance(found, Policy):
            return found
        reason = "it is not there" if isinstance(found, Gone) else found.reason
        name = self.control.definition.rpartition("/")[2]
        self.why = self.why or f"the metadata of the policy {name[:100]} are not known: {reason}"
        return None


_NOT_SHOWN: Final = Unread("they were not looked up")


def _all(answers: Iterable[bool | None]) -> bool | None:
    """Return whether all hold; None where none fails and one is unknown."""
    found = set(answers)
    return False if False in found else None if None in found else True
