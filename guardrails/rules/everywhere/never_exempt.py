"""Some policies must have no exemption.

What it does: looks up the assignment in the list `assignments`. Looks up the assigned policy or initiative, and each
policy that the exemption switches off, in the list `definitions`. Both lists are empty by default.

Why: for a few controls, no risk is acceptable: audit logs, the key of the backups, the policies that guard exemptions.

Example: a policy sends activity logs to the security team's workspace. A team is exempted from this policy.

Instead: propose this as a change of the ruleset.

References:
- https://learn.microsoft.com/azure/governance/policy/concepts/exemption-structure
"""

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from types import MappingProxyType

from guardrails.dataclass import dataclass
from guardrails.exemption.facts import Assignment, Facts, Unread
from guardrails.exemption.model import Exemption
from guardrails.exemption.patterns import matches_any
from guardrails.exemption.severity import Severity
from guardrails.exemption.sources import RESOURCE_GRAPH, SELECTORS
from guardrails.rules.base import (
    ASSIGNED,
    PASS,
    REFERENCES,
    Case,
    Change,
    Outcome,
    Rule,
    Unknown,
    Violation,
    never,
    option,
)
from guardrails.rules.control import Condition, Form, Given, every, matches, some, written
from guardrails.rules.sample import ASSIGNMENT, DENY_PUBLIC, INITIATIVE
from guardrails.rules.selection import selection_of
from guardrails.rules.words import clip, clips


@dataclass(frozen=True, slots=True)
class Options:
    """What is never exempted."""

    definitions: tuple[str, ...] = option(
        (), "ids or names of policy definitions and initiatives; a name is the last part of an id"
    )
    assignments: tuple[str, ...] = option(
        (), "ids or names of assignments, as patterns; a name is the last part of an id", glob="assignment"
    )


def check(exemption: Exemption, facts: Facts, options: Options) -> Outcome:
    """Violation where a listed thing is exempted; Unknown where what is listed needs a fact that could not be read."""
    if options.assignments:
        given = exemption.assignment_id.rstrip("/")
        if _is_listed(options.assignments, given):
            change = Change(ASSIGNED, clip(given), "an assignment that is not listed in the ruleset", delete=True)
            return Violation("its assignment must never be exempted", {"assignment": clip(given)}, change)
    if not options.definitions:
        return PASS
    assignment = facts.assignment
    if not isinstance(assignment, Assignment):
        return Unknown(f"the assignment is unknown: {assignment.reason}") if isinstance(assignment, Unread) else PASS
    never = _folded(options.definitions)
    if _hits((assignment.definition_id,), never):
        return _violation((assignment.definition_id,), _whole(exemption))
    members = assignment.members
    if isinstance(members, Unread):
        return Unknown(f"the initiative is unknown: {members.reason}") if assignment.is_initiative else PASS
    if not members:
        return PASS
    selection = selection_of(exemption)
    least, most = selection.exempts(exemption, members)
    hits = _hits((members[name] for name in least), never)
    if hits:
        kept = tuple(name for name in exemption.reference_ids if not _hits((members.get(name.lower(), ""),), never))
        change = Change(REFERENCES, clips(exemption.reference_ids), f"only {', '.join(clips(kept))}", kept)
        return _violation(sorted(hits), change if kept else _whole(exemption), assignment.evidence)
    return Unknown(selection.doubt) if _hits((members[name] for name in most), never) else PASS


@lru_cache(maxsize=1024)
def _is_listed(assignments: tuple[str, ...], given: str) -> bool:
    """Whether an assignment is listed, by its id or its name; kept, for many exemptions share an assignment."""
    return matches_any(assignments, given) or matches_any(assignments, _name(given))


@lru_cache(maxsize=64)
def _folded(definitions: tuple[str, ...]) -> frozenset[str]:
    return frozenset(re.sub("/versions/[^/]+$", "", text.strip().rstrip("/").lower()) for text in definitions)


def _hits(definitions: Iterable[str], never: frozenset[str]) -> list[str]:
    return [text for text in definitions if (low := text.rstrip("/").lower()) in never or _name(low) in never]


def _name(text: str) -> str:
    return text[text.rfind("/") + 1 :]


def _whole(exemption: Exemption) -> Change:
    """Return that it has to go."""
    said = clips(exemption.reference_ids)
    return Change(REFERENCES, said or None, "policies that are not listed in the ruleset", delete=True)


