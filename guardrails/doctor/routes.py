"""The check of routes: a connection to each can be made, and it takes a test notice where that is asked for."""

from functools import partial
from typing import Final

from guardrails.channels.destination import Destination
from guardrails.channels.probe import probe
from guardrails.doctor.model import Finding, failed, passed, unknown
from guardrails.doctor.world import World
from guardrails.errors import Misconfigured
from guardrails.exemption.facts import Unread
from guardrails.ports import Delivered, Undeliverable

_ITS_OWN: Final = "Read the app's own check in the workbook or its log; or set it here too, and check from here"


async def routes(world: World) -> list[Finding]:
    """Every route leads somewhere. Without `send` a connection is made, and nothing goes over it."""
    try:
        found = world.destinations()
    except Misconfigured:
        return [unknown("the ruleset is broken, so its routes are unknown", "Fix the ruleset")]
    if not found:
        return [failed("the ruleset has no route, so nobody is notified", "Add one: docs/notices.md")]
    answers = await world.each(found, lambda name: _route(world, found[name]))
    late = partial(unknown, remediation="Run it again, with --only routes")
    return [late(one.reason, about=name) if isinstance(one, Unread) else one for name, one in answers.items()]


async def _route(world: World, place: Destination) -> Finding:
    fault = unfit(world, place)
    if fault is not None:
        return fault
    wrong = await probe(place.address, world.bounds)
    setting = place.address_setting
    if isinstance(wrong, Unread):
        if not world.send:
            return unknown(wrong.reason, "Try it with a test notice: --send", about=place.name)
    elif wrong:
        remediation = f"Look at the address in {setting}, and at firewalls between the function app and it"
        return failed(wrong, remediation, about=place.name)
    if not world.send:
        return passed(f"{place.channel}: connected; nothing was sent", about=place.name)
    return await _sent(world, place)


def unfit(world: World, place: Destination) -> Finding | None:
    """Return what is wrong with the settings of a route; None where nothing is.

    What is not set outside the function app is unknown: the app's settings are references into the vault, and its own.
    """
    problem = place.problem(world.bounds)
    if not problem:
        return None
    missing = not place.address or (place.channel == "webhook" and not place.secrets)
    if missing and not world.hosted:
        return unknown(f"{problem} here; the function app has its own settings", _ITS_OWN, about=place.name)
    return failed(problem, "Set it; docs/notices.md says how", about=place.name)


async def _sent(world: World, place: Destination) -> Finding:
    answer = await world.service.courier().probe(place.name)
    if isinstance(answer, Delivered):
        return passed(f"{place.channel}: it accepted a test notice", about=place.name)
    remediation = f"Look at the address in {place.address_setting}, then: exg notices test {place.name}"
    if isinstance(answer, Undeliverable):
        return failed(answer.reason, remediation, about=place.name)
    return unknown(answer.reason, remediation, about=place.name)
