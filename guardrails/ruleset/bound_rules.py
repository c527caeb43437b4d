"""Bound rules: which rules apply to an exemption, with which options, and what follows. Pure.

The ruleset says what holds everywhere; overrides (guardrails.ruleset.overrides) say otherwise for some exemptions, or
for some of the controls that an exemption exempts from. Where several hold for one control, the last one wins, field by
field.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import combinations
from typing import Any, Final, NamedTuple

from guardrails.dataclass import dataclass, field
from guardrails.exemption.exemption_id import ExemptionId
from guardrails.exemption.expiry import duration
from guardrails.exemption.facts import Assignment, Facts
from guardrails.exemption.model import Exemption, NotReturned
from guardrails.exemption.patterns import Scopes
from guardrails.exemption.severity import Severity
from guardrails.exemption.sources import SELECTORS
from guardrails.rules import names_of, rules_of
from guardrails.rules.base import Declared, NoOptions, Rule, Stage
from guardrails.ruleset.bypass_rules import BypassRule, bypass_rules
from guardrails.ruleset.overrides import Case, Graded, Override, cases_of

type Settings = Mapping[str, Mapping[str, Any]]
"""Settings of rules by name."""


class Response(StrEnum):
    """What follows a violation."""

    ALERT = "alert"
    TAG = "tag"
    REVERT = "revert"


@dataclass(frozen=True, slots=True)
class BoundRule[R: Declared = Rule]:
    """A rule as it applies somewhere: its options and what follows.

    Attributes:
        overrides: the names of the overrides that had a say in it, in the order of the file.
        kept: the last outcome that was no pass, and the finding made of it: many exemptions share their outcomes.
    """

    rule: R
    options: Any
    response: Response
    grace: timedelta
    severity: Severity
    overrides: tuple[str, ...] = ()
    kept: list[Any] = field(default_factory=list, init=False, repr=False, compare=False)

    @property
    def said(self) -> tuple[object, ...]:
        """What is the same in two that say the same of one rule."""
        return self.options, self.response, self.grace, self.severity


type BypassRules = Mapping[str, BoundRule[BypassRule]]
"""The rules about bypasses that are on at one place, by name."""


class Choice(NamedTuple):
    """How a rule may apply to some controls of an exemption: in one of these ways; None where it is off.

    `exempt`: whether the exemption surely exempts one of them.
    """

    ways: tuple[BoundRule | None, ...]
    exempt: bool


@dataclass(frozen=True, slots=True)
class Alternatives:
    """A rule that does not apply in the same way to all controls of an exemption; see guardrails.ruleset.strictest.

    Attributes:
        choices: at least one, and at least one way among them.
        overrides: the names of the overrides of which it is unknown whether they hold.
        why: what could not be read for that, a phrase for people.
        settled: False where so much is open that not every way is among the choices.
    """

    rule: Rule
    choices: tuple[Choice, ...]
    overrides: tuple[str, ...]
    why: str
    settled: bool


RANKS: Final = {response: rank for rank, response in enumerate(Response)}
"""The stronger the response, the higher."""


@dataclass(frozen=True, slots=True)
class Applied:
    """The rules that are on for an exemption, each of the two ordered by code.

    Attributes:
        rules: those that apply in one way.
        alternatives: the others. Most exemptions have none.
    """

    rules: tuple[BoundRule, ...]
    alternatives: tuple[Alternatives, ...]

    def only(self, name: str) -> "Applied":
        """Return no other rule than the one of this name."""
        return Applied(
            tuple([one for one in self.rules if one.rule.name == name]),
            tuple([one for one in self.alternatives if one.rule.name == name]),
        )

    def __iter__(self) -> Iterator[BoundRule | Alternatives]:
        yield from self.rules
        yield from self.alternatives


_EVERYWHERE: Final = (Case(()),)

_KEPT: Final = 4_096
"""For so many kinds of exemptions it is kept what applies to them."""

_SETTINGS: Final = 65_536
"""So many settings of rules are kept: what some overrides together have of one rule."""

_OPEN: Final = 6
"""Of so many overrides of one rule every combination is looked at where it is unknown whether they hold."""


class Holding(NamedTuple):
    """The numbers of the overrides that surely hold for a control of an exemption, and of those that may."""

    sure: tuple[int, ...]
    maybe: tuple[int, ...]


NONE_HOLDS: Final = Holding((), ())


class _Kinds[T]:
    """What was found for exemptions of one kind: at the same overrides' scopes, alike in all that overrides ask for."""

    def __init__(self) -> None:
        self._found: dict[tuple[object, ...], tuple[object, T]] = {}

    def get(
        self,
        scoped: tuple[int, ...],
        exemption: Exemption,
        facts: Facts,
        ended: int,
        find: Callable[[tuple[int, ...], Exemption, Facts], T],
    ) -> T:
        """Return what is kept, or find it. `ended`: how many overrides have."""
        unknown = SELECTORS in exemption.not_returned
        if not unknown and exemption.selectors:
            return find(scoped, exemption, facts)
        assignment, policies, source = facts.assignment, facts.policies, exemption.source
        said: object = assignment
        if isinstance(assignment, Assignment):
            assigned, said = assignment.definition_id, assignment.members  # one object for all that were read together
        else:
            assigned = ""
        key = (
            scoped, ended, exemption.assignment_id, exemption.category, exemption.reference_ids,
            assigned, id(said), id(policies), id(source), unknown,
        )  # fmt: skip
        kept = self._found.get(key)
        if kept is None:
            if len(self._found) >= _KEPT:
                self._found.clear()
            kept = self._found[key] = (said, policies, source), find(scoped, exemption, facts)  # alive: ids last
        return kept[1]

    def clear(self) -> None:
        self._found.clear()


