"""What is wrong with the budgets, fights and holds of a tale, for the watchers that must see it."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Final

from guardrails.decisions.row import Hold, Status
from guardrails.exemption.body import fingerprint
from guardrails.notices.notice import Kind
from tests.battery.azure import START
from tests.battery.ledger import Operated
from tests.battery.spoiled.base import Spoiled
from tests.battery.tale import DAY, HOUR, NOW, Tale, intent, plan, ruled  # fmt: skip


def reverted(tale: Tale, after: float, takes: float = 0, *, says: str = "", ours: bool = True) -> None:
    """Let what it says be reverted so many hours later, or deleted by somebody while that was begun.

    `takes`: so many hours, for its worker dies.
    """
    body = tale.keep(said={"owner": says})
    begun = tale.at + after * HOUR
    tale.add("intent", after=after, content=fingerprint(body), intent=intent("delete"), reverts=(begun,))
    tale.add("reverted", after=takes, content="", status=Status.GONE)
    tale.wrote(None, ours=ours, before=body)


def too_many_reverts(tale: Tale, wrong: bool) -> None:
    tale.ruleset = ruled(breaker={"reverts": {"exemption": 1}})
    reverted(tale, 1)
    reverted(tale, 0.2 if wrong else 1)


def deleted_by_its_author_before_it_was_reverted(tale: Tale, wrong: bool) -> None:
    """Something else was reverted a moment before; or the service reverted both."""
    tale.ruleset = ruled(breaker={"reverts": {"exemption": 1}})
    reverted(tale, 1)
    reverted(tale, 0.01, says="somebody else", ours=wrong)


def closed_while_one_is_in_progress(tale: Tale, wrong: bool) -> None:
    tale.ruleset = ruled(breaker={"reverts": {"exemption": 1}})
    reverted(tale, 1)
    reverted(tale, 0.1, takes=0.4)
    tale.operated.append(Operated(tale.at - (-0.1 if wrong else 0.2) * HOUR, "close"))


def too_many_restores(tale: Tale, wrong: bool) -> None:
    tale.ruleset = ruled(breaker={"restores": {"exemption": 1}})
    tale.add("brought-back")
    tale.add("brought-back", after=0.2 if wrong else 1)


def fight_at_once(tale: Tale, wrong: bool) -> None:
    tale.ruleset = ruled(breaker={"fights": {"times": 2, "window": "1d"}})
    for after in (1, 1, 0.2 if wrong else 1):
        tale.add("reverted", after=after)


def fight_that_a_crash_cut_short(tale: Tale, wrong: bool) -> None:
    tale.ruleset = ruled(breaker={"fights": {"times": 2, "window": "1d"}})
    reverted(tale, 1)
    reverted(tale, 2)
    reverted(tale, 2, takes=0 if wrong else 1)
    reverted(tale, 0.2)


def fight_with_one_begun_long_ago(tale: Tale, wrong: bool) -> None:
    """The first revert was cut short by a crash, more than the window ago or within it, and is recorded only now."""
    tale.ruleset = ruled(breaker={"fights": {"times": 2, "window": "1d"}})
    tale.add("reverted", after=1 if wrong else 30, reverts=(START,))
    for after in (2, 0.2):
        tale.add("reverted", after=after, reverts=(tale.at + after * HOUR,))


def held_for_nothing(tale: Tale, wrong: bool) -> None:
    tale.ruleset = ruled(breaker={"reverts": {"exemption": 1}})
    reverted(tale, 1)
    tale.add("held", after=3 if wrong else 0.5, content="b", facts={"held": "exemption"}, held="exemption", due=NOW)


def held_after_a_refusal(tale: Tale, wrong: bool) -> None:
    """Azure refused the first of two reverts of the same words, or its worker died and it was begun again."""
    tale.ruleset = ruled(breaker={"reverts": {"exemption": 2}})
    tale.add("intent", intent=intent("delete"))
    tale.add("judged" if wrong else "cannot-act", after=0.1)
    tale.add("intent", after=0.1, intent=intent("delete"))
    tale.add("held", after=0.1, content="b", facts={"held": "exemption"}, held="exemption", due=NOW)


def held_after_an_edit_and_back(tale: Tale, wrong: bool) -> None:
    """Somebody wrote something else, and then the first words again, before any revert was done; or nobody did."""
    tale.ruleset = ruled(breaker={"reverts": {"exemption": 3}})
    for content in "aaa" if wrong else "aba":
        tale.add("intent", after=0.1, content=content, intent=intent("delete"))
    tale.add("held", after=0.1, content="c", facts={"held": "exemption"}, held="exemption", due=NOW)


def held_by_what_was_lost(tale: Tale, wrong: bool) -> None:
    """The register was lost after another of the same author was reverted, or long before."""
    tale.ruleset = ruled(breaker={"reverts": {"author": 1}})
    tale.add("held", after=5, facts={"held": "author"}, held="author", due=NOW)
    tale.wiped = [tale.at + (-3 * HOUR if wrong else HOUR)]


def held_for_ever(tale: Tale, wrong: bool) -> None:
    tale.add("held", held="author", due=None if wrong else NOW)


def breaker_forgotten(tale: Tale, wrong: bool) -> None:
    tale.opened_at = NOW - 2 * DAY - 2 * HOUR
    tale.swept = SimpleNamespace(started=NOW - HOUR, report={}, until=None)
    tale.swept.report["told"] = [] if wrong else ["breaker-2d"]  # stored name


def budget_notified_again(tale: Tale, wrong: bool) -> None:
    for name in ("x-1", "x-2"):
        tale.deliver(name, Kind.BUDGET_REACHED)
        tale.hours += 0.2 if wrong else 1


HOLD: Final = Hold("olga", "", START, START + DAY, "a")


def held_and_reverted(tale: Tale, wrong: bool) -> None:
    tale.add("hold", hold=HOLD, outbox=("x-1-hold-audit",))
    tale.add("intent", after=2 if wrong else 30, intent=intent("delete"))


def other_words_held(tale: Tale, wrong: bool) -> None:
    tale.add("hold", hold=HOLD, outbox=("x-1-hold-audit",))
    tale.add(content="b" if wrong else "a", facts=plan("on hold until tomorrow"))


def hold_not_notified(tale: Tale, wrong: bool) -> None:
    tale.add("hold", hold=HOLD, outbox=() if wrong else ("x-1-hold-audit",))


def hold_not_notified_before_its_entry(tale: Tale, wrong: bool) -> None:
    tale.add("restored", hold=HOLD, facts={"sent": ["x-1-restored-audit" if wrong else "x-1-hold-audit"]})


def hold_without_a_reminder(tale: Tale, wrong: bool) -> None:
    ends = replace(HOLD, until=NOW + 7 * HOUR, reminded=0 if wrong else 24 * 60)
    tale.add("hold", hold=ends, outbox=("x-1-hold-audit",))


SPOILED: Final[Spoiled] = {
    "no_budget_is_exceeded": (
        too_many_reverts,
        deleted_by_its_author_before_it_was_reverted,
        closed_while_one_is_in_progress,
    ),
    "no_budget_for_restores_is_exceeded": (too_many_restores,),
    "a_fight_is_slowed_down": (fight_at_once, fight_that_a_crash_cut_short, fight_with_one_begun_long_ago),
    "nothing_is_held_for_nothing": (
        held_for_nothing,
        held_after_a_refusal,
        held_after_an_edit_and_back,
        held_by_what_was_lost,
    ),
    "what_waits_for_a_budget_has_a_time": (held_for_ever,),
    "an_open_breaker_is_reminded_of": (breaker_forgotten,),
    "a_budget_is_notified_once": (budget_notified_again,),
    "what_is_held_is_left": (held_and_reverted, other_words_held),
    "holds_are_notified": (hold_not_notified, hold_not_notified_before_its_entry, hold_without_a_reminder),
}
