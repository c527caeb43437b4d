"""What is wrong with the times of a tale: grace, ends and approvals, for the watchers that must see it."""

from datetime import timedelta
from typing import Any, Final

from guardrails.decisions.row import Status
from guardrails.exemption.times import read_time
from sandbox import tenant
from tests.battery.azure import START
from tests.battery.ledger import Operated
from tests.battery.spoiled.base import Spoiled
from tests.battery.tale import ALICE, DAY, HOUR, MALLORY, NOW, ONE, TWO, Tale, found, intent, ruled  # fmt: skip

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


def grace_of_another_control_given_again(tale: Tale, wrong: bool) -> None:
    """Another used the grace of its control, and exempts from this one's, too, since an hour, or since this moment."""
    tale.ruleset = ruled(**GRACE)
    said: dict[str, Any] = {"snapshot": 1, "status": Status.VIOLATION}
    for one, entry, references in ((ONE, 1, ["b"]), (TWO, 1, ["a"]), (TWO, 2, ["a", "b"])):
        tale.keep(one=one, entry=entry)["properties"]["policyDefinitionReferenceIds"] = references
    tale.add("written", TWO, facts=found("expiry-missing"), **said)
    tale.add("edited", TWO, after=5, facts=found("expiry-missing"), **said | {"snapshot": 2, "content": "b"})
    tale.hours += 1 if wrong else timedelta(seconds=2) / HOUR
    reason = f"not reverted before {read_time(tale.at + DAY)}, to give time to fix it"
    tale.add("written", after=0, facts=found("expiry-missing", plan={"reasons": [reason]}), **said)


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


def reverted_too_early_after_a_restore_beside_another(tale: Tale, wrong: bool) -> None:
    """Its author used the grace of its assignment in another before an operator restored it; or he had no other."""
    _restored_beside(tale, tenant.SINGLE if wrong else tenant.ASSIGNMENT, ALICE)


def reverted_too_early_after_a_restore_of_what_another_wrote(tale: Tale, wrong: bool) -> None:
    """Who writes it after the restore used the grace in another before; or somebody else did."""
    _restored_beside(tale, tenant.ASSIGNMENT, MALLORY if wrong else ALICE)


def _restored_beside(tale: Tale, assignment: str, author: str) -> None:
    """Restore it as soon as it is seen broken; then somebody breaks it from an assignment in which nobody used any."""
    tale.ruleset = ruled(**GRACE)
    tale.add(one=TWO, facts=found("expiry-missing"), status=Status.VIOLATION, assignment=assignment)
    tale.add(after=24, facts=found("expiry-missing"))
    tale.add("restored", after=0, facts=found("expiry-missing"), content="b", kept="b")
    facts = found("expiry-missing")
    tale.add("intent", facts=facts, content="c", kept="", author=author, assignment="another", intent=intent("delete"))


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


def end_that_creeps_after_a_restore(tale: Tale, wrong: bool) -> None:
    """An operator restored a state with an earlier end; or one without an end, which the ruleset leaves in place."""
    tale.ruleset = ruled(rules={"expiry-extended": "revert", "expiry-missing": "alert", "ticket-missing": "alert"})
    left: dict[str, Any] = {"status": Status.VIOLATION, "tolerated": 1, "snapshot": 1}
    tale.add("written", facts=found("ticket-missing"), expires_on=START + 30 * DAY, **left)
    restored = found("ticket-missing", *[] if wrong else ["expiry-missing"])
    tale.add("restored", facts=restored, content="b", kept="b", expires_on=START + 20 * DAY if wrong else None)
    end = START + (25 if wrong else 40) * DAY
    tale.add("edited", facts=found("ticket-missing"), content="c", kept="", expires_on=end)


def end_that_creeps_after_a_tag_stayed(tale: Tale, wrong: bool) -> None:
    """A new ticket made it compliant, but its tag could not be removed; then it has the same end, or a later one."""
    tale.ruleset = ruled(rules={"expiry-extended": "revert", "ticket-missing": "tag"})
    left: dict[str, Any] = {"status": Status.VIOLATION, "tolerated": 1, "snapshot": 1}
    tale.add("written", facts=found("ticket-missing"), expires_on=START + 30 * DAY, **left)
    renewed: dict[str, Any] = {
        "content": "b",
        "expires_on": START + 60 * DAY,
        "ticket": "SEC-1",
        "compliant": 2,
        "snapshot": 2,
    }
    tale.add("intent", facts=found(plan={"status": "compliant"}), intent=intent("untag"), **renewed)
    tale.add("cannot-act", status=Status.CANNOT_ACT)
    end = START + (90 if wrong else 60) * DAY
    tale.add("edited", facts=found("ticket-missing"), content="c", status=Status.VIOLATION, ticket="", expires_on=end)


def end_accepted_before_its_assignment_was_gone(tale: Tale, wrong: bool) -> None:
    """Azure said that the assignment is gone when the first end was seen; or when an earlier one was accepted."""
    tale.ruleset = ruled(rules={"expiry-extended": "revert"})
    gone = {"unknown": "the assignment does not exist"}
    if wrong:
        tale.add("written", facts=found(), expires_on=START + 30 * DAY, ticket="SEC-1")
    tale.add("edited", facts=found(), content="b", expires_on=START + 20 * DAY, ticket="SEC-1", criteria_weakened=gone)
    tale.add("edited", facts=found(), content="c", expires_on=START + 40 * DAY, ticket="SEC-1", criteria_weakened={})


def first_date_lost(tale: Tale, wrong: bool) -> None:
    first, more = (START, NOW), (START + HOUR, NOW)
    tale.add(dates=(first,))
    tale.add("edited", content="b", dates=(more,) if wrong else (first, more))


def first_end_lost(tale: Tale, wrong: bool) -> None:
    first, least, more = (START, NOW + DAY), (START + HOUR, NOW), (START + 2 * HOUR, NOW + 2 * DAY)
    tale.add(dates=(first, least))
    tale.add("edited", content="b", dates=(first, more) if wrong else (first, least, more))


SPOILED: Final[Spoiled] = {
    "the_grace_is_given_once": (
        grace_given_again,
        grace_given_again_with_overrides,
        grace_given_again_with_a_milder_override,
        grace_given_again_after_an_override_for_a_policy,
        grace_given_again_after_unknown,
        grace_of_another_given_again,
        grace_of_another_control_given_again,
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
        reverted_too_early_after_a_restore_beside_another,
        reverted_too_early_after_a_restore_of_what_another_wrote,
        reverted_too_early_though_a_restore_saw_it,
        reverted_too_early_after_an_adoption,
    ),
    "an_end_does_not_creep": (
        end_that_creeps,
        end_that_creeps_after_a_restore,
        end_that_creeps_after_a_tag_stayed,
        end_accepted_before_its_assignment_was_gone,
    ),
    "the_first_end_is_kept": (first_date_lost, first_end_lost),
}
