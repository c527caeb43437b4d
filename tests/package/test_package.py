"""The package that would be deployed: what is in it, how large it is, and that it runs with nothing else installed."""

import json
import shutil
from pathlib import Path
from venv import EnvBuilder

import pytest

from guardrails.decisions.row import Status
from guardrails.register import table_register
from guardrails.wiring import SystemClock
from sandbox import tenant
from sandbox.stack import App, Sandbox
from sandbox.tenant import ALICE, exemption_id, furnish, send
from tests.end_to_end.conftest import Site, until
from tests.end_to_end.test_telemetry import GROUP, record
from tools.package.__main__ import main
from tools.package.build import MIB, Package, build, deployed_files, direct_packages, install

pytestmark = pytest.mark.xdist_group("package")  # built once

ROOT = Path(__file__).parents[2]
MOST_MIB = 60
MOST_DIRECT = 12
HUB = {
    "GUARDRAILS_ACTIVITY_HUB": "activity",
    "GUARDRAILS_ACTIVITY_HUB_CONNECTION__fullyQualifiedNamespace": "activity.invalid",
}


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Package:
    return build(tmp_path_factory.mktemp("package"))


@pytest.fixture(scope="module")
def app(package: Package, tmp_path_factory: pytest.TempPathFactory) -> App:
    """The package in a Python without any package; what Azure brings itself, the worker library, lies beside it."""
    place = tmp_path_factory.mktemp("azure")
    EnvBuilder(symlinks=True).create(place / "python")
    host = place / "host"
    constraints = ("-c", str(ROOT / "constraints.txt"))
    install(host, "--no-deps", *constraints, "azure-functions-runtime", "azurefunctions-extensions-base")
    for part in ("__init__.py", "orphan.py"):
        (host / "sandbox").mkdir(exist_ok=True)
        shutil.copyfile(ROOT / "sandbox" / part, host / "sandbox" / part)
    shutil.copytree(ROOT / "sandbox" / "host", host / "sandbox" / "host")
    return App(package.folder, str(place / "python" / "bin" / "python"), (package.site, host))


def test_it_holds_what_runs_in_azure_and_nothing_else(package: Package) -> None:
    assert {path.name for path in package.folder.iterdir()} == {
        ".python_packages", "constraints.txt", "function_app.py", "guardrails", "host.json", "requirements.txt",
    }  # fmt: skip
    left_out = {"check", "cli", "evaluation", "files", "policy", "report", "__main__.py"}
    assert left_out & {path.name for path in (package.folder / "guardrails").iterdir()} == set()
    assert (package.folder / "guardrails" / "ruleset.yaml").is_file()
    installed = {path.name.lower() for path in package.site.iterdir()}
    others = {
        "rich",
        "jinja2",
        "shtab",
        "hatchling",
        "pytest",
        "hypothesis",
        "azure_functions_runtime",
        "sandbox",
        "tests",
    }
    assert installed & others == set()


