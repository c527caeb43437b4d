"""The wheel: what is in it, and that the console script does its work far from the repository."""

import asyncio
import json
import os
import subprocess
import sys
import tomllib
import zipfile
from dataclasses import dataclass
from datetime import UTC, datetime
from email.message import Message
from email.parser import BytesParser
from pathlib import Path
from venv import EnvBuilder

import pytest

import guardrails
from guardrails.rules import all_rules
from guardrails.rules.sample import BODY
from sandbox.cloud import Cloud
from sandbox.scan_demo import furnish
from tests.patience import PATIENCE
from tools.package.build import direct_packages

pytestmark = pytest.mark.xdist_group("wheel")  # built once

ROOT = Path(__file__).parents[2]
NOT_ITS = ("PYTHON", "GUARDRAILS_", "AzureWebJobsStorage")
SITE = Path(json.__file__).parents[1].name  # python3.13


def pip(*words: str) -> None:
    command = [sys.executable, "-m", "pip", *words, "-qq", "--disable-pip-version-check"]
    subprocess.run(command, check=True, cwd=ROOT)  # noqa: S603 - our own words


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built without a look at any registry: the pinned build backend is in the development environment."""
    place = tmp_path_factory.mktemp("wheel")
    pip("wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", str(place), str(ROOT))
    (made,) = place.iterdir()
    return made


@dataclass(frozen=True, slots=True)
class Tool:
    """An installed console script, and a folder outside the repository to run it in."""

    script: Path
    folder: Path

    def run(self, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(NOT_ITS)}
        return subprocess.run(  # noqa: S603 - our own program
            [self.script, *words], cwd=self.folder, env={**kept, **environment}, capture_output=True, text=True,
            timeout=PATIENCE, check=False,
        )  # fmt: skip


@pytest.fixture(scope="module", params=["beside", pytest.param("whole", marks=pytest.mark.long)])
def tool(wheel: Path, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Tool:
    """Install the wheel into an environment that has nothing of this project.

    `beside`: the packages that it needs are those of the development environment, put behind it, so that no registry is
    asked. `whole`: pip installs them, as for a user.
    """
    place = tmp_path_factory.mktemp("tool")
    EnvBuilder(symlinks=True).create(place / "python")
    python = place / "python" / "bin" / "python"
    if request.param == "beside":
        pip("--python", str(python), "install", "--no-deps", "--no-index", str(wheel))
        site = python.parents[1] / "lib" / SITE / "site-packages"
        (site / "beside.pth").write_text(f"{Path(pytest.__file__).parents[1]}\n", encoding="utf-8")
    else:
        pip("--python", str(python), "install", str(wheel))
        pip("--python", str(python), "check")
    (place / "elsewhere").mkdir()
    return Tool(python.with_name("exg"), place / "elsewhere")


def metadata(wheel: Path) -> Message:
    with zipfile.ZipFile(wheel) as packed:
        name = next(name for name in packed.namelist() if name.endswith(".dist-info/METADATA"))
        return BytesParser().parsebytes(packed.read(name))


def test_it_holds_the_whole_package_and_nothing_else(wheel: Path) -> None:
    files = (path for path in (ROOT / "guardrails").rglob("*") if path.is_file() and path.suffix != ".pyc")
    source = {path.relative_to(ROOT).as_posix() for path in files}
    with zipfile.ZipFile(wheel) as packed:
        held = {name for name in packed.namelist() if ".dist-info/" not in name}
    assert held == source
    assert {"guardrails/ruleset.yaml", "guardrails/report/page.html", "guardrails/__main__.py"} <= held


def test_it_needs_what_the_requirements_name(wheel: Path) -> None:
    said = metadata(wheel)
    wanted = [one for name in ("", "-cli") for one in direct_packages(ROOT / f"requirements{name}.txt")]
    assert {"rich", "shtab", "azure-identity"} <= {one.partition("==")[0] for one in wanted}
    assert sorted(said.get_all("Requires-Dist", [])) == sorted(one.lower() for one in wanted)
    assert said["Requires-Python"] == "<3.14,>=3.13"
    assert said["Version"] == guardrails.__version__


def test_what_builds_it_is_pinned_alike_everywhere() -> None:
    (backend,) = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["build-system"]["requires"]
    assert backend in direct_packages(ROOT / "requirements-dev.txt")


def test_it_says_its_version(tool: Tool) -> None:
    ran = tool.run("--version")
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, f"exg {guardrails.__version__}\n", "")


def test_it_lists_and_explains_rules(tool: Tool) -> None:
    ran = tool.run("rules", "--format", "json")
    assert ran.returncode == 0, ran.stderr
    assert {rule.code for rule in all_rules().values()} <= {one["code"] for one in json.loads(ran.stdout)}
    assert "EXG101 expiry-missing" in tool.run("rules", "expiry-missing").stdout


def test_it_judges_a_file(tool: Tool) -> None:
    properties = {key: value for key, value in BODY["properties"].items() if key != "expiresOn"}
    (tool.folder / "one.json").write_text(json.dumps({**BODY, "properties": properties}), encoding="utf-8")
    ran = tool.run("judge", "one.json")
    assert ran.returncode == 1, ran.stderr
    assert "EXG101 expiry-missing (high): it never expires" in ran.stdout
    assert "(see exg judge --help)" in ran.stderr


async def test_it_scans_a_tenant(tool: Tool) -> None:
    async with Cloud() as cloud:
        wrong, _ = furnish(cloud.arm, datetime.now(UTC))
        environment = {
            **cloud.identity.environment,
            "GUARDRAILS_ARM_ENDPOINT": cloud.addresses["arm"],
            "GUARDRAILS_ARM_AUDIENCE": "https://management.azure.com",
        }
        ran = await asyncio.to_thread(tool.run, "scan", "--out", "scan.json", "--out", "scan.html", **environment)
    assert ran.returncode == 1, ran.stderr
    reported = json.loads((tool.folder / "scan.json").read_text("utf-8"))
    assert {one["id"] for one in reported["exemptions"]} == wrong.keys()
    assert (tool.folder / "scan.html").read_text("utf-8").startswith("<!doctype html>")


def test_it_builds_policies_into_the_current_folder(tool: Tool) -> None:
    ran = tool.run("policy", "build")
    assert ran.returncode == 0, ran.stderr
    made = {path.relative_to(tool.folder / "infra/policies") for path in (tool.folder / "infra/policies").rglob("*.*")}
    kept = ROOT / "infra/policies"
    wanted = {path.relative_to(kept) for path in kept.rglob("*.*")} - {
        path.relative_to(kept) for path in (kept / "sources").rglob("*.*")
    }
    assert made
    assert made <= wanted
    assert tool.run("policy", "build", "--check").returncode == 0


def test_what_belongs_to_the_repository_is_refused(tool: Tool) -> None:
    ran = tool.run("docs")
    assert (ran.returncode, ran.stdout) == (2, "")
    assert ran.stderr.startswith("exg: the generated pages belong to the repository")
    assert "--root" in ran.stderr
    assert ran.stderr.count("\n") == 1
    assert tool.run("docs", "--check", "--root", str(ROOT)).returncode == 0


def test_a_command_that_needs_settings_names_them(tool: Tool) -> None:
    ran = tool.run("register", "list")
    assert ran.returncode == 2
    assert ran.stderr.startswith("exg: ")
    assert "AzureWebJobsStorage" in ran.stderr
    assert "Traceback" not in ran.stderr


def test_it_is_called_by_the_name_with_which_it_was_started(tool: Tool) -> None:
    assert tool.run("--help").stdout.startswith("usage: exg ")
    ran = tool.run("judge")
    assert (ran.returncode, ran.stderr.count("\n")) == (2, 1)
    assert ran.stderr.startswith("exg: the following arguments are required: FILE")
    assert ran.stderr.endswith("(see exg judge --help)\n")
    assert "python -m" not in tool.run("judge", "--help").stdout
    assert "python -m" not in tool.run("rules", "no-such-rule").stderr


def test_it_prints_what_completes_it(tool: Tool) -> None:
    ran = tool.run("completion", "bash")
    assert (ran.returncode, ran.stderr) == (0, "")
    assert " -F _shtab_exg exg" in ran.stdout
