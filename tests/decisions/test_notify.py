"""Notices: ids that never change, texts that fit, and severities that match the matter."""

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from guardrails.decisions import notify
from guardrails.decisions.assess import Assessment
from guardrails.decisions.fix import LONGEST, Fix
from guardrails.exemption.exemption_id import ExemptionId
from guardrails.exemption.model import Exemption
from guardrails.exemption.severity import Severity
from guardrails.notices.notice import Kind, Notice
from guardrails.register.queues import LARGEST_BODY
from guardrails.rules.base import Case, Change
from guardrails.rules.sample import BODY, body_of
from tests.decisions.situations import NOW, exemption, finding, row, ruleset

ONE = ExemptionId.parse(BODY["id"])
ROUTE: dict[str, Any] = {"route": "audit", "channel": "webhook", "address_setting": "A", "secret_setting": "S"}


def notice(kind: Kind = Kind.VIOLATION, **changes: Any) -> Notice:
    known: dict[str, Any] = {"at": NOW, "actor": "alice", "done": "done", "why": ("why",), **changes}
    return notify.about(kind, ONE, known.pop("seq", 1), **known)


def test_an_id_depends_on_exemption_entry_and_kind_alone() -> None:
    first = notify.notice_id(ONE, 4, Kind.REVERTED)
    assert first == notify.notice_id(ExemptionId.parse(ONE.text.upper()), 4, Kind.REVERTED)
    assert first == notice(Kind.REVERTED, seq=4, actor="bob", done="else", why=()).id
    others = {notify.notice_id(ONE, 5, Kind.REVERTED), notify.notice_id(ONE, 4, Kind.TAGGED)}
    other = ExemptionId.parse(ONE.text + "2")
    assert first not in others | {notify.notice_id(other, 4, Kind.REVERTED)}


def test_an_id_is_what_it_was_in_former_versions() -> None:
    """People and systems know duplicates by them: another form of ids would announce everything again."""
    known = ExemptionId.parse("/subscriptions/s/providers/Microsoft.Authorization/policyExemptions/x")
    assert notify.notice_id(known, 7, Kind.REVERTED) == "17ce6326a48350d9-7-reverted"


def test_one_message_a_route_that_wants_it() -> None:
    only = {**ROUTE, "route": "bad", "kinds": ["reverted"]}
    loud = {**ROUTE, "route": "loud", "min_severity": "high"}
    rules = ruleset(notices=[ROUTE, only, loud])
    quiet = notice(Kind.VIOLATION, assessment=Assessment((finding(severity=Severity.LOW),)))
    assert [message.body["route"] for message in notify.outgoing(quiet, rules)] == ["audit"]
    reverted = notice(Kind.REVERTED, assessment=Assessment((finding(severity=Severity.HIGH),)))
    messages = notify.outgoing(reverted, rules)
    assert [message.id for message in messages] == [f"{reverted.id}-{name}" for name in ("audit", "bad", "loud")]
    assert {message.queue for message in messages} == {"notices"}
    assert Notice.from_json(json.loads(json.dumps(messages[0].body))["notice"]) == reverted


@pytest.mark.parametrize(
    ("kind", "found", "severity"),
    [
        (Kind.VIOLATION, Severity.LOW, "low"),
        (Kind.VIOLATION, None, "info"),
        (Kind.CANNOT_ACT, Severity.LOW, "high"),
        (Kind.DELETED, None, "high"),
        (Kind.UNKNOWN, Severity.LOW, "medium"),
        (Kind.UNKNOWN, Severity.HIGH, "high"),
    ],
)
def test_severity(kind: Kind, found: Severity | None, severity: str) -> None:
    assessment = Assessment((finding(severity=found),)) if found else None
    assert notice(kind, assessment=assessment).severity == severity


def test_violations_come_first_and_the_worst_of_them_first_of_all() -> None:
    found = (
        finding("EXG1", unknown=True),
        finding("EXG2", severity=Severity.LOW),
        finding("EXG3", severity=Severity.HIGH),
    )
    assert [one["code"] for one in notice(assessment=Assessment(found)).findings] == ["EXG3", "EXG2", "EXG1"]


def test_one_that_is_gone_is_described_by_the_register() -> None:
    shown = notice(Kind.DELETED, row=row(owner="anna", ticket="SEC-9", expires_on=NOW, assignment="/a")).exemption
    assert (shown["owner"], shown["ticket"], shown["expiresOn"]) == ("anna", "SEC-9", "2026-11-21T12:00:00Z")


def test_long_texts_are_cut() -> None:
    long = "x" * 100_000
    body = body_of(Case("", {"displayName": long, "exemptionCategory": long, "metadata": {"owner": long}}))
    made = notice(exemption=Exemption.from_arm(body), actor=long, why=[long] * 100)
    assert len(json.dumps(made.to_json())) < 20_000


def test_twenty_findings_with_all_the_evidence_there_can_be_fit_on_a_queue() -> None:
    evidence = {f"value-{number}": "🛡" * 10_000 for number in range(30)}
    found = [replace(finding(f"EXG{number}"), evidence=evidence) for number in range(20)]
    body = body_of(Case("", {"displayName": "🛡" * 500, "metadata": {"owner": "🛡" * 500, "ticket": "🛡" * 500}}))
    changes = (("a-rule-of-some-length", Change("properties." + "🛡" * 90, "🛡" * 300, "🛡" * 300)),) * 20
    made = notice(
        assessment=Assessment(tuple(found)),
        exemption=Exemption.from_arm(body),
        why=["w" * 400] * 30,
        fix=Fix(changes, "x" * LONGEST),
    )
    (message,) = notify.outgoing(made, ruleset(notices=[ROUTE]))
    assert len(json.dumps(message.body, ensure_ascii=False).encode()) < LARGEST_BODY


VALUES = some.recursive(
    some.none() | some.booleans() | some.integers() | some.text(max_size=2000),
    lambda inner: some.lists(inner, max_size=4) | some.dictionaries(some.text(max_size=9), inner, max_size=4),
    max_leaves=8,
)


@given(some.dictionaries(some.text(min_size=1, max_size=20), VALUES, max_size=30))
def test_evidence_is_small_whatever_it_was(evidence: dict[str, Any]) -> None:
    small = notify._small(evidence)
    assert len(small) <= 10
    for key, value in small.items():
        assert len(str(value)) <= 602
        if len(str(evidence[key])) <= 600:
            assert value == evidence[key]
        else:
            assert value.endswith(" …")


def test_the_next_step_names_the_exemption() -> None:
    assert f"restore '{ONE.text}'" in notice(Kind.REVERTED).next
    assert exemption().id == ONE


def test_a_service_notice_has_the_same_id_for_the_same_trouble() -> None:
    first = notify.service(Kind.BREAKER_OPEN, "20261121T120000Z", at=NOW, done="d", why=("w",))
    assert first.id == "service-breaker-open-20261121T120000Z"
    assert first.severity == "high"
