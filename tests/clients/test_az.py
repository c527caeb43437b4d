"""azure-cli, in an environment of its own, in a shell that loaded the sandbox's sandbox.env.

Installing it takes two minutes and 0.7 GB, once; a command of it takes half a second.
"""

import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from sandbox import tenant
from sandbox.stack import ROOT
from tests.clients import tour
from tests.clients.conftest import ABOVE, Site
from tests.clients.tour import Shown, compliant

pytestmark = [pytest.mark.long, pytest.mark.xdist_group("clients")]

NOT_THERE = 3
"""The exit code of azure-cli for a 404."""
OPTIONS = {
    "policyAssignmentId": "--policy-assignment",
    "policyDefinitionReferenceIds": "--policy-definition-reference-ids",
    "exemptionCategory": "--exemption-category",
    "expiresOn": "--expires-on",
    "displayName": "--display-name",
    "description": "--description",
    "metadata": "--metadata",
}


class Az:
    """`az policy exemption`, each command in a process of its own, as it is."""

    name = "azure-cli"

    def __init__(self, site: Site, programs: Path) -> None:
        self._site = site
        self._program = str(programs / "az")

    def __call__(self, *arguments: str) -> Any:
        """Run a command; return the JSON that it prints, None for nothing."""
        return json.loads(self._site.run(self._program, *arguments, "--output", "json") or "null")

    def refused(self, *arguments: str) -> tuple[int, str]:
        """Run a command that fails; return its exit code and the code of the error that it shows."""
        done = self._site.attempt(self._program, *arguments)
        assert done.returncode, done.stdout
        return done.returncode, done.stderr.partition("\nCode: ")[2].partition("\n")[0]

    def create(self, scope: str, name: str, properties: Mapping[str, Any]) -> Shown:
        return _shown(self("policy", "exemption", "create", "--name", name, "--scope", scope, *_options(properties)))

    def show(self, scope: str, name: str) -> Shown | None:
        command = "policy", "exemption", "show", "--name", name, "--scope", scope
        done = self._site.attempt(self._program, *command)
        if done.returncode == NOT_THERE:
            assert "(PolicyExemptionNotFound)" in done.stderr
            return None
        assert done.returncode == 0, done.stderr
        return _shown(json.loads(done.stdout))

    def update(self, scope: str, name: str, **changes: Any) -> Shown:
        taken = [part for key, value in changes.items() if value is None for part in ("--remove", key)]
        rest = _options({key: value for key, value in changes.items() if value is not None})
        return _shown(self("policy", "exemption", "update", "--name", name, "--scope", scope, *rest, *taken))

    def listed(self) -> list[str]:
        return self.listed_by("--filter", "excludeExpired()")

    def listed_by(self, *arguments: str) -> list[str]:
        return [one["id"] for one in self("policy", "exemption", "list", *arguments)]

    def delete(self, scope: str, name: str) -> None:
        self("policy", "exemption", "delete", "--name", name, "--scope", scope)


def _options(properties: Mapping[str, Any]) -> list[str]:
    """Return the command's options for properties by ARM's names."""
    found = []
    for key, value in properties.items():
        text = value if isinstance(value, str) else json.dumps(value)
        found += [OPTIONS[key], text]
    return found


def _shown(printed: Any) -> Shown:
    shown: Shown = printed
    return shown


@pytest.fixture(scope="module")
def az(site: Site, python_client: Callable[[str], Path]) -> Az:
    """azure-cli, logged in as the approved pipeline's managed identity."""
    az = Az(site, python_client("azure-cli"))
    az("login", "--identity", "--client-id", site.client_id)
    return az


def test_the_environment_is_the_sandbox(site: Site, az: Az) -> None:
    cloud = az("cloud", "show")
    assert (cloud["name"], cloud["endpoints"]["resourceManager"]) == ("AzureCloud", site.arm)
    assert {(one["id"], one["name"]) for one in az("account", "list")} == {
        (tenant.PROD, "contoso-prod"),
        (tenant.DEV, "contoso-dev"),
    }
    assert az("account", "show")["id"] == tenant.PROD


def test_the_tour(site: Site, az: Az) -> None:
    tour.take(site, az)


