"""A scan compared with an earlier one: what is new, removed, fixed and worsened. Pure.

Both are read in their documented JSON form, with today's names. What one of them did not see is neither removed nor
fixed.
"""

from collections.abc import Iterable, Iterator, Mapping
from enum import StrEnum
from typing import Any, NamedTuple

from guardrails.bypasses.model import Bypass, BypassKind
from guardrails.dataclass import dataclass, field
from guardrails.decisions.assess import Verdict
from guardrails.errors import Permanent
from guardrails.exemption.exemption_id import ExemptionId
from guardrails.exemption.severity import Severity
from guardrails.report.coverage import GROUP
from guardrails.report.line import GRADES, to_json
from guardrails.report.model import Report


class Change(StrEnum):
    """What became of an exemption or bypass since the earlier scan. In the order in which they are listed."""

    WORSENED = "worsened"
    """Another rule is broken, one is broken at a higher severity, or it is unknown and was not."""
    NEW = "new"
    """The earlier scan did not list it."""
    NOT_SEEN = "not-seen"
    """The earlier scan listed it, and this one did not see all of its place or kind: it may be there still."""
    FIXED = "fixed"
    """It had a violation and passes."""
    REMOVED = "removed"
    """It is gone."""


class Found(NamedTuple):
    """A finding: the rule's name, whether it is a violation (else unknown), and its severity."""

    rule: str
    violation: bool
    severity: Severity


class Judged(NamedTuple):
    """How a scan judged an exemption or bypass. Texts in it are strangers' and unescaped.

    Attributes:
        id: an exemption's resource id; of a bypass, the id of what is let past.
        subject: an exemption's assignment, a bypass's subject.
        container: the key of its subscription or management group; "" where that is unknown.
        verdict: pass, violation, unknown or excluded.
        found: by the rule's code; {} for what the ruleset excludes.
    """

    kind: BypassKind
    id: str
    subject: str
    container: str
    verdict: str
    found: Mapping[str, Found]

    @property
    def broken(self) -> dict[str, Severity]:
        """The severities of the rules that are broken, by code."""
        return {code: one.severity for code, one in self.found.items() if one.violation}

    @property
    def grade(self) -> str:
        """One of GRADES: the severity of its worst violation, or its verdict where it has none."""
        return min(self.broken.values(), key=lambda one: one.rank) if self.broken else self.verdict

    @property
    def name(self) -> str:
        """The name of the exemption, of the tagged resource, or of the assignment."""
        of_assignment = self.kind not in (BypassKind.EXEMPTION, BypassKind.TAG)
        return ((of_assignment and self.subject) or self.id).rstrip("/").rpartition("/")[2]

    @property
    def scope(self) -> str:
        """The id of what is let past."""
        return ExemptionId.parse(self.id).scope if self.kind is BypassKind.EXEMPTION else self.id


@dataclass(frozen=True, slots=True)
class Earlier:
    """An earlier scan. `judged`: by a key that is the same for every casing; `not_seen`: a sentence each.

    `filters`: what was asked for and the filters on scopes, lower case, by option.
    """

    judged_at: str
    ruleset: str
    digest: str
    tenant: str
    filters: Mapping[str, frozenset[str]]
    only: tuple[str, ...]
    not_seen: tuple[str, ...]
    judged: Mapping[str, Judged]

    @classmethod
    def parse(cls, document: Any) -> "Earlier":
        """Read the JSON form of a scan, with today's names. Raises ValueError for anything else."""
        try:
            coverage = document["coverage"]
            rows = [*_rows(document["exemptions"], bypass=False), *_rows(document["bypasses"], bypass=True)]
            return cls(
                _text(document["judged_at"]),
                _text(document["ruleset"]["source"]),
                _text(document["ruleset"]["digest"]),
                _text(coverage["tenant"]["id"] or "").lower(),
                {
                    "--management-group": _requested(coverage["management_groups"]["requested"], GROUP),
                    "--subscription": _requested(coverage["subscriptions"]["requested"]),
                    "--scope": _lower(coverage["filters"]["scope"]),
                    "--exclude": _lower(coverage["filters"]["exclude"]),
                },
                tuple(map(_text, coverage["filters"]["only"])),
                tuple(map(_text, document["missing"])),
                _by_key(rows),
            )
        except KeyError as error:
            raise ValueError(f"it is not the JSON form of a scan: {error.args[0]} is missing") from error
        except (AttributeError, TypeError, ValueError, Permanent) as error:
            raise ValueError("it is not the JSON form of a scan") from error


class Changed(NamedTuple):
    """An exemption or bypass that changed. `before` is None where it is new, `now` where it is not listed any more."""

    change: Change
    before: Judged | None
    now: Judged | None

    @property
    def shown(self) -> Judged:
        """How it is judged now; else how it was."""
        shown = self.now or self.before
        if shown is None:
            raise ValueError("a change of nothing")
        return shown

    @property
    def rules(self) -> list[str]:
        """The rules that make the change, as `EXG101 expiry-missing`: those newly broken, or those that were broken."""
        before = self.before.found if self.before else {}
        found = self.shown.found if self.change is not Change.FIXED else before
        if self.change is Change.WORSENED:
            found = {code: one for code, one in found.items() if _is_worse(one, before.get(code))}
        return [f"{code} {one.rule}{'' if one.violation else ' (unknown)'}" for code, one in sorted(found.items())]

    @property
    def order(self) -> tuple[int, int, str, str]:
        """The key to sort by: change, then grade, then id, then subject."""
        shown = self.shown
        return list(Change).index(self.change), GRADES.index(shown.grade), shown.id.lower(), shown.subject.lower()


