"""List and replay failed notices; list, test and enable routes; show digests.

`failed` lists the notices that could not be delivered. `replay` puts them back on the queue with the same ids. `test`
sends a test notice to a route, and checks the settings of every route. If an address answers 410 (gone), the service
disables its route: fix the address, then run `enable`. `show` prints all notices of a digest.
"""

import argparse
import json
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from guardrails.cli.dead_letters import one_dead_letter, put_back, say_replayed
from guardrails.cli.online import with_service
from guardrails.cli.options import add_format
from guardrails.cli.screen import Screen
from guardrails.decisions.history import DeadLetter
from guardrails.delivery.deliver import rate_limit_name
from guardrails.errors import Permanent
from guardrails.exemption.times import spell_time
from guardrails.nearest import did_you_mean
from guardrails.notices.digest import Kept, route_of
from guardrails.notices.route_state import enabled
from guardrails.notices.routing import Route
from guardrails.ports import Delivered, Delivery
from guardrails.wiring import Service


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what it takes."""
    actions = parser.add_subparsers(dest="action", metavar="failed|replay|test|routes|enable|show", required=True)
    parser.set_defaults(id="", format="table")
    add_format(actions.add_parser("failed", help="list failed notices, oldest first"))
    replay = actions.add_parser("replay", help="put one or all back on the queue")
    which = replay.add_mutually_exclusive_group(required=True)
    which.add_argument("id", nargs="?", metavar="ID", default="", help="id of the dead letter or of the notice")
    which.add_argument("--all", action="store_true", help="replay all that can be replayed")
    actions.add_parser("test", help="send a test notice to a route; check all routes").add_argument(
        "route", metavar="ROUTE"
    )
    add_format(actions.add_parser("routes", help="list the routes and their status"))
    actions.add_parser("enable", help="enable a disabled route").add_argument("route", metavar="ROUTE")
    show = actions.add_parser("show", help="print all notices of a digest")
    show.add_argument("digest", metavar="DIGEST")
    add_format(show)


def run(args: argparse.Namespace, screen: Screen) -> int:
    """Do what is asked."""
    match args.action:
        case "failed":
            _list(with_service(_failed), args.format, screen)
        case "replay":
            return say_replayed(with_service(partial(_replay, name=args.id)), screen)
        case "test":
            return _say_answer(args.route, with_service(partial(_test, name=args.route)), screen)
        case "routes":
            _show_routes(with_service(_routes), args.format, screen)
        case "enable":
            was = with_service(partial(_enable, name=args.route))
            screen.line(f"enabled: {args.route}" if was else f"{args.route} was not disabled")
        case "show":
            _show(with_service(partial(_digest, name=args.digest)), args.format, screen)
    return 0


async def _failed(service: Service) -> list[DeadLetter]:
    return [dead_letter for dead_letter in await service.register.dead_letters() if dead_letter.source == "notices"]


async def _replay(service: Service, name: str) -> list[tuple[DeadLetter, str]]:
    failed = await _failed(service)
    if name:
        named = [dead_letter for dead_letter in failed if name in (dead_letter.id, _held(dead_letter).get("id"))]
        failed = named or [await one_dead_letter(service, name)]
    return await put_back(service, failed)


async def _test(service: Service, name: str) -> Delivery:
    _named(service, name)
    return await service.courier().probe(name)


async def _enable(service: Service, name: str) -> bool:
    route = _named(service, name)
    return await service.register.rate_limits.change(rate_limit_name(route), partial(enabled, route=name))


async def _routes(service: Service) -> list[dict[str, str]]:
    problems = service.problems()
    out = []
    for route in service.routes():
        state = (await service.register.rate_limits.look(rate_limit_name(route))).route(route.name)
        since = f"disabled since {spell_time(state.disabled_at)}: {state.disabled_why}" if state.disabled_at else ""
        status = "; ".join(filter(None, (since, problems.get(route.name, "")))) or "in use"
        out.append({"route": route.name, "channel": route.channel, "status": status})
    return out


async def _digest(service: Service, name: str) -> Kept:
    kept = await service.register.digest_items.kept(name)
    if kept is None:
        remedy = "The digest shows its id. The service keeps a digest for 30 days after its delivery"
        raise Permanent("there is no such digest", code="no-such-digest", subject=name, remedy=remedy)
    return kept


def _named(service: Service, name: str) -> Route:
    """Return a route. Raises Permanent (no-such-route), and Misconfigured where the ruleset is broken."""
    routes = service.routes()
    for route in routes:
        if route.name == name:
            return route
    names = [route.name for route in routes]
    remedy = did_you_mean(name, names, f"There are: {', '.join(names) or 'none'}")
    raise Permanent("the ruleset has no such route", code="no-such-route", subject=name, remedy=remedy)


def _list(dead_letters: Sequence[DeadLetter], form: str, screen: Screen) -> None:
    rows = [
        {
            "dead_letter": dead_letter.id,
            "notice": str(_held(dead_letter).get("id", "")),
            "route": str(_payload(dead_letter).get("route", "")),
            "at": spell_time(dead_letter.at),
            "attempts": dead_letter.attempts,
            "reason": dead_letter.reason,
        }
        for dead_letter in dead_letters
    ]
    _rows(rows, form, screen, "no notice has failed")


def _show(kept: Kept, form: str, screen: Screen) -> None:
    if form == "json":
        screen.json(
            {"digest": kept.notice.current_json(), "route": route_of(kept.route), "entries": list(kept.entries)}
        )
        return
    screen.line(f"{kept.notice.id} to {route_of(kept.route)}: {kept.notice.done}")
    columns = ("severity", "kind", "at", "exemption", "rules", "next")
    screen.table(columns, [tuple(_text(entry.get(name, "")) for name in columns) for entry in kept.entries])


def _show_routes(rows: list[dict[str, str]], form: str, screen: Screen) -> None:
    _rows(rows, form, screen, "the ruleset has no route, so nobody is notified")


def _rows(rows: Sequence[Mapping[str, Any]], form: str, screen: Screen, none: str) -> None:
    if form == "json":
        screen.json(list(rows))
    elif rows:
        screen.table(tuple(rows[0]), [tuple(str(value) for value in row.values()) for row in rows])
    else:
        screen.line(none)


def _say_answer(route: str, answer: Delivery, screen: Screen) -> int:
    if isinstance(answer, Delivered):
        screen.line(f"delivered: the route {route} accepted a test notice")
        return 0
    screen.problem(f"not delivered: {answer.reason}. `exg doctor --only routes` says what is missing")
    return 1


def _text(value: object) -> str:
    return ", ".join(str(item) for item in value) if isinstance(value, list) else str(value)


def _payload(dead_letter: DeadLetter) -> dict[str, Any]:
    try:
        data = json.loads(dead_letter.payload)
    except ValueError:
        return {}
    return data if isinstance(data, dict) else {}


def _held(dead_letter: DeadLetter) -> dict[str, Any]:
    notice = _payload(dead_letter).get("notice")
    return notice if isinstance(notice, dict) else {}
