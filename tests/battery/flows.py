"""Every flow of the service: what people, the host and operators do, from which all else follows.

A flow says how its world is prepared, what sets it off, and how long it then goes on by itself. It does not say what the
service does: `matrix` finds that out.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from types import MappingProxyType, SimpleNamespace
from typing import Any, Final

from guardrails.doctor import storage
from guardrails.exemption import TYPE
from guardrails.letterbox import letter_id
from guardrails.notice import Notice
from guardrails.ports import Delivery, TryAgain, Undeliverable
from guardrails.register.backup import Writer
from guardrails.register.keys import address
from guardrails.ruleset import parse_ruleset
from guardrails.wiring import Service
from sandbox import tenant
from sandbox.arm.faults import Fault
from tests.battery.azure import Event
from tests.battery.stage import HOUR, METADATA, Stage
from tests.battery.worker import TABLE
from tests.categories import definition
from tests.reconcile.world import ABOVE, ALICE, CORP, OPERATOR, PIPELINE

type Step = Callable[[Stage], Awaitable[None]]

DAY: Final = 24 * HOUR
MINUTES: Final = 60.0
EVERYWHERE: Final = ("resource", "group")
RESOURCE: Final = ("resource",)
ROUTE: Final = {"route": "audit", "channel": "webhook", "address_setting": "A", "secret_setting": "S", "digest": "off"}
TEAM: Final = {"route": "team", "channel": "teams", "address_setting": "T", "digest": {"first": 0, "window": "15m"}}
NO_TICKET: Final = {key: value for key, value in METADATA.items() if key != "approvalTicket"}
RULES: Final = {
    "expiry-missing": "revert", "ticket-missing": "tag", "whole-initiative": "revert", "owner-missing": "alert",
}  # fmt: skip
GRACE: Final = {"on": {"expiry-missing": {"response": "revert", "grace": "1d"}}}
KEPT: Final = {"durability": {"mode": "collateral", "wait": "15m", "scopes": []}}
BOTH: Final = {"tagging": {"exemption": True, "scope": True}}


@dataclass(frozen=True, slots=True)
class Flow:
    """One flow.

    Attributes:
        act: what sets it off. Where that wakes nobody, the next sweep does.
        prepare: what was before, undisturbed.
        ruleset: the sections in which its ruleset differs; `on`: rules that are added.
        seconds: how long it goes on by itself: in that time a process may die.
        scopes: where it is played: at a resource, and at a management group.
        fresh: whether no sweep was made before.
        swept: why it takes a sweep to end it though what sets it off is repeated; "": it does not.
        unheard: why it may end as if it had not been set off where nobody repeats that; "": it must end as ever.
    """

    act: Step
    prepare: Step
    ruleset: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    seconds: float = 20 * MINUTES
    scopes: tuple[str, ...] = EVERYWHERE
    fresh: bool = False
    swept: str = ""
    unheard: str = ""


def ruleset_of(flow: Flow) -> Any:
    """Return the ruleset of a flow."""
    return rules(**flow.ruleset)


def rules(*, on: Mapping[str, Any] | None = None, **more: Any) -> Any:
    """Return a ruleset; `on`: rules that are added."""
    said = {"version": 2, "mode": "enforce", "rules": {**RULES, **(on or {})}, "notices": [ROUTE]}
    return parse_ruleset(json.dumps({**said, "breaker": {"reverts_per_hour": 1000}, "reviews": {"months": 0}, **more}))


# What was before


async def nothing(stage: Stage) -> None:
    """Nothing was."""


async def heeded(stage: Stage, seconds: float = 20 * MINUTES) -> None:
    """What was done in Azure is seen to: by its events, or where there are none by a sweep."""
    if not stage.cloud.events:
        await stage.sweep()
    await stage.go_on(seconds)


async def known(stage: Stage, **changes: Any) -> None:
    """An exemption that breaks no rule."""
    stage.write(**changes)
    await heeded(stage)


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


# Deletes


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


# What sets it off


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
    """The assignment does not apply any more where it stands."""
    left = CORP if stage.where == "group" else tenant.GROUP
    stage.send(PIPELINE, "PATCH", ABOVE, {"properties": {"notScopes": [left]}})


async def altered(stage: Stage) -> None:
    """A hand changes its row; then an operator has it looked at."""
    place = address(stage.one)
    table = stage.cloud.account.tables[TABLE]
    key = place.partition, place.state
    table[key] = type(table[key])({**table[key].columns, "watch": "x", "row": "{}"})
    await stage.operate("reconcile", stage.one.text, "--by", OPERATOR)


# Operators


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


async def close_breaker(stage: Stage) -> None:
    """An operator closes the breaker."""
    await stage.operate("breaker", "close")


READS: Final = (
    "reverts", "deleted list", "history {}", "register list", "register show {}", "register export --out {file}",
    "register ways", "sweep show", "targets", "breaker show", "letters list", "letters show {letter}",
    "notices failed", "notices routes", "notices show {digest}", "rules --counts",
)  # fmt: skip


async def look(stage: Stage) -> None:
    """An operator looks at everything."""
    for command in READS:
        names = {"file": stage.folder / "rows", "letter": LETTER, "digest": "none"}
        await stage.operate(*(word.format(stage.one.text, **names) for word in command.split()))
    await stage.call(partial(_holds, stage))


async def _holds(stage: Stage, service: Service) -> None:
    world: Any = SimpleNamespace(service=service, clock=stage.worker.clock)
    await storage.holds(world)


# Letters


def message_for(stage: Stage) -> str:
    """Return a message of the queue `reconcile`."""
    return json.dumps({"id": stage.one.text})


NONSENSE: Final = "nonsense"
LETTER: Final = letter_id("reconcile", NONSENSE)


async def poisoned(stage: Stage) -> None:
    """The host gives a message up."""
    await stage.put("reconcile-poison", message_for(stage))


async def poisoned_notice(stage: Stage) -> None:
    """The host gives a notice up."""
    await stage.put("notices-poison", NONSENSE)


async def nonsense(stage: Stage) -> None:
    """A message cannot be read."""
    await stage.put("reconcile", NONSENSE)


async def nonsense_kept(stage: Stage) -> None:
    """A message could not be read, and is kept."""
    await nonsense(stage)
    await stage.go_on(MINUTES)


async def nonsense_notice(stage: Stage) -> None:
    """A notice cannot be read."""
    await stage.put("notices", NONSENSE)


async def malformed(stage: Stage) -> None:
    """An event cannot be read."""
    stage.bring([Event("nonsense", 0.0, about_exemption=True)])


async def forged(stage: Stage) -> None:
    """An event names what is no id."""
    name = f"{stage.one.scope}/../x/providers/{TYPE}/one"
    told = {"operationName": f"{TYPE}/write", "resourceUri": name}
    event = {"id": "e-1", "eventType": "Microsoft.Resources.ResourceWriteSuccess", "subject": name, "data": told}
    stage.bring([Event(json.dumps(event), 0.0, about_exemption=True)])


async def letter(stage: Stage) -> None:
    """A message about a bad one was given up, and the event was lost."""
    await known(stage)
    await bad_unheard(stage)
    await poisoned(stage)
    await stage.go_on(MINUTES)


async def replay_letters(stage: Stage) -> None:
    """An operator replays all letters."""
    await stage.operate("letters", "replay", "--all")


async def drop_letter(stage: Stage) -> None:
    """An operator drops the letter."""
    await stage.operate("letters", "drop", LETTER)


async def dead_letter(stage: Stage) -> None:
    """Event Grid gave up on the event about a bad edit."""
    await known(stage)
    stage.bad()
    name = f"{stage.one.scope}/providers/{TYPE}/one"
    told = {"operationName": f"{TYPE}/write", "resourceUri": name}
    event = {"id": "e-1", "eventType": "Microsoft.Resources.ResourceWriteSuccess", "subject": name, "data": told}
    stage.cloud.events.clear()
    (stage.folder / "dead").mkdir(exist_ok=True)
    (stage.folder / "dead" / "one.json").write_text(json.dumps([event]))


async def replay_dead_letters(stage: Stage) -> None:
    """An operator replays what Event Grid gave up on."""
    await stage.operate("deadletters", "replay", str(stage.folder / "dead"))


# Notices


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


async def replay_notices(stage: Stage) -> None:
    """An operator replays what was not delivered."""
    await stage.operate("notices", "replay", "--all")


async def enable_route(stage: Stage) -> None:
    """An operator puts the route back in use."""
    await stage.operate("notices", "enable", "audit")


async def try_route(stage: Stage) -> None:
    """An operator has a test notice sent."""
    await stage.operate("notices", "test", "audit")


async def digest_long_ago(stage: Stage) -> None:
    """A digest was sent more than a month ago."""
    await put_back(stage)
    await stage.go_on(31 * DAY)


# Sweeps


async def was_there(stage: Stage) -> None:
    """A good one and a bad one are there before the guardrails are."""
    stage.write()
    stage.bad(name="two")
    stage.cloud.events.clear()
    await asyncio.sleep(HOUR)


async def slow_inventory(stage: Stage) -> None:
    """Resource Graph lets the sweep wait, longer than a lease lasts."""
    await bad_unheard(stage)
    path = "Microsoft.ResourceGraph"
    stage.cloud.arm.faults.rules.append(Fault(path=path, method="POST", status=429, retry_after="50", count=4))


WAY: Final = f"{tenant.SUBSCRIPTION}{tenant.AUTHORIZATION}/policyAssignments/relaxed"


async def way(stage: Stage) -> None:
    """An assignment is made that does not enforce."""
    about = {"policyDefinitionId": f"{tenant.AUTHORIZATION}/policyDefinitions/require-tls"}
    stage.cloud.arm.seed(WAY, {"properties": {**about, "enforcementMode": "DoNotEnforce"}})


async def way_known(stage: Stage) -> None:
    """There is such an assignment."""
    await way(stage)
    await heeded(stage)


async def way_gone(stage: Stage) -> None:
    """It goes."""
    stage.send(PIPELINE, "DELETE", WAY)
    stage.cloud.events.clear()


async def way_gone_long_ago(stage: Stage) -> None:
    """It went more than 400 days ago."""
    await way_known(stage)
    await way_gone(stage)
    await heeded(stage)
    await asyncio.sleep(401 * DAY)


async def alike(stage: Stage) -> None:
    """Another that exempts from the same is written beside it, and no event says so."""
    stage.write(name="two")
    stage.cloud.events.clear()


async def soon_over(stage: Stage) -> None:
    """It ends in less than a month from now, and did not when it was written."""
    await known(stage, expiresOn=stage.days(31))
    await stage.go_on(2 * DAY)


async def sealed(stage: Stage) -> None:
    """What a policy says of itself decides."""
    stage.cloud.arm.seed(f"{tenant.AUTHORIZATION}/policyDefinitions/require-tls", definition("Sealed"))
    stage.cloud.arm.seed(f"{tenant.AUTHORIZATION}/policyDefinitions/deny-public-network", definition("Sealed"))


# Copies of the register


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


async def reinstate(stage: Stage) -> None:
    """An operator puts the copy back."""
    await stage.operate("register", "import", str(stage.folder / "copy"))


async def reinstate_by_force(stage: Stage) -> None:
    """An operator has the copy replace what is there."""
    await stage.operate("register", "import", str(stage.folder / "copy"), "--force")


FIGHT: Final = {"breaker": {"reverts_per_hour": 1000, "fights": {"times": 2, "window": "1d"}}}
ONE: Final = {"breaker": {"reverts_per_hour": 1000, "reverts": {"author": 1}}}
FEW: Final = {"breaker": {"reverts_per_hour": 1, "reverts": {"author": 5, "subscription": 5}}}
TWO_ROUTES: Final = {"notices": [ROUTE, {**ROUTE, "route": "other"}]}
DIGEST: Final = {"notices": [TEAM]}
REMOVE: Final = {"expired": {"delete_after_days": 5}}
OWNED: Final = {"owners": [{"name": "EPAC", "metadata": {"pacOwnerId": "*"}}]}
FOUGHT_OVER: Final = {"durability": {**KEPT["durability"], "fights": {"times": 1, "window": "1d"}}}
SEALED: Final = {
    "overrides": [
        {
            "policy_category": "Sealed",
            "rules": {"category-forbidden": {"response": "revert", "options": {"categories": ["Waiver"]}}},
        }
    ]
}
MOVED: Final = {"on": {"assignment-not-applicable": "revert"}}

_ASKED: Final = "an operator's command that nobody repeats is not carried out"
_HOUR: Final = "when the sweep comes, the hour is over in which there was no room"
_MOVED_ON: Final = "an event about a target is for what was there, or lost, and by then it is so no more"
_DONE: Final = "an operator who sees that it is done does not ask again"
_NAMED: Final = "only its event says who deleted it"
_MESSAGE: Final = "what nobody can read is in the event alone"

FLOWS: Final[dict[str, Flow]] = {
    "good": Flow(write, nothing),
    "alert": Flow(no_ticket, nothing, {"on": {"ticket-missing": "alert"}}),
    "delete": Flow(bad, nothing),
    "delete again": Flow(bad, reverted),
    "put back": Flow(bad, known),
    "tag": Flow(no_ticket, nothing),
    "tag both": Flow(no_ticket, nothing, BOTH),
    "untag": Flow(corrected, tagged),
    "untag both": Flow(corrected, tagged, BOTH),
    "tag within grace": Flow(bad, nothing, GRACE),
    "grace over": Flow(time, in_grace, GRACE, 1.1 * DAY),
    "cannot act": Flow(locked, nothing),
    "unreadable": Flow(unreadable, nothing),
    "never shown": Flow(never_shown, nothing, scopes=RESOURCE),
    "claimed": Flow(claimed, nothing, OWNED),
    "policy category": Flow(write, sealed, SEALED),
    "altered row": Flow(altered, known, unheard=_ASKED),
    "pruned": Flow(bad, taken_away_long_ago),
    "budget used up": Flow(bad, one_reverted, ONE, unheard=_HOUR),
    "room in the budget": Flow(time, breaker_open, ONE, 2 * HOUR),
    "breaker opens": Flow(bad, one_reverted, FEW, unheard=_HOUR),
    "fight begins": Flow(bad, fought, FIGHT, unheard=_HOUR),
    "fight ends": Flow(time, stopped_fight, FIGHT, 2 * HOUR),
    "deleted, not durable": Flow(delete, known),
    "deleted by who may not": Flow(delete, known, KEPT, HOUR, unheard=_NAMED),
    "deleted by who may": Flow(delete_by_creator, known, KEPT, HOUR, unheard=_NAMED),
    "deleted, nobody says by whom": Flow(delete_unheard, known, KEPT, HOUR),
    "deleted, said later by whom": Flow(late_event, deleted_unseen, KEPT, HOUR, RESOURCE, unheard=_NAMED),
    "restored by delay": Flow(time, deleted, KEPT, HOUR),
    "target deleted": Flow(target_deleted, with_target, KEPT, HOUR, RESOURCE, swept=_MOVED_ON),
    "target made again": Flow(target_made_again, lost, KEPT, HOUR, RESOURCE, swept=_MOVED_ON),
    "restored by sweep": Flow(target_made_again_unheard, lost, KEPT, HOUR, RESOURCE),
    "restore fight": Flow(delete, restored_once, FOUGHT_OVER, HOUR, unheard=_NAMED),
    "adoption": Flow(next_sweep, was_there, fresh=True),
    "found by sweep": Flow(bad_unheard, known),
    "slow sweep": Flow(slow_inventory, known),
    "left to be sent": Flow(next_sweep, left_to_be_sent, {"on": {"ticket-missing": "alert"}}, scopes=RESOURCE),
    "stricter rules": Flow(stricter, tagged),
    "duplicate": Flow(alike, known, {"on": {"duplicate": "alert"}}),
    "not applicable": Flow(left_out, partial(known, policyAssignmentId=ABOVE, policyDefinitionReferenceIds=None), MOVED),
    "removal": Flow(next_sweep, ended, REMOVE),
    "reminder": Flow(next_sweep, soon_over, {}, 1.1 * DAY),
    "reminders in a digest": Flow(next_sweep, soon_over, DIGEST, 1.1 * DAY),
    "way past a policy": Flow(way, known),
    "way gone": Flow(way_gone, way_known),
    "way forgotten": Flow(next_sweep, way_gone_long_ago),
    "restore": Flow(restore, reverted, unheard=_ASKED),
    "restore an edit": Flow(restore, put_back, unheard=_ASKED),
    "restore a version": Flow(restore_at, edited, unheard=_ASKED),
    "restore and tag": Flow(restore, put_back, BOTH, unheard=_ASKED),
    "hold": Flow(hold, in_grace, GRACE, swept=_DONE, unheard=_ASKED),
    "release": Flow(release, held_for_long, GRACE, unheard=_ASKED),
    "hold ends": Flow(next_sweep, hold_over, GRACE),
    "reconcile": Flow(reconcile, known),
    "sweep run": Flow(sweep_run, known),
    "close the breaker": Flow(close_breaker, breaker_open, FEW, unheard=_ASKED),
    "look": Flow(look, undelivered),
    "poisoned": Flow(poisoned, known, unheard=_MESSAGE),
    "poisoned notice": Flow(poisoned_notice, nothing, scopes=RESOURCE, unheard=_MESSAGE),
    "nonsense": Flow(nonsense, nothing, scopes=RESOURCE, unheard=_MESSAGE),
    "nonsense for a notice": Flow(nonsense_notice, nothing, scopes=RESOURCE, unheard=_MESSAGE),
    "malformed": Flow(malformed, nothing, scopes=RESOURCE, unheard=_MESSAGE),
    "forged": Flow(forged, nothing, scopes=RESOURCE, unheard=_MESSAGE),
    "letters replayed": Flow(replay_letters, letter, unheard=_ASKED),
    "letter dropped": Flow(drop_letter, nonsense_kept, scopes=RESOURCE, unheard=_ASKED),
    "dead letters replayed": Flow(replay_dead_letters, dead_letter),
    "channel busy": Flow(bad, busy_channel),
    "channel broken": Flow(bad, broken_channel, TWO_ROUTES),
    "channel gone": Flow(bad, gone_channel, TWO_ROUTES),
    "notices replayed": Flow(replay_notices, undelivered, unheard=_ASKED),
    "route enabled": Flow(enable_route, disabled, unheard=_ASKED),
    "route tried": Flow(try_route, nothing, scopes=RESOURCE, unheard=_ASKED),
    "digest": Flow(bad, known, DIGEST, 45 * MINUTES),
    "digest, an old one forgotten": Flow(bad, digest_long_ago, DIGEST, 45 * MINUTES),
    "register put back": Flow(reinstate, copied, unheard=_ASKED),
    "register brought forward": Flow(reinstate, copied_and_older, unheard=_ASKED),
    "register replaced": Flow(reinstate_by_force, copied_and_begun_anew, unheard=_ASKED),
}

__all__ = ["FLOWS", "Flow", "Step"]
