"""Wide, combining and emoji characters in a terminal: each is shown once, and lines are measured in cells."""

from collections import Counter
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from guardrails.channels.text import plain
from guardrails.cli.screen import LONGEST, Cell, Screen
from guardrails.cli.wrapping import cells, wrapped

from .terminal import Seen, terminal

WIDTHS = (40, 60, 80)
CJK = "".join(map(chr, range(0x4E00, 0x4E00 + 60)))
"""Sixty characters of two cells, no two the same."""
EMOJI = "".join(map(chr, range(0x1F600, 0x1F600 + 45)))
MARKED = "".join(f"{chr(0x5D0 + n % 26)}\u0323" for n in range(90))
"""Ninety characters of one cell, each with a mark of none."""
HEARTS = "\u2764\ufe0f" * 50
"""Fifty characters that are wide for their variation selector alone."""
MIXED = f"vendor {CJK[:20]}, then {EMOJI} a{MARKED[:41]} 例外abc{CJK}xyz"
TEXTS = (CJK, EMOJI, MARKED, HEARTS, MIXED, "例" * 60, "例外 " * 40, "e\u0301\u0302" * 60, "か\u3099き\u309a" * 30)
GUID = "11111111-1111-1111-1111-111111111111"

each_width = pytest.mark.parametrize("width", WIDTHS)
each_text = pytest.mark.parametrize("text", TEXTS)


def strange(text: str) -> Counter[str]:
    """How often each character of a text occurs that is not ours: neither ASCII nor the line below the headings."""
    return Counter(char for char in text if not char.isascii() and char not in "─╶╴" and not char.isspace())


def check(seen: Seen, *texts: str) -> None:
    """Fail where a character is lost or doubled, a mark is parted from its character, or a line is too wide.

    One word of narrow characters may be too wide: the terminal wraps it, so that it can be copied.
    """
    assert strange("".join(seen.lines)) == strange("".join(plain(text, LONGEST) for text in texts)), seen.lines
    for line in seen.lines:
        word = line.strip()
        assert cell_len(line) <= seen.width or (" " not in word and cell_len(word) <= len(word)), line
        assert cell_len(line.strip()[:1]) or not line, line


def table(width: int, columns: Sequence[str], *rows: Sequence[Cell]) -> Seen:
    with terminal(width) as seen:
        Screen().table(columns, rows)
    return seen


@each_width
@each_text
def test_a_line_shows_every_character_once(width: int, text: str) -> None:
    with terminal(width) as seen:
        Screen().line(text, indent=3)
    check(seen, text)


@each_width
@each_text
def test_a_note_shows_every_character_once(width: int, text: str) -> None:
    with terminal(width) as seen:
        Screen().problem(text, (f"  {text}",))
    check(seen, text, text)


@each_width
@each_text
def test_one_column_shows_every_character_once(width: int, text: str) -> None:
    check(table(width, ("only",), (text,)), text)


@each_width
@each_text
def test_a_table_shows_every_character_once(width: int, text: str) -> None:
    check(table(width, ("code", "name", "reason"), ("EXG101", "例外", text), ("EXG102", "e\u0301", text)),
          "例外", text, "\u00e9", text)  # fmt: skip


@each_width
@each_text
def test_columns_below_and_records_show_every_character_once(width: int, text: str) -> None:
    check(table(width, ("code", "name", "group", "reason"), ("EXG101", text, CJK[:15], [text, "例外"])),
          text, CJK[:15], text, "例外")  # fmt: skip


@each_width
def test_characters_whose_width_depends_on_the_version_of_unicode_are_not_lost(width: int) -> None:
    hexagrams = "".join(map(chr, range(0x4DC0, 0x4E00)))
    for columns in (("only",), ("code", "reason"), ("a", "b", "c", "d")):
        seen = table(width, columns, [hexagrams] * len(columns))
        assert strange("".join(seen.lines)) == strange(hexagrams * len(columns)), seen.lines


@each_width
def test_the_order_of_characters_stays(width: int) -> None:
    seen = table(width, ("only", "other"), (CJK, CJK))
    shown = "".join(char for line in seen.lines for char in line if not char.isascii())
    assert CJK + CJK in shown


def test_a_wide_word_fills_the_lines() -> None:
    assert wrapped("例" * 9, 8) == ["例" * 4, "例" * 4, "例"]
    assert wrapped("abc " + "例" * 6, 9, whole=True) == ["abc 例例", "例" * 4]


@each_width
def test_an_id_that_is_to_be_copied_stays_on_one_line_with_wide_characters_too(width: int) -> None:
    id_ = f"/subscriptions/{GUID}/resourceGroups/{CJK[:30]}"
    assert id_ in wrapped(f"at {id_} there", width, whole=True)


@each_width
def test_a_guid_that_fits_on_a_line_is_not_broken_in_a_record(width: int) -> None:
    id_ = f"/subscriptions/{GUID}/resourceGroups/rg-ingestion"
    seen = table(width, ("assignment", "a heading that is long", "subscription"), (id_, GUID, id_))
    assert sum(GUID in line for line in seen.lines) == 3, seen.lines


INDENT = st.sampled_from(["", "  "])


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=200), st.integers(4, 90), INDENT, INDENT)
def test_wrapping_loses_nothing(text: str, width: int, first: str, hang: str) -> None:
    shown = plain(text, LONGEST)
    for whole in (True, False):
        lines = wrapped(shown, width, first=first, hang=hang, whole=whole)
        assert "".join("".join(lines).split()) == "".join(shown.split())
        assert whole or all(cells(line) <= width for line in lines)


def test_a_step_that_fits_below_but_not_on_the_first_line_breaks() -> None:
    assert wrapped("abcdefgh", 8, first="  ") == ["  abcdef", "gh"]
