"""Assignments that EPAC manages: what we put back there, its next run may delete."""

from typing import Any

import pytest

from guardrails.doctor.model import State
from sandbox.arm.faults import Fault

from .conftest import CORP, SUBSCRIPTION, Clinic, states

AUTH = "/providers/Microsoft.Authorization"
OWNER = "8f2a3c1d-0000-4000-8000-0000000000ac"
NO_AUTHORS = '    metadata: {pacOwnerId: "*"}\n'
AUTHORS = NO_AUTHORS + "    authors: [5f0e9d1c-1111-4222-8333-444455556666]\n"


def assign(clinic: Clinic, name: str, scope: str = SUBSCRIPTION, **metadata: Any) -> str:
    body = {"properties": {"policyDefinitionId": f"{AUTH}/policyDefinitions/tls", "metadata": metadata}}
    return clinic.cloud.arm.seed(f"{scope}{AUTH}/policyAssignments/{name}", body)


def rewrite(clinic: Clinic, *changes: tuple[str, str]) -> None:
    text = clinic.ruleset.read_text(encoding="utf-8")
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    clinic.ruleset.write_text(text, encoding="utf-8")


async def test_where_epac_manages_nothing_there_is_nothing_to_say(clinic: Clinic) -> None:
    assign(clinic, "plain", note="see pacOwnerId in the wiki", pacOwnerIdea="x")
    assign(clinic, "blank", pacOwnerId="")
    result = await clinic.check("epac")
    assert (result.state, result.detail) == (State.PASS, "no visible assignment has a pacOwnerId")


@pytest.mark.parametrize("scope", [SUBSCRIPTION, CORP])
async def test_what_is_put_back_there_may_be_deleted_by_its_next_run(clinic: Clinic, scope: str) -> None:
    theirs = assign(clinic, "baseline", scope, pacOwnerId=OWNER)
    result = await clinic.check("epac")
    assert result.state is State.UNKNOWN
    first, second = result.findings
    assert "EPAC manages 1 of the visible assignments" in first.seen
    assert "With the strategy full EPAC's next run deletes" in first.seen
    assert "`authors`" in first.remediation
    assert "ownedOnly" in first.remediation
    assert (second.about, second.state) == (theirs, State.PASS)


async def test_with_its_identities_named_its_deletes_are_accepted(clinic: Clinic) -> None:
    assign(clinic, "baseline", pacOwnerId=OWNER)
    rewrite(clinic, (NO_AUTHORS, AUTHORS))
    result = await clinic.check("epac")
    assert result.state is State.PASS
    assert "the deletes of the authors of 'Enterprise Azure Policy as Code' are accepted" in result.detail


async def test_each_epac_of_the_tenant_must_be_named(clinic: Clinic) -> None:
    """A platform team and another one may each run it, by a pacOwnerId and identities of their own."""
    another = "8f2a3c1d-0000-4000-8000-0000000000ff"
    assign(clinic, "baseline", pacOwnerId=OWNER)
    rewrite(clinic, (NO_AUTHORS, AUTHORS.replace('"*"', OWNER)))
    assert (await clinic.check("epac")).state is State.PASS
    assign(clinic, "theirs", CORP, pacOwnerId=another)
    result = await clinic.check("epac")
    assert result.state is State.UNKNOWN
    assert another in result.detail
    assert OWNER not in result.detail


async def test_what_is_put_back_whoever_deletes_it_is_put_back_after_epac_too(clinic: Clinic) -> None:
    assign(clinic, "baseline", pacOwnerId=OWNER)
    rewrite(clinic, (NO_AUTHORS, AUTHORS), ("mode: collateral", "mode: always"))
    result = await clinic.check("epac")
    assert result.state is State.UNKNOWN
    assert "whoever deletes it" in result.detail


@pytest.mark.parametrize("why", ["audit", "never"])
async def test_where_nothing_is_put_back_that_is_said(clinic: Clinic, why: str) -> None:
    assign(clinic, "baseline", pacOwnerId=OWNER)
    if why == "audit":
        clinic.environ["GUARDRAILS_MODE"] = "audit"
    else:
        rewrite(clinic, ("mode: collateral", "mode: never"))
    result = await clinic.check("epac")
    assert result.state is State.PASS
    assert "the service restores nothing unless an operator asks for it" in result.detail
    assert result.findings[0].remediation


async def test_what_cannot_be_read_is_unknown(clinic: Clinic) -> None:
    clinic.cloud.arm.faults.rules.append(Fault(path="ResourceGraph", status=400))
    assert (await clinic.check("epac")).state is State.UNKNOWN


async def test_with_a_broken_ruleset_it_is_unknown(clinic: Clinic) -> None:
    clinic.ruleset.write_text("mode: nonsense\n", encoding="utf-8")
    assert states(await clinic.check("epac")) == {"": State.UNKNOWN}
