"""The ladder of decisions, as a table: exclusion, ownership, adoption, what Azure forbids, grace, mode."""

from datetime import timedelta
from typing import Any

import pytest

from guardrails.decisions.decide import UNKNOWN_RETRY, UNKNOWN_RETRY_MAX, Delete, PutBack, Tag, decide, retry_at
from guardrails.decisions.row import Status
from guardrails.exemption.model import Exemption
from guardrails.notices.notice import Kind
from guardrails.rules.base import Case
from guardrails.rules.sample import BODY, body_of
from guardrails.ruleset.model import Mode
from tests.decisions.situations import CONTENT, NOW, exemption, finding, row, ruleset, situation

REVERT, TAG, ALERT, UNKNOWN = finding(), finding("EXG201", "tag"), finding("EXG202", "alert"), finding(unknown=True)
EXCLUDED = ruleset(exclusions=[{"scope": "/subscriptions/*", "reason": "emergency"}])
OVER = ruleset(exclusions=[{"scope": "/subscriptions/*", "reason": "emergency", "expires": "2026-11-21"}])
OWNED = ruleset(owners=[{"name": "EPAC", "authors": ["ALICE@contoso.com"]}])
OWNED_TAGGED = ruleset(owners=[{"name": "EPAC", "authors": ["alice@contoso.com"]}], tagging={"protected": True})
MARKED = exemption({"guardrails": {"status": "violation", "codes": ["EXG201"], "since": "2026-01-01T00:00:00Z"}})
PAST = {"compliant": 3, "compliant_content": "other", "compliant_at": NOW}

LADDER: list[tuple[str, tuple[Any, ...], dict[str, Any], Status, str, Kind | None]] = [
    ("all is well", (), {}, Status.COMPLIANT, "none", None),
    ("revert", (REVERT,), {}, Status.VIOLATION, "delete", Kind.REVERTED),
    ("revert an edit", (REVERT,), {"row": row(**PAST)}, Status.VIOLATION, "put-back", Kind.REVERTED),
    ("nothing good to go back to", (REVERT,), {"row": row(**PAST), "may_put_back": False}, Status.VIOLATION, "delete",
     Kind.REVERTED),
    ("what was good is now bad", (REVERT,), {"row": row(**{**PAST, "compliant_content": CONTENT})}, Status.VIOLATION,
     "delete", Kind.REVERTED),
    ("back to the tolerated", (REVERT,), {"row": row(tolerated=2, tolerated_content="other")}, Status.VIOLATION,
     "put-back", Kind.REVERTED),
    ("the strongest wins", (ALERT, TAG, REVERT), {}, Status.VIOLATION, "delete", Kind.REVERTED),
    ("tag", (ALERT, TAG), {}, Status.VIOLATION, "tag", Kind.TAGGED),
    ("alert", (ALERT,), {}, Status.VIOLATION, "alert", Kind.VIOLATION),
    ("unknown", (UNKNOWN,), {}, Status.UNKNOWN, "none", Kind.UNKNOWN),
    ("unknown beside an alert", (ALERT, UNKNOWN), {}, Status.VIOLATION, "alert", Kind.VIOLATION),
    ("excluded", (REVERT, TAG), {"ruleset": EXCLUDED}, Status.EXCLUDED, "none", None),
    ("excluded and owned", (REVERT,), {"ruleset": EXCLUDED, "row": row(kept=CONTENT)}, Status.EXCLUDED, "none", None),
    ("the exclusion is over", (REVERT,), {"ruleset": OVER}, Status.VIOLATION, "delete", Kind.REVERTED),
    ("owned", (REVERT, TAG), {"ruleset": OWNED}, Status.VIOLATION, "alert", Kind.VIOLATION),
    ("owned, and asked to tag", (REVERT,), {"ruleset": OWNED_TAGGED}, Status.VIOLATION, "tag", Kind.TAGGED),
    ("owned and blocked", (REVERT,), {"ruleset": OWNED, "blocked": "a lock"}, Status.VIOLATION, "alert",
     Kind.VIOLATION),
    ("kept", (REVERT,), {"row": row(kept=CONTENT, kept_why="adopted")}, Status.VIOLATION, "tag", Kind.TAGGED),
    ("kept, then edited", (REVERT,), {"row": row(kept="other", kept_why="adopted")}, Status.VIOLATION, "delete",
     Kind.REVERTED),
    ("blocked", (REVERT,), {"blocked": "a lock"}, Status.CANNOT_ACT, "none", None),
    ("blocked, only to be tagged", (TAG,), {"blocked": "a lock"}, Status.CANNOT_ACT, "none", None),
    ("blocked and fixed", (), {"blocked": "a lock", "exemption": MARKED}, Status.COMPLIANT, "none", None),
    ("within grace", (finding(days=2),), {}, Status.VIOLATION, "tag", Kind.TAGGED),
    ("grace is over", (finding(days=2),), {"row": row(findings={"EXG101": NOW - timedelta(days=2)})}, Status.VIOLATION,
     "delete", Kind.REVERTED),
    ("one grace is over", (finding(days=9), finding("EXG102")), {}, Status.VIOLATION, "delete", Kind.REVERTED),
    ("fixed and marked", (), {"exemption": MARKED}, Status.COMPLIANT, "untag", None),
    ("fixed, owned and marked", (), {"exemption": MARKED, "ruleset": OWNED}, Status.COMPLIANT, "none", None),
    ("fixed, its scope marked", (), {"row": row(scope_tagged=True)}, Status.COMPLIANT, "untag", None),
    ("no place for a tag", (TAG,), {"ruleset": ruleset(tagging={"exemption": False})}, Status.VIOLATION, "alert",
     Kind.VIOLATION),
]  # fmt: skip


