"""What always holds, whatever happens: each function says what is wrong, a sentence each; nothing where all is well.

They compare what Azure's journal, the register and the routes say with a model of their own, never with the product's
judgement.
"""

import base64
import json
import re
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any, Final

from guardrails.decisions.history import HistoryEntry
from guardrails.decisions.row import Row, Status
from guardrails.errors import GuardrailsError
from guardrails.exemption.body import fingerprint
from guardrails.exemption.exemption_id import ExemptionId
from guardrails.exemption.times import parse_time
from guardrails.notices.digest import Closing, route_of
from guardrails.notices.notice import Kind, Notice
from guardrails.ruleset.model import Mode
from tests.battery import model, rulesets
from tests.battery.acts import People
from tests.battery.azure import START, Change, Cloud

_ANNOUNCED: Final = {
    "reverted": Kind.REVERTED, "put-back": Kind.REVERTED, "removed": Kind.REMOVED, "restored": Kind.RESTORED,
    "brought-back": Kind.RESTORED,
}  # fmt: skip
"""The events of history that change Azure, and the kind of notice that each is worth."""

_ROUTES: Final = tuple({str(route["route"]) for routes in rulesets.ROUTES for route in routes})
_MINUTE: Final = timedelta(minutes=1)
_ABSENT: Final = (Status.GONE, Status.LOST)


@dataclass
class End:
    """What is compared once all has come to rest.

    Attributes:
        rows, history: what the register keeps, by exemption.
        there: the exemptions in Azure, by id.
        problems: what the register itself says is wrong.
    """

    cloud: Cloud
    people: People
    there: Mapping[ExemptionId, dict[str, Any]]
    rows: dict[ExemptionId, Row] = field(default_factory=dict)
    history: dict[ExemptionId, list[HistoryEntry]] = field(default_factory=dict)

    @classmethod
    async def of(cls, cloud: Cloud, people: People) -> "End":
        """Read the register."""
        end = cls(cloud, people, cloud.exemptions())
        for one in sorted({*people.ids, *end.there}, key=lambda one: one.key):
            if (stored := await end.register.read(one)) is not None:
                end.rows[one] = stored.row
                end.history[one] = await end.register.history(one)
        return end

    def journal(self, one: ExemptionId) -> list[Change]:
        """Return what was written to an exemption, and deleted, oldest first."""
        return [change for change in self.cloud.arm.journal if change.id == one.key]

    def is_hidden(self, one: ExemptionId) -> bool:
        """Whether we may not read an exemption any more: nothing can be found out of it."""
        seen = [scope.lower() for scope in self.people.around.seen]
        return bool(seen) and not any(f"{one.key}/".startswith(f"{scope}/") for scope in seen)

    @property
    def register(self) -> Any:
        """The register, by a process to which nothing happens any more."""
        return self.cloud.workers[0].service.register


# After each step: what the service wrote in it


def audit_mode_writes_nothing(_: Cloud, changes: list[Change]) -> Iterator[str]:
    """In audit mode, the service writes nothing to Azure, unless an operator asks for a restore."""
    for change in changes:
        if change.ours and change.id not in change.asked and all(one.mode is Mode.AUDIT for one in change.rulesets):
            yield f"audit mode wrote {change.id}"


def nothing_compliant_is_reverted(cloud: Cloud, changes: list[Change]) -> Iterator[str]:
    """If an exemption breaks no rule whose response is revert, the service at most changes its tag."""
    for change in changes:
        if not change.ours or change.before is None or change.id in change.asked or not _is_exemption(change.id):
            continue
        if model.said(change.before) == model.said(change.after):
            continue
        if not model.may_be_taken(change, [one for one in cloud.arm.journal if one.id == change.id], cloud.bases):
            yield f"a compliant exemption was taken away: {change.id}: {change.before['properties']}"


def _is_exemption(identity: str) -> bool:
    return "/policyexemptions/" in identity


# At the end


