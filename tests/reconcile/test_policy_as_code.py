"""Beside policy as code: what we do to an exemption leaves the tool that owns it with nothing to do."""

from typing import Any

import pytest

from guardrails.decisions.row import Status
from guardrails.exemption.exemption_id import ExemptionId
from sandbox import tenant
from sandbox.tenant import APPROVAL
from tests.peers import UNCHANGED, epac, terraform
from tests.reconcile.durability import scene
from tests.reconcile.world import ALICE, NO_TICKET, OPERATOR, PIPELINE, PIPELINE_ID, World, rules

PAC: dict[str, Any] = {
    "pacOwnerId": "8f2a3c1d-0000-4000-8000-0000000000ac",
    "deployedBy": "epac/8f2a3c1d-0000-4000-8000-0000000000ac/prod",
    "epacMetadata": {
        "ordinalString": "00",
        "originalName": "partner-ingestion",
        "originalDisplayName": "Partner ingestion",
        "originalDescription": "",
        "pacSelector": "prod",
        "policyAssignmentName": "storage-baseline",
        "scopePostfix": "partnerdrop",
        "policyAssignmentId": tenant.ASSIGNMENT,
        "policyDefinitionReferenceIds": '["denyPublicNetwork"]',
    },
}
EPAC: dict[str, Any] = {"name": "Enterprise Azure Policy as Code", "metadata": {"pacOwnerId": "*"}}
TERRAFORM: dict[str, Any] = {"name": "Terraform", "authors": [PIPELINE_ID, "9b1c6a52-6f0e-4d62-8a11-0d7b0c6f6e10"]}
TAGS: dict[str, Any] = {"owners": [EPAC], "tagging": {"exemption": True, "scope": False, "protected": False}}


def files(world: World, **changes: Any) -> dict[str, Any]:
    """The properties that EPAC's files ask for, with its own metadata added as it does."""
    said = {"metadata": {**APPROVAL, **PAC}, **changes}
    return dict(world.waiver(**said)["properties"])


async def deploy(world: World, one: ExemptionId, wanted: dict[str, Any]) -> None:
    """A pipeline's run: it writes what its files ask for."""
    status, body = await world.send(PIPELINE, "PUT", one.text, {"properties": wanted})
    assert status in (200, 201), body


async def seen(world: World, wanted: dict[str, Any], name: str = "partner-ingestion") -> ExemptionId:
    """An exemption that a pipeline deployed and the guardrails have judged."""
    one = world.id(name)
    await deploy(world, one, wanted)
    await world.settle(one)
    await world.forget()
    return one


async def deployed(world: World, one: ExemptionId) -> dict[str, Any]:
    body = await world.body(one)
    assert body is not None
    return body


async def lose_target(world: World, one: ExemptionId) -> None:
    await scene.drop_target(world)
    await scene.target_deleted(world, one)


async def return_target(world: World, one: ExemptionId) -> None:
    await scene.recreate_target(world)
    await scene.target_written(world, one)


FORMS: dict[str, dict[str, Any]] = {
    "compliant": {},
    "lower case, malformed date": {"exemptionCategory": "waiver"},
    "tagged were it anybody's": {"metadata": {**NO_TICKET, **PAC}},
    "reverted were it anybody's": {"expiresOn": None},
    "a whole initiative": {"policyDefinitionReferenceIds": None},
    "selectors": {
        "resourceSelectors": [{"name": "we", "selectors": [{"kind": "resourceLocation", "in": ["westeurope"]}]}]
    },
    "not validated": {"assignmentScopeValidation": "DoNotValidate"},
    "a wish of its own": {"metadata": {**APPROVAL, **PAC, "guardrails": {"restore": True}}},
}


@pytest.mark.parametrize("mode", ["audit", "enforce"])
@pytest.mark.parametrize("changes", FORMS.values(), ids=list(FORMS))
async def test_what_an_operator_restores_is_what_epac_deployed(
    world: World, changes: dict[str, Any], mode: str
) -> None:
    world.ruleset = rules(mode, **TAGS)
    wanted = files(world, **changes)
    one = await seen(world, wanted)
    assert epac(await deployed(world, one), wanted) == UNCHANGED
    await world.delete(one, ALICE)
    await world.look(one)

    await world.reconciler.restore(one, OPERATOR)

    assert epac(await deployed(world, one), wanted) == UNCHANGED
    await world.settle(one)
    assert epac(await deployed(world, one), wanted) == UNCHANGED
    assert (await world.properties(one))["metadata"] == wanted["metadata"]


async def test_our_tag_would_be_drift_and_is_not_set_on_what_is_theirs(world: World) -> None:
    wanted = files(world, metadata={**NO_TICKET, **PAC})
    world.ruleset = rules(owners=[])
    one = await seen(world, wanted)
    assert epac(await deployed(world, one), wanted) == ["metadata"], "the model must see our tag"
    world.ruleset = rules(**TAGS)
    await deploy(world, one, wanted)
    await world.settle(one)
    assert epac(await deployed(world, one), wanted) == UNCHANGED
    assert (await world.row(one)).answer == "alert"
    assert world.writes() == 0


