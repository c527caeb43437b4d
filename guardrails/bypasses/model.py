"""A bypass: whatever else than an exemption keeps a policy from a scope. What it lacks, and its token. Pure."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from functools import lru_cache
from typing import Any, Final

from guardrails.criteria.model import NOT_KEPT, Weakened
from guardrails.dataclass import dataclass, replace
from guardrails.decisions.assess import Finding, Verdict
from guardrails.errors import Permanent
from guardrails.exemption.body import canonical_json
from guardrails.exemption.exemption_id import scope_container
from guardrails.exemption.ids import folded
from guardrails.exemption.severity import Severity
from guardrails.exemption.times import parse_time, spell_time
from guardrails.notices.renames import inverse, renamed
from guardrails.ruleset import bypass_rules
from guardrails.ruleset.bound_rules import BypassRules, Response
from guardrails.ruleset.model import Exclusion, Ruleset

STORED: Final = {
    "kind": "way",  # stored name
    "findings.remediation": "mend",  # stored name
}
"""Names of today in a bypass's JSON form -> those that are stored."""


TOKEN: Final = 20
"""Digits of `token`."""


class BypassKind(StrEnum):
    """How a policy is kept from a scope."""

    EXEMPTION = "exemption"
    TAG = "tag"
    NOT_SCOPE = "not-scope"
    SELECTOR = "resource-selector"
    OVERRIDE = "override"
    NOT_ENFORCED = "not-enforced"
    UNENROLLED = "enrollment-removed"
    """A scope that was enrolled in an assignment of the mode Enroll, and is no more: nothing enforces it there now."""
    SELF_SERVE = "self-serve"
    DISABLED = "effect-disabled"
    UNREAD = "unreadable"
    """An assignment, or a property of it, that could not be read: any kind of bypass may be in it."""


@dataclass(frozen=True, slots=True)
class Bypass:
    """One bypass of a policy, at one scope. Texts in it are strangers' and unescaped.

    Attributes:
        scope: the id of what is exempted: the tagged resource, group or subscription; the excluded scope; else the
            scope of the assignment.
        subject: the assignment's id; for a tag, the exception id that it names, "" where it names none.
        name: the assignment's display name, or the tagged resource's name.
        detail: what exactly, one phrase: `DoNotEnforce`, `Disabled for denyPublicNetwork`, the selector's conditions.
        who: who last wrote it, a UPN or a GUID; "" where unknown. `since`: when, UTC; None where unknown.
        ends: when it says that it ends, UTC; None where it does not.
        excluded: why the ruleset accepts it; "" where it does not. `findings` are kept all the same.
        ends_problem: why its end could not be read; "" where it is absent or fine.
        unreadable: why the row could not be read; "" where it could. Nothing else of it is judged then.
        covers: which policies of the initiative it is about, in the version that Azure evaluates, a phrase; "" where it
            names none. Of an enrollment that is gone: the reference id of the policy, "" for all of the assignment.
        weakened: the criteria that it weakens.
    """

    kind: BypassKind
    scope: str
    subject: str
    name: str
    detail: str
    who: str = ""
    since: datetime | None = None
    owner: str = ""
    ticket: str = ""
    review: str = ""
    ends: datetime | None = None
    excluded: str = ""
    findings: Sequence[Finding] = ()
    ends_problem: str = ""
    unreadable: str = ""
    covers: str = ""
    weakened: Weakened = NOT_KEPT

    @property
    def key(self) -> bytes:
        """A name (16 bytes of sha256), the same for every casing; of two overrides or enrollments each has its own.

        Characters that merely share a lower case are different ones, as in ids.folded.
        """
        part = self.detail if self.kind in (BypassKind.OVERRIDE, BypassKind.UNREAD, BypassKind.UNENROLLED) else ""
        part += f"|{self.covers}" if self.kind is BypassKind.UNENROLLED else ""
        text = folded(f"{self.kind}|{self.scope}|{self.subject}|{part}")
        return hashlib.sha256(text.encode("utf-8", "backslashreplace")).digest()[:16]

    @property
    def container(self) -> str:
        """The register's partition, as ExemptionId.container: of its scope, else of the assignment; "" for neither."""
        return container_of(self.scope) or container_of(self.subject.lower().rpartition("/providers/")[0])

    @property
    def verdict(self) -> str:
        """`pass`, `violation`, `unknown`; or `excluded`, where the ruleset accepts it."""
        if self.excluded:
            return "excluded"
        if self.violations:
            return str(Verdict.VIOLATION)
        return str(Verdict.UNKNOWN if self.findings else Verdict.PASS)

    @property
    def grade(self) -> str:
        """One of report.model.GRADES: the severity of its worst violation, or its verdict where it has none."""
        if self.verdict != Verdict.VIOLATION:
            return self.verdict
        return str(min((one.severity for one in self.violations), key=lambda severity: severity.rank))

    @property
    def violations(self) -> tuple[Finding, ...]:
        """The findings that are violations, whether accepted or not."""
        return tuple(one for one in self.findings if one.status is Verdict.VIOLATION)


