"""Policy enrollments as Azure lists them, and what the stand-in takes for one."""

from typing import Any

import pytest

from guardrails.azure.arm import ENROLLMENTS, ENROLLMENTS_VERSION, ArmRest
from guardrails.bypasses.enrolled import REMOVED, Enrolled, Mode, counts, is_enrollment
from guardrails.bypasses.read import enrolled_of, mode_of
from guardrails.errors import Permanent, Retryable
from guardrails.exemption.facts import Gone, Unread
from sandbox.cloud import Cloud
from tests.azure.inventory import fail
from tests.sandbox.conftest import AUTH, CORP, GROUP, SINGLE, SUBSCRIPTION, VAULT

NAMES = {CORP: "corp", SUBSCRIPTION: "sub", GROUP: "group", VAULT: "vault"}


def enrollment(scope: str, name: str) -> str:
    return f"{scope}/providers/{ENROLLMENTS}/{name}"


@pytest.fixture(autouse=True)
def everywhere(cloud: Cloud) -> None:
    for scope, name in NAMES.items():
        cloud.arm.seed(enrollment(scope, name), {"properties": {"policyAssignmentId": SINGLE}})


async def listed(arm: ArmRest, scope: str) -> list[str]:
    found = await arm.enrollments(scope)
    assert not isinstance(found, Gone | Unread)
    return [row["name"] for row in found]


@pytest.mark.parametrize(
    ("scope", "names"),
    [
        (CORP, ["corp"]),
        (SUBSCRIPTION, ["corp", "sub"]),
        (GROUP, ["corp", "group", "sub"]),
        (VAULT.upper(), ["corp", "group", "sub", "vault"]),
    ],
)
async def test_all_at_a_scope_and_above_it_and_none_below(arm: ArmRest, scope: str, names: list[str]) -> None:
    assert sorted(await listed(arm, scope)) == names


async def test_a_long_list_is_read_to_its_end(arm: ArmRest, cloud: Cloud) -> None:
    cloud.arm.control._put_paging({"size": 1})
    cloud.arm.resources.page_size = 1
    assert len(await listed(arm, VAULT)) == 4


async def test_a_scope_that_is_not_there_is_gone(arm: ArmRest) -> None:
    assert await arm.enrollments(f"{SUBSCRIPTION}/resourceGroups/absent") == Gone()


@pytest.mark.parametrize("kind", ["InvalidResourceType", "NoRegisteredProviderFound"])
async def test_a_cloud_without_the_type_is_unread(arm: ArmRest, cloud: Cloud, kind: str) -> None:
    cloud.arm.providers.lag({"policyEnrollments": ["2099-01-01"], "refusal": kind})
    assert isinstance(await arm.enrollments(GROUP), Unread)


async def test_what_azure_refuses_is_unread_and_what_is_busy_is_retried(arm: ArmRest, cloud: Cloud) -> None:
    fail(cloud, path="policyEnrollments", method="GET", status=403, code="AuthorizationFailed", count=1)
    assert isinstance(await arm.enrollments(GROUP), Unread)
    fail(cloud, path="policyEnrollments", method="GET", status=503, count=1)
    with pytest.raises(Retryable):
        await arm.enrollments(GROUP)


def test_an_enrollment_is_read_part_by_part() -> None:
    selectors = [
        {"name": "a", "selectors": [{"kind": "resourceLocation", "in": ["westeurope"]}]},
        {"name": "b", "selectors": [{"kind": "resourceType", "notIn": ["x/y"]}]},
    ]
    said = {
        "policyAssignmentId": SINGLE, "policyDefinitionReferenceIds": ["tls", "tags", "tls"],
        "resourceSelectors": selectors, "policyAssignmentInstanceId": "i",
    }  # fmt: skip
    where = f"{REMOVED} where resourceLocation in westeurope or resourceType not in x/y"
    assert enrolled_of({"id": enrollment(GROUP, "e"), "properties": said}) == [
        Enrolled(GROUP, SINGLE, "tls", where, "i"), Enrolled(GROUP, SINGLE, "tags", where, "i"),
    ]  # fmt: skip
    renamed = {**said, "resourceSelectors": [{**one, "name": "z"} for one in reversed(selectors)]}
    assert enrolled_of({"id": enrollment(GROUP, "e"), "properties": renamed})[0].detail == where


@pytest.mark.parametrize(
    ("identity", "properties"),
    [
        (None, {"policyAssignmentId": SINGLE}),
        (SINGLE, {"policyAssignmentId": SINGLE}),
        (f"/somewhere{AUTH}/policyEnrollments/e", {"policyAssignmentId": SINGLE}),
        (enrollment(GROUP, "e"), None),
        (enrollment(GROUP, "e"), {}),
        (enrollment(GROUP, "e"), {"policyAssignmentId": 5}),
        (enrollment(GROUP, "e"), {"policyAssignmentId": SINGLE, "policyDefinitionReferenceIds": 5}),
        (enrollment(GROUP, "e"), {"policyAssignmentId": SINGLE, "resourceSelectors": True}),
        (enrollment(GROUP, "e"), {"policyAssignmentId": SINGLE, "resourceSelectors": [5]}),
        (enrollment(GROUP, "e"), "[[["),
    ],
)
def test_what_is_none_or_malformed_is_refused(identity: Any, properties: Any) -> None:
    with pytest.raises(Permanent):
        enrolled_of({"id": identity, "properties": properties})


@pytest.mark.parametrize(
    ("ours", "theirs", "right"),
    [
        ("one", "ONE", True), ("one", "two", False), ("", "two", True), ("one", "", True),
        ("00000000-0000-0000-0000-000000000000", "two", True),
    ],
)  # fmt: skip
def test_an_enrollment_counts_for_the_instance_that_it_names(ours: str, theirs: str, *, right: bool) -> None:
    assert counts(Enrolled(GROUP, SINGLE, instance=ours), Mode("", enroll=True, instance=theirs)) == right


@pytest.mark.parametrize("properties", [None, 5, "x", {"enforcementMode": 5}, {"displayName": ["x"]}])
def test_a_malformed_assignment_has_no_mode_enroll(properties: Any) -> None:
    assert not mode_of({"id": SINGLE, "properties": properties})[1].enroll
    assert is_enrollment(enrollment(GROUP, "e").upper())
    assert not is_enrollment(5)


def test_the_one_version_of_the_specification_is_asked_for() -> None:
    assert ENROLLMENTS_VERSION == "2026-01-01-preview"
