"""The command's JSON is what Microsoft's compiler and engine make of the same files: nothing known is wrong."""

import json
from pathlib import Path

import pytest

from .command import FOLDER, Tally, _compare, compare_expressions, compare_templates

recorded = pytest.mark.skipif(not FOLDER.is_dir(), reason="the recorded answers of the engine are not here")
COMPLETE = 0.9


@recorded
def test_templates_are_what_the_engine_makes_of_them() -> None:
    tally = compare_templates()
    print(f"templates: {tally}")
    assert tally.wrong == []
    assert tally.compared > 700
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
    deployment = {"paths": ["a.bicep"], "outcome": "deploys", "parameters": None, "outputs": {}, "unknown": []}
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