def container_of(scope: str) -> str:
    """Return what ExemptionId.container is for exemptions at a scope; "" where it is none of the four kinds."""
    try:
        return scope_container(scope)
    except Permanent:
        return ""


def judged(bypass: Bypass, ruleset: Ruleset, now: datetime) -> Bypass:
    """Return it with what it lacks at `now` (UTC), and whether the ruleset accepts it.

    What cannot be read is never sound: where the rule about that is off, it is accepted for that reason.
    """
    on = ruleset.limits.bypass_rules_for(bypass.scope, now)
    accepted = next((one for one in ruleset.bypasses.accepted if _accepts(one, bypass, now)), None)
    excluded = f"{accepted.scope}: {accepted.reason}" if accepted else ""
    if bypass.unreadable and bypass_rules.UNREADABLE.name not in on:
        excluded = excluded or f"{bypass_rules.UNREADABLE.name} is off in the ruleset"
    return replace(bypass, findings=tuple(_findings(bypass, ruleset, on, now)), excluded=excluded)


def token(bypass: Bypass) -> str:
    """Return a name (20 hex digits) for all that is said of it; it changes with time only as its findings do."""
    said = to_stored(bypass) | {"findings": [one.key for one in bypass.findings]}
    del said["criteria_weakened"]
    return hashlib.sha256(canonical_json(said).encode()).hexdigest()[:TOKEN]


def whole_token(bypass: Bypass) -> str:
    """Return the same with a name for the criteria that it weakens behind it: no edit of it need have changed them."""
    return token(bypass) + bypass.weakened.digest


def to_json(bypass: Bypass) -> dict[str, Any]:
    """Return the documented JSON form. Times as ARM spells them, null for none."""
    return {
        "kind": str(bypass.kind),
        "scope": bypass.scope,
        "subject": bypass.subject,
        "name": bypass.name,
        "detail": bypass.detail,
        "verdict": bypass.verdict,
        "severity": bypass.grade if bypass.verdict == Verdict.VIOLATION else None,
        "excluded": bypass.excluded or None,
        "who": bypass.who,
        "since": spell_time(bypass.since) if bypass.since else None,
        "owner": bypass.owner,
        "ticket": bypass.ticket,
        "review": bypass.review,
        "ends": spell_time(bypass.ends) if bypass.ends else None,
        "ends_problem": bypass.ends_problem or None,
        "unreadable": bypass.unreadable or None,
        "covers": bypass.covers or None,
        "findings": [finding.to_json() for finding in bypass.findings],
        "criteria_weakened": bypass.weakened.to_json(),
    }


def to_stored(bypass: Bypass) -> dict[str, Any]:
    """Return the JSON form in which the register keeps it."""
    return dict(renamed(to_json(bypass), STORED))


def from_stored(said: Mapping[str, Any]) -> Bypass:
    """Return what `to_stored` wrote. Raises KeyError, ValueError, TypeError for anything else."""
    said = renamed(said, inverse(STORED))
    texts = ("scope", "subject", "name", "detail", "excluded", "who", "owner", "ticket", "review")
    return Bypass(
        kind=BypassKind(said["kind"]),
        since=parse_time(said["since"]),
        ends=parse_time(said["ends"]),
        findings=tuple(_finding_of(one) for one in said["findings"]),
        ends_problem=str(said["ends_problem"] or ""),
        unreadable=str(said["unreadable"] or ""),
        covers=str(said.get("covers") or ""),
        weakened=Weakened.read(said["criteria_weakened"]) if "criteria_weakened" in said else NOT_KEPT,
        **{name: str(said[name] or "") for name in texts},
    )


def _findings(bypass: Bypass, ruleset: Ruleset, on: BypassRules, now: datetime) -> Iterator[Finding]:
    """Yield what the rules that are on find."""
    for rule, status, text, evidence in _lacks(bypass, ruleset, on, now):
        if bound := on.get(rule.name):
            yield Finding(
                rule.code,
                rule.name,
                status,
                bound.severity,
                text,
                evidence,
                rule.remediation,
                bound.response,
                bound.grace,
            )


