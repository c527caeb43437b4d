"""Whose an exemption is and who may delete it: the fixes, each taken away."""

from dataclasses import replace
from typing import Any, Final

from guardrails.decisions.ownership import Ownership, Written, names, wanted_of
from guardrails.decisions.row import Row
from guardrails.ruleset.model import Owner, Ruleset
from tests.battery.mutations.base import Mutation, around, instead, mutation

_TESTS: Final = "tests/reconcile/test_authority.py::"
_RIGHTS: Final = "tests/reconcile/durability/test_rights.py::"


def _claim_and_authors(old: Any, owner: Owner, it: Written) -> Ownership:
    found: Ownership = old(owner, it)
    return Ownership(owner) if owner.authors and owner.is_claimed_by(it.exemption) else found


def _author_and_metadata(old: Any, owner: Owner, it: Written) -> Ownership:
    found: Ownership = old(owner, it)
    return Ownership(owner) if it.author.lower() in owner.authors else found


def _claim_by_edit(old: Any, owner: Owner, it: Written) -> Ownership:
    found: Ownership = old(owner, it)
    return Ownership(owner) if not owner.authors and owner.is_claimed_by(it.exemption) else found


def _what_the_owner_wrote(old: Any, owner: Owner, it: Written) -> Ownership:
    found: Ownership = old(owner, it)
    return replace(found, kept=None)


def _name_taken_off(old: Any, owner: Owner, it: Written) -> Ownership:
    claims = owner.is_claimed_by(it.exemption)
    found: Ownership = old(owner, it)
    return found if claims or not owner.metadata else Ownership()


def _inherited(old: Any, row: Row | None, *args: Any) -> Row | None:
    found: Row | None = old(row, *args)
    if row is None or found is None:
        return found
    kept = {name: getattr(row, name) for name in ("theirs", "theirs_by", "theirs_at", "theirs_content", "claimed")}
    return replace(found, content=found.content or row.compliant_content, **kept)


def _since_as_found(old: Any, found: object, now: Any) -> str:
    return found if isinstance(found, str) else str(old(found, now))


def _owners_of_the_edit(old: Any, base: Row, it: Written, ruleset: Ruleset, *, own: bool) -> dict[str, Any]:
    return {**old(base, it, ruleset, own=own), **({} if own else {"owners": names(it.exemption.owner)})}


def _wanted_of_the_edit(old: Any, base: Row, it: Written, ruleset: Ruleset, *, own: bool) -> dict[str, Any]:
    return {**old(base, it, ruleset, own=own), **({} if own else {"wanted": wanted_of(it.exemption)})}


def _creator_by_making_it_anew(old: Any, base: Row, it: Written, ruleset: Ruleset, *, own: bool) -> dict[str, Any]:
    found: dict[str, Any] = old(base if base.content else replace(base, lost=None), it, ruleset, own=own)
    return found


def _vouched(row: Row) -> Row:
    return replace(row, vouched=True)


def _tool_by_claim(old: Any, it: Written, ruleset: Ruleset) -> Ownership:
    claimed = next((one for one in ruleset.owners if one.is_claimed_by(it.exemption)), None)
    found: Ownership = Ownership(claimed) if claimed else old(it, ruleset)
    return found


