"""Nobody wins anything by text alone: whose exemptions are, who may delete them, and how tries are notified."""

import re
from collections import defaultdict
from collections.abc import Iterator
from typing import Final

from guardrails.decisions.evasion import Habit
from guardrails.decisions.row import Status
from guardrails.ruleset.model import Owner
from tests.battery.rulesets import CLAIM
from tests.battery.watchers.book import SLACK, Book, Step, time_of

_BELONGS: Final = re.compile(r"not reverted: it belongs to (\S+)")
_VIOLATED: Final = "but the last writer is not one of its authors"
_WHO_MAY: Final = re.compile(r"(.+) deleted it, which is allowed")
_WHO_MAY_NOT: Final = re.compile(r"(.+) deleted it, which is not allowed")
_LEFT_TO: Final = re.compile(r"it is left to (.+)")
_GUID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


async def a_claim_protects_nothing(book: Book) -> list[str]:
    """The service leaves an exemption to its protected owner only if an identity that may write for the owner wrote it.

    By its author, where the ruleset names authors; by metadata that it had when it was new, or that the register had
    seen before somebody else's edit, where it names none.
    """
    found = []
    for step in book:
        name = next((match[1] for reason in step.reasons if (match := _BELONGS.search(reason))), "")
        owner = book.owner(step, name)
        if owner is None:
            continue
        claims = CLAIM in await book.metadata(step)
        if owner.authors and step.row.author and step.row.author.lower() not in owner.authors:
            found.append(f"{step}: it is spared for {name}, and {step.row.author} wrote it")
        elif owner.metadata and not claims:
            found.append(f"{step}: it is spared for {name}, and does not say so")
        elif not owner.authors and step.edited and not await _knew(book, step, owner):
            found.append(f"{step}: it is spared for {name}, and an edit added that claim")
    return found


async def _knew(book: Book, step: Step, owner: Owner) -> bool:
    """Whether the register had seen the claim before this edit, or the owner is new in the ruleset."""
    steps = book.steps[step.one]
    before = steps[steps.index(step) - 1]
    if before.row.theirs == owner.name or book.owner(before, owner.name) is None:
        return True
    return CLAIM in await book.metadata(before)


async def what_its_owner_wrote_is_put_back(book: Book) -> list[str]:
    """A revert of somebody else's edit puts back the last version of the protected owner."""
    found = []
    for step in book:
        intent = step.row.intent
        if step.entry.event != "intent" or intent is None or not any(_VIOLATED in one for one in step.reasons):
            continue
        if intent.action in ("put-back", "delete") and intent.body != step.row.theirs_at:
            found.append(f"{step}: {intent.action} of {intent.body}; its owner's words are {step.row.theirs_at}")
    return found


async def nobody_else_gives_away_what_is_an_owners(book: Book) -> list[str]:
    """Only an identity that may write for a protected owner can take an exemption from that owner."""
    found = []
    for step in book:
        known, author = step.known, step.row.author.lower()
        if known is None or not step.edited or not known.theirs or step.row.theirs or step.row.claimed:
            continue
        owner = book.owner(step, known.theirs)
        if owner and not owner.authors and author and known.theirs_by and author not in known.theirs_by:
            found.append(f"{step}: {author} took it from {known.theirs}")
    return found


async def nothing_is_inherited_by_name(book: Book) -> list[str]:
    """A recreated exemption belongs to its new creator and not to the author of the former one."""
    found = []
    for step in book:
        before, row = step.before, step.row
        if before is None or before.content or not row.content or row.own_write_at is not None or not row.theirs:
            continue
        body = book.state(step)  # it may have been deleted a minute later, or made anew by another
        makers = {row.author.lower(), str(body.get("systemData", {}).get("createdBy", "")).lower()}
        if not set(row.theirs_by) <= makers:
            found.append(f"{step}: made anew, and {row.theirs_by} may write it for {row.theirs}")
    return found


async def rights_change_by_who_has_them(book: Book) -> list[str]:
    """Changes to the delete rights or the durability of an exemption need the right to delete it."""
    found = []
    for step in book:
        before, row = step.before, step.row
        if before is None or not before.vouched or not row.content:
            continue
        if not before.content and not before.wanted_back:
            continue  # a new one under an old name
        if before.assignment != row.assignment:
            continue  # an update cannot do that
        if row.creator != before.creator:
            found.append(f"{step}: its creator was {before.creator} and is {row.creator}")
        author = row.author.lower()
        trusted = frozenset[str]().union(*(one.trusted for one in book.in_force(step.entry.at)))
        may = author == before.creator or author in before.owners or author in trusted
        if not may and (row.owners, row.wanted) != (before.owners, before.wanted):
            found.append(f"{step}: {author} changed who may delete it to {row.owners}, {row.wanted!r}")
    return found


