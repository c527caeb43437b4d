"""Azure's JavaScript SDK, unchanged, against the sandbox: tour.mjs, step by step."""

import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sandbox.azurite import node
from sandbox.tenant import GROUP, RESOURCE, exemption_id
from tests.clients.conftest import FOLDER, INSTALL_SECONDS, LISTS, MANAGEMENT_GROUP, Site, until

pytestmark = [pytest.mark.long, pytest.mark.xdist_group("clients")]

SOURCE = LISTS / "js"
FILES = ("package.json", "package-lock.json", ".npmrc")
WAIVER, ENDLESS = exemption_id(RESOURCE, "js-waiver"), exemption_id(RESOURCE, "js-endless")
TICKETLESS, ABOVE = exemption_id(GROUP, "js-ticketless"), exemption_id(MANAGEMENT_GROUP, "js-above")
ASSIGNED = f"{MANAGEMENT_GROUP}/providers/Microsoft.Authorization/policyAssignments/js-above"

type Tour = Callable[..., Any]


@pytest.fixture(scope="session")
def tour(site: Site) -> Tour:
    """Return a function that runs one step of the tour and gives what the SDK answered."""
    script = installed() / "tour.mjs"

    def run(step: str, *given: str) -> Any:
        environment = {"SANDBOX_ARM_TLS": site.arm, "CLIENT_ID": site.client_id}
        return json.loads(site.run(node(), str(script), step, *given, **environment))

    return run


def installed() -> Path:
    """Return build/clients/js, with the packages of the lock file; the test is skipped where npm cannot fetch."""
    npm, folder = shutil.which("npm"), FOLDER / "js"
    if npm is None:
        pytest.skip("npm is missing")
    wanted = hashlib.sha256(b"".join((SOURCE / name).read_bytes() for name in FILES)).hexdigest()
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(SOURCE / "tour.mjs", folder)
    stamp = folder / ".stamp"
    if stamp.is_file() and stamp.read_text("ascii") == wanted:
        return folder
    for name in FILES:
        shutil.copy(SOURCE / name, folder)
    done = subprocess.run(  # noqa: S603 - a fixed command
        [npm, "ci", "--loglevel=error"], cwd=folder, env=dict(os.environ), capture_output=True, text=True,
        timeout=INSTALL_SECONDS, check=False,
    )  # fmt: skip
    if done.returncode:
        pytest.skip(f"the JavaScript SDK cannot be installed: {done.stderr.strip()[-300:]}")
    stamp.write_text(wanted, "ascii")
    return folder


def show(tour: Tour, exemption: str) -> Any:
    """Return what the SDK says of an exemption."""
    scope, _, name = exemption.partition("/providers/Microsoft.Authorization/policyExemptions/")
    return tour("show", name, scope)


GONE = {"name": "RestError", "code": "PolicyExemptionNotFound", "status": 404, "exists": False}


def test_the_javascript_sdk_tours_the_sandbox(site: Site, tour: Tour) -> None:
    made = tour("assign")
    assert made["created"]["id"] == ASSIGNED
    assert made["expanded"]["effectiveDefinitionVersion"] == made["expanded"]["latestDefinitionVersion"] == "1.0.0"
    assert all(ASSIGNED in listed for listed in tour("assignments").values())

    created = tour("create")
    assert [created["resource"]["id"], created["managementGroup"]["id"]] == [WAIVER, ABOVE]
    assert created["resource"]["systemData"]["createdBy"] == site.client_id
    site.recorded(WAIVER, "written")
    assert show(tour, WAIVER)["answer"] == created["resource"], "the service changes nothing in what keeps the rules"

    site.control("PUT", "paging", {"size": 1})
    listed = tour("list")
    site.control("PUT", "paging", {"size": 100})
    assert {at for at, found in listed.items() if ABOVE in found} == set(listed), "it is inherited everywhere"
    assert {at for at, found in listed.items() if WAIVER in found} == {"subscription", "group", "resource", "unexpired"}

    updated = tour("update")
    assert updated["version"] == "2026-01-01-preview"
    assert updated["whole"]["description"].endswith("before March.")
    assert updated["patched"]["properties"]["assignmentScopeValidation"] == "Default"
    assert "written" in site.events(WAIVER)

    assert "guardrails" not in tour("ticketless")["metadata"]
    site.tagged(TICKETLESS)
    seen = show(tour, TICKETLESS)["answer"]
    assert seen["metadata"]["guardrails"]["codes"] == ["EXG201"]
    assert seen["metadata"]["owner"] == "data-platform@contoso.com"
    assert seen["systemData"]["createdBy"] == site.client_id != seen["systemData"]["lastModifiedBy"]

    endless = tour("endless")
    assert "expiresOn" not in endless
    until(lambda: show(tour, ENDLESS), lambda found: found == GONE, f"the SDK still sees {ENDLESS}")
    site.reverted(ENDLESS)
    site.guardrails("restore", ENDLESS, "--by", "operator@contoso.com")
    site.tagged(ENDLESS)  # what an operator restored is kept, and says what is wrong with it
    back = show(tour, ENDLESS)
    assert back["exists"]
    assert back["answer"]["description"] == endless["description"]
    assert "expiresOn" not in back["answer"]
    assert back["answer"]["metadata"]["guardrails"]["codes"] == ["EXG101"]

    assert tour("remove") == []
    assert [show(tour, one) for one in (WAIVER, ENDLESS, TICKETLESS, ABOVE)] == [GONE] * 4
    assert site.body(ENDLESS) is None


def test_what_azure_refuses_is_an_error_of_the_sdk(tour: Tour) -> None:
    refused = tour("refused")
    assert {what: (one["name"], one["status"], one["code"]) for what, one in refused.items()} == {
        "category": ("RestError", 400, "InvalidCreatePolicyExemptionRequest"),
        "scope": ("RestError", 404, "ResourceGroupNotFound"),
        "filter": ("RestError", 400, "InvalidFilterInQueryString"),
        "version": ("RestError", 404, "InvalidResourceType"),
    }
