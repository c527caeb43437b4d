"""The rules on what code would deploy: each exemption as if it were written now. Pure."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from guardrails.check.answer import Judged, Placed
from guardrails.check.azure_objects import AzureObjects
from guardrails.check.duplicates import worded
from guardrails.check.partial import PROPERTIES, Seen, seen
from guardrails.dataclass import dataclass
from guardrails.decisions.assess import Finding, Verdict, assess_all
from guardrails.errors import Permanent
from guardrails.evaluation.plan import PlannedExemption
from guardrails.evaluation.values import Cause, MarkedText, Place, Unknown, Value, escaped, first_unknown, marks_of
from guardrails.exemption.applies import outside
from guardrails.exemption.facts import (
    NO_POLICIES,
    NOBODY_LOOKED,
    Assignment,
    Facts,
    Gone,
    Outside,
    Planned,
    Risk,
    Together,
    Unread,
)
from guardrails.exemption.model import Exemption, NotReturned
from guardrails.nearest import nearest
from guardrails.rules import stages
from guardrails.rules.base import METADATA, Stage
from guardrails.rules.selection import policies_of
from guardrails.ruleset.model import Ruleset

_FUNCTIONS: Mapping[Cause, str] = {
    Cause.NOW: "utcNow()",
    Cause.NEW_GUID: "newGuid()",
    Cause.DEPLOYMENT_NAME: "deployment().name",
}
_AUTHOR = Unread("code does not say who deploys it")
_PLAIN = Planned()
_NO_CAUSES: frozenset[Cause] = frozenset()
_new = tuple.__new__
"""Makes a Placed in half the time of its own constructor."""


class Risky(NamedTuple):
    """What a deployer of exemption files does with an exemption without a word.

    Attributes:
        places: name of a rule -> the place of what its risk is about.
        place_of: the place of a part of the properties, by its JSON pointer: `/metadata/owner`.
    """

    risks: tuple[Risk, ...]
    places: Mapping[str, Place]
    place_of: Callable[[str], Place]


@dataclass(slots=True)
class Candidate:
    """An exemption to judge.

    Attributes:
        judged: where the findings go.
        planned: what the evaluation says of it.
        now_properties, now_id: its properties and id if it were deployed now; the same where they do not depend on it.
        next_run: when the code is deployed again, UTC; None where nobody said.
        azure: what is known of Azure where it goes.
        now: the time that it is judged at, UTC.
        risky: of a file of a deployer of exemption files; None elsewhere.
    """

    judged: Judged
    planned: PlannedExemption
    now_properties: Value
    now_id: Value
    next_run: timedelta | None
    azure: AzureObjects
    now: datetime
    risky: Risky | None = None


def skipped_rules(ruleset: Ruleset) -> tuple[str, ...]:
    """Return the names of the rules that are on and that need history or an author, so that no check runs them."""
    return tuple(sorted(name for name, stage in stages().items() if stage is Stage.AZURE and ruleset.judges(name)))


def judge_all(
    candidates: Sequence[Candidate], ruleset: Ruleset, *, makes_assignments: bool
) -> list[tuple[Judged, str]]:
    """Put the findings into what was judged; return those that are no exemption at all, and why.

    The rule `duplicate`, which needs all of them, is guardrails.check.duplicates'.

    `makes_assignments`: see AzureObjects.assignment.
    """
    problems: list[tuple[Judged, str]] = []
    looked_at: list[tuple[Candidate, Seen]] = []
    for one in candidates:
        try:
            certain = one.planned.known and one.now_properties is one.planned.properties
            looked_at.append((one, seen(one.now_id, one.now_properties, ruleset.names, certain=certain)))
        except Permanent as error:
            problems.append((one.judged, error.message))
    places = ruleset.judges("assignment-not-applicable")
    left: list[tuple[Candidate, bool]] = []
    facts_of: list[tuple[Exemption, Facts]] = []
    shared: dict[tuple[object, ...], Facts] = {}
    for one, found in looked_at:
        if ruleset.exclusions and (why := _excluded(found.exemption, ruleset, one.now)):
            one.judged.excluded = why
            continue
        facts = _facts(one, found, ruleset, shared, places=places, makes_assignments=makes_assignments)
        left.append((one, found.plain and not one.judged.at_now))
        facts_of.append((found.exemption, facts))
    for (one, plain), assessment in zip(left, assess_all(facts_of, ruleset), strict=True):
        if assessment.findings:
            reasons = {} if plain else {unknown.reason: at for at, unknown in reversed([*one.judged.unknown])}
            findings = assessment.findings if one.judged.deployed is not False else _of_risks(one, assessment.findings)
            quick = one.planned.place if not reasons and one.risky is None else None
            one.judged.findings = tuple(
                [
                    _new(Placed, (finding, "", quick))
                    if quick and finding.status is Verdict.UNKNOWN
                    else _place(finding, one, ruleset, reasons)
                    for finding in findings
                ]
            )
    return problems


def _of_risks(one: Candidate, findings: Sequence[Finding]) -> list[Finding]:
    """Return the findings of what is not deployed: only what its deployer does counts there."""
    return [finding for finding in findings if one.risky and finding.rule in one.risky.places]


def _excluded(exemption: Exemption, ruleset: Ruleset, now: datetime) -> str:
    try:
        exclusion = ruleset.exclusion_for(exemption.id, now)
    except NotReturned:
        return ""
    return exclusion.reason if exclusion else ""


def _facts(
    one: Candidate,
    found: Seen,
    ruleset: Ruleset,
    shared: dict[tuple[object, ...], Facts],
    *,
    places: bool,
    makes_assignments: bool,
) -> Facts:
    """Return what rules may look at. `shared`: what others have: of many exemptions it is the same."""
    exemption, policies = found.exemption, NO_POLICIES
    try:
        assignment = one.azure.assignment(exemption.assignment_id, makes_assignments=makes_assignments)
        if ruleset.asks_policies:
            policies = one.azure.policies(policies_of(exemption, assignment))
    except NotReturned as lacking:
        assignment = Unread(str(lacking))
    beyond = _outside(exemption, assignment, one.azure) if places else None
    planned = planned_of(one, found)
    key = one.now, id(assignment), id(policies), id(beyond), id(planned)
    if key not in shared:
        together = Together(outside=beyond) if beyond else NOBODY_LOOKED
        shared[key] = Facts(
            one.now, one.now, assignment, _AUTHOR, approved=ruleset.approved, policies=policies, together=together,
            planned=planned,
        )  # fmt: skip
    return shared[key]


def _outside(
    exemption: Exemption, assignment: Assignment | Gone | Unread, azure: AzureObjects
) -> Outside | Unread | None:
    """Return why the assignment does not apply at the scope; None where it does, Unread where that is unknown."""
    if not isinstance(assignment, Assignment):
        return assignment if isinstance(assignment, Unread) else None
    try:
        identity = exemption.id
    except NotReturned as lacking:
        return Unread(str(lacking))
    return worded(outside(identity.key[: len(identity.scope)], identity.container, assignment, azure.above))


def planned_of(one: Candidate, found: Seen) -> Planned:
    """Return how an exemption's values come about, for the rules about code."""
    end = _causes(_member(one.now_properties, "expiresOn"))
    name = _causes(one.planned.name) or _causes(one.planned.id)
    risks = one.risky.risks if one.risky else ()
    if not (end or name or found.strange or found.absent or one.next_run or risks):
        return _PLAIN
    return Planned(
        end_by=_functions(end),
        name_by=_functions(name),
        shifted=("expiresOn",) if Cause.OFFSET_DROPPED in end else (),
        strange={name: next(iter(nearest(name, PROPERTIES)), "") for name in found.strange},
        absent=found.absent,
        next_run=one.now + one.next_run if one.next_run else None,
        risks=risks,
    )


