"""What is recorded: the same exemption or a new one under its name, whose write it was, what is news."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from guardrails.decisions.assess import Assessment
from guardrails.decisions.decide import decide
from guardrails.decisions.facts import facts_of, is_own_write
from guardrails.decisions.next_row import entry_for, is_news, row_after, row_gone, row_of_same, tolerates
from guardrails.decisions.row import Row, Status, Stored
from guardrails.exemption.body import fingerprint, with_marker
from guardrails.exemption.facts import Author, Facts, Gone, Unread
from guardrails.exemption.hint import Hint
from guardrails.exemption.model import Exemption
from guardrails.rules.base import Case
from guardrails.rules.sample import ASSIGNMENT, BODY, FACTS, body_of
from guardrails.ruleset.model import Mode
from tests.decisions.situations import CONTENT, NOW, exemption, finding, row, ruleset, situation

PAST: dict[str, Any] = {
    "compliant": 3, "compliant_content": "former", "compliant_at": NOW, "compliant_ticket": "SEC-1",
    "assignment": ASSIGNMENT,
}  # fmt: skip


def test_the_same_exemption_keeps_its_past() -> None:
    known = row(**PAST)
    assert row_of_same(known, exemption(), CONTENT) is known
    assert row_of_same(None, exemption(), CONTENT) is None
    assert row_of_same(replace(known, assignment=ASSIGNMENT.upper().strip("/")), exemption(), CONTENT) is not None


@pytest.mark.parametrize(
    "known",
    [
        row(**{**PAST, "content": "", "status": Status.GONE}),
        row(**{**PAST, "content": "", "status": Status.UNKNOWN}),
        row(**{**PAST, "assignment": "/elsewhere"}),
    ],
    ids=["gone", "gone and then unreadable", "another assignment"],
)
def test_a_new_one_with_an_old_name_has_none(known: Row) -> None:
    seen = row_of_same(known, exemption(), CONTENT)
    assert seen is not None
    assert (seen.compliant, seen.compliant_content, seen.tolerated, seen.findings) == (None, "", None, {})
    again = row_of_same(replace(known, compliant_content=CONTENT), exemption(), CONTENT)
    assert again is not None
    assert again.compliant == 3


def test_our_own_write_is_seen_through() -> None:
    written = exemption()
    known = row(own_write_at=written.modified_at, author="alice@contoso.com", author_kind="User", written_at=NOW)
    assert is_own_write(written, known)
    facts = facts_of(written, known, ruleset(), NOW, Gone())
    assert facts.author == Author("alice@contoso.com", "User")
    assert facts.written_at == NOW
    later = replace(known, own_write_at=NOW)
    assert not is_own_write(written, later)
    assert facts_of(written, later, ruleset(), NOW, Gone()).author == FACTS.author


def test_a_body_without_system_data_has_no_author() -> None:
    body = {key: value for key, value in BODY.items() if key != "systemData"}
    facts = facts_of(Exemption.from_arm(body), None, ruleset(), NOW, Gone())
    assert isinstance(facts.author, Unread)
    assert facts.written_at is None


def test_a_clock_of_azure_that_is_ahead_does_not_make_the_row_wander() -> None:
    ahead = (NOW + timedelta(seconds=3)).isoformat()
    written = Exemption.from_arm(body_of(Case("", system={"lastModifiedAt": ahead})))
    rows = []
    known: Stored | None = None
    for seconds in (0, 1, 60):
        now = NOW + timedelta(seconds=seconds)
        facts = facts_of(written, known.row if known else None, ruleset(), now, Gone())
        assert facts.written_at is not None
        assert facts.written_at <= now
        at = situation(exemption=written, row=known.row if known else None, now=now, mode=Mode.ENFORCE)
        made, _ = row_after(at, decide(at), facts, known)
        rows.append(made)
        known = Stored(made, 1, "h", "e")
    assert rows[0] == rows[1] == rows[2]


def test_a_body_is_kept_once() -> None:
    def body_for(known: Row | None) -> tuple[int | None, bool]:
        at = situation(finding(), row=known, mode=Mode.ENFORCE)
        made, body = row_after(at, decide(at), FACTS, Stored(known, 8, "h", "e") if known else None)
        return made.snapshot, body is not None

    assert body_for(None) == (1, True)
    assert body_for(row(content="edited before")) == (9, True)
    assert body_for(row(snapshot=5)) == (5, False)
    assert body_for(row(content="edited", compliant=3, compliant_content=CONTENT)) == (3, False)
    assert body_for(row(content="edited", tolerated=4, tolerated_content=CONTENT)) == (4, False)


def test_gone_twice_is_the_same_row() -> None:
    once = row_gone(row(scope_tagged=True, held="breaker", due=NOW, kept=CONTENT), "/x", NOW)
    assert (once.status, once.content, once.undo) == (Status.GONE, "", 1)
    assert (once.scope_tagged, once.held, once.due, once.kept) == (False, "", None, "")
    assert row_gone(once, "/x", NOW + timedelta(days=1)) == once
    assert row_gone(None, "/x", NOW).undo is None


def test_what_is_news() -> None:
    known = row(answer="alert", findings={"EXG201": NOW})
    assert is_news(None, known)
    assert is_news(replace(known, status=Status.GONE), known)
    assert not is_news(known, known)
    assert not is_news(known, replace(known, due=NOW, ruleset="new", since=NOW, attempts=4))
    for change in ({"content": "edited"}, {"answer": "tag"}, {"findings": {"EXG202": NOW}}, {"kept": CONTENT}):
        assert is_news(known, replace(known, **change)), change
    unknown = replace(known, status=Status.UNKNOWN, findings={"EXG201?": NOW})
    assert is_news(known, unknown)
    assert not is_news(unknown, replace(unknown, content="edited", findings={"EXG202?": NOW}))


def test_an_entry_leaves_out_what_is_empty() -> None:
    entry = entry_for("written", NOW, Hint("event"), None, why="", findings=[], plan={"a": 1}, number=0)
    assert entry.facts == {"hint": "event", "plan": {"a": 1}, "number": 0}


def test_what_is_tolerated() -> None:
    assert tolerates(Assessment(()))
    assert tolerates(Assessment((finding("EXG201", "tag"), finding(unknown=True))))
    assert not tolerates(Assessment((finding("EXG201", "tag"), finding())))


def test_our_marker_is_no_content_and_what_others_add_to_it_is() -> None:
    def with_metadata(metadata: dict[str, Any]) -> str:
        return fingerprint(body_of(Case("", {"metadata": metadata})))

    own = dict(BODY["properties"]["metadata"])
    marked = with_marker(own, {"status": "violation", "codes": ["EXG101"], "since": "2026-01-01T00:00:00Z"})
    assert with_metadata(own) == with_metadata(marked) == CONTENT
    assert with_metadata({**own, "guardrails": {**marked["guardrails"], "reviewer": "anna"}}) != CONTENT
    assert with_metadata({**own, "guardrails": "a text"}) != CONTENT
    assert with_metadata({**own, "Guardrails": marked["guardrails"]}) != CONTENT


def test_facts_know_the_last_compliant_state() -> None:
    facts: Facts = facts_of(exemption(), row(**PAST), ruleset(), NOW, Gone())
    assert facts.before is not None
    assert (facts.before.ticket, facts.before.seen_at) == ("SEC-1", NOW)
    assert facts_of(exemption(), row(), ruleset(), NOW, Gone()).before is None
