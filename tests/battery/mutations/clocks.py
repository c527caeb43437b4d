"""The time to correct an exemption, and the end that it was accepted with: the fixes, each taken away."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

from guardrails.decisions.baseline import Baseline, Dates
from guardrails.decisions.decide import Situation
from guardrails.decisions.grace import Broken, GraceUse
from guardrails.decisions.row import Row, Status
from guardrails.exemption.facts import Before, Facts, Unread
from guardrails.exemption.model import Exemption
from guardrails.ruleset.bound_rules import Response
from tests.battery.mutations.base import Mutation, around, instead, mutation

_TESTS: Final = "tests/reconcile/test_clocks.py::"
_BEFORE: Final = "tests/reconcile/test_rows_of_before.py::"


def _each_by_itself(_: Any, use: GraceUse, broken: Broken, author: str, now: datetime) -> Mapping[str, datetime]:
    del use, author
    return {code: broken.seen.get(code, now) + grace for code, grace in broken.graces.items()}


def _lasting_alone(old: Any, *args: Any, **more: Any) -> GraceUse:
    return tuple(one for one in old(*args, **more) if one.end is None)


def _unknown_is_in_order(
    old: Any, use: GraceUse, broken: Broken, author: str, now: datetime, *, running: Any, edited: datetime | None
) -> GraceUse:
    if not broken.graces and broken.unclear:
        return ()
    found: GraceUse = old(use, broken._replace(unclear=()), author, now, running=running, edited=edited)
    return found


def _unknown_counts(old: Any, at: Situation) -> Broken:
    found: Broken = old(at)
    known = at.row.findings if at.row else {}
    return found._replace(seen={code: known.get(f"{code}?", seen) for code, seen in found.seen.items()})


def _anew_from_another_assignment(old: Any, row: Row | None, exemption: Exemption, *args: Any) -> Row | None:
    found: Row | None = old(row, exemption, *args)
    moved = row and row.assignment and row.assignment.lower() != exemption.assignment_id.lower()
    return replace(found, grace=(), findings={}, paused={}) if found and moved else found


def _anew_after_exclusion(old: Any, at: Situation, plan: Any, *args: Any, **more: Any) -> Any:
    row, body = old(at, plan, *args, **more)
    return (replace(row, grace=(), findings={}, paused={}) if row.status is Status.EXCLUDED else row), body


def _own_alone(use: GraceUse, author: str) -> GraceUse:
    """Return grace use without a period that lasts and is not this author's."""
    return tuple(one for one in use if one.end is not None or one.is_by({author.lower()}))


def _over_of_own(old: Any, use: GraceUse, broken: Broken, author: str, now: datetime) -> Mapping[str, datetime]:
    own = _own_alone(use, author)
    seen = broken.seen if own == use else dict.fromkeys(broken.seen, now)
    found: Mapping[str, datetime] = old(own, broken._replace(seen=seen), author, now)
    return found


def _after_of_own(old: Any, use: GraceUse, broken: Broken, author: str, now: datetime, **more: Any) -> GraceUse:
    found: GraceUse = old(_own_alone(use, author), broken, author, now, **more)
    return found


def _allowed_and_counts(old: Any, at: Situation) -> Broken:
    graces = {one.code: one.grace for one in at.assessment.violations if one.response is Response.REVERT}
    found: Broken = old(at)
    return found._replace(graces=graces)


def _step_by_step(
    old: Any, base: Baseline, end: datetime | None, ticket: str, now: datetime, *, near: bool
) -> Baseline:
    del near
    found: Baseline = old(base, end, ticket, now, near=False)
    return found


def _last_ticket_alone(_: Any, tickets: Sequence[str], ticket: str) -> tuple[str, ...]:
    del tickets, ticket
    return ()


def _forgotten_when_gone(old: Any, row: Row, *args: Any, moved: bool, gone: bool) -> dict[str, Any]:
    found: dict[str, Any] = old(row, *args, moved=moved, gone=gone)
    return found if moved else {"baseline": None}


def _compliant_alone(old: Any, row: Row) -> tuple[Before | None, Before | None]:
    return old(row)[0], None


def _assigned(old: Any, at: Situation, facts: Facts, base: Row) -> Baseline:
    """As if something were assigned, whether or not it is."""
    found: Baseline = old(at, replace(facts, assignment=Unread("")), base)
    return found


def _newest(_: Any, dates: Dates, most: int) -> Dates:
    return dates[-most:]


def _not_unknown(row: Row) -> Mapping[str, datetime]:
    return {key: seen for key, seen in row.findings.items() if not key.endswith("?")}


def _start_now(_: Any, use: GraceUse, __: Broken, now: datetime) -> datetime:
    lasting = use[-1] if use and use[-1].end is None else None
    return lasting.start if lasting else now


