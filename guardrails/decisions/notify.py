"""Notify: what is said to people about a decision, and to which routes. Pure but for one line in the log.

Titles, reasons and next steps are ours; the rest is quoted.
"""

import logging
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any, Final

from guardrails.criteria.model import kept_of, line_within
from guardrails.dataclass import replace
from guardrails.decisions.assess import Assessment, Verdict
from guardrails.decisions.fix import NOTHING, Fix
from guardrails.decisions.history import Outgoing
from guardrails.decisions.holds import on_hold
from guardrails.decisions.ownership import is_claim
from guardrails.decisions.row import Row
from guardrails.exemption.counts import number_of
from guardrails.exemption.exemption_id import ExemptionId
from guardrails.exemption.expiry import is_expired
from guardrails.exemption.model import Exemption
from guardrails.exemption.severity import Severity
from guardrails.exemption.times import read_time, spell_time
from guardrails.lazy_regex import lazy_regex
from guardrails.notices.notice import NEXT, SEVERITIES, TITLES, Kind, Notice
from guardrails.ruleset.model import Ruleset

log = logging.getLogger("guardrails")

_SOON: Final = timedelta(days=7)
"""How long before its expiry a reminder is of medium severity."""

_TEXT_LIMIT: Final = 300
_EVIDENCE_LIMIT: Final = 600
_EVIDENCE_IN_ALL: Final = 5_000
"""Characters of evidence in one notice: a message on a queue has at most 48 KiB, and a character up to 4 bytes."""
_CRITERIA: Final = 3
"""Criteria of each source that are named."""
_LINE_LIMIT: Final = 500
_VALUES: Final = 10
_REASONS: Final = 20


def evasion_id(exemption_id: ExemptionId, habit: str) -> str:
    """Return the id of a notice about a habit: one an exemption and habit, however often it is met."""
    return f"{_short(exemption_id)}-evasion-{habit}"


def notice_id(exemption_id: ExemptionId, seq: int, kind: Kind) -> str:
    """Return the id of a notice that belongs to history entry `seq`: the same however often it is decided or sent."""
    return message_id(exemption_id, seq, kind)


def message_id(exemption_id: ExemptionId, seq: int, what: str) -> str:
    """Return a name for a message that leaves with history entry `seq`."""
    return f"{_short(exemption_id)}-{seq}-{what}"


def _short(exemption_id: ExemptionId) -> str:
    return sha256(exemption_id.key.encode("utf-8", "replace")).hexdigest()[:16]