async def an_accepted_delete_was_by_who_may(book: Book) -> list[str]:
    """The service accepts a delete by the creator, by an owner, or by an identity that the ruleset trusts."""
    found = []
    for step in book:
        before, why = step.before, str(step.entry.facts.get("accepted", ""))
        if before is None or not before.vouched:
            continue
        if match := _WHO_MAY.fullmatch(why):
            name = match[1].strip().lower()
            identity = "@" in name or _GUID.fullmatch(name)
            trusted = frozenset[str]().union(*(one.trusted for one in book.in_force(step.entry.at)))
            if name not in trusted and name != before.creator and not (name in before.owners and identity):
                found.append(f"{step}: accepted of {name}; it is {before.creator}'s, and {before.owners} may")
        if (match := _LEFT_TO.fullmatch(why)) and before.claimed == match[1]:
            owners = [owner for one in book.in_force(step.entry.at) for owner in one.owners if owner.name == match[1]]
            if any(before.author.lower() in owner.authors for owner in owners):
                continue  # today's ruleset names its authors, and one of them wrote it
            found.append(f"{step}: it was left to {match[1]}, which is a claim of who wrote it")
    return found


async def who_made_it_may_delete_it(book: Book) -> list[str]:
    """If an exemption has only one creator, the activity log alone never takes the creator's right to delete it."""
    found = []
    for step in book:
        match = _WHO_MAY_NOT.fullmatch(str(step.entry.facts.get("why", "")))
        if not match or step.entry.facts.get("known") != "who deleted it is what the activity log says":
            continue
        makers = {
            change.by
            for change in book.end.journal(step.one)
            if change.before is None and not change.ours and change.at <= step.entry.at + SLACK
        }
        if makers == {match[1].lower()}:
            found.append(f"{step}: {match[1]} may not delete it, who made it")
    return found


async def gaps_are_named(book: Book) -> list[str]:
    """If only metadata protects a new exemption, the reasons and the ruleset notes say what to add to the ruleset."""
    found = []
    for step in book:
        for match in filter(None, map(_BELONGS.search, step.reasons)):
            owner = book.owner(step, match[1])
            if owner and not owner.authors and step.entry.event == "written" and step.before is None:
                found += [] if "`authors`" in " ".join(step.reasons) else [f"{step}: the gap is not named"]
    for ruleset in {id(one): one for _, one in book.end.cloud.ruled}.values():
        for owner in ruleset.owners:
            if not owner.authors and not any(f"'{owner.name}'" in text for text in ruleset.gaps):
                found.append(f"ruleset {ruleset.digest}: nobody is notified that {owner.name} names no authors")
    return found


async def the_known_owner_is_named(book: Book) -> list[str]:
    """A notice that names a claimed owner also names the known owners.

    A notice is of the entry with its number and its time: a register that was lost and put back gives numbers again.
    """
    rows = {(step.one.text, step.entry.seq, step.entry.at): step.row for step in book}
    found = []
    for _, _, notice in book.end.cloud.delivered:
        parts = notice.id.split("-")
        seq = int(parts[1]) if len(parts) > 2 and parts[1].isdigit() else 0
        row = rows.get((str(notice.exemption.get("id")), seq, notice.at))
        if (
            row is None
            or not row.content
            or not row.vouched
            or not row.owner
            or notice.exemption.get("owner") != row.owner
        ):
            continue
        named = {one.strip() for one in re.split("[,;]", row.owner.lower())}
        if not row.owners or named <= set(row.owners):
            continue  # nobody is known, or all that are named are
        if "knownOwner" not in notice.exemption and str(notice.kind) != "restored":
            found.append(f"{notice.id} names {row.owner}, and not {row.owners}")
    return found


