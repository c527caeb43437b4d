"""`check --diff`: what is not known, what cannot be read, what counts, and what is printed."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from jsonschema_rs import Draft202012Validator

from guardrails.cli import check_schema
from tests.files.repositories import commit, git, make

from .conftest import Check, Write, arm, bicep
from .test_diff import END, LATER, changes, said, through
from .test_outputs import HOSTILE, sarif_problems


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    return make(tmp_path / "repo")


def test_a_value_that_becomes_unknown_or_known_may_differ(write: Write, repo: Path, check: Check) -> None:
    text = "param ends string\n" + bicep("a", expiresOn="ends")
    write("a.bicep", text.replace("string", f"string = '{END}'", 1))
    commit(repo)
    write("a.bicep", text)
    ran = check("--diff", "HEAD")
    assert changes(ran) == {"a": ["unknown"]}
    assert said(ran, "a")["/properties/expiresOn"] == (
        "its end may be later or earlier: it was 2027-03-31 00:00 UTC, and is not known now:"
        " the parameter 'ends' has no value here; give one with --parameters"
    )
    commit(repo)
    write("a.bicep", text.replace("string", f"string = '{LATER}'", 1))
    text_now = said(check("--diff", "HEAD"), "a")["/properties/expiresOn"]
    assert "it is 2027-06-30 00:00 UTC, and was not known before" in text_now


@pytest.mark.parametrize(
    ("before", "after", "effects"),
    [
        ("param p string\nvar e = '${p}T00:00:00Z'", "param p string\nvar e = '${p}T00:00:00Z'\nvar other = 1", []),
        ("param p string\nvar e = '${p}T00:00:00Z'", "param p string\nvar e = '${p}T12:00:00Z'", ["unknown"]),
        ("param p string\nvar e = p", "param p string\nparam q string\nvar e = q", ["unknown"]),
        ("param p string\nvar e = p", "// moved down\n\n\nparam p string\nvar e = p", []),
        ("param p string\nfunc f(x string) string => '${x}Z'\nvar e = f(p)",
         "param p string\nfunc f(x string) string => '${x}+01:00'\nvar e = f(p)", ["unknown"]),
        ("param p string\nfunc f(x string) string => '${x}Z'\nvar e = f(p)",
         "param p string\nparam q int\nfunc f(x string) string => '${x}Z'\nvar e = f(p)", []),
        ("resource s 'Microsoft.Storage/storageAccounts@2023-05-01' existing = { name: 'a' }\nvar e = s.properties.x",
         "resource s 'Microsoft.Storage/storageAccounts@2023-05-01' existing = { name: 'b' }\nvar e = s.properties.x",
         ["unknown"]),
        ("resource s 'Microsoft.Storage/storageAccounts@2023-05-01' existing = { name: 'a' }\nvar e = s.properties.x",
         "resource s 'Microsoft.Storage/storageAccounts@2023-05-01' existing = { name: 'a' }\nvar e = s.properties.x\n",
         []),
    ],
)  # fmt: skip
def test_unknown_on_both_sides_is_the_same_only_if_it_comes_of_the_same(
    *, write: Write, repo: Path, check: Check, before: str, after: str, effects: list[str]
) -> None:
    write("a.bicep", f"{before}\n{bicep('a', expiresOn='e')}")
    commit(repo)
    write("a.bicep", f"{after}\n{bicep('a', expiresOn='e')}")
    assert changes(check("--diff", "HEAD")) == ({"a": effects} if effects else {})


def test_what_is_unknown_for_want_of_an_option_does_not_differ_where_the_code_does_not(
    write: Write, repo: Path, check: Check
) -> None:
    computed = bicep("b").replace("name: 'b'", "name: guid(resourceGroup().id, 'b')")
    write("a.bicep", bicep("a") + computed)
    commit(repo)
    write("a.bicep", "// new\n" + bicep("a") + computed + bicep("c"))
    ran = check("--diff", "HEAD", place=False)
    assert (changes(ran), ran.json["diff"]["unchanged"]) == ({"c": ["added"]}, 2)
    write("a.bicep", bicep("a") + computed.replace("id, 'b'", "id, 'z'"))
    ran = check("--diff", "HEAD", place=False)
    (one,) = ran.json["diff"]["changes"]
    assert (one["effects"], ran.json["diff"]["unchanged"]) == (["unknown"], 1)


def test_an_end_that_is_computed_at_deployment_is_compared_as_if_it_were_deployed_now(
    write: Write, repo: Path, check: Check, capsys: pytest.CaptureFixture[str]
) -> None:
    text = "param now string = utcNow()\n" + bicep("a", expiresOn="dateTimeAdd(now, '{}')")
    write("a.bicep", text.replace("{}", "P30D", 1))
    commit(repo)
    write("a.bicep", text.replace("{}", "P90D", 1))
    from tests.cli.conftest import run_captured  # noqa: PLC0415 - without --now

    ran = run_captured(capsys, ["check", str(repo), "--diff", "HEAD", "--format", "json"])
    assert changes(ran) == {"a": ["extended", "changed"]}
    assert "60 days later" in said(ran, "a")["/properties/expiresOn"] or "60 days later" in str(
        ran.json["diff"]["changes"]
    )


def test_a_file_that_could_not_be_read_is_named_and_what_it_held_is_not_called_new(
    write: Write, repo: Path, check: Check
) -> None:
    write("a.json", json.dumps(arm("a"))[:-20])
    write("b.json", arm("b"))
    commit(repo)
    write("a.json", arm("a"))
    ran = check("--diff", "HEAD")
    assert (ran.code, changes(ran)) == (0, {"a": ["unknown"]})
    assert "was refused before, so what it holds is not known for certain" in said(ran, "a")[""]
    assert check("--diff", "HEAD", "--strict").code == 3
    commit(repo)
    write("a.json", json.dumps(arm("a"))[:-20])
    ran = check("--diff", "HEAD")
    assert (ran.code, changes(ran)) == (2, {"a": ["unknown"]})
    assert [one for one in ran.json["diff"]["runs"] if one.startswith("a.json: refused now")]


def test_what_was_there_before_does_not_count_and_is_still_named(write: Write, repo: Path, check: Check) -> None:
    write("broken.bicep", "resource x\n")
    write("late.bicep", bicep("late", expiresOn="'2029-01-01T00:00:00Z'"))
    commit(repo)
    write("fine.bicep", bicep("fine"))
    assert check().code == 2
    ran = check("--diff", "HEAD")
    assert ran.code == 0
    assert {one["path"] for one in ran.json["diff"]["as_before"]} == {"broken.bicep"}
    shown = check("--diff", "HEAD", form="text").out
    assert "error, as before" in shown
    assert "expiry-too-far" not in shown
    write("late.bicep", bicep("late", expiresOn="'2029-06-01T00:00:00Z'"))
    ran = check("--diff", "HEAD")
    assert ran.code == 1
    assert [one["state"] for one in ran.json["diff"]["findings"] if one["rule"] == "expiry-too-far"] == ["updated"]
    assert "expiry-too-far" in check("--diff", "HEAD", form="text").out
    assert check("--diff", "HEAD", "--fail-on", "high").code == 0
    write("late.bicep", bicep("late", expiresOn="'2028-06-01T00:00:00Z'"))
    assert check("--diff", "HEAD").code == 0  # still too far, and better than it was
    write("broken.bicep", "resource x\nresource y\n")
    assert check("--diff", "HEAD").code == 2


@pytest.mark.parametrize(("revision", "says"), [
    ("nothing", "'nothing' is no revision of this repository"), ("--all", "is no revision"), ("", "is no revision"),
    ("HEAD:a.bicep", "is no revision"), ("a\n::error::b", "is no revision"),
])  # fmt: skip
def test_what_is_no_revision_is_one_line(*, write: Write, repo: Path, check: Check, revision: str, says: str) -> None:
    write("a.bicep", bicep("a"))
    commit(repo)
    ran = check(f"--diff={revision}")
    assert (ran.code, ran.out) == (2, "")
    (line,) = ran.err.strip().splitlines()
    assert says in line
    assert not re.search(r"^\s*::", ran.err, re.MULTILINE)


def test_no_repository_a_compiler_and_a_shallow_clone_are_one_line(
    write: Write, repo: Path, check: Check, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from tests.cli.conftest import run_captured  # noqa: PLC0415 - elsewhere than in the repository

    (tmp_path / "none").mkdir()
    ran = run_captured(capsys, ["check", str(tmp_path / "none"), "--diff", "HEAD"])
    assert (ran.code, len(ran.err.strip().splitlines())) == (2, 1)
    assert "is in no working tree of git" in ran.err
    write("a.bicep", bicep("a"))
    first = commit(repo)
    commit(repo)
    assert "exclude each other" in check("--diff", "HEAD", "--compiler", "bicep").err
    git(tmp_path, "clone", "-q", "--depth", "1", f"file://{repo}", "shallow")
    ran = run_captured(capsys, ["check", str(tmp_path / "shallow"), "--diff", first])
    assert (ran.code, "The clone is shallow" in ran.err) == (2, True)


def test_a_submodule_is_not_read_before_and_what_is_in_it_may_be_new(
    write: Write, repo: Path, check: Check, tmp_path: Path
) -> None:
    inner = make(tmp_path / "inner")
    (inner / "a.bicep").write_text(bicep("a"))
    commit(inner)
    git(repo, "submodule", "add", "-q", f"file://{inner}", "sub")
    commit(repo)
    ran = check("--diff", "HEAD")
    assert changes(ran) == {"a": ["unknown"]}
    assert [(one["path"], one["message"]) for one in ran.json["diff"]["unread_before"]] == [
        ("sub", "it is a submodule; what it held is not read")
    ]


@pytest.mark.parametrize("text", HOSTILE[:-1])
@pytest.mark.parametrize("form", ["text", "markdown", "json", "sarif"])
def test_what_strangers_write_is_inert_in_what_is_printed(
    *, write: Write, repo: Path, check: Check, text: str, form: str
) -> None:
    write("a.json", arm("a", metadata={"owner": "x", text: "y"}, description="before"))
    commit(repo)
    write(
        "a.json", arm("a", metadata={"owner": text, text: text}, description=text, policyDefinitionReferenceIds=[text])
    )
    ran = check("--diff", "HEAD", form=form)
    for line in ran.out.splitlines():
        assert not re.match(r"\s*(::|##\[)", line)
        assert "\x1b" not in line
    if form == "markdown":
        assert "[click](" not in ran.out
        assert "<script>" not in ran.out
        rows = [line for line in ran.out.splitlines() if line.startswith("|")]
        assert len({len(re.findall(r"(?<!\\)\|", line)) for line in rows}) <= 2
    if form == "json":
        Draft202012Validator(check_schema.schema(), offline=True).validate(ran.json)
    if form == "sarif":
        assert [*sarif_problems(json.loads(ran.out))] == []


def test_sarif_marks_what_is_new(write: Write, repo: Path, check: Check) -> None:
    write("old.bicep", bicep("old", expiresOn="'2029-01-01T00:00:00Z'"))
    commit(repo)
    write("new.bicep", bicep("new", expiresOn="'2029-01-01T00:00:00Z'"))
    (run,) = json.loads(check("--diff", "HEAD", form="sarif").out)["runs"]
    found = {
        one["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]: one["baselineState"]
        for one in run["results"]
    }
    assert found == {"old.bicep": "unchanged", "new.bicep": "new"}
    assert run["baselineGuid"]
    (plain,) = json.loads(check(form="sarif").out)["runs"]
    assert "baselineGuid" not in plain
    assert not any("baselineState" in one for one in plain["results"])


def test_text_says_what_a_reviewer_asks(write: Write, repo: Path, check: Check) -> None:
    write("a.json", arm("a"))
    commit(repo)
    write("a.json", arm("a", expiresOn=LATER, policyDefinitionReferenceIds=[]))
    write("b.json", arm("b"))
    lines = check("--diff", "HEAD", form="text").out.splitlines()
    assert re.match(r"since HEAD \([0-9a-f]{12}\): 2 exemptions change: 1 added, 1 extended, 1 widened", lines[0])
    at = lines.index(next(line for line in lines if line.startswith("extended, widened: ")))
    assert lines[at + 1 : at + 4] == [
        "  at a.json:1",
        "  it ends 2027-06-30 00:00 UTC instead of 2027-03-31 00:00 UTC: 91 days later",
        "  it exempts from the whole assignment instead of tls",
    ]
    assert (
        "  exempts from net-b; policies: tls; Waiver; ends 2027-03-31 00:00 UTC; owner: web@contoso.com; ticket: SEC-1"
    ) in lines


def test_many_files_are_compared_by_several_processes(write: Write, repo: Path, check: Check) -> None:
    for number in range(130):
        write(f"m{number}.bicep", "param ends string\n" + bicep(f"n{number}", expiresOn="ends"))
        write(f"a{number}.bicep", f"module m 'm{number}.bicep' = {{ name: 'm', params: {{ ends: '{END}' }} }}\n")
    commit(repo)
    write("a7.bicep", f"module m 'm7.bicep' = {{ name: 'm', params: {{ ends: '{LATER}' }} }}\n")
    ran = check("--diff", "HEAD")
    assert (changes(ran), ran.json["diff"]["unchanged"]) == ({"n7": ["extended"]}, 129)
    assert through(ran, "n7") == {"a7.bicep:1"}


def test_nothing_is_written_and_the_index_stays(write: Write, repo: Path, check: Check) -> None:
    write("a.bicep", bicep("a"))
    commit(repo)
    write("a.bicep", bicep("a", expiresOn=f"'{LATER}'"))
    before: dict[Any, Any] = {path: path.stat().st_mtime_ns for path in sorted(repo.rglob("*"))}
    check("--diff", "HEAD")
    assert before == {path: path.stat().st_mtime_ns for path in sorted(repo.rglob("*"))}