@dataclass(slots=True)
class Comparison:
    """What changed, in order. `same`: how many are in both scans and neither fixed nor worsened."""

    report: Report
    earlier: Earlier
    changes: list[Changed] = field(default_factory=list)
    same: int = 0

    def of(self, change: Change) -> list[Changed]:
        """Return the changes of one kind."""
        return [one for one in self.changes if one.change is change]

    @property
    def code(self) -> int:
        """The exit code: 1 for new or worsened violations; 3 where something became unknown or is not seen; else 0."""
        worse = [one.shown.verdict for one in (*self.of(Change.WORSENED), *self.of(Change.NEW))]
        if Verdict.VIOLATION in worse:
            return 1
        return 3 if Verdict.UNKNOWN in worse or self.of(Change.NOT_SEEN) else 0

    @property
    def notes(self) -> list[str]:
        """What limits the comparison, a sentence each; strangers' texts, unescaped."""
        notes = [f"the earlier scan did not see: {one}" for one in self.earlier.not_seen]
        if notes:
            notes.append("what is new may have been there before, where the earlier scan did not see it")
        notes += [f"this scan did not see: {one}" for one in self.report.missing]
        if self.earlier.digest != self.report.digest:
            notes.append(f"the earlier scan judged by another ruleset: {self.earlier.ruleset}, {self.earlier.digest}")
        return notes


def compare(report: Report, earlier: Earlier) -> Comparison:
    """Return what changed since the earlier scan. Raises ValueError where that was of another tenant."""
    tenant = report.coverage.tenant
    if earlier.tenant and tenant and earlier.tenant != tenant:
        raise ValueError(f"it is a scan of tenant {earlier.tenant}, and this one is of tenant {tenant}")
    now = _by_key(pair for line in report.lines for pair in _rows([to_json(line)], bypass=line.bypass is not None))
    made = Comparison(report, earlier)
    for key, one in now.items():
        before = earlier.judged.get(key)
        if change := _change(before, one):
            made.changes.append(Changed(change, before, one))
        else:
            made.same += 1
    for key, before in earlier.judged.items():
        if key not in now:
            change = Change.REMOVED if _is_covered(report, before) else Change.NOT_SEEN
            made.changes.append(Changed(change, before, None))
    made.changes.sort(key=lambda one: one.order)
    return made


def _change(before: Judged | None, now: Judged) -> Change | None:
    if before is None:
        return Change.NEW
    if any(one.violation and _is_worse(one, before.found.get(code)) for code, one in now.found.items()):
        return Change.WORSENED
    if now.verdict == Verdict.UNKNOWN and before.verdict in (Verdict.PASS, "excluded"):
        return Change.WORSENED
    return Change.FIXED if before.verdict == Verdict.VIOLATION and now.verdict == Verdict.PASS else None


def _is_worse(now: Found, before: Found | None) -> bool:
    """Return whether a rule's result is worse than it was: broken and was not, at a higher severity, or unknown now."""
    if before is None or now.violation > before.violation:
        return True
    return now.violation and now.severity.rank < before.severity.rank


def _is_covered(report: Report, one: Judged) -> bool:
    """Return whether this scan saw all of a kind, and the place, of what it does not list."""
    count, coverage = report.bypass_counts.get(one.kind), report.coverage
    if count is None or not count.whole:
        return False
    if not one.container:
        return not report.missing
    return one.container in coverage.read and one.container not in coverage.partly


def _by_key(rows: Iterable[tuple[str, Judged]]) -> dict[str, Judged]:
    """Return them by key. Two with one key, such as one exemption that came twice, are as bad as both together."""
    found: dict[str, Judged] = {}
    for key, one in rows:
        other = found.get(key, one)
        worse = min(one, other, key=lambda each: GRADES.index(each.grade))
        merged = dict(other.found)
        for code, finding in one.found.items():
            if code not in merged or _is_worse(finding, merged[code]):
                merged[code] = finding
        found[key] = worse._replace(found=merged)
    return found


def _rows(rows: Iterable[Mapping[str, Any]], *, bypass: bool) -> Iterator[tuple[str, Judged]]:
    """Yield the rows of the JSON form, each with its key. Raises KeyError, TypeError, ValueError, Permanent."""
    for row in rows:
        verdict = _text(row["verdict"])
        if verdict != "excluded":
            Verdict(verdict)
        found = {
            _text(one["code"]): Found(
                _text(one["rule"]), Verdict(one["status"]) is Verdict.VIOLATION, Severity(one["severity"])
            )
            for one in row["findings"]
            if verdict != "excluded"
        }
        if bypass:
            scope, subject, name, detail, covers = (
                _text(row[one] or "") for one in ("scope", "subject", "name", "detail", "covers")
            )
            read = Bypass(BypassKind(row["kind"]), scope, subject, name, detail, covers=covers)
            yield read.key.hex(), Judged(read.kind, read.scope, read.subject, read.container, verdict, found)
        else:
            exemption, subject = ExemptionId.parse(_text(row["id"])), _text(row["assignment"])
            judged = Judged(BypassKind.EXEMPTION, exemption.text, subject, exemption.container, verdict, found)
            yield exemption.key, judged


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("no text")
    return value


def _requested(places: Iterable[Mapping[str, Any]], prefix: str = "") -> frozenset[str]:
    return frozenset(prefix + _text(one["id"]).lower() for one in places)


def _lower(texts: Iterable[object]) -> frozenset[str]:
    return frozenset(_text(one).lower() for one in texts)
