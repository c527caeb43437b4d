"""`--online`: Azure is asked for the assignments that the code names, and only read; the rest is Unknown."""

from typing import Any

import pytest

from tests.cli.test_scan import Tenant, tenant
from tests.sandbox.conftest import GROUP, INITIATIVE

from .conftest import Write, bicep

__all__ = ["tenant"]  # a fixture of these tests
AT = ("--deploy-to", GROUP, "--now", "2026-11-28T00:00:00Z", "--format", "json")
NEEDS = {"whole-initiative", "reference-unknown", "never-exempt", "assignment-gone"}


def found(ran: Any) -> dict[str, str]:
    (one,) = ran.json["exemptions"]
    return {each["rule"]: each["status"] for each in one["findings"] if each["rule"] in NEEDS}


@pytest.fixture
def code(write: Write) -> Any:
    """Write a file with one exemption from an assignment."""

    def writing(assignment: str = INITIATIVE, **more: str) -> str:
        return str(write("main.bicep", bicep(policyAssignmentId=f"'{assignment}'", **more)))

    return writing


async def test_the_assignment_is_read_and_the_rules_judge_by_it(tenant: Tenant, code: Any) -> None:
    path = code()
    assert set(found(await tenant.run("check", path, *AT)).values()) == {"unknown"}
    assert found(await tenant.run("check", path, "--online", *AT)) == {}
    ran = await tenant.run("check", code(policyDefinitionReferenceIds="[ 'ghost' ]"), "--online", *AT)
    assert found(ran) == {"reference-unknown": "violation"}


async def test_the_configuration_may_ask_for_it(tenant: Tenant, code: Any, write: Write) -> None:
    write(".exg-check.yaml", "version: 1\nonline: true\n")
    assert found(await tenant.run("check", code(), *AT)) == {}


async def test_what_is_gone_is_a_violation_unless_the_code_makes_assignments(
    tenant: Tenant, code: Any, write: Write
) -> None:
    path = code(INITIATIVE + "-gone")
    ran = await tenant.run("check", path, "--online", *AT)
    assert found(ran) == {"assignment-gone": "violation"}
    head = "resource a 'Microsoft.Authorization/policyAssignments@2024-04-01' = {\n  name: 'a'\n  properties: {}\n}\n"
    write("main.bicep", head + bicep(policyAssignmentId=f"'{INITIATIVE}-gone'"))
    assert found(await tenant.run("check", path, "--online", *AT))["assignment-gone"] == "unknown"


@pytest.mark.parametrize("assignment", ["nonsense", "/subscriptions/../x", INITIATIVE + "/../../../x", "%2e%2e/x"])
async def test_an_id_that_leads_elsewhere_is_not_asked_for(tenant: Tenant, code: Any, assignment: str) -> None:
    before = len([*tenant.cloud.arm.log.requests])
    ran = await tenant.run("check", code(assignment), "--online", *AT)
    asked = [one.path for one in [*tenant.cloud.arm.log.requests][before:]]
    assert not [path for path in asked if ".." in path or "nonsense" in path]
    assert found(ran)["assignment-gone"] == "unknown"


async def test_azure_that_cannot_be_asked_is_unknown_and_all_else_is_judged(
    tenant: Tenant, code: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GUARDRAILS_ARM_ENDPOINT", "http://127.0.0.1:9")
    ran = await tenant.run("check", code(expiresOn="null"), "--online", *AT)
    (one,) = ran.json["exemptions"]
    statuses = {each["rule"]: each["status"] for each in one["findings"]}
    assert statuses["expiry-missing"] == "violation"
    assert statuses["assignment-gone"] == "unknown"
