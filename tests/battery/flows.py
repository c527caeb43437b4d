"""Every flow of the service: what people, the host and operators do, from which all else follows.

A flow says how its world is prepared, what sets it off, and how long it then goes on by itself. It does not say what
the service does: `matrix` finds that out.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, Final

from guardrails.decisions.parts import DEFAULT_SIZES, Sizes
from tests.battery import given, triggers
from tests.battery.stage import HOUR, Stage

type Step = Callable[[Stage], Awaitable[None]]
EVERYWHERE: Final = ("resource", "group")
RESOURCE: Final = ("resource",)
TEAM: Final = {"route": "team", "channel": "teams", "address_setting": "T", "digest": {"first": 0, "window": "15m"}}
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
        sizes: when its sweeps are cut into parts, and when these are shared.
        unheard: why it may end as if it had not been set off where nobody repeats that; "": it must end as ever.
    """

    act: Step
    prepare: Step
    ruleset: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    seconds: float = 20 * given.MINUTES
    scopes: tuple[str, ...] = EVERYWHERE
    fresh: bool = False
    swept: str = ""
    unheard: str = ""
    sizes: Sizes = DEFAULT_SIZES


def ruleset_of(flow: Flow) -> Any:
    """Return the ruleset of a flow."""
    return triggers.rules(**flow.ruleset)


