"""Azure's management clients for JavaScript, in an environment of their own."""

import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from sandbox.azurite import node
from sandbox.tenant import AUTHORIZATION, GROUP, MANAGEMENT_GROUP, PROD, RESOURCE, exemption_id
from tests import needs
from tests.clients import tour
from tests.clients.conftest import ABOVE, FOLDER, INSTALL_SECONDS, LISTS, Site
from tests.clients.tour import Shown, compliant

pytestmark = [pytest.mark.long, pytest.mark.xdist_group("clients")]

SOURCE = LISTS / "js"
PINNED = ("package.json", "package-lock.json", ".npmrc")
INITIATIVE = f"{AUTHORIZATION}/policySetDefinitions/storage-baseline"
PLACE = (GROUP.rpartition("/")[2], RESOURCE.rpartition("/")[2])


class Sdk:
    """The clients' operations, each in a process of its own."""

    name = "js-sdk"

    def __init__(self, site: Site, script: Path) -> None:
        self._site = site
        self._command = [node(), str(script), site.arm, PROD, site.client_id]

    def __call__(self, operation: str, *arguments: Any) -> Any:
        return json.loads(self._site.run(*self._command, operation, *map(json.dumps, arguments)))

    def create(self, scope: str, name: str, properties: Mapping[str, Any]) -> Shown:
        shown: Shown = self("create", scope, name, properties)
        return shown

    def show(self, scope: str, name: str) -> Shown | None:
        found = self("show", scope, name)
        if "answer" not in found:
            assert found == {"name": "RestError", "code": "PolicyExemptionNotFound", "status": 404}
        shown: Shown | None = found.get("answer")
        return shown

    def update(self, scope: str, name: str, **changes: Any) -> Shown:
        shown: Shown = self("update", scope, name, changes)
        return shown

    def listed(self) -> list[str]:
        return list(self("listed"))

    def delete(self, scope: str, name: str) -> None:
        self("delete", scope, name)


@pytest.fixture(scope="module")
def sdk(site: Site) -> Sdk:
    return Sdk(site, installed() / "tour.mjs")


def installed() -> Path:
    """Return build/clients/js, with the packages of the lock file; the test is skipped where npm cannot fetch them."""
    npm, folder = needs.program("npm"), FOLDER / "js"
    wanted = hashlib.sha256(b"".join((SOURCE / name).read_bytes() for name in PINNED)).hexdigest()
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(SOURCE / "tour.mjs", folder)
    stamp = folder / ".stamp"
    if stamp.is_file() and stamp.read_text("ascii") == wanted:
        return folder
    for name in PINNED:
        shutil.copy(SOURCE / name, folder)
    done = subprocess.run(  # noqa: S603 - a fixed command
        [npm, "ci", "--loglevel=error"], cwd=folder, env=dict(os.environ), capture_output=True, text=True,
        timeout=INSTALL_SECONDS, check=False,
    )  # fmt: skip
    if done.returncode:
        needs.missing(f"the JavaScript clients cannot be installed: {done.stderr.strip()[-300:]}")
    stamp.write_text(wanted, "ascii")
    return folder


def test_the_tour(site: Site, sdk: Sdk) -> None:
    tour.take(site, sdk)


def test_lists_at_every_scope(sdk: Sdk) -> None:
    name = "js-sdk-lists"
    above, middle, below = (exemption_id(scope, name) for scope in (MANAGEMENT_GROUP, GROUP, RESOURCE))
    sdk.create(MANAGEMENT_GROUP, name, compliant(policyAssignmentId=ABOVE))
    sdk.create(GROUP, name, compliant())
    sdk.create(RESOURCE, name, compliant())
    ours = {above, middle, below}
    found = {asked: sdk("listedAt", *PLACE, asked) for asked in ("excludeExpired()", "atScope()", "atExactScope()")}
    seen = {asked: {at: ours & set(ids) for at, ids in lists.items()} for asked, lists in found.items()}
    assert seen == {
        "excludeExpired()": {"managementGroup": {above}, "group": ours, "account": ours},
        "atScope()": {"managementGroup": {above}, "group": {above, middle}, "account": ours},
        "atExactScope()": {"managementGroup": {above}, "group": {middle}, "account": {below}},
    }
    for scope in (MANAGEMENT_GROUP, GROUP, RESOURCE):
        sdk.delete(scope, name)


def test_the_client_of_resources_knows_the_newest_api_version(site: Site, sdk: Sdk) -> None:
    name, good = "js-sdk-by-id", compliant(exemptionManagementMode="Admin")
    one = exemption_id(RESOURCE, name)
    assert sdk("newest") == "2026-01-01-preview"
    assert not sdk("exists", RESOURCE, name)
    with site.answered(one, "written"):
        assert sdk("put", RESOURCE, name, good)["properties"] == good
    assert sdk("exists", RESOURCE, name)
    older = sdk.show(RESOURCE, name)
    tour.same(older, {key: value for key, value in good.items() if key != "exemptionManagementMode"})
    assert older
    assert "exemptionManagementMode" not in older
    selectors = [{"name": "west", "selectors": [{"kind": "resourceLocation", "in": ["westeurope"]}]}]
    with site.answered(one, "edited"):
        patched = sdk("patch", RESOURCE, name, {"resourceSelectors": selectors})
    assert patched["properties"] == {**good, "resourceSelectors": selectors}
    with site.answered(one, "deleted"):
        sdk("remove", RESOURCE, name)
    assert not sdk("exists", RESOURCE, name)


def test_the_current_client_of_policy_sees_what_is_inherited(sdk: Sdk) -> None:
    name, wanted = "js-sdk-above", {"policyDefinitionId": INITIATIVE, "definitionVersion": "1.*.*"}
    made = sdk("assign", MANAGEMENT_GROUP, name, wanted)
    assert {key: made[key] for key in wanted} == wanted
    expanded = sdk("assigned", MANAGEMENT_GROUP, name)
    assert expanded["effectiveDefinitionVersion"] == expanded["latestDefinitionVersion"] == "1.0.0"
    assert all(made["id"] in listed for listed in sdk("assignments", *PLACE).values())
    sdk("unassign", MANAGEMENT_GROUP, name)
    assert not any(made["id"] in listed for listed in sdk("assignments", *PLACE).values())


def test_what_azure_refuses_is_an_error_of_the_client(sdk: Sdk) -> None:
    refused = {
        "category": sdk("tryToCreate", RESOURCE, "js-sdk-bad", compliant(exemptionCategory="Forgotten")),
        "scope": sdk("tryToCreate", f"{GROUP}-gone", "js-sdk-bad", compliant()),
        "filter": sdk("tryToList", "nonsense"),
    }
    assert {what: (one["name"], one["status"], one["code"]) for what, one in refused.items()} == {
        "category": ("RestError", 400, "InvalidCreatePolicyExemptionRequest"),
        "scope": ("RestError", 404, "ResourceGroupNotFound"),
        "filter": ("RestError", 400, "InvalidFilterInQueryString"),
    }
