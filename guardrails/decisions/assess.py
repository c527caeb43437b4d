"""Assess: exemption + facts + ruleset -> findings. Pure; a rule that crashes is a finding, never a pass."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from functools import lru_cache
from typing import Any

from guardrails.dataclass import dataclass, field
from guardrails.exemption.facts import Facts
from guardrails.exemption.model import Exemption, NotReturned
from guardrails.exemption.severity import Severity
from guardrails.exemption.sources import SELECTORS
from guardrails.rules.base import PASS, Change, Unknown, Violation, never
from guardrails.ruleset.bound_rules import Alternatives, Applied, BoundRule, Response
from guardrails.ruleset.model import Ruleset
from guardrails.ruleset.strictest import strictest


class Verdict(StrEnum):
    """The three values."""

    PASS = "pass"  # noqa: S105
    VIOLATION = "violation"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Finding:
    """One rule's Violation or Unknown on one exemption.

    Attributes:
        status: violation or unknown.
        text: what is wrong, or why it is unknown; our words.
        evidence: the values that show it; strangers' texts, unescaped.
        remediation: what to do about it; our words.
        response, grace: what the ruleset says follows a violation.
        swept, no_tag: as its rule has them: whether only a sweep or a scan can find it, and why it keeps our tag off.
        change: what must change in the exemption; None where that is unknown.
    """

    code: str
    rule: str
    status: Verdict
    severity: Severity
    text: str
    evidence: Mapping[str, Any]
    remediation: str
    response: Response
    grace: timedelta
    swept: bool = False
    no_tag: str = ""
    change: Change | None = field(default=None, compare=False)

    @property
    def key(self) -> str:
        """The finding's name in the register: its code, with a `?` where it is Unknown."""
        return self.code if self.status is Verdict.VIOLATION else self.code + "?"

    def to_json(self) -> dict[str, Any]:
        """Return the documented JSON form."""
        return {
            "code": self.code,
            "rule": self.rule,
            "status": str(self.status),
            "severity": str(self.severity),
            "text": self.text,
            "evidence": dict(self.evidence),
            "remediation": self.remediation,
        }


@dataclass(frozen=True, slots=True)
class Assessment:
    """All findings on one exemption, ordered by code; none means that every rule passed."""

    findings: tuple[Finding, ...]

    @property
    def verdict(self) -> Verdict:
        """Violation if any rule found one, else Unknown if any is unknown, else pass."""
        if not self.findings:
            return Verdict.PASS
        violated = any(finding.status is Verdict.VIOLATION for finding in self.findings)
        return Verdict.VIOLATION if violated else Verdict.UNKNOWN

    @property
    def violations(self) -> tuple[Finding, ...]:
        """The findings that are violations."""
        return tuple(finding for finding in self.findings if finding.status is Verdict.VIOLATION)

    @property
    def is_sound(self) -> bool:
        """Whether nothing was found, or nothing but information: such an exemption counts as approved."""
        return all(one.status is Verdict.VIOLATION and one.severity is Severity.INFO for one in self.findings)

    @property
    def severity(self) -> Severity:
        """The worst severity found; info where nothing was."""
        return min((finding.severity for finding in self.findings), key=lambda s: s.rank, default=Severity.INFO)


_CLEAN = Assessment(())


def assess(exemption: Exemption, facts: Facts, ruleset: Ruleset) -> Assessment:
    """Run every rule that is on for this exemption."""
    findings = [_finding(bound, outcome) for bound, outcome in _outcomes(exemption, facts, ruleset)]
    return Assessment(tuple(findings)) if findings else _CLEAN


def findings_of(rule: str, exemption: Exemption, facts: Facts, ruleset: Ruleset) -> list[Finding]:
    """Run one rule alone, by its name; return what it finds, which may be two things where overrides may hold."""
    return [_finding(*one) for one in _outcomes(exemption, facts, ruleset, only=rule)]


