"""What sets a flow off: what people, the host and operators do, and time."""

import json
from collections.abc import Mapping
from functools import partial
from types import SimpleNamespace
from typing import Any, Final

from guardrails.delivery.dead_letters import dead_letter_id
from guardrails.doctor import storage
from guardrails.exemption.exemption_id import TYPE
from guardrails.register.keys import address
from guardrails.ruleset.model import parse_ruleset
from guardrails.wiring import Service
from sandbox import tenant
from sandbox.arm.faults import Fault
from tests.battery.azure import Event
from tests.battery.stage import HOUR, METADATA, After, Stage
from tests.battery.worker import TABLE
from tests.reconcile.world import ABOVE, ALICE, CORP, OPERATOR, PIPELINE

ROUTE: Final = {"route": "audit", "channel": "webhook", "address_setting": "A", "secret_setting": "S", "digest": "off"}
NO_TICKET: Final = {key: value for key, value in METADATA.items() if key != "approvalTicket"}
RULES: Final = {
    "expiry-missing": "revert", "ticket-missing": "tag", "whole-initiative": "revert", "owner-missing": "alert",
}  # fmt: skip


def rules(*, on: Mapping[str, Any] | None = None, **more: Any) -> Any:
    """Return a ruleset; `on`: rules that are added."""
    said = {"version": 2, "mode": "enforce", "rules": {**RULES, **(on or {})}, "notices": [ROUTE]}
    return parse_ruleset(json.dumps({**said, "breaker": {"reverts_per_hour": 1000}, "reviews": {"months": 0}, **more}))


async def nothing(stage: Stage) -> None:
    """Nothing was."""


async def write(stage: Stage) -> None:
    """The pipeline writes a good one."""
    stage.write()


async def bad(stage: Stage) -> None:
    """Alice writes a bad one."""
    stage.bad(displayName="bad")


async def bad_unheard(stage: Stage) -> None:
    """Alice writes a bad one, and no event says so."""
    stage.bad()
    stage.cloud.events.clear()


async def no_ticket(stage: Stage) -> None:
    """Alice writes one without a ticket."""
    stage.write(ALICE, metadata=NO_TICKET)


async def corrected(stage: Stage) -> None:
    """Alice adds the ticket, and leaves our tag where it is."""
    body = stage.cloud.body(stage.one) or {}
    ours = body["properties"]["metadata"].get("guardrails")
    stage.write(ALICE, metadata={**METADATA, **({"guardrails": ours} if ours else {})})


async def claimed(stage: Stage) -> None:
    """Alice writes a bad one, and in it that it is a tool's."""
    stage.bad(metadata={**METADATA, "pacOwnerId": "x"})


async def time(stage: Stage) -> None:
    """Time goes on."""
    stage.woken = True


async def next_sweep(stage: Stage) -> None:
    """Nothing happens but the next sweep."""


async def locked(stage: Stage) -> None:
    """Alice writes a bad one where nobody may delete."""
    stage.cloud.arm.lock(stage.one.scope)
    stage.bad()


async def unreadable(stage: Stage) -> None:
    """A good one is written, and its assignment cannot be read."""
    stage.cloud.arm.faults.rules.append(
        Fault(path="policyAssignments", method="GET", status=403, code="AuthorizationFailed")
    )
    stage.write()


async def never_shown(stage: Stage) -> None:
    """An event names one that cannot be read."""
    stage.cloud.arm.faults.rules.append(Fault(path="/two$", method="GET", status=403, code="AuthorizationFailed"))
    stage.write(name="two")


async def delete(stage: Stage) -> None:
    """Alice deletes it."""
    stage.delete()


async def delete_by_creator(stage: Stage) -> None:
    """The pipeline that created it deletes it."""
    stage.delete(PIPELINE)


async def delete_unheard(stage: Stage) -> None:
    """Alice deletes it, and no event says so."""
    stage.delete()
    stage.cloud.events.clear()


async def late_event(stage: Stage) -> None:
    """The event comes that says who deleted it."""
    stage.bring(stage.late)


async def target_deleted(stage: Stage) -> None:
    """Its target is deleted."""
    stage.target("DELETE")


