"""EXG3xx: scopes of all kinds, initiatives, selectors, the list of what is never exempted."""

from typing import Any

import pytest

from guardrails.exemption.facts import Assignment, Gone, Unread
from guardrails.rules.sample import ASSIGNMENT, DENY_PUBLIC, EXEMPTIONS, GROUP, INITIATIVE, RESOURCE, SUBSCRIPTION
from tests.rules.looks import kind, violation

MG = "/providers/Microsoft.Management/managementGroups/Contoso"
SINGLE = {"assignment": Assignment(ASSIGNMENT, DENY_PUBLIC, {})}
UNREAD = {"assignment": Assignment(ASSIGNMENT, INITIATIVE, Unread("403"))}


def _selecting(*groups: list[dict[str, Any]], ids: tuple[str, ...] = ()) -> dict[str, Any]:
    selectors = [{"name": f"s{n}", "selectors": group} for n, group in enumerate(groups)]
    return {"properties": {"policyDefinitionReferenceIds": list(ids), "resourceSelectors": selectors}}


def _references(*ids: str, key: str = "in", kind: str = "policyDefinitionReferenceId") -> list[dict[str, Any]]:
    return [{"kind": kind, key: list(ids)}]


LOCATION = [{"kind": "resourceLocation", "in": ["westeurope"]}]


@pytest.mark.parametrize(
    ("scope", "expected"),
    [
        (MG, "Violation"),
        (MG.lower(), "Violation"),
        (SUBSCRIPTION, "Violation"),
        (SUBSCRIPTION.upper(), "Violation"),
        (GROUP, "Pass"),
        (RESOURCE, "Pass"),
        (RESOURCE + "/blobServices/default", "Pass"),
        (SUBSCRIPTION + "/providers/Microsoft.Security/pricings/StorageAccounts", "Pass"),
    ],
)
def test_levels(scope: str, expected: str) -> None:
    assert kind("scope-too-broad", id=scope + EXEMPTIONS + "x") == expected


@pytest.mark.parametrize("allowed", [SUBSCRIPTION, SUBSCRIPTION.upper() + "/", "**/11111111-*", "*"])
def test_allowed_scopes(allowed: str) -> None:
    options = {"allowed": ("/subscriptions/other", allowed)}
    assert kind("scope-too-broad", id=SUBSCRIPTION + EXEMPTIONS + "x", options=options) == "Pass"


@pytest.mark.parametrize("allowed", ["/subscriptions/1111", "11111111*", ""])
def test_allowed_is_the_whole_scope(allowed: str) -> None:
    options = {"allowed": (allowed,)}
    assert kind("scope-too-broad", id=SUBSCRIPTION + EXEMPTIONS + "x", options=options) == "Violation"


@pytest.mark.parametrize("ids", [[], ["requireTls", "DENYPUBLICNETWORK"], ["requireTls", "denyPublicNetwork", "ghost"]])
def test_whole_initiative(ids: list[str]) -> None:
    found = violation("whole-initiative", properties={"policyDefinitionReferenceIds": ids})
    assert found.evidence["policies"] == 2


@pytest.mark.parametrize("ids", [["requireTls"], ["requireTls", "REQUIRETLS"], ["requireTls", "ghost", "ghost2"]])
def test_part_of_an_initiative(ids: list[str]) -> None:
    assert kind("whole-initiative", properties={"policyDefinitionReferenceIds": ids}) == "Pass"


def test_single_policy_and_gone_assignment_are_fine() -> None:
    for facts in (SINGLE, {"assignment": Gone()}):
        assert kind("whole-initiative", properties={"policyDefinitionReferenceIds": []}, facts=facts) == "Pass"
    single_unread = {"assignment": Assignment(ASSIGNMENT, DENY_PUBLIC, Unread("403"))}
    assert kind("whole-initiative", properties={"policyDefinitionReferenceIds": []}, facts=single_unread) == "Pass"


def test_initiative_of_one_policy_must_be_named() -> None:
    one = {"assignment": Assignment(ASSIGNMENT, INITIATIVE, {"denypublicnetwork": DENY_PUBLIC})}
    assert kind("whole-initiative", facts=one) == "Pass"
    assert kind("whole-initiative", facts=one, properties={"policyDefinitionReferenceIds": []}) == "Violation"