def assess_all(looked_at: Sequence[tuple[Exemption, Facts]], ruleset: Ruleset) -> list[Assessment]:
    """Do the same for many, in their order: rule by rule, which takes two thirds of the time."""
    found: list[list[Finding]] = []
    groups: dict[int, tuple[Applied, list[tuple[list[Finding], Exemption, Facts]]]] = {}
    for exemption, facts in looked_at:
        found.append([])
        applied = ruleset.limits.rules_for(exemption, facts)  # one object for all that have the same rules
        groups.setdefault(id(applied), (applied, []))[1].append((found[-1], exemption, facts))
    shared = _Shared()
    for applied, some in groups.values():
        risky = any(facts.planned is not None and facts.planned.risks for _, _, facts in some)
        for bound in applied.rules:
            if bound.rule.risk and not risky:
                continue
            check, options = bound.rule.check, bound.options
            for findings, exemption, facts in some:
                try:
                    outcome: object = check(exemption, facts, options)
                except Exception as error:  # noqa: BLE001 - as in `_outcome`, which is too slow a call here
                    outcome = _unknown(error)
                if outcome is not PASS:
                    made = shared(bound, outcome) if isinstance(outcome, Unknown) else _finding(bound, outcome)
                    findings.append(made)
        if applied.alternatives:
            for findings, exemption, facts in some:
                findings += [_finding(*one) for one in _strictest(applied, exemption, facts)]
                findings.sort(key=lambda one: one.code)
    return [Assessment(tuple(findings)) if findings else _CLEAN for findings in found]


class _Shared:
    """Findings that are unknown for one reason: one object for all of them, of which there may be ten thousand."""

    def __init__(self) -> None:
        self._found: dict[tuple[int, str], Finding] = {}

    def __call__(self, bound: BoundRule, outcome: Unknown) -> Finding:
        key = id(bound), outcome.reason
        found = self._found.get(key)
        if found is None:
            found = self._found[key] = _finding(bound, outcome)
        return found


def keys_found(exemption: Exemption, facts: Facts, ruleset: Ruleset) -> list[str]:
    """Return the keys (Finding.key) of what `assess` finds, and no more: for whom asks often, and only what changed."""
    return [_key(bound, outcome) for bound, outcome in _outcomes(exemption, facts, ruleset)]


def answers_found(exemption: Exemption, facts: Facts, ruleset: Ruleset) -> list[str]:
    """Return the same keys, each with what follows: the response, the grace in seconds, and the severity."""
    return [_answer(_key(bound, outcome), bound) for bound, outcome in _outcomes(exemption, facts, ruleset)]


def answers_as_shown(
    shown: Exemption, facts: Facts, ruleset: Ruleset, assessed: Exemption, assessment: Assessment
) -> list[str]:
    """Return what `answers_found` gives for `shown`, where the same exemption was assessed by the same facts.

    Of `assessed` other fields may be known. Only the rules that need these are run again.
    """
    applied = ruleset.limits.rules_for(shown, facts)
    if applied.alternatives or applied is not ruleset.limits.rules_for(assessed, facts):
        return answers_found(shown, facts, ruleset)
    fields = (shown.not_returned ^ assessed.not_returned) | {SELECTORS}  # of these a source may leave out some kinds
    again = [bound for bound in applied.rules if not fields.isdisjoint(bound.rule.needs)]
    asked = {bound.rule.code for bound in again}
    found = {one.code: _answer(one.key, one) for one in assessment.findings if one.code not in asked}
    for bound, outcome in _outcomes_of(Applied(tuple(again), ()), shown, facts):
        found[bound.rule.code] = _answer(_key(bound, outcome), bound)
    return [found[code] for code in sorted(found)]


def _answer(key: str, what: BoundRule | Finding) -> str:
    return f"{key} {_what_follows(what.response, what.grace, what.severity)}"


@lru_cache(maxsize=1024)
def _what_follows(response: Response, grace: timedelta, severity: Severity) -> str:
    return f"{response} {grace.total_seconds():.0f} {severity}"


def changes_found(exemption: Exemption, facts: Facts, ruleset: Ruleset) -> list[tuple[str, Change]]:
    """Return the name of each rule that is broken, with what must change, ordered by code."""
    found = _outcomes(exemption, facts, ruleset)
    return [(bound.rule.name, said.change) for bound, said in found if isinstance(said, Violation) and said.change]