async def target_made_again(stage: Stage) -> None:
    """Its target is made again."""
    stage.target("PUT")


async def target_made_again_unheard(stage: Stage) -> None:
    """Its target is made again, and no event says so."""
    stage.target("PUT")
    stage.cloud.events.clear()


async def stricter(stage: Stage) -> None:
    """A ticket is asked for from now on."""
    stage.cloud.rule(rules(on={"ticket-missing": "revert"}))


async def left_out(stage: Stage) -> None:
    """The assignment does not apply any more to it."""
    left = CORP if stage.where == "group" else tenant.GROUP
    stage.send(PIPELINE, "PATCH", ABOVE, {"properties": {"notScopes": [left]}})


async def altered(stage: Stage) -> None:
    """A hand changes its row; then an operator has it looked at."""
    place = address(stage.one)
    table = stage.cloud.account.tables[TABLE]
    key = place.partition, place.state
    table[key] = type(table[key])({**table[key].columns, "watch": "x", "row": "{}"})
    await stage.operate("reconcile", stage.one.text, "--by", OPERATOR)


async def restore(stage: Stage) -> None:
    """An operator takes our last write back."""
    await stage.operate("restore", stage.one.text, "--by", OPERATOR)


async def restore_at(stage: Stage) -> None:
    """An operator goes back to the first version."""
    await stage.operate("restore", stage.one.text, "--at", "1", "--by", OPERATOR)


async def hold(stage: Stage) -> None:
    """An operator holds it for three days."""
    await stage.operate(
        "hold", stage.one.text, "--until", stage.days(3), "--reason", "break glass", "--by", OPERATOR,
        done=lambda row: row.hold is not None,
    )  # fmt: skip


async def release(stage: Stage) -> None:
    """An operator ends the hold."""
    await stage.operate("release", stage.one.text, "--by", OPERATOR)


async def reconcile(stage: Stage) -> None:
    """Alice writes a bad one, no event says so, and an operator has it looked at."""
    await bad_unheard(stage)
    await stage.operate("reconcile", stage.one.text, "--by", OPERATOR)


async def sweep_run(stage: Stage) -> None:
    """Alice writes a bad one, no event says so, and an operator has a sweep made."""
    await bad_unheard(stage)
    await stage.operate("sweep", "run")


async def second_clock(stage: Stage) -> None:
    """Alice writes a bad one, no event says so, and the timer does not come: the second clock's message does."""
    await bad_unheard(stage)
    stage.cloud.ticking = stage.woken = True
    if stage.after is not After.NEVER:
        await stage.go_on(2.5 * HOUR)


async def app_start(stage: Stage) -> None:
    """The app starts, and sees that the second clock goes."""
    await stage.call(lambda service: service.intake.start())


async def health(stage: Stage) -> None:
    """Somebody outside asks for the age of the last sweep."""
    await stage.call(lambda service: service.intake.age())


async def close_breaker(stage: Stage) -> None:
    """An operator closes the breaker."""
    await stage.operate("breaker", "close")


READS: Final = (
    "reverts", "deleted list", "history {}", "register list", "register show {}", "register export --out {file}",
    "register bypasses", "register verify", "sweep show", "sweep list", "targets", "breaker show", "dead-letters list",
    "dead-letters show {dead_letter}", "notices failed", "notices routes", "notices show {digest}", "rules --counts",
    "policy would-refuse",
)  # fmt: skip


async def look(stage: Stage) -> None:
    """An operator looks at everything."""
    for command in READS:
        names = {"file": stage.folder / "rows", "dead_letter": DEAD_LETTER, "digest": "none"}
        await stage.operate(*(word.format(stage.one.text, **names) for word in command.split()))
    await stage.call(partial(_holds, stage))


async def _holds(stage: Stage, service: Service) -> None:
    world: Any = SimpleNamespace(service=service, clock=stage.worker.clock)
    await storage.holds(world)


def message_for(stage: Stage) -> str:
    """Return a message of the queue `reconcile`."""
    return json.dumps({"id": stage.one.text})


NONSENSE: Final = "nonsense"
DEAD_LETTER: Final = dead_letter_id("reconcile", NONSENSE)