async def test_a_tag_from_before_it_was_theirs_does_not_come_back(world: World) -> None:
    wanted = files(world, metadata={**NO_TICKET, **PAC})
    world.ruleset = rules(owners=[])
    one = await seen(world, wanted)
    await world.erase_row(one)  # the register knows it with our tag only
    world.ruleset = rules(**TAGS)
    await world.look(one)
    assert (await world.marker(one))["status"] == "violation"
    await world.delete(one, ALICE)
    await world.look(one)

    await world.reconciler.restore(one, OPERATOR)

    assert epac(await deployed(world, one), wanted) == UNCHANGED
    world.sound = False  # the row was erased by hand


async def test_a_revert_leaves_them_alone_and_the_next_run_has_nothing_to_do(world: World) -> None:
    world.ruleset = rules(**TAGS)
    wanted = files(world)
    one = await seen(world, wanted)
    edited = files(world, expiresOn=None)
    await deploy(world, one, edited)
    await world.settle(one)
    assert epac(await deployed(world, one), edited) == UNCHANGED
    assert world.writes() == 0


async def test_epac_gets_back_what_went_with_its_target_where_we_may(world: World) -> None:
    world.ruleset = scene.keeping(owners=[{**EPAC, "restore": True}])
    wanted = files(world)
    one = await seen(world, wanted)
    author = (await world.row(one)).author
    await lose_target(world, one)
    assert await world.body(one) is None
    assert (await world.row(one)).status is Status.LOST

    await return_target(world, one)

    assert epac(await deployed(world, one), wanted) == UNCHANGED
    assert (await world.properties(one))["metadata"] == wanted["metadata"]
    await world.settle(one)
    assert epac(await deployed(world, one), wanted) == UNCHANGED
    row = await world.row(one)
    assert (row.status, row.author, len(row.restored)) == (Status.COMPLIANT, author, 1)
    assert await world.notice_kinds() == ["lost", "restored"]


@pytest.mark.parametrize("owner", [EPAC, {**EPAC, "restore": False}, TERRAFORM], ids=["unsaid", "false", "terraform"])
async def test_what_is_left_to_its_tool_is_not_put_back(world: World, owner: dict[str, Any]) -> None:
    world.ruleset = scene.keeping(owners=[owner])
    wanted = files(world)
    one = await seen(world, wanted)
    await lose_target(world, one)
    await return_target(world, one)
    for source in ("sweep", "queue", "operator"):
        world.clock.advance(hours=1)
        await world.look(one, source)

    assert await world.body(one) is None
    assert (world.writes(), await world.notice_kinds()) == (0, [])
    assert (await world.history(one))[-1].facts["accepted"] == f"it is left to {owner['name']}"
    assert terraform(await world.body(one), wanted) == "create"

    await deploy(world, one, wanted)  # the tool's next run
    await world.settle(one)
    assert (await world.row(one)).status is Status.COMPLIANT
    assert epac(await deployed(world, one), wanted) == UNCHANGED
    assert world.writes() == 0


async def test_the_replace_of_a_pipeline_wins_over_what_we_would_put_back(world: World) -> None:
    world.ruleset = scene.keeping(owners=[{**EPAC, "restore": True}])
    one = await seen(world, files(world))
    await world.delete(one, PIPELINE)
    await scene.deleted_by(world, one, "pipeline@contoso.com")
    world.clock.advance(minutes=10)
    wanted = files(world, displayName="as the replace has it")
    await deploy(world, one, wanted)
    world.clock.advance(minutes=10)
    for source in ("wake-up", "event", "sweep"):
        await world.look(one, source)
    assert epac(await deployed(world, one), wanted) == UNCHANGED
    assert world.writes() == 0


async def test_a_delete_that_epac_did_not_make_is_undone_as_it_had_it(world: World) -> None:
    world.ruleset = scene.keeping(owners=[{**EPAC, "restore": True}])
    wanted = files(world)
    one = await seen(world, wanted)
    await world.delete(one, ALICE)
    await scene.deleted_by(world, one, "alice@contoso.com")
    world.clock.advance(minutes=20)
    assert (await world.look(one, "wake-up")).did == "bring-back"
    assert epac(await deployed(world, one), wanted) == UNCHANGED


async def test_terraform_has_nothing_to_do_after_an_operators_restore(world: World) -> None:
    world.ruleset = rules(owners=[TERRAFORM])
    wanted = files(world, metadata=dict(NO_TICKET))
    one = await seen(world, wanted)
    assert terraform(await deployed(world, one), wanted) == UNCHANGED, "known by its author, it is not tagged"
    await world.delete(one, ALICE)
    await world.look(one)
    assert terraform(await world.body(one), wanted) == "create"
    await world.reconciler.restore(one, OPERATOR)
    await world.settle(one)
    assert terraform(await deployed(world, one), wanted) == UNCHANGED


async def test_terraform_has_nothing_to_do_after_its_target_came_back(world: World) -> None:
    world.ruleset = scene.keeping(owners=[{**TERRAFORM, "restore": True}])
    wanted = files(world, metadata=dict(APPROVAL))
    one = await seen(world, wanted)
    await lose_target(world, one)
    await return_target(world, one)
    await world.settle(one)
    assert terraform(await deployed(world, one), wanted) == UNCHANGED


async def test_an_owner_that_the_ruleset_does_not_name_sees_our_tag(world: World) -> None:
    world.ruleset = rules(owners=[])
    wanted = files(world, metadata=dict(NO_TICKET))
    one = await seen(world, wanted)
    assert terraform(await deployed(world, one), wanted) == ["metadata"]
