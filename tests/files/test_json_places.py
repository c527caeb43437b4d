"""JSON is read with the place of every value; a fault has its place, and hides nothing behind it."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guardrails.evaluation.expressions import Array, Literal, Node, Object, Opaque
from guardrails.files.json_places import Fault, Lines, decoded, member, members, read

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner),
    max_leaves=20,
)


def plain(node: Node | None) -> Any:
    if isinstance(node, Object):
        return {one.key: plain(one.value) for one in members(node)}
    if isinstance(node, Array):
        return [plain(item) for item in node.items]  # type: ignore[arg-type]
    if isinstance(node, Literal):
        return node.value
    assert isinstance(node, Opaque)
    return "?"


def faults(text: str) -> list[str]:
    return [f"{one.place.line}:{one.place.column} {one.message}" for one in read(text, "a.json").faults]


@given(VALUES, st.sampled_from([None, 0, 2]), st.booleans())
def test_json_is_read_as_it_is(value: Any, indent: int | None, ascii_: bool) -> None:
    found = read(json.dumps(value, indent=indent, ensure_ascii=ascii_), "a.json")
    assert [one for one in found.faults if one.fatal] == []
    assert plain(found.root) == value


@given(st.text(st.sampled_from('{}[]:,"\\a1- \n/*eE.'), max_size=40))
def test_whatever_the_text_it_ends_and_agrees_with_the_standard_library(text: str) -> None:
    found = read(text, "a.json")
    try:
        wanted = json.loads(text, strict=False)
    except ValueError:
        assert found.faults or "/" in text  # comments
    else:
        assert [one for one in found.faults if one.fatal] == []
        if not found.faults:
            assert plain(found.root) == wanted


def test_places() -> None:
    root = read('{\n  "a": {"b": [1,\n "[x]"]},\n\t"é": "[y]"\n}', "f.json").root
    a = member(root, "A")
    b = member(a, "b")
    assert isinstance(b, Array)
    assert [item.place[1:] for item in b.items] == [(2, 15), (3, 2)]
    assert (a and a.place, member(root, "é")) == (("f.json", 2, 3), Literal("[y]", ("f.json", 4, 7)))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ["1:1 it is empty"]),
        ("\n  \n", ["1:1 it is empty"]),
        ('{"a": 1,}', ["1:8 there is a comma behind the last item, which not every tool reads"]),
        ("[1, 2 3]", ["1:7 there is no comma between two items"]),
        ('{"a" 1}', ["1:6 there is no : after a key"]),
        ('{"a":}', ["1:6 there is no value after a key"]),
        ("{a: 1}", ["1:2 there is 'a', which is no JSON"]),
        ('{"a": [1}', ["1:9 there is } where ] is needed"]),
        ('{"a": 1', ["1:7 the text ends too early: a bracket or brace is not closed"]),
        ('{"a": 1}}', ["1:9 there is more text after the end of the JSON"]),
        ('{"a": NaN}', ["1:7 there is 'NaN', which is no JSON"]),
        ('{"a": 01}', ["1:7 there is '01', which is no JSON"]),
        ('{"a": "\\q"}', ["1:7 there is a text with a backslash that escapes nothing"]),
        ('{"a": 1,\n"b": "x}', ["2:6 there is a text that is not closed"]),
        ('{"a": 1,\n"a": 2}', ["2:1 'a' is given twice, first in line 1"]),
        ('{"a": "x\ny"}', ["1:7 there is a line break in a text, which not every tool reads"]),
    ],
)
def test_a_fault_is_one_line_with_its_place(text: str, expected: list[str]) -> None:
    assert faults(text) == expected


def test_what_is_behind_a_fault_is_read() -> None:
    text = '{"a": 1,\n "b": @,\n "c": [1 2],\n "d": {"e": 3,},\n "f": "g"'
    found = read(text, "a.json")
    assert plain(found.root) == {"a": 1, "b": "?", "c": [1, 2], "d": {"e": 3}, "f": "g"}
    assert [one.place.line for one in found.faults] == [2, 3, 4, 5]


def test_a_key_that_is_given_twice_has_no_value() -> None:
    found = read('{"a": 1, "b": 2, "a": 1}', "a.json")
    assert plain(found.root) == {"a": "?", "b": 2}
    assert [one.fatal for one in found.faults] == [False]


def test_comments_and_numbers() -> None:
    found = read(
        '// a\n{"a": /* b */ -1.5e3, "b": 9223372036854775807, "c": 1e999, "d": 9223372036854775808} // c', "a"
    )
    assert found.faults == []
    assert plain(found.root) == {"a": -1500.0, "b": 9223372036854775807, "c": "?", "d": "?"}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-32"])
def test_encodings(encoding: str) -> None:
    assert decoded('{"a": "é"}'.encode(encoding), "a.json") == '{"a": "é"}'


@pytest.mark.parametrize(
    ("data", "line", "column"), [(b'{"a":\n "\xe9"}', 2, 3), (b"\xff\xfe{", 1, 1), (b'{"a": "x\x00y"}', 1, 1)]
)
def test_what_is_no_text_has_a_place_too(data: bytes, line: int, column: int) -> None:
    found = decoded(data, "a.json")
    assert isinstance(found, Fault)
    assert found.place == ("a.json", line, column)


@given(st.text(st.sampled_from("a \r\n{"), max_size=30), st.data())
def test_the_place_of_an_offset_is_the_same_by_a_place_before_it(text: str, data: st.DataObject) -> None:
    offset = data.draw(st.integers(0, len(text)))
    at = data.draw(st.integers(0, offset))
    lines = Lines(text, "a.json")
    assert lines.behind(lines.place(at), at, offset) == Lines(text, "a.json").place(offset)
