"""What is wrong with a tale about whose an exemption is, for the watchers that must see it."""

from datetime import timedelta
from typing import Final

from guardrails.decisions.row import Status
from guardrails.exemption.body import fingerprint
from guardrails.exemption.times import spell_time
from guardrails.notices.notice import Kind
from tests.battery import rulesets
from tests.battery.azure import START
from tests.battery.spoiled.base import Spoiled
from tests.battery.tale import ALICE, DAY, EPAC, MALLORY, NAMED, ONE, OPEN, Tale, intent, plan, ruled  # fmt: skip

BELONGS: Final = "not reverted: it belongs to EPAC"


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


SPOILED: Final[Spoiled] = {
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
}
