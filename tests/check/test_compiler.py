"""`--compiler`: what it knows fills what is unknown, each disagreement is a line, and places stay ours.

No compiler is here: executables of ours give the templates and messages that one would.
"""

import json
import stat
from pathlib import Path
from typing import Any

import pytest

from guardrails.cli import check_compiler

from .conftest import Check, Write, arm, bicep

UNSAID = "readEnvironmentVariable('TEAM_THAT_IS_NOT_SET')"


def compiler(folder: Path, template: Any = None, *, said: str = "", code: int = 0, before: str = "") -> str:
    """An executable that notes its arguments and prints a template."""
    out = folder / "template.json"
    out.write_text(template if isinstance(template, str) else json.dumps(template))
    script = folder / "bicep"
    (folder / "said").write_text(said)
    note = f'echo "$@" > {folder}/arguments'
    lines = ["#!/bin/sh", before, note, f"cat {out}", f"cat {folder}/said >&2", f"exit {code}"]
    script.write_text("\n".join(lines) + "\n")
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    return str(script)


@pytest.fixture
def tools(tmp_path: Path) -> Path:
    folder = tmp_path / "tools"
    folder.mkdir()
    return folder


def test_it_fills_what_is_unknown_and_the_place_stays(write: Write, check: Check, tools: Path, repo: Path) -> None:
    write("main.bicep", "param ends string\n" + bicep(expiresOn="ends"))
    (before,) = check().json["exemptions"]
    assert before["properties"]["expiresOn"] is None
    ran = check("--compiler", compiler(tools, arm(expiresOn="2029-06-30T00:00:00Z")))
    (after,) = ran.json["exemptions"]
    assert after["properties"] == before["properties"] | {"expiresOn": "2029-06-30T00:00:00Z"}
    assert after["unknown"] == []
    (finding,) = [one for one in after["findings"] if one["status"] == "violation"]
    assert (finding["rule"], finding["path"], finding["line"]) == ("expiry-too-far", "main.bicep", 9)
    assert ran.json["errors"] == []
    arguments = (tools / "arguments").read_text()
    assert arguments == f"build --no-restore --stdout {repo}/main.bicep\n"


def test_a_name_that_is_not_known_is_filled_in_the_order_of_the_file(write: Write, check: Check, tools: Path) -> None:
    write("main.bicep", "param id string\n" + bicep().replace("name: 'w'", "name: id"))
    (one,) = check("--compiler", compiler(tools, arm("known", policyAssignmentId=_net()))).json["exemptions"]
    assert (one["name"], one["unknown"]) == ("known", [])


def _net() -> str:
    return str(arm()["resources"][0]["properties"]["policyAssignmentId"])


@pytest.mark.parametrize(
    ("template", "message"),
    [
        (arm(expiresOn="2027-01-01"), '/properties/expiresOn: the compiler has "2027-01-01", and this program'),
        (arm(displayName="more"), "/properties: the compiler has {"),
        (arm("other"), "the exemption: the compiler has nothing"),
        (arm(resources=[]), "the exemption: the compiler has nothing"),
    ],
)
def test_a_disagreement_is_a_line_and_no_pass(
    template: Any, message: str, write: Write, check: Check, tools: Path
) -> None:
    write("main.bicep", bicep())
    ran = check("--compiler", compiler(tools, template))
    assert ran.code == 2
    error = ran.json["errors"][0]
    assert error["message"].startswith(message)
    assert (error["path"], error["line"]) == ("main.bicep", 1)
    assert ran.json["exemptions"][0]["properties"]["expiresOn"] == "2027-03-31T00:00:00Z"


def test_what_the_compiler_refuses_is_refused_with_its_own_words(write: Write, check: Check, tools: Path) -> None:
    write("main.bicep", bicep())
    said = "/x/main.bicep(3,5) : Warning BCP037: not this\n/x/main.bicep(7,9) : Error BCP057: The name is unknown.\n"
    ran = check("--compiler", compiler(tools, "", said=said, code=1))
    assert ran.code == 2
    assert [(one["line"], one["column"], one["message"]) for one in ran.json["errors"]] == [
        (7, 9, "the compiler: BCP057: The name is unknown."),
        (0, 0, "the compiler refuses it, and this program does not"),
    ]
    assert ran.json["deployments"][0]["outcome"] == "refused"


def test_what_only_we_refuse_is_a_line(write: Write, check: Check, tools: Path) -> None:
    write("main.bicep", bicep() + "resource x 'y' = {\n")
    ran = check("--compiler", compiler(tools, arm()))
    assert [one["message"] for one in ran.json["errors"]] == ["this program refuses it, and the compiler does not"]


@pytest.mark.parametrize(
    ("made", "message"),
    [
        ({"code": 3}, "the compiler failed: it says nothing"),
        ({"code": 3, "said": "no such option\n"}, "the compiler failed: no such option"),
        ({"template": "", "code": 0}, "the compiler failed: it says nothing"),
    ],
)
def test_a_compiler_that_fails_is_a_line(
    made: dict[str, Any], message: str, write: Write, check: Check, tools: Path
) -> None:
    write("main.bicep", bicep())
    ran = check("--compiler", compiler(tools, **{"template": "{}", **made}))
    assert ran.code == 2
    assert [one["message"] for one in ran.json["errors"]] == [message]
    assert len(ran.json["exemptions"]) == 1


def test_a_compiler_that_never_ends_is_a_line(
    write: Write, check: Check, tools: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(check_compiler, "SECONDS", 1)
    write("main.bicep", bicep())
    ran = check("--compiler", compiler(tools, before="exec sleep 3600"))
    assert ran.code == 2
    assert [one["message"] for one in ran.json["errors"]] == ["the compiler took more than 1 seconds"]
    assert len(ran.json["exemptions"]) == 1


def test_one_that_is_not_there_is_a_line(write: Write, check: Check) -> None:
    write("main.bicep", bicep())
    (error,) = check("--compiler", "/none/bicep").json["errors"]
    assert error["message"] == "the compiler /none/bicep cannot be run: No such file or directory"


def test_it_is_run_once_a_file_and_not_for_arm(write: Write, check: Check, tools: Path) -> None:
    write("t.json", arm())
    ran = check("--compiler", compiler(tools, arm()))
    assert not (tools / "arguments").exists()
    assert ran.code == 0
