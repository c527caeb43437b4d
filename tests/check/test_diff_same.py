"""`check --diff`: form, order and file names bring nothing; what is not looked at is not called gone."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.files.repositories import commit, git, make

from .conftest import ASSIGNMENT, Check, Write, bicep
from .test_diff import LATER, changes, said

ENDS = "param ends string\n" + bicep("w", expiresOn="ends")


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    return make(tmp_path / "repo")


def repeating(*names: str) -> str:
    """A Bicep file whose exemptions have the same effect: all but the first repeat another."""
    return "".join(bicep(name, policyAssignmentId=f"'{ASSIGNMENT}'") for name in names)


@pytest.mark.parametrize(
    "rewrite",
    [
        lambda text: f"// a comment\n\n{text}",
        lambda text: text.replace("\n", "\n\n"),
        lambda text: text.replace("\n", "\r\n"),
        lambda _: repeating("b", "a", "c"),
    ],
    ids=["comment", "blank lines", "line ends", "order"],
)
def test_form_and_order_bring_no_finding(
    *, write: Write, repo: Path, check: Check, rewrite: Callable[[str], str]
) -> None:
    text = repeating("a", "b", "c")
    write("x.bicep", text)
    commit(repo)
    write("x.bicep", rewrite(text))
    ran = check("--diff", "HEAD")
    assert (ran.code, changes(ran)) == (0, {})
    found = {one["state"] for one in ran.json["diff"]["findings"] if one["rule"] == "duplicate"}
    assert found == {"unchanged"}


def test_another_file_name_brings_no_finding(write: Write, repo: Path, check: Check) -> None:
    write("x.bicep", repeating("a", "b"))
    commit(repo)
    git(repo, "mv", "x.bicep", "y.bicep")
    ran = check("--diff", "HEAD")
    assert (ran.code, changes(ran)) == (0, {})
    assert {one["state"] for one in ran.json["diff"]["findings"]} == {"unchanged"}


@pytest.mark.parametrize(
    ("after", "rule_states"),
    [
        (repeating("a", "b") + bicep("c", policyAssignmentId=f"'{ASSIGNMENT}'"), {"c": "new"}),
        (repeating("b") + bicep("a", policyAssignmentId=f"'{ASSIGNMENT}'", expiresOn=f"'{LATER}'"), {"a": "new"}),
    ],
)
def test_a_repetition_that_is_new_or_of_a_changed_exemption_counts(
    *, write: Write, repo: Path, check: Check, after: str, rule_states: dict[str, str]
) -> None:
    write("x.bicep", repeating("a", "b"))
    commit(repo)
    write("x.bicep", after)
    ran = check("--diff", "HEAD")
    answer = ran.json
    found = {
        answer["exemptions"][one["exemption"]]["name"]: one["state"]
        for one in answer["diff"]["findings"]
        if one["rule"] == "duplicate" and one["counts"]
    }
    assert (ran.code, found) == (1, rule_states)


def test_a_path_that_is_on_neither_side_is_an_error(write: Write, repo: Path, check: Check) -> None:
    write("a.bicep", bicep("a"))
    commit(repo)
    ran = check("--diff", "HEAD", paths=("a.bicep", "infar"))
    assert ran.code == 2
    assert [one["path"] for one in ran.json["errors"]] == ["infar"]
    assert (ran.json["diff"]["as_before"], ran.json["diff"]["unchanged"]) == ([], 1)


def test_what_gitignore_leaves_out_is_not_called_removed_nor_new(write: Write, repo: Path, check: Check) -> None:
    write("a.bicep", bicep("a"))
    write("sub/b.bicep", bicep("b"))
    commit(repo)
    write(".gitignore", "a.bicep\nsub/\n")
    ran = check("--diff", "HEAD")
    assert changes(ran) == {"a": ["unknown"], "b": ["unknown"]}
    assert said(ran, "b")[""] == "it may be removed: .gitignore leaves sub/b.bicep out now, so it is not checked"
    assert check("--diff", "HEAD", "--strict").code == 3
    commit(repo)
    (repo / ".gitignore").unlink()
    ran = check("--diff", "HEAD")
    assert changes(ran) == {"a": ["unknown"], "b": ["unknown"]}
    assert "it may be new: .gitignore left a.bicep out before" in said(ran, "a")[""]


def test_a_second_deployment_of_the_same_id_is_compared_with_the_first(write: Write, repo: Path, check: Check) -> None:
    write("main.bicep", ENDS)
    write("a.bicepparam", "using 'main.bicep'\nparam ends = '2027-03-31T00:00:00Z'\n")
    commit(repo)
    write("b.bicepparam", f"using 'main.bicep'\nparam ends = '{LATER}'\n")
    ran = check("--diff", "HEAD")
    assert changes(ran) == {"w": ["extended", "changed"]}
    assert "deploys it now, too" in said(ran)[""]
    commit(repo)
    (repo / "a.bicepparam").unlink()
    ran = check("--diff", "HEAD")
    assert changes(ran) == {"w": ["extended", "changed"]}
    assert said(ran)[""].endswith("main.bicep with b.bicepparam still does")


def test_a_link_out_of_the_repository_was_there_before(write: Write, repo: Path, check: Check, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    write("a.bicep", bicep("a"))
    (repo / "out").symlink_to(tmp_path / "elsewhere")
    (repo / "out.bicep").symlink_to(tmp_path / "none.bicep")
    commit(repo)
    ran = check("--diff", "HEAD")
    assert ran.code == 0
    assert {one["path"] for one in ran.json["diff"]["as_before"]} == {"out", "out.bicep"}


def test_a_name_of_a_tag_and_a_branch_is_said(write: Write, repo: Path, check: Check) -> None:
    write("a.bicep", bicep("a"))
    first = commit(repo)
    write("a.bicep", bicep("a", expiresOn=f"'{LATER}'"))
    commit(repo)
    git(repo, "tag", "main", first)
    noted = "main is the name of more than one tag or branch"
    ran: Any = check("--diff", "main")
    assert changes(ran) == {"a": ["extended"]}
    assert [one for one in ran.json["notes"] if one.startswith(noted)]
    ran = check("--diff", "refs/heads/main")
    assert changes(ran) == {}
    assert not [one for one in ran.json["notes"] if noted in one]
