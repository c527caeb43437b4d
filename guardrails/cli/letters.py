"""Letters: events and messages that could not be processed. Nothing is lost: look, mend the cause, replay or drop.

`replay` puts a letter back on its queue, then drops it. One that cannot be replayed stays, and it is said why.
"""

import argparse
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from guardrails.azure.events import Dropped, Wanted, read_event
from guardrails.cli.online import with_service
from guardrails.cli.options import add_format
from guardrails.cli.screen import Screen
from guardrails.decisions.history import Letter
from guardrails.delivery.deliver import Parcel
from guardrails.errors import Permanent
from guardrails.exemption.exemption_id import ExemptionId
from guardrails.exemption.times import spell_time
from guardrails.wiring import Service


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what it takes."""
    actions = parser.add_subparsers(dest="action", metavar="list|show|replay|drop")
    parser.set_defaults(letter="", all=False, format="table")
    for name, text in (("list", "list them, oldest first"), ("show", "show one with what it holds")):
        action = actions.add_parser(name, help=text)
        if name == "show":
            action.add_argument("letter", metavar="LETTER")
        add_format(action)
    replay = actions.add_parser("replay", help="put one, or all, back on the queue")
    which = replay.add_mutually_exclusive_group(required=True)
    which.add_argument("letter", nargs="?", metavar="LETTER", default="")
    which.add_argument("--all", action="store_true", help="all that can be replayed")
    actions.add_parser("drop", help="forget one").add_argument("letter", metavar="LETTER")


def run(args: argparse.Namespace, screen: Screen) -> int:
    """List, show, replay or drop."""
    match args.action:
        case "replay":
            return say_replayed(with_service(lambda service: _replay(service, args.letter)), screen)
        case "drop":
            with_service(lambda service: _drop(service, args.letter))
            screen.line(f"dropped: {args.letter}")
        case "show":
            letter = with_service(lambda service: one_letter(service, args.letter))
            if args.format == "json":
                screen.json(_json(letter))
            else:
                screen.table(("field", "value"), [(name, str(value)) for name, value in _json(letter).items()])
        case _:
            _list(with_service(_all), args.format, screen)
    return 0


def _list(letters: Sequence[Letter], form: str, screen: Screen) -> None:
    if form == "json":
        screen.json([_json(letter) for letter in letters])
    elif letters:
        rows = [(one.id, one.source, spell_time(one.at), str(one.attempts), one.reason) for one in letters]
        screen.table(("letter", "source", "kept at", "attempts", "reason"), rows)
    else:
        screen.line("no letters")


def _json(letter: Letter) -> dict[str, Any]:
    return {
        "letter": letter.id,
        "source": letter.source,
        "at": spell_time(letter.at),
        "attempts": letter.attempts,
        "reason": letter.reason,
        "payload": letter.payload,
    }


async def _all(service: Service) -> list[Letter]:
    return await service.register.letters()


async def one_letter(service: Service, name: str) -> Letter:
    """Return a letter. Raises Permanent (no-such-letter)."""
    for letter in await service.register.letters():
        if letter.id == name:
            return letter
    remedy = "`python -m guardrails letters list` lists them"
    raise Permanent("there is no such letter", code="no-such-letter", subject=name, remedy=remedy)


async def _drop(service: Service, name: str) -> None:
    letter = await one_letter(service, name)
    await service.register.drop_letter(letter.id)


async def _replay(service: Service, name: str) -> list[tuple[Letter, str]]:
    """Replay one letter, or all for an empty name."""
    return await put_back(service, [await one_letter(service, name)] if name else await service.register.letters())


async def put_back(service: Service, letters: Sequence[Letter]) -> list[tuple[Letter, str]]:
    """Put letters back on their queues. Return each with why it could not be; "" where it was."""
    done = []
    for letter in letters:
        try:
            queue, message = message_of(letter)
        except ValueError as error:
            done.append((letter, str(error)))
            continue
        await service.world.queues.send(queue, message)
        await service.register.drop_letter(letter.id)
        done.append((letter, ""))
    return done


def say_replayed(done: Sequence[tuple[Letter, str]], screen: Screen) -> int:
    """Print what `put_back` returned; return the exit code."""
    for letter, why in done:
        if why:
            screen.problem(f"{letter.id}: cannot be replayed: {why}")
        else:
            screen.line(f"replayed: {letter.id}")
    if not done:
        screen.line("no letters")
    return 1 if any(why for _, why in done) else 0


def message_of(letter: Letter) -> tuple[str, dict[str, Any]]:
    """Return the queue and the message that a letter becomes again, its attempts forgotten.

    Raises ValueError, saying why, where it holds nothing that a queue could take.
    """
    if letter.source == "notices":
        return "notices", _notice(_object(letter.payload))
    if letter.source == "reconcile":
        return "reconcile", _hint(_object(letter.payload))
    if letter.source == "event":
        return "reconcile", _event(letter.payload)
    raise ValueError(f"it is a record ({letter.source}), not a message; drop it once its cause is mended")


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
    """Read what an event became: our own message where its reconcile failed, the event itself where it was odd."""
    try:
        return _hint(_object(payload))
    except ValueError:
        found = read_event(payload)
    if isinstance(found, Wanted):
        hint = found.hint
        told = {"id": found.id.text, "operation": hint.operation, "actor": hint.actor, "event": hint.event_id}
        return {name: value for name, value in told.items() if value}
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