type _Lack = tuple[bypass_rules.BypassRule, Verdict, str, Mapping[str, Any]]
"""What a bypass lacks by a rule, and the text and the evidence of the finding."""


def _lacks(bypass: Bypass, ruleset: Ruleset, on: BypassRules, now: datetime) -> Iterator[_Lack]:
    if bypass.unreadable:
        yield bypass_rules.UNREADABLE, Verdict.UNKNOWN, bypass.unreadable, {}
        return
    if bypass.kind is BypassKind.UNENROLLED:  # what is gone has no metadata to look into
        yield (
            bypass_rules.ENROLLMENT_REMOVED,
            Verdict.VIOLATION,
            "the scope was enrolled, and the assignment no longer applies there",
            {},
        )
        return
    tagged = bypass.kind is BypassKind.TAG
    if not bypass.ticket:
        yield bypass_rules.TICKET_MISSING, Verdict.VIOLATION, "it names no approval ticket", {}
    if not tagged:
        yield from _about_review(bypass, now)
    if bypass.ends_problem:
        rule = bypass_rules.END_MISSING if bypass_rules.END_MISSING.name in on else bypass_rules.ENDED
        yield rule, Verdict.UNKNOWN, f"its end cannot be read: {bypass.ends_problem}", {}
    elif bypass.ends is None:
        yield bypass_rules.END_MISSING, Verdict.VIOLATION, "it has no end date", {}
    elif bypass.ends <= now:
        evidence = {"ends": spell_time(bypass.ends)}
        yield bypass_rules.ENDED, Verdict.VIOLATION, "it has ended and is still there", evidence
    if tagged:
        yield from _about_approval(bypass, ruleset)


def _about_review(bypass: Bypass, now: datetime) -> Iterator[_Lack]:
    """On its day a review is due and not yet late, as in the rule review-due."""
    try:
        due = parse_time(bypass.review)
    except ValueError as error:
        yield bypass_rules.REVIEW_MISSING, Verdict.UNKNOWN, f"its review date cannot be read: {error}", {}
        return
    if due is None:
        yield bypass_rules.REVIEW_MISSING, Verdict.VIOLATION, "it has no review date", {}
    elif due.date() < now.date():
        evidence = {"review": spell_time(due)}
        yield (bypass_rules.REVIEW_MISSING, Verdict.VIOLATION, "its review is overdue", evidence)


def _about_approval(bypass: Bypass, ruleset: Ruleset) -> Iterator[_Lack]:
    """Azure Policy compares the ids without regard to case, but with their blanks, and so do we."""
    tag = ruleset.bypasses.tags.id
    if not bypass.subject:
        text = f"the tags are incomplete: {tag} names no exception"
        yield bypass_rules.NOT_APPROVED, Verdict.VIOLATION, text, {"tag": tag}
    elif bypass.subject.lower() not in _folded(ruleset.bypasses.approved):
        blanks = "" if bypass.subject == bypass.subject.strip() else "; the blanks around its id make it a different id"
        yield (
            bypass_rules.NOT_APPROVED,
            Verdict.VIOLATION,
            f"the exception is not approved{blanks}",
            {tag: bypass.subject},
        )


@lru_cache(maxsize=4)
def _folded(texts: tuple[str, ...]) -> frozenset[str]:
    return frozenset(one.lower() for one in texts)


def _finding_of(said: Mapping[str, Any]) -> Finding:
    """Read Finding.to_json, whatever its rule was called then. What follows a finding is the same for all of ours."""
    rule = bypass_rules.FORMER.get(str(said["rule"]), str(said["rule"]))
    return Finding(
        code=str(said["code"]), rule=rule, status=Verdict(said["status"]), severity=Severity(said["severity"]),
        text=str(said["text"]), evidence=dict(said["evidence"]), remediation=str(said["remediation"]),
        response=Response.ALERT, grace=timedelta(),
    )  # fmt: skip


def _accepts(accepted: Exclusion, bypass: Bypass, now: datetime) -> bool:
    if accepted.expires is not None and now >= accepted.expires:
        return False
    keys = (bypass.scope.lower(), "" if bypass.kind is BypassKind.TAG else bypass.subject.lower())
    return any(key and accepted.pattern.matches(key) for key in keys)