MUTATIONS: Final[tuple[Mutation, ...]] = (
    mutation(
        "grace-of-each-rule",
        "The grace that an author uses is never more than the longest of the rules that he broke.",
        _TESTS + "test_alternating_between_two_rules",
        around("guardrails.decisions.decide.over", _each_by_itself),
    ),
    mutation(
        "grace-anew-once-fixed",
        "What was used of the grace counts for 30 days, even if the exemption was compliant in between.",
        _TESTS + "test_fixed_for_a_moment",
        around("guardrails.decisions.next_row.after", _lasting_alone),
    ),
    mutation(
        "grace-anew-after-unknown",
        "A time in which a rule is Unknown does not end a period of grace.",
        _TESTS + "test_an_assignment_that_cannot_be_read",
        around("guardrails.decisions.next_row.after", _unknown_is_in_order),
        instead("guardrails.decisions.row.Row.running", property(_not_unknown)),
    ),
    mutation(
        "grace-runs-while-unknown",
        "A time in which a rule is Unknown does not begin a period of grace.",
        "tests/decisions/test_grace.py::test_unknown_begins_no_period",
        around("guardrails.decisions.decide.broken_at", _unknown_counts),
        around("guardrails.decisions.next_row.broken_at", _unknown_counts),
    ),
    mutation(
        "grace-anew-after-a-delete",
        "A delete, ours or anybody's, gives back no grace.",
        _TESTS + "test_deleted_and_made_again",
        around("guardrails.decisions.next_row.closed", lambda *_: ()),
    ),
    mutation(
        "grace-anew-under-another-name",
        "Exemptions of one control at one scope share what an author used of their grace.",
        _TESTS + "test_another_name",
        around("guardrails.reconcile.visit.begins", lambda *_: False),
    ),
    mutation(
        "grace-anew-from-another-assignment",
        "An exemption that goes over to another assignment has no grace anew.",
        _TESTS + "test_another_assignment_and_back",
        around("guardrails.reconcile.visit.row_of_same", _anew_from_another_assignment),
    ),
    mutation(
        "grace-anew-after-an-exclusion",
        "The grace runs on while an exemption is excluded.",
        _TESTS + "test_an_exclusion_or_an_owner_that_comes_and_goes",
        around("guardrails.reconcile.visit.row_after", _anew_after_exclusion),
    ),
    mutation(
        "grace-anew-by-another-author",
        "A second author who edits what is broken wins no time.",
        "tests/decisions/test_grace.py::test_a_second_author_who_edits_what_is_broken_wins_no_time",
        around("guardrails.decisions.decide.over", _over_of_own),
        around("guardrails.decisions.next_row.after", _after_of_own),
    ),
    mutation(
        "grace-used-by-what-is-allowed",
        "What is allowed, adopted or restored, uses up no grace.",
        _TESTS + "test_what_is_allowed_uses_up_nothing",
        around("guardrails.decisions.decide.broken_at", _allowed_and_counts),
        around("guardrails.decisions.next_row.broken_at", _allowed_and_counts),
    ),
    mutation(
        "end-in-small-steps",
        "An end that is extended in small steps is compared with the end that was accepted.",
        "tests/reconcile/test_ends.py::test_a_day_with_each_edit_adds_up",
        around("guardrails.decisions.baseline.Baseline.follow", _step_by_step),
    ),
    mutation(
        "ticket-named-before",
        "A ticket that was named before renews nothing.",
        "tests/reconcile/test_ends.py::test_a_new_ticket_renews_it_and_an_old_one_does_not",
        around("guardrails.decisions.baseline._with_ticket", _last_ticket_alone),
    ),
    mutation(
        "end-forgotten-by-a-delete",
        "The end that an exemption was accepted with is remembered for 30 days after a delete.",
        "tests/reconcile/test_ends.py::test_deleted_and_made_again_it_is_compared_with_what_it_was",
        around("guardrails.decisions.next_row._past", _forgotten_when_gone),
    ),
    mutation(
        "end-forgotten-by-another-assignment",
        "The end that an exemption was accepted with is remembered over another assignment and back.",
        "tests/reconcile/test_ends.py::test_by_another_assignment",
        around("guardrails.decisions.next_row.come_back", lambda *_: (None, ())),
    ),
    mutation(
        "end-never-approved",
        "The end of an exemption that never was compliant is compared, too.",
        "tests/reconcile/test_ends.py::test_what_never_was_compliant_is_compared_too",
        around("guardrails.decisions.facts._accepted", _compliant_alone),
    ),
    mutation(
        "end-accepted-while-unknown",
        "No end is accepted while a rule that asks for a revert is Unknown.",
        "tests/reconcile/test_ends.py::test_nor_of_what_belonged_to_a_protected_owner_when_the_rule_was_unknown",
        around("guardrails.decisions.next_row.is_unclear", lambda *_: False),
    ),
    mutation(
        "end-accepted-without-assignment",
        "No first end and no earlier one is accepted while the assignment is gone.",
        "tests/reconcile/test_ends.py::test_no_first_end_is_accepted_while_the_assignment_is_gone",
        around("guardrails.decisions.next_row._baseline", _assigned),
    ),
    mutation(
        "ends-pushed-out",
        "The first and the earliest end stay in the register, however many follow.",
        "tests/reconcile/test_ends.py::test_its_first_and_its_earliest_end_are_not_pushed_out_of_the_register",
        around("guardrails.decisions.next_row.cut", _newest),
    ),
    mutation(
        "grace-of-rows-of-before",
        "A row of before there were grace uses goes on from when its violation was first seen.",
        _BEFORE + "test_time_that_was_used_before_counts_as_its_authors_grace_use",
        instead("guardrails.decisions.row.Row.grace_use", property(lambda row: row.grace)),
        around("guardrails.decisions.grace._start", _start_now),
    ),
    mutation(
        "end-of-rows-of-before",
        "The end that a row of before names as accepted is the one that later ones are compared with.",
        _BEFORE + "test_its_end_is_compared_with_what_it_was",
        around("guardrails.decisions.facts.baseline_of", lambda _, row: row.baseline),
        around("guardrails.decisions.next_row.baseline_of", lambda _, row: row.baseline),
    ),
)