class Limits:
    """What applies where.

    Args:
        rules: settings of rules everywhere.
        overrides: other settings, in the order of the file.
        graded: the severities of policies, for overrides by severity.

    Attributes:
        asks_policies: whether an override asks for the category or the severity of policies.
    """

    def __init__(self, rules: Settings, overrides: Sequence[Override] = (), graded: Sequence[Graded] = ()) -> None:
        self.rules = rules
        self.overrides = tuple(overrides)
        self.asks_policies = any(one.asks_policies for one in overrides)
        self._graded = tuple(graded)
        self._scoped = [number for number, one in enumerate(overrides) if one.scope]
        self._others = [number for number, one in enumerate(overrides) if not one.scope]
        self._scopes = Scopes(one.scope for one in overrides if one.scope)
        self._ends = sorted(one.expires for one in overrides if one.expires)
        self._bound: dict[tuple[int, ...], Mapping[str, BoundRule]] = {}
        self._ways: dict[tuple[str, tuple[int, ...]], BoundRule | None] = {}
        self._bypass_bound: dict[tuple[int, ...], BypassRules] = {}
        self._plain: dict[bool, Applied] = {}
        self._by_cases: dict[tuple[Stage, tuple[Case, ...]], Applied] = {}
        self._by_stage: dict[Stage, Collection[Rule]] = {}
        self._applied_to = _Kinds[Applied]()
        self._applied_to_code = _Kinds[Applied]()
        self._holding = _Kinds[Holding]()

    def judges(self, rule: str) -> bool:
        """Whether a rule is on anywhere."""
        settings = (self.rules, *(one.rules for one in self.overrides))
        return any(rule in said and said[rule].get("enabled", True) for said in settings)

    def rules_for(self, exemption: Exemption, facts: Facts) -> Applied:
        """Return the rules that are on for an exemption: one object for all to which the same apply."""
        if not self.overrides:
            return self._everywhere(facts)
        stage = Stage.AZURE if facts.planned is None else Stage.CODE
        try:
            return self._overridden(stage, exemption, facts)
        except NotReturned as lacking:  # what overrides ask for is not known: any of them may hold
            running = tuple(n for n, one in enumerate(self.overrides) if _runs(one, facts.now))
            return self._applied(stage, (Case((), running, why=str(lacking)),))

    def _everywhere(self, facts: Facts) -> Applied:
        """Return the rules that are on where no override holds: most exemptions have these."""
        in_azure = facts.planned is None
        if in_azure not in self._plain:
            self._plain[in_azure] = self._applied(Stage.AZURE if in_azure else Stage.CODE, _EVERYWHERE)
        return self._plain[in_azure]

    def _overridden(self, stage: Stage, exemption: Exemption, facts: Facts) -> Applied:
        scoped = self._scopes.matching(exemption.id.key)
        if not scoped and not self._others:
            return self._everywhere(facts)
        ended = self._ended(facts.now) if self._ends else 0
        kinds = self._applied_to if stage is Stage.AZURE else self._applied_to_code
        return kinds.get(scoped, exemption, facts, ended, self._rules_for)

    def _rules_for(self, scoped: tuple[int, ...], exemption: Exemption, facts: Facts) -> Applied:
        stage = Stage.AZURE if facts.planned is None else Stage.CODE
        running = [number for number in self._numbers(scoped) if _runs(self.overrides[number], facts.now)]
        return self._applied(stage, cases_of(self.overrides, running, self._graded, exemption, facts))

    def overrides_for(self, exemption: Exemption, facts: Facts) -> Holding:
        """Return which overrides hold for a control of an exemption, as if none had ended."""
        scoped = self._scopes.matching(exemption.id.key)
        if not scoped and not self._others:
            return NONE_HOLDS
        return self._holding.get(scoped, exemption, facts, 0, self._holding_in)

    def by_scope(self, exemption_id: ExemptionId, now: datetime) -> Mapping[str, BoundRule]:
        """Return name -> rule of what is on as far as an exemption's id alone shows."""
        there = (self._scoped[index] for index in self._scopes.matching(exemption_id.key))
        numbers = (n for n in there if self.overrides[n].by_scope_alone and _runs(self.overrides[n], now))
        return self.bound(tuple(numbers))

    def forget(self) -> None:
        """Let go of what was kept of assignments and policies that nobody has any more."""
        self._applied_to.clear()
        self._applied_to_code.clear()
        self._holding.clear()

    def _holding_in(self, scoped: tuple[int, ...], exemption: Exemption, facts: Facts) -> Holding:
        cases = cases_of(self.overrides, self._numbers(scoped), self._graded, exemption, facts)
        sure = {number for case in cases if case.exempt for number in case.sure}
        maybe = {number for case in cases for number in (*case.sure, *case.open)}
        return Holding(tuple(sorted(sure)), tuple(sorted(maybe - sure)))

    def next_end(self, exemption: Exemption, now: datetime) -> datetime | None:
        """Return when the next override ends that may hold for an exemption, UTC; None where none does."""
        if self._ended(now) == len(self._ends):
            return None
        there = (self.overrides[number] for number in self._numbers(self._scopes.matching(exemption.id.key)))
        ends = (one.expires for one in there if one.expires and one.expires > now and one.fits(exemption))
        return min(ends, default=None)

    def bound(self, numbers: tuple[int, ...] = ()) -> Mapping[str, BoundRule]:
        """Return name -> rule, ordered by code, of what is on where these overrides hold and no others."""
        found = self._bound.get(numbers)
        if found is None:
            named = {name for said in (self.rules, *(self.overrides[one].rules for one in numbers)) for name in said}
            each = (self._way(rule, self._saying(name, numbers)) for name, rule in rules_of(named).items())
            found = self._bound[numbers] = {one.rule.name: one for one in each if one}
        return found

    def _saying(self, name: str, numbers: Iterable[int]) -> tuple[int, ...]:
        """Return the numbers of those of these overrides that say something of a rule."""
        return tuple([number for number in numbers if name in self.overrides[number].rules])

    def _way(self, rule: Rule, saying: tuple[int, ...]) -> BoundRule | None:
        """Return a rule as these overrides have it, and no others: one object for all; None where it is off."""
        key = rule.name, saying
        if key not in self._ways:
            if len(self._ways) >= _SETTINGS:
                self._ways.clear()
            self._ways[key] = _bind(rule, self.rules.get(rule.name, {}), [self.overrides[number] for number in saying])
        return self._ways[key]

    def bypass_rules_for(self, scope: str, now: datetime) -> BypassRules:
        """Return the rules about bypasses that are on at a scope; an override fits it, or all that is below it."""
        there = (self._scoped[index] for index in self._scopes.matching(scope.lower() + "/"))
        return self.bypass_bound(tuple(number for number in there if self._is_about_bypasses(number, now)))

    def bypass_bound(self, numbers: tuple[int, ...] = ()) -> BypassRules:
        """Return the rules about bypasses that are on where these overrides hold and no others."""
        bound = self._bypass_bound.get(numbers)
        if bound is None:
            some = [self.overrides[number].rules for number in numbers]
            bound = self._bypass_bound[numbers] = _bind_bypass([self.rules, *some])
        return bound

    def _is_about_bypasses(self, number: int, now: datetime) -> bool:
        return _runs(self.overrides[number], now) and not bypass_rules().keys().isdisjoint(self.overrides[number].rules)

    def _numbers(self, scoped: tuple[int, ...]) -> list[int]:
        """Return the numbers of the overrides with these scopes, and of those that have none, in their order."""
        return sorted((*self._others, *(self._scoped[index] for index in scoped)))

    def _ended(self, now: datetime) -> int:
        """Return how many overrides have ended."""
        return sum(end <= now for end in self._ends)

    def _applied(self, stage: Stage, cases: tuple[Case, ...]) -> Applied:
        """Return the rules that are on where these cases hold. `stage`: where the exemption is, in Azure or in code."""
        applied = self._by_cases.get((stage, cases))
        if applied is None:
            if len(self._by_cases) >= _KEPT:
                self._by_cases.clear()
            each = [self._one(rule, cases) for rule in self._run(stage)]
            applied = self._by_cases[stage, cases] = Applied(
                tuple(one for one in each if isinstance(one, BoundRule)),
                tuple(one for one in each if isinstance(one, Alternatives)),
            )
        return applied

    def _run(self, stage: Stage) -> Collection[Rule]:
        """Return the rules of a stage that are on anywhere, ordered by code. No other is imported."""
        if stage not in self._by_stage:
            self._by_stage[stage] = rules_of(filter(self.judges, names_of(stage))).values()
        return self._by_stage[stage]

    def _one(self, rule: Rule, cases: tuple[Case, ...]) -> BoundRule | Alternatives | None:
        """Return how a rule applies to an exemption with these cases; None where it is off for all."""
        alike: dict[tuple[tuple[int, ...], tuple[int, ...]], bool] = {}
        for case in cases:
            key = self._saying(rule.name, case.sure), self._saying(rule.name, case.open)
            alike[key] = alike.get(key, False) or case.exempt
        choices: list[Choice] = []
        settled = True
        for (sure, maybe), exempt in alike.items():
            several = _differ([self.overrides[number].rules[rule.name] for number in maybe])
            settled = settled and not (several and len(maybe) > _OPEN)
            held = _subsets(maybe) if several else ((), *((number,) for number in maybe))  # of several the last counts
            ways = [self._way(rule, tuple(sorted((*sure, *some)))) for some in held]
            choices.append(Choice(tuple({way and way.said: way for way in ways}.values()), exempt))
        every = {way and way.said: way for choice in choices for way in choice.ways}
        if settled and len(every) == 1:
            return next(iter(every.values()))
        if not any(every.values()):
            return None
        names = tuple(self.overrides[number].name for number in sorted({n for _, maybe in alike for n in maybe}))
        why = next((case.why for case in cases if case.why), "")
        return Alternatives(rule, tuple(choices), names, why, settled)


