"""One object under one id, errors that pass, sweeps that find what is left, and bodies that are kept."""

from datetime import timedelta
from typing import Final

from guardrails.azure.refusals import REFUSALS
from guardrails.decisions import bodies
from guardrails.decisions.row import Row, Status
from guardrails.exemption.exemption_id import ExemptionId
from guardrails.exemption.ids import is_same
from guardrails.notices.notice import Kind
from guardrails.register import dead_letters, unseen
from guardrails.ruleset.model import Mode
from tests.battery.azure import START
from tests.battery.watchers.book import SLACK, Book, Step

_WEEK: Final = timedelta(days=7)
_MINUTE: Final = timedelta(minutes=1)
"""How far a worker's clock may be from Azure's, and more."""

_FORESEEN: Final = ("Retryable", "Misconfigured", "Permanent")
_POSSIBLE: Final = ("[not-an-exemption]", "and a transaction takes")
_AMBIGUOUS: Final = ("/../", "/./", "//", "\\", "\n", "%")
_NO_TAG: Final = "the scope cannot be tagged"
_NO_TARGET: Final = ("ResourceNotFound", "ResourceGroupNotFound", "ParentResourceNotFound", "ManagementGroupNotFound")
_GONE: Final = (Status.GONE, Status.LOST)


# One object


async def every_row_names_one_object(book: Book) -> list[str]:
    """Every row and every body in the register belongs to the exemption that its id names."""
    found = [f"{one!s:.200}: no id of one object" for one in book.steps if any(part in one.text for part in _AMBIGUOUS)]
    for step in book:
        body = await book.body(step.one, step.row.snapshot)
        if body is not None and not is_same(body.get("id"), step.one.text):
            found.append(f"{step}: keeps a body of {body.get('id')}")
    return found


async def nothing_is_gone_that_exists(book: Book) -> list[str]:
    """The register calls an exemption gone only if it was gone."""
    found = []
    for step in book:
        if step.before is None or not step.before.content or step.row.content or step.row.status not in _GONE:
            continue
        since, until = step.entry.at - 2 * SLACK, step.entry.at + SLACK
        journal = book.end.journal(step.one)
        before = [change for change in journal if change.at < since][-1:]
        around = [change for change in journal if since <= change.at <= until]
        if before and all(change.after is not None for change in (*before, *around)):
            found.append(f"{step}: it stood all the while, and is said to be {step.row.status}")
    return found


async def rows_are_of_what_azure_showed(book: Book) -> list[str]:
    """An id that names nothing has no row, and the number of rows of unreadable exemptions is limited."""
    end = book.end
    known = {change.id for change in end.cloud.arm.journal} | {one.key for one in end.there}
    known |= {one.key for one in end.people.ids}
    found, never = [], 0
    async for stored in end.register.rows():
        one = ExemptionId.parse(stored.row.id)
        never += one.key not in known
        steps = book.steps[one]
        if one.key not in known and (not steps or steps[0].row.status is not Status.UNKNOWN):
            found.append(f"{one.text}: a row of what never was, {stored.row.status}")
    return found + ([f"{never} rows of what never could be read"] if never > unseen.MOST + 2 else [])


async def dead_letters_are_limited(book: Book) -> list[str]:
    """The number of kept messages from outsiders is limited.

    Beside those there is one dead letter of what came beyond; and of workers that count at once each keeps one more.
    """
    kept = [one for one in await book.end.register.dead_letters() if one.source == "event"]
    return (
        [f"{len(kept)} dead letters of events"] if len(kept) > dead_letters.MOST + len(book.end.cloud.workers) else []
    )


async def an_accepted_delete_is_kept(book: Book) -> list[str]:
    """An accepted delete stays, unless somebody creates the exemption again or an operator asks for a restore."""
    found = []
    for one, steps in book.steps.items():
        accepted = [step.entry.at for step in steps if step.entry.facts.get("accepted")]
        journal = [change for change in book.end.cloud.arm.journal if change.id == one.key]
        for at, change in enumerate(journal):
            if not change.ours or change.before is not None or change.after is None or change.id in change.asked:
                continue
            gone = journal[at - 1].at if at else None
            if gone and any(gone <= moment <= change.at for moment in accepted):
                found.append(f"{one.key}: its delete was accepted, and it was put back at {change.at}")
    return found


# Errors


