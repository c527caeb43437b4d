"""What is wrong with a tale in which something failed, for the watchers that must see it."""

import json
from types import SimpleNamespace
from typing import Any, Final

from guardrails.azure.refusals import REFUSALS
from guardrails.decisions import bodies
from guardrails.decisions.row import Status
from guardrails.notices.notice import Kind
from guardrails.register import dead_letters
from sandbox import tenant
from tests.battery.azure import START
from tests.battery.spoiled.base import Spoiled
from tests.battery.tale import ALICE, DAY, HOUR, MALLORY, NOW, ONE, PLAIN, TWO, Tale, intent, ruled  # fmt: skip


def another_body(tale: Tale, wrong: bool) -> None:
    tale.keep(of=TWO.text if wrong else ONE.text)
    tale.add(snapshot=1)


def gone_and_exists(tale: Tale, wrong: bool) -> None:
    tale.wrote(tale.keep())
    tale.add()
    tale.add("deleted", content="", status=Status.GONE)
    if not wrong:
        tale.wrote(None, before=tale.keep())


def row_of_nothing(tale: Tale, wrong: bool) -> None:
    tale.add(one=TWO, status=Status.COMPLIANT if wrong else Status.UNKNOWN)


def dead_letters_without_end(tale: Tale, wrong: bool) -> None:
    for _ in range(dead_letters.MOST + 1 + wrong):
        tale.dead_letter("x", "x")


def delete_undone(tale: Tale, wrong: bool) -> None:
    tale.add()
    tale.wrote(None, ALICE, before=tale.keep())
    tale.add("deleted", content="", facts={"accepted": f"{ALICE} deleted it, which is allowed"} if wrong else {})
    tale.hours += 1
    tale.wrote(tale.keep(), ours=True)


def unknown_refusal(tale: Tale, wrong: bool) -> None:
    why = "NeverHeardOf: no" if wrong else f"{min(REFUSALS)}: no"
    tale.add("cannot-act", status=Status.CANNOT_ACT, facts={"why": why})


def refusal_notified_again(tale: Tale, wrong: bool) -> None:
    for number in (1, 2):
        outbox = (f"x-{number}-cannot-act-audit",) if number == 1 or wrong else ()
        tale.add("cannot-act", status=Status.CANNOT_ACT, facts={"why": f"{min(REFUSALS)}: no"}, outbox=outbox)


def refused_anew(tale: Tale, wrong: bool) -> None:
    """Between the two, a look found that nothing is to be changed; or it was unknown."""
    status = Status.UNKNOWN if wrong else Status.COMPLIANT
    for number in (1, 3):
        notify_of_a_refusal(tale, number)
        tale.add(status=status, blocked="", facts={"plan": {"status": status, "answer": "none"}})


def untagging_refused_anew(tale: Tale, wrong: bool) -> None:
    """Between the two, nothing was to be changed any more; or an untagging was, which an operator's hold put off."""
    for number in (1, 3):
        notify_of_a_refusal(tale, number)
        held = {"plan": {"status": Status.COMPLIANT, "answer": "untag" if wrong else "none"}}
        tale.add("hold", status=Status.COMPLIANT, blocked="", facts=held)


def removal_refused_anew(tale: Tale, wrong: bool) -> None:
    """Between the two, a ruleset was in force that removes nothing; or only a sweep was to remove it."""
    tale.earlier, tale.ruleset = (PLAIN,), ruled(expired={"delete_after_days": 0})
    looked_at = (tale.ruleset if wrong else PLAIN).digest
    for number in (1, 3):
        notify_of_a_refusal(tale, number, expires_on=START, ruleset=tale.ruleset.digest)
        kept = {"plan": {"status": Status.COMPLIANT, "answer": "none"}}
        tale.add(status=Status.COMPLIANT, blocked="", ruleset=looked_at, facts=kept)


def ended_and_refused_anew(tale: Tale, wrong: bool) -> None:
    """Between the two, a sweep left an ended exemption as it is, for it was restored; or another look did."""
    tale.ruleset = ruled(expired={"delete_after_days": 0})
    for number in (1, 3):
        notify_of_a_refusal(tale, number, expires_on=START, ruleset=tale.ruleset.digest)
        kept = {"plan": {"status": Status.COMPLIANT, "answer": "none"}, "hint": "event" if wrong else "sweep"}
        tale.add(status=Status.COMPLIANT, blocked="", ruleset=tale.ruleset.digest, facts=kept)


