"""Azure's management client for Python, in an environment of its own.

The stable azure-mgmt-resource-policy 1.0.0 has no exemption operations; 1.0.0b4 has.
"""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from sandbox.tenant import GROUP, MANAGEMENT_GROUP, PROD, RESOURCE, exemption_id
from tests.clients import tour
from tests.clients.conftest import ABOVE, Site
from tests.clients.tour import Shown, compliant

pytestmark = [pytest.mark.long, pytest.mark.xdist_group("clients")]

PROGRAM = Path(__file__).with_name("python_sdk_client.py")


class Sdk:
    """The client's operations, each in a process of its own."""

    name = "python-sdk"

    def __init__(self, site: Site, programs: Path) -> None:
        self._site = site
        self._command = [str(programs / "python"), str(PROGRAM), site.arm, PROD, site.client_id]

    def __call__(self, operation: str, *arguments: str) -> Any:
        return json.loads(self._site.run(*self._command, operation, *arguments))

    def create(self, scope: str, name: str, properties: Mapping[str, Any]) -> Shown:
        return flat(self("create", scope, name, json.dumps(properties)))

    def show(self, scope: str, name: str) -> Shown | None:
        found = self("show", scope, name)
        return None if found == {"code": "PolicyExemptionNotFound"} else flat(found)

    def update(self, scope: str, name: str, **changes: Any) -> Shown:
        return flat(self("update", scope, name, json.dumps(changes)))

    def listed(self) -> list[str]:
        return list(self("listed"))

    def delete(self, scope: str, name: str) -> None:
        self("delete", scope, name)


def flat(shown: dict[str, Any]) -> Shown:
    return {**shown, **shown["properties"]}


@pytest.fixture(scope="module")
def sdk(site: Site, python_client: Callable[[str], Path]) -> Sdk:
    return Sdk(site, python_client("python-sdk"))


def test_the_tour(site: Site, sdk: Sdk) -> None:
    tour.take(site, sdk)


def test_a_patch_keeps_everything_else(site: Site, sdk: Sdk) -> None:
    name, good = "python-sdk-patched", compliant()
    one = exemption_id(RESOURCE, name)
    with site.answered(one, "written"):
        sdk.create(RESOURCE, name, good)
    selectors = [{"name": "west", "selectors": [{"kind": "resourceLocation", "in": ["westeurope"]}]}]
    with site.answered(one, "edited"):
        tour.same(flat(sdk("patch", RESOURCE, name, json.dumps({"resourceSelectors": selectors}))), good)
    shown = sdk.show(RESOURCE, name)
    tour.same(shown, {**good, "resourceSelectors": selectors})
    sdk.delete(RESOURCE, name)


def test_lists_at_every_scope(site: Site, sdk: Sdk) -> None:
    name, (group, account) = "python-sdk-lists", (GROUP.rpartition("/")[2], RESOURCE.rpartition("/")[2])
    above, middle, below = (exemption_id(scope, name) for scope in (MANAGEMENT_GROUP, GROUP, RESOURCE))
    sdk.create(MANAGEMENT_GROUP, name, compliant(policyAssignmentId=ABOVE))
    sdk.create(GROUP, name, compliant())
    sdk.create(RESOURCE, name, compliant())
    ours = {above, middle, below}
    found = {asked: sdk("listed_at", group, account, asked) for asked in ("", "atScope()", "atExactScope()")}
    seen = {asked: {at: ours & set(ids) for at, ids in lists.items()} for asked, lists in found.items()}
    assert seen == {
        "": {"management group": {above}, "group": ours, "account": ours},
        "atScope()": {"management group": {above}, "group": {above, middle}, "account": ours},
        "atExactScope()": {"management group": {above}, "group": {middle}, "account": {below}},
    }
    for scope in (MANAGEMENT_GROUP, GROUP, RESOURCE):
        sdk.delete(scope, name)