async def cannot_act_is_of_the_list(book: Book) -> list[str]:
    """Only an error from the documented list means that Azure does not allow an action, and it is reported once.

    It is reported once more to those who were notified since that the exemption complies, if it breaks rules again.
    """
    found = []
    for step in book:
        if step.entry.event != "cannot-act":
            continue
        why = str(step.entry.facts.get("why", ""))
        if why.partition(":")[0] not in (*REFUSALS, *_NO_TARGET) and not why.startswith(_NO_TAG):
            found.append(f"{step}: {why}")
    return found + _notified_again(book) + _not_notified(book)


def _notified_again(book: Book) -> list[str]:
    """Return where two refusals of one content follow one another, and both are notified.

    Whoever was notified that nothing is to be changed any more is notified of the next one, too. So is whoever may have
    been notified that it complies, once it breaks rules again: what Azure refused before that was something else.
    """
    found = []
    for steps in book.steps.values():
        last, complied = None, False
        for step in steps:
            if (
                step.row.content == ""
                or (last and step.row.content != last.row.content)
                or _is_at_rest(step.entry.event)
                or _needs_nothing(book, step)
                or (complied and step.row.running)
            ):
                last = None
            complied = not step.row.running
            if step.entry.event == "cannot-act" and step.entry.facts.get("hint") != "operator":
                if last is not None and step.says("cannot-act") and last.row.status is Status.CANNOT_ACT:
                    found.append(f"{step}: notified again that Azure does not allow it, after entry {last.entry.seq}")
                last = step
    return found


def _not_notified(book: Book) -> list[str]:
    """Return where something breaks rules and cannot be changed, and the last notice of this was that it complies.

    A write that was begun has not been refused: until it has ended, the row has the status of before.
    """
    found = []
    for steps in book.steps.values():
        complies = None
        for step in steps:
            if step.says("compliant"):
                complies = step
            elif step.says("cannot-act"):
                complies = None
            if complies and step.row.status is Status.CANNOT_ACT and step.row.running and step.row.intent is None:
                found.append(f"{step}: not notified that Azure does not allow it, since entry {complies.entry.seq}")
    return found


def _is_at_rest(event: str) -> bool:
    return event in ("reverted", "put-back", "tagged", "untagged", "restored", "removed", "brought-back")


def _needs_nothing(book: Book, step: Step) -> bool:
    """Whether a look found that nothing is to be changed: what Azure refuses after that was decided anew.

    Where an exemption has ended, only a sweep's look finds that: every other look leaves its removal to the next sweep.
    """
    plan, row = step.entry.facts.get("plan") or {}, step.row
    if (plan.get("status"), plan.get("answer"), row.blocked) != (Status.COMPLIANT, "none", ""):
        return False
    ruleset = book.ruleset(step)
    wait = ruleset.delete_expired if ruleset and ruleset.mode is Mode.ENFORCE else None
    ended = wait is not None and row.expires_on is not None and row.expires_on + wait <= step.entry.at
    return not ended or step.entry.facts.get("hint") == "sweep"


async def what_is_refused_is_tried_again(book: Book) -> list[str]:
    """An action that Azure did not allow is tried again within a week, and at once when the exemption changes."""
    found = []
    for one, row in book.end.rows.items():
        if row.blocked and (row.retry_on is None or row.retry_on > book.end.cloud.now() + _WEEK + SLACK):
            found.append(f"{one.key}: not tried again before {row.retry_on}: {row.blocked}")
    for step in book:
        known, other = step.known, step.row.content != ""
        other = other and known is not None and known.content != step.row.content and step.entry.event != "cannot-act"
        if known and other and known.blocked and step.row.blocked == known.blocked:
            found.append(f"{step}: it says something else now, and is taken for refused")
    return found


async def nothing_becomes_a_dead_letter_that_could_be_done(book: Book) -> list[str]:
    """No message is given up because of its size or an incomplete answer, and no unexpected error occurs."""
    found = []
    for dead_letter in await book.end.register.dead_letters():
        about = dead_letter.payload.lower()
        named = any(one.key in about for one in (*book.end.rows, *book.end.people.ids))
        if (
            dead_letter.source in ("event", "reconcile")
            and named
            and any(one in dead_letter.reason for one in _POSSIBLE)
        ):
            found.append(f"dead letter {dead_letter.id}: {dead_letter.reason}")
    failed = [line for line in book.end.cloud.trace if " failed " in line and line.split()[-1] not in _FORESEEN]
    return found + failed


# Sweeps


async def the_last_sweep_ended(book: Book) -> list[str]:
    """The clean sweep at the end completes, even if somebody changed the register by hand."""
    run = await book.end.register.sweeps.last()
    late = book.end.cloud.now() - timedelta(days=3)
    return [] if run and run.until is None and run.started > late else [f"no sweep ended since {late}: {run}"]


