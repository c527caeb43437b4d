"""Each watcher can fail: it says nothing of a short history by hand, and says so of the same with one thing wrong."""

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace
from typing import Any, Final

import pytest

from guardrails.azure.refusals import REFUSALS
from guardrails.decisions import bodies
from guardrails.decisions.row import Hold, Status
from guardrails.exemption.body import fingerprint
from guardrails.exemption.times import read_time, spell_time
from guardrails.notices.notice import Kind
from guardrails.register import dead_letters
from sandbox import tenant
from tests.battery import rulesets, spoiled_record
from tests.battery.azure import START
from tests.battery.ledger import Operated
from tests.battery.record import ROOT
from tests.battery.tale import (
    ALICE,
    DAY,
    EPAC,
    HOUR,
    MALLORY,
    NAMED,
    NOW,
    ONE,
    OPEN,
    PLAIN,
    TWO,
    Tale,
    found,
    intent,
    plan,
    ruled,
)  # fmt: skip
from tests.battery.watchers import WATCHERS

BELONGS: Final = "not reverted: it belongs to EPAC"

# Whose it is


def claim_of_a_stranger(tale: Tale, wrong: bool) -> None:
    tale.ruleset = ruled(**NAMED)
    tale.keep(said={rulesets.CLAIM: "x"})
    tale.add(facts=plan(BELONGS), author=MALLORY if wrong else EPAC, snapshot=1)


def claim_that_is_not_made(tale: Tale, wrong: bool) -> None:
    tale.ruleset = ruled(**NAMED)
    tale.keep(said={} if wrong else {rulesets.CLAIM: "x"})
    tale.add(facts=plan(BELONGS), author=EPAC, snapshot=1)


def claim_of_a_body_that_was_pruned(tale: Tale, wrong: bool) -> None:
    tale.ruleset = ruled(**NAMED)
    said = {} if wrong else {rulesets.CLAIM: "x"}
    body = {"properties": {"metadata": said}}
    tale.wrote(body, EPAC)
    tale.add(facts=plan(BELONGS), author=EPAC, snapshot=1, content=fingerprint(body))


def claim_by_an_edit(tale: Tale, wrong: bool) -> None:
    tale.ruleset = ruled(**OPEN)
    tale.keep(said={} if wrong else {rulesets.CLAIM: "x"})
    tale.keep(said={rulesets.CLAIM: "x"}, entry=2)
    tale.add(snapshot=1)
    tale.add("edited", facts=plan(BELONGS), snapshot=2, content="b")


def other_words(tale: Tale, wrong: bool) -> None:
    reasons = plan("it belongs to EPAC, but the last writer is not one of its authors")
    tale.add("intent", facts=reasons, theirs="EPAC", theirs_at=3, intent=intent("put-back", 2 if wrong else 3))


def given_away(tale: Tale, wrong: bool) -> None:
    tale.ruleset = ruled(**OPEN)
    tale.add(theirs="EPAC", theirs_by=(ALICE,))
    tale.add("edited", content="b", theirs="", theirs_by=(), author=MALLORY if wrong else ALICE)


def inherited(tale: Tale, wrong: bool) -> None:
    tale.add("deleted", content="", status=Status.GONE)
    tale.add("written", content="b", theirs="EPAC", theirs_by=(ALICE if wrong else MALLORY,), author=MALLORY)


def inherited_by_one_that_was_gone_soon(tale: Tale, wrong: bool) -> None:
    """Another edited it before it was first seen, and then deletes it; or one may write it who did not make it."""
    tale.add("deleted", content="", status=Status.GONE)
    body = tale.keep(said={rulesets.CLAIM: "x"}) | {"systemData": {"createdBy": EPAC if wrong else ALICE}}
    tale.wrote(body, MALLORY)
    tale.wrote(None, MALLORY, before=body)
    writers = (MALLORY, ALICE)
    tale.add("written", after=0, content=fingerprint(body), theirs="EPAC", theirs_by=writers, author=MALLORY)


def another_creator(tale: Tale, wrong: bool) -> None:
    tale.add(vouched=True, creator=ALICE)
    tale.add("edited", content="b", creator=MALLORY if wrong else ALICE, author=MALLORY)


def another_owner(tale: Tale, wrong: bool) -> None:
    tale.add(vouched=True, creator=ALICE)
    tale.add("edited", content="b", owners=(MALLORY,), author=MALLORY if wrong else ALICE)


