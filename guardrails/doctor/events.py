"""The check of event subscriptions: every subscription that we see sends us the events of its exemptions.

Shapes: Azure's types of Microsoft.EventGrid/systemTopics and its eventSubscriptions, 2025-02-15.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from guardrails.doctor.app import FunctionApp, function_of
from guardrails.doctor.model import Finding, failed, passed, unknown
from guardrails.doctor.needs import EVENTS, Wanted
from guardrails.doctor.world import World
from guardrails.exemption.facts import Unread

EVENTGRID_VERSION: Final = "2025-02-15"
TOPIC_TYPE: Final = "Microsoft.Resources.Subscriptions"

_KEY: Final = "data.operationName"
_ONBOARD: Final = "Onboard the subscription: the policy's remediation, or infra/scripts/onboard.sh (docs/onboarding.md)"
_READ: Final = "Give the identity the role reader there: docs/permissions.md"

type Row = Mapping[str, Any]


async def events(world: World) -> list[Finding]:
    """Each subscription has a system topic with three event subscriptions, as they should be."""
    scopes = await world.estate.scopes()
    found = [unknown(sentence, _READ) for sentence in scopes.missing]
    asked, late = await world.asked_of(scopes.subscriptions, lambda subscription: _ask(world, subscription), "events")
    answers = [_judge(subscription, rows, world.app) for subscription, rows in asked.items()]
    right = sum(not answer for answer in answers)
    if right:
        found.append(passed(f"{right} of {len(scopes.subscriptions)} subscriptions send their events"))
    if not scopes.subscriptions and not scopes.missing:
        found.append(unknown("the identity sees no subscription", _READ))
    if world.app is None:
        seen = "the function app is unknown, so events may go to another one"
        found.append(
            unknown(seen, "Name the function app with --function-app ID, or in the setting GUARDRAILS_FUNCTION_APP_ID")
        )
    return [*found, *late, *_groups(world, len(scopes.groups)), *(one for answer in answers for one in answer)]


def _groups(world: World, count: int) -> list[Finding]:
    if not count:
        return []
    hub = world.settings.activity_hub
    who = f"the activity log in the hub {hub} and sweeps react" if hub else "only sweeps react"
    return [passed(f"exemptions at them raise no event; {who} to them", about=f"{count} management groups")]


async def _ask(world: World, subscription: str) -> Sequence[Row] | Unread:
    """Return the event subscriptions of a subscription's own events; [] where there is no topic for them."""
    topics = await world.estate.rows(f"{subscription}/providers/Microsoft.EventGrid/systemTopics", EVENTGRID_VERSION)
    if isinstance(topics, Unread):
        return topics
    found: list[Row] = []
    for topic in topics:
        if _is_topic_of(topic, subscription):
            rows = await world.estate.rows(f"{topic.get('id')}/eventSubscriptions", EVENTGRID_VERSION)
            if isinstance(rows, Unread):
                return rows
            found += rows
    return found


def _is_topic_of(topic: Row, subscription: str) -> bool:
    said = _properties(topic)
    source = "/" + str(said.get("source") or "").strip("/")
    return str(said.get("topicType")).lower() == TOPIC_TYPE.lower() and source.lower() == subscription.lower()


def _judge(subscription: str, rows: Sequence[Row] | Unread, app: FunctionApp | None) -> list[Finding]:
    """Return what is wrong in a subscription; [] where nothing is."""
    if isinstance(rows, Unread):
        return [unknown(f"its event subscriptions could not be read: {rows.reason}", _READ, about=subscription)]
    found = []
    for function, wanted in EVENTS.items():
        mine = [row for row in rows if _leads_to(row, function, app)]
        wrong = [list(_faults(row, wanted)) for row in mine]
        if not mine:
            found.append(f"{function}: no event subscription sends events to it")
        elif all(wrong):  # one that is right is enough
            found.append(f"{function}: {', '.join(wrong[0])}")
    return [failed("; ".join(found), _ONBOARD, about=subscription)] if found else []


def _leads_to(row: Row, function: str, app: FunctionApp | None) -> bool:
    place = _mapping(_properties(row).get("destination") or _inner(row).get("destination"))
    identity = str(_properties(place).get("resourceId") or "")
    if place.get("endpointType") != "AzureFunction" or function_of(identity) != function:
        return False
    return app is None or app.owns(identity)


def _inner(row: Row) -> Row:
    """Return the destination where the topic's own identity delivers: it lies one level deeper."""
    return _mapping(_properties(row).get("deliveryWithResourceIdentity"))


def _faults(row: Row, wanted: Wanted) -> Iterator[str]:
    """Yield what keeps an event subscription from sending what it should."""
    said = _properties(row)
    state = said.get("provisioningState")
    if state != "Succeeded":
        yield f"its state is {state}"
    chosen = _mapping(said.get("filter"))
    types = [str(one).lower() for one in chosen.get("includedEventTypes") or ()]
    lost = [one for one in wanted.types if types and one.lower() not in types]
    if lost:
        yield f"it leaves out {', '.join(lost)}"
    if chosen.get("subjectBeginsWith") or chosen.get("subjectEndsWith"):
        yield "it is filtered by subject"
    yield from _filter_faults(chosen.get("advancedFilters") or (), wanted.operations)
    dead_letters = _mapping(said.get("deadLetterDestination"))
    dead_letters = dead_letters or _mapping(
        _mapping(said.get("deadLetterWithResourceIdentity")).get("deadLetterDestination")
    )
    if not dead_letters:
        yield "it has no dead-letter destination: undelivered events are lost"


def _filter_faults(filters: Any, operations: Sequence[str]) -> Iterator[str]:
    filters = [one for one in filters if isinstance(one, Mapping)] if isinstance(filters, list | tuple) else []
    if not filters:
        yield f"it has no filter on {_KEY}: every write in the subscription calls the function"
    for one in filters:
        if str(one.get("key")).lower() != _KEY.lower() or one.get("operatorType") != "StringIn":
            yield f"it has another filter, {one.get('operatorType')} on {one.get('key')}"
            continue
        values = [str(value).lower() for value in one.get("values") or ()]
        lost = [operation for operation in operations if operation.lower() not in values]
        if lost:
            yield f"its filter leaves out {', '.join(lost)}"


def _properties(row: Row) -> Row:
    return _mapping(row.get("properties"))


def _mapping(value: Any) -> Row:
    return value if isinstance(value, Mapping) else {}