def broken_anew_and_refused(tale: Tale, wrong: bool) -> None:
    """Between the two, it broke no rule, and an untagging was wanted and not tried; or it broke one all the while."""
    for number in (1, 3):
        notify_of_a_refusal(tale, number, findings={"EXG101": START})
        kept = {"EXG101": START} if wrong else {}
        tale.add(status=Status.COMPLIANT, findings=kept)


def refusal_not_notified(tale: Tale, wrong: bool) -> None:
    """After a notice that it complies, it breaks a rule again, and Azure does not allow a change."""
    notify_of_a_refusal(tale, 1, findings={"EXG101": START})
    tale.add(status=Status.COMPLIANT, findings={}, outbox=("x-2-compliant-audit",))
    tale.add(status=Status.UNKNOWN, findings={"EXG101?": START}, outbox=("x-3-unknown-audit",))
    if wrong:
        tale.add(status=Status.CANNOT_ACT, findings={"EXG101": START})
    else:
        notify_of_a_refusal(tale, 4, findings={"EXG101": START})
    tale.add("cannot-act", status=Status.CANNOT_ACT, facts={"why": f"{min(REFUSALS)}: no"})


def refusal_not_notified_while_a_write_is_begun(tale: Tale, wrong: bool) -> None:
    """It complies, and a removal is refused in silence; then it breaks a rule, and a put-back is begun, or ended so."""
    notify_of_a_refusal(tale, 1)
    tale.add(status=Status.COMPLIANT, outbox=("x-2-compliant-audit",))
    tale.add("cannot-act", status=Status.CANNOT_ACT, facts={"why": f"{min(REFUSALS)}: no"})
    tale.add("intent", content="b", findings={"EXG101": START}, intent=None if wrong else intent("put-back", 1))


def notify_of_a_refusal(tale: Tale, number: int, **row: Any) -> None:
    why, outbox = {"why": f"{min(REFUSALS)}: no"}, (f"x-{number}-cannot-act-audit",)
    tale.add("cannot-act", status=Status.CANNOT_ACT, blocked="a lock", facts=why, outbox=outbox, **row)


def never_tried_again(tale: Tale, wrong: bool) -> None:
    tale.add("cannot-act", blocked="a lock", retry_on=NOW + (20 if wrong else 7) * DAY)


def edited_and_blocked(tale: Tale, wrong: bool) -> None:
    tale.add("cannot-act", blocked="a lock", retry_on=NOW)
    tale.add("edited", content="b", blocked="a lock" if wrong else "")


def given_up(tale: Tale, wrong: bool) -> None:
    tale.add()
    tale.dead_letter(json.dumps({"id": ONE.text}), f"no [{'not-an-exemption' if wrong else 'too-large'}]", "reconcile")


def failed_unforeseen(tale: Tale, wrong: bool) -> None:
    tale.trace.append(f"1.000 failed {'KeyError' if wrong else 'Retryable'}")


def sweep_that_hangs(tale: Tale, wrong: bool) -> None:
    tale.swept = SimpleNamespace(started=NOW - HOUR, until=NOW if wrong else None, report={})


def restore_taken_back(tale: Tale, wrong: bool) -> None:
    tale.add("restored", content="b", own_write_at=START, facts={"why": "restored"})
    tale.add("restored", content="a", facts={"why": "restored" if wrong else "restored, as history entry 1 has it"})


def not_tagged(tale: Tale, wrong: bool) -> None:
    tale.ruleset = ruled(tagging={"exemption": True, "scope": False})
    tale.there[ONE] = tale.keep(said={} if wrong else {"guardrails": {"status": "violation"}})
    tale.add(status=Status.VIOLATION, answer="tag")


def tag_left(tale: Tale, wrong: bool) -> None:
    tale.there[ONE] = tale.keep(said={"guardrails": {"status": "violation"}} if wrong else {})
    tale.add(answer="untag")


def body_lost(tale: Tale, wrong: bool) -> None:
    tale.keep(entry=2 if wrong else 1)
    tale.add(snapshot=1)


def taken_body_lost(tale: Tale, wrong: bool) -> None:
    tale.keep(entry=2 if wrong else 1)
    tale.add("reverted", content="", undo=1)
    tale.add("written", undo=None)


def bodies_without_end(tale: Tale, wrong: bool) -> None:
    tale.add(bodies=tuple(range(bodies.KEPT + bodies.SLACK + 2 + wrong)))


def bodies_uncounted(tale: Tale, wrong: bool) -> None:
    for _ in range(bodies.UNCOUNTED + 2):
        tale.add(bodies=None if wrong else ())