def deleted_by_a_stranger(tale: Tale, wrong: bool) -> None:
    tale.add(vouched=True, creator=ALICE)
    who = MALLORY if wrong else ALICE
    tale.add(
        "deleted", content="", facts={"accepted": f"{who} deleted it, which is allowed", "known": "the activity log"}
    )


def left_to_a_claim(tale: Tale, wrong: bool) -> None:
    tale.add(vouched=True, creator=ALICE, claimed="EPAC" if wrong else "")
    tale.add("deleted", content="", facts={"accepted": "it is left to EPAC"})


def accused_of_his_own(tale: Tale, wrong: bool) -> None:
    tale.wrote(tale.keep(), ALICE)
    tale.add()
    why = f"{ALICE if wrong else MALLORY} deleted it, which is not allowed"
    tale.add("lost", content="", facts={"why": why, "known": "who deleted it is what the activity log says"})


def gap_unsaid(tale: Tale, wrong: bool) -> None:
    tale.ruleset = ruled(**OPEN)
    tale.keep(said={rulesets.CLAIM: "x"})
    tale.add("written", facts=plan(BELONGS + ("" if wrong else " by a claim: name its `authors`")), snapshot=1)


def owner_unsaid(tale: Tale, wrong: bool) -> None:
    tale.add(vouched=True, owner=MALLORY, owners=(ALICE,))
    known = {} if wrong else {"knownOwner": ALICE}
    tale.deliver("x-1-violation", Kind.VIOLATION, id=ONE.text, owner=MALLORY, **known)


def owner_unsaid_before_a_loss(tale: Tale, wrong: bool) -> None:
    """The notice is of an entry that went with the register, whose number another one has now; or of that one."""
    tale.deliver("x-1-violation", Kind.VIOLATION, id=ONE.text, owner=MALLORY)
    tale.add(after=0 if wrong else 1, vouched=True, owner=MALLORY, owners=(ALICE,))


def tagged_since_tomorrow(tale: Tale, wrong: bool) -> None:
    since = spell_time(START + (DAY if wrong else timedelta()))
    tag = {"guardrails": {"status": "violation", "since": since}}
    tale.wrote(tale.keep(said=tag), before=tale.keep(), ours=True)


def claim_not_notified(tale: Tale, wrong: bool) -> None:
    tale.add()
    tale.add("edited", content="b", claimed="EPAC", evaded=() if wrong else ("claimed-owner",))


def toggling_not_notified(tale: Tale, wrong: bool) -> None:
    tale.add(facts=plan("alice broke it again 4 times"), evaded=() if wrong else ("toggling",))


def flood_not_notified(tale: Tale, wrong: bool) -> None:
    tale.add("held", warned="fight/x", evaded=() if wrong else ("flood",))


def notified_twice(tale: Tale, wrong: bool) -> None:
    tale.deliver("x-evasion-toggling")
    tale.deliver("x-evasion-toggling" + "-again" * wrong)


def forged_not_notified(tale: Tale, wrong: bool) -> None:
    tale.dead_letter("/policyExemptions/one/..", "it names no exemption")
    if not wrong:
        tale.deliver("x-evasion-forged-id")


def approved_anew(tale: Tale, wrong: bool) -> None:
    tale.add("lost", content="", status=Status.LOST, lost=START, compliant=1)
    tale.add("written", content="b", status=Status.VIOLATION, lost=None, compliant=None if wrong else 1)


def approved_anew_with_our_tag(tale: Tale, wrong: bool) -> None:
    """It is made anew with our tag in it, which is to be taken off first: the row is still lost."""
    tale.add("lost", content="", status=Status.LOST, lost=START, compliant=1)
    status = str(Status.VIOLATION if wrong else Status.COMPLIANT)
    tale.add("intent", facts={"plan": {"status": status}}, content="b", lost=None, compliant=2, intent=intent("untag"))


def approved_anew_as_a_restore_saw_it(tale: Tale, wrong: bool) -> None:
    """It is made anew, and a restore is the first to look at it: it keeps every rule, or breaks one."""
    tale.add("lost", content="", status=Status.LOST, lost=START, compliant=1)
    findings = {"EXG101": START} if wrong else {}
    tale.add("intent", content="b", lost=None, findings=findings, compliant=2, intent=intent("restore", 1))


# Clocks

GRACE: Final = {"rules": {"expiry-missing": {"response": "revert", "grace": "1d"}}}