async def a_restore_is_not_taken_back(book: Book) -> list[str]:
    """A second restore does not undo the first one, unless there was an edit or --at names another version."""
    found = []
    for one, steps in book.steps.items():
        last = None
        for step in steps:
            if step.edited or step.row.content == "":
                last = None
            if step.entry.event == "restored":
                why = str(step.entry.facts.get("why", ""))
                if last is not None and step.row.content != last.row.content and "as history entry" not in why:
                    found.append(f"{one.key}: entry {step.entry.seq} took back what entry {last.entry.seq} restored")
                last = step
    return found


async def what_is_decided_is_done(book: Book) -> list[str]:
    """After a clean sweep, each exemption to be tagged has its tag, and each tag to be removed is gone."""
    found = []
    for one, body in book.end.there.items():
        row = book.end.rows.get(one)
        if (
            row is None
            or book.end.cloud.ruleset.mode is Mode.AUDIT
            or row.blocked
            or row.hold
            or row.intent
            or row.held
            or book.steps[one][-1].entry.event == "adopted"  # the next sweep sees to it
        ):
            continue
        metadata = body["properties"].get("metadata") or {}
        tagged = isinstance(metadata.get("guardrails"), dict) and "status" in metadata["guardrails"]
        where = book.end.cloud.ruleset.tagging
        if (
            row.status is Status.VIOLATION
            and row.answer == "tag"
            and where.exemption
            and not where.scope
            and not tagged
        ):
            found.append(f"{one.key}: it is to be tagged, and is not")
        if row.answer == "untag" and tagged:
            found.append(f"{one.key}: its tag is to go, and is there")
    return found


# Bodies


async def what_the_row_names_is_kept(book: Book) -> list[str]:
    """The register keeps the current body, the last compliant one, and each body replaced or deleted in 400 days."""
    found = []
    for one, row in book.end.rows.items():
        named = {"snapshot": row.snapshot if row.content else None, "compliant": row.compliant, "undo": row.undo}
        found += [
            f"{one.key}: its {name}, entry {entry}, is not kept"
            for name, entry in named.items()
            if entry is not None and await book.body(one, entry) is None
        ]
        since = book.end.cloud.now() - bodies.TAKEN_FOR
        taken = {step.row.undo for step in book.steps[one] if step.row.undo is not None and step.entry.at > since}
        found += [
            f"{one.key}: what was taken away, entry {entry}, is not kept"
            for entry in sorted(taken)
            if await book.body(one, entry) is None
        ]
    return found


async def bodies_are_limited(book: Book) -> list[str]:
    """The number of bodies that nothing needs is limited.

    Each look counts those of a row of before, except while a write is under way: crashes may begin one several times,
    and no look follows one that deletes the exemption. An operator's hold, release or restore counts nothing.
    """
    most = bodies.KEPT + bodies.SLACK + 2
    found = [
        f"{one.key}: {len(row.bodies)} spare bodies"
        for one, row in book.end.rows.items()
        if row.bodies and len(row.bodies) > most
    ]
    return found + [
        f"{step}: its bodies are not counted"
        for step in book
        if step.row.bodies is None and step.entry.seq > bodies.UNCOUNTED
        if step.entry.facts.get("hint") != "operator" and not (step.before and step.before.intent)
    ]


async def a_put_back_reads_no_history(book: Book) -> list[str]:
    """A request for one history entry reads no others."""
    return [
        f"{worker.line.requests[request]} requests {request}"
        for worker in book.end.cloud.workers
        for request in worker.line.requests
        if request == ("Register.entry", "query_entities")
    ]


# Deletes


async def nothing_follows_from_what_an_event_says(book: Book) -> list[str]:
    """No deleter is accepted or accused before the activity log is asked, and the history names the source."""
    found = []
    for step in book:
        before, facts = step.before, step.entry.facts
        if before is None or not before.vouched:
            continue
        who = str(facts.get("accepted", "")).endswith("deleted it, which is allowed")
        accused = step.row.lost_by != "" and before.lost_by == "" and step.entry.event == "lost"
        earlier = [
            one for one in book.steps[step.one] if one.entry.seq < step.entry.seq and one.entry.facts.get("accepted")
        ]
        if (who and not earlier) or accused:
            found += [] if facts.get("known") else [f"{step}: by {facts.get('actor')}, and not said how that is known"]
    return found


