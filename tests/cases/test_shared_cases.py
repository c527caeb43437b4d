"""Cases, each with the value that is right and why: our own, and those beside the repository where they are."""

import json
from pathlib import Path

import pytest

from tests import reference
from tests.cases.judging import Right, judge

FOLDERS = [path.parent for path in reference.files("cases", "expect.json")]


@pytest.mark.parametrize("place", reference.places("cases"), ids=reference.label)
def test_there_are_cases(place: Path) -> None:
    assert sum(folder.parent == place for folder in FOLDERS) >= (5 if place.is_relative_to(reference.OWN) else 14)


@pytest.mark.parametrize("folder", FOLDERS, ids=reference.label)
def test_a_case_comes_out_right(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    right = Right.from_json(json.loads((folder / "expect.json").read_text(encoding="utf-8")))
    assert right.wrong_in(judge(capsys, folder / "exemptions.json")) == []
