"""The table of criteria: what a file may say, and what is wrong with it."""

import json
from pathlib import Path
from typing import Any

import pytest

from guardrails.criteria.table import OWN, load_table, own_table, parse_table
from guardrails.errors import Misconfigured

GUID = "013e242c-8828-4970-87b3-ab247555486d"
SAID = {"initiative": {"id": GUID, "name": "x", "version": "1"}, "technical": {GUID: ["A1"]}, "manual": {}}


def test_the_file_is_written_as_it_is_shipped() -> None:
    assert own_table().to_text() == OWN.read_text(encoding="utf-8")


def test_guids_count_in_any_casing() -> None:
    table = parse_table({**SAID, "technical": {GUID.upper(): ["A1", "A1"]}}, "x")
    assert table.technical == {GUID: ("A1",)}


@pytest.mark.parametrize(
    "said",
    [
        None,
        [],
        {},
        {**SAID, "initiative": {"id": "x", "name": "x", "version": "1"}},
        {**SAID, "initiative": {"id": GUID, "name": 7, "version": "1"}},
        {**SAID, "technical": []},
        {**SAID, "technical": {}},
        {**SAID, "technical": {"x": ["A1"]}},
        {**SAID, "technical": {GUID: "A1"}},
        {**SAID, "technical": {GUID: []}},
        {**SAID, "technical": {GUID: [7]}},
        {**SAID, "manual": {GUID: ["A1"]}},
    ],
    ids=str,
)
def test_a_table_with_mistakes_is_refused(said: Any) -> None:
    with pytest.raises(Misconfigured) as raised:
        parse_table(said, "x")
    assert raised.value.code == "criteria-broken"
    assert raised.value.problems


@pytest.mark.parametrize("text", [None, "", "{", "[" * 100_000])
def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path, text: str | None) -> None:
    path = tmp_path / "criteria.json"
    if text is not None:
        path.write_text(text, encoding="utf-8")
    with pytest.raises(Misconfigured, match="the table of criteria"):
        load_table(path)


def test_a_file_of_ones_own_is_read(tmp_path: Path) -> None:
    path = tmp_path / "criteria.json"
    path.write_text(json.dumps(SAID), encoding="utf-8")
    assert load_table(path).totals == {"A1": 1}