def grace_given_again(tale: Tale, wrong: bool) -> None:
    tale.ruleset = ruled(**GRACE)
    tale.add(facts=found("expiry-missing"), status=Status.VIOLATION)
    until = tale.at + DAY + (10 * HOUR if wrong else timedelta())
    reason = f"not reverted before {read_time(until)}, to give time to fix it"
    tale.add("edited", after=10, facts=found("expiry-missing", plan={"reasons": [reason]}), content="b")


def grace_given_again_with_overrides(tale: Tale, wrong: bool) -> None:
    """In between a ruleset with overrides is in force, and a look finds it right, or still broken."""
    plain, mild = ruled(**GRACE), {"exemption_category": "Mitigated", "rules": {"expiry-missing": "alert"}}
    loosened = ruled(**GRACE, overrides=[mild])
    tale.ruleset, tale.earlier = plain, (loosened,)
    tale.add(facts=found("expiry-missing"), status=Status.VIOLATION)
    tale.add("edited", facts=found(*["expiry-missing"] if wrong else []), content="b", ruleset=loosened.digest)
    reason = f"not reverted before {read_time(tale.at + 10 * HOUR + DAY)}, to give time to fix it"
    facts = found("expiry-missing", plan={"reasons": [reason]})
    tale.add("edited", after=10, facts=facts, content="c", author=MALLORY, ruleset=plain.digest)


def grace_given_again_with_a_milder_override(tale: Tale, wrong: bool) -> None:
    """In between overrides are in force, and it breaks a rule that asks for no revert; or still the one that does."""
    plain, mild = ruled(**GRACE), {"exemption_category": "Mitigated", "rules": {"expiry-missing": "alert"}}
    loosened = ruled(**GRACE, overrides=[mild])
    tale.ruleset, tale.earlier = plain, (loosened,)
    tale.add(facts=found("expiry-missing"), status=Status.VIOLATION)
    facts = found("owner-missing", *["expiry-missing"] if wrong else [])
    tale.add("edited", facts=facts, content="b", ruleset=loosened.digest)
    reason = f"not reverted before {read_time(tale.at + 10 * HOUR + DAY)}, to give time to fix it"
    facts = found("expiry-missing", plan={"reasons": [reason]})
    tale.add("edited", after=10, facts=facts, content="c", author=MALLORY, ruleset=plain.digest)


def grace_given_again_after_an_override_for_a_policy(tale: Tale, wrong: bool) -> None:
    """In between an override is in force for the policy that it exempts from; or for another."""
    mild = {"reference": "denyPublicNetwork" if wrong else "requireTls", "rules": {"expiry-missing": "alert"}}
    plain, loosened = ruled(**GRACE), ruled(**GRACE, overrides=[mild])
    tale.ruleset, tale.earlier = plain, (loosened,)
    tale.keep()["properties"]["policyDefinitionReferenceIds"] = ["requireTls"]
    tale.add(facts=found("expiry-missing"), status=Status.VIOLATION, snapshot=1)
    tale.add(facts=found("expiry-missing"), ruleset=loosened.digest)
    reason = f"not reverted before {read_time(tale.at + 10 * HOUR + DAY)}, to give time to fix it"
    facts = found("expiry-missing", plan={"reasons": [reason]})
    tale.add("edited", after=10, facts=facts, content="c", ruleset=plain.digest)


def grace_given_again_after_unknown(tale: Tale, wrong: bool) -> None:
    """A rule is Unknown after a look that found it kept, so it breaks none; or after one that found it broken."""
    tale.ruleset = ruled(rules={**GRACE["rules"], "whole-initiative": "revert"})
    tale.add(facts=found("expiry-missing", "whole-initiative"), status=Status.VIOLATION)
    tale.add(facts=found("expiry-missing", *["whole-initiative"] if wrong else []))
    unknown = {"verdict": "x", "findings": [{"rule": "whole-initiative", "status": "unknown"}]}
    tale.add("edited", facts=unknown, content="b")
    reason = f"not reverted before {read_time(tale.at + 18 * HOUR + DAY)}, to give time to fix it"
    facts = found("expiry-missing", plan={"reasons": [reason]})
    tale.add("edited", after=20, facts=facts, content="c")


