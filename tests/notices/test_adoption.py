"""What was there before the guardrails is in one notice: small, whatever was found, and complete in its counts."""

import json
import tracemalloc
from collections.abc import Iterator

import pytest

from guardrails.channels import slack, teams, webhook
from guardrails.decisions.adoption_notice import Adopted, Adoption, adopted
from guardrails.decisions.notify import partial
from guardrails.exemption.exemption_id import ExemptionId
from guardrails.exemption.severity import Severity
from guardrails.notices.digest import URGENT
from guardrails.notices.notice import Kind, Notice
from guardrails.rules import all_rules

from .samples import AT, HOSTILE, SUBSCRIPTION
from .test_schemas import as_received, as_sent, problems

CODES = {rule.name: rule.code for rule in all_rules().values()}
PLACE = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{{}}/providers/Microsoft.Authorization/policyExemptions/{{}}"
QUEUE = 40 * 1024


def one(number: int, *rules: str, group: str = "g", owner: str = "o", expiry: str = "active") -> Adopted:
    codes = tuple(CODES[rule.rstrip("?")] + ("?" if rule.endswith("?") else "") for rule in rules)
    certain = any(not rule.endswith("?") for rule in rules)
    status = "violation" if certain else "unknown" if rules else "compliant"
    return Adopted(ExemptionId.parse(PLACE.format(group, f"e{number}")), codes, status, expiry, owner)


def test_it_counts_everything_and_shows_the_ten_worst() -> None:
    found = [
        *(one(n) for n in range(50)),
        *(one(100 + n, "expired", expiry="expired") for n in range(30)),
        *(one(200 + n, "owner-missing", "expired") for n in range(20)),
        *(one(300 + n, "expiry-missing?") for n in range(3)),
        *(one(400 + n, "ticket-missing", expiry="no-expiry") for n in range(4)),
        one(500, "expiry-missing", "ticket-missing", expiry="no-expiry", owner=" jo "),
    ]
    notice = adopted("20261121", found, AT)
    assert notice.id == "service-adopted-20261121"
    assert (notice.kind, notice.severity, notice.exemption) == (Kind.ADOPTED, "high", {})
    assert notice.digest == {
        "total": 108,
        "verdicts": {"violation": 55, "compliant": 50, "unknown": 3},
        "severities": {"low": 30, "medium": 20, "high": 8},
        "rules": {"expired": 50, "owner-missing": 20, "ticket-missing": 5, "expiry-missing": 4},
        "expiry": {"active": 73, "expired": 30, "no-expiry": 5},
    }
    names = [str(shown["evidence"]["exemption"]).rsplit("/", 1)[-1] for shown in notice.findings]
    assert names == ["e500", "e400", "e401", "e402", "e403", "e300", "e301", "e302", "e200", "e201"]
    worst, uncertain = notice.findings[0], notice.findings[5]
    assert (worst["rule"], worst["status"]) == ("expiry-missing", "violation")
    assert worst["text"] == "no expiry; also ticket-missing; owner jo"
    assert worst["remediation"] == all_rules()["expiry-missing"].remediation
    assert (uncertain["code"], uncertain["status"]) == (CODES["expiry-missing"], "unknown")
    assert notice.done.startswith("108 exemptions adopted, 55 of them against the rules.")
    assert "exg register list --adopted" in notice.next
    assert "--format csv" in notice.next
    assert adopted("20261121", reversed(found), AT) == notice, "whatever the order"


def test_a_severity_that_the_ruleset_gives_counts() -> None:
    notice = adopted("k", [one(1, "expired"), one(2, "ticket-missing")], AT, {CODES["ticket-missing"]: Severity.INFO})
    assert notice.severity == "low"
    assert [shown["severity"] for shown in notice.findings] == ["low", "info"]


def test_where_nothing_is_wrong_it_is_no_more_than_information() -> None:
    for notice, total in ((adopted("k", [], AT), 0), (adopted("k", [one(1)], AT), 1)):
        assert (notice.severity, notice.findings, notice.digest["total"]) == ("info", (), total)
        assert problems(Kind.ADOPTED, as_sent(notice)) == []


def _tenant(number: int) -> Iterator[Adopted]:
    rules = tuple(CODES)
    for n in range(number):
        yield one(n, *rules[: n % len(rules)], group="g" * 90, owner="x" * 500, expiry="no-expiry")


def test_of_a_large_tenant_little_is_kept() -> None:
    adoption = Adoption()
    tracemalloc.start()
    for each in _tenant(20_000):
        adoption.add(each)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    notice = adoption.notice("k", AT)
    assert peak < 5_000_000, "all of them take 20 MB and more; the interpreter keeps some freed tuples for later"
    assert notice.digest["total"] == 20_000
    assert len(notice.findings) == 10
    fits(notice)


def fits(notice: Notice) -> None:
    """Check a notice against every channel, and the queue that it waits on."""
    assert len(teams.message(notice)) <= teams.MAX_BYTES
    assert len(slack.message(notice)) <= slack.MAX_BYTES
    assert len(webhook.body(notice)) <= webhook.MAX_BYTES
    body = json.dumps({"route": "r" * 40, "notice": notice.to_json(), "attempt": 0}, ensure_ascii=False)
    assert len(body.encode("utf-8", "backslashreplace")) < QUEUE
    assert problems(notice.kind, as_sent(notice)) == []
    assert problems(notice.kind, as_received(notice)) == []


@pytest.mark.parametrize("text", [*HOSTILE, "\U0001f469" * 5_000], ids=range(len(HOSTILE) + 1))
def test_hostile_owners_and_long_ids_fit_every_channel(text: str) -> None:
    scope = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{'\U0001f469' * 90}/providers/M.X" + "/t/n" * 60
    each = ExemptionId.parse(f"{scope}/providers/Microsoft.Authorization/policyExemptions/{'\U0001f469' * 300}")
    found = [Adopted(each, tuple(CODES.values()), "violation", "no-expiry", text)] * 12
    fits(adopted("k" * 100, found, AT))


def test_it_is_shown_at_once_with_the_names_and_what_to_run() -> None:
    notice = adopted("k", [one(n, "expiry-missing") for n in range(5_000)], AT)
    assert Kind.ADOPTED in URGENT
    for said in (teams.message(notice).decode(), slack.message(notice).decode()):
        counted = ("violation: 5,000", "expiry-missing: 5,000")
        for part in (*counted, "e1000 (resource group g)", "register list --adopted"):
            assert part in said
        assert said.count("resource group g") == 10
    assert json.loads(webhook.body(notice))["data"]["digest"]["total"] == 5_000


def test_a_sweep_that_did_not_see_all_notifies_once_a_day() -> None:
    first = partial(["b is not there", "a cannot be read"], at=AT)
    assert first.id == partial(["a cannot be read", "b is not there"], at=AT.replace(hour=23)).id
    assert first.why == ("a cannot be read", "b is not there")
    others = {partial(["a cannot be read"], at=AT).id, partial(first.why, at=AT.replace(day=22)).id, first.id}
    assert len(others) == 3
    assert (first.kind, first.severity) == (Kind.SWEEP_PARTIAL, "high")
    many = partial([f"subscription {n:03} cannot be read" for n in range(500)], at=AT, severity=Severity.MEDIUM)
    assert many.severity == "medium"
    assert (len(many.why), many.why[-1]) == (20, "and 481 more")
    fits(many)
