"""The JSON of the command on EPAC's files against the plan that EPAC's own planner makes of them."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.oracles.command import printed
from tests.oracles.compare import Tally
from tests.oracles.epac import CORP, FOLDER, OWNER, TENANT, azure, cases, deployed, expected, leaf, needed

WRITTEN = ("new", "update", "replace")
OUTCOMES = {"deploys": "planned", "refused": "refused", "unknown": None}


def written_out(folder: Path, files: Sequence[tuple[str, bytes]], case: Mapping[str, Any]) -> list[str]:
    """Write a case to a folder; return the arguments of the command."""
    own = folder / "Definitions" / "policyExemptions" / "corp"
    own.mkdir(parents=True)
    for name, data in files:
        (own / name).write_bytes(data)
    desired = {"strategy": case.get("strategy", "full"), "keepDfcSecurityAssignments": False}
    desired["excludedScopes"] = case.get("excludedScopes", [])
    settings = {
        "pacSelector": "corp", "cloud": "AzureCloud", "tenantId": TENANT, "deploymentRootScope": CORP,
        "managedIdentityLocation": "westeurope", "globalNotScopes": case.get("globalNotScopes", []),
        "skipResourceValidationForExemptions": case.get("skipResourceValidation", False), "desiredState": desired,
    }  # fmt: skip
    said = {"pacOwnerId": OWNER, "pacEnvironments": [settings]}
    (folder / "Definitions" / "global-settings.jsonc").write_text(f"// of EPAC\n{json.dumps(said)}")
    (folder / "azure.json").write_text(json.dumps([*azure(case), *deployed(case)]))
    switches = [f"FailOnExemptionError={case['failOnExemptionError']}"] if "failOnExemptionError" in case else []
    switches += ["SkipNotScopedExemptions"] if case.get("skipNotScoped") else []
    switches += ["ErrorActionPreference=Stop"] if case.get("errorActionPreference") == "Stop" else []
    return [
        str(folder / "Definitions"), "--azure", str(folder / "azure.json"), "--azure-complete", "--time-zone", "UTC",
        "--culture", "en-US", *(part for one in switches for part in ("--epac-switch", one)),
    ]  # fmt: skip


def compare(tally: Tally, where: str, wanted: Mapping[str, Any], said: Mapping[str, Any]) -> None:
    """Compare one run."""
    (run,) = said["deployments"]
    outcome = OUTCOMES[run["outcome"]]
    leaf(tally, f"{where}/outcome", wanted["outcome"], outcome, known=outcome is not None)
    found = {one["id"].lower(): one for one in said["exemptions"] if one["action"] in WRITTEN}
    leaf(tally, f"{where}/ids", [one["id"] for one in wanted["planned"]], [*found])
    for one in wanted["planned"]:
        got = found[one["id"].lower()]
        properties = {**got, **got["properties"]}
        if "epacMetadata" not in one["metadata"]:
            properties["metadata"].pop("epacMetadata", None)
        for name, value in one.items():
            leaf(tally, f"{where}/{one['id']}/{name}", value, properties.get(name))
    leaf(tally, f"{where}/deletes", wanted.get("deleted", []), run["deletes"], known=run["deletes"] is not None)
    for name, count in wanted["counts"].items():
        leaf(tally, f"{where}/{name}", count, run["counts"][name], known=run["counts"][name] is not None)
    if "second_run" in wanted and "then" not in wanted:
        second = run["second_run"]
        for name, value in wanted["second_run"].items():
            ids = [one["id"] for one in value] if isinstance(value, list) else value
            leaf(tally, f"{where}/second/{name}", ids, OUTCOMES[second[name]] if name == "outcome" else second[name])
    schema = wanted.get("schema_accepts", wanted.get("schema", {}).get("accepts_file"))
    if schema is not None and len(run["files"]) == 1:
        leaf(tally, f"{where}/schema", schema, run["files"][0]["schema"] == "valid")


def test_the_command_says_what_epac_plans(tmp_path: Path) -> None:
    needed()
    tally = Tally()
    for case in cases():
        files = [(file["name"], file["content"].encode()) for file in case["files"]]
        compare(tally, case["id"], case, printed(written_out(tmp_path / case["id"], files, case)))
    for path in sorted((FOLDER / "files").iterdir()):
        files = [(path.name, path.read_bytes())]
        compare(tally, path.stem, expected(path.stem), printed(written_out(tmp_path / path.stem, files, {})))
    tally.check("the command")