def grace_of_another_given_again(tale: Tale, wrong: bool) -> None:
    """Another exemption used the grace of one assignment; this one breaks a rule with a grace only where it went."""
    tale.ruleset = ruled(rules={**GRACE["rules"], "expiry-too-far": "revert"})
    tale.add(one=TWO, facts=found("expiry-missing"), status=Status.VIOLATION)
    tale.add(one=TWO, after=20, facts=found("expiry-missing"))
    tale.add("reverted", TWO, after=4, content="")
    places = (tenant.SINGLE, tenant.ASSIGNMENT) if wrong else (tenant.ASSIGNMENT, tenant.SINGLE)
    tale.add(facts=found("expiry-too-far"), status=Status.VIOLATION, assignment=places[0])
    reason = f"not reverted before {read_time(tale.at + DAY)}, to give time to fix it"
    tale.add("edited", facts=found("expiry-missing", plan={"reasons": [reason]}), content="b", assignment=places[1])


def grace_given_again_by_half_a_register(tale: Tale, wrong: bool) -> None:
    """Another used the grace of the assignment, the register was lost, and its import broke off; or was run again."""
    tale.ruleset = ruled(**GRACE)
    tale.add(one=TWO, facts=found("expiry-missing"), status=Status.VIOLATION)
    tale.add(one=TWO, after=20, facts=found("expiry-missing"))
    tale.add("reverted", TWO, after=4, content="")
    tale.wiped.append(tale.at)
    tale.operated.append(Operated(tale.at, "wipe", problem="storage-busy"))
    tale.hours += 1
    if wrong:
        tale.operated.append(Operated(tale.at, "import"))
    reason = f"not reverted before {read_time(tale.at + HOUR + DAY)}, to give time to fix it"
    tale.add("written", facts=found("expiry-missing", plan={"reasons": [reason]}), status=Status.VIOLATION)


def grace_given_again_after_a_put_back(tale: Tale, wrong: bool) -> None:
    """A rule is Unknown when we put it back, so what its author used ends there; all of that counts when he goes on."""
    tale.ruleset = ruled(rules={**GRACE["rules"], "whole-initiative": GRACE["rules"]["expiry-missing"]})
    tale.add(facts=found("whole-initiative"), status=Status.VIOLATION)
    tale.add("intent", after=10, facts=found("whole-initiative"))
    tale.add("put-back", after=0, facts=found(unknown=["whole-initiative"]), content="b")
    until = tale.at + 20 * HOUR + (DAY if wrong else 14 * HOUR)
    reason = f"not reverted before {read_time(until)}, to give time to fix it"
    tale.add("edited", after=20, facts=found("expiry-missing", plan={"reasons": [reason]}), content="c")


def reverted_too_early(tale: Tale, wrong: bool) -> None:
    tale.ruleset = ruled(**GRACE)
    tale.add(facts=found("expiry-missing"), status=Status.VIOLATION)
    tale.add("intent", after=2 if wrong else 25, facts=found("expiry-missing"), intent=intent("delete"))


def reverted_too_early_after_an_older_version(tale: Tale, wrong: bool) -> None:
    """An older version saw it broken, so its author had used some of the grace; or that one found it right, too."""
    tale.ruleset = ruled(**GRACE)
    tale.add(facts=found(*[] if wrong else ["expiry-missing"]), status=Status.VIOLATION, ruleset="of an older version")
    tale.add("edited", after=20, facts=found(), content="b", ruleset=tale.ruleset.digest)
    tale.add("edited", facts=found("expiry-missing"), content="c")
    tale.add("intent", after=5, facts=found("expiry-missing"), intent=intent("delete"))


def reverted_too_early_where_it_went(tale: Tale, wrong: bool) -> None:
    """Another used the grace of the assignment that it was in until a look found it elsewhere; or nobody had."""
    tale.ruleset = ruled(**GRACE)
    tale.add(one=TWO, facts=found("expiry-missing"), assignment=tenant.SINGLE if wrong else tenant.ASSIGNMENT)
    tale.add(facts=found("expiry-missing"), assignment=tenant.ASSIGNMENT)
    tale.add("intent", facts=found("expiry-missing"), assignment="another", intent=intent("delete"))


def reverted_too_early_though_unknown_goes_on(tale: Tale, wrong: bool) -> None:
    """What was broken is Unknown, and its grace is over; or it was never found broken."""
    tale.ruleset = ruled(rules={**GRACE["rules"], "whole-initiative": GRACE["rules"]["expiry-missing"]})
    tale.add(facts=found(*[] if wrong else ["whole-initiative"]), status=Status.VIOLATION)
    facts = found("expiry-missing", unknown=["whole-initiative"])
    tale.add("intent", after=25, facts=facts, content="b", intent=intent("delete"))