MUTATIONS: Final[tuple[Mutation, ...]] = (
    mutation(
        "claim-beside-authors",
        "Where an entry of owners names authors, metadata that claim it protect nothing.",
        _TESTS + "test_what_an_entry_names_must_all_match",
        around("guardrails.decisions.ownership._ownership_by", _claim_and_authors),
    ),
    mutation(
        "author-beside-metadata",
        "Where an entry of owners names authors and metadata, both must match.",
        _TESTS + "test_what_an_entry_names_must_all_match",
        around("guardrails.decisions.ownership._ownership_by", _author_and_metadata),
    ),
    mutation(
        "claim-by-an-edit",
        "An edit that adds the claim of an owner without authors protects nothing.",
        _TESTS + "test_an_edit_that_adds_the_claim_protects_nothing",
        around("guardrails.decisions.ownership._ownership_by", _claim_by_edit),
    ),
    mutation(
        "gap-not-named",
        "A notice about a new exemption that merely claims an owner names that gap.",
        _TESTS + "test_a_new_one_that_claims_an_owner_without_authors_is_alerted_and_the_gap_named",
        instead("guardrails.decisions.decide._GAP", ""),
    ),
    mutation(
        "gaps-not-listed",
        "Start-up and doctor name the entries of owners without authors.",
        "tests/doctor/test_host.py",
        instead("guardrails.ruleset.model.Ruleset.gaps", ()),
    ),
    mutation(
        "owners-words-lost",
        "What a stranger writes to an owner's exemption goes back to what the owner wrote last.",
        _TESTS + "test_what_a_stranger_writes_to_it_goes_back_to_what_the_tool_wrote_last",
        around("guardrails.decisions.ownership._ownership_by", _what_the_owner_wrote),
    ),
    mutation(
        "owners-name-taken-off",
        "A stranger who takes the owner's name off an exemption takes nothing from the owner.",
        _TESTS + "test_a_stranger_who_takes_the_owners_name_off_it_takes_nothing_from_the_owner",
        around("guardrails.decisions.ownership._ownership_by", _name_taken_off),
    ),
    mutation(
        "owner-inherited-by-name",
        "An exemption that is made anew under its name inherits nobody's protection.",
        _TESTS + "test_made_anew_with_its_name_it_inherits_nothing",
        around("guardrails.reconcile.visit.row_of_same", _inherited),
    ),
    mutation(
        "known-owner-not-notified",
        "A notice about an exemption whose owner is a claim names the owner who is known, too.",
        _TESTS + "test_a_claim_is_notified_to_the_known_owner_too",
        instead("guardrails.decisions.notify.is_claim", lambda _: False),
    ),
    mutation(
        "tag-dates-itself",
        "The time in our tag is believed only if it has passed.",
        _TESTS + "test_our_tag_written_by_somebody_else_says_nothing_of_when",
        around("guardrails.decisions.decide._since", _since_as_found),
    ),
    mutation(
        "owner-by-an-edit",
        "Who writes himself into an exemption as its owner may not delete it by that.",
        _RIGHTS + "test_who_writes_it_into_a_compliant_edit_has_no_right_by_that",
        around("guardrails.decisions.next_row.rights_after", _owners_of_the_edit),
    ),
    mutation(
        "wanted-by-an-edit",
        "Whether an exemption is put back changes by the words of who may delete it, and of nobody else.",
        _RIGHTS + "test_what_a_stranger_wants_restored_is_not_the_rulesets_will",
        around("guardrails.decisions.next_row.rights_after", _wanted_of_the_edit),
    ),
    mutation(
        "creator-by-making-it-anew",
        "Who makes a lost exemption anew is not its creator.",
        _RIGHTS + "test_who_makes_it_anew_while_it_is_lost_is_not_its_creator",
        around("guardrails.decisions.next_row.rights_after", _creator_by_making_it_anew),
    ),
    mutation(
        "group-may-delete",
        "An owner that is no identity, a group or a team's name, authorises nobody.",
        _RIGHTS + "test_a_group_authorises_nothing_by_itself",
        instead("guardrails.decisions.ownership._identities", lambda owners: owners),
    ),
    mutation(
        "rights-of-rows-of-before",
        "Who may delete an exemption by a row of before is who may by its last approved state.",
        _RIGHTS + "test_a_row_of_today_keeps_who_may",
        around("guardrails.decisions.durability.may_delete", lambda old, by, row, *rest: old(by, _vouched(row), *rest)),
    ),
    mutation(
        "tool-by-claim",
        "An exemption is left to a tool to put back only if it is the tool's.",
        _RIGHTS + "test_who_writes_it_into_a_compliant_edit_has_no_right_by_that",
        around("guardrails.decisions.durability.ownership_of", _tool_by_claim),
    ),
)