@pytest.mark.parametrize(
    ("findings", "at", "status", "answer", "notice"), [one[1:] for one in LADDER], ids=[one[0] for one in LADDER]
)
def test_the_ladder(
    findings: tuple[Any, ...], at: dict[str, Any], status: Status, answer: str, notice: Kind | None
) -> None:
    plan = decide(situation(*findings, **{**at, "mode": Mode.ENFORCE}))
    assert (plan.status, plan.answer, plan.notice) == (status, answer, notice)
    assert (plan.action is None) is (answer in ("none", "alert"))
    assert plan.withheld is None
    assert plan.reasons
    assert all(isinstance(reason, str) and reason for reason in plan.reasons)


@pytest.mark.parametrize(("findings", "at"), [one[1:3] for one in LADDER], ids=[one[0] for one in LADDER])
def test_in_audit_mode_everything_is_decided_alike_and_nothing_is_done(
    findings: tuple[Any, ...], at: dict[str, Any]
) -> None:
    enforced = decide(situation(*findings, **{**at, "mode": Mode.ENFORCE}))
    plan = decide(situation(*findings, **{**at, "mode": Mode.AUDIT}))
    assert plan.action is None
    assert not plan.reverts
    assert (plan.status, plan.answer, plan.due, plan.withheld) == (
        enforced.status, enforced.answer, enforced.due, enforced.action,
    )  # fmt: skip
    said = {Kind.REVERTED: Kind.WOULD_REVERT, Kind.TAGGED: Kind.VIOLATION}
    assert plan.notice == (said.get(enforced.notice, enforced.notice) if enforced.notice else None)


def test_which_body_is_put_back() -> None:
    both = row(**PAST, tolerated=7, tolerated_content="another")
    assert decide(situation(REVERT, row=both, mode=Mode.ENFORCE)).action == PutBack(3)
    assert decide(situation(REVERT, row=row(tolerated=7, tolerated_content="x"), mode=Mode.ENFORCE)).action == PutBack(
        7
    )
    assert (
        decide(situation(REVERT, row=row(tolerated=7, tolerated_content=CONTENT), mode=Mode.ENFORCE)).action == Delete()
    )


def test_the_end_of_grace_is_counted_from_when_the_finding_was_first_seen() -> None:
    seen = {"EXG101": NOW - timedelta(days=1), "EXG102": NOW - timedelta(days=3)}
    plan = decide(situation(finding(days=2), finding("EXG102", days=7), row=row(findings=seen), mode=Mode.ENFORCE))
    assert plan.due == NOW + timedelta(days=1)
    assert any("not reverted before 2026-11-22 12:00 UTC" in reason for reason in plan.reasons)


@pytest.mark.parametrize(("ago", "answer"), [(-1, "tag"), (0, "delete"), (1, "delete")])
def test_grace_ends_on_the_second(ago: int, answer: str) -> None:
    seen = {"EXG101": NOW - timedelta(days=2, seconds=ago)}
    assert decide(situation(finding(days=2), row=row(findings=seen), mode=Mode.ENFORCE)).answer == answer


def test_an_unknown_finding_does_not_start_the_grace_of_a_violation() -> None:
    seen = {"EXG101?": NOW - timedelta(days=9)}
    assert decide(situation(finding(days=2), row=row(findings=seen), mode=Mode.ENFORCE)).answer == "tag"


def test_what_is_kept_or_owned_has_no_grace_to_wait_for() -> None:
    assert decide(situation(finding(days=2), row=row(kept=CONTENT), mode=Mode.ENFORCE)).due is None
    assert decide(situation(finding(days=2), ruleset=OWNED, mode=Mode.ENFORCE)).due is None


