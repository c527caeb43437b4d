"""The commands under "Fix", carried out by azure-cli: what they name changes, all else stays, and the rule is kept."""

import json
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest

from sandbox import tenant
from tests.clients import tour
from tests.clients.conftest import Site, until
from tests.clients.test_az import Az
from tests.clients.tour import compliant

pytestmark = [pytest.mark.long, pytest.mark.xdist_group("clients")]

HOSTILE: Final = 'Partner\'s "fixed" IPs; $(id) `id` & ü'
"""What a stranger wrote: a shell or the CLI may read nothing of it."""
NESTED: Final[dict[str, Any]] = {
    "note": HOSTILE, "count": 3, "half": 0.5, "yes": True, "none": None, "said": "null", "digits": "007", "empty": "",
    "list": [1, "two", {"three": False}], "within": {"a key": {}, "b": []},
}  # fmt: skip
"""Metadata whose values must come back with their types."""


class Fixes:
    """What is needed to run the commands of the guardrails with the environment's own azure-cli."""

    def __init__(self, site: Site, programs: Path) -> None:
        self.site = site
        self.az = Az(site, programs)
        self._path = f"{programs}:{site.environment['PATH']}"

    def run(self, command: str, **decided: str) -> None:
        """Run a command in a POSIX shell as it is shown, once people have put in what they decide."""
        for placeholder, value in decided.items():
            assert f"<{placeholder}>" in command, command
            command = command.replace(f"<{placeholder}>", value)
        assert "<" not in command, command
        self.site.run("/bin/sh", "-c", command, PATH=self._path)

    def of(self, exemption: str) -> str:
        """Return the command that a dry run shows."""
        shown = self.site.guardrails("reconcile", exemption, "--dry-run")
        command: str = shown["fix"]["command"]
        return command

    def announced(self, exemption: str) -> str:
        """Return the command that the webhook's notice of an exemption has."""

        def look() -> list[str]:
            bodies = [
                json.loads(one["body"])
                for one in self.site.control("GET", "received", part="sink")
                if one["channel"] == "webhook"
            ]
            return [command for body in bodies if exemption in json.dumps(body) for command in _commands(body)]

        return until(look, bool, f"no notice with a command about {exemption}")[-1]


def _commands(node: Any) -> list[str]:
    """Return the commands of every `fix` in a webhook's body."""
    if isinstance(node, list):
        return [command for one in node for command in _commands(one)]
    if not isinstance(node, dict):
        return []
    own = [node["fix"]["command"]] if isinstance(node.get("fix"), dict) and node["fix"].get("command") else []
    return own + [command for key, one in node.items() if key != "fix" for command in _commands(one)]


@pytest.fixture(scope="module")
def fixes(site: Site, python_client: Callable[[str], Path]) -> Fixes:
    """azure-cli, logged in as the approved pipeline's managed identity."""
    fixes = Fixes(site, python_client("azure-cli"))
    fixes.az("login", "--identity", "--client-id", site.client_id)
    return fixes


def test_an_update_sets_what_is_missing_and_leaves_the_rest(site: Site, fixes: Fixes) -> None:
    name = "azure-cli-fix-update"
    one = tenant.exemption_id(tenant.RESOURCE, name)
    metadata = {**tour.NO_TICKET, **NESTED}
    with site.answered(one, "tagged"):
        fixes.az.create(tenant.RESOURCE, name, compliant(metadata=metadata, displayName=HOSTILE))
    command = fixes.of(one)
    assert shlex.split(command)[:4] == ["az", "policy", "exemption", "update"]
    with site.answered(one, "edited"):  # what it writes has no tag, and needs none
        fixes.run(command, **{_placeholder(command): "CHG0041872"})
    good = compliant(metadata={**metadata, "approvalTicket": "CHG0041872"}, displayName=HOSTILE)
    tour.same(site.body(one)["properties"], good)
    assert site.guardrails("reconcile", one, "--dry-run")["fix"] == {}
    fixes.az.delete(tenant.RESOURCE, name)


def test_one_that_was_deleted_is_made_anew_by_the_notice_s_command(site: Site, fixes: Fixes) -> None:
    name = "azure-cli-fix-anew"
    one = tenant.exemption_id(tenant.RESOURCE, name)
    written = compliant(expiresOn=None, description=HOSTILE, metadata={**tenant.APPROVAL, **NESTED})
    with site.answered(one, "reverted"):
        fixes.az.create(tenant.RESOURCE, name, {key: value for key, value in written.items() if value is not None})
    assert site.body(one) is None
    command = fixes.announced(one)
    assert shlex.split(command)[:4] == ["az", "policy", "exemption", "create"]
    with site.answered(one, "written"):
        fixes.run(command)
    made = site.body(one)["properties"]
    assert made.pop("expiresOn")
    expected = {key: value for key, value in written.items() if value is not None}
    assert {key: made.get(key) for key in expected} == expected
    assert site.guardrails("reconcile", one, "--dry-run")["fix"] == {}
    fixes.az.delete(tenant.RESOURCE, name)


def _placeholder(command: str) -> str:
    """Return what the one placeholder in a command says."""
    [found] = [part.partition(">")[0] for part in command.split("<")[1:]]
    return found