async def poisoned(stage: Stage) -> None:
    """The host gives a message up."""
    await stage.put("reconcile-poison", message_for(stage))


async def poisoned_notice(stage: Stage) -> None:
    """The host gives a notice up."""
    await stage.put("notices-poison", NONSENSE)


async def nonsense(stage: Stage) -> None:
    """A message cannot be read."""
    await stage.put("reconcile", NONSENSE)


async def nonsense_notice(stage: Stage) -> None:
    """A notice cannot be read."""
    await stage.put("notices", NONSENSE)


async def malformed(stage: Stage) -> None:
    """An event cannot be read."""
    stage.bring([Event("nonsense", 0.0, about_exemption=True)])


async def forged(stage: Stage) -> None:
    """An event names what is no id."""
    name = f"{stage.one.scope}/../x/providers/{TYPE}/one"
    data = {"operationName": f"{TYPE}/write", "resourceUri": name}
    event = {"id": "e-1", "eventType": "Microsoft.Resources.ResourceWriteSuccess", "subject": name, "data": data}
    stage.bring([Event(json.dumps(event), 0.0, about_exemption=True)])


async def replay_dead_letters(stage: Stage) -> None:
    """An operator replays all dead letters."""
    await stage.operate("dead-letters", "replay", "--all")


async def drop_dead_letter(stage: Stage) -> None:
    """An operator drops the dead letter."""
    await stage.operate("dead-letters", "drop", DEAD_LETTER)


async def replay_event_grid_dead_letters(stage: Stage) -> None:
    """An operator replays what Event Grid gave up on."""
    await stage.operate("dead-letters", "replay", "--from", str(stage.folder / "dead"))


async def replay_notices(stage: Stage) -> None:
    """An operator replays what was not delivered."""
    await stage.operate("notices", "replay", "--all")


async def enable_route(stage: Stage) -> None:
    """An operator puts the route back in use."""
    await stage.operate("notices", "enable", "audit")


async def try_route(stage: Stage) -> None:
    """An operator has a test notice sent."""
    await stage.operate("notices", "test", "audit")


async def slow_inventory(stage: Stage) -> None:
    """Resource Graph lets the sweep wait, longer than a lease lasts."""
    await bad_unheard(stage)
    path = "Microsoft.ResourceGraph"
    stage.cloud.arm.faults.rules.append(Fault(path=path, method="POST", status=429, retry_after="50", count=4))


RELAXED: Final = f"{tenant.SUBSCRIPTION}{tenant.AUTHORIZATION}/policyAssignments/relaxed"


async def bypass(stage: Stage) -> None:
    """An assignment is made that does not enforce."""
    about = {"policyDefinitionId": f"{tenant.AUTHORIZATION}/policyDefinitions/require-tls"}
    stage.cloud.arm.seed(RELAXED, {"properties": {**about, "enforcementMode": "DoNotEnforce"}})


async def bypass_gone(stage: Stage) -> None:
    """It goes."""
    stage.send(PIPELINE, "DELETE", RELAXED)
    stage.cloud.events.clear()


OPT_IN: Final = f"{tenant.SUBSCRIPTION}{tenant.AUTHORIZATION}/policyAssignments/opt-in"
ENROLLMENT: Final = f"{tenant.SUBSCRIPTION}{tenant.AUTHORIZATION}/policyEnrollments/in"


async def enrollment_gone(stage: Stage) -> None:
    """A scope is enrolled no more in an assignment that enforces only where one is."""
    stage.send(PIPELINE, "DELETE", ENROLLMENT)
    stage.cloud.events.clear()


async def alike(stage: Stage) -> None:
    """Another that exempts from the same is written beside it, and no event says so."""
    stage.write(name="two")
    stage.cloud.events.clear()


async def reinstate(stage: Stage) -> None:
    """An operator puts the copy back."""
    await stage.operate("register", "import", str(stage.folder / "copy"))


async def reinstate_by_force(stage: Stage) -> None:
    """An operator has the copy replace what is there."""
    await stage.operate("register", "import", str(stage.folder / "copy"), "--force")