def _violation(
    definitions: Iterable[str], change: Change, version: Mapping[str, str] = MappingProxyType({})
) -> Violation:
    evidence = {"definitions": clips(definitions), **version}
    return Violation("it exempts policies that must never be exempted", evidence, change)


_ID = written("policyAssignmentId")


def control(options: Options, given: Given) -> Form | str:  # noqa: ARG001
    """Refuse the assignments that are listed; what they assign is not seen."""
    if not options.assignments:
        return (
            "A policy cannot look up the assigned definition. List assignments."
            if options.definitions
            else "The ruleset lists nothing."
        )
    said = [(glob, _listed(glob.rstrip("/"))) for glob in options.assignments]
    found = [condition for _, conditions in said for condition in conditions]
    left = [glob for glob, conditions in said if not conditions]
    why = f"A policy has only one wildcard and cannot express {', '.join(left)}."
    if not found:
        return why
    leaves = [
        "An assignment id that ends in a slash, or contains characters that JSON escapes.",
        *([why] if left else ()),
        *(["The listed definitions and initiatives."] if options.definitions else ()),
    ]
    plain: list[Condition] = [
        {"value": f"[{_ID}]", "like": '*"]'},  # a text, and no other type
        {"value": f"[{_ID}]", "notLike": '*/"]'},
        {"value": f"[{_ID}]", "notContains": "\\"},
    ]
    return Form(every((*plain, some(found))), leaves=tuple(leaves))


def _listed(glob: str) -> list[Condition]:
    """Return the conditions that the assignment's id, and its name, match a glob; none where a policy cannot say it."""
    texts = [_ID, *([] if "/" in glob else [f"last(split({_ID},'/'))"])]
    subjects = [{"value": f"[first(split({text},'\"'))]"} for text in texts]
    return [said for subject in subjects if glob and (said := matches(subject, glob)) is not None]


_STRANGE = [{"name": "new", "selectors": [{"kind": "policyEffect", "in": ["deny"]}]}]

RULE = Rule(
    code="EXG304",
    name="never-exempt",
    severity=Severity.HIGH,
    soc2=("CC5.2", "CC6.1"),
    remediation="Delete the exemption and comply, or ask the ruleset's reviewers to shorten the list.",
    check=check,
    next_change=never,
    control=control,
    options=Options,
    good=(
        Case("nothing is listed"),
        Case("another policy of the initiative is listed", options={"definitions": ("require-tls",)}),
        Case("another policy is listed, with unclear selectors", properties={"resourceSelectors": _STRANGE}, options={
            "definitions": ("require-tls",),
        }),
        Case("another assignment is listed", options={"assignments": ("**/policyAssignments/audit-logs",)}),
    ),
    bad=(
        Case("the policy, by name", options={"definitions": ("Deny-Public-Network",)}),
        Case("the initiative, by id", options={"definitions": (INITIATIVE.upper(),)}),
        Case("a policy of a whole initiative", properties={"policyDefinitionReferenceIds": None}, options={
            "definitions": ("require-tls",),
        }),
        Case("the policy of a single-policy assignment", properties={"policyDefinitionReferenceIds": None}, facts={
            "assignment": Assignment(ASSIGNMENT, DENY_PUBLIC, {}),
        }, options={"definitions": ("deny-public-network",)}),
        Case("the assignment, by name", options={"assignments": ("storage-*",)}),
    ),
    unclear=(
        Case("the assignment could not be read", facts={"assignment": Unread("ARM answered 403")}, options={
            "definitions": ("require-tls",),
        }),
        Case("the initiative could not be read", facts={
            "assignment": Assignment(ASSIGNMENT, INITIATIVE, Unread("ARM answered 403")),
        }, options={"definitions": ("require-tls",)}),
        Case("selectors that cannot be read", properties={
            "policyDefinitionReferenceIds": None, "resourceSelectors": [{"selectors": 7}],
        }, options={"definitions": ("require-tls",)}),
        Case("a selector of an undocumented kind", properties={
            "policyDefinitionReferenceIds": None, "resourceSelectors": _STRANGE,
        }, options={"definitions": ("require-tls",)}),
        Case("selectors that the source does not return", properties={"policyDefinitionReferenceIds": None}, options={
            "definitions": ("require-tls",),
        }, source=RESOURCE_GRAPH),
    ),
    needs=(SELECTORS,),
)  # fmt: skip