def _causes(value: Value) -> frozenset[Cause]:
    if type(value) is str or not isinstance(value, Unknown | MarkedText):  # most are plain texts
        return _NO_CAUSES
    return frozenset(mark.cause for mark in value.marks)


def _functions(causes: frozenset[Cause]) -> tuple[str, ...]:
    return tuple(text for cause, text in _FUNCTIONS.items() if cause in causes)


def _place(finding: Finding, one: Candidate, ruleset: Ruleset, reasons: Mapping[str, str]) -> Placed:
    unknown = finding.status is Verdict.UNKNOWN
    if one.risky and finding.rule in one.risky.places:
        return Placed(finding, "", one.risky.places[finding.rule])
    at = reasons.get(finding.text, "") if unknown else _pointer(finding, one, ruleset)
    if at.startswith("/properties"):
        place_of = one.risky.place_of if one.risky else one.planned.place_of
        return Placed(finding, at, place_of(at.removeprefix("/properties")))
    return Placed(finding, at, one.planned.place)


def _pointer(finding: Finding, one: Candidate, ruleset: Ruleset) -> str:
    """Return the JSON pointer to what a finding is about, as far down as it exists; "" for the whole exemption."""
    field = finding.change.field if finding.change else ""
    if field in ("id", "name"):
        return f"/{field}"
    if not field.startswith("properties"):
        return ""
    if field.startswith(METADATA):
        role = field.removeprefix(METADATA)
        metadata = _member(one.now_properties, "metadata")
        known = metadata if isinstance(metadata, Mapping) else {}
        names = [_spelled(one.now_properties, "metadata"), ruleset.names.key_of(role, known)]
    else:
        names = [_spelled(one.now_properties, field.removeprefix("properties."))]
    pointer, value = "/properties", one.now_properties
    for name in names:
        if not isinstance(value, Mapping) or name not in value:
            break
        pointer, value = f"{pointer}/{escaped(name)}", value[name]
    return pointer


def _spelled(properties: Value, name: str) -> str:
    """Return a property's name as the code spells it; itself where the code does not have it."""
    if isinstance(properties, Mapping) and name not in properties:
        return next((key for key in properties if str(key).lower() == name.lower()), name)
    return name


def _member(properties: Value, name: str) -> Value:
    if isinstance(properties, dict) and name in properties:  # as most spell it
        return properties[name]
    return properties.get(_spelled(properties, name)) if isinstance(properties, Mapping) else None


def depends_on_now(some: Iterable[PlannedExemption]) -> bool:
    """Whether a value that is not known would be, were the time of the deployment."""
    for one in some:
        for value in (one.id,) if one.known else (one.id, one.properties):
            if first_unknown(value) is not None and any(mark.cause is Cause.NOW for mark in marks_of(value)):
                return True
    return False
