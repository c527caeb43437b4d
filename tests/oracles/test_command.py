"""The command's JSON is what Microsoft's compiler and engine make of the same files: nothing known is wrong."""

import json
import sys
from pathlib import Path

import pytest

from .bicep import FOLDER
from .command import Tally, _compare, answer_of, compare_expressions, compare_templates

recorded = pytest.mark.skipif(not FOLDER.is_dir(), reason="the recorded answers of the engine are not here")
COMPLETE = 0.9
ROOT = Path(__file__).parents[2]


@recorded
def test_templates_are_what_the_engine_makes_of_them() -> None:
    tally = compare_templates()
    print(f"templates: {tally}")
    assert tally.wrong == []
    assert tally.compared > 600
    assert tally.share >= COMPLETE


@recorded
def test_expressions_are_what_the_engine_makes_of_them() -> None:
    tally = compare_expressions()
    print(f"expressions: {tally}")
    assert tally.wrong == []
    assert tally.compared > 500
    assert tally.share >= COMPLETE


EXPECTED = {
    "file": "a.bicep",
    "exemptions": [{"id": "/x", "name": "x", "properties": {"a": 1, "b": {"$unknown": "y"}}}],
}


def said(**exemption: object) -> dict[str, object]:
    one = {"id": "/x", "name": "x", "apiVersion": "v", "deployed": True, "unknown": [{"at": "/properties/b"}]}
    one |= {"properties": {"a": 1, "b": None}} | exemption
    deployment: dict[str, object] = {
        "paths": ["a.bicep"],
        "outcome": "deploys",
        "parameters": None,
        "outputs": {},
        "unknown": [],
    }
    return {"deployments": [deployment], "exemptions": [one]}


@pytest.mark.parametrize(
    ("answer", "wrong", "known"),
    [
        (said(), 0, 3),
        (said(properties={"a": 2, "b": None}), 1, 3),
        (said(properties={"a": "1", "b": None}), 1, 3),
        (said(properties={"a": 1.0, "b": None}), 1, 3),
        (said(unknown=[]), 1, 3),
        (said(properties={"a": None, "b": None}, unknown=[{"at": "/properties/a"}, {"at": "/properties/b"}]), 0, 2),
        (said(properties=None, unknown=[{"at": "/properties"}]), 0, 2),
        (said(id=None, unknown=[{"at": "/id"}, {"at": "/properties/b"}]), 0, 2),
        (said(id="/other"), 2, 0),
        (said(deployed=False), 1, 0),
        (said(properties={"a": 1, "b": None, "more": 1}), 1, 3),
    ],
)
def test_a_comparison_sees_what_differs(answer: dict[str, object], wrong: int, known: int, tmp_path: Path) -> None:
    tally = Tally()
    _compare(json.loads(json.dumps(EXPECTED)), json.loads(json.dumps(answer)), tally)
    assert (len(tally.wrong), tally.known) == (wrong, known)


@recorded
def test_a_compiler_with_the_recorded_answers_agrees(tmp_path: Path) -> None:
    compiler = tmp_path / "bicep"
    compiler.write_text(f'#!/bin/sh\ncd "{ROOT}" && exec "{sys.executable}" -S -m tests.oracles.compiler "$@"\n')
    compiler.chmod(0o700)
    files = [one for one in sorted(FOLDER.glob("*.bicep")) if (FOLDER / "expected" / f"{one.stem}.json").is_file()]
    assert len(files) > 40
    said = answer_of(files, "--compiler", str(compiler))
    refused = {one["paths"][0] for one in said["deployments"] if one["outcome"] == "refused"}
    assert [one for one in said["errors"] if one["path"] not in refused] == []
