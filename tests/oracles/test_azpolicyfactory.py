"""AzPolicyFactory's checks, schema, build step and template, as we compute them, are what it answered itself.

The recorded answers are beside the repository, in `shared/oracles/azpolicyfactory`; its README says how they were made.
"""

import json
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import pytest

from guardrails.azpolicyfactory.build import Build, build_of
from guardrails.azpolicyfactory.checks import Checks
from guardrails.azpolicyfactory.config import ConfigFile
from guardrails.azpolicyfactory.folder import FileAnswer, FolderAnswer, folder_answer
from guardrails.azpolicyfactory.template import API_VERSION, Sent
from guardrails.epac.instants import Runner
from guardrails.evaluation.plan import Outcome
from guardrails.files.azpolicyfactory import read_config
from tests.reference import REAL

from .command import printed
from .compare import Tally, compare_values

FOLDER: Final = REAL / "oracles" / "azpolicyfactory"
NOW: Final = datetime(2026, 11, 28, 15, 40, tzinfo=UTC)
CORP: Final = "/providers/Microsoft.Management/managementGroups/corp"
IN_UTC: Final = Runner.of("UTC", "")
BUILDS: Final = {"kept": Build.KEPT, "left out as expired": Build.EXPIRED, "not seen": Build.NOT_SEEN}
NAMES: Final = ("schema", "schemaNamed", "approvedBefore", "twoPeople")

recorded = pytest.mark.skipif(not FOLDER.is_dir(), reason="../shared/oracles/azpolicyfactory is absent")


def check(tally: Tally, where: str, wanted: Any, got: Any) -> None:
    """Compare one recorded value; None is what we do not know."""
    tally.leaf("unknown" if got is None else "known" if wanted == got else "wrong", where, wanted, got)


def compare_file(tally: Tally, name: str, wanted: dict[str, Any], one: FileAnswer) -> None:
    if said := wanted.get("schema"):
        status = "valid" if said["valid"] else "unreadable" if said.get("readable") is False else "invalid"
        check(tally, f"{name}, schema", status, one.schema.status)
        faults = [(fault["at"], fault["rule"], fault.get("key", "")) for fault in said.get("faults", ())]
        check(tally, f"{name}, faults", faults, one.schema.status and [tuple(fault) for fault in one.schema.faults])
    if wanted["checks"] is None:
        check(tally, f"{name}, checks", "never ran", "never ran" if one.checks is None else one.checks)
    else:
        for key, value in zip(NAMES, one.checks or Checks(*[None] * 4), strict=True):
            check(tally, f"{name}, {key}", wanted["checks"][key] == "pass", value)
    if build := wanted.get("build"):
        check(tally, f"{name}, build", BUILDS.get(build, Build.STOPS), one.build)


def compare_deployment(tally: Tally, name: str, wanted: dict[str, Any], answer: FolderAnswer) -> None:
    outcome = None if answer.outcome is Outcome.UNKNOWN else answer.outcome
    sent = [one for one in (file.effect for file in answer.files) if isinstance(one, Sent)]
    if error := wanted.get("error"):
        check(tally, f"{name}, outcome", Outcome.REFUSED, outcome)
        check(tally, f"{name}, stage", error["stage"], answer.stage)
        return
    check(tally, f"{name}, outcome", Outcome.DEPLOYS, outcome)
    if outcome is None:
        return
    check(tally, f"{name}, number", len(wanted["exemptions"]), len(sent))
    left = {one.id: one for one in sent}
    for one in wanted["exemptions"]:
        ours = left[one["id"]]
        got = {"id": ours.id, "name": ours.name, "apiVersion": API_VERSION, "properties": ours.properties}
        compare_values(tally, _without_template(one), got, f"{name}, {one['name']}")


def _without_template(value: Any) -> Any:
    """Return a recorded value; the marks of the template's own values are what the files do not say."""
    if isinstance(value, dict) and value.keys() == {"$template"}:
        added = value["$template"] in ("createdBy", "hidden_vml_name", "hidden_vml_version")
        return {"$unknown": value["$template"]} if added else None
    return {key: _without_template(one) for key, one in value.items()} if isinstance(value, dict) else value


def read(folder: Path) -> list[ConfigFile]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return [read_config(path.read_bytes(), str(path), str(path.relative_to(folder))) for path in files]


def cases() -> Iterator[tuple[str, dict[str, Any], list[ConfigFile]]]:
    for path in sorted((FOLDER / "expected").glob("*.json")):
        wanted = json.loads(path.read_text("utf-8"))
        source = FOLDER / "files" / wanted["file"]
        name = source.name
        yield name, wanted, read(source) if source.is_dir() else [read_config(source.read_bytes(), name, name)]
    for wanted in json.loads((FOLDER / "more.json").read_text("utf-8")):
        yield wanted["id"], wanted, [read_config(wanted["text"].encode(), "a.json", "a.json")]


def valid() -> ConfigFile:
    data = (FOLDER / "files" / "01-everything.json").read_bytes().replace(b"pex-harbour-web", b"pex-valid")
    return read_config(data, "valid.json", "valid.json")