def test_an_unknown_with_a_grace_is_looked_at_when_the_first_of_both_is_due() -> None:
    minutes, days = finding(days=1 / 1440), finding(days=2)
    unknown = finding("EXG999", unknown=True)
    assert decide(situation(minutes, unknown, mode=Mode.ENFORCE)).due == NOW + timedelta(minutes=1)
    assert decide(situation(days, unknown, mode=Mode.ENFORCE)).due == NOW + UNKNOWN_RETRY


def test_retries_come_ever_later_up_to_a_limit() -> None:
    waits = []
    for attempts in range(12):
        known = row(status=Status.UNKNOWN, attempts=attempts, due=NOW)
        waits.append(retry_at(known, CONTENT, NOW) - NOW)
    assert waits[:4] == [UNKNOWN_RETRY, 2 * UNKNOWN_RETRY, 4 * UNKNOWN_RETRY, 8 * UNKNOWN_RETRY]
    assert waits == sorted(waits)
    assert waits[-1] == UNKNOWN_RETRY_MAX
    assert retry_at(row(status=Status.UNKNOWN, attempts=10**6, due=NOW), CONTENT, NOW) - NOW == UNKNOWN_RETRY_MAX


def test_a_retry_that_is_due_later_is_not_moved_by_asking_early() -> None:
    due = NOW + timedelta(minutes=7)
    known = row(status=Status.UNKNOWN, attempts=3, due=due)
    assert retry_at(known, CONTENT, NOW) == due
    assert retry_at(known, "edited", NOW) == NOW + 8 * UNKNOWN_RETRY
    assert retry_at(row(due=due), CONTENT, NOW) == NOW + UNKNOWN_RETRY
    assert retry_at(None, CONTENT, NOW) == NOW + UNKNOWN_RETRY


def test_a_retry_does_not_wait_for_what_else_is_due_later() -> None:
    known = row(status=Status.CANNOT_ACT, findings={"EXG302?": NOW}, due=NOW + timedelta(days=7))
    assert retry_at(known, CONTENT, NOW) == NOW + UNKNOWN_RETRY


def test_the_marker_names_the_codes_and_keeps_its_date() -> None:
    plan = decide(situation(TAG, finding("EXG101", "tag"), exemption=MARKED, mode=Mode.ENFORCE))
    assert isinstance(plan.action, Tag)
    assert plan.action.marker == {
        "status": "violation", "codes": ["EXG101", "EXG201"], "since": "2026-01-01T00:00:00Z",
    }  # fmt: skip
    fresh = decide(situation(TAG, mode=Mode.ENFORCE)).action
    assert isinstance(fresh, Tag)
    assert fresh.marker is not None
    assert fresh.marker["since"] == "2026-11-21T12:00:00Z"


def test_a_marker_that_is_there_is_not_written_again() -> None:
    plan = decide(situation(TAG, exemption=MARKED, mode=Mode.ENFORCE))
    assert (plan.answer, plan.action) == ("tag", None)


@pytest.mark.parametrize(
    "marker", [{"status": 7}, {"codes": "EXG201"}, {"since": []}, {"status": "violation", "codes": [None]}]
)
def test_a_marker_that_somebody_damaged_is_written_anew(marker: Any) -> None:
    plan = decide(situation(TAG, exemption=exemption({"guardrails": marker}), mode=Mode.ENFORCE))
    assert isinstance(plan.action, Tag)
    assert plan.action.marker is not None
    assert plan.action.marker["since"] == "2026-11-21T12:00:00Z"


@pytest.mark.parametrize("used", ["text", [], 7, False])
def test_a_key_that_somebody_uses_for_something_else_takes_no_marker(used: Any) -> None:
    plan = decide(situation(TAG, exemption=exemption({"guardrails": used}), mode=Mode.ENFORCE))
    assert (plan.answer, plan.action) == ("alert", None)
    assert "another value" in plan.reasons[-1]


def test_a_management_group_gets_no_tag_on_its_scope() -> None:
    above = "/providers/Microsoft.Management/managementGroups/corp/providers/Microsoft.Authorization/policyExemptions/x"
    body = body_of(Case("", id=above))
    tagging = ruleset(tagging={"scope": True})
    plan = decide(situation(TAG, exemption=Exemption.from_arm(body), ruleset=tagging, mode=Mode.ENFORCE))
    assert isinstance(plan.action, Tag)
    assert (plan.action.on_exemption, plan.action.on_scope) == (True, False)
    below = decide(situation(TAG, ruleset=tagging, mode=Mode.ENFORCE)).action
    assert isinstance(below, Tag)
    assert below.on_scope


def test_a_plan_prints_as_json() -> None:
    plan = decide(situation(REVERT, mode=Mode.AUDIT))
    assert plan.to_json() == {
        "status": "violation",
        "answer": "delete",
        "acts": False,
        "reasons": list(plan.reasons),
        "due": None,
    }
    assert str(BODY["id"]) not in str(plan.to_json())