async def who_is_named_has_done_it(book: Book) -> list[str]:
    """The deleter that the service names is the last one in the activity log before the service saw the loss.

    What was deleted before it was last written is an earlier one, and what is deleted after that a later one, under its
    name.
    """
    found = []
    for step in book:
        facts, row = step.entry.facts, step.row
        known, accepted = str(facts.get("known", "")), str(facts.get("accepted", ""))
        by = accepted.partition(" deleted it")[0] if accepted.endswith("which is allowed") else row.lost_by
        if not by or not known or "was not read" in known or step.entry.event not in ("lost", "deleted"):
            continue
        journal = [one for one in book.end.cloud.arm.journal if one.id == step.one.key]
        seen = (step.before and step.before.lost) or row.lost or step.entry.at
        made = max((one.at for one in journal if one.after is not None and one.at <= seen - _MINUTE), default=START)
        gone = [one for one in journal if one.after is None and not one.ours and made < one.at <= seen + SLACK]
        if by.lower() not in {one.by.lower() for one in gone}:
            did = " or ".join(f"{one.by} did it at {one.at}" for one in gone) or "nobody did it"
            found.append(f"{step}: {by} is named, and {did}")
        if known.startswith("who deleted it is what an event says"):
            found.append(f"{step}: the activity log was not asked")
    return found


async def an_old_event_says_nothing(book: Book) -> list[str]:
    """The event of an earlier loss does not count for a later one."""
    found = []
    for steps in book.steps.values():
        losses: dict[str, int] = {}
        life = 0
        for step in steps:
            life = step.entry.seq if step.row.content else life
            event = str(step.entry.facts.get("event", ""))
            if step.entry.event not in ("lost", "deleted") or not event or not step.row.lost_said:
                continue
            if losses.setdefault(event, life) != life:
                found.append(f"{step}: event {event} announced the loss after entry {losses[event]}")
    return found


async def a_loss_is_not_silenced(book: Book) -> list[str]:
    """The loss of an approved exemption is reported, even if one from another assignment has its name."""
    found = []
    for step in book:
        before, row = step.before, step.row
        if before is None or before.compliant is None or not (before.content or before.wanted_back) or not row.content:
            continue
        moved = before.assignment and before.assignment.lower().strip("/") != row.assignment.lower().strip("/")
        over = before.expires_on is not None and before.expires_on <= step.entry.at + SLACK
        if moved and not over and row.own_write_at is None and not step.says("deleted"):
            found.append(f"{step}: it exempts from another assignment now, and nobody is notified")
    return found


async def a_bad_one_replaces_nothing(book: Book) -> list[str]:
    """An exemption that must be reverted does not replace a lost one."""
    found = []
    for step in book:
        why = str(step.entry.facts.get("why", ""))
        if step.entry.event != "not-restored" or not why.endswith("at the same scope replaces it"):
            continue
        name = why.split("'")[1].lower()
        for other, steps in book.steps.items():
            if other.name.lower() != name or other.scope.lower() != step.one.scope.lower():
                continue
            at = step.entry.at
            before = [one.row for one in steps if one.entry.at <= at - SLACK][-1:]  # what the register surely knew
            near = [one.row for one in steps if at - SLACK < one.entry.at <= at + SLACK] if before else []
            row = before[0] if before else None
            if row and all(_is_bad(one) for one in (row, *near)):
                found.append(f"{step}: {name} replaces it, which is {row.status} {row.answer}")
    return found


def _is_bad(row: Row) -> bool:
    return row.content != "" and row.content not in (row.compliant_content, row.tolerated_content, row.kept)


async def nobody_altered_the_register(book: Book) -> list[str]:
    """A manual change of the register is reported only if there was one."""
    ledger = getattr(book.end.people, "ledger", None)
    notices = [notice.id for _, _, notice in book.end.cloud.delivered if notice.kind is Kind.REGISTER_ALTERED]
    return [] if ledger and (ledger.wiped or getattr(ledger, "altered", 0)) else notices


WATCHERS: Final = (
    every_row_names_one_object, nothing_is_gone_that_exists,
    rows_are_of_what_azure_showed, dead_letters_are_limited, an_accepted_delete_is_kept,
    cannot_act_is_of_the_list, what_is_refused_is_tried_again, nothing_becomes_a_dead_letter_that_could_be_done,
    the_last_sweep_ended, a_restore_is_not_taken_back, what_is_decided_is_done, what_the_row_names_is_kept,
    bodies_are_limited, a_put_back_reads_no_history, nothing_follows_from_what_an_event_says, who_is_named_has_done_it,
    an_old_event_says_nothing, a_loss_is_not_silenced, a_bad_one_replaces_nothing, nobody_altered_the_register,
)  # fmt: skip