def reverted_too_early_after_a_put_back(tale: Tale, wrong: bool) -> None:
    """A rule is Unknown when we put it back: its time is over then, whoever used it; or its author has used his."""
    tale.ruleset = ruled(rules={**GRACE["rules"], "whole-initiative": GRACE["rules"]["expiry-missing"]})
    tale.add(facts=found("whole-initiative"), status=Status.VIOLATION)
    tale.add("put-back", after=24, facts=found(unknown=["whole-initiative"]), content="b")
    author = MALLORY if wrong else ALICE
    tale.add("intent", facts=found("expiry-missing"), content="c", author=author, intent=intent("delete"))


def reverted_too_early_after_a_restore(tale: Tale, wrong: bool) -> None:
    """Its author used his grace before an operator restored it; or another did."""
    tale.ruleset = ruled(**GRACE)
    tale.add(facts=found("expiry-missing"), status=Status.VIOLATION)
    tale.add("restored", after=24, facts=found("expiry-missing"), content="b", kept="b")
    author = MALLORY if wrong else ALICE
    tale.add("intent", facts=found("expiry-missing"), content="c", kept="", author=author, intent=intent("delete"))


def reverted_too_early_though_a_restore_saw_it(tale: Tale, wrong: bool) -> None:
    """A restore is the first to look at an edit; or it finds nothing in it."""
    tale.ruleset = ruled(**GRACE)
    tale.add(facts=found())
    tale.add("intent", content="b", findings={} if wrong else {"EXG101": tale.at}, intent=intent("restore"))
    tale.add("intent", after=25, facts=found("expiry-missing"), intent=intent("delete"))


def reverted_too_early_after_an_adoption(tale: Tale, wrong: bool) -> None:
    """It was left alone until a day that has passed; or it is left alone until somebody edits it."""
    tale.ruleset = ruled(**GRACE, **({} if wrong else {"adoption": {"until": "2026-11-01"}}))
    tale.add(facts=found("expiry-missing"), adopted=START, kept="a")
    tale.add("intent", after=25, facts=found("expiry-missing"), content="b", kept="", intent=intent("delete"))


def end_that_creeps(tale: Tale, wrong: bool) -> None:
    tale.ruleset = ruled(rules={"expiry-extended": "revert"})
    tale.add("written", facts=found(), expires_on=START + 30 * DAY, ticket="SEC-1")
    tale.add("edited", facts=found(*[] if wrong else ["expiry-extended"]), content="b", expires_on=START + 40 * DAY)


def first_date_lost(tale: Tale, wrong: bool) -> None:
    first, more = (START, NOW), (START + HOUR, NOW)
    tale.add(dates=(first,))
    tale.add("edited", content="b", dates=(more,) if wrong else (first, more))


def first_end_lost(tale: Tale, wrong: bool) -> None:
    first, least, more = (START, NOW + DAY), (START + HOUR, NOW), (START + 2 * HOUR, NOW + 2 * DAY)
    tale.add(dates=(first, least))
    tale.add("edited", content="b", dates=(first, more) if wrong else (first, least, more))


# Budgets


def reverted(tale: Tale, after: float, takes: float = 0) -> None:
    """Let it be reverted so many hours later; that takes so many hours, for its worker dies."""
    tale.add("intent", after=after, intent=intent("delete"), reverts=(tale.at + after * HOUR,))
    tale.add("reverted", after=takes, content="", status=Status.GONE)
    tale.wrote(None, ours=True, before=tale.keep())


def too_many_reverts(tale: Tale, wrong: bool) -> None:
    tale.ruleset = ruled(breaker={"reverts": {"exemption": 1}})
    reverted(tale, 1)
    reverted(tale, 0.2 if wrong else 1)


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


def hold_without_a_reminder(tale: Tale, wrong: bool) -> None:
    ends = replace(HOLD, until=NOW + 7 * HOUR, reminded=0 if wrong else 24 * 60)
    tale.add("hold", hold=ends, outbox=("x-1-hold-audit",))


# Trouble


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


