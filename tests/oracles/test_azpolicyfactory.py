"""AzPolicyFactory's checks, schema, build step and template, as we compute them, are what it answered itself.

The recorded answers are beside the repository, in `shared/oracles/azpolicyfactory`; its README says how they were made.
"""

import json
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
