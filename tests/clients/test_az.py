"""azure-cli, in an environment of its own, in a shell that loaded the sandbox's sandbox.env.

Installing it takes two minutes and 0.7 GB, once; a command of it takes half a second.
"""

import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from sandbox.stack import ROOT
from sandbox.tenant import ASSIGNMENT, DEV, GROUP, MANAGEMENT_GROUP, PROD, RESOURCE, SUBSCRIPTION, exemption_id
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
    assert {(one["id"], one["name"]) for one in az("account", "list")} == {(PROD, "contoso-prod"), (DEV, "contoso-dev")}
    assert az("account", "show")["id"] == PROD


def test_the_tour(site: Site, az: Az) -> None:
    tour.take(site, az)


def test_what_its_lists_leave_out(az: Az) -> None:
    """Seen with 2.91.0: what is inherited shows with a filter alone.

    `--scope` with a resource lists its group, and with a group that of the same name in the current subscription:
    findings/azure-cli-policy-list-scope-asks-another-subscription.sh.
    """
    name = "azure-cli-lists"
    above, middle, below = (exemption_id(scope, name) for scope in (MANAGEMENT_GROUP, GROUP, RESOURCE))
    az.create(MANAGEMENT_GROUP, name, compliant(policyAssignmentId=ABOVE))
    az.create(GROUP, name, compliant())
    az.create(RESOURCE, name, compliant())
    group = GROUP.rpartition("/")[2]
    shown = {
        asked: {one for one in az.listed_by(*asked) if one in (above, middle, below)}
        for asked in (
            (),
            ("--disable-scope-strict-match",),
            ("--filter", "atScope()"),
            ("--resource-group", group),
            ("--resource-group", group, "--filter", "atScope()"),
            ("--scope", RESOURCE),
            ("--scope", RESOURCE, "--disable-scope-strict-match"),
            ("--scope", GROUP.replace(PROD, DEV)),
            ("--subscription", DEV),
            ("--management-group", "contoso"),
        )
    }
    assert list(shown.values()) == [
        set(), {middle, below}, {above}, {middle}, {above, middle}, {middle}, {middle, below}, {middle}, set(), {above},
    ]  # fmt: skip
    for scope in (MANAGEMENT_GROUP, GROUP, RESOURCE):
        az.delete(scope, name)


def test_an_update_that_writes_the_metadata_anew_loses_the_tag_and_gets_it_again(site: Site, az: Az) -> None:
    """`--set metadata.KEY=VALUE` is refused by 2.91.0, so `--metadata` with all of it is what people use."""
    name = "azure-cli-tagged"
    one = exemption_id(RESOURCE, name)
    with site.answered(one, "tagged"):
        az.create(RESOURCE, name, compliant(metadata=tour.NO_TICKET))
    assert az.refused("policy", "exemption", "update", "--name", name, "--scope", RESOURCE, "--set", "metadata.a=b")
    without = {**tour.NO_TICKET, "note": "written anew"}
    with site.answered(one, "tagged"):
        assert tour.TAG not in az.update(RESOURCE, name, metadata=without)["metadata"]
    shown = az.show(RESOURCE, name)
    assert shown
    assert shown["metadata"][tour.TAG]["codes"] == ["EXG201"]
    assert shown["metadata"]["note"] == "written anew"
    az.delete(RESOURCE, name)


@pytest.mark.parametrize(
    ("changes", "scope", "answer"),
    [
        ({"policyAssignmentId": f"{ASSIGNMENT}-not-there"}, RESOURCE, (1, "InvalidCreatePolicyExemptionRequest")),
        ({"policyDefinitionReferenceIds": ["notThere"]}, RESOURCE, (1, "InvalidPolicyDefinitionReference")),
        ({}, f"{SUBSCRIPTION}/resourceGroups/not-there", (NOT_THERE, "ResourceGroupNotFound")),
    ],
)
def test_refusals_are_shown_with_their_codes(
    az: Az, changes: dict[str, Any], scope: str, answer: tuple[int, str]
) -> None:
    command = "policy", "exemption", "create", "--name", "azure-cli-refused", "--scope", scope
    assert az.refused(*command, *_options(compliant(**changes))) == answer


def test_it_gets_policy_tokens(site: Site, az: Az) -> None:
    name, asked = "azure-cli-token", ("--acquire-policy-token", "--change-reference", "CHG-7")
    site.control("PUT", "policy-tokens", {"path": f"policyExemptions/{name}", "change_reference": "CHG-7"})
    about = "--name", name, "--scope", RESOURCE
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
    assert az.show(RESOURCE, name) is None


def test_what_it_saves_is_judged(site: Site, az: Az) -> None:
    """The commands of README.md, up to the line for `judge`."""
    at, version = f"{SUBSCRIPTION}/providers/Microsoft.Authorization", "2026-01-01-preview"
    names = {scope: f"azure-cli-judged-{level}" for level, scope in enumerate((MANAGEMENT_GROUP, GROUP))}
    az.create(MANAGEMENT_GROUP, names[MANAGEMENT_GROUP], compliant(policyAssignmentId=ABOVE))
    az.create(GROUP, names[GROUP], compliant(metadata=tour.NO_TICKET))
    saved = {
        "exemptions": az("rest", "--method", "get", "--url", f"{at}/policyExemptions?api-version={version}"),
        "assignments": az("rest", "--method", "get", "--url", f"{at}/policyAssignments?api-version=2025-03-01"),
        "initiatives": az("policy", "set-definition", "list", "--subscription", PROD),
    }
    for kind, found in saved.items():
        (site.folder / f"{kind}.json").write_text(json.dumps(found), "utf-8")
    done = site.attempt(
        sys.executable, "-m", "guardrails", "judge", "exemptions.json", "--api-version", version, "--format", "json",
        "--assignments", "assignments.json", "--assignments", "initiatives.json", PYTHONPATH=str(ROOT),
    )  # fmt: skip
    assert done.returncode == 1, done.stderr
    judged = {one["id"]: [found["code"] for found in one["findings"]] for one in json.loads(done.stdout)}
    above, below = (exemption_id(scope, name) for scope, name in names.items())
    assert {one: judged[one] for one in (above, below)} == {above: ["EXG301"], below: ["EXG201"]}
    for scope, name in names.items():
        az.delete(scope, name)