def about(
    kind: Kind,
    exemption_id: ExemptionId,
    seq: int,
    *,
    at: datetime,
    actor: str,
    done: str,
    why: Sequence[str],
    exemption: Exemption | None = None,
    assessment: Assessment | None = None,
    row: Row | None = None,
    fix: Fix = NOTHING,
) -> Notice:
    """Return the notice about one exemption. `done` and `why` are our words; `actor` and the exemption are quoted.

    `row`: what the register has of it, for whose it is known to be; where it is gone, for all else too.
    """
    findings = assessment.findings if assessment else ()
    found = assessment.severity if assessment else Severity.INFO
    values = sum(min(len(finding.evidence), _VALUES) for finding in findings)
    limit = min(_EVIDENCE_LIMIT, _EVIDENCE_IN_ALL // max(values, 1))
    return Notice(
        id=notice_id(exemption_id, seq, kind),
        kind=kind,
        severity=str(found if found in SEVERITIES[kind] else SEVERITIES[kind][-1]),
        at=at,
        title=TITLES[kind],
        exemption=_particulars(exemption_id, exemption, row),
        findings=tuple(
            {**finding.to_json(), "evidence": _small(finding.evidence, limit)}
            for finding in sorted(findings, key=lambda f: (f.status is Verdict.UNKNOWN, f.severity.rank))
        ),
        actor=actor[:_TEXT_LIMIT],
        done=done,
        why=tuple(line[:_TEXT_LIMIT] for line in why[:_REASONS]),
        next=naming(NEXT[kind], exemption_id),
        fix=fix.to_json(),
    )


def naming(text: str, exemption_id: ExemptionId) -> str:
    """Return what to do next, with the exemption's id in the place of ID, unless that is too long to read."""
    return text.replace(" ID", f" '{exemption_id.text}'") if len(exemption_id.text) < _TEXT_LIMIT else text


def expiry(
    exemption_id: ExemptionId,
    expires_on: datetime,
    *,
    at: datetime,
    threshold: int | None = None,
    exemption: Exemption | None = None,
    row: Row | None = None,
) -> Notice:
    """Return the reminder that an exemption expires soon, or the notice that it has expired, as of `at`.

    Its id has the expiry and, before it, the threshold: days, by default the days left. Asked twice for one threshold
    it is the same notice, whenever that is; for a sharper one it is another.
    """
    left = (expires_on - at).days
    if is_expired(expires_on, at):
        kind, mark, severity = Kind.EXPIRED, "expired", Severity.MEDIUM
        why = f"it expired at {read_time(expires_on)}; the policy applies again"
    else:
        kind, mark = Kind.EXPIRING, f"expiring-{left if threshold is None else threshold}d"
        severity = Severity.MEDIUM if expires_on - at <= _SOON else Severity.LOW
        days = number_of(left, "day") if left else "less than a day"
        why = f"it expires in {days}, at {read_time(expires_on)}"
    key = f"{_short(exemption_id)}-{_stamp(expires_on)}-{mark}"
    about_it = _particulars(exemption_id, exemption, row)
    return _reminder(kind, key, severity=severity, at=at, why=why, exemption=about_it)


def review(
    exemption_id: ExemptionId,
    due_on: datetime,
    *,
    at: datetime,
    threshold: int | None = None,
    exemption: Exemption | None = None,
    row: Row | None = None,
) -> Notice:
    """Return the notice that an exemption's review is due soon, or was due, as of `at`.

    Its id has the date and the threshold, as a reminder of the expiry has.
    """
    left = max((due_on - at).days, 0) if threshold is None else threshold
    key = f"{_short(exemption_id)}-{_stamp(due_on)}-review-{left}d"
    why = f"its review {'was' if due_on <= at else 'is'} due at {read_time(due_on)}"
    about_it = {**_particulars(exemption_id, exemption, row), "reviewOn": spell_time(due_on)}
    return _reminder(Kind.REVIEW_DUE, key, severity=Severity.LOW, at=at, why=why, exemption=about_it)


def about_hold(
    exemption_id: ExemptionId, seq: int, old: Row | None, row: Row, *, at: datetime, over: str
) -> Notice | None:
    """Return the notice about an operator's hold that a row says, and the row before it did not; None for no news.

    `over`: why a hold has ended; "" where none has.
    """
    before, hold = old.hold if old else None, row.hold
    if before is not None and over:
        done, edited = "The hold has ended.", row.content not in ("", before.content)
        made = about(
            Kind.HOLD, exemption_id, seq, at=at, actor=row.author, done=done, why=(over, on_hold(before)), row=row
        )
        return replace(made, severity=str(Severity.HIGH if edited else Severity.MEDIUM))
    if hold is None or hold == before:
        return None
    if before is not None and hold.at == before.at:
        why = (on_hold(hold), "when the hold ends, the service judges the exemption at once")
        done = "Nothing was changed in Azure."
        return about(Kind.HOLD_ENDING, exemption_id, seq, at=at, actor=hold.by, done=done, why=why, row=row)
    done = "Nothing was changed in Azure. An edit ends the hold. Until then, the service does not change the exemption."
    return about(Kind.HOLD, exemption_id, seq, at=at, actor=hold.by, done=done, why=(on_hold(hold),), row=row)


def _reminder(
    kind: Kind, key: str, *, severity: Severity, at: datetime, why: str, exemption: Mapping[str, Any]
) -> Notice:
    return Notice(
        id=key,
        kind=kind,
        severity=str(severity),
        at=at,
        title=TITLES[kind],
        exemption=exemption,
        findings=(),
        actor="",
        done="Nothing was changed in Azure.",
        why=(why,),
        next=NEXT[kind],
    )


def _stamp(time: datetime) -> str:
    return f"{time.astimezone(UTC):%Y%m%dT%H%M%S}"


def service(kind: Kind, key: str, *, at: datetime, done: str, why: Sequence[str]) -> Notice:
    """Return a notice about the service itself. `key` makes its id: the same trouble, the same id."""
    return Notice(
        id=f"service-{kind}-{key}",
        kind=kind,
        severity=str(SEVERITIES[kind][0]),
        at=at,
        title=TITLES[kind],
        exemption={},
        findings=(),
        actor="",
        done=done,
        why=tuple(line[:_TEXT_LIMIT] for line in why[:_REASONS]),
        next=NEXT[kind],
    )


_ROWS: Final = lazy_regex(r"\brows? \d+( to \d+)?")


def partial(missing: Sequence[str], *, at: datetime, severity: Severity = Severity.HIGH) -> Notice:
    """Return the notice that a sweep could not see part of the tenant: `missing` has a sentence for each, our words.

    Its id is the same for the same troubles on one day (UTC), in any order: what follows a colon, and which rows of a
    list it was, may be other words each time.
    """
    lines = sorted(set(missing))
    troubles = sorted({_ROWS.sub("rows", line.partition(": ")[0]) for line in lines})
    shown = lines if len(lines) <= _REASONS else [*lines[: _REASONS - 1], f"and {len(lines) - _REASONS + 1} more"]
    key = f"{at.astimezone(UTC):%Y%m%d}-{sha256(chr(0).join(troubles).encode('utf-8', 'replace')).hexdigest()[:16]}"
    done = "The sweep checked the rest. It treats no unseen exemption as deleted."
    return replace(service(Kind.SWEEP_PARTIAL, key, at=at, done=done, why=shown), severity=str(severity))


def late(last: datetime, since: str, *, by: str, at: datetime) -> Notice:
    """Return the notice that no sweep came by since `last`, UTC, and what began this one. `since` makes its id."""
    hours = (at - last).total_seconds() / 3600
    why = [f"the last sweep began at {read_time(last)}, {hours:.1f} hours ago"]
    why += [f"this sweep was started by {by}"] if by else []
    key = "".join(one for one in since if one.isalnum())[:40]
    return service(
        Kind.SWEEP_LATE, key, at=at, done="A sweep has begun. It finds all changes since the last sweep.", why=why
    )


def record_digest(seq: int, started: datetime, digest: str, exemptions: int | None, *, at: datetime) -> Notice:
    """Return the notice that a sweep is in the record, as an anchor: its number, when it began (UTC), and its hash.

    `exemptions`: of how many it recorded the history; None where it recorded none.
    """
    histories = "no history" if exemptions is None else f"the histories of {number_of(exemptions, 'exemption')}"
    done = f"The record has the sweep of {read_time(started)}, and {histories}."
    return service(Kind.RECORD_DIGEST, f"{seq}-{digest[:16]}", at=at, done=done, why=(f"sweep {seq}: {digest}",))


def altered(wrong: Sequence[str], *, at: datetime) -> Notice:
    """Return the notice that rows which all instances share were changed from outside: `wrong` has a sentence each.

    Its id is the same for the same rows on one day (UTC).
    """
    rows = chr(0).join(sorted({line.partition(": ")[0] for line in wrong}))
    key = f"{at.astimezone(UTC):%Y%m%d}-{sha256(rows.encode('utf-8', 'replace')).hexdigest()[:16]}"
    return service(Kind.REGISTER_ALTERED, key, at=at, done="The sweep went on without what they said.", why=wrong)


def outgoing(notice: Notice, ruleset: Ruleset) -> tuple[Outgoing, ...]:
    """Return one message a route that wants the notice; what nobody wants goes to the default routes, and is logged."""
    routes = ruleset.routes_for(notice)
    if not routes:
        routes = ruleset.default_routes
        where = ", ".join(route.name for route in routes) or "nobody: the ruleset has no route"
        log.warning("no route wants notice %s (%s, %s); it goes to %s", notice.id, notice.kind, notice.severity, where)
    body = notice.to_json() if routes else {}
    return tuple(
        Outgoing(f"{notice.id}-{route.name}", "notices", {"route": route.name, "notice": body, "attempt": 0})
        for route in routes
    )


def unrouted(notices: Sequence[Notice], ruleset: Ruleset) -> list[str]:
    """Return the kinds of the notices that no route wants, for the history."""
    return [str(notice.kind) for notice in notices if not ruleset.routes_for(notice)]


def _particulars(exemption_id: ExemptionId, exemption: Exemption | None, row: Row | None) -> dict[str, Any]:
    """Return what a reader needs to know the exemption by; from the register where it is gone."""
    out: dict[str, Any] = {
        "id": exemption_id.text,
        "name": exemption_id.name,
        "scope": exemption_id.scope,
        "scopeKind": str(exemption_id.kind),
    }
    if exemption is not None:
        out |= {
            "displayName": exemption.display_name[:_TEXT_LIMIT],
            "assignment": exemption.assignment_id[:_TEXT_LIMIT],
            "category": exemption.category[:40],
            "expiresOn": spell_time(exemption.expires_on) if exemption.expires_on else "",
            "owner": exemption.owner[:_TEXT_LIMIT],
            "ticket": exemption.ticket[:_TEXT_LIMIT],
        }
    elif row is not None:
        out |= {
            "assignment": row.assignment[:_TEXT_LIMIT],
            "expiresOn": spell_time(row.expires_on) if row.expires_on else "",
            "owner": row.owner[:_TEXT_LIMIT],
            "ticket": row.ticket[:_TEXT_LIMIT],
        }
    if row is not None and row.criteria_weakened:
        out["criteriaWeakened"] = line_within(kept_of(row.criteria_weakened), _LINE_LIMIT, _CRITERIA)
    if row is not None and is_claim(row):
        out["knownOwner"] = ", ".join(row.owners)[:_TEXT_LIMIT]
    return out


def _small(evidence: Mapping[str, Any], limit: int = _EVIDENCE_LIMIT) -> dict[str, Any]:
    """Return evidence that fits into a message: values of more than `limit` characters are cut and say so."""
    out = {}
    for key, value in list(evidence.items())[:_VALUES]:
        text = str(value)
        out[key] = value if len(text) <= limit else text[:limit] + " …"
    return out
