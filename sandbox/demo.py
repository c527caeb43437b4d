"""The demo: people and pipelines write exemptions into the sandbox's Azure, and the service answers.

Checked, not staged: every step says what must come of it, and the demo fails when Azure, the register or the notices
say otherwise.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any, Final

from azure.storage.queue.aio import QueueClient

from guardrails.cli.progress import progress
from guardrails.decisions.history import HistoryEntry
from guardrails.decisions.row import Status, Stored
from guardrails.exemption.exemption_id import ExemptionId
from guardrails.register import table_register
from guardrails.register.table_register import TableRegister
from guardrails.wiring import SystemClock
from sandbox import tenant
from sandbox.screen import Screen, Step
from sandbox.stack import Sandbox
from sandbox.tenant import ALICE, EPAC, PIPELINE, Actor, exemption_id, in_days, send, waiver

WAIT_SECONDS: Final = 60.0
_GOOD: Final = {"expiresOn": in_days(120)}


class DemoFailed(Exception):
    """Something did not come out as it must; the text says what."""


def put(actor: Actor, path: str, **changes: Any) -> Callable[[Sandbox], Awaitable[None]]:
    """Return a step's write: the compliant waiver, changed."""

    async def write(sandbox: Sandbox) -> None:
        status, body = await send(sandbox, actor, "PUT", path, waiver(**changes))
        if status not in (200, 201):
            raise DemoFailed(f"ARM answered {status} to {actor.name}: {body}")

    return write


def delete(actor: Actor, path: str) -> Callable[[Sandbox], Awaitable[None]]:
    """Return a step's delete."""

    async def write(sandbox: Sandbox) -> None:
        await send(sandbox, actor, "DELETE", path)

    return write


def thrice_in_disorder(path: str) -> Callable[[Sandbox], Awaitable[None]]:
    """Return two writes whose events come three times each, the later ones first."""

    async def write(sandbox: Sandbox) -> None:
        await sandbox.control("PUT", "eventgrid", {"duplicates": 3})
        await sandbox.control("POST", "eventgrid-pause")
        await put(PIPELINE, path, **_GOOD)(sandbox)
        await put(PIPELINE, path, **_GOOD, displayName="Partner ingestion, second upload endpoint")(sandbox)
        await sandbox.control("POST", "eventgrid-resume", {"order": "reversed"})
        await sandbox.control("PUT", "eventgrid", {"duplicates": 1})

    return write


def redeployed(path: str, scope: str, *resources: str) -> Callable[[Sandbox], Awaitable[None]]:
    """Return the delete of a resource group, and once its exemption is known to be lost, its deployment anew."""

    async def write(sandbox: Sandbox) -> None:
        await send(sandbox, PIPELINE, "DELETE", scope)
        await lost(sandbox, path)
        await send(sandbox, PIPELINE, "PUT", scope, {"location": "westeurope"})
        await deploy(sandbox, scope, "Incremental", *resources)

    return write


def wiped(path: str, scope: str, *resources: str) -> Callable[[Sandbox], Awaitable[None]]:
    """Return a Complete-mode deployment that names nothing, and the next one, which brings the resources back."""

    async def write(sandbox: Sandbox) -> None:
        await deploy(sandbox, scope, "Complete")
        await lost(sandbox, path)
        await deploy(sandbox, scope, "Complete", *resources)

    return write


async def deploy(sandbox: Sandbox, scope: str, mode: str, *resources: str) -> None:
    """Deploy storage accounts to a resource group. Raises DemoFailed."""
    wanted = [
        {
            "type": "Microsoft.Storage/storageAccounts", "apiVersion": "2023-01-01", "location": "westeurope",
            "name": one.rpartition("/")[2],
        }
        for one in resources
    ]  # fmt: skip
    body = {"properties": {"mode": mode, "template": {"resources": wanted}}}
    path = f"{scope}/providers/Microsoft.Resources/deployments/demo"
    status, answer = await send(sandbox, PIPELINE, "PUT", path, body)
    if status not in (200, 201):
        raise DemoFailed(f"ARM answered {status} to a deployment: {answer}")


async def lost(sandbox: Sandbox, path: str) -> None:
    """Wait until the register knows that an exemption is lost. Raises DemoFailed."""
    register = table_register.connect(clock=SystemClock(), connection_string=sandbox.azurite.connection_string)
    async with register:
        await answer(register, ExemptionId.parse(path), path, lambda found, _: found.row.status is Status.LOST)


