"""What others of the same control have used of their grace: read in one query, and wrong by no hand's row."""

from datetime import timedelta

import pytest

from guardrails.decisions.grace import GraceUse, Period
from guardrails.decisions.history import Entry
from guardrails.decisions.row import Row, Status
from guardrails.exemption.exemption_id import ExemptionId
from guardrails.register.grace_used import grace_use_writes
from guardrails.register.keys import GRACE, address
from tests.register.conftest import BODY, EXEMPTION, World

ASSIGNMENT = str(BODY["properties"]["policyAssignmentId"])  # type: ignore[index]
OTHER = ExemptionId.parse(EXEMPTION.text + "-2")
AT_GROUP = EXEMPTION.scope.rpartition("/resourceGroups/")[0]
ABOVE = ExemptionId.parse(f"{AT_GROUP}/providers/Microsoft.Authorization/policyExemptions/above")


@pytest.fixture
def use(empty: World) -> GraceUse:
    end = empty.clock.now()
    used = {"EXG101": timedelta(hours=2)}
    return (Period(end - timedelta(hours=3), end, ("zoë@contoso.com",), timedelta(days=2), used, True, ("tls",)),)


async def keep(world: World, one: ExemptionId, use: GraceUse, assignment: str = ASSIGNMENT) -> None:
    now, before = world.clock.now(), await world.register.read(one)
    row = Row(one.text, Status.VIOLATION, now, assignment=assignment, grace=use)
    assert await world.register.commit(one, before, row, Entry(now, "judged", {}))


async def rows(world: World) -> list[str]:
    return [row["RowKey"] async for row in world.sdk.list_entities() if row["RowKey"].startswith(GRACE)]


async def test_those_of_the_same_scope_and_assignment_are_returned(empty: World, use: GraceUse) -> None:
    for one in (EXEMPTION, OTHER, ABOVE):
        await keep(empty, one, use)
    empty.transport.requests.clear()
    upper = ExemptionId.parse(EXEMPTION.text.upper())
    assert await empty.register.grace_uses_at_same_scope(upper, f"{ASSIGNMENT.upper()}/") == [use]
    assert len(empty.transport.requests) == 1
    assert await empty.register.grace_uses_at_same_scope(EXEMPTION, ASSIGNMENT + "-2") == []
    await keep(empty, OTHER, ())
    assert await empty.register.grace_uses_at_same_scope(EXEMPTION, ASSIGNMENT) == [()]


async def test_one_that_never_broke_a_rule_has_no_row(empty: World, use: GraceUse) -> None:
    await keep(empty, EXEMPTION, ())
    assert await rows(empty) == []
    row = Row(EXEMPTION.text, Status.VIOLATION, empty.clock.now(), assignment=ASSIGNMENT, grace=use)
    assert grace_use_writes(EXEMPTION, address(EXEMPTION), row, row, empty.clock.now()) == []


@pytest.mark.parametrize("periods", ["", "{", "[1]", "[[]]", '"text"', "null"])
async def test_a_damaged_row_is_passed_over(empty: World, use: GraceUse, periods: str) -> None:
    for one in (EXEMPTION, OTHER):
        await keep(empty, one, use)
    (name,) = [row for row in await rows(empty) if row.endswith(address(EXEMPTION).key)]
    await empty.sdk.upsert_entity({"PartitionKey": empty.place.partition, "RowKey": name, "periods": periods})
    third = ExemptionId.parse(EXEMPTION.text + "-3")
    assert await empty.register.grace_uses_at_same_scope(third, ASSIGNMENT) == [use]
