"""EPAC's files: what is read at once, and what character by character, comes to the same."""

import json
from random import Random
from typing import Any

import pytest

from guardrails.epac.instants import Runner
from guardrails.files.epac import read_epac
from guardrails.files.epac_table import read_table

RUNNER = Runner.of("Europe/Berlin", "en-US")
TEXTS = ("", "a", "2027-03-01T00:00:00Z", "2027-03-01T00:00:00+02:00", "/Date(1000)/", "/subscriptions/x", 'a "b"', "é")


def value(random: Random, depth: int) -> Any:
    kind = random.randrange(6) if depth else 0
    if kind == 1:
        return {random.choice("abcd"): value(random, depth - 1) for _ in range(random.randrange(4))}
    if kind == 2:
        return [value(random, depth - 1) for _ in range(random.randrange(4))]
    return random.choice((*TEXTS, 1, -1.5, True, False, None))


def said(text: str) -> list[Any]:
    """Return all that is known of the entries of a file, with the place of each field."""
    file = read_epac(text.encode(), "a.jsonc", RUNNER)
    assert (file.broken, file.uncertain) == (None, "")
    return [
        (one.number, one.place, repr(one.fields), {name: one.place_of(name) for name in one.fields or ()}, one.places)
        for one in file.entries
    ]


@pytest.mark.parametrize("seed", range(20))
def test_an_entry_with_a_comment_says_the_same_as_without(seed: int) -> None:
    random = Random(seed)  # noqa: S311
    entries = [{random.choice("abcdefgh"): value(random, 3) for _ in range(random.randrange(6))} for _ in range(5)]
    plain = json.dumps({"exemptions": entries}, indent=4, ensure_ascii=False)
    assert said(plain) == said(plain.replace("        ", "   /**/ "))


@pytest.mark.parametrize(
    ("entry", "kept"),
    [
        ('{"a": "\\u0041"}', {"a": "A"}),
        ('{"a": "tab\there"}', {"a": "tab\there"}),
        ('{"a": 1, "a": 2}', {"a": 2}),
        ("{'a': 'b'}", {"a": "b"}),
        ("{a: [1,],}", {"a": [1]}),
    ],
)
def test_an_entry_that_is_not_json_for_everybody_is_read_as_powershell_reads_it(entry: str, kept: Any) -> None:
    (one,) = read_epac(f'{{"exemptions": [{entry}]}}'.encode(), "a.json", RUNNER).entries
    assert one.fields == kept
    assert one.place_of("a").column == (26 if "2" in entry else 18)


@pytest.mark.parametrize(
    "word", ["NaN", "Infinity", "-Infinity", '"\\ud83d"', "1e400", "-1e999", "9" * 305, f"1.{'0' * 305}", "9" * 5000]
)
@pytest.mark.parametrize("key", ['"a"', "a"])
def test_what_powershell_may_read_otherwise_is_uncertain(word: str, key: str) -> None:
    assert read_epac(f'{{"exemptions": [{{{key}: {word}}}]}}'.encode(), "a.json", RUNNER).uncertain


def test_blanks_of_all_kinds_are_between_the_marks_of_json() -> None:
    text = '{"exemptions":\u2003[\x85{\u3000"a"\u00a0:\u20281}]}\x0b'
    assert [one.fields for one in read_epac(text.encode(), "a.json", RUNNER).entries] == [{"a": 1}]


def test_a_key_that_is_there_twice_is_noted_with_its_place() -> None:
    (note,) = read_epac(b'{"exemptions": [{"a": 1, "a": 2}]}', "a.json", RUNNER).notes
    assert (note.place.column, note.message) == (26, "the key 'a' is there twice; the last one counts")


def test_cells_are_read_as_powershell_reads_them() -> None:
    text = 'a,"b ""c""",\td e ,f  ,"g"h,i"j, \r\n"x\ny",,"open,'
    header, record = (table := read_table(text, "a.csv")).header, table.records[0]
    assert [cell.text for cell in header] == ["a", 'b "c"', "d e ", "f ", "gh", 'i"j']
    assert [cell.text for cell in record] == ["x\ny", "", "open,"]
    assert [cell.open for cell in record] == [False, False, True]
    assert [table.lines.place(cell.at)[1:] for cell in header] == [(1, 1), (1, 3), (1, 14), (1, 19), (1, 23), (1, 28)]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("name,scope,NAME\nx,y,z\n", "two columns are called 'NAME'"),
        ("# of the team\nname,scope,NAME\nx,y,z\n", "two columns are called 'NAME'"),
    ],
)
def test_a_table_that_powershell_may_read_in_two_ways_is_uncertain(text: str, why: str) -> None:
    file = read_epac(text.encode(), "a.csv", RUNNER)
    assert why in file.uncertain
    assert (file.broken, file.entries) == (None, ())


def test_a_table_with_two_columns_of_one_name_is_one_note_with_its_place() -> None:
    (note,) = read_epac(b"name,scope,NAME\nx,y,z\n", "a.csv", RUNNER).notes
    assert (note.place.line, note.place.column) == (1, 12)


@pytest.mark.parametrize("behind", ["", ",", ", ", ',"', ', "'])
def test_nothing_behind_the_last_comma_of_a_file_is_no_cell(behind: str) -> None:
    (one,) = read_epac(f"name,scope\nx{behind}".encode(), "a.csv", RUNNER).entries
    assert one.fields == {"name": "x", "scope": None}


@pytest.mark.parametrize("text", ['name,"scope\nx,y', 'name,scope\nx,"', 'name,scope\nx,"y\nz,w'])
def test_a_quote_that_is_never_closed_is_noted_with_its_place(text: str) -> None:
    (note,) = read_epac(text.encode(), "a.csv", RUNNER).notes
    assert note.message == "a quote is never closed"
    assert text.splitlines()[note.place.line - 1][note.place.column - 1] == '"'