def _differ(said: Sequence[Mapping[str, Any]]) -> bool:
    """Whether some of these settings of a rule say something of it that others leave open."""
    return len({(tuple(sorted(one)), tuple(sorted(one.get("options", ())))) for one in said}) > 1


def _runs(override: Override, now: datetime) -> bool:
    return override.expires is None or now < override.expires


def _subsets(numbers: Sequence[int]) -> Iterator[tuple[int, ...]]:
    """Yield all combinations; of too many only none, each and all: a rule that is on in any is on in one of these."""
    sizes = range(len(numbers) + 1) if len(numbers) <= _OPEN else (0, 1, len(numbers))
    for size in sizes:
        yield from combinations(numbers, size)


def _bind(rule: Rule, everywhere: Mapping[str, Any], overrides: Iterable[Override]) -> BoundRule | None:
    """Return a rule as these settings have it, one after the other; None where it is off."""
    fields: dict[str, Any] = {}
    options: dict[str, Any] = {}
    by: dict[tuple[str, str], str] = {}
    for name, said in (("", everywhere), *((one.name, one.rules.get(rule.name, {})) for one in overrides)):
        fields.update(said)
        options.update(said.get("options", {}))
        by.update({("", field): name for field in said if field != "options"})
        by.update({("options", option): name for option in said.get("options", {})})
    if not fields or not fields.get("enabled", True):
        return None
    return BoundRule(
        rule,
        rule.options(**{key: tuple(value) if isinstance(value, list) else value for key, value in options.items()}),
        Response(fields.get("response", "alert")),
        duration(fields.get("grace", "0d")),
        Severity(fields.get("severity", rule.severity)),
        tuple(one.name for one in overrides if one.name in by.values()),
    )


def _bind_bypass(layers: Iterable[Settings]) -> BypassRules:
    """Bind the rules about bypasses: on where nothing is said of one, and an alert."""
    bound = {}
    for name, rule in bypass_rules().items():
        said: dict[str, Any] = {}
        for layer in layers:
            said.update(layer.get(name, {}))
        if said.get("enabled", True):
            severity = Severity(said.get("severity", rule.severity))
            bound[name] = BoundRule(rule, NoOptions(), Response.ALERT, timedelta(), severity)
    return bound