@recorded
def test_the_model_answers_what_azpolicyfactory_answered() -> None:
    tally = Tally()
    for name, wanted, files in cases():
        answer = folder_answer(files, CORP, IN_UTC, NOW)
        by_name = {one.file.name: one for one in answer.files}
        for key, said in wanted.get("files", {files[0].name: wanted}).items():
            compare_file(tally, f"{name} {key}", said, by_name[key])
        if "files" in wanted and "build" in wanted:
            check(tally, f"{name}, build", True, answer.building)
        if "deploys" in wanted:
            compare_deployment(tally, name, wanted["deploys"], answer)
        for zone, said in wanted.get("elsewhere", {}).items():
            got = build_of(files[0], Runner.of(zone, ""), NOW)
            check(tally, f"{name} in {zone}", BUILDS[said["build"]], got)
        if "beside_a_valid_file" in wanted:
            beside = folder_answer([*files, valid()], CORP, IN_UTC, NOW)
            others = [one for one in beside.files if one.file.name != "valid.json"]
            compare_deployment(
                tally,
                f"{name} beside",
                wanted["beside_a_valid_file"],
                FolderAnswer(others, beside.outcome, beside.stage),
            )
    tally.check("azpolicyfactory")


SCHEMA_TEXT: Final = '{"$schema": "http://json-schema.org/draft-07/schema#"}'
WHERE: Final = ("--deploy-to", CORP, "--now", "2026-11-28T15:40:00Z", "--time-zone", "UTC", "--format", "json")


def written_out(folder: Path) -> dict[str, dict[str, Any]]:
    """Write each case to the folder of an environment of its own; return name of the folder -> what is wanted."""
    above = folder / "policyExemptions"
    above.mkdir()
    (above / "policyExemption.schema.json").write_text(SCHEMA_TEXT)
    found: dict[str, dict[str, Any]] = {}
    for number, (_, wanted, _) in enumerate(cases()):
        own = above / f"{number:03}"
        source = FOLDER / "files" / wanted.get("file", "none")
        if "text" in wanted:
            own.mkdir()
            (own / "a.json").write_text(wanted["text"], "utf-8", newline="")
        elif source.is_dir():
            shutil.copytree(source, own, copy_function=shutil.copyfile)
        else:
            own.mkdir()
            shutil.copyfile(source, own / source.name)
        found[own.name] = wanted
        for one in own.rglob("*"):
            one.chmod(0o700)
    return found


def compare_said(tally: Tally, where: str, wanted: dict[str, Any], said: list[dict[str, Any]], run: Any) -> None:
    """Compare what the command prints of an environment: its exemptions, and its deployment."""
    for path, one in wanted.get("files", {"": wanted}).items():
        file = next(each for each in run["files"] if each["path"].endswith(path))
        if schema := one.get("schema"):
            status = "valid" if schema["valid"] else "unreadable" if schema.get("readable") is False else "invalid"
            check(tally, f"{where} {path}, schema", status, file["schema"])
            check(tally, f"{where} {path}, faults", schema.get("faults", []), file["schema"] and file["faults"])
        check(tally, f"{where} {path}, checks", one["checks"] or "never ran", file["checks"] or "never ran")
        if build := one.get("build"):
            check(tally, f"{where} {path}, build", BUILDS.get(build, Build.STOPS), file["build"])
    if "build" in wanted and wanted["build"].startswith("stops"):
        check(tally, f"{where}, build", ("refused", "build"), (run["outcome"], run["stage"]))
    sent = [one for one in said if one["deployed"] is not False]
    if error := wanted.get("deploys", {}).get("error"):
        check(tally, f"{where}, error", ("refused", error["stage"], 0), (run["outcome"], run["stage"], len(sent)))
        return
    exemptions = wanted.get("deploys", {}).get("exemptions", [])
    check(tally, f"{where}, ids", sorted(one["id"] for one in exemptions), sorted(str(one["id"]) for one in sent))
    for one in exemptions:
        ours = next(each for each in sent if each["id"] == one["id"])
        unknown = {each["at"].rpartition("/")[2] for each in ours["unknown"]}
        check(tally, f"{where}, unknown", {"createdBy", "hidden_vml_name", "hidden_vml_version"}, unknown)
        got = {key: ours[key] for key in ("id", "name", "apiVersion", "properties")}
        for key in unknown:
            got["properties"]["metadata"].pop(key)
            one["properties"]["metadata"].pop(key)
        compare_values(tally, _without_template(one), got, f"{where}, {one['name']}")


@recorded
def test_the_command_says_what_azpolicyfactory_does(tmp_path: Path) -> None:
    wanted = written_out(tmp_path)
    said = printed([str(tmp_path / "policyExemptions"), *WHERE])
    assert {one["format"] for one in said["deployments"]} == {"azpolicyfactory"}
    tally = Tally()
    for run in said["deployments"]:
        folder = run["files"][0]["path"].split("/")[0 if run["files"][0]["path"][0] != "p" else 1]
        own = [one for one in said["exemptions"] if f"/{folder}/" in f"/{one['path']}"]
        compare_said(tally, folder, wanted.pop(folder), own, run)
    assert wanted == {}
    tally.check("azpolicyfactory, command")


@recorded
def test_a_file_that_is_named_is_checked_by_itself() -> None:
    files = sorted(path for path in (FOLDER / "files").glob("*.json") if "65-" not in path.name)
    said = printed([*map(str, files), *WHERE])
    assert said["errors"] == []
    tally = Tally()
    for file, run in zip(files, said["deployments"], strict=True):
        own = [one for one in said["exemptions"] if one["path"] == run["files"][0]["path"]]
        compare_said(tally, file.name, json.loads((FOLDER / "expected" / file.name).read_text("utf-8")), own, run)
    tally.check("azpolicyfactory, files by name")