def unheard(actor: Actor, path: str) -> Callable[[Sandbox], Awaitable[None]]:
    """Return a write whose event is lost on the way, and the sweep that finds it."""

    async def write(sandbox: Sandbox) -> None:
        await sandbox.control("PUT", "eventgrid", {"drop_next": 1})
        await put(actor, path)(sandbox)
        await sandbox.sweep()

    return write


def steps() -> list[Step]:
    """Return the scenario."""
    subscription = exemption_id(tenant.SUBSCRIPTION, "whole-subscription")
    initiative = exemption_id(tenant.GROUP, "whole-initiative")
    excluded = exemption_id(tenant.EXCLUDED, "break-glass")
    reports, scratch = exemption_id(tenant.REPORTS, "reports"), exemption_id(tenant.SCRATCH, "scratch")
    waived, forever, long, bare, edited, owned, thrice, deleted, unseen = (
        exemption_id(tenant.RESOURCE, name)
        for name in (
            "partner-ingestion", "no-expiry", "eighteen-months", "no-ticket", "edited-later", "policy-as-code",
            "delivered-thrice", "deleted-later", "never-heard-of",
        )
    )  # fmt: skip
    no_ticket = {key: value for key, value in tenant.APPROVAL.items() if key != "approvalTicket"}
    of_epac = {**tenant.APPROVAL, "pacOwnerId": "epac-platform"}
    good, bad, gone = Status.COMPLIANT, Status.VIOLATION, Status.GONE
    whole = {"policyDefinitionReferenceIds": None}
    edit = put(ALICE, edited, displayName="Partner ingestion, for ever")
    return [
        Step("compliant", waived, put(PIPELINE, waived, **_GOOD), good, "written"),
        Step("no expiry", forever, put(ALICE, forever), gone, "reverted"),
        Step("18 months", long, put(ALICE, long, expiresOn=in_days(548)), gone, "reverted"),
        Step("no ticket", bare, put(ALICE, bare, **_GOOD, metadata=no_ticket), bad, "tagged"),
        Step("whole subscription", subscription, put(ALICE, subscription, **_GOOD), gone, "reverted"),
        Step("whole initiative", initiative, put(ALICE, initiative, **_GOOD, **whole), gone, "reverted"),
        Step("compliant, then edited", edited, edit, good, "put-back", first=put(PIPELINE, edited, **_GOOD)),
        Step("policy as code's", owned, put(EPAC, owned, metadata=of_epac), bad, "written"),
        Step("excluded scope", excluded, put(ALICE, excluded), Status.EXCLUDED, "excluded"),
        Step("event thrice, disordered", thrice, thrice_in_disorder(thrice), good, "written"),
        Step("event lost, swept", unseen, unheard(ALICE, unseen), gone, "reverted"),
        Step("pipeline's delete", deleted, delete(PIPELINE, deleted), gone, "deleted", put(PIPELINE, deleted, **_GOOD)),
        Step(
            "group redeployed",
            reports,
            redeployed(reports, tenant.REPORTING, tenant.REPORTS),
            good,
            "brought-back",
            first=put(PIPELINE, reports, **_GOOD),
        ),
        Step(
            "complete deployment",
            scratch,
            wiped(scratch, tenant.LANDING, tenant.SCRATCH),
            good,
            "brought-back",
            first=put(PIPELINE, scratch, **_GOOD),
        ),
    ]


def in_audit(step: Step) -> Step:
    """Return the step as audit mode must end it: judged and recorded, and nothing changed in Azure."""
    if step.event == "brought-back":
        step.status, step.event = Status.LOST, "waiting"
    elif step.event in ("reverted", "tagged", "put-back"):
        step.status = Status.VIOLATION
        step.event = "edited" if step.event == "put-back" else "written"
    return step


async def demo(mode: str) -> int:
    """Run it. Returns the exit code: 0, or 1 after `demo: FAILED`."""
    screen = Screen()
    started = time.monotonic()
    try:
        async with AsyncExitStack() as closing:
            with progress("starting the local Azure"):
                sandbox = await closing.enter_async_context(Sandbox(mode=mode))
                await tenant.furnish(sandbox)
                await sandbox.sweep()  # what is there before the first sweep is adopted
            connection = sandbox.azurite.connection_string
            register = table_register.connect(clock=SystemClock(), connection_string=connection)
            async with register:
                scenario = [in_audit(step) if mode == "audit" else step for step in steps()]
                screen.start(mode or "enforce")
                with screen.table():
                    for step in scenario:
                        await run(sandbox, register, step, acting=mode != "audit")
                        screen.show(step)
                line = await close(sandbox, register, scenario, screen)
        screen.line(f"\nset up, shown and checked in {time.monotonic() - started:.0f} s")
        screen.line(line)
    except Exception as error:  # noqa: BLE001 - whatever goes wrong, the demo says so in its last line
        screen.line(f"demo: FAILED: {type(error).__name__}: {error}")
        return 1
    return 0