async def our_tag_is_of_the_past(book: Book) -> list[str]:
    """The time in the service's tag is in the past, even if an older tag had a later time."""
    found = []
    for change in book.end.cloud.arm.journal:
        tag = (((change.after or {}).get("properties") or {}).get("metadata") or {}).get("guardrails")
        if not change.ours or not isinstance(tag, dict) or tag.get("status") != "violation":
            continue
        was = (((change.before or {}).get("properties") or {}).get("metadata") or {}).get("guardrails")
        since = time_of(tag.get("since"))
        if was != tag and (since is None or since > change.at + SLACK):
            found.append(f"{change.id}: tagged since {tag.get('since')} at {change.at}")
    return found


async def evasion_is_notified(book: Book) -> list[str]:
    """These are reported as evasion: a claimed owner, edits back and forth between violations, and a flood."""
    found = list[str]()
    for step in book:
        row, known = step.row, step.known
        if step.edited and known and row.claimed and not known.claimed and not known.theirs:
            found += _unnotified(step, Habit.CLAIMED_OWNER)
        if any(" broke it again " in one for one in step.reasons):
            found += _unnotified(step, Habit.TOGGLING)
        if row.warned and step.entry.event == "held":
            found += _unnotified(step, Habit.FLOOD)
    return found


def _unnotified(step: Step, habit: Habit) -> Iterator[str]:
    if habit not in step.row.evaded:
        yield f"{step}: {habit} is not notified"


async def evasion_is_notified_once_and_alone(book: Book) -> list[str]:
    """Each kind of attempt at evasion is reported once per exemption, and never in a digest."""
    names = defaultdict[str, set[str]](set)
    for _, _, notice in book.end.cloud.delivered:
        if "-evasion-" in notice.id and Habit.FORGED_ID not in notice.id:
            about, _, habit = notice.id.partition("-evasion-")
            names[f"{about} {next(one for one in Habit if habit.startswith(one))}"].add(notice.id)
    found = [f"{about} is notified as {sorted(ids)}" for about, ids in names.items() if len(ids) > 1]
    members = {member for digest in book.end.cloud.digests.values() for member in digest}
    return found + [f"{member} waited for a digest" for member in sorted(members) if "-evasion-" in member]


async def forged_ids_are_notified(book: Book) -> list[str]:
    """If the service keeps an event that does not name exactly one exemption, people are notified."""
    dead_letters = await book.end.register.dead_letters()
    forged = [one for one in dead_letters if one.source == "event" and "names no exemption" in one.reason]
    lost = {event.text for event in book.end.cloud.lost}  # what failed until then was to come once more
    forged = [one for one in forged if "/policyexemptions/" in one.payload.lower() and one.payload not in lost]
    unruled = book.end.cloud.unruled  # a broken ruleset names no routes
    forged = [one for one in forged if not any(abs(one.at - at) <= SLACK for at in unruled)]
    notices = [notice for _, _, notice in book.end.cloud.delivered if Habit.FORGED_ID in notice.id]
    kept = [one for one in dead_letters if one.source == "notices" and Habit.FORGED_ID in one.payload]
    return [f"dead letter {forged[0].id}: a forged id is not notified"] if forged and not notices and not kept else []


async def what_was_approved_stays_so(book: Book) -> list[str]:
    """Somebody who deletes and recreates an approved exemption gains no more than by an edit.

    A compliant one is approved as it is. Where a restore is the first to look at it, its row says so by its findings.
    """
    found = []
    for step in book:
        before, row = step.before, step.row
        if before is None or not before.wanted_back or not row.content or before.assignment != row.assignment:
            continue
        plan = step.entry.facts.get("plan") or {}  # the row of a write that was begun has the status of before
        restored = row.intent is not None and row.intent.action == "restore" and not row.findings
        status = plan.get("status", Status.COMPLIANT if restored else row.status)
        if status != Status.COMPLIANT and not row.theirs and row.compliant != before.compliant:
            found.append(f"{step}: its approved state was entry {before.compliant}, and is {row.compliant}")
    return found


WATCHERS: Final = (
    a_claim_protects_nothing, what_its_owner_wrote_is_put_back, nobody_else_gives_away_what_is_an_owners,
    nothing_is_inherited_by_name, rights_change_by_who_has_them, an_accepted_delete_was_by_who_may,
    who_made_it_may_delete_it, gaps_are_named,
    the_known_owner_is_named, our_tag_is_of_the_past, evasion_is_notified, evasion_is_notified_once_and_alone,
    forged_ids_are_notified, what_was_approved_stays_so,
)  # fmt: skip
