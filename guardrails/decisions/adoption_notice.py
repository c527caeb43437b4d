"""The notice of adoption: one about all exemptions that were there before the guardrails. Pure.

Whatever their number, it has counts and the ten worst, and no more is kept in memory.
"""

from bisect import insort
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime
from operator import itemgetter
from typing import Any, Final

from guardrails.dataclass import dataclass
from guardrails.exemption.exemption_id import ExemptionId
from guardrails.exemption.severity import Severity
from guardrails.notices.digest import WORST, ranked
from guardrails.notices.notice import NEXT, TITLES, Kind, Notice
from guardrails.rules import names_of, rules_of
from guardrails.rules.base import Stage

_ID: Final = 600
_OWNER: Final = 80
_REMEDIATION: Final = 300
_ALSO: Final = 3


@dataclass(frozen=True, slots=True)
class Adopted:
    """An exemption that was there before the guardrails, as the sweep found it.

    Attributes:
        codes: its findings' codes; unknown ones as `CODE?`.
        status: compliant, violation, unknown or excluded.
        expiry: its expiry state, such as no-expiry or expiring-14.
        owner: as the exemption says; a stranger's text.
    """

    id: ExemptionId
    codes: tuple[str, ...]
    status: str
    expiry: str
    owner: str


def adopted(
    key: str, found: Iterable[Adopted], at: datetime, severities: Mapping[str, Severity] | None = None
) -> Notice:
    """Return the notice about what was found; see `Adoption`."""
    adoption = Adoption(severities)
    for one in found:
        adoption.add(one)
    return adoption.notice(key, at)


class Adoption:
    """Counts what is adopted, and keeps the ten worst.

    `severities`: severity by the code of a rule, where it is not the rule's own.
    """

    def __init__(self, severities: Mapping[str, Severity] | None = None) -> None:
        self._rules = {rule.code: rule for rule in rules_of(names_of(Stage.AZURE)).values()}
        self._severities = {code: rule.severity for code, rule in self._rules.items()} | dict(severities or {})
        self._verdicts: Counter[str] = Counter()
        self._by_severity: Counter[str] = Counter()
        self._by_rule: Counter[str] = Counter()
        self._expiry: Counter[str] = Counter()
        self._worst: list[tuple[tuple[int, bool, int, str], Adopted]] = []

    def add(self, one: Adopted) -> None:
        """Count one exemption; each is to be given once."""
        self._verdicts[one.status] += 1
        self._expiry[one.expiry] += 1
        if not one.codes:
            return
        severity, code = self._worst_of(one)
        self._by_severity[str(severity)] += 1
        self._by_rule.update({self._name(each) for each in one.codes})
        badness = (severity.rank, code.endswith("?"), -len(one.codes), one.id.key)
        insort(self._worst, (badness, one), key=itemgetter(0))
        del self._worst[WORST:]

    @property
    def count(self) -> int:
        """How many were added."""
        return self._verdicts.total()

    def notice(self, key: str, at: datetime) -> Notice:
        """Return the notice about all that were added. `key` makes its id."""
        total, bad = self.count, self._verdicts["violation"]
        counts = {"verdicts": self._verdicts, "severities": self._by_severity, "rules": self._by_rule}
        counts["expiry"] = self._expiry
        return Notice(
            id=f"service-{Kind.ADOPTED}-{key}",
            kind=Kind.ADOPTED,
            severity=str(min(map(Severity, self._by_severity), key=lambda one: one.rank, default=Severity.INFO)),
            at=at,
            title=TITLES[Kind.ADOPTED],
            exemption={},
            findings=tuple(self._finding(one) for _, one in self._worst),
            actor="",
            done=f"{total:,} exemption{'' if total == 1 else 's'} adopted, {bad:,} of them against the rules."
            " Nothing was changed in Azure.",
            why=("the service leaves exemptions that are older than the guardrails alone until somebody edits them",),
            next=NEXT[Kind.ADOPTED],
            digest={"total": total, **{name: ranked(tally) for name, tally in counts.items()}},
        )

    def _name(self, code: str) -> str:
        rule = self._rules.get(code.removesuffix("?"))
        return rule.name if rule else code

    def _worst_of(self, one: Adopted) -> tuple[Severity, str]:
        """Return the severity and the code of its worst finding; of equals, one that is certain."""
        rated = [(self._severities.get(code.removesuffix("?"), Severity.HIGH), code) for code in one.codes]
        return min(rated, key=lambda pair: (pair[0].rank, pair[1].endswith("?"), pair[1]))

    def _finding(self, one: Adopted) -> dict[str, Any]:
        severity, code = self._worst_of(one)
        rule = self._rules.get(code.removesuffix("?"))
        others = [self._name(other) for other in one.codes if other != code]
        also = f"; also {', '.join(others[:_ALSO])}{' and more' if len(others) > _ALSO else ''}" if others else ""
        return {
            "code": code.removesuffix("?"),
            "rule": self._name(code),
            "status": "unknown" if code.endswith("?") else "violation",
            "severity": str(severity),
            "text": f"{one.expiry.replace('-', ' ')}{also}; owner {one.owner.strip()[:_OWNER] or 'none'}",
            "evidence": {"exemption": one.id.text[:_ID]},
            "remediation": rule.remediation[:_REMEDIATION] if rule else "",
        }
