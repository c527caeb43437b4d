"""Permissions: scope by scope, action by action."""

import json
from pathlib import Path

import pytest

from guardrails.doctor.model import State
from guardrails.doctor.needs import EVENTS, ROLES, actions_of, allows
from guardrails.exemption.targets import ALWAYS
from sandbox.stack import EVENT_FUNCTIONS

from .conftest import CORP, ROOT, SUB, SUBSCRIPTION, Clinic, states

INFRA = Path(__file__).parents[2] / "infra"
DELETE = "Microsoft.Authorization/policyExemptions/delete"


@pytest.mark.parametrize("role", ROLES)
def test_the_code_needs_what_the_roles_allow(role: str) -> None:
    (permission,) = json.loads((INFRA / "roles" / f"{role}.json").read_text("utf-8"))["permissions"]
    assert sorted(permission["actions"]) == sorted(ROLES[role])
    assert (permission["notActions"], permission["dataActions"]) == ([], [])


def test_the_code_wants_the_events_that_onboarding_makes() -> None:
    template = json.loads((INFRA / "onboarding" / "subscription.json").read_text("utf-8"))
    made = {one["function"]: one for one in template["variables"]["wanted"]}
    assert set(made) == set(EVENTS) == set(EVENT_FUNCTIONS)
    for function, wanted in EVENTS.items():
        types, operations = EVENT_FUNCTIONS[function]
        assert sorted(made[function]["types"]) == sorted(wanted.types) == sorted(types)
        assert set(wanted.operations) <= set(operations)
        assert all(one in str(made[function]["operations"]) for one in wanted.operations)
    assert EVENTS["on_scope_changed"].operations == ALWAYS


async def test_an_action_that_is_missing_is_named_at_each_scope(clinic: Clinic) -> None:
    clinic.cloud.arm.access.reset()
    every = {action for actions in ROLES.values() for action in actions}
    clinic.grant(*(every - {DELETE}))
    clinic.grant(DELETE, scope=CORP)
    result = await clinic.check("permissions")
    assert states(result) == {"": State.PASS, ROOT: State.FAIL}
    assert result.detail == f"{ROOT}: not allowed: {DELETE} (enforcer)"
    assert result.findings[0].seen == f"2 of 3 scopes allow all {len(every)} actions of reader, enforcer and restorer"
    assert "infra/management-group.bicep" in result.findings[1].remediation


async def test_what_is_taken_out_by_not_actions_is_missing(clinic: Clinic) -> None:
    clinic.cloud.arm.access.reset()
    clinic.grant("*", not_actions=("Microsoft.Authorization/*/delete",))
    result = await clinic.check("permissions")
    assert states(result) == dict.fromkeys((ROOT, CORP, SUBSCRIPTION), State.FAIL)


async def test_durable_exemptions_need_the_restorer(clinic: Clinic) -> None:
    clinic.ruleset.write_text(clinic.ruleset.read_text("utf-8").replace("mode: collateral", "mode: never"), "utf-8")
    assert "of reader and enforcer" in (await clinic.check("permissions")).detail


async def test_a_scope_whose_permissions_cannot_be_read_is_unknown(clinic: Clinic) -> None:
    clinic.cloud.arm.access.reset()
    clinic.grant("*", not_actions=("Microsoft.Authorization/permissions/read",))
    result = await clinic.check("permissions")
    assert states(result) == dict.fromkeys((ROOT, CORP, SUBSCRIPTION), State.UNKNOWN)
    assert all("AuthorizationFailed" in finding.seen for finding in result.findings)


async def test_an_identity_that_sees_nothing(clinic: Clinic) -> None:
    clinic.cloud.arm.access.reset()
    clinic.grant("Microsoft.ResourceGraph/resources/read")
    result = await clinic.check("permissions")
    assert (result.state, result.detail) == (State.FAIL, "the identity sees no subscription and no management group")
    assert (await clinic.check("events")).state is State.UNKNOWN


async def test_a_scope_that_is_to_be_swept_and_is_not_seen(clinic: Clinic) -> None:
    clinic.environ["GUARDRAILS_SWEEP_SCOPES"] = f"{SUB.upper()}, mg~CORP, 00000000-0000-0000-0000-00000000dead"
    result = await clinic.check("permissions")
    assert states(result) == {"": State.PASS, "00000000-0000-0000-0000-00000000dead": State.FAIL}


async def test_a_graph_that_does_not_show_all_is_unknown(clinic: Clinic) -> None:
    clinic.cloud.arm.graph.trouble.set({"limit_hit": True})
    result = await clinic.check("permissions")
    assert result.state is State.UNKNOWN
    assert "10,000" in result.detail


def test_what_permissions_allow() -> None:
    read = "Microsoft.Authorization/policyExemptions/read"
    assert allows([], read) is False
    assert allows([{"actions": ["*/READ"], "notActions": []}], read) is True
    assert allows([{"actions": ["*"], "notActions": ["microsoft.authorization/*"]}], read) is False
    assert allows([{"actions": ["*"], "notActions": ["*/read"]}, {"actions": [read]}], read) is True
    assert allows([{"actions": ["*"], "condition": "@Resource[x] StringEquals 'y'"}], read) is None
    assert allows([{"actions": ["*"], "condition": "c"}, {"actions": ["*"]}], read) is True
    assert allows([{"actions": ["Microsoft.Authorization/policyExemptions/re"]}, {"actions": "*"}], read) is False


def test_management_groups_are_asked_of_at_management_groups_only() -> None:
    extra = set(actions_of(["reader"], group=True)) - set(actions_of(["reader"], group=False))
    assert extra == {"Microsoft.Management/managementGroups/read"}