SPOILED: Final[Mapping[str, tuple[Callable[[Tale, bool], None], ...]]] = {
    "the_record_is_sound": (spoiled_record.row_changed, spoiled_record.entry_lost),
    "a_sweep_in_calm_is_recorded": (
        spoiled_record.history_left_out,
        spoiled_record.without_report,
        spoiled_record.another_report,
    ),
    "each_ruleset_that_decided_is_recorded": (spoiled_record.ruleset_lost,),
    "a_claim_protects_nothing": (
        claim_of_a_stranger,
        claim_that_is_not_made,
        claim_of_a_body_that_was_pruned,
        claim_by_an_edit,
    ),
    "what_its_owner_wrote_is_put_back": (other_words,),
    "nobody_else_gives_away_what_is_an_owners": (given_away,),
    "nothing_is_inherited_by_name": (inherited, inherited_by_one_that_was_gone_soon),
    "rights_change_by_who_has_them": (another_creator, another_owner),
    "an_accepted_delete_was_by_who_may": (deleted_by_a_stranger, left_to_a_claim),
    "who_made_it_may_delete_it": (accused_of_his_own,),
    "gaps_are_named": (gap_unsaid,),
    "the_known_owner_is_named": (owner_unsaid, owner_unsaid_before_a_loss),
    "our_tag_is_of_the_past": (tagged_since_tomorrow,),
    "evasion_is_notified": (claim_not_notified, toggling_not_notified, flood_not_notified),
    "evasion_is_notified_once_and_alone": (notified_twice,),
    "forged_ids_are_notified": (forged_not_notified,),
    "what_was_approved_stays_so": (approved_anew, approved_anew_with_our_tag, approved_anew_as_a_restore_saw_it),
    "the_grace_is_given_once": (
        grace_given_again,
        grace_given_again_with_overrides,
        grace_given_again_with_a_milder_override,
        grace_given_again_after_an_override_for_a_policy,
        grace_given_again_after_unknown,
        grace_of_another_given_again,
        grace_given_again_by_half_a_register,
        grace_given_again_after_a_put_back,
    ),
    "nothing_is_reverted_within_its_first_grace": (
        reverted_too_early,
        reverted_too_early_after_an_older_version,
        reverted_too_early_where_it_went,
        reverted_too_early_though_unknown_goes_on,
        reverted_too_early_after_a_put_back,
        reverted_too_early_after_a_restore,
        reverted_too_early_though_a_restore_saw_it,
        reverted_too_early_after_an_adoption,
    ),
    "an_end_does_not_creep": (end_that_creeps,),
    "the_first_end_is_kept": (first_date_lost, first_end_lost),
    "no_budget_is_exceeded": (too_many_reverts, closed_while_one_is_in_progress),
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
    "holds_are_notified": (hold_not_notified, hold_without_a_reminder),
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


READ: Final = (
    ("decisions/decide.py", "not reverted: "),
    ("decisions/decide.py", "it belongs to "),
    ("decisions/decide.py", "but the last writer is not one of its authors"),
    ("decisions/decide.py", " broke it again "),
    ("decisions/decide.py", "not reverted before "),
    ("decisions/decide.py", ", to give time"),
    ("decisions/decide.py", "`authors`"),
    ("decisions/durability.py", " deleted it, which is allowed"),
    ("decisions/durability.py", "it is left to "),
    ("decisions/holds.py", "on hold until"),
    ("reconcile/restore_lost.py", " deleted it, which is not allowed"),
    ("reconcile/restore_lost.py", "at the same scope replaces it"),
    ("reconcile/restore_lost.py", "who deleted it is what the activity log says"),
    ("reconcile/restore_lost.py", "who deleted it is what an event says"),
    ("reconcile/restore_lost.py", "was not read"),
    ("reconcile/restore.py", "as history entry"),
    ("azure/events.py", "names no exemption"),
    ("azure/arm.py", "the scope cannot be tagged"),
    ("register/table.py", "and a transaction takes"),
)
"""Texts of the service that watchers read, and the modules that write them."""


@pytest.mark.parametrize(("module", "text"), READ)
def test_what_watchers_read_is_what_the_service_writes(module: str, text: str) -> None:
    """Else a watcher says nothing any more, and nobody notices."""
    assert text in (ROOT / "guardrails" / module).read_text(encoding="utf-8")
    folder = ROOT / "tests" / "battery" / "watchers"
    assert any(text in path.read_text(encoding="utf-8") for path in folder.glob("*.py"))


@pytest.mark.parametrize("check", WATCHERS, ids=lambda check: check.__name__)
async def test_each_watcher_sees_what_it_watches_for_and_nothing_else(check: Any) -> None:
    for spoil in SPOILED[check.__name__]:
        for wrong in (False, True):
            tale = Tale()
            spoil(tale, wrong)
            broken = await check(await tale.book())
            assert bool(broken) is wrong, (spoil.__name__, broken)


def test_no_watcher_is_listed_that_is_none() -> None:
    assert SPOILED.keys() == {check.__name__ for check in WATCHERS}
