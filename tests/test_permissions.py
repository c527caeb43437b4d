"""The comparison of roles with what was called can fail, both ways. It runs after all tests: tests/permissions.py."""

from pathlib import Path

import pytest

from tests import permissions
from tests.permissions import NAMES, OPTIONAL, allowed, main


def written(folder: Path, *more: str, without: str = "") -> Path:
    called = {action for name in NAMES for action in allowed(name)} - {without}
    (folder / "1.txt").write_text("".join(f"{one.lower()}\n" for one in (*called, *OPTIONAL)), encoding="utf-8")
    (folder / "2.txt").write_text("".join(f"{one}\n" for one in more), encoding="utf-8")
    return folder


def test_the_same_is_no_problem(tmp_path: Path) -> None:
    assert main(written(tmp_path)) == 0


def test_a_call_that_no_role_allows_is_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(written(tmp_path, "Microsoft.Authorization/roleAssignments/write")) == 1
    assert "no role allows microsoft.authorization/roleassignments/write" in capsys.readouterr().out


def test_an_action_that_nothing_called_is_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(written(tmp_path, without="Microsoft.Authorization/policyExemptions/delete")) == 1
    assert "the role enforcer allows Microsoft.Authorization/policyExemptions/delete" in capsys.readouterr().out


def test_nothing_recorded_is_no_pass(tmp_path: Path) -> None:
    assert main(tmp_path) == 1


def test_no_role_of_the_service_has_a_wildcard() -> None:
    assert [action for name in permissions.NAMES for action in allowed(name) if "*" in action] == []
