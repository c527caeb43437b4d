"""`register bypasses`: whatever strangers wrote, each form is what it should be."""

import csv
import io
import json
from dataclasses import fields, replace
from datetime import UTC, datetime

import pytest

from guardrails.bypasses.model import Bypass, BypassKind

from .conftest import Run
from .shelf import FIRST, Shelf
from .test_register_bypasses import GOOD, keep, kept

TEXTS = [
    "=cmd|' /C calc'!A0", "\t=1+1", "\u200b@SUM(A1)", "\uff1d1", "<script>alert(1)</script>",
    "\x1b[31m\x1b]8;;evil\x07",
    "\u202etxt.exe", "a\r\nb\n- c", '","', "| x | [y](http://evil)", "\ud800", "x" * 20_000, "\x00",
]  # fmt: skip
STRANGE = ("subject", "name", "detail", "who", "owner", "ticket", "review")


def hostile(text: str, number: int) -> Bypass:
    assert set(STRANGE) < {field.name for field in fields(Bypass)}
    scope = f"{FIRST}/resourceGroups/g{number}"
    return replace(GOOD, scope=scope, **dict.fromkeys(STRANGE, text), ends_problem=text, ends=None)  # type: ignore[arg-type]


@pytest.fixture
def full(shelf: Shelf) -> Shelf:
    keep(shelf, *(kept(hostile(text, number)) for number, text in enumerate(TEXTS)))
    return shelf


@pytest.mark.parametrize("form", ["table", "csv", "json"])
def test_nothing_moves_the_terminal(run: Run, full: Shelf, form: str) -> None:
    ran = run("register", "bypasses", "--format", form)
    assert ran.code == 0
    assert all(char.isprintable() or char in "\r\n" for char in ran.out + ran.err)


def test_a_line_of_the_table_and_of_the_csv_each(run: Run, full: Shelf) -> None:
    assert len(run("register", "bypasses").out.splitlines()) == len(TEXTS) + 1
    rows = list(csv.DictReader(io.StringIO(run("register", "bypasses", "--format", "csv").out)))
    assert len(rows) == len(TEXTS)
    for one in rows:
        assert None not in one
        assert not any(value.startswith(("=", "+", "-", "@", "\uff1d", "\t")) for value in one.values())


def test_json_says_it_all(run: Run, full: Shelf) -> None:
    ran = run("register", "bypasses", "--format", "json")
    assert ran.out.isascii()
    assert {one["ticket"] for one in json.loads(ran.out)} == set(TEXTS)


def test_an_end_at_the_edge_of_time_and_none_are_in_order(run: Run, shelf: Shelf) -> None:
    ends = [None, datetime.max.replace(tzinfo=UTC), datetime.min.replace(tzinfo=UTC)]
    keep(shelf, *(kept(replace(GOOD, scope=f"{FIRST}/resourceGroups/g{n}", ends=end)) for n, end in enumerate(ends)))
    rows = run("register", "bypasses", "--kind", str(BypassKind.TAG), "--format", "json").json
    assert [one["severity"] for one in rows] == ["high", "medium", None]
