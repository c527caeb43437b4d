"""Bad input: one clear line each, with its place; everything else is still checked; nothing outside is read."""

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest

from guardrails.files.code import Code
from guardrails.files.walk import Found
from tests.patience import bounded

from .conftest import Check, Write, arm, bicep

GOOD = "zzz-good.bicep"


def lines(ran: Any) -> list[tuple[str, int, str]]:
    """What is said, as path, line, message: of errors, and of why a deployment is refused."""
    said = ran.json
    found = [(one["path"], one["line"], one["message"]) for one in said["errors"]]
    for deployment in said["deployments"]:
        found += [
            (one["path"], one["line"], one["message"]) for one in deployment["diagnostics"] if one["level"] == "error"
        ]
    return found


def names(ran: Any) -> list[str]:
    return [one["name"] for one in ran.json["exemptions"]]


NESTED = "[" * 100_000
LOOP = (
    "resource w 'Microsoft.Authorization/policyExemptions@2022-07-01-preview' = [for i in range(0, {}): {{\n"
    "  name: 'w${{i}}'\n}}]\n"
)
COPY = arm("[concat('w', copyIndex())]")
COPY["resources"][0]["copy"] = {"name": "many", "count": 1_000_000}

BAD: dict[str, tuple[str, Any, int]] = {
    "invalid JSON": ("bad.json", json.dumps(arm(), indent=1)[:-40], 2),
    "a trailing comma in a template": ("bad.json", json.dumps(arm()).replace('"resources"', ', "resources"'), 2),
    "wrong bytes in a template": ("bad.json", json.dumps(arm("ü"), ensure_ascii=False).encode("latin-1"), 2),
    "wrong bytes in Bicep": ("bad.bicep", b"param x string = '\xff\xfe\xfa'\n", 2),
    "binary": ("bad.bicep", bytes(range(256)) * 40, 2),
    "a syntax error": ("bad.bicep", "resource x 'y' = {\n  name: \n", 2),
    "an attribute twice": ("bad.bicep", bicep("twice").replace("  properties", "  name: 'b'\n  properties"), 2),
    "a key twice": ("bad.json", json.dumps(arm("x")).replace('"name": "x"', '"name": "x", "name": "y"'), 0),
    "its own module": ("bad.bicep", "module m 'bad.bicep' = {}\n", 2),
    "a module that is not there": ("bad.bicep", "module m 'none.bicep' = {}\n", 2),
    "a module outside": ("bad.bicep", "module m '../../outside.bicep' = {}\n", 0),
    "a loaded file outside": ("bad.bicep", "output x string = loadTextContent('../../outside.bicep')\n", 0),
    "deep JSON": ("bad.json", json.dumps(arm(resources=[])).replace("[]", NESTED), 2),
    "deep Bicep": ("bad.bicep", f"var x = {NESTED}\n", 2),
    "deep expression": ("bad.json", arm(expiresOn="[" + "not(" * 50_000 + "true" + ")" * 50_000 + "]"), 2),
    "a loop of a million": ("bad.bicep", LOOP.format(1_000_000), 2),
    "loops in loops": ("bad.bicep", "output x array = [for a in range(0, 9999): range(0, 9999)]\n", 0),
    "a copy of a million": ("bad.json", COPY, 2),
    "a long text": ("bad.json", arm(description="[padLeft('x', 2000000000)]"), 0),
    "a template that is a list": ("bad.json", '[{"$schema": "https://x/deploymentTemplate.json#"}]', 0),
    "an empty file": ("bad.bicep", "", 0),
    "a bare template": ("bad.json", '{"$schema": "https://x/deploymentTemplate.json#"}', 0),
}


@pytest.mark.parametrize("what", BAD)
def test_one_bad_file_is_a_line_and_hides_nothing(what: str, write: Write, check: Check, tmp_path: Path) -> None:
    (tmp_path / "outside.bicep").write_text("param secret string = 'do not read me'\n")
    name, content, code = BAD[what]
    write(name, content)
    write(GOOD, bicep("good"))
    with bounded():
        ran = check()
    assert "good" in names(ran)
    assert "do not read me" not in ran.out
    said = lines(ran)
    if code:
        assert ran.code == code, said
        assert said
        assert {path for path, _, _ in said} == {name}
        assert all(message and "\n" not in message for _, _, message in said)
        text = check(form="text")
        assert re.search(rf"^{name}(:\d+:\d+)?: error: ", text.out, re.MULTILINE)
    else:
        assert ran.code in (0, 2), said


