"""What was before a flow, undisturbed."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from functools import wraps
from typing import Any, Final

from guardrails.exemption.exemption_id import TYPE
from guardrails.notices.notice import Notice
from guardrails.ports import Delivery, TryAgain, Undeliverable
from guardrails.register.backup import Writer
from sandbox import tenant
from sandbox.arm.policy_tokens import Demand
from tests.battery.stage import HOUR, Stage
from tests.battery.triggers import (
    ENROLLMENT,
    NO_TICKET,
    OPT_IN,
    bad_unheard,
    bypass,
    bypass_gone,
    hold,
    nonsense,
    poisoned,
)
from tests.battery.worker import TABLE
from tests.categories import definition
from tests.reconcile.world import ABOVE, ALICE, US_OID

DAY: Final = 24 * HOUR
MINUTES: Final = 60.0


async def heeded(stage: Stage, seconds: float = 20 * MINUTES) -> None:
    """What was done in Azure is seen to: by its events, or where there are none by a sweep."""
    if not stage.cloud.events:
        await stage.sweep()
    await stage.go_on(seconds)


def with_policy_tokens(prepare: Callable[[Stage], Awaitable[None]]) -> Callable[[Stage], Awaitable[None]]:
    """Return the same, and that the tenant has since wanted a policy token with each of our writes."""

    @wraps(prepare)
    async def prepared(stage: Stage) -> None:
        await prepare(stage)
        stage.cloud.arm.policy_tokens.demand = Demand(oids=[US_OID])

    return prepared


async def known(stage: Stage, **changes: Any) -> None:
    """An exemption that breaks no rule."""
    stage.write(**changes)
    await heeded(stage)


async def two_known(stage: Stage) -> None:
    """Two exemptions that break no rule."""
    stage.write(name="two")
    await known(stage)


async def from_above(stage: Stage) -> None:
    """It exempts from what is assigned to the management group."""
    await known(stage, policyAssignmentId=ABOVE, policyDefinitionReferenceIds=None)


async def reverted(stage: Stage) -> None:
    """A bad one was deleted."""
    stage.bad()
    await heeded(stage)


async def put_back(stage: Stage) -> None:
    """A bad edit was put back."""
    await known(stage)
    stage.bad()
    await heeded(stage)


async def edited(stage: Stage) -> None:
    """It was edited, and breaks no rule."""
    await known(stage)
    stage.write(displayName="Another name")
    await heeded(stage)


async def tagged(stage: Stage) -> None:
    """One without a ticket is tagged."""
    stage.write(ALICE, metadata=NO_TICKET)
    await heeded(stage)


async def in_grace(stage: Stage) -> None:
    """A bad one is tagged, and stands for a day."""
    stage.bad()
    await heeded(stage)


async def left_to_be_sent(stage: Stage) -> None:
    """A process died before it said what it had decided, and whoever had it in hand does not repeat that."""
    stage.write(ALICE, metadata=NO_TICKET)
    stage.worker.line.die_at(1, after=True)
    await stage.go_on(1)
    stage.cloud.events.clear()
    await stage.go_on(MINUTES)


async def held(stage: Stage) -> None:
    """A bad one is on hold."""
    await in_grace(stage)
    await hold(stage)


async def held_for_long(stage: Stage) -> None:
    """A bad one is on hold, and has no grace left."""
    await held(stage)
    await stage.go_on(1.5 * DAY)


async def hold_over(stage: Stage) -> None:
    """A hold is over, and no sweep was made since."""
    await held(stage)
    await asyncio.sleep(3.1 * DAY)


async def fought(stage: Stage) -> None:
    """It was put back twice."""
    await known(stage)
    for number in range(2):
        stage.bad(displayName=f"again {number}")
        await heeded(stage, 5 * MINUTES)


async def stopped_fight(stage: Stage) -> None:
    """It was put back twice, and written once more: now it waits."""
    await fought(stage)
    stage.bad(displayName="once more")
    await heeded(stage, 5 * MINUTES)


async def one_reverted(stage: Stage) -> None:
    """Another by the same author was reverted."""
    stage.bad(name="two")
    await heeded(stage, 5 * MINUTES)


async def breaker_open(stage: Stage) -> None:
    """One was reverted, and the next opened the breaker."""
    await one_reverted(stage)
    stage.bad()
    await heeded(stage)


async def taken_away_long_ago(stage: Stage) -> None:
    """Two bad edits were put back, more than 400 days ago."""
    await known(stage, expiresOn=stage.days(2000))
    for number in range(2):
        stage.bad(displayName=f"again {number}")
        await heeded(stage)
    await asyncio.sleep(401 * DAY)


async def deleted_unseen(stage: Stage) -> None:
    """It was deleted; a sweep saw that, and the event that says who did it is late."""
    await known(stage)
    stage.delete()
    stage.late, stage.cloud.events = stage.cloud.events, []
    await stage.sweep()
    await stage.go_on(5 * MINUTES)


async def deleted(stage: Stage) -> None:
    """It was deleted by somebody who may not, and is to be put back."""
    await known(stage)
    stage.delete()
    await heeded(stage, MINUTES)


async def with_target(stage: Stage) -> None:
    """One is attached to a resource."""
    stage.target("PUT")
    await known(stage)


async def lost(stage: Stage) -> None:
    """It went with its target."""
    await with_target(stage)
    stage.target("DELETE")
    await heeded(stage)


async def restored_once(stage: Stage) -> None:
    """It was deleted by somebody who may not, and put back."""
    await deleted(stage)
    await stage.go_on(HOUR)


async def ended(stage: Stage) -> None:
    """It ended a week ago."""
    await known(stage, expiresOn=stage.days(5))
    await stage.go_on(12 * DAY)


async def nonsense_kept(stage: Stage) -> None:
    """A message could not be read, and is kept."""
    await nonsense(stage)
    await stage.go_on(MINUTES)


async def given_up(stage: Stage) -> None:
    """A message about a bad one was given up, and the event was lost."""
    await known(stage)
    await bad_unheard(stage)
    await poisoned(stage)
    await stage.go_on(MINUTES)


async def dead_letter(stage: Stage) -> None:
    """Event Grid gave up on the event about a bad edit."""
    await known(stage)
    stage.bad()
    name = f"{stage.one.scope}/providers/{TYPE}/one"
    data = {"operationName": f"{TYPE}/write", "resourceUri": name}
    event = {"id": "e-1", "eventType": "Microsoft.Resources.ResourceWriteSuccess", "subject": name, "data": data}
    stage.cloud.events.clear()
    (stage.folder / "dead").mkdir(exist_ok=True)
    (stage.folder / "dead" / "one.json").write_text(json.dumps([event]))


def refusing(stage: Stage, *answers: Delivery, route: str = "audit") -> None:
    """Let a route answer so, each answer once; the last stays where it is final."""
    left = list(answers)

    def refuse(notice: Notice, to: str) -> Delivery | None:
        del notice
        if to != route or not left:
            return None
        return left[0] if isinstance(left[0], Undeliverable) else left.pop(0)

    stage.cloud.refuses = refuse


async def busy_channel(stage: Stage) -> None:
    """A channel is busy, and names the seconds."""
    await known(stage)
    refusing(stage, TryAgain("busy", 60.0), TryAgain("busy"))


async def broken_channel(stage: Stage) -> None:
    """A channel takes nothing."""
    await known(stage)
    refusing(stage, Undeliverable("too large"))


async def gone_channel(stage: Stage) -> None:
    """The address of a channel is gone."""
    await known(stage)
    refusing(stage, Undeliverable("it is gone", disable=True))


async def undelivered(stage: Stage) -> None:
    """A notice could not be delivered, and its channel works again."""
    await broken_channel(stage)
    stage.bad()
    await heeded(stage)
    stage.cloud.refuses = None


async def disabled(stage: Stage) -> None:
    """A route is disabled, and its address is right again."""
    await gone_channel(stage)
    stage.bad()
    await heeded(stage)
    stage.cloud.refuses = None


async def digest_long_ago(stage: Stage) -> None:
    """A digest was sent more than a month ago."""
    await put_back(stage)
    await stage.go_on(31 * DAY)


async def was_there(stage: Stage) -> None:
    """A good one and a bad one are there before the guardrails are."""
    stage.write()
    stage.bad(name="two")
    stage.cloud.events.clear()
    await asyncio.sleep(HOUR)


async def bypass_known(stage: Stage) -> None:
    """There is such an assignment."""
    await bypass(stage)
    await heeded(stage)


async def enrolled(stage: Stage) -> None:
    """A scope is enrolled in an assignment, and a sweep has seen that."""
    about = {"policyDefinitionId": f"{tenant.AUTHORIZATION}/policyDefinitions/require-tls"}
    stage.cloud.arm.seed(OPT_IN, {"properties": {**about, "enforcementMode": "Enroll"}})
    stage.cloud.arm.seed(ENROLLMENT, {"properties": {"policyAssignmentId": OPT_IN}})
    await heeded(stage)


async def bypass_gone_long_ago(stage: Stage) -> None:
    """It went more than 400 days ago."""
    await bypass_known(stage)
    await bypass_gone(stage)
    await heeded(stage)
    await asyncio.sleep(401 * DAY)


async def soon_over(stage: Stage) -> None:
    """It ends in less than a month from now, and did not when it was written."""
    await known(stage, expiresOn=stage.days(31))
    await stage.go_on(2 * DAY)


async def sealed(stage: Stage) -> None:
    """What a policy says of itself decides."""
    stage.cloud.arm.seed(f"{tenant.AUTHORIZATION}/policyDefinitions/require-tls", definition("Sealed"))
    stage.cloud.arm.seed(f"{tenant.AUTHORIZATION}/policyDefinitions/deny-public-network", definition("Sealed"))


async def copy(stage: Stage) -> None:
    """Make a full copy of the register."""
    service = stage.worker.service
    with (stage.folder / "copy").open("w", encoding="utf-8") as file:
        writer = Writer(file.write, service.settings.table, stage.cloud.now())
        async for _, rows, wrong in service.register.backup.partitions():
            assert not wrong, wrong
            for row in rows.values():
                writer.row(row)
        writer.end()


async def copied(stage: Stage) -> None:
    """There is a full copy of the register, and the register is lost."""
    await put_back(stage)
    await copy(stage)
    stage.cloud.account.tables[TABLE].clear()


async def copied_and_older(stage: Stage) -> None:
    """There is a full copy of the register, and the register is older."""
    await known(stage)
    older = dict(stage.cloud.account.tables[TABLE])
    stage.bad()
    await heeded(stage)
    await copy(stage)
    table = stage.cloud.account.tables[TABLE]
    table.clear()
    table.update(older)


async def copied_and_begun_anew(stage: Stage) -> None:
    """There is a full copy of the register, which was lost and began anew."""
    await copied(stage)
    await stage.sweep()
    await stage.go_on(10 * MINUTES)
