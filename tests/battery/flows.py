"""Every flow of the service: what people, the host and operators do, from which all else follows.

A flow says how its world is prepared, what sets it off, and how long it then goes on by itself. It does not say what
the service does: `matrix` finds that out.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, Final

from tests.battery.given import (
    DAY,
    MINUTES,
    breaker_open,
    broken_channel,
    busy_channel,
    copied,
    copied_and_begun_anew,
    copied_and_older,
    dead_letter,
    deleted,
    deleted_unseen,
    digest_long_ago,
    disabled,
    edited,
    ended,
    enrolled,
    fought,
    from_above,
    gone_channel,
    held_for_long,
    hold_over,
    in_grace,
    known,
    left_to_be_sent,
    letter,
    lost,
    nonsense_kept,
    one_reverted,
    put_back,
    restored_once,
    reverted,
    sealed,
    soon_over,
    stopped_fight,
    tagged,
    taken_away_long_ago,
    undelivered,
    was_there,
    way_gone_long_ago,
    way_known,
    with_policy_tokens,
    with_target,
)
from tests.battery.stage import HOUR, Stage
from tests.battery.triggers import (
    ROUTE,
    alike,
    altered,
    app_start,
    bad,
    bad_unheard,
    claimed,
    close_breaker,
    corrected,
    delete,
    delete_by_creator,
    delete_unheard,
    drop_letter,
    enable_route,
    enrollment_gone,
    forged,
    health,
    hold,
    late_event,
    left_out,
    locked,
    look,
    malformed,
    never_shown,
    next_sweep,
    no_ticket,
    nonsense,
    nonsense_notice,
    nothing,
    poisoned,
    poisoned_notice,
    reconcile,
    reinstate,
    reinstate_by_force,
    release,
    replay_dead_letters,
    replay_letters,
    replay_notices,
    restore,
    restore_at,
    rules,
    second_clock,
    slow_inventory,
    stricter,
    sweep_run,
    target_deleted,
    target_made_again,
    target_made_again_unheard,
    time,
    try_route,
    unreadable,
    way,
    way_gone,
    write,
)

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
    "not applicable": Flow(left_out, from_above, MOVED),
    "removal": Flow(next_sweep, ended, REMOVE),
    "reminder": Flow(next_sweep, soon_over, {}, 1.1 * DAY),
    "reminders in a digest": Flow(next_sweep, soon_over, DIGEST, 1.1 * DAY),
    "way past a policy": Flow(way, known),
    "way gone": Flow(way_gone, way_known),
    "enrollment removed": Flow(enrollment_gone, enrolled),
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
    "second clock": Flow(second_clock, known),
    "start": Flow(app_start, known, scopes=RESOURCE),
    "health": Flow(health, known, scopes=RESOURCE),
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
WITH_POLICY_TOKENS: Final = {
    f"{name}, with policy tokens": name
    for name in ("delete", "put back", "tag both", "untag both", "restored by delay", "target made again", "restore")
}
"""Flows that are played again in a tenant that wants a policy token with each write of ours."""

FLOWS.update(
    (name, replace(FLOWS[plain], prepare=with_policy_tokens(FLOWS[plain].prepare)))
    for name, plain in WITH_POLICY_TOKENS.items()
)

__all__ = ["FLOWS", "WITH_POLICY_TOKENS", "Flow", "Step"]