@pytest.mark.parametrize(
    ("what", "said"),
    [
        ("a key twice", "bad.json:1:241: warning: 'name' is given twice"),
        ("a long text", "padLeft() to 2000000000 characters"),
    ],
)
def test_what_is_not_computed_is_unknown_and_said(what: str, said: str, write: Write, check: Check) -> None:
    name, content, _ = BAD[what]
    write(name, content)
    assert said in check(form="text").out
    assert check("--strict").code == 3


def test_a_syntax_error_in_the_middle_leaves_the_other_entries_of_the_file(write: Write, check: Check) -> None:
    broken = bicep("b", exemptionCategory="'Waiver").replace("resource b", "\nresource b")
    write("main.bicep", bicep("a") + broken + bicep("c"))
    ran = check()
    assert ran.code == 2
    assert names(ran)[0] == "a"
    assert "c" in names(ran)
    ((path, line, _),) = lines(ran)
    assert (path, line) == ("main.bicep", bicep("a").count("\n") + 7)


def test_modules_of_one_another_and_nested_templates_without_end(write: Write, check: Check) -> None:
    write("a.bicep", "module b 'b.bicep' = {}\n")
    write("b.bicep", "module a 'a.bicep' = {}\n")
    nested: Any = []
    for _ in range(60):
        inner = {"type": "Microsoft.Resources/deployments", "apiVersion": "2022-09-01", "name": "n"}
        nested = [inner | {"properties": {"mode": "Incremental", "template": arm(resources=nested)}}]
    write("deep.json", arm(resources=nested))
    write("self.json", arm(resources=[{
        "type": "Microsoft.Resources/deployments", "apiVersion": "2022-09-01", "name": "n",
        "properties": {"mode": "Incremental", "templateLink": {"relativePath": "self.json"}},
    }]))  # fmt: skip
    write(GOOD, bicep("good"))
    with bounded():
        ran = check()
    assert names(ran) == ["good"]
    outcomes = {one["paths"][0]: one["outcome"] for one in ran.json["deployments"]}
    assert outcomes["a.bicep"] == "refused"
    assert outcomes["deep.json"] != "deploys"
    assert outcomes["self.json"] != "deploys"


def test_links_and_special_files(write: Write, check: Check, repo: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside.bicep"
    outside.write_text(bicep("outside"))
    write(GOOD, bicep("good"))
    (repo / "out.bicep").symlink_to(outside)
    (repo / "up").symlink_to(repo)
    (repo / "self.bicep").symlink_to(repo / "self.bicep")
    os.mkfifo(repo / "pipe.json")
    write("sub/main.bicep", "module m '../out.bicep' = {}\n")
    ran = check()
    assert names(ran) == ["good"]
    assert {path for path, _, _ in lines(ran)} == {"out.bicep", "up", "self.bicep", "pipe.json"}
    assert [one["outcome"] for one in ran.json["deployments"] if one["paths"][0] == "sub/main.bicep"] == ["unknown"]
    assert ran.code == 2


def test_names_of_files_and_texts_that_pipelines_obey(write: Write, check: Check) -> None:
    for name in ("::error file=x::boom.bicep", "##[error]boom.bicep", "\x1b[31mred.bicep", "[a](b).bicep", "<b>.bicep"):
        write(name, "param x string = '::error::y'\n" + bicep(description="'##[error]z'", expiresOn="null"))
        write(f"broken {name}", "resource '::error::a\n::error::b\n")
    for form in ("text", "json", "sarif", "markdown"):
        ran = check(form=form)
        for text in (ran.out, ran.err):
            assert "##[" not in text, form
            assert "\x1b" not in text
            assert not [line for line in text.splitlines() if re.match(r"\s*::", line)]


def test_a_defect_of_the_program_shows_in_one_file(write: Write, check: Check, monkeypatch: pytest.MonkeyPatch) -> None:
    write("bad.bicep", bicep("bad"))
    write(GOOD, bicep("good"))
    read = Code.template

    def failing(code: Code, found: Found) -> object:
        if found.path == "bad.bicep":
            raise RuntimeError("::error::x")
        return read(code, found)

    monkeypatch.setattr(Code, "template", failing)
    ran = check()
    assert (ran.code, names(ran)) == (2, ["good"])
    ((path, _, message),) = lines(ran)
    assert path == "bad.bicep"
    assert message.startswith("the check failed with RuntimeError; this is a defect in the program")
    assert [one["outcome"] for one in ran.json["deployments"]] == ["unknown", "deploys"]


def test_a_file_that_changes_nothing_when_it_is_read_twice(write: Write, check: Check) -> None:
    write("main.bicep", bicep())
    assert check().out == check().out
