"""`dead-letters replay --from DIR`: events that Event Grid gave up on, from the files that it wrote of them."""

import asyncio
import json
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from guardrails.azure.events import Dropped, Malformed, Scope, Wanted, read_event, read_scope_event
from guardrails.cli.online import with_service
from guardrails.cli.screen import Screen
from guardrails.dataclass import dataclass, field
from guardrails.errors import Misconfigured, Permanent
from guardrails.exemption.counts import number_of
from guardrails.exemption.exemption_id import TYPE, ExemptionId
from guardrails.exemption.times import parse_time
from guardrails.wiring import Service

_AT_ONCE: Final = 16
_LONG_AGO: Final = datetime.min.replace(tzinfo=UTC)

type Messages = dict[str, dict[str, str]]
"""Messages for the reconcile queue, by the exemption's id in lower case."""


@dataclass(slots=True)
class Found:
    """What the files hold.

    Attributes:
        hints: the message for each exemption, by its id in lower case: that of its latest event.
        scopes: events about targets, by scope in lower case and whether it was written.
        reasons: how many events Event Grid gave up on for which reason.
        dropped: how many events are about neither.
        bad: what could not be read: file, and why; what fits on no queue: exemption, and why.
    """

    hints: Messages = field(default_factory=dict)
    scopes: dict[tuple[str, bool], Scope] = field(default_factory=dict)
    reasons: Counter[str] = field(default_factory=Counter)
    dropped: int = 0
    bad: list[tuple[str, str]] = field(default_factory=list)


def replay(name: str, screen: Screen, *, form: str, dry_run: bool) -> int:
    """Replay what the files of a folder hold; 1 where something could not be read. Raises Misconfigured."""
    folder = Path(name)
    if not folder.is_dir():
        raise Misconfigured(
            "there is no such folder", code="no-such-folder", subject=name,
            remedy="Download the container first: `az storage blob download-batch`",
        )  # fmt: skip
    found = collect(folder)
    any_there = found.scopes or found.hints
    below = with_service(lambda service: _replay(service, found, dry_run=dry_run)) if any_there else 0
    counts = {"exemptions": len(found.hints), "scopes": len(found.scopes), "below": below, "dropped": found.dropped}
    bad = [{"file": file, "why": why} for file, why in found.bad]
    if form == "json":
        screen.json({**counts, "dry_run": dry_run, "reasons": dict(found.reasons), "bad": bad})
    else:
        _show(counts, found, screen, dry_run=dry_run)
    return 1 if bad else 0


def _show(counts: Mapping[str, int], found: Found, screen: Screen, *, dry_run: bool) -> None:
    verb = "to be looked at" if dry_run else "put on the reconcile queue"
    screen.line(f"{number_of(counts['exemptions'], 'exemption')} {verb}")
    if counts["scopes"]:
        targets = number_of(counts["scopes"], "changed target")
        screen.line(f"{number_of(counts['below'], 'exemption')} at {targets} {verb}")
    if found.dropped:
        screen.line(f"{number_of(found.dropped, 'event')} about something else")
    for reason, count in found.reasons.most_common():
        screen.line(f"{number_of(count, 'event')} given up: {reason}")
    for name, why in found.bad:
        screen.problem(f"{name}: {why}. `exg reconcile ID` looks at its exemption without it")


def collect(folder: Path) -> Found:
    """Read all files below a folder; links are none of ours."""
    found, seen = Found(), dict[str, datetime]()
    for path in sorted(one for one in folder.rglob("*") if one.is_file() and not one.is_symlink()):
        name = str(path.relative_to(folder))
        try:
            events = json.loads(path.read_text(encoding="utf-8-sig"))
        except (OSError, ValueError, RecursionError) as error:
            found.bad.append((name, f"it cannot be read: {error}"))
            continue
        for event in events if isinstance(events, list) else [events]:
            _take(event, name, found, seen)
    return found


def _take(event: Any, name: str, found: Found, seen: dict[str, datetime]) -> None:
    """Sort one event in. `seen` has the time of the latest event of each exemption."""
    raw = json.dumps(event)
    fields = event if isinstance(event, Mapping) else {}
    reason = fields.get("deadLetterReason") or fields.get("deadletterreason")
    if reason:
        found.reasons[str(reason)] += 1
    match read_event(raw):
        case Wanted(exemption, hint):
            at = _time_of(fields)
            if at >= seen.get(exemption.key, _LONG_AGO):
                seen[exemption.key] = at
                message = {
                    "id": exemption.text,
                    "operation": hint.operation,
                    "actor": hint.actor,
                    "event": hint.event_id,
                }
                found.hints[exemption.key] = {name: value for name, value in message.items() if value}
        case Malformed(event_id, why):
            found.bad.append((name, f"event {event_id or 'without an id'}: {why}"))
        case Dropped():
            _take_scope(raw, name, found)


def _time_of(event: Mapping[str, Any]) -> datetime:
    """Return when it happened; long ago where it does not say. It only finds the latest event of many."""
    try:
        return parse_time(event.get("eventTime") or event.get("time")) or _LONG_AGO
    except ValueError:
        return _LONG_AGO


def _take_scope(raw: str, name: str, found: Found) -> None:
    match read_scope_event(raw):
        case Scope() as scope:
            found.scopes[scope.id.lower(), scope.written] = scope
        case Malformed(event_id, why):
            found.bad.append((name, f"event {event_id or 'without an id'}: {why}"))
        case Dropped():
            found.dropped += 1


async def _replay(service: Service, found: Found, *, dry_run: bool) -> int:
    """Put everything on the queue; return how many exemptions the changed targets led to."""
    below: Messages = {}
    for some in await asyncio.gather(*(_below(service, scope) for scope in found.scopes.values())):
        below |= some
    if not dry_run:
        messages = {**below, **found.hints}
        for key, why in (await _send(service, messages)).items():
            found.bad.append((messages[key]["id"], why))
            found.hints.pop(key, None)
            below.pop(key, None)
    return len(below)


async def _below(service: Service, scope: Scope) -> Messages:
    """Return the messages for the exemptions at or below a scope. All that ask at once share the register's answer."""
    any_there = ExemptionId.parse(f"{scope.id}/providers/{TYPE}/any")
    at = any_there.key[: len(any_there.scope)]
    operation = f"target-{'write' if scope.written else 'delete'}"
    message = {"operation": operation, "actor": scope.actor, "event": scope.event_id}
    known = {name: value for name, value in message.items() if value}
    ids = await service.register.attached_ids(any_there.container, at, lost=scope.written)
    return {one.lower(): {"id": one, **known} for one in ids}


async def _send(service: Service, messages: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    """Put messages on the queue; return which fit on none, and why."""
    slots, failed = asyncio.Semaphore(_AT_ONCE), dict[str, str]()

    async def send(key: str, message: Mapping[str, str]) -> None:
        async with slots:
            try:
                await service.world.queues.send("reconcile", message)
            except Permanent as error:
                failed[key] = error.message

    await asyncio.gather(*(send(key, message) for key, message in messages.items()))
    return failed