async def only_what_was_there_is_written(end: End) -> list[str]:
    """The service writes only content that somebody wrote under the same name before, and its tag."""
    found = []
    for one in end.people.ids:
        seen: list[Any] = []
        for change in end.journal(one):
            if change.after is not None:
                now = model.said(change.after)
                if change.ours and now not in seen:
                    found.append(f"{one.key}: nobody ever wrote {now}")
                seen.append(now)
    return found


async def a_version_is_reverted_once(end: End) -> list[str]:
    """A version of an exemption is reverted at most once while the ruleset and the assignments stay the same.

    Nor is what was put back reverted in its turn, unless it could not be judged then; its removal once it has ended is
    no revert. Where the assignment is gone, an override by reference, by which it was allowed, holds no more.
    """
    found = []
    for one in end.people.ids:
        reverts, judged_by = 0, tuple[Any, ...]()
        for change in end.journal(one):
            before, judged_by = judged_by, _judged_by(change)
            other = judged_by != before
            if not change.ours or change.id in change.asked or change.before is None or other:
                reverts = 0  # somebody wrote it, it was put back, or it is judged by something else
            elif model.said(change.before) != model.said(change.after) and not _is_removal(change):
                reverts = 0 if change.after and _was_unclear(end, one, change.at) else reverts + 1
                if reverts > 1:
                    found.append(f"{one.key}: reverted {reverts} times without anybody writing it")
    return found


def _judged_by(change: Change) -> tuple[Any, ...]:
    """Return what decides whether a change took away too much: the rulesets, and what its exemption exempts from."""
    said = (change.before or change.after or {}).get("properties", {})
    return change.rulesets, model.assigned(change.azure, said.get("policyAssignmentId", ""))


def _is_removal(change: Change) -> bool:
    return change.after is None and model.is_over(change)


def _was_unclear(end: End, one: ExemptionId, at: datetime) -> bool:
    """Whether what we put back at a time could not be judged in full when that was decided, or recorded."""
    steps = pairwise(end.history.get(one, ()))
    put_back = [both for both in steps if both[1].event == "put-back" and both[1].at >= at - _MINUTE]
    findings = [finding for entry in (put_back[0] if put_back else ()) for finding in entry.facts.get("findings", ())]
    return any(str(finding["status"]) == "unknown" for finding in findings)


async def no_violation_remains(end: End) -> list[str]:
    """After one clean sweep, no exemption breaks a rule with the response revert, unless something allows it.

    Such are exclusions, adoption, grace, holds, protected owners, new ones that claim one without authors, Unknown,
    an operator's restore, what Azure does not allow, and budgets.
    """
    found = []
    for one, body in end.there.items():
        rules = model.broken(body, end.cloud.ruleset, end.cloud.arm.store.entries)
        if end.cloud.ruleset.mode is Mode.AUDIT or not rules:
            continue
        if one not in end.rows:
            found.append(f"{one.key} breaks {rules} and is not in the register")
        elif not model.excuse(end, one, body, rules):
            row = end.rows[one]
            found.append(f"{one.key} is there and breaks {rules}: {row.status} {row.answer} {row.held} due {row.due}")
    return found


async def what_undo_promises_is_kept(end: End) -> list[str]:
    """The register can produce every body that `exg restore` may have to write."""
    found = []
    for one, row in end.rows.items():
        if row.undo is None:
            continue
        try:
            body = await end.register.body(one, row.undo)
        except GuardrailsError as error:
            found.append(f"{one.key}: what was taken away is not kept: {error}")
            continue
        if model.said(body) not in [model.said(change.after or change.before) for change in end.journal(one)]:
            found.append(f"{one.key}: what is kept was never there")
    return found


async def histories_verify(end: End) -> list[str]:
    """Every history chain verifies."""
    return [f"{one.key}: {text}" for one in end.rows for text in await end.register.verify(one)]


