"""The notice about bypasses that are new, or that newly break a rule: one a sweep. Pure."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from hashlib import sha256
from typing import Any, Final

from guardrails.bypasses.model import Bypass, BypassKind
from guardrails.criteria.model import line_within
from guardrails.decisions.assess import Finding
from guardrails.exemption.severity import Severity
from guardrails.exemption.times import spell_time
from guardrails.notices.digest import WORST, ranked
from guardrails.notices.notice import NEXT, TITLES, Kind, Notice

_ID: Final = 600
_SHORT: Final = 80
_DETAIL: Final = 200
_REMEDIATION: Final = 300
_ALSO: Final = 3


def bypass_found(found: Mapping[bytes, tuple[datetime, Bypass]], at: datetime) -> Notice:
    """Return the notice about bypasses with a violation, by Bypass.key, each with when the newest of them was found.

    Its id is made of the keys and of those times, so a notice that is sent again has the same. `found` is not empty.
    """
    bypasses = sorted((one for _, one in found.values()), key=_badness)
    total = len(bypasses)
    count = "1 bypass breaks" if total == 1 else f"{total:,} bypasses break"
    severities = Counter(one.grade for one in bypasses)
    rules = Counter(rule for one in bypasses for rule in {finding.rule for finding in one.violations})
    return Notice(
        id=f"service-{Kind.BYPASS_FOUND}-{_name(found)}",
        kind=Kind.BYPASS_FOUND,
        severity=bypasses[0].grade,
        at=at,
        title=TITLES[Kind.BYPASS_FOUND],
        exemption={},
        findings=tuple(map(_finding, bypasses[:WORST])),
        actor="",
        done=f"{count} the rules. Nothing was changed in Azure.",
        why=("each of these bypasses is new, or newly breaks a rule, since the last sweep",),
        next=NEXT[Kind.BYPASS_FOUND],
        digest={
            "total": total,
            "bypasses": ranked(Counter(str(one.kind) for one in bypasses)),
            "severities": ranked(severities),
            "rules": ranked(rules),
        },
    )


def _name(found: Mapping[bytes, tuple[datetime, Bypass]]) -> str:
    known = sorted(key.hex() + spell_time(at) for key, (at, _) in found.items())
    return sha256("".join(known).encode()).hexdigest()[:16]


def _badness(one: Bypass) -> tuple[int, int, str, str]:
    return Severity(one.grade).rank, -len(one.violations), str(one.kind), one.scope.lower()


def _finding(one: Bypass) -> dict[str, Any]:
    """Return a bypass as one finding: the worst that was found, what the others are, and where it is."""
    first, *others = sorted(one.violations, key=lambda finding: (finding.severity.rank, finding.code))
    said = [_what(one), *_also(others), f"by {_cut(one.who, _SHORT) or 'an unknown author'}"]
    if one.owner.strip():
        said.append(f"owner {_cut(one.owner.strip(), _SHORT)}")
    if one.weakened.is_shown:
        limit = _DETAIL if one.weakened.whole.isascii() else _DETAIL // 4
        said.append(f"criteria weakened: {line_within(one.weakened, limit)}")
    assignment = "" if one.kind is BypassKind.TAG else _cut(one.subject, _ID)
    evidence = {"kind": str(one.kind), "scope": _cut(one.scope, _ID), "assignment": assignment}
    return {
        "code": first.code,
        "rule": first.rule,
        "status": str(first.status),
        "severity": str(first.severity),
        "text": "; ".join(said),
        "evidence": {name: value for name, value in evidence.items() if value},
        "remediation": first.remediation[:_REMEDIATION],
    }


def _what(one: Bypass) -> str:
    """Return of which kind it is, in which assignment, and what it says; a tag's name is in its scope."""
    named = one.name and one.kind is not BypassKind.TAG
    kind = f"{one.kind} ({_cut(one.name, _SHORT)})" if named else str(one.kind)
    detail = f"policy {one.covers} {one.detail}" if one.kind is BypassKind.UNENROLLED and one.covers else one.detail
    return f"{kind}: {_cut(detail, _DETAIL)}" if detail else kind


def _also(others: Sequence[Finding]) -> list[str]:
    names = [finding.rule for finding in others]
    return [f"also {', '.join(names[:_ALSO])}{' and more' if len(names) > _ALSO else ''}"] if names else []


def _cut(text: str, most: int) -> str:
    """Return the beginning; outside ASCII a character takes up to four bytes on a queue."""
    return text[: most if text.isascii() else most // 4]