def next_change(exemption: Exemption, facts: Facts, ruleset: Ruleset) -> datetime | None:
    """Return when what `answers_found` gives may next change, though nothing but the time does, UTC; None for never.

    Each rule says so for itself (Rule.next_change); overrides that end say which rules there are. One that crashes may
    change at any time: that is `facts.now`.
    """
    turns = [ruleset.limits.next_end(exemption, facts.now)]
    for bound in ruleset.limits.rules_for(exemption, facts):
        if bound.rule.next_change is not never:
            ways = _ways(bound) if isinstance(bound, Alternatives) else (bound,)
            turns += [_next_change(one, exemption, facts) for one in ways]
    return min((turn for turn in turns if turn is not None), default=None)


def _ways(rule: Alternatives) -> Iterator[BoundRule]:
    return (way for choice in rule.choices for way in choice.ways if way)


def _next_change(bound: BoundRule, exemption: Exemption, facts: Facts) -> datetime | None:
    try:
        return bound.rule.next_change(exemption, facts, bound.options)
    except Exception:  # noqa: BLE001 - as in `_outcome`: what crashes is looked at again
        return facts.now


def _key(bound: BoundRule, outcome: object) -> str:
    return bound.rule.code + ("" if isinstance(outcome, Violation) else "?")


def _outcomes(exemption: Exemption, facts: Facts, ruleset: Ruleset, only: str = "") -> list[tuple[BoundRule, object]]:
    """Return what is no pass, ordered by code. `only`: the name of the one rule that is run; "" for all."""
    applied = ruleset.limits.rules_for(exemption, facts)
    return _outcomes_of(applied.only(only) if only else applied, exemption, facts)


def _outcomes_of(applied: Applied, exemption: Exemption, facts: Facts) -> list[tuple[BoundRule, object]]:
    found: list[tuple[BoundRule, object]] = []
    for bound in applied.rules:
        try:
            outcome: object = bound.rule.check(exemption, facts, bound.options)
        except Exception as error:  # noqa: BLE001 - as in `_outcome`, which is too slow a call here
            outcome = _unknown(error)
        if outcome is not PASS:
            found.append((bound, outcome))
    if applied.alternatives:
        found += _strictest(applied, exemption, facts)
        found.sort(key=lambda one: one[0].rule.code)
    return found


def _strictest(applied: Applied, exemption: Exemption, facts: Facts) -> Iterator[tuple[BoundRule, object]]:
    """Yield what is no pass of the rules that may apply in several ways."""
    for rule in applied.alternatives:
        yield from strictest(rule, lambda bound: _outcome(bound, exemption, facts))


def _outcome(bound: BoundRule, exemption: Exemption, facts: Facts) -> object:
    """Return what a rule gives. To ask for a field that the exemption's source does not return is Unknown."""
    try:
        return bound.rule.check(exemption, facts, bound.options)
    except Exception as error:  # noqa: BLE001 - whatever a rule's bug raises must show as Unknown, not as a pass
        return _unknown(error)


def _unknown(error: Exception) -> Unknown:
    """Return what it means that a rule raised something: a field that nobody knows, or a defect."""
    if isinstance(error, NotReturned):
        return Unknown(str(error))
    return Unknown(f"the rule crashed with {type(error).__name__}; this is a defect of the rule")


def _finding(bound: BoundRule, outcome: object) -> Finding:
    kept, rule = bound.kept, bound.rule
    if kept and kept[0] is outcome:
        known: Finding = kept[1]
        return known
    if isinstance(outcome, Violation):
        status, text, evidence, change = Verdict.VIOLATION, outcome.text, outcome.evidence, outcome.change
        if bound.overrides:
            evidence = {**evidence, "override": ", ".join(bound.overrides)}
    else:
        reason = outcome.reason if isinstance(outcome, Unknown) else f"the rule gave no outcome but {outcome!r}"
        status, text, evidence, change = Verdict.UNKNOWN, reason, {}, None
    found = Finding(
        rule.code, rule.name, status, bound.severity, text, evidence, rule.remediation, bound.response, bound.grace,
        rule.swept, rule.no_tag, change,
    )  # fmt: skip
    kept[:] = outcome, found
    return found
