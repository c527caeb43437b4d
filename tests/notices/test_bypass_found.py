"""The other bypasses that a sweep finds are in one notice: small, and complete in its counts."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from guardrails.bypasses.model import Bypass, BypassKind
from guardrails.bypasses.notice import bypass_found
from guardrails.channels import slack, teams
from guardrails.criteria.model import NOT_KEPT, Weakened
from guardrails.decisions.assess import Finding
from guardrails.exemption.severity import Severity
from guardrails.notices.digest import URGENT
from guardrails.notices.notice import Kind

from .samples import AT, HOSTILE, SUBSCRIPTION, finding, weakened
from .test_adoption import fits

TICKET = finding(code="EXG501", rule="bypass-ticket-missing", severity=Severity.HIGH)
END = finding(code="EXG503", rule="bypass-end-missing", severity=Severity.MEDIUM)
REVIEW = finding(code="EXG502", rule="bypass-review-missing", severity=Severity.LOW)


def one(number: int, *findings: Finding, kind: BypassKind = BypassKind.NOT_SCOPE) -> Bypass:
    scope = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/g{number:03}"
    assignment = f"/subscriptions/{SUBSCRIPTION}/providers/Microsoft.Authorization/policyAssignments/tls"
    subject = "EX-1" if kind is BypassKind.TAG else assignment
    return Bypass(kind, scope, subject, "TLS 1.2", "excluded", "jo", owner=" team ", findings=findings)


def found(*bypasses: Bypass, at: datetime = AT) -> dict[bytes, tuple[datetime, Bypass]]:
    return {bypass.key: (at, bypass) for bypass in bypasses}


def test_it_counts_everything_and_shows_the_ten_worst() -> None:
    bypasses = [
        *(one(n, END) for n in range(30)),
        *(one(100 + n, REVIEW, TICKET, END) for n in range(3)),
        *(one(200 + n, TICKET, kind=BypassKind.TAG) for n in range(3)),
    ]
    notice = bypass_found(found(*bypasses), AT)
    assert (notice.kind, notice.severity, notice.exemption) == (Kind.BYPASS_FOUND, "high", {})
    assert notice.digest == {
        "total": 36,
        "bypasses": {"not-scope": 33, "tag": 3},
        "severities": {"medium": 30, "high": 6},
        "rules": {"bypass-end-missing": 33, "bypass-ticket-missing": 6, "bypass-review-missing": 3},
    }
    scopes = [str(shown["evidence"]["scope"]).rpartition("/")[2] for shown in notice.findings]
    assert scopes == ["g100", "g101", "g102", "g200", "g201", "g202", "g000", "g001", "g002", "g003"]
    first = notice.findings[0]
    assert (first["rule"], first["status"], first["severity"]) == ("bypass-ticket-missing", "violation", "high")
    also = "also bypass-end-missing, bypass-review-missing"
    assert first["text"] == f"not-scope (TLS 1.2): excluded; {also}; by jo; owner team"
    assert "assignment" not in notice.findings[3]["evidence"]
    assert "exg register bypasses" in notice.next
    fits(notice)


def test_its_id_is_the_same_over_retries_and_another_for_what_is_found_later() -> None:
    bypasses = [one(n, TICKET) for n in range(5)]
    name = bypass_found(found(*bypasses), AT).id
    assert bypass_found(found(*reversed(bypasses)), AT + timedelta(hours=1)).id == name
    assert bypass_found(found(*bypasses, at=AT + timedelta(hours=1)), AT).id != name
    assert bypass_found(found(*bypasses[1:]), AT).id != name


@pytest.mark.parametrize("text", [*HOSTILE, "\U0001f469" * 5_000], ids=range(len(HOSTILE) + 1))
def test_hostile_texts_and_long_ids_fit_every_channel(text: str) -> None:
    bad = replace(one(0, *[replace(TICKET, rule=f"way-{n}") for n in range(6)]), who=text, owner=text, detail=text)
    bypasses = [
        replace(bad, name=text, scope=f"{bad.scope}{n}/{text * 4}", subject=f"/{text * 4}{n}") for n in range(40)
    ]
    fits(bypass_found(found(*bypasses), AT))


def test_a_card_says_where_it_is_and_what_to_run() -> None:
    notice = bypass_found(found(*(one(n, TICKET, END) for n in range(5_000))), AT)
    assert Kind.BYPASS_FOUND in URGENT
    for said in (teams.message(notice).decode(), slack.message(notice).decode()):
        for part in ("not-scope: 5,000", "high: 5,000", "resource group g000: not-scope (TLS 1", "register bypasses"):
            assert part in said


def test_it_says_that_criteria_are_unknown_and_nothing_where_none_is_weakened() -> None:
    for known, expected in ((Weakened("no table"), True), (Weakened(), False), (NOT_KEPT, False)):
        [shown] = bypass_found(found(replace(one(1, END), weakened=known)), AT).findings
        assert shown["text"].endswith("; owner team" + ("; criteria weakened: unknown: no table" if expected else ""))


def test_it_says_in_one_line_which_criteria_are_weakened() -> None:
    said = replace(one(1, END), weakened=weakened("x"))
    [shown] = bypass_found(found(said), AT).findings
    assert shown["text"].endswith(
        "; criteria weakened: x 1.0.0: 0x x (1 of 40), 1x x (1 of 40), 2x x (1 of 40), "
        "3x x (1 of 40), 4x x (1 of 40) and 35 more"
    )