def test_what_its_lists_leave_out(az: Az) -> None:
    """Seen with 2.91.0: what is inherited shows with a filter alone.

    `--scope` with a resource lists its group, and with a group that of the same name in the current subscription:
    findings/azure-cli-policy-list-scope-asks-another-subscription.sh.
    """
    name = "azure-cli-lists"
    above, middle, below = (
        tenant.exemption_id(scope, name) for scope in (tenant.MANAGEMENT_GROUP, tenant.GROUP, tenant.RESOURCE)
    )
    az.create(tenant.MANAGEMENT_GROUP, name, compliant(policyAssignmentId=ABOVE))
    az.create(tenant.GROUP, name, compliant())
    az.create(tenant.RESOURCE, name, compliant())
    group = tenant.GROUP.rpartition("/")[2]
    shown = {
        asked: {one for one in az.listed_by(*asked) if one in (above, middle, below)}
        for asked in (
            (),
            ("--disable-scope-strict-match",),
            ("--filter", "atScope()"),
            ("--resource-group", group),
            ("--resource-group", group, "--filter", "atScope()"),
            ("--scope", tenant.RESOURCE),
            ("--scope", tenant.RESOURCE, "--disable-scope-strict-match"),
            ("--scope", tenant.GROUP.replace(tenant.PROD, tenant.DEV)),
            ("--subscription", tenant.DEV),
            ("--management-group", "contoso"),
        )
    }
    assert list(shown.values()) == [
        set(), {middle, below}, {above}, {middle}, {above, middle}, {middle}, {middle, below}, {middle}, set(), {above},
    ]  # fmt: skip
    for scope in (tenant.MANAGEMENT_GROUP, tenant.GROUP, tenant.RESOURCE):
        az.delete(scope, name)


def test_an_update_that_writes_the_metadata_anew_loses_the_tag_and_gets_it_again(site: Site, az: Az) -> None:
    """`--set metadata.KEY=VALUE` is refused by 2.91.0, so `--metadata` with all of it is what people use."""
    name = "azure-cli-tagged"
    one = tenant.exemption_id(tenant.RESOURCE, name)
    with site.answered(one, "tagged"):
        az.create(tenant.RESOURCE, name, compliant(metadata=tour.NO_TICKET))
    assert az.refused(
        "policy", "exemption", "update", "--name", name, "--scope", tenant.RESOURCE, "--set", "metadata.a=b"
    )
    without = {**tour.NO_TICKET, "note": "written anew"}
    with site.answered(one, "tagged"):
        assert tour.TAG not in az.update(tenant.RESOURCE, name, metadata=without)["metadata"]
    shown = az.show(tenant.RESOURCE, name)
    assert shown
    assert shown["metadata"][tour.TAG]["codes"] == ["EXG201"]
    assert shown["metadata"]["note"] == "written anew"
    az.delete(tenant.RESOURCE, name)


@pytest.mark.parametrize(
    ("changes", "scope", "answer"),
    [
        (
            {"policyAssignmentId": f"{tenant.ASSIGNMENT}-not-there"},
            tenant.RESOURCE,
            (1, "InvalidCreatePolicyExemptionRequest"),
        ),
        ({"policyDefinitionReferenceIds": ["notThere"]}, tenant.RESOURCE, (1, "InvalidPolicyDefinitionReference")),
        ({}, f"{tenant.SUBSCRIPTION}/resourceGroups/not-there", (NOT_THERE, "ResourceGroupNotFound")),
    ],
)
def test_refusals_are_shown_with_their_codes(
    az: Az, changes: dict[str, Any], scope: str, answer: tuple[int, str]
) -> None:
    command = "policy", "exemption", "create", "--name", "azure-cli-refused", "--scope", scope
    assert az.refused(*command, *_options(compliant(**changes))) == answer