def bodies_uncounted_after_crashes(tale: Tale, wrong: bool) -> None:
    for _ in range(bodies.UNCOUNTED - 1):
        tale.add(bodies=None)
    for _ in range(3):
        tale.add("intent", bodies=None, intent=intent("delete"))
    tale.add("reverted", content="")
    if wrong:
        tale.add()


def history_read(tale: Tale, wrong: bool) -> None:
    tale.requests["Register.entry", "query_entities" if wrong else "get_entity"] += 1


def believed_at_once(tale: Tale, wrong: bool) -> None:
    facts = {
        "accepted": f"{ALICE} deleted it, which is allowed",
        **({} if wrong else {"known": "the activity log says so"}),
    }
    tale.add(vouched=True, creator=ALICE)
    tale.add("deleted", content="", facts=facts)


def accused_at_once(tale: Tale, wrong: bool) -> None:
    tale.add(vouched=True, creator=ALICE)
    tale.add("lost", content="", lost_by=MALLORY, facts={} if wrong else {"known": "the activity log says so"})


def another_is_named(tale: Tale, wrong: bool) -> None:
    tale.add()
    tale.wrote(None, MALLORY if wrong else ALICE, before=tale.keep())
    known = {"accepted": f"{ALICE} deleted it, which is allowed", "known": "the activity log says so"}
    tale.add("deleted", content="", facts=known)


def who_deletes_the_next_one_is_named(tale: Tale, wrong: bool) -> None:
    tale.add()
    tale.wrote(None, MALLORY if wrong else ALICE, before=tale.keep())
    tale.add("lost", content="", lost=tale.at, lost_said=ALICE)
    tale.hours += 1
    tale.wrote(None, ALICE if wrong else MALLORY, before=tale.keep())
    known = {"accepted": f"{ALICE} deleted it, which is allowed", "known": "the activity log says so"}
    tale.add("deleted", lost=None, facts=known)


def old_event(tale: Tale, wrong: bool) -> None:
    tale.add()
    tale.add("lost", content="", lost_said=ALICE, facts={"event": "event-1"})
    tale.add("brought-back", content="a", lost_said="")
    tale.add("lost", content="", lost_said=ALICE, facts={"event": "event-1" if wrong else "event-2"})


def loss_silenced(tale: Tale, wrong: bool) -> None:
    tale.add(compliant=1)
    tale.add("written", content="b", assignment=tenant.SINGLE, outbox=() if wrong else ("x-2-deleted-audit",))


def bad_one_replaces(tale: Tale, wrong: bool) -> None:
    tale.add(one=TWO, status=Status.VIOLATION, content="b", tolerated_content="" if wrong else "b")
    tale.add(status=Status.LOST, content="")
    tale.add("not-restored", facts={"why": "'two' at the same scope replaces it"})


def altered(tale: Tale, wrong: bool) -> None:
    tale.deliver("x-1-register-altered", Kind.REGISTER_ALTERED if wrong else Kind.VIOLATION)


SPOILED: Final[Spoiled] = {
    "every_row_names_one_object": (another_body,),
    "nothing_is_gone_that_exists": (gone_and_exists,),
    "rows_are_of_what_azure_showed": (row_of_nothing,),
    "dead_letters_are_limited": (dead_letters_without_end,),
    "an_accepted_delete_is_kept": (delete_undone,),
    "cannot_act_is_of_the_list": (
        unknown_refusal,
        refusal_notified_again,
        refused_anew,
        removal_refused_anew,
        ended_and_refused_anew,
        untagging_refused_anew,
        broken_anew_and_refused,
        refusal_not_notified,
        refusal_not_notified_while_a_write_is_begun,
    ),
    "what_is_refused_is_tried_again": (never_tried_again, edited_and_blocked),
    "nothing_becomes_a_dead_letter_that_could_be_done": (given_up, failed_unforeseen),
    "the_last_sweep_ended": (sweep_that_hangs,),
    "a_restore_is_not_taken_back": (restore_taken_back,),
    "what_is_decided_is_done": (not_tagged, tag_left),
    "what_the_row_names_is_kept": (body_lost, taken_body_lost),
    "bodies_are_limited": (bodies_without_end, bodies_uncounted, bodies_uncounted_after_crashes),
    "a_put_back_reads_no_history": (history_read,),
    "nothing_follows_from_what_an_event_says": (believed_at_once, accused_at_once),
    "who_is_named_has_done_it": (another_is_named, who_deletes_the_next_one_is_named),
    "an_old_event_says_nothing": (old_event,),
    "a_loss_is_not_silenced": (loss_silenced,),
    "a_bad_one_replaces_nothing": (bad_one_replaces,),
    "nobody_altered_the_register": (altered,),
}