async def run(sandbox: Sandbox, register: TableRegister, step: Step, *, acting: bool) -> None:
    """Do one step, wait for its answer, and check Azure."""
    exemption = ExemptionId.parse(step.id)
    if step.first:
        await step.first(sandbox)
        await answer(register, exemption, step.title, lambda found, _: found.row.status is Status.COMPLIANT)
    await step.does(sandbox)
    written = SystemClock().now()
    body = (await send(sandbox, ALICE, "GET", step.id))[1] if not acting else None

    def done(found: Stored, history: list[HistoryEntry]) -> bool:
        return found.row.status is step.status and any(entry.event == step.event for entry in history)

    step.stored, step.history = await answer(register, exemption, step.title, done)
    at = max(entry.at for entry in step.history if entry.event == step.event)
    step.milliseconds = max((at - written).total_seconds() * 1000, 0.0)
    status, now = await send(sandbox, ALICE, "GET", step.id)
    if (status == 404) is not (step.status in (Status.GONE, Status.LOST)):
        raise DemoFailed(f"{step.title}: ARM answers {status} for the exemption at the end")
    if not acting and now != body and step.status is not Status.LOST:
        raise DemoFailed(f"{step.title}: audit mode changed the exemption")


async def answer(
    register: TableRegister, exemption: ExemptionId, title: str, done: Callable[[Stored, list[HistoryEntry]], bool]
) -> tuple[Stored, list[HistoryEntry]]:
    """Wait until the register shows that an exemption was answered, and nothing of it is under way."""
    until = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < until:
        found = await register.read(exemption)
        if found and not found.row.intent and not found.row.outbox:
            history = await register.history(exemption)
            if done(found, history):
                return found, history
        await asyncio.sleep(0.05)
    now = f"{found.row.status}" if found else "unknown to the register"
    raise DemoFailed(f"{title}: no answer within {WAIT_SECONDS:.0f} s; it is {now}")


async def close(sandbox: Sandbox, register: TableRegister, scenario: list[Step], screen: Screen) -> str:
    """Wait until everything is delivered, check that nothing is lost, show the particulars; return the last line."""
    received, events = await deliveries(sandbox)
    dead_letters = await register.dead_letters()
    for step in scenario:
        problems = await register.verify(ExemptionId.parse(step.id))
        if problems:
            raise DemoFailed(f"{step.title}: its history does not verify: {problems[0]}")
    cards = sum(one["channel"] == "teams" for one in received)
    lost = events["pending"] + events["dead_lettered"] + len(dead_letters) + abs(2 * cards - len(received))
    refused = [one for one in received if one["problems"]]
    if refused:
        raise DemoFailed(f"the sink refused a notice: {refused[0]['problems'][0]}")
    notices = {one["id"] for one in received if one["channel"] == "webhook"}
    shown = next(step for step in scenario if step.title == "compliant, then edited")
    screen.card(next(one["body"] for one in received if one["channel"] == "teams" and "partner" in one["body"]))
    screen.register(scenario)
    screen.history(shown)
    count = {
        name: sum(entry.event in events for step in scenario for entry in step.history)
        for name, events in (("tagged", ("tagged",)), ("reverted", ("reverted", "put-back")))
    }
    alerted = sum(1 for notice in notices if notice.endswith(("violation", "would-revert", "deleted")))
    totals = f"judged={len(scenario)} tagged={count['tagged']} alerted={alerted} reverted={count['reverted']}"
    if lost:
        raise DemoFailed(f"{totals} notices={len(notices)} lost={lost}")
    return f"demo: OK {totals} notices={len(notices)} lost=0"


async def deliveries(sandbox: Sandbox) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Return what the sinks received, and the counts of events, once every event and notice is delivered."""
    until = time.monotonic() + WAIT_SECONDS
    async with QueueClient.from_connection_string(sandbox.azurite.connection_string, "notices") as queue:
        while time.monotonic() < until:
            events: dict[str, Any] = (await sandbox.control("GET", "eventgrid"))["metrics"]
            waiting = (await queue.get_queue_properties()).approximate_message_count
            running = (await sandbox.functions_status())["deliver_notice"]["running"]
            if not events["pending"] and not waiting and not running:
                received: list[dict[str, Any]] = await sandbox.control("GET", "received", part="sink")
                return received, events
            await asyncio.sleep(0.1)
    undelivered = f"{waiting} notices and {events['pending']} events"
    raise DemoFailed(f"{undelivered} were not delivered within {WAIT_SECONDS:.0f} s")
