"""A run of EPAC, and the run after it: whether a plan settles. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from guardrails.dataclass import replace
from guardrails.epac.entries import EpacFile
from guardrails.epac.instants import Kind, NetDate
from guardrails.epac.plan import Action, EpacPlan, Item, SecondRun, sent
from guardrails.epac.planner import Planner
from guardrails.epac.rows import Cells
from guardrails.epac.world import World
from guardrails.evaluation.plan import Outcome


def plan(files: Sequence[EpacFile], world: World, cells: Cells) -> EpacPlan:
    """Return the plan of a run, with what the run after it would plan."""
    run = Planner(files, world, cells)
    made = run.plan()
    if made.outcome is Outcome.DEPLOYS and made.deletes is not None:
        settled = [] if made.unreadable else run.settled()
        made.second = second_run(run.again(after(made, world, settled), settled))
    elif made.outcome is Outcome.REFUSED:
        made.second = SecondRun(Outcome.REFUSED)
    return made


def joined(plans: Sequence[EpacPlan]) -> EpacPlan | None:
    """Return the plan of all files by that of each part of them, in their order; None where that takes all at once.

    It does where a part is refused or not certain, where two have one id, and where something is deleted.
    """
    ids = [one.apart for one in plans if one.apart is not None]
    again = [
        one.second for one in plans if one.second and one.second.outcome is Outcome.DEPLOYS and not one.second.delete
    ]
    counts = [(one.unchanged, one.orphans, one.expired) for one in plans]
    every = frozenset[str]().union(*ids)
    if len(ids) < len(plans) or len(again) < len(plans) or len(every) < sum(map(len, ids)):
        return None
    if any(None in some for some in counts) or set.intersection(*(set(one.deletes or ()) for one in plans)):
        return None

    def sum_of(numbers: Iterable[int | None]) -> int:
        return sum(filter(None, numbers))

    second = SecondRun(
        Outcome.DEPLOYS,
        sum_of(one.unchanged for one in again),
        [identity for one in again for identity in one.new],
        [identity for one in again for identity in one.update],
        [identity for one in again for identity in one.replace],
        because={key: because for one in again for key, because in one.because.items()},
    )
    unchanged, orphans, expired = map(sum_of, zip(*counts, strict=True))
    return EpacPlan(
        Outcome.DEPLOYS,
        [item for one in plans for item in one.items],
        [identity for one in plans for identity in one.taken],
        [], unchanged, orphans, expired,
        warnings=[said for one in plans for said in one.warnings],
        second=second, apart=every,
    )  # fmt: skip


def second_run(plan: EpacPlan) -> SecondRun | None:
    """Return a plan as a second run's; None where it is not known."""
    if plan.outcome is Outcome.UNKNOWN or (plan.outcome is Outcome.DEPLOYS and plan.deletes is None):
        return None
    if plan.outcome is Outcome.REFUSED:
        return SecondRun(Outcome.REFUSED)
    some = {action: [str(one.id) for one in plan.items if one.action is action] for action in Action}
    return SecondRun(
        plan.outcome,
        plan.unchanged,
        some[Action.NEW],
        some[Action.UPDATE],
        some[Action.REPLACE],
        plan.deletes or [],
        because={str(one.id).lower(): one.because for one in plan.items if one.because},
    )


def after(plan: EpacPlan, world: World, besides: Sequence[Item] = ()) -> World:
    """Return the world after a plan is deployed. Azure gives back what is sent, with the end in UTC.

    `besides`: items of the plan that nobody asks for.
    """
    if plan.unreadable or plan.outcome is not Outcome.DEPLOYS:
        return world
    kept: list[Mapping[str, Any]] = []
    if world.deployed:
        gone = {one.lower() for one in plan.deletes or ()} | {str(one.id).lower() for one in plan.written()}
        kept = [body for body in world.deployed if str(body.get("id")).lower() not in gone]
    left_out = {id(one) for one in besides}
    made = [_body(one, world) for one in plan.written() if id(one) not in left_out]
    return replace(world, deployed=(*kept, *made))


def _body(one: Item, world: World) -> Mapping[str, Any]:
    end = one.end
    properties = {
        "policyAssignmentId": one.assignment_id,
        "policyDefinitionReferenceIds": one.references,
        "exemptionCategory": one.category,
        "expiresOn": NetDate(end.utc, Kind.UTC) if end else None,
        "displayName": one.display_name,
        "description": one.description,
        "metadata": one.metadata,
        "resourceSelectors": one.selectors,
        "assignmentScopeValidation": one.validation,
    }
    return {"id": one.id, "name": one.name, "tenantId": world.settings.tenant, "properties": sent(properties)}