@pytest.mark.parametrize(
    ("case", "expected"),
    [
        (_selecting(_references("requireTls")), "Pass"),
        (_selecting(_references("REQUIRETLS", kind="PolicyDefinitionReferenceId")), "Pass"),
        (_selecting(_references("requireTls", key="notIn")), "Pass"),
        (_selecting(LOCATION + _references("requireTls")), "Pass"),
        (_selecting(_references("requireTls", "denyPublicNetwork")), "Violation"),
        (_selecting(_references("requireTls"), LOCATION), "Violation"),  # the second one takes in all policies
        (_selecting(_references("requireTls"), _references("denyPublicNetwork")), "Violation"),
        (_selecting(LOCATION), "Violation"),
        (_selecting([]), "Violation"),
        (_selecting(_references("requireTls"), ids=("requireTls", "denyPublicNetwork")), "Pass"),
    ],
)
def test_selectors_narrow_policies_only_by_reference(case: dict[str, Any], expected: str) -> None:
    assert kind("whole-initiative", **case) == expected


def test_initiative_that_cannot_be_read() -> None:
    assert kind("whole-initiative", facts=UNREAD) == "Unknown"
    assert kind("whole-initiative", facts=UNREAD, **_selecting(_references("requireTls"))) == "Unknown"
    assert kind("whole-initiative", facts=UNREAD, **_selecting(LOCATION)) == "Violation"


def test_reference_ids_that_do_not_exist() -> None:
    ids = ["ghost", "requireTls", "12345678901234567890"]
    found = violation("reference-unknown", properties={"policyDefinitionReferenceIds": ids})
    assert found.evidence["unknown"] == ["ghost", "12345678901234567890"]
    many = violation("reference-unknown", properties={"policyDefinitionReferenceIds": ["x" * 999] * 5000})
    assert len(str(many.evidence)) < 6000
    assert kind("reference-unknown", facts={"assignment": Gone()}) == "Pass"
    assert kind("reference-unknown", facts=UNREAD, properties={"policyDefinitionReferenceIds": []}) == "Pass"
    single_unread = {"assignment": Assignment(ASSIGNMENT, DENY_PUBLIC, Unread("403"))}
    assert kind("reference-unknown", facts=single_unread) == "Violation"


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, "Pass"),
        ({"definitions": (DENY_PUBLIC.upper() + "/",)}, "Violation"),
        ({"definitions": (" deny-public-network ",)}, "Violation"),
        ({"definitions": ("public-network",)}, "Pass"),
        ({"definitions": ("storage-baseline",)}, "Violation"),
        ({"definitions": ("require-tls",)}, "Pass"),
        ({"assignments": (ASSIGNMENT.lower(),)}, "Violation"),
        ({"assignments": ("STORAGE-BASELINE",)}, "Violation"),
        ({"assignments": ("**/policyassignments/storage-*",)}, "Violation"),
        ({"assignments": ("storage",)}, "Pass"),
    ],
)
def test_never_exempt(options: dict[str, Any], expected: str) -> None:
    assert kind("never-exempt", options=options) == expected


def test_never_exempt_sees_what_selectors_leave_out() -> None:
    options = {"definitions": ("deny-public-network",)}
    assert kind("never-exempt", options=options, **_selecting(_references("requireTls"))) == "Pass"
    assert kind("never-exempt", options=options, **_selecting(_references("denyPublicNetwork"))) == "Violation"
    assert kind("never-exempt", options=options, **_selecting(LOCATION)) == "Violation"


def test_never_exempt_needs_only_what_is_listed() -> None:
    unread = {"assignment": Unread("403")}
    assert kind("never-exempt", facts=unread) == "Pass"
    assert kind("never-exempt", facts=unread, options={"assignments": ("other",)}) == "Pass"
    assert kind("never-exempt", facts=unread, options={"assignments": (ASSIGNMENT,)}) == "Violation"
    assert kind("never-exempt", facts=unread, options={"definitions": ("x",)}) == "Unknown"
    assert kind("never-exempt", facts=UNREAD, options={"definitions": (INITIATIVE,)}) == "Violation"
    assert kind("never-exempt", facts={"assignment": Gone()}, options={"definitions": ("x",)}) == "Pass"