def test_files_that_operators_leave_there_are_not_deployed(tmp_path: Path) -> None:
    """Copies of the register hold bodies and names; the guide has them made here, before a deployment."""
    shutil.copyfile(ROOT / ".funcignore", tmp_path / ".funcignore")
    left = ("before.jsonl", "register-2026-11-21.jsonl", "list.csv", "report.html", "dead/ON-X/2026/11/2/9/1.json")
    for name in (*left, "function_app.py", "ruleset.yaml"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert deployed_files(tmp_path) == ["function_app.py", "ruleset.yaml"]


def test_it_is_small(package: Package) -> None:
    sizes = package.sizes()
    print(json.dumps(sizes))
    assert package.unpacked <= MOST_MIB * MIB
    assert 0 < package.packed < package.unpacked
    assert sizes["direct_packages"] == len(direct_packages(ROOT / "requirements.txt")) <= MOST_DIRECT


def test_every_version_is_the_pinned_one(package: Package) -> None:
    pinned = dict(line.lower().split("==") for line in direct_packages(ROOT / "constraints.txt"))
    found = {path.name.removesuffix(".dist-info").lower() for path in package.site.glob("*.dist-info")}
    assert found
    for name, _, version in (one.rpartition("-") for one in found):
        assert pinned[name if name in pinned else name.replace("_", "-")] == version


async def test_every_function_answers(app: App, tmp_path: Path) -> None:
    log = tmp_path / "functions.log"
    settings = {**HUB, "GUARDRAILS_DOCTOR_AT_START": "true"}
    async with Sandbox(settings=settings, app=app, log=log) as sandbox:
        await furnish(sandbox)
        connection = sandbox.azurite.connection_string
        async with table_register.connect(clock=SystemClock(), connection_string=connection) as register:
            site = Site(sandbox, register, log)
            good, bad = (exemption_id(tenant.RESOURCE, name) for name in ("packaged", "packaged-for-ever"))
            await site.put(good, expiresOn=tenant.in_days(90))
            await site.settled(good, Status.COMPLIANT)
            await site.put(bad, ALICE)
            await site.settled(bad, Status.GONE, "reverted")
            await site.about(bad, "reverted")
            await site.delete(good)
            status, _ = await send(sandbox, ALICE, "PUT", tenant.RESOURCE, {"location": "westeurope"})
            assert status in (200, 201)
            await sandbox.control("POST", "seed", [{"id": GROUP, "body": {"properties": {}}}])
            text = json.dumps({"records": [record(exemption_id(GROUP, "packaged"))]})
            await site.invoke("on_activity_log", text)
            for queue in ("reconcile", "reconcile-poison", "notices-poison"):
                await site.enqueue(queue, json.dumps({"id": bad, "wake": True}))
            await sandbox.sweep()
            async with sandbox.http.get(f"{sandbox.addresses['functions']}/api/health") as answer:
                assert answer.status in (200, 503)  # the sweep may not have begun

            async def answered() -> bool:
                functions = await sandbox.functions_status()
                return all(one["successes"] for one in functions.values())

            try:
                await until(answered, "a function did not answer")
            finally:
                functions = await sandbox.functions_status()
                print({name: (one["successes"], one["failures"]) for name, one in functions.items()})
            assert len(functions) >= 10
            assert [name for name, one in functions.items() if one["failures"]] == []


@pytest.fixture
def built(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[Path]:
    """Where the command would build, in an empty folder of its own."""
    folders: list[Path] = []

    def note(out: Path, *_: str) -> Package:
        folders.append(out)
        (out / "package").mkdir(exist_ok=True)
        (out / "package" / "requirements.txt").touch()
        (out / "package.zip").touch()
        return Package(out / "package", out / "package.zip")

    monkeypatch.setattr("tools.package.__main__.build", note)
    monkeypatch.chdir(tmp_path)
    return folders


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["--help"], 0, "usage: python -m tools.package [-h] [folder]"),
        (["--out", "there"], 2, "unrecognized arguments: --out"),
        (["one", "two"], 2, "unrecognized arguments: two"),
        ([str(Path(__file__))], 2, "cannot be the folder: File exists"),
    ],
)
def test_the_command_says_how_it_is_used_and_builds_nothing_by_mistake(
    words: list[str], code: int, said: str, built: list[Path], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(words)
    out, err = capsys.readouterr()
    assert ended.value.code == code
    assert said in (err if code else out)
    assert (built, list(Path().iterdir())) == ([], [])


def test_the_command_builds_where_it_is_asked_to(built: list[Path], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["new/one"]) == 0
    assert built == [Path("new/one")]
    assert json.loads(capsys.readouterr().out)["package"] == "new/one/package.zip"


def test_what_else_is_in_the_folder_stays(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("tools.package.build.install", lambda *_: None)
    monkeypatch.setattr("tools.package.build.deployed_files", lambda _: ["host.json"])
    (tmp_path / "mine").write_text("precious")
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "old").touch()
    package = build(tmp_path)
    assert (tmp_path / "mine").read_text() == "precious"
    assert not (package.folder / "old").exists()
    assert (package.folder / "host.json").is_file()
