"""The cases beside the repository, each with the value that is right and why."""

import json
from pathlib import Path

import pytest

from tests.cases.judging import Right, judge

CASES = Path(__file__).parents[2] / ".." / "shared" / "cases"
FOLDERS = sorted(path.parent for path in CASES.glob("*/expect.json"))


@pytest.mark.skipif(not FOLDERS, reason="the cases are not beside the repository")
def test_there_are_cases() -> None:
    assert len(FOLDERS) >= 14


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda path: path.name)
def test_a_case_comes_out_right(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    right = Right.from_json(json.loads((folder / "expect.json").read_text(encoding="utf-8")))
    assert right.wrong_in(judge(capsys, folder / "exemptions.json")) == []
