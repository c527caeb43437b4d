"""A run of EPAC, and the run after it: whether a plan settles. Pure."""

from collections.abc import Mapping, Sequence
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
