"""The commands for judge that docs/sources.md names: all that applies is read, with its assignments."""

import re
import shlex
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final

import pytest

from guardrails.cli import judge
from guardrails.cli.source_text import FILES
from sandbox.cloud import Cloud
from tests.cli.conftest import Ran, Run, Save
from tests.infra.bicep import ROOT
from tests.sandbox.conftest import (
    AUTH,
    CORP,
    GROUP,
    INITIATIVE,
    SINGLE,
    SUB,
    SUBSCRIPTION,
    Client,
    build_tenant,
    client,
    exemption,
    exemption_id,
)

__all__ = ["client"]

PAGE: Final = (ROOT / "docs/sources.md").read_text("utf-8")
type Shell = Callable[[str], Awaitable[Ran | None]]


def _joined(text: str) -> str:
    return re.sub(r"\\\n *", "", text)


def _commands() -> list[str]:
    (block,) = re.findall(r"```sh\n(at=.+?)```", PAGE, re.DOTALL)
    return _joined(block).splitlines()


@pytest.fixture
async def cloud() -> Any:
    async with Cloud(time_scale=0.001) as running:
        build_tenant(running)
        yield running


@pytest.fixture
def shell(client: Client, run: Run, save: Save, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shell:
    """Run a command of the page: az as it is known to ask, and judge."""
    monkeypatch.chdir(tmp_path)

    async def running(line: str) -> Ran | None:
        line = line.replace("$at", f"{SUBSCRIPTION}{AUTH}").replace(" ID ", f" {SUB} ")
        words = shlex.split(line)
        if words[:2] == ["az", "rest"]:
            assert words[2:5] == ["--method", "get", "--url"]
            answer = await client.get(words[5])
            assert answer.status == 200, answer
            content = answer.body
        elif words[:4] == ["az", "policy", "set-definition", "list"]:
            content = [(await client.get(f"{AUTH}/policySetDefinitions/base")).body]
        elif words[0] == "exg":
            return run(*words[1:], "--format", "json")
        else:
            assert line.startswith("at=/subscriptions/ID/")
            return None
        assert words[-2] == ">"
        save(words[-1], content)
        return None

    return running


def _seed(cloud: Cloud) -> set[str]:
    return {
        cloud.arm.seed(exemption_id(scope, name), exemption(assignment, policyDefinitionReferenceIds=["tls"]))
        for name, scope, assignment in (
            ("a", CORP, SINGLE), ("b", SUBSCRIPTION, INITIATIVE), ("c", GROUP, INITIATIVE), ("d", GROUP, SINGLE)
        )
    }  # fmt: skip


async def test_all_that_applies_is_judged_and_its_assignments_are_known(shell: Shell, cloud: Cloud) -> None:
    seeded = _seed(cloud)
    for line in _commands():
        last = await shell(line)
    assert last
    assert {one["id"] for one in last.json} == seeded
    assert "in none of the files given" not in last.out
    assert "only this page" not in last.err


async def test_the_commands_that_judge_names_lead_to_the_last_page(
    shell: Shell, cloud: Cloud, client: Client, run: Run
) -> None:
    seeded = _seed(cloud)
    await client.control("PUT", "paging", {"size": 1})
    for line in _commands()[:-1]:
        await shell(line)
    exemptions, assignments = ["exemptions.json"], ["assignments.json", "initiatives.json"]
    while True:
        more = [word for file in assignments for word in ("--assignments", file)]
        ran = run("judge", *exemptions, *more, "--format", "json")
        wanting = re.findall(r"^(\S+): .+: (az rest .+ > (\S+))$", ran.err, re.MULTILINE)
        if not wanting:
            break
        for file, command, name in wanting:
            await shell(command)
            (exemptions if file in exemptions else assignments).append(name)
    assert (len(exemptions), len(assignments)) == (4, 3)
    assert {one["id"] for one in ran.json} == seeded
    assert "in none of the files given" not in ran.out


def test_a_page_is_missing_until_it_is_given_by_its_name(run: Run, save: Save) -> None:
    """Whatever else is given; a page that leads to itself is wanting, too."""
    link = "/subscriptions/1/providers/Microsoft.Authorization/policyExemptions?$skiptoken=2"
    first = save("exemptions.json", {"value": [], "nextLink": f"https://management.azure.com{link}"})
    wanting = run("judge", first)
    assert wanting.code == 3
    (name,) = re.findall(r"> (page-\w+\.json)$", wanting.err, re.MULTILINE)
    assert run("judge", first, save("other.json", {"value": []})).code == 3
    assert run("judge", first, "--assignments", save(name, {"value": []})).code == 3
    assert run("judge", first, save(name, {"value": []})).code == 0
    assert run("judge", first, save(name, "")).code == 2
    again = {"value": [], "nextLink": f"https://management.azure.com{link}"}
    assert run("judge", first, save(name, again)).code == 3


@pytest.mark.parametrize("field", ["nextLink", "NextLink", "@nextLink", "odata.nextLink", "@odata.nextLink"])
def test_a_list_goes_on_in_whatever_spelling(run: Run, save: Save, field: str) -> None:
    path = "/subscriptions/1/providers/Microsoft.Authorization/policyExemptions?$skiptoken=2"
    ran = run("judge", save("exemptions.json", {"value": [], field: f"https://management.azure.com{path}"}))
    assert ran.code == 3
    assert f"$.{field}: the list has more pages" in ran.err
    assert f"az rest --method get --url '{path}' > page-" in ran.err


def test_the_pages_and_the_help_name_the_same_commands() -> None:
    for text in (FILES, judge.__doc__ or ""):
        for line in _commands():
            assert line in _joined(text)
