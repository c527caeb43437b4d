"""Exemptions that are no code: `check` names `exg judge`, which takes them; of code, `judge` names `exg check`."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from guardrails.exemption.names import DEFAULT_NAMES
from guardrails.files.arm_json import read_bytes
from guardrails.files.exemptions import exemptions_of
from tests.azpolicyfactory.samples import config
from tests.cli.conftest import run_captured

from .conftest import ASSIGNMENT, GROUP, Check, Write, arm, bicep

ID = f"{GROUP}/providers/Microsoft.Authorization/policyExemptions/w"
PROPERTIES = {
    "policyAssignmentId": ASSIGNMENT, "exemptionCategory": "Waiver", "expiresOn": "2027-03-31T00:00:00Z",
    "displayName": "w", "description": "d", "metadata": {}, "policyDefinitionReferenceIds": [],
}  # fmt: skip
BODY = {"id": ID, "name": "w", "type": "Microsoft.Authorization/policyExemptions", "properties": PROPERTIES}


def pascal(data: dict[str, Any]) -> dict[str, Any]:
    return {key[:1].upper() + key[1:]: value for key, value in data.items()}


ROW = BODY | {"type": "microsoft.authorization/policyexemptions", "tenantId": "t", "properties": PROPERTIES}
FLAT = {key: BODY[key] for key in ("id", "name", "type")} | PROPERTIES
DIALECTS: dict[str, tuple[Any, str]] = {
    "a bare array of ARM bodies": ([BODY], "Azure Resource Manager"),
    "one body": (BODY, "Azure Resource Manager"),
    "REST, a list": ({"value": [BODY]}, "Azure Resource Manager"),
    "az": ([FLAT], "az policy exemption list"),
    "PowerShell 7": ([pascal(FLAT)], "Get-AzPolicyExemption"),
    "PowerShell before 7": (
        {"ResourceId": ID, "Name": "w", "Properties": pascal(PROPERTIES)},
        "Get-AzPolicyExemption of Az.Resources before 7",
    ),
    "Resource Graph": ({"data": [ROW], "count": 1}, "Resource Graph"),
    "Resource Graph, a table": (
        {"data": {"columns": [{"name": key} for key in ROW], "rows": [[*ROW.values()]]}}, "Resource Graph",
    ),
}  # fmt: skip


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_check_of_a_saved_file_names_judge_in_one_line_and_judge_takes_it(
    write: Write, repo: Path, check: Check, *, dialect: str, encoding: str
) -> None:
    content, name = DIALECTS[dialect]
    data = json.dumps(content).encode(encoding)
    write("out/it's.json", data)
    ran = check(paths=("out/it's.json",))
    assert (ran.code, ran.json["deployments"], ran.json["exemptions"]) == (2, [], [])
    assert [one["message"] for one in ran.json["errors"]] == [
        f"""this is no code, but exemptions as {name} gives them; judge them with `exg judge 'out/it'"'"'s.json'`"""
    ]
    shown = check(paths=("out/it's.json",), form="text").out
    assert len([line for line in shown.splitlines() if "exg judge" in line]) == 1
    read = exemptions_of(read_bytes(data), DEFAULT_NAMES)
    assert [one.id.name for _, one in read.exemptions] == ["w"]


@pytest.mark.parametrize("dialect", DIALECTS)
def test_in_a_folder_it_is_noted_once_and_fails_nothing(write: Write, check: Check, dialect: str) -> None:
    content, _ = DIALECTS[dialect]
    write("a.bicep", bicep())
    write("out/one.json", content)
    write("out/two.json", content)
    ran = check()
    assert ran.json["errors"] == []
    (note,) = [one for one in ran.json["notes"] if "exg judge" in one]
    assert note.startswith("out/one.json and 1 more: no code, but exemptions")
    assert "judge out/one.json`" in check(form="text").err


def test_a_file_of_objects_that_an_option_names_is_not_noted(write: Write, check: Check) -> None:
    write("a.bicep", bicep())
    file = write("azure.json", [BODY])
    assert not [one for one in check("--azure", str(file)).json["notes"] if "exg judge" in one]


def test_other_objects_of_azure_belong_to_an_option(write: Write, check: Check) -> None:
    write("a.json", [{"id": ASSIGNMENT, "properties": {"policyDefinitionId": "/x"}}])
    (error,) = check(paths=("a.json",)).json["errors"]
    assert error["message"] == "this is no code, but objects of Azure; give them with --azure"


EPAC = {"exemptions": [{"name": "w", "displayName": "w", "exemptionCategory": "Waiver", "scope": GROUP,
                        "policyAssignmentId": ASSIGNMENT}]}  # fmt: skip
CODE: dict[str, Any] = {
    "main.bicep": bicep(),
    "main.bicepparam": "using 'main.bicep'\n",
    "template.json": arm(),
    "parameters.json": {
        "$schema": "https://schema.management.azure.com/schemas/2019-04-01/deploymentParameters.json#",
        "contentVersion": "1.0.0.0", "parameters": {},
    },
    "epac.json": EPAC,
    "epac.jsonc": f"// of EPAC\n{json.dumps(EPAC)}",
    "epac.csv": f"name,displayName,exemptionCategory,scope,assignmentReferenceId\nw,w,Waiver,{GROUP},{ASSIGNMENT}\n",
    "factory.json": config(),
}  # fmt: skip


@pytest.mark.parametrize("name", CODE)
def test_judge_of_code_names_check(write: Write, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    file = write(name, CODE[name])
    ran = run_captured(capsys, ["judge", str(file)])
    assert ran.code == 2
    (line,) = ran.err.strip().splitlines()
    assert re.search(r"judge it with `[\w -]* check` before it is deployed", line)
