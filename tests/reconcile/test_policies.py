"""What policies say of their category and severity: read where a ruleset asks for it, and nowhere else."""

from collections import Counter
from datetime import timedelta

import pytest

from guardrails.decisions.row import Status
from guardrails.exemption.hint import Hint
from guardrails.reconcile.past_reverts import Hindsight, look_back
from guardrails.ruleset.bound_rules import Response
from sandbox.tenant import AUTHORIZATION
from tests.categories import CODE, asking, definition
from tests.reconcile.world import ABOVE, World, rules

PUBLIC = f"{AUTHORIZATION}/policyDefinitions/deny-public-network"
TLS = f"{AUTHORIZATION}/policyDefinitions/require-tls"
BOTH = ["denyPublicNetwork", "requireTls"]


def seal(world: World, category: str = "Sealed", policy: str = PUBLIC) -> None:
    world.arm.seed(policy, definition(category))


async def test_where_nothing_asks_no_event_costs_a_request_more(world: World) -> None:
    seal(world)
    first, second = world.id(), world.id("second")
    await world.write(first)
    world.arm.log.reset()
    await world.look(first)
    assert world.ours() == Counter(
        {"GET policyExemptions": 1, "GET policyAssignments": 1, "GET policySetDefinitions": 1}
    )
    await world.write(second, expiresOn=None)
    world.arm.log.reset()
    assert (await world.look(second)).did == "delete"
    assert world.ours() == Counter({"GET policyExemptions": 3, "DELETE policyExemptions": 1})


async def test_only_what_it_may_switch_off_is_read_and_once(world: World) -> None:
    world.ruleset = asking(rules())
    seal(world, "Network")
    for number in range(3):
        await world.write(world.id(f"one-{number}"))
    world.arm.log.reset()
    for number in range(3):
        assert (await world.look(world.id(f"one-{number}"))).row.status is Status.COMPLIANT
    assert world.ours()["GET policydefinitions"] == 1
    seal(world, policy=TLS)
    whole = world.id("whole")
    await world.write(whole, policyDefinitionReferenceIds=BOTH)
    assert (await world.look(whole)).did == "delete"


async def test_the_single_policy_of_an_assignment_counts(world: World) -> None:
    world.ruleset = asking(rules())
    seal(world, policy=TLS)
    one = world.id()
    await world.write(one, policyAssignmentId=ABOVE, policyDefinitionReferenceIds=None)
    assert (await world.look(one)).did == "delete"


@pytest.mark.parametrize("status", [403, 429, 503])
async def test_a_policy_that_cannot_be_read_is_unknown_and_reverts_nothing(world: World, status: int) -> None:
    world.ruleset = asking(rules())
    seal(world)
    world.fault("GET", "policyDefinitions", status=status)
    one = world.id()
    await world.write(one)
    outcome = await world.look(one)
    assert (outcome.did, outcome.row.status, set(outcome.row.findings)) == ("", Status.UNKNOWN, {f"{CODE}?"})
    world.arm.faults.rules.clear()
    world.clock.advance(minutes=20)
    assert (await world.look(one)).did == "delete"


async def test_no_revert_rests_on_a_category_that_was_kept(world: World) -> None:
    world.ruleset = asking(rules("audit"))
    seal(world)
    one = world.id()
    await world.write(one)
    assert set((await world.look(one)).row.findings) == {CODE}  # now the category is kept
    seal(world, "Network")
    world.ruleset = asking(rules())
    outcome = await world.look(one)
    assert (outcome.did, outcome.row.findings) == ("", {})
    assert await world.body(one) is not None


async def test_what_a_sweep_saw_is_judged_by_nothing_older(world: World) -> None:
    world.ruleset = asking(rules("audit"))
    seal(world, "Network")
    one = world.id()
    await world.known(one)
    seal(world)
    world.clock.advance(minutes=5)
    assert (await world.look(one)).row.findings == {}  # ten minutes are not over
    outcome = await world.look(one, "sweep", seen=world.clock.now() - timedelta(minutes=1))
    assert set(outcome.row.findings) == {CODE}


async def test_the_last_good_state_is_put_back_by_its_own_policies(world: World) -> None:
    world.ruleset = asking(rules())
    seal(world, "Network")
    seal(world, policy=TLS)
    one = world.id()
    good = await world.known(one)
    await world.write(one, policyDefinitionReferenceIds=["requireTls"])
    assert (await world.look(one)).did == "put-back"
    assert (await world.properties(one))["policyDefinitionReferenceIds"] == good["properties"][
        "policyDefinitionReferenceIds"
    ]


async def test_a_last_good_state_whose_policy_is_sealed_since_is_not_put_back(world: World) -> None:
    world.ruleset = asking(rules())
    seal(world, "Network")
    seal(world, policy=TLS)
    one = world.id()
    await world.known(one)
    seal(world)
    world.clock.advance(minutes=11)
    await world.write(one, policyDefinitionReferenceIds=["requireTls"])
    assert (await world.look(one)).did == "delete"


async def test_what_is_put_back_after_its_target_is_judged_by_its_policies(world: World) -> None:
    world.ruleset = asking(rules(durability={"mode": "always", "wait": "1m"}))
    seal(world, "Network")
    kept, sealed = world.id(), world.id("sealed")
    await world.known(kept)
    await world.known(sealed, policyDefinitionReferenceIds=["requireTls"], displayName="another")
    for one in (kept, sealed):
        await world.delete(one)
        await world.look(one, operation="delete", actor="alice@contoso.com")
    seal(world, policy=TLS)
    world.clock.advance(minutes=15)
    for one in (kept, sealed):
        await world.look(one, "queue")
    assert await world.body(kept) is not None
    assert "it breaks the present rules: EXG305 category-forbidden" in (await world.row(sealed)).settled


@pytest.mark.parametrize(
    ("category", "hindsight"),
    [("Sealed", Hindsight.RIGHT), ("Network", Hindsight.MISTAKE), (None, Hindsight.NOT_JUDGED)],
)
async def test_a_past_revert_is_judged_by_what_its_policies_say_today(
    world: World, category: str | None, hindsight: Hindsight
) -> None:
    world.ruleset = asking(rules())
    seal(world)
    one = world.id()
    await world.write(one)
    assert (await world.look(one)).did == "delete"
    if category:
        seal(world, category)
    else:
        world.fault("GET", "policyDefinitions", status=403, code="AuthorizationFailed")
    world.clock.advance(minutes=11)
    stored, history = await world.stored(one), await world.history(one)
    visit = world.reconciler.visit(one, Hint("operator"))
    judged = await look_back(visit, stored, history, stored.seq)
    assert judged.hindsight is hindsight
    assert ("a policy that it exempts from cannot be read now" in judged.problem) is (category is None)


async def test_an_alert_needs_no_second_read(world: World) -> None:
    world.ruleset = asking(rules(), Response.ALERT)
    seal(world)
    one = world.id()
    await world.write(one)
    world.arm.log.reset()
    assert set((await world.look(one)).row.findings) == {CODE}
    assert world.ours()["GET policydefinitions"] == 1
