"""Tables of any width: what is short is never broken, what is long wraps in the last column, and nothing is lost."""

import io
import re
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from guardrails.cli.tables import drawn
from guardrails.cli.wrapping import wrapped

SCOPE = (
    "/subscriptions/11111111-1111-1111-1111-111111111111/resourceGroups/rg-ingestion/providers/Microsoft.Storage"
    "/storageAccounts/stingestion01"
)
WIDTHS = (40, 60, 80, 120, 200)


def shown(columns: Sequence[str], rows: Sequence[Sequence[Sequence[str]]], width: int) -> list[str]:
    """The lines of a table, as a terminal of that width has them."""
    console = Console(file=io.StringIO(), width=width, highlight=False, no_color=True, legacy_windows=False)
    console.print(drawn(columns, rows, width, styles={"high": "red"}, lines=False))
    assert isinstance(console.file, io.StringIO)
    return [line.rstrip() for line in console.file.getvalue().splitlines()]


@pytest.mark.parametrize("width", WIDTHS)
def test_codes_names_dates_and_numbers_stay_whole(width: int) -> None:
    columns = ("code", "rule", "since", "count", "where")
    rows = [
        [
            ["EXG406"],
            ["assignment-not-applicable"],
            ["2026-11-29T09:30:00Z"],
            ["1,204"],
            ["sql-baseline", f"at {SCOPE}"],
        ],
        [
            ["EXG101", "EXG201?"],
            ["expiry-missing"],
            ["-"],
            ["0"],
            ["a resource that waits for the vendor's next release"],
        ],
    ]
    lines = shown(columns, rows, width)
    assert all(len(line) <= width for line in lines)
    for whole in (
        "EXG406", "EXG101", "EXG201?", "assignment-not-applicable", "expiry-missing", "2026-11-29T09:30:00Z", "1,204",
        "sql-baseline", "11111111-1111-1111-1111-111111111111", "Microsoft.Storage", "vendor's",
    ):  # fmt: skip
        if len(whole) < width - 10:
            assert any(whole in line for line in lines), (whole, lines)


@pytest.mark.parametrize("width", WIDTHS[1:])
def test_an_id_is_broken_behind_its_slashes_and_is_whole_without_the_line_breaks(width: int) -> None:
    lines = shown(("field", "value"), [[["id"], [SCOPE]]], width)
    parts = [line[7:].strip() for line in lines if "─" not in line and not line.startswith("field  ")]
    assert "".join(parts) == SCOPE
    assert all(part.endswith("/") for part in parts[:-1])


def test_columns_that_do_not_fit_go_below_the_last_from_the_right_and_then_all() -> None:
    columns, row = (
        ("code", "rule", "grace", "means"),
        [["EXG101"], ["expiry-missing"], ["30d"], ["An exemption must end"]],
    )
    wide, narrow, slim = (shown(columns, [row], width) for width in (80, 50, 28))
    assert wide[0].split() == ["code", "rule", "grace", "means"]
    assert narrow[0].split() == ["code", "rule", "means"]
    assert [line.strip() for line in narrow[2:]] == ["EXG101  expiry-missing  An exemption must end", "grace: 30d"]
    assert slim == ["code:  EXG101", "rule:  expiry-missing", "grace: 30d", "means: An exemption must end"]


def test_an_empty_cell_has_no_line_of_its_own_below() -> None:
    rows = [[["EXG101"], [""], ["An exemption must end"]], [["EXG102"], ["30d"], ["An exemption must end soon"]]]
    assert sum("grace:" in line for line in shown(("code", "grace", "means"), rows, 34)) == 1


TEXT = st.text(st.characters(codec="ascii", categories=("L", "N", "P")), min_size=1, max_size=12)
LINE = st.lists(TEXT, min_size=1, max_size=12).map(" ".join)


@given(st.lists(st.tuples(TEXT, TEXT, LINE), min_size=1, max_size=5), st.sampled_from(WIDTHS))
def test_nothing_is_lost_and_no_word_is_broken(cells: list[tuple[str, str, str]], width: int) -> None:
    rows = [[[one] for one in row] for row in cells]
    lines = shown(("one", "two", "three"), rows, width)
    words = " ".join(lines).split()
    for row in cells:
        for word in " ".join(row).split():
            assert word in words, (word, lines)
    assert all(len(line) <= width for line in lines)


@given(LINE, st.integers(16, 90))
def test_lines_keep_every_word_whole(text: str, width: int) -> None:
    lines = wrapped(text, width, first="  ", hang="    ", whole=True)
    assert " ".join(" ".join(lines).split()) == " ".join(text.split())
    assert all(len(line) <= width or len(line.split()) == 1 or "`" in line for line in lines)


def test_what_is_in_backticks_stays_on_a_line() -> None:
    lines = wrapped("the register has never seen it. `python -m guardrails reconcile ID` looks at it", 50, whole=True)
    assert lines == ["the register has never seen it.", "`python -m guardrails reconcile ID` looks at it"]
    assert re.fullmatch(r"`a( bb)+`", " ".join(wrapped("`a bb bb bb bb bb bb`", 8)))