async def the_register_equals_azure(end: End) -> list[str]:
    """For every exemption, the register agrees with Azure."""
    found = []
    for one in {*end.rows, *end.there}:
        body, row = end.there.get(one), end.rows.get(one)
        if end.is_hidden(one):
            continue
        if row is None:
            found.append(f"{one.key} is not in the register")
        elif body is None and row.status not in _ABSENT:
            found.append(f"{one.key} is gone, and the register says {row.status}")
        elif body is not None and (row.status in _ABSENT or row.content != fingerprint(body)):
            found.append(f"{one.key} is there, and the register says otherwise: {row.status}")
    return sorted(found)


async def nothing_begun_is_left(end: End) -> list[str]:
    """No write stays unfinished, and no message stays unsent.

    A write is settled by reading what it wrote: where we may not, it waits.
    """
    left = {one: row for one, row in end.rows.items() if row.outbox or (row.intent and not end.is_hidden(one))}
    found = [f"{one.key}: left {row.intent} {row.outbox}" for one, row in left.items()]
    found += [f"left on the queue {name}: {message.text}" for name, message in end.cloud.visible()]
    return found


async def everything_committed_is_announced(end: End) -> list[str]:
    """Each committed notice arrives at its route, alone or in a digest, is queued, or is a dead letter.

    What waited for a digest, or was in a dead letter, is lost with the table where that is lost.
    """
    delivered = await _delivered(end) | end.people.ledger.sent_before
    lost = max(end.people.ledger.wiped, default=START - timedelta(days=1))
    found = []
    for one, entries in end.history.items():
        since = [entry for entry in entries if entry.at > lost]
        committed = {name for entry in since for name in messages_of(entry)}
        missing = sorted(name for name in committed - delivered if "-wake" not in name)
        found += [f"{one.key}: {name} was delivered to nobody" for name in missing]
    return found


async def _delivered(end: End) -> set[str]:
    """Return the messages, `NOTICE-ROUTE`, that were delivered, are in a digest that was, or are kept."""
    delivered = {f"{notice.id}-{route}" for _, route, notice in end.cloud.delivered}
    for dead_letter in await end.register.dead_letters():
        if dead_letter.source == "notices":
            delivered |= await _kept_by(json.loads(dead_letter.payload), end)
    for message in end.cloud.account.queues.get("notices", ()):
        delivered |= await _kept_by(json.loads(base64.b64decode(message.text)), end)
    for name, members in end.cloud.digests.items():
        for route in [route for route in _ROUTES if f"{name}-{route}" in delivered]:
            delivered |= {f"{member}-{route}" for member in members}
    return delivered


async def _kept_by(message: dict[str, Any], end: End) -> set[str]:
    """Return what a message of the queue stands for: one notice, or all that is pending in the window it closes."""
    if "notice" in message:
        return {f"{message['notice']['id']}-{message['route']}"}
    closing = Closing.read(message)
    if closing is None:
        return set()
    box, digest_items = closing.box, end.cloud.workers[0].service.courier()._digest_items
    waiting = await digest_items.waiting(box, closing.window)
    return {f"{one.notice.id}-{route_of(box)}" for one in waiting}


async def nothing_is_announced_twice(end: End) -> list[str]:
    """Each route gets each notice once, and at most once more for each crash and each lost answer."""
    delivered = defaultdict[tuple[str, str], list[datetime]](list)
    since: dict[str, datetime] = {}
    for at, route, notice in end.cloud.delivered:
        delivered[notice.id, route].append(at)
        begun = _begun(notice) - timedelta(minutes=1)
        since[notice.id] = min(since.get(notice.id, begun), begun)
    found = []
    for (name, route), times in delivered.items():
        chances = sum(since[name] <= at <= times[-1] for at in end.cloud.troubles)
        if len(times) - 1 > chances:
            found.append(f"{name} came to {route} {len(times)} times, with {chances} crashes and faults: {times}")
    return found


