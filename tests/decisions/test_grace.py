"""Use of grace: however somebody writes an exemption, the time to fix it is given once. In virtual time."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from guardrails.decisions.assess import Assessment
from guardrails.decisions.decide import Plan, Situation, decide
from guardrails.decisions.grace import TOGGLES, WINDOW, Broken, Period, after, over, used_since
from guardrails.decisions.next_row import row_after, row_gone, row_of_same
from guardrails.decisions.row import Row, Status, Stored
from guardrails.exemption.facts import Author
from guardrails.rules.sample import BODY, FACTS
from guardrails.ruleset.model import Mode
from tests.decisions.situations import NOW, exemption, finding, ruleset

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
MALLORY, BOB = "mallory@contoso.com", "bob@contoso.com"
GRACES: Mapping[str, timedelta] = {"EXG101": 12 * HOUR, "EXG102": 2 * DAY, "EXG103": 5 * DAY}
RULES = ruleset()
HERE = exemption()
THERE = exemption(policyAssignmentId="/subscriptions/x/providers/Microsoft.Authorization/policyAssignments/elsewhere")


@dataclass
class Life:
    """One exemption, written by people and looked at by the guardrails at once, and whenever something is due.

    `spent`: the times in which it broke rules, was there, and the guardrails knew it: pairs of from and to.
    """

    graces: Mapping[str, timedelta] = field(default_factory=lambda: dict(GRACES))
    now: datetime = NOW
    row: Row | None = None
    broken: tuple[str, ...] = ()
    author: str = MALLORY
    unknown: tuple[str, ...] = ()
    written: datetime = NOW
    there: bool = False
    elsewhere: bool = False
    content: str = ""
    version: int = 0
    reverts: list[datetime] = field(default_factory=list)
    reasons: tuple[str, ...] = ()
    spent: list[tuple[datetime, datetime]] = field(default_factory=list)

    def write(self, *broken: str, by: str = MALLORY) -> bool:
        """Somebody writes it, breaking these rules; return whether it was reverted."""
        self.broken, self.author, self.there, self.written = broken, by, True, self.now
        self.version += 1
        self.content = f"{self.version} {broken}"
        return self.look()

    def delete(self) -> None:
        self.there = False
        self.look()

    def known(self, *unknown: str) -> bool:
        """From now on these rules are unknown, and no others."""
        self.unknown = unknown
        return self.look()

    def wait(self, time: timedelta) -> bool:
        """Let time pass, with a look whenever one is due; return whether it was reverted meanwhile."""
        end, before = self.now + time, len(self.reverts)
        while self.there and self.row and self.row.due and self.row.due <= end:
            self._pass(max(self.row.due, self.now + timedelta(seconds=1)))
            self.look()
        self._pass(max(end, self.now))
        return len(self.reverts) > before

    def look(self) -> bool:
        before = self.row
        if not self.there:
            self.row = row_gone(self.row, str(BODY["id"]), self.now) if self.row else None
            return False
        plan = self._judge()
        if not plan.reverts:
            again = self.row
            self._judge()
            assert self.row == again, "to look twice changes nothing"
            return False
        self.reverts.append(self.now)
        self.reasons = plan.reasons
        if plan.answer == "delete":
            self.there, self.row = False, row_gone(self.row, str(BODY["id"]), self.now)
        else:
            assert before is not None
            self.broken, self.author, self.content = (), before.author, f"good before {self.version}"
            self.written = NOW - DAY
            self._judge()
        return True

    def reasons_now(self) -> tuple[str, ...]:
        """Return why it would be answered as it is."""
        return self._judge().reasons

    def used(self, since: datetime) -> timedelta:
        """Return for how long it broke rules in the 30 days from `since` on."""
        return sum(
            (max(min(end, since + WINDOW) - max(start, since), timedelta()) for start, end in self.spent), timedelta()
        )

    def _judge(self) -> Plan:
        one = THERE if self.elsewhere else HERE
        same = row_of_same(self.row, one, self.content, self.now)
        found = [
            finding(code, days=self.graces[code] / DAY, unknown=code in self.unknown)
            for code in sorted({*self.broken, *self.unknown})
        ]
        at = Situation(one, Assessment(tuple(found)), same, RULES, self.content, self.author, self.now, Mode.ENFORCE)
        plan = decide(at)
        facts = replace(FACTS, now=self.now, written_at=self.written, author=Author(self.author, "User"))
        stored = Stored(self.row, 1, "h", "e") if self.row else None
        row, _ = row_after(at, plan, facts, stored)
        self.row = Row.from_json(row.to_json())
        return plan

    def _pass(self, until: datetime) -> None:
        known = self.there and set(self.broken) - set(self.unknown)
        if known and until > self.now:
            self.spent.append((self.now, until))
        self.now = until


@pytest.fixture
def life() -> Life:
    return Life()


def test_one_violation_has_its_grace_to_the_second(life: Life) -> None:
    assert not life.write("EXG101")
    assert not life.wait(12 * HOUR - timedelta(seconds=1))
    assert life.wait(timedelta(seconds=1))
    assert not any("used up" in reason for reason in life.reasons)


def test_alternating_between_two_rules_wins_no_second_grace_of_either(life: Life) -> None:
    life.write("EXG101")
    for hours in range(11, 11 * 12, 11):
        if life.wait(11 * HOUR) or life.write("EXG102" if hours % 2 else "EXG101"):
            break
    assert life.reverts == [NOW + 23 * HOUR]  # the first rule was broken for 11 hours before


def test_alternating_between_two_rules_of_one_grace_ends_with_that(life: Life) -> None:
    life.graces = {"EXG101": 2 * DAY, "EXG102": 2 * DAY}
    for number in range(20):
        if life.write(f"EXG10{1 + number % 2}") or life.wait(9 * HOUR):
            break
    assert life.reverts == [NOW + 2 * DAY]


def test_to_fix_it_for_a_moment_wins_nothing(life: Life) -> None:
    for _ in range(3):
        assert not life.write("EXG101")
        assert not life.wait(3 * HOUR)
        assert not life.write()
        life.wait(timedelta(minutes=1))
    life.write("EXG101")
    assert not life.wait(2 * HOUR)
    assert life.wait(1 * HOUR)
    assert any("used up" in reason for reason in life.reasons)
    assert life.used(NOW) == 12 * HOUR


def test_to_break_one_rule_always_gives_no_time_to_another(life: Life) -> None:
    life.write("EXG101", "EXG103")
    life.wait(11 * HOUR)
    life.write("EXG103")
    life.wait(DAY)
    life.write("EXG101", "EXG103")
    assert not life.wait(HOUR - timedelta(seconds=1))
    assert life.wait(timedelta(seconds=1))


def test_what_was_used_is_given_back_after_thirty_days(life: Life) -> None:
    life.write("EXG101")
    life.wait(10 * HOUR)
    life.write()
    life.wait(29 * DAY)
    life.write("EXG101")
    life.wait(HOUR)
    life.write()
    life.wait(2 * DAY)
    life.write("EXG101")
    assert not life.wait(11 * HOUR - timedelta(seconds=1))
    assert life.wait(timedelta(seconds=1))


def test_when_it_is_due_knows_what_will_be_given_back(life: Life) -> None:
    life.write("EXG103")
    life.wait(4 * DAY)
    life.write()
    life.wait(29 * DAY + 12 * HOUR)
    life.write("EXG103")
    assert life.row is not None
    assert life.row.due == life.now + 5 * DAY  # the 4 days are forgotten before the one that is left is over
    assert life.wait(5 * DAY)


def test_after_a_revert_the_same_author_has_no_grace_left(life: Life) -> None:
    life.write()
    life.write("EXG101")
    assert life.wait(12 * HOUR)
    assert (life.there, life.broken) == (True, ())
    assert life.write("EXG101")
    assert life.write("EXG101")
    assert life.used(NOW) == 12 * HOUR


def test_somebody_else_has_a_grace_of_his_own_and_no_more_than_that(life: Life) -> None:
    life.write("EXG101")
    life.wait(11 * HOUR)
    life.write()
    life.write("EXG101", by=BOB)
    assert not life.wait(11 * HOUR)
    life.write(by=BOB)
    for name in (MALLORY, BOB):
        life.write("EXG101", by=name)
        assert life.wait(HOUR)


def test_a_second_author_who_edits_what_is_broken_wins_no_time(life: Life) -> None:
    life.write("EXG101")
    life.wait(11 * HOUR)
    life.write("EXG101", by=BOB)
    assert life.wait(HOUR)


def test_unknown_ends_no_period_and_is_no_reason_to_revert(life: Life) -> None:
    life.write("EXG101")
    life.wait(6 * HOUR)
    life.known("EXG101")
    assert life.row is not None
    assert life.row.status is Status.UNKNOWN
    assert not life.wait(DAY)
    life.known()
    assert life.reverts == [life.now]


def test_unknown_begins_no_period(life: Life) -> None:
    life.unknown = ("EXG101",)
    life.write()
    life.wait(20 * DAY)
    life.unknown = ()
    assert not life.write("EXG101")
    assert not life.wait(12 * HOUR - timedelta(seconds=1))
    assert life.wait(timedelta(seconds=1))


def test_a_period_goes_on_through_unknown_until_it_is_seen_in_order(life: Life) -> None:
    life.write("EXG101")
    life.wait(HOUR)
    life.known("EXG101")
    life.wait(9 * HOUR)
    life.unknown = ()
    life.write()
    life.wait(HOUR)
    life.write("EXG101")
    assert not life.wait(2 * HOUR - timedelta(seconds=1))
    assert life.wait(timedelta(seconds=1))


def test_a_delete_is_no_new_beginning(life: Life) -> None:
    life.write("EXG101")
    life.wait(6 * HOUR)
    life.delete()
    life.wait(DAY)
    life.write("EXG101")
    assert not life.wait(6 * HOUR - timedelta(seconds=1))
    assert life.wait(timedelta(seconds=1))


def test_another_assignment_is_no_new_beginning(life: Life) -> None:
    life.write("EXG101", "EXG103")
    life.wait(6 * HOUR)
    life.elsewhere = True
    life.write("EXG101", "EXG103")
    assert not life.wait(6 * HOUR - timedelta(seconds=1))
    assert life.wait(timedelta(seconds=1))


def test_a_rule_that_is_switched_off_and_on_again_goes_on_where_it_was(life: Life) -> None:
    life.write("EXG101")
    life.wait(6 * HOUR)
    life.broken = ()
    life.look()
    life.wait(DAY)
    life.broken = ("EXG101",)
    life.look()
    assert not life.wait(6 * HOUR - timedelta(seconds=1))
    assert life.wait(timedelta(seconds=1))


@pytest.mark.parametrize(("grace", "due"), [(5 * HOUR, 0 * HOUR), (8 * HOUR, 2 * HOUR), (2 * DAY, 42 * HOUR)])
def test_another_grace_in_the_ruleset_counts_from_when_it_was_first_seen(
    life: Life, grace: timedelta, due: timedelta
) -> None:
    life.write("EXG101")
    life.wait(6 * HOUR)
    life.graces = {**GRACES, "EXG101": grace}
    life.look()
    life.wait(7 * DAY)
    assert life.reverts == [NOW + 6 * HOUR + due]


def test_a_grace_of_months_is_not_won_anew_by_a_moment_in_order(life: Life) -> None:
    life.graces = {"EXG101": 45 * DAY}
    life.write("EXG101")
    for _ in range(10):
        if life.wait(40 * DAY):
            break
        life.write()
        life.wait(timedelta(minutes=1))
        life.write("EXG101")
    assert life.reverts == [NOW + 45 * DAY + timedelta(minutes=1)]


def test_toggling_is_notified_once_it_is_no_accident(life: Life) -> None:
    life.graces = {"EXG101": 20 * DAY}
    for times in range(TOGGLES + 2):
        life.write("EXG101")
        assert life.row is not None
        habits = [entry for entry in life.reasons_now() if "broke it again" in entry]
        assert bool(habits) is (times > TOGGLES), times
        life.wait(HOUR)
        life.write()
        life.wait(HOUR)


def test_the_grace_use_of_an_author_who_toggles_for_ever_stays_small(life: Life) -> None:
    life.graces = {"EXG101": 20 * DAY}
    for _ in range(200):
        life.write("EXG101")
        life.wait(HOUR)
        life.write()
        life.wait(HOUR)
    assert life.row is not None
    assert len(life.row.grace) == 12
    assert len(str(life.row.to_json()["grace"])) < 2_000
    assert sum((one.length for one in life.row.grace), timedelta()) == 200 * HOUR
    life.write("EXG101")
    assert not life.wait(20 * DAY - 201 * HOUR)
    assert life.wait(HOUR)


def test_many_authors_are_together_nobody_in_particular(life: Life) -> None:
    for number in range(40):
        life.write("EXG101", by=f"user{number}@contoso.com")
        life.wait(timedelta(minutes=30))
        life.write()
        life.wait(timedelta(minutes=1))
    life.write("EXG101", by="somebody.new@contoso.com")
    assert life.reverts or life.wait(HOUR)


def test_a_row_of_before_there_were_accounts_keeps_its_clock() -> None:
    seen = {"EXG101": NOW - 10 * HOUR, "EXG102": NOW - HOUR}
    broken = Broken({"EXG101": 12 * HOUR, "EXG102": DAY}, seen)
    assert over((), broken, MALLORY, NOW) == {"EXG101": NOW + 2 * HOUR, "EXG102": NOW + 14 * HOUR}
    (period,) = after((), broken, MALLORY, NOW, running=seen, edited=None)
    assert period == Period(NOW - 10 * HOUR, None, (MALLORY,), DAY, {"EXG101": timedelta(), "EXG102": timedelta()})


def test_the_grace_use_after_a_move_is_no_more_than_that_time() -> None:
    def period(start: int, end: int | None, used: int) -> Period:
        ended = None if end is None else NOW + end * HOUR
        return Period(NOW + start * HOUR, ended, (MALLORY,), DAY, {"EXG101": used * HOUR})

    uses = (period(0, 5, 5), period(6, 10, 4), period(11, 12, 1), period(13, None, 0))
    assert used_since(uses, NOW + 8 * HOUR) == (period(8, 10, 2), *uses[2:])
    assert used_since(uses, NOW + 5 * HOUR) == uses[1:]
    assert used_since((period(0, None, 3),), NOW + 4 * HOUR) == (period(4, None, 0),)


STEPS = some.sampled_from([
    timedelta(0), timedelta(seconds=1), timedelta(minutes=30), HOUR, 5 * HOUR, 11 * HOUR, DAY, 3 * DAY, 13 * DAY,
])  # fmt: skip
CODES = some.lists(some.sampled_from(sorted(GRACES)), max_size=2, unique=True).map(tuple)
EDITS = some.one_of(
    some.tuples(some.just("write"), CODES),
    some.tuples(some.just("write"), CODES),
    some.tuples(some.just("known"), CODES),
    some.tuples(some.sampled_from(["delete", "move", "forget"]), some.just(())),
)


@settings(max_examples=100)
@given(some.lists(some.tuples(EDITS, STEPS), min_size=2, max_size=40))
def test_whatever_one_author_does_he_gets_the_longest_grace_once_in_thirty_days(
    history: list[tuple[tuple[str, tuple[str, ...]], timedelta]],
) -> None:
    life, first = Life(), None
    ever: set[str] = set()
    for (what, codes), pause in history:
        if what == "write":
            ever |= set(codes)
            first = first or (life.now if codes else None)
            life.write(*codes)
        elif what == "known":
            life.known(*codes)
        elif what == "delete":
            life.delete()
        elif what == "move" and life.there:
            life.elsewhere = not life.elsewhere
            life.write(*life.broken)
        elif what == "forget":  # rules are switched off for a moment
            broken, life.broken = life.broken, ()
            life.look()
            life.broken = broken
            life.look()
        life.wait(pause)
    longest = max((GRACES[code] for code in ever), default=timedelta())
    for start, end in life.spent:
        assert life.used(start) <= longest
        assert life.used(end - WINDOW) <= longest
    if life.reverts and first is not None:
        least = min(GRACES[code] for code in ever)
        assert life.reverts[0] >= first + least
    assert life.row is None or len(life.row.grace) <= 13
