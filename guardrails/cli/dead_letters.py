"""List, show, replay and drop dead letters: events and messages that could not be processed.

The service keeps them. Fix the cause, and then replay or drop each one. `replay` puts the message back on its queue and
deletes the dead letter. If it cannot be replayed, it stays, and the command shows the reason.

`replay --from DIR` is for events that Event Grid could not deliver and stored in a storage container. Download them:

    az storage blob download-batch --auth-mode login --account-name stdl... --source dead-letters --destination DIR

For each exemption in the downloaded events, the command puts a message on the `reconcile` queue. It
leaves files and blobs unchanged. A second replay does no harm.

Exit code 1: a dead letter, a file, or an event in a file could not be replayed. All others were replayed.
"""

import argparse
import json
from collections.abc import Mapping, Sequence
from typing import Any

from guardrails.azure.events import Dropped, Wanted, read_event
from guardrails.cli.online import with_service
from guardrails.cli.options import add_format
from guardrails.cli.screen import Screen
from guardrails.dataclass import replace
from guardrails.decisions.history import DeadLetter
from guardrails.delivery.deliver import Parcel
from guardrails.errors import Misconfigured, Permanent
from guardrails.exemption.exemption_id import ExemptionId
from guardrails.exemption.times import spell_time
from guardrails.wiring import Service


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what it takes."""
    actions = parser.add_subparsers(dest="action", metavar="list|show|replay|drop")
    parser.set_defaults(id="", format="table")
    for name, text in (("list", "list them, oldest first"), ("show", "show one dead letter and its content")):
        action = actions.add_parser(name, help=text)
        if name == "show":
            action.add_argument("id", metavar="ID")
        add_format(action)
    replay = actions.add_parser("replay", help="put one or all back on the queue; or replay undelivered events")
    which = replay.add_mutually_exclusive_group(required=True)
    which.add_argument("id", nargs="?", metavar="ID", default="")
    which.add_argument("--all", action="store_true", help="replay all that can be replayed")
    which.add_argument(
        "--from", dest="folder", metavar="DIR", help="replay the events in the files of this folder and its subfolders"
    )
    replay.add_argument("--dry-run", action="store_true", help="with --from: show the exemptions; send nothing")
    add_format(replay, default=None, text="for --from; default: table")
    actions.add_parser("drop", help="delete one").add_argument("id", metavar="ID")


def run(args: argparse.Namespace, screen: Screen) -> int:
    """List, show, replay or drop."""
    match args.action:
        case "replay":
            return _run_replay(args, screen)
        case "drop":
            with_service(lambda service: _drop(service, args.id))
            screen.line(f"dropped: {args.id}")
        case "show":
            dead_letter = with_service(lambda service: one_dead_letter(service, args.id))
            if args.format == "json":
                screen.json(_json(dead_letter))
            else:
                screen.table(("field", "value"), [(name, str(value)) for name, value in _json(dead_letter).items()])
        case _:
            _list(with_service(_all), args.format, screen)
    return 0


def _run_replay(args: argparse.Namespace, screen: Screen) -> int:
    if args.folder is not None:
        from guardrails.cli import event_grid_dead_letters  # noqa: PLC0415 - for this option only

        return event_grid_dead_letters.replay(args.folder, screen, form=args.format or "table", dry_run=args.dry_run)
    if args.dry_run or args.format:
        raise Misconfigured("--dry-run and --format need --from", code="bad-use", remedy="Leave them out.")
    return say_replayed(with_service(lambda service: _replay(service, args.id)), screen)


def _list(dead_letters: Sequence[DeadLetter], form: str, screen: Screen) -> None:
    if form == "json":
        screen.json([_json(dead_letter) for dead_letter in dead_letters])
    elif dead_letters:
        rows = [(one.id, one.source, spell_time(one.at), str(one.attempts), one.reason) for one in dead_letters]
        screen.table(("id", "source", "kept at", "attempts", "reason"), rows)
    else:
        screen.line("no dead letters")


def _json(dead_letter: DeadLetter) -> dict[str, Any]:
    return {
        "id": dead_letter.id,
        "source": dead_letter.source,
        "at": spell_time(dead_letter.at),
        "attempts": dead_letter.attempts,
        "reason": dead_letter.reason,
        "payload": dead_letter.payload,
    }


async def _all(service: Service) -> list[DeadLetter]:
    return await service.register.dead_letters()


async def one_dead_letter(service: Service, name: str) -> DeadLetter:
    """Return a dead letter. Raises Permanent (no-such-dead-letter)."""
    for dead_letter in await service.register.dead_letters():
        if dead_letter.id == name:
            return dead_letter
    remedy = "`exg dead-letters list` lists them"
    raise Permanent("there is no such dead letter", code="no-such-dead-letter", subject=name, remedy=remedy)


async def _drop(service: Service, name: str) -> None:
    dead_letter = await one_dead_letter(service, name)
    await service.register.drop_dead_letter(dead_letter.id)


async def _replay(service: Service, name: str) -> list[tuple[DeadLetter, str]]:
    """Replay one dead letter, or all for an empty name."""
    return await put_back(
        service, [await one_dead_letter(service, name)] if name else await service.register.dead_letters()
    )


async def put_back(service: Service, dead_letters: Sequence[DeadLetter]) -> list[tuple[DeadLetter, str]]:
    """Put dead letters back on their queues. Return each with why it could not be; "" where it was."""
    done = []
    for dead_letter in dead_letters:
        try:
            queue, message = message_of(dead_letter)
        except ValueError as error:
            done.append((dead_letter, str(error)))
            continue
        await service.world.queues.send(queue, message)
        await service.register.drop_dead_letter(dead_letter.id)
        done.append((dead_letter, ""))
    return done


def say_replayed(done: Sequence[tuple[DeadLetter, str]], screen: Screen) -> int:
    """Print what `put_back` returned; return the exit code."""
    for dead_letter, why in done:
        if why:
            look = f"`exg dead-letters show {dead_letter.id}` shows its content"
            screen.problem(f"{dead_letter.id}: cannot be replayed: {why}. {look}")
        else:
            screen.line(f"replayed: {dead_letter.id}")
    if not done:
        screen.line("no dead letters")
    return 1 if any(why for _, why in done) else 0


def message_of(dead_letter: DeadLetter) -> tuple[str, dict[str, Any]]:
    """Return the queue and the message that a dead letter becomes again, its attempts forgotten.

    Raises ValueError, saying why, where it holds nothing that a queue could take.
    """
    if dead_letter.source == "notices":
        return "notices", _notice(_object(dead_letter.payload))
    if dead_letter.source == "reconcile":
        return "reconcile", _hint(_object(dead_letter.payload))
    if dead_letter.source == "event":
        return "reconcile", _event(dead_letter.payload)
    raise ValueError(f"it is a record ({dead_letter.source}), not a message; fix the cause, then drop it")


def _notice(data: Mapping[str, Any]) -> dict[str, Any]:
    if isinstance(data.get("digest"), Mapping):
        return dict(data)
    return replace(Parcel.read(data), attempt=0, slot=None).message()


def _hint(data: Mapping[str, Any]) -> dict[str, Any]:
    try:
        ExemptionId.parse(data.get("id"))
    except Permanent as error:
        raise ValueError(f"it names no exemption: {error.message}") from error
    return {name: value for name, value in data.items() if name != "attempt"}


def _event(payload: str) -> dict[str, Any]:
    """Read what an event became: our own message where its reconcile failed, the event where that was malformed."""
    try:
        return _hint(_object(payload))
    except ValueError:
        found = read_event(payload)
    if isinstance(found, Wanted):
        hint = found.hint
        message = {"id": found.id.text, "operation": hint.operation, "actor": hint.actor, "event": hint.event_id}
        return {name: value for name, value in message.items() if value}
    why = "it is not about an exemption: " if isinstance(found, Dropped) else ""
    raise ValueError(why + found.reason)


def _object(payload: str) -> dict[str, Any]:
    try:
        data = json.loads(payload)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"its payload is not JSON: {error}") from error
    if not isinstance(data, dict):
        raise ValueError("its payload is not a JSON object")
    return data
