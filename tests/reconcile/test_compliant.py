"""A compliant exemption is recorded once, and looking at it again costs next to nothing."""

from guardrails.decisions.row import Status
from sandbox import tenant
from tests.reconcile.world import ABOVE, CORP, World


async def test_it_is_recorded_with_its_body_and_nothing_is_said_or_changed(world: World) -> None:
    one = world.id()
    body = await world.write(one)
    before = world.azure()

    outcome = await world.look(one, actor="pipeline")

    assert (outcome.did, outcome.wrote) == ("", True)
    assert world.azure() == before
    row = await world.row(one)
    assert (row.status, row.answer, row.findings) == (Status.COMPLIANT, "none", {})
    assert (row.owner, row.ticket) == ("data-platform@contoso.com", "SEC-1234")
    assert (row.snapshot, row.compliant, row.undo) == (1, 1, None)
    assert await world.events(one) == ["written"]
    assert await world.register.body(one, 1) == body
    assert await world.notice_kinds() == []
    assert await world.waiting() == 0


async def test_the_first_look_costs_one_read_of_it_one_of_the_register_and_one_write(world: World) -> None:
    one = world.id()
    await world.write(one)
    await world.forget()
    await world.look(one)
    assert world.ours() == {"GET policyExemptions": 1, "GET policyAssignments": 1, "GET policySetDefinitions": 1}
    assert world.watch.calls == {"register.read": 1, "arm.get": 1, "arm.assignment": 1, "register.commit": 1}


async def test_a_duplicate_costs_two_reads_and_nothing_else(world: World) -> None:
    one = world.id()
    await world.known(one)
    before = await world.stored(one)
    for source in ("event", "event", "queue", "sweep", "operator"):
        await world.forget()
        outcome = await world.look(one, source)
        assert not outcome.wrote
        assert world.ours() == {"GET policyExemptions": 1}
        assert world.watch.calls == {"register.read": 1, "arm.get": 1, "arm.assignment": 1}
    assert await world.stored(one) == before
    assert await world.notice_kinds() == []


async def test_the_id_may_come_in_any_casing(world: World) -> None:
    one = world.id()
    await world.known(one)
    outcome = await world.look(type(one).parse(one.text.upper()))
    assert not outcome.wrote
    assert await world.events(one) == ["written"]


async def test_an_exemption_on_a_management_group_is_judged_like_any_other(world: World) -> None:
    one = world.id("everywhere", CORP)
    await world.write(one, policyAssignmentId=ABOVE, policyDefinitionReferenceIds=None)
    outcome = await world.look(one)
    assert outcome.did == "delete"
    assert await world.body(one) is None
    assert tenant.RESOURCE.lower() in world.azure()


async def test_a_compliant_edit_becomes_the_new_last_compliant_state(world: World) -> None:
    one = world.id()
    await world.known(one)
    edited = await world.write(one, displayName="Partner ingestion, second endpoint")
    await world.look(one)
    row = await world.row(one)
    assert (row.status, row.compliant, row.snapshot) == (Status.COMPLIANT, 2, 2)
    assert await world.events(one) == ["written", "edited"]
    assert await world.register.body(one, 2) == edited
    assert await world.notice_kinds() == []