def _begun(notice: Notice) -> datetime:
    """Return since when a notice may have been doubled: a digest since its window began, which its id says."""
    window = re.search(r"-(\d{8}T\d{4}Z)(-\d+)?$", notice.id) if notice.kind is Kind.DIGEST else None
    return (window and parse_time(window[1])) or notice.at


async def each_revert_is_announced(end: End) -> list[str]:
    """Each revert, removal and restore is announced, at the latest with the history entry that records it."""
    lost = max(end.people.ledger.wiped, default=START - timedelta(days=1))
    found = []
    for one, entries in end.history.items():
        announced: set[str] = set()
        for entry in entries:
            announced |= set(messages_of(entry))
            if kind := _ANNOUNCED.get(entry.event):
                names = [name for name in announced if f"-{kind}-" in name]
                if not names and entry.at > lost:
                    found.append(f"{one.key}: entry {entry.seq}, {entry.event}, is announced to nobody")
                announced.difference_update(names)
    return found


def messages_of(entry: HistoryEntry) -> tuple[str, ...]:
    """Return the messages, `NOTICE-ROUTE`, that a history entry committed, or that were sent just before it."""
    return (*map(str, entry.row.get("outbox", ())), *map(str, entry.facts.get("sent", ())))


async def nobody_deletes_by_a_claim(end: End) -> list[str]:
    """A delete is accepted without a notice only from the creator of the exemption or an owner whom the creator named.

    That is of the exemption that was lost: another may be made under its name before the delete is accepted.
    """
    found = []
    for one, entries in end.history.items():
        for entry in entries:
            why = str(entry.facts.get("accepted") or "")
            if not why.endswith("deleted it, which is allowed"):
                continue
            actor = why.removesuffix(" deleted it, which is allowed")
            if not model.may_delete(end, one, actor, entry):
                found.append(f"{one.key}: entry {entry.seq}: {why}")
    return found


async def deletes_are_announced(end: End) -> list[str]:
    """The delete of a known compliant exemption is announced, unless the deleter may delete it."""
    found = []
    for one, entries in end.history.items():
        for entry, after in pairwise(entries):
            was_good = entry.row.get("content") and entry.row["content"] == entry.row.get("compliant_content")
            if not was_good or after.row.get("content") or after.event in ("removed", "reverted", "intent"):
                continue
            names = [name for name in messages_of(after) if "-deleted-" in name or "-lost-" in name]
            silent = after.facts.get("accepted") or _is_over(entry, after)
            silent = silent or after.row.get("lost_untold")  # stored name
            if not names and not silent:
                found.append(f"{one.key}: entry {after.seq}, {after.event}, is announced to nobody")
    return found


def _is_over(entry: HistoryEntry, after: HistoryEntry) -> bool:
    end = parse_time(entry.row.get("expires_on"))
    return end is not None and end <= after.at + timedelta(seconds=30)


AFTER_STEP: Final[tuple[Callable[[Cloud, list[Change]], Iterator[str]], ...]] = (
    audit_mode_writes_nothing,
    nothing_compliant_is_reverted,
)
AT_END: Final[tuple[Callable[[End], Awaitable[list[str]]], ...]] = (
    only_what_was_there_is_written,
    a_version_is_reverted_once,
    no_violation_remains,
    what_undo_promises_is_kept,
    histories_verify,
    the_register_equals_azure,
    nothing_begun_is_left,
    everything_committed_is_announced,
    nothing_is_announced_twice,
    each_revert_is_announced,
    nobody_deletes_by_a_claim,
    deletes_are_announced,
)
INVARIANTS: Final = (*AFTER_STEP, *AT_END)


def after_step(cloud: Cloud, since: int) -> list[str]:
    """Return what is broken of what was written since an entry of the journal."""
    changes = cloud.arm.journal[since:]
    return [f"{check.__name__}: {text}" for check in AFTER_STEP for text in check(cloud, changes)]


async def at_end(end: End) -> list[str]:
    """Return what is broken once all has come to rest."""
    return [f"{check.__name__}: {text}" for check in AT_END for text in await check(end)]