def test_it_shows_why_somebody_may_not(site: Site, az: Az) -> None:
    name, good = "azure-cli-locked", compliant()
    az.create(tenant.RESOURCE, name, good)
    delete = "policy", "exemption", "delete", "--name", name, "--scope", tenant.RESOURCE
    site.control("PUT", "locks", {"scope": tenant.GROUP, "level": "CanNotDelete", "name": name})
    try:
        assert az.refused(*delete) == (1, "ScopeLocked")
        site.control(
            "PUT", "permissions", {tenant.PIPELINE_OID: [{"scope": tenant.SUBSCRIPTION, "actions": ["*/read"]}]}
        )
        assert az.refused(*delete) == (1, "AuthorizationFailed")
    finally:
        site.control("DELETE", "locks", {"scope": tenant.GROUP, "name": name})
        site.control("DELETE", "permissions")
    tour.same(az.show(tenant.RESOURCE, name), good)
    az.delete(tenant.RESOURCE, name)


def test_it_asks_again_when_throttled_or_when_arm_is_unavailable(site: Site, az: Az) -> None:
    name, good = "azure-cli-again", compliant()
    fault = {"path": name, "method": "PUT", "count": 1}
    site.control("POST", "faults", [{**fault, "status": 429, "retry_after": 1}, {**fault, "status": 503}])
    try:
        tour.same(az.create(tenant.RESOURCE, name, good), good)
        assert site.control("GET", "faults") == []  # both were met
    finally:
        site.control("DELETE", "faults")
    az.delete(tenant.RESOURCE, name)


def test_it_gets_policy_tokens(site: Site, az: Az) -> None:
    name, asked = "azure-cli-token", ("--acquire-policy-token", "--change-reference", "CHG-7")
    site.control("PUT", "policy-tokens", {"path": f"policyExemptions/{name}", "change_reference": "CHG-7"})
    about = "--name", name, "--scope", tenant.RESOURCE
    good = _options(compliant(displayName="Übergabe des Partners"))
    try:
        assert az.refused("policy", "exemption", "create", *about, *good) == (1, "RequestDisallowedByPolicy")
        az("policy", "exemption", "create", *about, *good, *asked)
        renamed = az("policy", "exemption", "update", *about, "--display-name", "Übergabe", *asked)
        assert renamed["displayName"] == "Übergabe"
        assert az.refused("policy", "exemption", "delete", *about) == (1, "RequestDisallowedByPolicy")
        az("policy", "exemption", "delete", *about, *asked)
    finally:
        site.control("DELETE", "policy-tokens")
    assert az.show(tenant.RESOURCE, name) is None


def test_what_it_saves_is_judged(site: Site, az: Az) -> None:
    """The commands of README.md, up to the line for `judge`."""
    at, version = f"{tenant.SUBSCRIPTION}/providers/Microsoft.Authorization", "2026-01-01-preview"
    names = {scope: f"azure-cli-judged-{level}" for level, scope in enumerate((tenant.MANAGEMENT_GROUP, tenant.GROUP))}
    az.create(tenant.MANAGEMENT_GROUP, names[tenant.MANAGEMENT_GROUP], compliant(policyAssignmentId=ABOVE))
    az.create(tenant.GROUP, names[tenant.GROUP], compliant(metadata=tour.NO_TICKET))
    saved = {
        "exemptions": az("rest", "--method", "get", "--url", f"{at}/policyExemptions?api-version={version}"),
        "assignments": az("rest", "--method", "get", "--url", f"{at}/policyAssignments?api-version=2025-03-01"),
        "initiatives": az("policy", "set-definition", "list", "--subscription", tenant.PROD),
    }
    for kind, found in saved.items():
        (site.folder / f"{kind}.json").write_text(json.dumps(found), "utf-8")
    done = site.attempt(
        sys.executable, "-m", "guardrails", "judge", "exemptions.json", "--api-version", version, "--format", "json",
        "--assignments", "assignments.json", "--assignments", "initiatives.json", PYTHONPATH=str(ROOT),
    )  # fmt: skip
    assert done.returncode == 1, done.stderr
    judged = {one["id"]: [found["code"] for found in one["findings"]] for one in json.loads(done.stdout)}
    above, below = (tenant.exemption_id(scope, name) for scope, name in names.items())
    assert {one: judged[one] for one in (above, below)} == {above: ["EXG301"], below: ["EXG201"]}
    for scope, name in names.items():
        az.delete(scope, name)
