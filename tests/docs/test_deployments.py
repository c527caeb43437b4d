"""The guides: what-if comes before every deployment, and the page of upgrades has every release."""

import json
import re
import tomllib
from pathlib import Path

import pytest

import guardrails
from guardrails.notices.notice import Kind
from tests.infra.bicep import code, names

ROOT = Path(__file__).parents[2]
PAGES = sorted([ROOT / "README.md", *ROOT.glob("docs/**/*.md"), *ROOT.glob("infra/**/*.bicep*")])
UPGRADING = (ROOT / "docs" / "upgrading.md").read_text("utf-8")
CHANGELOG = (ROOT / "CHANGELOG.md").read_text("utf-8")
CREATE = re.compile(r"az deployment (?:sub|mg|group)\s+create\b(.{0,60})", re.DOTALL)


def words(text: str) -> str:
    """Return a text on one line: a command may go over several, of a page or of a comment."""
    return " ".join(re.sub(r"\\\n(?://)?", " ", text).split())


@pytest.mark.parametrize("page", PAGES, ids=[str(page.relative_to(ROOT)) for page in PAGES])
def test_what_if_comes_before_every_deployment(page: Path) -> None:
    text = words(page.read_text("utf-8"))
    assert [rest for rest in CREATE.findall(text) if not rest.startswith(" --confirm-with-what-if ")] == []
    for block in re.findall(r"```sh\n(.*?)```", page.read_text("utf-8"), re.DOTALL):
        for line in block.splitlines():
            said = line.partition("#")[0].strip()
            if re.search(r"\bazd (up|provision)\b", said):
                assert said.startswith("azd provision --preview && "), line


def test_there_are_deployments_to_look_at() -> None:
    assert sum(len(CREATE.findall(words(page.read_text("utf-8")))) for page in PAGES) >= 6


def test_the_page_of_upgrades_has_every_release_in_order() -> None:
    releases = re.findall(r"^## (.+)$", CHANGELOG, re.MULTILINE)
    assert releases
    assert re.findall(r"^## (\d.+)$", UPGRADING, re.MULTILINE) == releases
    assert releases[0].startswith(guardrails.__version__)


def test_what_it_names_is_there() -> None:
    roles = [json.loads(path.read_text("utf-8")) for path in (ROOT / "infra" / "roles").glob("*.json")]
    actions = {action for role in roles for action in role["permissions"][0]["actions"]}
    assert set(re.findall(r"`(Microsoft\.[\w./]+/\w+)`", UPGRADING)) - actions == set()
    parameters = {*names(code("main"), "param"), *names(code("management-group"), "param")}
    rows = [
        line
        for line in UPGRADING.splitlines()
        if "`main.bicep`" in line or line.startswith("| | A deployment is refused")
    ]
    said = {word for row in rows for word in re.findall(r"`([a-z]+[A-Z]\w*)`", row)}
    assert len(said) > 4
    assert said - parameters == set()
    (kinds,) = (line for line in UPGRADING.splitlines() if line.startswith("| notices |"))
    named = set(re.findall(r"`([\w-]+)`", kinds)) - {"kinds"}
    assert named <= {str(kind) for kind in Kind}


def test_roles_that_the_changelog_says_are_in_it() -> None:
    """Every action that somebody who upgrades has to give anew."""
    actions = re.findall(r"reader role needs `([\w./]+)`", CHANGELOG)
    assert len(actions) >= 3
    assert [action for action in actions if action.removeprefix("Microsoft.Authorization/") not in UPGRADING] == []


def test_one_python_everywhere() -> None:
    """The code, the app's parameter, the tests' interpreter and what may install it."""
    wanted = ".".join(map(str, guardrails.PYTHON))
    assert names(code("main"), "param")["pythonVersion"] == f"string = '{wanted}'"
    assert (ROOT / ".python-version").read_text("utf-8").strip().startswith(wanted)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert project["requires-python"].startswith((f">={wanted}", f"=={wanted}", f"~={wanted}"))
    from tools.package.build import AZURE  # noqa: PLC0415 - of this test alone

    assert AZURE[AZURE.index("--python-version") + 1] == wanted