FIGHT: Final = {"breaker": {"reverts_per_hour": 1000, "fights": {"times": 2, "window": "1d"}}}
ONE: Final = {"breaker": {"reverts_per_hour": 1000, "reverts": {"author": 1}}}
FEW: Final = {"breaker": {"reverts_per_hour": 1, "reverts": {"author": 5, "subscription": 5}}}
TWO_ROUTES: Final = {"notices": [triggers.ROUTE, {**triggers.ROUTE, "route": "other"}]}
DIGEST: Final = {"notices": [TEAM]}
REMOVE: Final = {"expired": {"delete_after_days": 5}}
SHARED: Final = Sizes(0, 1, 0)
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
    "good": Flow(triggers.write, triggers.nothing),
    "alert": Flow(triggers.no_ticket, triggers.nothing, {"on": {"ticket-missing": "alert"}}),
    "delete": Flow(triggers.bad, triggers.nothing),
    "delete again": Flow(triggers.bad, given.reverted),
    "put back": Flow(triggers.bad, given.known),
    "tag": Flow(triggers.no_ticket, triggers.nothing),
    "tag both": Flow(triggers.no_ticket, triggers.nothing, BOTH),
    "untag": Flow(triggers.corrected, given.tagged),
    "untag both": Flow(triggers.corrected, given.tagged, BOTH),
    "tag within grace": Flow(triggers.bad, triggers.nothing, GRACE),
    "grace over": Flow(triggers.time, given.in_grace, GRACE, 1.1 * given.DAY),
    "cannot act": Flow(triggers.locked, triggers.nothing),
    "unreadable": Flow(triggers.unreadable, triggers.nothing),
    "never shown": Flow(triggers.never_shown, triggers.nothing, scopes=RESOURCE),
    "claimed": Flow(triggers.claimed, triggers.nothing, OWNED),
    "policy category": Flow(triggers.write, given.sealed, SEALED),
    "altered row": Flow(triggers.altered, given.known, unheard=_ASKED),
    "pruned": Flow(triggers.bad, given.taken_away_long_ago),
    "budget used up": Flow(triggers.bad, given.one_reverted, ONE, unheard=_HOUR),
    "room in the budget": Flow(triggers.time, given.breaker_open, ONE, 2 * HOUR),
    "breaker opens": Flow(triggers.bad, given.one_reverted, FEW, unheard=_HOUR),
    "fight begins": Flow(triggers.bad, given.fought, FIGHT, unheard=_HOUR),
    "fight ends": Flow(triggers.time, given.stopped_fight, FIGHT, 2 * HOUR),
    "deleted, not durable": Flow(triggers.delete, given.known),
    "deleted by who may not": Flow(triggers.delete, given.known, KEPT, HOUR, unheard=_NAMED),
    "deleted by who may": Flow(triggers.delete_by_creator, given.known, KEPT, HOUR, unheard=_NAMED),
    "deleted, nobody says by whom": Flow(triggers.delete_unheard, given.known, KEPT, HOUR),
    "deleted, said later by whom": Flow(
        triggers.late_event, given.deleted_unseen, KEPT, HOUR, RESOURCE, unheard=_NAMED
    ),
    "restored by delay": Flow(triggers.time, given.deleted, KEPT, HOUR),
    "target deleted": Flow(triggers.target_deleted, given.with_target, KEPT, HOUR, RESOURCE, swept=_MOVED_ON),
    "target made again": Flow(triggers.target_made_again, given.lost, KEPT, HOUR, RESOURCE, swept=_MOVED_ON),
    "restored by sweep": Flow(triggers.target_made_again_unheard, given.lost, KEPT, HOUR, RESOURCE),
    "restore fight": Flow(triggers.delete, given.restored_once, FOUGHT_OVER, HOUR, unheard=_NAMED),
    "adoption": Flow(triggers.next_sweep, given.was_there, fresh=True),
    "found by sweep": Flow(triggers.bad_unheard, given.known),
    "slow sweep": Flow(triggers.slow_inventory, given.known),
    "left to be sent": Flow(
        triggers.next_sweep, given.left_to_be_sent, {"on": {"ticket-missing": "alert"}}, scopes=RESOURCE
    ),
    "stricter rules": Flow(triggers.stricter, given.tagged),
    "duplicate": Flow(triggers.alike, given.known, {"on": {"duplicate": "alert"}}),
    "not applicable": Flow(triggers.left_out, given.from_above, MOVED),
    "removal": Flow(triggers.next_sweep, given.ended, REMOVE),
    "reminder": Flow(triggers.next_sweep, given.soon_over, {}, 1.1 * given.DAY),
    "reminders in a digest": Flow(triggers.next_sweep, given.soon_over, DIGEST, 1.1 * given.DAY),
    "bypass": Flow(triggers.bypass, given.known),
    "bypass gone": Flow(triggers.bypass_gone, given.bypass_known),
    "enrollment removed": Flow(triggers.enrollment_gone, given.enrolled),
    "bypass forgotten": Flow(triggers.next_sweep, given.bypass_gone_long_ago),
    "restore": Flow(triggers.restore, given.reverted, unheard=_ASKED),
    "restore an edit": Flow(triggers.restore, given.put_back, unheard=_ASKED),
    "restore a version": Flow(triggers.restore_at, given.edited, unheard=_ASKED),
    "restore and tag": Flow(triggers.restore, given.put_back, BOTH, unheard=_ASKED),
    "hold": Flow(triggers.hold, given.in_grace, GRACE, swept=_DONE, unheard=_ASKED),
    "release": Flow(triggers.release, given.held_for_long, GRACE, unheard=_ASKED),
    "hold ends": Flow(triggers.next_sweep, given.hold_over, GRACE),
    "reconcile": Flow(triggers.reconcile, given.known),
    "sweep run": Flow(triggers.sweep_run, given.known),
    "second clock": Flow(triggers.second_clock, given.known),
    "sweep in parts": Flow(triggers.bad_unheard, given.two_known, sizes=SHARED),
    "start": Flow(triggers.app_start, given.known, scopes=RESOURCE),
    "health": Flow(triggers.health, given.known, scopes=RESOURCE),
    "close the breaker": Flow(triggers.close_breaker, given.breaker_open, FEW, unheard=_ASKED),
    "look": Flow(triggers.look, given.undelivered),
    "poisoned": Flow(triggers.poisoned, given.known, unheard=_MESSAGE),
    "poisoned notice": Flow(triggers.poisoned_notice, triggers.nothing, scopes=RESOURCE, unheard=_MESSAGE),
    "nonsense": Flow(triggers.nonsense, triggers.nothing, scopes=RESOURCE, unheard=_MESSAGE),
    "nonsense for a notice": Flow(triggers.nonsense_notice, triggers.nothing, scopes=RESOURCE, unheard=_MESSAGE),
    "malformed": Flow(triggers.malformed, triggers.nothing, scopes=RESOURCE, unheard=_MESSAGE),
    "forged": Flow(triggers.forged, triggers.nothing, scopes=RESOURCE, unheard=_MESSAGE),
    "dead letters replayed": Flow(triggers.replay_dead_letters, given.dead_letter, unheard=_ASKED),
    "dead letter dropped": Flow(triggers.drop_dead_letter, given.nonsense_kept, scopes=RESOURCE, unheard=_ASKED),
    "dead letters of Event Grid replayed": Flow(triggers.replay_event_grid_dead_letters, given.dead_letter),
    "channel busy": Flow(triggers.bad, given.busy_channel),
    "channel broken": Flow(triggers.bad, given.broken_channel, TWO_ROUTES),
    "channel gone": Flow(triggers.bad, given.gone_channel, TWO_ROUTES),
    "notices replayed": Flow(triggers.replay_notices, given.undelivered, unheard=_ASKED),
    "route enabled": Flow(triggers.enable_route, given.disabled, unheard=_ASKED),
    "route tried": Flow(triggers.try_route, triggers.nothing, scopes=RESOURCE, unheard=_ASKED),
    "digest": Flow(triggers.bad, given.known, DIGEST, 45 * given.MINUTES),
    "digest, an old one forgotten": Flow(triggers.bad, given.digest_long_ago, DIGEST, 45 * given.MINUTES),
    "register put back": Flow(triggers.reinstate, given.copied, unheard=_ASKED),
    "register brought forward": Flow(triggers.reinstate, given.copied_and_older, unheard=_ASKED),
    "register replaced": Flow(triggers.reinstate_by_force, given.copied_and_begun_anew, unheard=_ASKED),
}
WITH_POLICY_TOKENS: Final = {
    f"{name}, with policy tokens": name
    for name in ("delete", "put back", "tag both", "untag both", "restored by delay", "target made again", "restore")
}
"""Flows that are played again in a tenant that wants a policy token with each write of ours."""

FLOWS.update(
    (name, replace(FLOWS[plain], prepare=given.with_policy_tokens(FLOWS[plain].prepare)))
    for name, plain in WITH_POLICY_TOKENS.items()
)
